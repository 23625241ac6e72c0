"""The sample video's sound: a drum and bass loop of known tempo and key, effects, and a synthetic voice.

The voice says syllables, not words: a pulse train through formant resonators (Klatt 1980, "Software for a
cascade/parallel formant synthesizer"; vowel formants after Peterson and Barney 1952, men). It is voiced, has pitch,
pauses and a known syllable rate; a voice activity detector takes it for speech, a transcript of it means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

RATE_HZ = 44_100
"""Samples per second of everything here."""

Sound = npt.NDArray[np.float64]

A4_HZ = 440.0
_VOWELS: dict[str, tuple[float, float, float]] = {
    "i": (270.0, 2290.0, 3010.0),
    "e": (530.0, 1840.0, 2480.0),
    "a": (730.0, 1090.0, 2440.0),
    "o": (570.0, 840.0, 2410.0),
    "u": (300.0, 870.0, 2240.0),
}
_BANDWIDTHS_HZ = (80.0, 100.0, 140.0, 250.0, 320.0)
_UPPER_FORMANTS_HZ = (3500.0, 4500.0)
_STEP_S = 0.005
"""Formants and pitch change every 5 ms, as in Klatt's synthesizer."""


def midi_hz(note: int) -> float:
    """Frequency of a MIDI note number, equal temperament, A4 = 69 = 440 Hz."""
    return float(A4_HZ * 2.0 ** ((note - 69) / 12.0))


def kick() -> Sound:
    """A sine that falls from 150 to 50 Hz within a fifth of a second."""
    t = _time(0.22)
    phase = 2.0 * np.pi * (50.0 * t + 100.0 / 28.0 * (1.0 - np.exp(-28.0 * t)))
    return np.asarray(np.sin(phase) * np.exp(-13.0 * t), np.float64)


def snare(rng: np.random.Generator) -> Sound:
    """Noise over a 190 Hz tone."""
    t = _time(0.18)
    return np.asarray(
        0.7 * rng.standard_normal(len(t)) * np.exp(-26.0 * t) + 0.5 * np.sin(2 * np.pi * 190 * t) * np.exp(-20.0 * t)
    )


def hat(rng: np.random.Generator) -> Sound:
    """Differenced noise: a hiss without lows."""
    t = _time(0.06)
    return np.asarray(np.diff(rng.standard_normal(len(t)), prepend=0.0) * np.exp(-80.0 * t))


def tone(note: int, length_s: float, partials: Sequence[float], decay: float) -> Sound:
    """Harmonics of a note with the given amplitudes, fading by ``exp(-decay t)``, ends smoothed."""
    t = _time(length_s)
    hz = midi_hz(note)
    wave = sum(a * np.sin(2.0 * np.pi * hz * (k + 1) * t) for k, a in enumerate(partials))
    edge = np.minimum(1.0, np.minimum(t / 0.008, (length_s - t) / 0.02))
    return np.asarray(wave * np.exp(-decay * t) * edge, np.float64)


def impact(rng: np.random.Generator) -> Sound:
    """A boom: noise burst at once, a 42 Hz tone that dies away."""
    t = _time(1.1)
    noise = rng.standard_normal(len(t))
    boom = np.sin(2.0 * np.pi * (42.0 * t + 2.5 * (1.0 - np.exp(-20.0 * t)))) * np.exp(-4.0 * t)
    return np.asarray(1.0 * noise * np.exp(-18.0 * t) + 1.2 * boom)


def riser(rng: np.random.Generator, length_s: float) -> Sound:
    """Noise through a resonator that climbs from 400 Hz to 6 kHz while it grows louder."""
    t = _time(length_s)
    noise = rng.standard_normal(len(t))
    centre = 400.0 * 15.0 ** (t / length_s)
    swept = _resonate(noise, [(float(hz), float(hz) / 4.0) for hz in centre[:: _step()]])
    return np.asarray(swept / np.abs(swept).max() * (t / length_s) ** 1.5)


