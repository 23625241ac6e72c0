"""Text on screen against truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import truth_pictures
from benchmarks.figures import Figure, Measure, Outcomes, at_least, at_most, f1_figure
from benchmarks.scoring import Score, character_error_rate, edit_distance, plain_text
from benchmarks.truth_clips import SAMPLE, Clips
from benchmarks.truth_pictures import CaptionTruth

READ_WITHIN = 0.1
"""Character error rate up to which a text seen by eye counts as read."""


def _captions(where: str, truth_for: Callable[[Clips], Sequence[CaptionTruth]]) -> Callable[..., list[Figure]]:
    def judge(outcomes: Outcomes, clips: Clips) -> list[Figure]:
        ((name, outcome),) = outcomes.items()
        truth = truth_for(clips)
        overlays = list(outcome.result.overlays) if outcome.result else []
        homes = [_home(o, truth) for o in overlays]
        edits, shifts, single = 0, list[float](), 0
        misses, loose = list[str](), list[str]()
        for index, caption in enumerate(truth):
            mine = [o for o, home in zip(overlays, homes, strict=True) if home == index]
            single += len(mine) == 1
            if len(mine) != 1:
                loose.append(f'{name} {caption.start_s:.2f} s "{caption.text}": {[o.text for o in mine]}')
            best = min(mine, key=lambda o: edit_distance(plain_text(o.text), caption.text), default=None)
            edits += edit_distance(plain_text(best.text) if best else "", caption.text)
            if best is None or character_error_rate(best.text, caption.text) > 0.0:
                misses.append(f'{name} {caption.start_s:.2f} s "{caption.text}": read "{best.text if best else ""}"')
            if best:
                shifts.append(max(abs(best.start_time - caption.start_s), abs(best.end_time - caption.end_s)))
        stray = [o for o, home in zip(overlays, homes, strict=True) if home is None]
        letters = sum(len(c.text) for c in truth)
        rate, cases = edits / letters, len(truth)
        lost = tuple(misses)
        return [
            Figure("text_overlay", f"character error rate, {where}", rate, "CER", cases, None, at_most(0.03), lost),
            Figure(
                "text_overlay",
                f"largest error of a span's ends, {where}",
                max(shifts) if shifts else None,
                "s",
                len(shifts),
                target=at_most(0.2),
            ),
            Figure(
                "text_overlay",
                f"captions that are one overlay each, {where}",
                single / cases,
                "share",
                cases,
                target=at_least(1.0),
                misses=tuple(loose),
            ),
            Figure(
                "text_overlay",
                f"overlays that are no caption, {where}",
                float(len(stray)),
                "found",
                len(overlays),
                misses=tuple(f'{name} {o.start_time:.2f}-{o.end_time:.2f} s: {o.kind} "{o.text}"' for o in stray),
            ),
        ]

    return judge


def _home(overlay: Any, truth: Sequence[CaptionTruth]) -> int | None:
    """The caption in whose time more than half of the overlay lies."""
    for index, caption in enumerate(truth):
        common = min(overlay.end_time, caption.end_s) - max(overlay.start_time, caption.start_s)
        if common > 0.5 * overlay.duration_s:
            return index
    return None


def _sample_captions(clips: Clips) -> list[CaptionTruth]:
    return [CaptionTruth(c.text, c.start_time, c.end_time) for c in clips.sample().captions]


def _seen(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    score, misses = Score(), list[str]()
    for name, outcome in outcomes.items():
        truth = truth_pictures.seen_texts(name)
        overlays = list(outcome.result.overlays) if outcome.result else []
        left, right = list(overlays), 0
        for text in truth:
            at_once = [o for o in left if o.start_time < text.end_s and o.end_time > text.start_s]
            best = min(at_once, key=lambda o: character_error_rate(o.text, text.text), default=None)
            if best is not None and character_error_rate(best.text, text.text) <= READ_WITHIN:
                left.remove(best)
                right += 1
            else:
                misses.append(f'{name} {text.start_s:.2f} s "{text.text}": read "{best.text if best else ""}"')
        misses += [f'{name} {o.start_time:.2f}-{o.end_time:.2f} s: {o.kind} "{o.text}" is none' for o in left]
        score += Score(right, len(overlays), len(truth))
    note = f"{len(outcomes)} clips; read with at most {READ_WITHIN:.0%} of its characters wrong"
    return [f1_figure("text_overlay", "texts that can be read by eye", score, misses, note=note)]


def _counter(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    ((name, outcome),) = outcomes.items()
    overlays = list(outcome.result.overlays) if outcome.result else []
    truth, half_s = truth_pictures.counter_texts(), 0.05
    matched = {
        (i, j)
        for i, o in enumerate(overlays)
        for j, text in enumerate(truth)
        if plain_text(o.text) == text.text
        and abs(o.start_time - text.start_s) < half_s
        and abs(o.end_time - text.end_s) < half_s
    }
    lost = [truth[j] for j in range(len(truth)) if j not in {j for _, j in matched}]
    wrong = [o for i, o in enumerate(overlays) if i not in {i for i, _ in matched}]
    misses = [f'{name} {t.start_s:.2f} s "{t.text}": missed' for t in lost]
    misses += [f'{name} {o.start_time:.2f}-{o.end_time:.2f} s "{o.text}" is none' for o in wrong]
    score = Score(len(matched), len(overlays), len(truth))
    return [f1_figure("text_overlay", "another text on each frame, exact in text and time", score, misses)]


MEASURES: tuple[Measure, ...] = (
    Measure(
        "text_overlay",
        (truth_pictures.CAPTION_CLIP,),
        _captions("vertical_talk_cuts_subs_A", lambda clips: truth_pictures.caption_truth()),
    ),
    Measure("text_overlay", (SAMPLE,), _captions("sample", _sample_captions)),
    Measure("text_overlay", truth_pictures.TEXT_CLIPS, _seen),
    Measure("text_overlay", (truth_pictures.COUNTER_CLIP,), _counter),
)
