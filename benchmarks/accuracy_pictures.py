"""Camera, scenes, composition, quality and flow against truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise, product
from typing import Any

from benchmarks import truth_pictures, truth_stills
from benchmarks.figures import Figure, Measure, Outcome, Outcomes, at_least, at_most, f1_figure
from benchmarks.scoring import Score, match_spans, relative_error
from benchmarks.truth_clips import SAMPLE, SUBJECT_PLACES, Clips, fault_name, fault_steps
from benchmarks.truth_pictures import CameraTruth

SUBJECT_TOLERANCE = 0.05
"""Of the picture's width and height."""

# Camera


def kind_at(result: Any, time_s: float) -> str | None:
    """Of the span that holds the moment."""
    return next((s.kind for s in result.spans if s.start_time <= time_s < s.end_time), None)


def _camera(measure: str, truth_for: Callable[[Clips], Sequence[CameraTruth]]) -> Callable[..., list[Figure]]:
    def judge(outcomes: Outcomes, clips: Clips) -> list[Figure]:
        right = cases = 0
        errors, wrong, misses = list[float](), list[tuple[int, str, str]](), list[str]()
        ((name, outcome),) = outcomes.items()
        for part in truth_for(clips):
            for frame in range(part.first, part.end):
                kind = kind_at(outcome.result, (frame + 0.5) / outcome.fps)
                cases, right = cases + 1, right + (kind == part.kind)
                if kind != part.kind:
                    wrong.append((frame, str(kind), part.kind))
            if part.kind != "static":
                error, text = _speed_error(outcome, part)
                errors.append(error)
                if error > 0.1:
                    misses.append(f"{name} {part.first / outcome.fps:.2f} s: {text}")
        return [
            Figure(
                "camera_analysis",
                f"frames of the right kind, {measure}",
                right / cases,
                "share",
                cases,
                target=at_least(0.95),
                misses=tuple(_stretches(name, wrong, outcome.fps)),
            ),
            Figure(
                "camera_analysis",
                f"largest error of speed, {measure}",
                max(errors),
                "relative",
                len(errors),
                target=at_most(0.1),
                misses=tuple(misses),
                note="pan and tilt in px/s, zoom by its logarithm",
            ),
        ]

    return judge


def _speed_error(outcome: Outcome, part: CameraTruth) -> tuple[float, str]:
    middle_s = 0.5 * (part.first + part.end) / outcome.fps
    span = next((s for s in outcome.result.spans if s.start_time <= middle_s < s.end_time), None)
    if span is None or span.speed_px_per_s is None or span.zoom_factor_per_s is None:
        return 1.0, f"{part.kind}: no speed"
    if part.zoom_per_s != 1.0:
        error = relative_error(math.log(span.zoom_factor_per_s), math.log(part.zoom_per_s))
        return abs(error), f"zoom {span.zoom_factor_per_s:.3f}/s, is {part.zoom_per_s:.3f}/s"
    error = relative_error(span.speed_px_per_s, part.px_per_s)
    return error, f"{part.kind} {span.speed_px_per_s:.0f} px/s, is {part.px_per_s:.0f} px/s"


def _stretches(name: str, wrong: Iterable[tuple[int, str, str]], fps: float) -> list[str]:
    """Neighbouring wrong frames as one line."""
    lines: list[tuple[int, int, str, str]] = []
    for frame, got, wanted in wrong:
        if lines and lines[-1][1] == frame and lines[-1][2:] == (got, wanted):
            lines[-1] = (lines[-1][0], frame + 1, got, wanted)
        else:
            lines.append((frame, frame + 1, got, wanted))
    return [f"{name} {a / fps:.2f}-{b / fps:.2f} s (frames {a}-{b - 1}): {got}, is {is_}" for a, b, got, is_ in lines]


def _sample_camera(clips: Clips) -> list[CameraTruth]:
    truth = clips.sample()
    return [
        CameraTruth(
            m.kind, round(m.start_time * truth.fps), round(m.end_time * truth.fps), m.speed_px_per_s, m.zoom_per_s
        )
        for m in truth.camera
    ]


