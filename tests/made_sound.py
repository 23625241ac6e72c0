"""Music, effects and noise made in code, with exact times: float32 (N,) at ``RATE_HZ`` unless said otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

RATE_HZ = 44_100

Sound = np.ndarray[Any, np.dtype[np.float32]]

CHORDS: dict[str, tuple[tuple[int, tuple[int, ...]], ...]] = {
    "major": ((0, (0, 4, 7)), (5, (0, 4, 7)), (7, (0, 4, 7)), (0, (0, 4, 7))),
    "minor": ((0, (0, 3, 7)), (5, (0, 3, 7)), (7, (0, 4, 7)), (0, (0, 3, 7))),
}
"""I-IV-V-I and i-iv-V-i: semitones of the root over the tonic, and of the notes over the root."""


def seconds(length_s: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.arange(round(length_s * RATE_HZ)) / RATE_HZ


def silence(length_s: float) -> Sound:
    return np.zeros(round(length_s * RATE_HZ), np.float32)


def sine(hz: float, length_s: float, dbfs: float = -12.0) -> Sound:
    """``dbfs`` is the level of its peak."""
    return np.asarray(10.0 ** (dbfs / 20.0) * np.sin(2.0 * np.pi * hz * seconds(length_s)), np.float32)


def noise(length_s: float, rms: float = 0.1, seed: int = 0) -> Sound:
    return np.asarray(rms * np.random.default_rng(seed).standard_normal(round(length_s * RATE_HZ)), np.float32)


def pink_noise(length_s: float, rms: float = 0.1, seed: int = 0) -> Sound:
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(round(length_s * RATE_HZ)))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    sound = np.fft.irfft(spectrum, round(length_s * RATE_HZ))
    return np.asarray(rms * sound / sound.std(), np.float32)


def put(base: Sound, sound: np.ndarray[Any, Any], at_s: float, gain: float = 1.0) -> None:
    """Adds ``sound`` to ``base`` from ``at_s`` on; what goes past the end is cut."""
    start = round(at_s * RATE_HZ)
    length = max(0, min(len(sound), len(base) - start))
    base[start : start + length] += (gain * sound[:length]).astype(np.float32)


def click_times(bpm: float, length_s: float, first_s: float = 0.1) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.arange(first_s, length_s - 0.05, 60.0 / bpm)


def clicks(times_s: Sequence[float] | np.ndarray[Any, Any], length_s: float) -> Sound:
    """A 1 kHz ping of 5 ms at each time."""
    base = silence(length_s)
    ping = 0.8 * np.sin(2.0 * np.pi * 1000.0 * seconds(0.03)) * np.exp(-seconds(0.03) / 0.005)
    for t in times_s:
        put(base, ping, float(t))
    return base


def note(midi: float, length_s: float, decay: float = 1.0) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Eight harmonics that fall off with their number, as a plucked string has them."""
    t, hz = seconds(length_s), 440.0 * 2.0 ** ((midi - 69.0) / 12.0)
    wave = sum(np.sin(2.0 * np.pi * hz * k * t) / k for k in range(1, 9))
    edges = np.minimum(1.0, np.minimum(t / 0.01, (length_s - t) / 0.01))
    return np.asarray(wave * np.exp(-decay * t) * edges, np.float64)


def progression(
    tonic: int, mode: Literal["major", "minor"], chord_s: float = 0.75, repeats: int = 2, tuning: float = 0.0
) -> Sound:
    """I-IV-V-I with its bass; ``tonic`` in semitones over C, ``tuning`` in semitones."""
    bar = []
    for root, notes in CHORDS[mode]:
        chord = [note(48 + tonic + root + n + tuning, chord_s) for n in notes]
        bar.append(sum(chord) + note(36 + tonic + root + tuning, chord_s))
    sound = np.concatenate(bar * repeats)
    return np.asarray(0.5 * sound / np.abs(sound).max(), np.float32)


def kick() -> np.ndarray[Any, np.dtype[np.float64]]:
    t = seconds(0.25)
    return np.asarray(np.sin(2.0 * np.pi * (50.0 * t + 2.0 * (1.0 - np.exp(-30.0 * t)))) * np.exp(-14.0 * t))


def snare(seed: int = 1) -> np.ndarray[Any, np.dtype[np.float64]]:
    t = seconds(0.2)
    hiss = np.random.default_rng(seed).standard_normal(len(t))
    return np.asarray(0.5 * hiss * np.exp(-22.0 * t) + 0.4 * np.sin(2.0 * np.pi * 190.0 * t) * np.exp(-25.0 * t))


def hat(seed: int = 2) -> np.ndarray[Any, np.dtype[np.float64]]:
    t = seconds(0.05)
    hiss = np.diff(np.random.default_rng(seed).standard_normal(len(t) + 1))
    return np.asarray(0.15 * hiss * np.exp(-90.0 * t))


def drums(bpm: float, length_s: float, pattern: Literal["rock", "four"], first_s: float = 0.1) -> Sound:
    """``rock``: kick and snare in turn, hats on the eighths. ``four``: a kick on each beat, hats between."""
    base, period = silence(length_s), 60.0 / bpm
    for k, t in enumerate(np.arange(first_s, length_s, period)):
        put(base, snare() if pattern == "rock" and k % 2 else kick(), float(t))
        if pattern == "rock":
            put(base, hat(), float(t))
        put(base, hat(), float(t) + period / 2.0)
    return np.asarray(0.6 * base / np.abs(base).max(), np.float32)