def voice(rng: np.random.Generator, syllables: int, length_s: float, pitch_hz: float = 125.0) -> Sound:
    """``syllables`` consonant-vowel syllables, evenly spaced over ``length_s`` seconds; peak 1."""
    steps = round(length_s / _STEP_S)
    per = steps / syllables
    vowels = rng.choice(list(_VOWELS), syllables)
    consonants = rng.choice(list("mnbdszl"), syllables)
    formants = np.zeros((steps, 3))
    voicing, hiss = np.zeros(steps), np.zeros(steps)
    for k in range(syllables):
        first, last = round(k * per), round((k + 1) * per)
        at = np.linspace(0.0, 1.0, last - first, endpoint=False)
        target = np.array(_VOWELS[str(vowels[k])])
        closed = (at < 0.28) & (k > 0)  # begins with a vowel
        locus = np.array([250.0, 1500.0, 2500.0])
        blend = np.clip((at - 0.18) / 0.25, 0.0, 1.0)[:, None]
        formants[first:last] = locus * (1.0 - blend) + target * blend
        loud = np.where(closed, {"m": 0.35, "n": 0.35, "l": 0.4, "z": 0.25}.get(str(consonants[k]), 0.04), 1.0)
        voicing[first:last] = loud * np.interp(at, [0.0, 0.3, 0.45, 0.8, 1.0], [1.0, 0.7, 1.0, 0.85, 0.3])
        hiss[first:last] = np.where(closed & (at > 0.04), {"s": 0.35, "z": 0.2}.get(str(consonants[k]), 0.0), 0.0)
        if consonants[k] in "bd":
            hiss[first:last] += np.where((at > 0.24) & (at < 0.30), 0.5, 0.0)
    smooth = np.hanning(9) / np.hanning(9).sum()
    voicing = np.convolve(voicing, smooth, "same")
    x = np.arange(steps) / steps
    beat = np.sin(np.pi * ((np.arange(steps) % per) / per))
    pitch = pitch_hz * (1.12 - 0.24 * x + 0.07 * beat + 0.01 * np.convolve(rng.standard_normal(steps), smooth, "same"))
    size = steps * _step()
    hz = np.interp(np.arange(size), np.arange(steps) * _step(), pitch)
    phase = np.cumsum(hz) / RATE_HZ % 1.0
    # Rosenberg's glottal pulse (1971), type C, opening 40 %, closing 16 % of the period; its slope excites the tract.
    glottal = np.where(
        phase < 0.4,
        0.5 * (1.0 - np.cos(np.pi * phase / 0.4)),
        np.where(phase < 0.56, np.cos(np.pi * (phase - 0.4) / 0.32), 0.0),
    )
    loud = np.interp(np.arange(size), np.arange(steps) * _step(), voicing)
    breath = rng.standard_normal(size)
    source = (np.diff(glottal, prepend=0.0) * RATE_HZ / 4000.0 + 0.02 * breath) * loud
    tract = source
    for n in range(5):
        track = formants[:, n] if n < 3 else np.full(steps, _UPPER_FORMANTS_HZ[n - 3])
        tract = _resonate(tract, [(float(f), _BANDWIDTHS_HZ[n]) for f in track])
    fricative = np.diff(breath, prepend=0.0) * np.interp(np.arange(size), np.arange(steps) * _step(), hiss)
    spoken = tract / np.abs(tract).max() + 0.12 * fricative
    return np.asarray(spoken / np.abs(spoken).max())


def add(track: Sound, sound: Sound, at_s: float, gain: float) -> None:
    """Mixes ``sound`` into ``track`` in place; what would reach past the end is cut off."""
    first = round(at_s * RATE_HZ)
    part = sound[: max(0, len(track) - first)]
    track[first : first + len(part)] += gain * part


def _step() -> int:
    return round(_STEP_S * RATE_HZ)


def _time(length_s: float) -> Sound:
    return np.arange(round(length_s * RATE_HZ)) / RATE_HZ


def _resonate(source: Sound, track: Sequence[tuple[float, float]]) -> Sound:
    """Klatt's two-pole resonator, unity gain at 0 Hz, with (frequency, bandwidth) in Hz per 5 ms step."""
    from scipy.signal import lfilter

    out = np.zeros(len(source))
    state = np.zeros(2)
    for k, (hz, width) in enumerate(track):
        part = slice(k * _step(), min((k + 1) * _step(), len(source)))
        c = -np.exp(-2.0 * np.pi * width / RATE_HZ)
        b = 2.0 * np.exp(-np.pi * width / RATE_HZ) * np.cos(2.0 * np.pi * hz / RATE_HZ)
        out[part], state = lfilter([1.0 - b - c], [1.0, -b, -c], source[part], zi=state)
    return out
