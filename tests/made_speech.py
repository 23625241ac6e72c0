"""Vowel syllables made in code (source and filter, after Klatt 1980), at exact times: a stand-in for speech."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.signal import lfilter

RATE_HZ = 16_000

VOWELS = {
    "a": ((730.0, 90.0), (1090.0, 110.0), (2440.0, 170.0), (3500.0, 250.0)),
    "i": ((270.0, 60.0), (2290.0, 100.0), (3010.0, 170.0), (3700.0, 250.0)),
    "e": ((530.0, 60.0), (1840.0, 100.0), (2480.0, 170.0), (3500.0, 250.0)),
    "o": ((570.0, 80.0), (840.0, 90.0), (2410.0, 170.0), (3400.0, 250.0)),
}
"""Formants and bandwidths in Hz: Peterson and Barney 1952, men."""


@dataclass(frozen=True)
class Syllable:
    """One vowel: ``start_s`` to ``start_s + length_s``, its pitch, its gain in dB."""

    start_s: float
    length_s: float = 0.16
    f0_hz: float = 120.0
    gain_db: float = 0.0
    vowel: str = "a"


def train(starts: Iterable[float], **changes: Any) -> list[Syllable]:
    """A syllable at each start, vowels in turn, pitch a little up and down."""
    return [
        Syllable(start, f0_hz=120.0 + 8.0 * np.sin(1.7 * k), vowel="aeio"[k % 4], **changes)
        for k, start in enumerate(starts)
    ]


def speech(syllables: Sequence[Syllable], duration_s: float, noise: float = 1e-4, seed: int = 0) -> np.ndarray:
    """float32 (duration_s * 16000,); silence with a little noise between the syllables."""
    rng = np.random.default_rng(seed)
    out = noise * rng.standard_normal(round(duration_s * RATE_HZ))
    for syllable in syllables:
        sound = _vowel(syllable, rng)
        begin = round(syllable.start_s * RATE_HZ)
        end = min(len(out), begin + len(sound))
        out[begin:end] += sound[: end - begin]
    return out.astype(np.float32)


def _vowel(syllable: Syllable, rng: np.random.Generator) -> np.ndarray:
    count = round(syllable.length_s * RATE_HZ)
    time = np.arange(count) / RATE_HZ
    # A slight fall and a jitter of the pitch: a steady one sounds like an instrument, to the detector too.
    f0 = syllable.f0_hz * (1.03 - 0.06 * time / syllable.length_s) * (1.0 + 0.004 * np.sin(2 * np.pi * 23.0 * time))
    phase = np.cumsum(f0 / RATE_HZ)
    pulses = np.diff(np.floor(phase), prepend=0.0)
    source = lfilter([1.0], [1.0, -0.97], pulses) + 0.005 * rng.standard_normal(count)
    for frequency, bandwidth in VOWELS[syllable.vowel]:
        radius = np.exp(-np.pi * bandwidth / RATE_HZ)
        source = lfilter([1.0], [1.0, -2.0 * radius * np.cos(2 * np.pi * frequency / RATE_HZ), radius**2], source)
    source = np.diff(source, prepend=0.0)
    edge = min(count // 4, round(0.03 * RATE_HZ))
    ramp = np.sin(0.5 * np.pi * np.arange(edge) / edge) ** 2
    envelope = np.concatenate([ramp, np.ones(count - 2 * edge), ramp[::-1]])
    source *= envelope
    level = 0.15 * 10.0 ** (syllable.gain_db / 20.0)
    return np.asarray(level * source / np.sqrt(np.mean(source**2)))
