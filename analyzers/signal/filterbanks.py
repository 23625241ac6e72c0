"""Mel and chroma filter banks, equal to librosa's.

Written out, because librosa brings numba: 23 s of processor time for its compiler on a new machine, 3 s in every
process after that, and 160 MB. A test holds each bank against librosa's.
"""

from __future__ import annotations

import numpy as np

from media.types import Float32Array, Float64Array

MEL_STEP_HZ = 200.0 / 3.0
MEL_KNEE_HZ = 1_000.0
MEL_LOG_STEP = float(np.log(6.4) / 27.0)
"""Slaney's mel scale ("Auditory Toolbox", 1998): linear up to 1 kHz, logarithmic above."""

CHROMA_CENTRE_OCTAVE, CHROMA_WIDTH_OCTAVES = 5.0, 2.0
"""Weight of the octaves: a bell around A4 (octave 5 over 13.75 Hz), where melodies and chords lie."""


def mel_edges_hz(low_hz: float, high_hz: float, bands: int) -> Float64Array:
    """Lower edge, centres and upper edge of triangular bands: float64 (bands + 2,)."""
    knee = MEL_KNEE_HZ / MEL_STEP_HZ

    def to_mel(hz: float) -> float:
        return hz / MEL_STEP_HZ if hz < MEL_KNEE_HZ else knee + float(np.log(hz / MEL_KNEE_HZ)) / MEL_LOG_STEP

    mel = np.linspace(to_mel(low_hz), to_mel(high_hz), bands + 2)
    return np.where(mel < knee, mel * MEL_STEP_HZ, MEL_KNEE_HZ * np.exp(MEL_LOG_STEP * (mel - knee)))


def mel_bank(rate_hz: int, fft: int, bands: int, low_hz: float, high_hz: float) -> Float32Array:
    """Triangles of equal area on the mel scale: float32 (bands, 1 + fft / 2)."""
    edges = mel_edges_hz(low_hz, high_hz, bands)
    hz = np.fft.rfftfreq(fft, 1.0 / rate_hz)
    low, centre, high = (edges[k : k + bands, None] for k in range(3))
    triangles = np.maximum(0.0, np.minimum((hz - low) / (centre - low), (high - hz) / (high - centre)))
    return np.asarray(triangles * 2.0 / (high - low), np.float32)


def chroma_bank(rate_hz: int, fft: int, tuning: float) -> Float32Array:
    """Share of each bin in each pitch class, C first: float32 (12, 1 + fft / 2).

    After Ellis, "Chroma feature analysis and synthesis", 2007: bells of a semitone's width around each pitch class.

    Args:
        rate_hz: Sample rate.
        fft: Samples of the transform.
        tuning: Deviation of A4 from 440 Hz in semitones.
    """
    hz = np.arange(1, fft) * rate_hz / fft
    semitones = 12.0 * np.log2(hz / (440.0 * 2.0 ** (tuning / 12.0) / 16.0))
    semitones = np.concatenate([[semitones[0] - 18.0], semitones])
    width = np.concatenate([np.maximum(np.diff(semitones), 1.0), [1.0]])
    distance = (semitones - np.arange(12.0)[:, None] + 6.0) % 12.0 - 6.0
    bells = np.exp(-0.5 * (2.0 * distance / width) ** 2)
    bells /= np.sqrt(np.sum(bells**2, axis=0))
    bells *= np.exp(-0.5 * ((semitones / 12.0 - CHROMA_CENTRE_OCTAVE) / CHROMA_WIDTH_OCTAVES) ** 2)
    # Pitch class 0 is A so far.
    return np.asarray(np.roll(bells, -3, axis=0)[:, : 1 + fft // 2], np.float32)
