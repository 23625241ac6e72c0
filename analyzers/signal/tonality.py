"""Key of a piece: chroma against the probe-tone profiles of all 24 keys.

Krumhansl and Schmuckler's algorithm (Krumhansl, "Cognitive Foundations of Musical Pitch", 1990) with the mean of two
sets of profiles: those that listeners gave (Krumhansl and Kessler, "Tracing the dynamic changes in perceived tonal
organization", Psychological Review 89, 1982), which favour the dominant, and those counted in scores (Albrecht and
Shanahan, "The use of large corpora to train a new type of key-finding algorithm", Music Perception 31, 2013), which
favour the triad. Each frame counts alike, loud or not, because the algorithm weighs how long a pitch class sounds.
Drums are taken out first by a median over time (FitzGerald, "Harmonic/percussive separation using median filtering",
DAFx 2010).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analyzers.signal.filterbanks import chroma_bank
from analyzers.signal.spectrum import RATE_HZ, blocks
from media.types import Float32Array, Float64Array

Mode = Literal["major", "minor"]
MODES: tuple[Mode, ...] = ("major", "minor")

FFT = 4096
"""Samples: 186 ms, 5.4 Hz for each bin, a semitone at 93 Hz."""

HOP = 1024
HOP_S = HOP / RATE_HZ
BLOCK = 256

TOP_HZ = 5_000.0
"""Above lie only high harmonics, which tell nothing of the key."""

TUNING_FRAMES = 400
"""Frames, spread over the track, from which the tuning is measured: 19 s of sound."""

TUNING_HZ = (150.0, 4_000.0)
"""Where peaks are sharp enough to tell a semitone's hundredth."""

TUNING_STEPS = 100

PEAK_SHARE = 0.1
"""Peaks below this share of the frame's highest are not looked at."""

NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

PROFILES: tuple[dict[Mode, tuple[float, ...]], ...] = (
    {
        "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
        "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
    },
    {
        "major": (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
        "minor": (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
    },
)
"""Krumhansl and Kessler's, Albrecht and Shanahan's; how well each of the twelve pitch classes fits, tonic first."""

HELD_FRAMES = 9
"""Length of the median over time, 0.42 s: what sounds for less than half of it is gone."""

SOUNDING = 0.25
"""A pitch class sounds when its mean chroma lies this far up between the weakest and the strongest one."""


@dataclass(frozen=True)
class KeyMatch:
    """One key and how well its profiles correlate with the chroma, on average, in [-1, 1]."""

    tonic: str
    mode: Mode
    correlation: float


def chroma(samples: Float32Array) -> tuple[Float32Array, float]:
    """Chroma of each frame, and the tuning.

    Args:
        samples: float32 (N,) at 22.05 kHz, finite.

    Returns:
        float32 (12, M), C first, the strongest of each frame 1 (all 0 in silence), frame k centred on ``k * HOP_S``;
        deviation of A4 from 440 Hz in semitones, in [-0.5, 0.5).
    """
    from scipy.ndimage import median_filter

    top = round(TOP_HZ * FFT / RATE_HZ)
    parts = [magnitude[:top].copy() for magnitude in blocks(samples, FFT, HOP, BLOCK)]
    spectrum = np.concatenate(parts, axis=1)
    tuning = _tuning(spectrum)
    bank = chroma_bank(RATE_HZ, FFT, tuning)[:, :top]
    raw = bank @ median_filter(spectrum, size=(1, HELD_FRAMES))
    strongest = raw.max(axis=0)
    return np.asarray(raw / np.where(strongest > 1e-6, strongest, np.inf), np.float32), tuning


def _tuning(spectrum: Float32Array) -> float:
    """Where most of the stronger peaks lie between the semitones, in semitones, as librosa's ``estimate_tuning``."""
    part = spectrum[:, :: -(-spectrum.shape[1] // TUNING_FRAMES)]
    left, middle, right = part[:-2], part[1:-1], part[2:]
    peaks = (middle > left) & (middle >= right) & (middle > PEAK_SHARE * part.max(axis=0))
    low, high = (round(f * FFT / RATE_HZ) for f in TUNING_HZ)
    peaks[: low - 1] = peaks[high - 1 :] = False
    if not peaks.any():
        return 0.0
    strong = peaks & (middle >= np.median(middle[peaks]))
    before, at, behind = (m[strong].astype(np.float64) for m in (left, middle, right))
    offset = 0.5 * (behind - before) / (2.0 * at - before - behind)
    bins = np.nonzero(strong)[0] + 1 + offset
    semitones = 12.0 * np.log2(bins * RATE_HZ / FFT / 440.0)
    counts, edges = np.histogram((semitones + 0.5) % 1.0 - 0.5, TUNING_STEPS, (-0.5, 0.5))
    best = int(counts.argmax())
    return float(0.5 * (edges[best] + edges[best + 1]))


def rank_keys(mean_chroma: Float64Array) -> list[KeyMatch]:
    """All 24 keys, best first.

    Args:
        mean_chroma: float64 (12,), C first, not all equal.
    """
    matches = [
        KeyMatch(
            NAMES[tonic],
            mode,
            float(np.mean([np.corrcoef(np.roll(p[mode], tonic), mean_chroma)[0, 1] for p in PROFILES])),
        )
        for mode in MODES
        for tonic in range(12)
    ]
    return sorted(matches, key=lambda m: -m.correlation)


def sounding_classes(mean_chroma: Float64Array) -> int:
    """How many of the twelve pitch classes sound."""
    low, high = float(mean_chroma.min()), float(mean_chroma.max())
    return int((mean_chroma >= low + SOUNDING * (high - low)).sum()) if high > low else 0
