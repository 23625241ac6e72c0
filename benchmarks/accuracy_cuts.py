"""Cuts and gradual transitions against truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import truth_pictures
from benchmarks.figures import Figure, Measure, Outcome, Outcomes, at_least, at_most, f1_figure
from benchmarks.scoring import Score, iou, match_points, match_spans, mean
from benchmarks.truth_clips import PLACES_FILM, SAMPLE, SHARED_FILM, Clips
from benchmarks.truth_pictures import EditTruth, Transition

HARD = ("hard", "jump")


def hard_cuts(outcome: Outcome, truth: EditTruth) -> list[int]:
    """Frames of the hard cuts that were found, those about which truth says nothing left out."""
    frames = [cut.frame for cut in outcome.result.cuts if cut.type in HARD] if outcome.result else []
    return [f for f in frames if not any(first <= f < end for first, end in truth.unjudged)]


def judge_cuts(found: Sequence[int], truth: Sequence[int], clip: str, fps: float) -> tuple[Score, list[str]]:
    """Within one frame, one to one."""
    matches = match_points(found, truth, 1.0)
    wrong = [(found[i], "found, is none") for i in matches.extra] + [(truth[j], "missed") for j in matches.missed]
    return matches.score, [f"{clip} {frame / fps:.2f} s (frame {frame}): {what}" for frame, what in sorted(wrong)]


def _hard_cuts(measure: str, **more: Any) -> Callable[[Outcomes, Clips], list[Figure]]:
    def judge(outcomes: Outcomes, clips: Clips) -> list[Figure]:
        score, misses = Score(), list[str]()
        for name, outcome in outcomes.items():
            truth = clips.edits(name)
            part, wrong = judge_cuts(hard_cuts(outcome, truth), truth.hard_cuts, name, outcome.fps)
            score, misses = score + part, misses + wrong
        note = f"{len(outcomes)} clips, within 1 frame"
        return [f1_figure("cut_analysis", measure, score, misses, note=note, **more)]

    return judge


def _false_cuts(measure: str, first: int, last: float) -> Callable[[Outcomes, Clips], list[Figure]]:
    def judge(outcomes: Outcomes, clips: Clips) -> list[Figure]:
        misses = [
            f"{name} {frame / outcome.fps:.2f} s (frame {frame}): found, is none"
            for name, outcome in outcomes.items()
            for frame in hard_cuts(outcome, clips.edits(name))
            if first <= frame <= last
        ]
        value = float(len(misses))
        return [
            Figure("cut_analysis", measure, value, "cuts", len(outcomes), target=at_most(0.0), misses=tuple(misses))
        ]

    return judge


def _cut_types(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    right = cases = 0
    misses = []
    for name, outcome in outcomes.items():
        truth = clips.edits(name)
        found = {cut.frame: cut.type for cut in outcome.result.cuts}
        for frame in truth.hard_cuts:
            wanted = "jump" if frame in (truth.jump_cuts or ()) else "hard"
            got = next((found[f] for f in (frame, frame - 1, frame + 1) if f in found), None)
            if got is not None and truth.jump_cuts is not None:
                cases, right = cases + 1, right + (got == wanted)
                if got != wanted:
                    misses.append(f"{name} {frame / outcome.fps:.2f} s (frame {frame}): {got}, is {wanted}")
    value = right / cases if cases else None
    return [Figure("cut_analysis", "hard or jump, of the cuts found", value, "share", cases, misses=tuple(misses))]


def gradual_matches(
    found: Sequence[Transition], truth: Sequence[Transition]
) -> tuple[list[tuple[Transition, Transition]], list[Transition], list[Transition]]:
    """Pairs of found and true transitions of one kind with a frame in common; then the extra, then the missed ones.

    A true one of kind ``any`` is made of parts; all that is found within it is one.
    """
    left, pairs, missed = list(found), list[tuple[Transition, Transition]](), list[Transition]()
    for whole in (t for t in truth if t.kind == "any"):
        parts = [f for f in left if f.first < whole.end and f.end > whole.first]
        if parts:
            joined = Transition("any", min(p.first for p in parts), max(p.end for p in parts))
            pairs.append((joined, whole))
            left = [f for f in left if f not in parts]
        else:
            missed.append(whole)
    extra = []
    for kind in ("fade_in", "fade_out", "dissolve"):
        ours, theirs = [f for f in left if f.kind == kind], [t for t in truth if t.kind == kind]
        matches = match_spans([(f.first, f.end) for f in ours], [(t.first, t.end) for t in theirs])
        pairs += [(ours[i], theirs[j]) for i, j in matches.pairs]
        extra += [ours[i] for i in matches.extra]
        missed += [theirs[j] for j in matches.missed]
    return pairs, extra, missed


def found_transitions(outcome: Outcome, truth: EditTruth) -> list[Transition]:
    """Of the result, those about which truth says nothing left out."""
    found = [Transition(t.kind, t.first_frame, t.end_frame) for t in outcome.result.transitions]
    return [t for t in found if not any(first <= t.first and t.end <= end for first, end in truth.unjudged)]


def _gradual(measure: str, **more: Any) -> Callable[[Outcomes, Clips], list[Figure]]:
    def judge(outcomes: Outcomes, clips: Clips) -> list[Figure]:
        score, misses, shares, strict = Score(), list[str](), list[float](), 0
        for name, outcome in outcomes.items():
            truth = clips.edits(name)
            if not outcome.result or truth.gradual is None:
                continue
            pairs, extra, missed = gradual_matches(found_transitions(outcome, truth), truth.gradual)
            score += Score(len(pairs), len(pairs) + len(extra), len(pairs) + len(missed))
            ious = [iou((f.first, f.end), (t.first, t.end)) for f, t in pairs]
            shares, strict = shares + ious, strict + sum(share >= 0.5 for share in ious)
            for transitions, what in ((extra, "found, is none"), (missed, "missed")):
                misses += [
                    f"{name} {t.first / outcome.fps:.2f}-{t.end / outcome.fps:.2f} s (frames {t.first}-{t.end - 1}): "
                    f"{t.kind} {what}"
                    for t in transitions
                ]
        halves = Score(strict, score.found, score.truth)
        note = f"{len(outcomes)} clips; same kind, at least one frame in common"
        return [
            f1_figure("cut_analysis", measure, score, misses, note=note, **more),
            f1_figure("cut_analysis", f"{measure}: IoU >= 0.5", halves, ()),
            Figure("cut_analysis", f"{measure}: mean IoU of the pairs", mean(shares), "IoU", len(shares)),
        ]

    return judge


def _one_shot(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    misses = [
        f"{name} {t.start_time:.2f}-{t.end_time:.2f} s: {t.kind} found"
        for name, outcome in outcomes.items()
        if outcome.result
        for t in outcome.result.transitions
    ]
    return [
        Figure(
            "cut_analysis",
            "gradual transitions in clips of one shot",
            float(len(misses)),
            "found",
            len(outcomes),
            misses=tuple(misses),
            note="recorded in one go, by eye",
        )
    ]


MEASURES: tuple[Measure, ...] = (
    Measure(
        "cut_analysis", truth_pictures.CUT_CLIPS, _hard_cuts("hard cuts, the four shared clips", target=at_least(0.97))
    ),
    Measure(
        "cut_analysis",
        tuple(truth_pictures.cut_clips()),
        _hard_cuts("hard cuts, all shared clips with cut truth", target=at_least(0.97)),
    ),
    Measure(
        "cut_analysis", (SAMPLE, PLACES_FILM, SHARED_FILM), _hard_cuts("hard cuts, sample and films cut at random")
    ),
    Measure(
        "cut_analysis",
        (truth_pictures.TRAP_CLIP,),
        _false_cuts("hard cuts in the motion trap", *truth_pictures.TRAP_FRAMES),
    ),
    Measure(
        "cut_analysis", (truth_pictures.FADES_CLIP,), _false_cuts("hard cuts in the clip of grey ramps", 0, math.inf)
    ),
    Measure("cut_analysis", (truth_pictures.CAPTION_CLIP, SAMPLE, SHARED_FILM), _cut_types),
    Measure(
        "cut_analysis",
        (*truth_pictures.CUT_CLIPS, truth_pictures.FADES_CLIP),
        _gradual("gradual transitions, shared clips", target=at_least(0.8)),
    ),
    Measure(
        "cut_analysis",
        (SAMPLE, PLACES_FILM, SHARED_FILM),
        _gradual("gradual transitions, sample and films", target=at_least(0.8)),
    ),
    Measure("cut_analysis", truth_pictures.one_shot_clips(), _one_shot),
)