# Effects; each begins at 0, its peak is 0.5


def _scaled(wave: np.ndarray[Any, Any]) -> Sound:
    return np.asarray(0.5 * wave / np.abs(wave).max(), np.float32)


def impact(length_s: float = 0.8, seed: int = 3) -> Sound:
    """Noise and a 55 Hz boom that set in at once and die away."""
    t = seconds(length_s)
    hiss = np.random.default_rng(seed).standard_normal(len(t)) * np.exp(-12.0 * t)
    return _scaled(hiss + 2.0 * np.sin(2.0 * np.pi * 55.0 * t) * np.exp(-6.0 * t))


def whoosh(length_s: float = 0.7, seed: int = 4, low_hz: float = 300.0, high_hz: float = 4000.0) -> Sound:
    """Noise between two frequencies that swells to its middle and fades: something flies past."""
    size = round(length_s * RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(size))
    hz = np.fft.rfftfreq(size, 1.0 / RATE_HZ)
    spectrum[(hz < low_hz) | (hz > high_hz)] = 0.0
    return _scaled(np.fft.irfft(spectrum, size) * np.sin(np.pi * np.arange(size) / size) ** 2)


def riser(length_s: float = 2.0, low_hz: float = 200.0, high_hz: float = 3200.0, seed: int | None = None) -> Sound:
    """A tone with harmonics (or, with a seed, a band of noise) that climbs and grows by 40 dB and breaks off."""
    t = seconds(length_s)
    hz = low_hz * (high_hz / low_hz) ** (t / length_s)
    phase = 2.0 * np.pi * np.cumsum(hz) / RATE_HZ
    if seed is None:
        wave = sum(np.sin(k * phase) / k for k in range(1, 5))
    else:
        rng = np.random.default_rng(seed)
        # Noise of a quarter of the frequency's width, moved up to it.
        slow = [np.convolve(rng.standard_normal(len(t)), np.hanning(441) / 441.0, "same") for _ in range(2)]
        wave = slow[0] * np.cos(phase) - slow[1] * np.sin(phase)
    return _scaled(np.asarray(wave) * 10.0 ** (2.0 * (t / length_s - 1.0)))


def ding(hz: float = 1760.0, length_s: float = 1.0) -> Sound:
    """A sine that sets in at once and dies away: a bell, a notification."""
    t = seconds(length_s)
    return _scaled(np.sin(2.0 * np.pi * hz * t) * np.exp(-5.0 * t) * np.minimum(1.0, t / 0.003))


def pop(length_s: float = 0.04) -> Sound:
    """A short tone that climbs from 300 to 900 Hz."""
    t = seconds(length_s)
    return _scaled(np.sin(2.0 * np.pi * np.cumsum(300.0 + 15_000.0 * t) / RATE_HZ) * np.sin(np.pi * t / length_s))


RHYTHMS = ((4,), (2, 2), (1, 1, 1, 1), (3, 1), (2, 1, 1), (1, 1, 2), (1, 2, 1), (-2, 2), (-4,), (6, 2), (8,))
RHYTHM_WEIGHTS = (3.0, 4.0, 4.0, 1.0, 2.0, 2.0, 1.0, 1.0, 0.7, 1.0, 0.7)
"""Quarters of a beat for each note, rests negative, and how often each comes."""

MAJOR = (0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 17, 19)


def melody(bpm: float, length_s: float, seed: int, jitter_s: float = 0.012) -> Sound:
    """One wind instrument: a walk through a major scale, rhythms that do not repeat, soft and inexact onsets."""
    random = np.random.default_rng(seed)
    total = np.zeros(round((length_s + 1.0) * RATE_HZ), np.float32)
    weights = np.array(RHYTHM_WEIGHTS) / sum(RHYTHM_WEIGHTS)
    quarter_s, at, step = 15.0 / bpm, 0, int(random.integers(0, 8))
    while at * quarter_s < length_s:
        for quarters in RHYTHMS[random.choice(len(RHYTHMS), p=weights)]:
            step = int(np.clip(step + random.integers(-2, 3), 0, len(MAJOR) - 1))
            begin = max(0.0, at * quarter_s + random.normal(0.0, jitter_s))
            held_s = min(0.95 * quarters * quarter_s, length_s - begin)
            if held_s > 0.03:
                put(total, _blown(220.0 * 2.0 ** (MAJOR[step] / 12.0), held_s, random), begin)
            at += abs(quarters)
    hiss = 1e-4 * random.standard_normal(round(length_s * RATE_HZ))
    return np.asarray(total[: len(hiss)] + hiss, np.float32)


def _blown(hz: float, length_s: float, random: np.random.Generator) -> np.ndarray[Any, Any]:
    t = seconds(length_s)
    phase = 2.0 * np.pi * hz * t + 0.15 * np.sin(2.0 * np.pi * 5.5 * t) * np.minimum(t / 0.2, 1.0)
    tone = np.sum([np.sin(k * phase) / k**1.2 for k in range(1, 9)], axis=0)
    shape = np.minimum(t / random.uniform(0.015, 0.05), 1.0) * np.minimum((t[-1] - t) / 0.03, 1.0)
    return np.asarray(0.15 * random.uniform(0.5, 1.0) * tone * shape)
