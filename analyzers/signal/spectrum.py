"""Short-time spectra of a whole sound track, computed block by block so that memory does not grow with its length.

Windows, filter banks and measures are librosa's (McFee et al., "librosa: Audio and Music Signal Analysis in Python",
SciPy 2015); tests hold them against it. The hop is 256, so that a beat is placed to 12 ms. ``filterbanks.py`` says why
librosa itself is not called.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analyzers.signal.filterbanks import mel_bank
from media.types import Float32Array

RATE_HZ = 22_050
"""The only sample rate that the functions here take."""

FFT = 2048
"""Samples of a window: 93 ms, 10.8 Hz for each bin."""

HOP = 256
"""Samples from one fast frame to the next."""

HOP_S = HOP / RATE_HZ
"""11.6 ms: step of ``mel_db`` and ``bass_db``."""

SLOW_HOP_S = 2 * HOP_S
"""23.2 ms: step of everything else."""

BLOCK = 256
"""Fast frames whose spectra are held at once: 3 s, 1 MB."""

MEL_BANDS = 64
MEL_TOP_HZ = 8_000.0
"""Above it, MP3 and AAC at low bit rates keep nothing."""

BASS_HZ = (20.0, 150.0)
"""Where kick drums and bass notes have their fundamentals."""

PARTIALS_TOP_HZ = 4_600.0
"""Highest frequency of ``partials_db``; harmonics above are weak in most instruments."""

POWER_FLOOR = 1e-10
"""Added to every power before its logarithm. The power of a full-scale sine in one bin is 54 dB."""

ROLLOFF_SHARE = 0.85


@dataclass(frozen=True, eq=False)
class Shapes:
    """Measures of each slow frame, all float32 (M,), step ``SLOW_HOP_S``.

    Attributes:
        level_db: Mean square under the window, dB re full scale.
        centroid_hz: Weight of the spectrum.
        bandwidth_hz: Spread around the centroid.
        rolloff_hz: Frequency below which 85 % of the magnitude lies.
        flatness: In [0, 1]: geometric over arithmetic mean of the power up to 8 kHz.
        crossings: Share of samples with another sign than the one before, in [0, 1].
    """

    level_db: Float32Array
    centroid_hz: Float32Array
    bandwidth_hz: Float32Array
    rolloff_hz: Float32Array
    flatness: Float32Array
    crossings: Float32Array


@dataclass(frozen=True, eq=False)
class Spectra:
    """What is kept of the spectra. Frame k is centred on ``k`` times its step.

    Attributes:
        mel_db: float32 (64, N), power in mel bands up to 8 kHz, step ``HOP_S``.
        bass_db: float32 (N,), power in 20-150 Hz, step ``HOP_S``.
        partials_db: float32 (428, M), power in each bin up to 4.6 kHz, step ``SLOW_HOP_S``.
        shapes: Of each slow frame.
    """

    mel_db: Float32Array
    bass_db: Float32Array
    partials_db: Float32Array
    shapes: Shapes


def blocks(samples: Float32Array, fft: int, hop: int, size: int = BLOCK) -> Iterator[Float32Array]:
    """Magnitudes of all frames, in blocks of up to ``size`` frames; frame k is centred on sample ``k * hop``.

    Args:
        samples: float32 (N,), finite.
        fft: Samples of the Hann window.
        hop: Samples from frame to frame.
        size: Frames in a block.

    Yields:
        float32 (1 + fft / 2, <= size); 1 + N // hop frames in all.
    """
    window = np.hanning(fft + 1)[:-1].astype(np.float32)
    padded = np.pad(samples, fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, fft)[::hop][: 1 + len(samples) // hop]
    for begin in range(0, len(frames), size):
        yield np.ascontiguousarray(np.abs(np.fft.rfft(frames[begin : begin + size] * window)).T, np.float32)


def spectra(samples: Float32Array) -> Spectra:
    """All that ``Spectra`` lists.

    Args:
        samples: float32 (N,) at 22.05 kHz, finite.
    """
    bank = mel_bank(RATE_HZ, FFT, MEL_BANDS, 0.0, MEL_TOP_HZ)
    bass = slice(*(round(f * FFT / RATE_HZ) for f in BASS_HZ))
    top = round(PARTIALS_TOP_HZ * FFT / RATE_HZ) + 1
    fast: list[tuple[Float32Array, Float32Array]] = []
    slow: list[list[Float32Array]] = []
    for magnitude in blocks(samples, FFT, HOP):
        power = magnitude**2
        fast.append((bank @ power, power[bass].sum(axis=0)))
        # Blocks are even, so every second frame stays every second frame across them.
        half = np.ascontiguousarray(magnitude[:, ::2])
        slow.append([half[:top] ** 2, *_shapes(half)])
    mel_power, bass_power = (np.concatenate(parts, axis=-1) for parts in zip(*fast, strict=True))
    partials, *shapes = (np.concatenate(parts, axis=-1) for parts in zip(*slow, strict=True))
    level, centroid, bandwidth, rolloff, flatness = shapes
    crossings = _crossings(samples, partials.shape[1])
    shape = Shapes(level, centroid, bandwidth, rolloff, flatness, crossings)
    return Spectra(decibels(mel_power), decibels(bass_power), decibels(partials), shape)


def _shapes(magnitude: Float32Array) -> tuple[Float32Array, ...]:
    """Level, centroid, bandwidth, roll-off and flatness of each column, as ``Shapes`` lists them."""
    power = magnitude**2
    level = 2.0 * power.sum(axis=0) / (FFT * np.sum(np.hanning(FFT + 1)[:-1] ** 2))
    hz = np.fft.rfftfreq(FFT, 1.0 / RATE_HZ)[:, None]
    total = np.maximum(magnitude.sum(axis=0), 1e-12)
    centroid = (hz * magnitude).sum(axis=0) / total
    bandwidth = np.sqrt(((hz - centroid) ** 2 * magnitude).sum(axis=0) / total)
    rolloff = hz[(np.cumsum(magnitude, axis=0) >= ROLLOFF_SHARE * total).argmax(axis=0), 0]
    low = power[: round(MEL_TOP_HZ * FFT / RATE_HZ)] + POWER_FLOOR
    flatness = np.exp(np.log(low).mean(axis=0)) / low.mean(axis=0)
    return tuple(np.asarray(v, np.float32) for v in (decibels(level), centroid, bandwidth, rolloff, flatness))


def _crossings(samples: Float32Array, count: int) -> Float32Array:
    changes = np.concatenate([[0], np.cumsum(np.diff(np.signbit(samples)) != 0)]) if len(samples) else np.zeros(1)
    centres = np.arange(count) * 2 * HOP
    low = np.clip(centres - FFT // 2, 0, len(changes) - 1)
    high = np.clip(centres + FFT // 2, 0, len(changes) - 1)
    return np.asarray((changes[high] - changes[low]) / np.maximum(high - low, 1), np.float32)


def decibels(power: Float32Array) -> Float32Array:
    """Ten times the decadic logarithm, never below -100."""
    return np.asarray(10.0 * np.log10(power + POWER_FLOOR), np.float32)
