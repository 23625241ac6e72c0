"""Loudness by ITU-R BS.1770-5 and EBU R 128: integrated, range, momentary and short-term maxima, true peak.

Written out instead of calling pyloudnorm, because all measures come from one filtered pass here and memory stays
bounded; a test holds the integrated value against pyloudnorm, and both against the signals of EBU Tech 3341 and 3342.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from media.types import Float32Array, Float64Array

RATE_HZ = 48_000
"""Rate that the standard's filter coefficients are given for."""

K_WEIGHTING = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585),
    (1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621),
)
"""ITU-R BS.1770-5, tables 1 and 2: the head's high shelf, then the high pass; b0 b1 b2 a0 a1 a2."""

STEP_S = 0.1
"""Step of the energies: a quarter of the momentary block, as the standard's overlap of 75 % asks."""

MOMENTARY_STEPS = 4
SHORT_TERM_STEPS = 30

ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
RANGE_GATE_LU = -20.0
"""Gates of BS.1770-5 (first two) and EBU Tech 3342."""

OVERSAMPLING = 4
"""Of the true peak, as BS.1770-5 annex 2 has it at 48 kHz."""

PEAK_REACH_DB = 6.0
"""Stretches whose highest sample is this far below the highest of all are not oversampled: between samples, music
rises by less than 3 dB (a sine at a quarter of the rate)."""

FILTER_REACH = 10
"""Samples on each side that the oversampling filter looks at; SciPy's own choice for ``resample_poly``."""

SETTLING = 64
"""Samples taken along at both sides of an oversampled stretch, longer than half its filter."""


@dataclass(frozen=True, eq=False)
class Weighted:
    """The K-weighted track.

    Attributes:
        energy: float64 (N,), mean square summed over both channels in each full 100 ms.
        sample_peak: Largest magnitude, linear.
        true_peak: Largest magnitude after oversampling, linear; not below ``sample_peak``.
    """

    energy: Float64Array
    sample_peak: float
    true_peak: float


def weighted(samples: Float32Array) -> Weighted:
    """Filters the track, second by second, so that memory stays small.

    Args:
        samples: float32 (N, 2) at 48 kHz, finite.
    """
    from scipy.signal import sosfilt

    filters = np.array(K_WEIGHTING)
    state = np.zeros((len(filters), 2, 2))
    step = round(STEP_S * RATE_HZ)
    energy = []
    for begin in range(0, len(samples), 100 * step):
        block = samples[begin : begin + 100 * step].T.astype(np.float64)
        loud, state = sosfilt(filters, block, axis=1, zi=state)
        whole = loud[:, : loud.shape[1] // step * step].reshape(2, -1, step)
        energy.append(np.square(whole).mean(axis=2).sum(axis=0))
    sample_peak = max(
        (float(np.abs(samples[b : b + RATE_HZ]).max()) for b in range(0, len(samples), RATE_HZ)), default=0.0
    )
    return Weighted(np.concatenate(energy) if energy else np.zeros(0), sample_peak, _true_peak(samples, sample_peak))


def _true_peak(samples: Float32Array, sample_peak: float) -> float:
    from scipy.signal import resample_poly

    if sample_peak == 0.0:
        return 0.0
    channels = samples[:, :1] if np.array_equal(samples[:, 0], samples[:, 1]) else samples
    peak, length = sample_peak, RATE_HZ // 20
    for begin in range(0, len(channels), length):
        if np.abs(channels[begin : begin + length]).max() >= sample_peak * 10.0 ** (-PEAK_REACH_DB / 20.0):
            before = min(begin, SETTLING)
            part = channels[begin - before : begin + length + SETTLING]
            fine = resample_poly(part, OVERSAMPLING, 1, axis=0, window=_between())[before * OVERSAMPLING :][
                : length * OVERSAMPLING
            ]
            peak = max(peak, float(np.abs(fine).max()))
    return peak


@lru_cache
def _between() -> Float32Array:
    """The oversampling filter, as SciPy would design it anew for each stretch: a third of the time."""
    from scipy.signal import firwin

    taps = firwin(2 * FILTER_REACH * OVERSAMPLING + 1, 1.0 / OVERSAMPLING, window=("kaiser", 5.0))
    return np.asarray(taps, np.float32)


def sliding_lufs(energy: Float64Array, steps: int) -> Float64Array:
    """Loudness of each ``steps * 100`` ms, every 100 ms: float64 (max(0, N - steps + 1),), -inf for silence."""
    if len(energy) < steps:
        return np.zeros(0)
    total = np.concatenate([[0.0], np.cumsum(energy)])
    return to_lufs((total[steps:] - total[:-steps]) / steps)


def to_lufs(energy: Float64Array) -> Float64Array:
    """LUFS of K-weighted energies; -inf where there is none."""
    with np.errstate(divide="ignore"):
        return np.asarray(-0.691 + 10.0 * np.log10(np.maximum(energy, 0.0)))


def integrated_lufs(energy: Float64Array) -> float | None:
    """Gated loudness of the whole track; None below the absolute gate or for less than 400 ms."""
    blocks = sliding_lufs(energy, MOMENTARY_STEPS)
    blocks = blocks[blocks > ABSOLUTE_GATE_LUFS]
    if not len(blocks):
        return None
    kept = blocks[blocks > _mean_lufs(blocks) + RELATIVE_GATE_LU]
    return _mean_lufs(kept)


def loudness_range_lu(energy: Float64Array) -> float | None:
    """10th to 95th percentile of the gated short-term loudness (EBU Tech 3342); None without any."""
    blocks = sliding_lufs(energy, SHORT_TERM_STEPS)
    blocks = blocks[blocks > ABSOLUTE_GATE_LUFS]
    if not len(blocks):
        return None
    kept = blocks[blocks >= _mean_lufs(blocks) + RANGE_GATE_LU]
    return float(np.percentile(kept, 95) - np.percentile(kept, 10))


def _mean_lufs(blocks: Float64Array) -> float:
    return float(10.0 * np.log10(np.mean(10.0 ** (blocks / 10.0))))
