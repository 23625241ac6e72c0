"""Where there is music: partials that hold their pitch.

Instruments hold notes, so the spectrogram has horizontal lines; in speech every harmonic glides. This is the idea of
Seyerlehner, Pohle, Schedl and Widmer, "Automatic music detection in television productions" (DAFx 2007), whose
"continuous frequency activation" finds music also under speech. Here the lines are followed one by one, and those that
last longer than a note (mains hum, a whistling power supply, a test tone) are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from analyzers.signal.spans import Span, join, overlap_s, runs
from analyzers.signal.spectrum import BLOCK, FFT, RATE_HZ, SLOW_HOP_S
from media.types import Float32Array, Float64Array

BAND_HZ = (250.0, 4_500.0)
"""Below, the harmonics of a voice glide by less than a bin and look like notes."""

PROMINENCE_DB = 10.0
"""Height of a partial over the mean of the bins around it: the threshold of Seyerlehner et al."""

NEIGHBOURHOOD = 21
"""Bins of that mean: 226 Hz, the window of Seyerlehner et al."""

DEPTH_DB = 50.0
"""Partials this far below the loud ones are not looked for."""

QUIETEST_DB = -30.0
"""Power in a bin below which nothing is looked for: a sine at -84 dB re full scale."""

NOTE_S = (0.3, 6.0)
"""Shorter lines occur in speech (a sustained vowel's lower harmonics hold for 0.2 s); longer ones are no notes."""

GRID_S = 0.25
"""Step of the windows in which music is looked for."""

"""Start and end in seconds."""


@dataclass(frozen=True)
class MusicSettings:
    """Thresholds of ``find_music``; ``AudioAnalysisConfig`` says where each comes from.

    Attributes:
        min_chord_share: Share of frames with two held partials that makes a window one of music.
        music_window_s: Width of these windows.
        min_held_s: Least time with two held partials in a stretch without a beat.
        max_rest_s: Longest rest inside music.
        speech_break_s: Shortest stretch of mostly speech without held partials that ends music.
    """

    min_chord_share: float
    music_window_s: float
    min_held_s: float
    max_rest_s: float
    speech_break_s: float


@dataclass(frozen=True)
class Music:
    """A stretch of music, in seconds, and what it is known by."""

    start_s: float
    end_s: float
    has_notes: bool
    has_beat: bool
    chord_share: float


def held_partials(partials_db: Float32Array) -> npt.NDArray[np.uint8]:
    """Number of partials that hold their pitch, for each frame.

    Args:
        partials_db: float32 (bins, M) from ``spectra``.

    Returns:
        uint8 (M,).
    """
    from scipy.ndimage import uniform_filter1d

    first, last = (round(f * FFT / RATE_HZ) for f in BAND_HZ)
    floor_db = max(float(np.percentile(partials_db.max(axis=0), 95)) - DEPTH_DB, QUIETEST_DB)
    peaks = np.zeros((last - first, partials_db.shape[1]), bool)
    for begin in range(0, partials_db.shape[1], BLOCK):
        level = np.maximum(partials_db[:, begin : begin + BLOCK], floor_db)
        above = level - uniform_filter1d(level, NEIGHBOURHOOD, axis=0, mode="nearest")
        part = (above[1:-1] > PROMINENCE_DB) & (level[1:-1] >= level[:-2]) & (level[1:-1] >= level[2:])
        peaks[:, begin : begin + BLOCK] = part[first - 1 : last - 1]
    # A vibrato of one bin, and a hole of one frame, do not end a note.
    wide = peaks.copy()
    wide[1:] |= peaks[:-1]
    wide[:-1] |= peaks[1:]
    wide[:, 1:-1] |= wide[:, :-2] & wide[:, 2:]
    return np.asarray(np.minimum((peaks & _held(wide)).sum(axis=0), 255), np.uint8)


def _held(lines: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Only those horizontal runs that are as long as a note."""
    steps = np.diff(np.pad(lines, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    length_s = (ends - starts) * SLOW_HOP_S
    note = (length_s >= NOTE_S[0]) & (length_s <= NOTE_S[1])
    marks = np.zeros((lines.shape[0], lines.shape[1] + 1), np.int8)
    marks[rows[note], starts[note]] = 1
    marks[rows[note], ends[note]] -= 1
    return np.asarray(np.cumsum(marks, axis=1)[:, :-1] > 0)


def chord_share(held: npt.NDArray[np.uint8], centres_s: Float64Array, width_s: float) -> Float64Array:
    """Share of the frames around each time in which at least two partials are held.

    One partial alone is a test tone, a beep or a whistle; the harmonics of one note are several already.

    Args:
        held: From ``held_partials``.
        centres_s: Middle of each window, seconds.
        width_s: Width of the windows; cut at the ends of the track.

    Returns:
        float64 (len(centres_s),) in [0, 1].
    """
    total = np.concatenate([[0], np.cumsum(held >= 2)])
    low = np.clip(np.round((centres_s - width_s / 2) / SLOW_HOP_S).astype(np.int64), 0, len(held))
    high = np.clip(np.round((centres_s + width_s / 2) / SLOW_HOP_S).astype(np.int64), 0, len(held))
    return np.asarray((total[high] - total[low]) / np.maximum(high - low, 1))


def find_music(
    held: npt.NDArray[np.uint8], length_s: float, beat: Sequence[Span], speech: Sequence[Span], settings: MusicSettings
) -> list[Music]:
    """Stretches of music, sorted and disjoint.

    Args:
        held: From ``held_partials``.
        length_s: Of the track.
        beat: Stretches with a clear pulse that is nobody's speech, sorted.
        speech: Stretches of speech, sorted.
        settings: Thresholds.
    """
    centres = np.arange(GRID_S / 2, length_s, GRID_S)
    share = chord_share(held, centres, settings.music_window_s)
    near = [(a * GRID_S, b * GRID_S) for a, b in runs(share >= settings.min_chord_share)]
    notes = [
        span
        for rough in join(near, settings.max_rest_s)
        for span in _note_spans(held, rough, speech, settings.speech_break_s)
        if _held_s(held, span) >= settings.min_held_s
    ]
    return [
        Music(
            a,
            min(b, length_s),
            has_notes=overlap_s((a, b), notes) > 0.0,
            has_beat=overlap_s((a, b), beat) > 0.0,
            chord_share=_held_s(held, (a, b)) / (b - a),
        )
        for a, b in join([*notes, *beat], settings.max_rest_s if beat else 0.0)
        if min(b, length_s) > a
    ]


def _note_spans(held: npt.NDArray[np.uint8], rough: Span, speech: Sequence[Span], speech_break_s: float) -> list[Span]:
    """The part from the first held partial to the last, parted where long speech has none."""
    first, last = (round(t / SLOW_HOP_S) for t in rough)
    at = np.flatnonzero(held[first:last]) + first
    if not len(at):
        return []
    edges = [int(at[0])]
    for left, right in pairwise(at):
        gap = (left * SLOW_HOP_S, right * SLOW_HOP_S)
        length_s = gap[1] - gap[0]
        if length_s >= speech_break_s and overlap_s(gap, speech) >= 0.5 * length_s:
            edges += [int(left) + 1, int(right)]
    edges.append(int(at[-1]) + 1)
    return [(a * SLOW_HOP_S, b * SLOW_HOP_S) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _held_s(held: npt.NDArray[np.uint8], span: Span) -> float:
    first, last = (round(t / SLOW_HOP_S) for t in span)
    return float((held[first:last] >= 2).sum() * SLOW_HOP_S)