def _static(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    static_s = total_s = 0.0
    misses = []
    for name, outcome in outcomes.items():
        for span in outcome.result.spans:
            total_s += span.duration_s
            if span.kind == "static":
                static_s += span.duration_s
            else:
                misses.append(f"{name} {span.start_time:.2f}-{span.end_time:.2f} s: {span.kind}, is static")
    return [
        Figure(
            "camera_analysis",
            "share of the time called static, static clips",
            static_s / total_s if total_s else None,
            "share",
            len(outcomes),
            target=at_least(0.95),
            misses=tuple(misses),
        )
    ]


# Scenes


def _scenes(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    ((name, outcome),) = outcomes.items()
    truth = clips.sample()
    places = [(p.start_time, p.end_time) for p in truth.places]
    scenes = list(outcome.result.scenes)
    matches = match_spans([(s.start_time, s.end_time) for s in scenes], places, 0.5)
    wrong = [f"{name} {scenes[i].start_time:.2f}-{scenes[i].end_time:.2f} s: no place" for i in matches.extra]
    wrong += [f"{name} {places[j][0]:.2f}-{places[j][1]:.2f} s: {truth.places[j].name} missed" for j in matches.missed]
    mixed = [(t.start_time, t.end_time) for t in truth.transitions] + [truth.black]
    keys = [(s, s.key_frame) for s in (*scenes, *outcome.result.shots)]
    bad = [
        f"{name} {span.start_time:.2f}-{span.end_time:.2f} s: key frame at {key.timestamp if key else None} s"
        for span, key in keys
        if key is None
        or not span.start_time <= key.timestamp < span.end_time
        or any(start <= key.timestamp < end for start, end in mixed)
    ]
    share = 1.0 - len(bad) / len(keys) if keys else None
    return [
        f1_figure("scene_segmentation", "places as scenes (IoU >= 0.5), sample", matches.score, wrong),
        Figure(
            "scene_segmentation",
            "key frames inside their scene or shot and outside transitions, sample",
            share,
            "share",
            len(keys),
            misses=tuple(bad),
        ),
    ]


# Composition and quality


def _subject(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    ((name, outcome),) = outcomes.items()
    near = laid = cases = 0
    far, other = list[str](), list[str]()
    for number, (place, (x, y)) in enumerate(truth_stills.PLACES.items()):
        start_s = number * truth_stills.PLACE_S
        for frame in outcome.result.frames:
            if not start_s <= frame.timestamp < start_s + truth_stills.PLACE_S:
                continue
            cases += 1
            seen = frame.subject
            good = seen is not None and max(abs(seen.x - x), abs(seen.y - y)) <= SUBJECT_TOLERANCE
            near += good
            if not good:
                got = f"({seen.x:.2f}, {seen.y:.2f})" if seen else "no subject"
                far.append(f"{name} {frame.timestamp:.2f} s: {got}, is ({x:.2f}, {y:.2f})")
            layout = "centred" if place == "centred" else "thirds"
            laid += frame.layout == layout
            if frame.layout != layout:
                other.append(f"{name} {frame.timestamp:.2f} s: {frame.layout}, is {layout} ({place})")
    what = "composition_analysis"
    return [
        Figure(what, "subject at its place within 0.05", near / cases, "share", cases, misses=tuple(far)),
        Figure(what, "layout: centred or on a third", laid / cases, "share", cases, misses=tuple(other)),
    ]


def _monotone(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    falls = cases = 0
    misses = []
    bases = [base for base in truth_stills.BASES if fault_name(base, "", 0.0) in outcomes]
    for base, (fault, strengths) in product(bases, truth_stills.FAULTS.items()):
        steps = [fault_name(base, fault, strength) for strength in (0.0, *strengths)]
        for before, after in pairwise(steps):
            cases += 1
            old, new = (outcomes[step].result.technical_score for step in (before, after))
            falls += old is not None and new is not None and new < old
            if old is None or new is None or new >= old:
                misses.append(f"{after}: score {_number(new)} after {_number(old)}")
    measure = "score falls with each step of blur, noise, blocks, overexposure"
    return [Figure("content_quality", measure, falls / cases, "share", cases, None, at_least(1.0), tuple(misses))]


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


# Flow


def _flow(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    """Sample: a call to follow, written. Captions of the talk clip: none. Both: share of time with text."""
    score, misses, errors, firsts = Score(), list[str](), list[float](), list[float]()
    for name, outcome in outcomes.items():
        if name == SAMPLE:
            texts = [(c.start_time, c.end_time, c.kind) for c in clips.sample().captions]
            calls = [(a, b) for a, b, kind in texts if kind == "call_to_action"]
        else:
            texts = [(c.start_s, c.end_s, "caption") for c in truth_pictures.caption_truth()]
            calls = []
        flow, length_s = outcome.result, outcome.video.duration_s
        found = [c for c in (flow.calls_to_action or ()) if flow]
        matches = match_spans([(c.start_time, c.end_time) for c in found], calls)
        score += matches.score
        misses += [
            f'{name} {found[i].start_time:.2f} s: {found[i].kind} "{found[i].text}" is none' for i in matches.extra
        ]
        misses += [f"{name} {calls[j][0]:.2f} s: missed" for j in matches.missed]
        share = sum(b - a for a, b, _ in texts) / length_s
        errors.append(abs((flow.text_share or 0.0) - share))
        first = flow.hook.first_text_s
        firsts.append(abs(first - texts[0][0]) if first is not None else length_s)
    count = len(outcomes)
    return [
        f1_figure("temporal_flow", "calls to action, sample and talk clip", score, misses),
        Figure("temporal_flow", "largest error of the share of time with text", max(errors), "share", count),
        Figure("temporal_flow", "largest error of the first text's moment", max(firsts), "s", count),
    ]


MEASURES: tuple[Measure, ...] = (
    Measure(
        "camera_analysis",
        (truth_pictures.CAMERA_CLIP,),
        _camera("camera_pan_zoom_A", lambda clips: truth_pictures.camera_truth()),
    ),
    Measure("camera_analysis", (SAMPLE,), _camera("sample", _sample_camera)),
    Measure("camera_analysis", truth_pictures.STATIC_CLIPS, _static),
    Measure("scene_segmentation", (SAMPLE,), _scenes),
    Measure("composition_analysis", (SUBJECT_PLACES,), _subject),
    Measure(
        "content_quality",
        tuple(fault_name(base, *step) for base in truth_stills.BASES for step in fault_steps()),
        _monotone,
    ),
    Measure("temporal_flow", (SAMPLE, truth_pictures.CAPTION_CLIP), _flow),
)
