"""Visual effects against truth."""

from __future__ import annotations

from benchmarks import truth_pictures
from benchmarks.figures import Figure, Measure, Outcomes, f1_figure
from benchmarks.scoring import Score, Span, iou, match_spans
from benchmarks.truth_clips import EFFECTS_FILM, Clips
from benchmarks.truth_made import FPS

TRANSITIONS = ("fade_in", "fade_out", "dissolve")
"""Taken over from ``cut_analysis`` and judged there."""

BARS = {"cosmos/test_video_30s.mp4": "letterbox", "moviepy/chaplin.mp4": "pillarbox"}
"""By eye and by the manifest's notes."""


def _film(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    ((name, outcome),) = outcomes.items()
    truth: dict[str, list[Span]] = {}
    for effect in clips.made_truth(name):
        truth.setdefault(effect.kind, []).append((effect.first / FPS, effect.end / FPS))
    found: dict[str, list[Span]] = {}
    for effect in outcome.result.effects:
        span = (effect.start_time, effect.end_time)
        part_of_strobe = effect.kind == "flash" and any(iou(span, s) > 0.0 for s in truth.get("strobe", ()))
        if effect.kind not in TRANSITIONS and not part_of_strobe:
            found.setdefault(effect.kind, []).append(span)
    loose, half, misses = Score(), Score(), list[tuple[float, str]]()
    for kind in sorted({*truth, *found}):
        ours, theirs = found.get(kind, []), truth.get(kind, [])
        matches = match_spans(ours, theirs)
        loose += matches.score
        half += match_spans(ours, theirs, 0.5).score
        for span, what in (
            *((ours[i], "found, is none") for i in matches.extra),
            *((theirs[j], "missed") for j in matches.missed),
        ):
            misses.append((span[0], f"{name} {span[0]:.2f}-{span[1]:.2f} s: {kind} {what}"))
    lines = [line for _, line in sorted(misses)]
    return [
        f1_figure("visual_effects", "film of effects, kind and some overlap", loose, lines),
        f1_figure("visual_effects", "film of effects, IoU >= 0.5", half, ()),
    ]


def _bars(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    right, wrong = 0, []
    for name, outcome in outcomes.items():
        seen_s = sum(e.end_time - e.start_time for e in outcome.result.effects if e.kind == BARS[name])
        right += seen_s > 0.5 * outcome.video.duration_s
        if seen_s <= 0.5 * outcome.video.duration_s:
            wrong.append(f"{name}: {BARS[name]} for {seen_s:.1f} of {outcome.video.duration_s:.1f} s")
    count = len(outcomes)
    measure = "bars found for most of the clip, clips with bars"
    return [Figure("visual_effects", measure, right / count, "share", count, misses=tuple(wrong))]


def _plain(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    wrong = [
        f"{name} {effect.start_time:.2f}-{effect.end_time:.2f} s: {effect.kind} {effect.detail or ''}".rstrip()
        for name, outcome in outcomes.items()
        if outcome.result
        for effect in outcome.result.effects
        if effect.kind != BARS.get(name)
    ]
    count = len(outcomes)
    measure = "effects in recordings of one shot"
    note = "by eye nothing was added; held pictures of a low frame rate and a film's own black and white are right"
    return [Figure("visual_effects", measure, float(len(wrong)), "found", count, misses=tuple(wrong), note=note)]


MEASURES: tuple[Measure, ...] = (
    Measure("visual_effects", (EFFECTS_FILM,), _film),
    Measure("visual_effects", tuple(BARS), _bars),
    Measure("visual_effects", truth_pictures.one_shot_clips(), _plain),
)
