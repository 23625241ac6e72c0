"""How a syllable stands out from the others of its clip, and how regularly syllables come. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from analyzers.signal.prosody import Nucleus
from media.types import Float64Array

SPREAD_FLOORS = (2.0, 1.0, 0.02)
"""Least spread taken for level (dB), pitch (semitones) and length (s), so that the tiny changes of a monotonous voice
are no emphasis: twice the smallest differences heard in running speech."""

LIMIT = 2.5
"""No z-score counts for more, so that nothing is prominent by one measure alone."""

LEAST_PITCHES = 8
"""Fewer clear pitches tell no change: a run that is shorter than most vowels."""


@dataclass(frozen=True)
class Norm:
    """The clip's own syllables: median and robust spread (1.4826 x median absolute deviation, at least the floor).

    Attributes:
        level_db: Median and spread.
        pitch_semitones: Median and spread, semitones re 1 Hz; None without any clear pitch.
        length_s: Median and spread.
    """

    level_db: tuple[float, float]
    pitch_semitones: tuple[float, float] | None
    length_s: tuple[float, float]

    def over(self, nucleus: Nucleus) -> tuple[float, float | None, float]:
        """Level in dB and pitch in semitones over the median (None without clear pitch), and length over the median."""
        pitch = None
        if self.pitch_semitones is not None and nucleus.f0_hz is not None:
            pitch = semitones(nucleus.f0_hz) - self.pitch_semitones[0]
        length = (nucleus.end_s - nucleus.start_s) / max(self.length_s[0], 1e-3)
        return nucleus.level_db - self.level_db[0], pitch, length

    def prominence(self, nucleus: Nucleus) -> float:
        """Mean of the robust z-scores of level, pitch (where clear) and length, each held within ``LIMIT``."""
        level, pitch, _ = self.over(nucleus)
        scores = [level / self.level_db[1], (nucleus.end_s - nucleus.start_s - self.length_s[0]) / self.length_s[1]]
        if pitch is not None and self.pitch_semitones is not None:
            scores.append(pitch / self.pitch_semitones[1])
        return float(np.mean(np.clip(scores, -LIMIT, LIMIT)))


@dataclass(frozen=True)
class Regularity:
    """Of the intervals between neighbouring syllables.

    Attributes:
        npvi: Normalised pairwise variability index in [0, 200].
        interval_cv: Standard deviation over mean.
        mean_interval_s: Seconds.
        intervals: How many.
    """

    npvi: float
    interval_cv: float
    mean_interval_s: float
    intervals: int


def semitones(frequency_hz: float) -> float:
    """Semitones re 1 Hz."""
    return 12.0 * float(np.log2(frequency_hz))


def norm_of(nuclei: Sequence[Nucleus]) -> Norm:
    """What is usual for these syllables; at least one."""
    pitches = [semitones(n.f0_hz) for n in nuclei if n.f0_hz is not None]
    return Norm(
        level_db=_centre([n.level_db for n in nuclei], SPREAD_FLOORS[0]),
        pitch_semitones=_centre(pitches, SPREAD_FLOORS[1]) if pitches else None,
        length_s=_centre([n.end_s - n.start_s for n in nuclei], SPREAD_FLOORS[2]),
    )


def _centre(values: Sequence[float], floor: float) -> tuple[float, float]:
    median = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(np.asarray(values) - median)))
    return median, max(spread, floor)


def local_highs(times_s: Sequence[float], values: Sequence[float], least: float, reach_s: float) -> list[int]:
    """Indices of values of at least ``least`` that no other within ``reach_s`` exceeds (the first of equals).

    Args:
        times_s: Sorted.
        values: One for each time.
        least: Smaller values are left out.
        reach_s: Distance in time.
    """
    times, heights = np.asarray(times_s, float), np.asarray(values, float)
    kept = []
    for k in np.flatnonzero(heights >= least):
        first, last = np.searchsorted(times, [times[k] - reach_s, times[k] + reach_s + 1e-9])
        if first + int(heights[first:last].argmax()) == k:
            kept.append(int(k))
    return kept


def regularity(trains: Sequence[Sequence[float]]) -> Regularity | None:
    """Rhythm of syllable times; each train is one stretch without a gap. None without two neighbouring intervals.

    nPVI = 100 x mean of |a - b| / ((a + b) / 2) over neighbouring intervals a, b (Grabe and Low 2002).
    """
    intervals = [[b - a for a, b in pairwise(train)] for train in trains]
    pairs = [abs(a - b) / ((a + b) / 2.0) for train in intervals for a, b in pairwise(train)]
    if not pairs:
        return None
    every: Float64Array = np.concatenate([np.asarray(train, float) for train in intervals])
    mean = float(every.mean())
    return Regularity(100.0 * float(np.mean(pairs)), float(every.std()) / mean, mean, len(every))


def pitch_change(f0_hz: Float64Array) -> float | None:
    """Semitones from the first to the last third (medians) of a run of clear pitches; None below ``LEAST_PITCHES``."""
    if len(f0_hz) < LEAST_PITCHES:
        return None
    third = len(f0_hz) // 3
    return semitones(float(np.median(f0_hz[-third:]))) - semitones(float(np.median(f0_hz[:third])))
