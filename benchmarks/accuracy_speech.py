"""Speech, pauses, pitch and syllables against truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from benchmarks import truth_sound
from benchmarks.figures import Figure, Measure, Outcome, Outcomes, at_least, at_most, f1_figure
from benchmarks.scoring import (
    Span,
    clipped,
    gaps,
    match_spans,
    merged,
    relative_error,
    rounding_iou,
    snapped,
    union_iou,
)
from benchmarks.truth_clips import PARTED_WORDS, SAMPLE, Clips

MIN_PAUSE_S = 0.15
"""Shorter gaps are articulation by ``speech_flow``'s definition, so true ones below it are not asked for."""

# Speech


def _spans(outcome: Outcome, field: str) -> list[Span]:
    return [(s.start_time, s.end_time) for s in getattr(outcome.result, field)] if outcome.result else []


def _differences(name: str, found: Sequence[Span], truth: Sequence[Span], tolerance_s: float = 0.1) -> list[str]:
    """Spans without a counterpart, and those whose ends are off by more than the tolerance."""
    matches = match_spans(found, truth)
    lines = [(found[i], "found, is none") for i in matches.extra] + [(truth[j], "missed") for j in matches.missed]
    for i, j in matches.pairs:
        if max(abs(found[i][0] - truth[j][0]), abs(found[i][1] - truth[j][1])) > tolerance_s:
            lines.append((found[i], f"is {truth[j][0]:.2f}-{truth[j][1]:.2f} s"))
    return [f"{name} {a:.2f}-{b:.2f} s: {what}" for (a, b), what in sorted(lines)]


def _speech(where: str, truth_for: Callable[[], tuple[list[Span], float]]) -> Callable[[Outcomes, Clips], list[Figure]]:
    """``truth_for`` gives the speech and the end of what is known."""

    def judge(outcomes: Outcomes, clips: Clips) -> list[Figure]:
        ((name, outcome),) = outcomes.items()
        truth, end_s = truth_for()
        found = clipped(_spans(outcome, "spans"), 0.0, end_s)
        return [
            Figure(
                "speech_flow",
                f"speech, {where}",
                union_iou(found, truth),
                "IoU",
                len(truth),
                target=at_least(0.9),
                misses=tuple(_differences(name, found, truth)),
            )
        ]

    return judge


def _pauses(
    where: str,
    truth_for: Callable[[Clips], tuple[list[Span], float]],
    exact_to_s: float = 0.0,
    sound_from_s: Mapping[float, float] | None = None,
) -> Callable[[Outcomes, Clips], list[Figure]]:
    """Pauses of at least ``MIN_PAUSE_S`` between the first and the last true speech.

    Args:
        where: For the table.
        truth_for: Gives the gaps and the end of what is known.
        exact_to_s: Half a step of the truth's times. Then the target holds for borders counted as equal within it, and
            the plain figure stands beside what a faultless detector would get from such truth.
        sound_from_s: Ends of true pauses that lie before the sound, and where it begins; the row then says what a
            faultless detector would get.
    """

    def judge(outcomes: Outcomes, clips: Clips) -> list[Figure]:
        ((name, outcome),) = outcomes.items()
        every, end_s = truth_for(clips)
        truth = [span for span in every if span[1] - span[0] >= MIN_PAUSE_S - 1e-6]
        short = [span for span in every if span not in truth]
        found = clipped(_spans(outcome, "pauses"), 0.0, end_s)
        # A true gap a little too short to be asked for may be found; it is neither right nor wrong.
        judged = [f for f in found if match_spans([f], truth).pairs or not match_spans([f], short).pairs]
        matches = match_spans(judged, truth)
        wrong = tuple(_differences(name, judged, truth))
        title = f"time of pauses, {where}"
        figures = [f1_figure("speech_flow", f"pauses, {where}", matches.score, wrong, target=at_least(0.9))]
        if not exact_to_s:
            plain = union_iou(judged, truth)
            off = tuple(_differences(name, judged, truth, 0.05))
            note = _sound_note(truth, sound_from_s) if sound_from_s else ""
            goal, cases = at_least(0.9), len(truth)
            return [*figures, Figure("speech_flow", title, plain, "IoU", cases, target=goal, misses=off, note=note)]
        low, mean_iou = rounding_iou(truth, exact_to_s)
        note = (
            f"truth in steps of {2 * exact_to_s:g} s: exact borders get {mean_iou:.3f} on average, {low:.3f} at worst"
        )
        near = union_iou(snapped(judged, truth, exact_to_s), truth)
        return [
            *figures,
            Figure("speech_flow", title, union_iou(judged, truth), "IoU", len(truth), note=note),
            Figure(
                "speech_flow",
                f"{title}, borders equal within {exact_to_s:g} s",
                near,
                "IoU",
                len(truth),
                target=at_least(0.9),
                misses=tuple(_differences(name, judged, truth, exact_to_s)),
            ),
        ]

    return judge


