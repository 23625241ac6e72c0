"""Short-time spectra of a whole sound track, computed block by block so that memory does not grow with its length.

Window and hop are librosa's defaults (McFee et al., "librosa: Audio and Music Signal Analysis in Python", SciPy 2015),
with a hop of 256 so that a beat is placed to 12 ms.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

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


def prepare_numba() -> None:
    """Gives numba a place for compiled code where it would find none (read-only installation, no home).

    librosa asks for a cache; numba refuses to be imported by it without a writable place. Compiling for the first
    time takes 20 CPU-seconds, loading from the cache 2. Call before librosa is imported.
    """
    spec = find_spec("librosa")
    places = [Path.home() / ".cache", Path(tempfile.gettempdir())]
    if spec is not None and spec.origin is not None:
        places.insert(0, Path(spec.origin).parent)
    if "NUMBA_CACHE_DIR" not in os.environ and not any(os.access(p, os.W_OK) for p in places[:-1]):
        os.environ["NUMBA_CACHE_DIR"] = str(places[-1] / "numba-cache")


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
    import librosa

    mel = librosa.filters.mel(sr=RATE_HZ, n_fft=FFT, n_mels=MEL_BANDS, fmax=MEL_TOP_HZ)
    bass = slice(*(round(f * FFT / RATE_HZ) for f in BASS_HZ))
    top = round(PARTIALS_TOP_HZ * FFT / RATE_HZ) + 1
    window_power = FFT * float(np.sum(np.hanning(FFT + 1)[:-1] ** 2))
    fast: list[tuple[Float32Array, Float32Array]] = []
    slow: list[tuple[Float32Array, ...]] = []
    for magnitude in blocks(samples, FFT, HOP):
        power = magnitude**2
        fast.append((mel @ power, power[bass].sum(axis=0)))
        # Blocks are even, so every second frame stays every second frame across them.
        half, half_power = np.ascontiguousarray(magnitude[:, ::2]), np.ascontiguousarray(power[:, ::2])
        centroid = librosa.feature.spectral_centroid(S=half, sr=RATE_HZ)
        slow.append(
            (
                half_power[:top].copy(),
                2.0 * half_power.sum(axis=0) / window_power,
                centroid[0],
                librosa.feature.spectral_bandwidth(S=half, sr=RATE_HZ, centroid=centroid)[0],
                librosa.feature.spectral_rolloff(S=half, sr=RATE_HZ, roll_percent=ROLLOFF_SHARE)[0],
                librosa.feature.spectral_flatness(S=half[: round(MEL_TOP_HZ * FFT / RATE_HZ)])[0],
            )
        )
    mel_power, bass_power = (np.concatenate(parts, axis=-1) for parts in zip(*fast, strict=True))
    partials, mean_square, *shapes = (np.concatenate(parts, axis=-1) for parts in zip(*slow, strict=True))
    frames = (
        np.asarray(s, np.float32) for s in (decibels(mean_square), *shapes, _crossings(samples, len(mean_square)))
    )
    return Spectra(decibels(mel_power), decibels(bass_power), decibels(partials), Shapes(*frames))


def _crossings(samples: Float32Array, count: int) -> Float32Array:
    changes = np.concatenate([[0], np.cumsum(np.diff(np.signbit(samples)) != 0)]) if len(samples) else np.zeros(1)
    centres = np.arange(count) * 2 * HOP
    low = np.clip(centres - FFT // 2, 0, len(changes) - 1)
    high = np.clip(centres + FFT // 2, 0, len(changes) - 1)
    return np.asarray((changes[high] - changes[low]) / np.maximum(high - low, 1), np.float32)


def decibels(power: Float32Array) -> Float32Array:
    """Ten times the decadic logarithm, never below -100."""
    return np.asarray(10.0 * np.log10(power + POWER_FLOOR), np.float32)