def _sound_note(truth: Sequence[Span], sound_from_s: Mapping[float, float]) -> str:
    heard = [(a, sound_from_s.get(b, b)) for a, b in truth]
    late = ", ".join(f"{1000.0 * (b - t[1]):.0f}" for (_, b), t in zip(heard, truth, strict=True))
    return f"labels end {late} ms before any sound: pauses up to the sound get {union_iou(heard, truth):.3f}"


def _counted() -> tuple[list[Span], float]:
    words = truth_sound.counted_words()
    return words, words[-1][1] + 0.1


def _aligned() -> tuple[list[Span], float]:
    return merged(truth_sound.aligned_words()), 2.98


def _read() -> tuple[list[Span], float]:
    silences, end_s = truth_sound.read_silences()
    return [(a[1], b[0]) for a, b in zip(silences, [*silences[1:], (end_s, end_s)], strict=True)], end_s


def _sample_speech(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    ((name, outcome),) = outcomes.items()
    truth = [(v.start_time, v.end_time) for v in clips.sample().voice]
    found = _spans(outcome, "spans")
    return [
        Figure(
            "speech_flow",
            "synthetic voice over music, sample",
            union_iou(found, truth),
            "IoU",
            len(truth),
            misses=tuple(_differences(name, found, truth)),
        )
    ]


def _no_speech(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    wrong = [
        f"{name} {start:.2f}-{end:.2f} s: speech found"
        for name, outcome in outcomes.items()
        for start, end in _spans(outcome, "spans")
    ]
    clips_wrong = sum(bool(_spans(outcome, "spans")) for outcome in outcomes.values())
    return [
        Figure(
            "speech_flow",
            "clips with speech found where nobody speaks",
            float(clips_wrong),
            "clips",
            len(outcomes),
            target=at_most(0.0),
            misses=tuple(wrong),
        )
    ]


def _pitch(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    ((name, outcome),) = outcomes.items()
    truth_hz = truth_sound.read_pitch_hz()
    pitch = outcome.result.pitch if outcome.result else None
    error = relative_error(pitch.median_hz, truth_hz) if pitch else None
    text = f"{name}: {f'{pitch.median_hz:.1f} Hz' if pitch else 'none'}, RMVPE has {truth_hz:.1f} Hz"
    return [Figure("speech_flow", "median pitch, reader 5703", error, "relative", 1, note=text)]


def _syllables(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    found = {name: outcome.result.syllables if outcome.result else 0 for name, outcome in outcomes.items()}
    truth = {name: truth_sound.SYLLABLES[name] for name in found}
    off = sum(abs(found[name] - truth[name]) for name in found)
    wrong = [f"{name}: {found[name]} syllables, has {truth[name]}" for name in found if found[name] != truth[name]]
    total = sum(truth.values())
    return [
        Figure(
            "speech_rate",
            "syllables too many or too few, over all",
            off / total,
            "relative",
            total,
            misses=tuple(wrong),
        )
    ]


_ALL: tuple[Measure, ...] = (
    Measure("speech_flow", (truth_sound.COUNT_CLIP,), _speech("counting voice", _counted)),
    Measure("speech_flow", (truth_sound.WORDS_CLIP,), _speech("GRID sentence", _aligned)),
    Measure("speech_flow", (truth_sound.READER_CLIP,), _speech("reader 5703, 8 s", _read)),
    Measure("speech_flow", (SAMPLE,), _sample_speech),
    Measure(
        "speech_flow", (PARTED_WORDS,), _pauses("words parted by silence", lambda c: (c.made_truth(PARTED_WORDS), 99.0))
    ),
    Measure(
        "speech_flow",
        (truth_sound.COUNT_CLIP,),
        _pauses("counting voice", lambda c: (gaps(_counted()[0]), _counted()[1]), truth_sound.COUNT_EXACT_TO_S),
    ),
    Measure(
        "speech_flow",
        (truth_sound.READER_CLIP,),
        _pauses("reader 5703, 8 s", lambda c: (gaps(_read()[0]), _read()[1]), 0.0, truth_sound.READ_SOUND_FROM_S),
    ),
    Measure("speech_flow", truth_sound.NOT_SPEECH, _no_speech),
    Measure("speech_flow", (truth_sound.READER_CLIP,), _pitch),
    Measure("speech_rate", tuple(truth_sound.SYLLABLES), _syllables),
)

MEASURES: tuple[Measure, ...] = tuple(replace(measure, none_is_an_answer=True) for measure in _ALL)
"""Silence is an answer: ``no_speech``, ``no_audio``."""
