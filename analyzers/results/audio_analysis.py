"""Result of ``audio_analysis``, and those of its parts that need no judgement."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import AnalyzerResult
from analyzers.results.curve import Curve, SoundPlace, means
from analyzers.signal import loudness, tonality
from analyzers.signal.prosody import HOP_S as PITCH_HOP_S
from analyzers.signal.sound import SoundObservation
from analyzers.signal.spectrum import SLOW_HOP_S
from media.types import Float32Array
from schema.base import Finite, Model, Seconds, TimedSpan, UnitScore

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NoTempo = Literal["silence", "too_short", "no_pulse", "speech_only"]
NoKey = Literal["no_music", "too_short", "few_notes", "unclear"]

MIN_RANGE_S = 6.0
"""Two short-term windows that do not overlap: the least for a loudness range."""


class TempoCandidate(Model):
    """A tempo that repeats."""

    bpm: Positive
    strength: UnitScore
    """How well the onsets repeat at it, low ones (kick drum, bass) counting more."""


class Tempo(Model):
    """The tempo and how sure it is."""

    bpm: Positive | None
    """Beats a minute; null where there is no pulse."""
    reason: NoTempo | None
    """Why there is none."""
    basis: Literal["beat", "notes"] | None
    """``beat``: a clear pulse. ``notes``: the grid that the notes of music without one lie on, an estimate; half and
    double are likelier errors, and there are no ``beats``."""
    note_strength: UnitScore | None
    """How clearly the notes lie on that grid; chance reaches 0.3 over the root of the seconds. Null but for it."""
    beat_strength: UnitScore | None
    """How well onsets repeat at the best period: 1 is a metronome. Null where nothing could be compared."""
    beat_strength_needed: UnitScore | None
    """For a sound of this length."""
    candidates: tuple[TempoCandidate, ...]
    """Best first, before refinement; the octaves of the first are the likeliest errors."""


class KeyCandidate(Model):
    """A key, and its profile's correlation with the chroma."""

    tonic: str
    mode: tonality.Mode
    correlation: Annotated[float, Field(ge=-1.0, le=1.0)]


class Key(Model):
    """The key of the music and how sure it is."""

    tonic: str | None
    """C, C#, D, Eb, E, F, F#, G, Ab, A, Bb or B; null where undetermined."""
    mode: tonality.Mode | None
    reason: NoKey | None
    """Why it is undetermined."""
    correlation: Annotated[float, Field(ge=-1.0, le=1.0)] | None
    """Of the best key."""
    margin: Annotated[float, Field(ge=0.0, le=2.0)] | None
    """Its distance to the second."""
    pitch_classes: Annotated[int, Field(ge=0, le=12)] | None
    """How many of the twelve sound."""
    tuning_semitones: Annotated[float, Field(ge=-0.5, le=0.5)] | None
    """How far A4 lies from 440 Hz."""
    candidates: tuple[KeyCandidate, ...]


class Loudness(Model):
    """By ITU-R BS.1770-5 and EBU R 128. Null where the sound is too quiet or too short for the measure."""

    integrated_lufs: Finite | None
    range_lu: Annotated[float, Field(ge=0.0)] | None
    """EBU Tech 3342; of little meaning below a minute, null below 6 s."""
    max_momentary_lufs: Finite | None
    """Of 400 ms."""
    max_short_term_lufs: Finite | None
    """Of 3 s."""
    true_peak_dbtp: Finite | None
    sample_peak_dbfs: Finite | None
    short_term: Curve
    """Of the 3 s around each step; null for the first and last 1.5 s and below -70."""


class Pitch(Model):
    """Of the frames with one clear period; in chords there are few of them."""

    median_hz: Positive
    low_hz: Positive
    """5th percentile."""
    high_hz: Positive
    """95th percentile."""
    periodicity: UnitScore
    """Mean over these frames."""
    pitched_share: UnitScore
    """Of all frames."""
    curve: Curve


class SpectralShape(Model):
    """One measure over the frames that are not silent."""

    mean: Finite
    curve: Curve


class Spectrum(Model):
    """Shape of the spectrum."""

    centroid_hz: SpectralShape
    """Where its weight lies: dull is low, bright is high."""
    bandwidth_hz: SpectralShape
    """Spread around the centroid."""
    rolloff_hz: SpectralShape
    """85 % of the magnitude lies below."""
    flatness: SpectralShape
    """Up to 8 kHz: 0 is a tone, 0.56 white noise (its periodogram is not flat)."""
    zero_crossing_rate: SpectralShape
    """Share of samples whose sign differs from the one before."""


class MusicSpan(TimedSpan):
    """A stretch of music."""

    evidence: Literal["notes", "beat", "notes_and_beat"]
    chord_share: UnitScore
    """Share of its frames in which two partials or more are held."""
    beat_strength: UnitScore | None
    """Mean over the windows of 8 s that it touches; null without a pulse in the clip."""


class SpeechSpan(TimedSpan):
    """A stretch of speech, with the detector's mean probability."""

    score: UnitScore


class SilenceSpan(TimedSpan):
    """A stretch without sound, with its mean level; null for digital silence."""

    level_dbfs: Finite | None


class Shares(Model):
    """Of the video's length. Music and speech may sound at once, so these may add up to more than 1."""

    music: UnitScore
    speech: UnitScore
    silence: UnitScore
    other: UnitScore
    """Neither of the three."""


class AudioAnalysisResult(AnalyzerResult):
    """All measures of the sound track. Lists are sorted by time."""

    tempo: Tempo
    beats: tuple[Seconds, ...]
    """Only where the pulse goes on."""
    key: Key
    loudness: Loudness
    energy: Curve
    """K-weighted level of each step in LUFS; null below -70."""
    pitch: Pitch | None
    spectrum: Spectrum | None
    """Null for silence."""
    music: tuple[MusicSpan, ...]
    speech: tuple[SpeechSpan, ...]
    silence: tuple[SilenceSpan, ...]
    shares: Shares


def energy_of(sound: SoundObservation, place: SoundPlace, step_s: float) -> Curve:
    """K-weighted level of each step."""
    mean = means(sound.weighted.energy, loudness.STEP_S, step_s)
    levels = [None if e is None else _audible(float(loudness.to_lufs(np.array(e)))) for e in mean]
    return place.curve(levels, step_s)


def loudness_of(sound: SoundObservation, place: SoundPlace, step_s: float) -> Loudness:
    """All of ``Loudness``."""
    energy = sound.weighted.energy
    momentary = loudness.sliding_lufs(energy, loudness.MOMENTARY_STEPS)
    short_term = loudness.sliding_lufs(energy, loudness.SHORT_TERM_STEPS)
    half_s = loudness.SHORT_TERM_STEPS * loudness.STEP_S / 2.0
    middles = (np.arange(np.ceil(sound.length_s / step_s)) + 0.5) * step_s
    at = np.round((middles - half_s) / loudness.STEP_S).astype(np.int64)
    values = [float(short_term[i]) if 0 <= i < len(short_term) else None for i in at]
    return Loudness(
        integrated_lufs=loudness.integrated_lufs(energy),
        range_lu=loudness.loudness_range_lu(energy) if sound.length_s >= MIN_RANGE_S else None,
        max_momentary_lufs=_audible(momentary.max(initial=-np.inf)),
        max_short_term_lufs=_audible(short_term.max(initial=-np.inf)),
        true_peak_dbtp=_db(sound.weighted.true_peak),
        sample_peak_dbfs=_db(sound.weighted.sample_peak),
        short_term=place.curve([_audible(v) for v in values], step_s),
    )


def pitch_of(
    sound: SoundObservation, place: SoundPlace, step_s: float, min_periodicity: float, min_pitched_s: float
) -> Pitch | None:
    """Of the frames with this periodicity and more; None with less than ``min_pitched_s`` of them."""
    clear = sound.periodicity >= min_periodicity
    if clear.sum() * PITCH_HOP_S < min_pitched_s:
        return None
    low, middle, high = np.percentile(sound.f0_hz[clear], [5, 50, 95])
    f0 = np.where(clear, sound.f0_hz, np.nan).astype(np.float64)
    return Pitch(
        median_hz=float(middle),
        low_hz=float(low),
        high_hz=float(high),
        periodicity=float(np.clip(sound.periodicity[clear].mean(), 0.0, 1.0)),
        pitched_share=float(clear.mean()),
        curve=place.curve(means(f0, PITCH_HOP_S, step_s), step_s),
    )


def spectrum_of(sound: SoundObservation, place: SoundPlace, step_s: float, silence_dbfs: float) -> Spectrum | None:
    """Over the frames at ``silence_dbfs`` and above; None without one."""
    shapes = sound.shapes
    heard = shapes.level_db >= silence_dbfs
    if not heard.any():
        return None

    def shape(values: Float32Array) -> SpectralShape:
        known = np.where(heard, values, np.nan).astype(np.float64)
        return SpectralShape(
            mean=float(values[heard].mean(dtype=np.float64)),
            curve=place.curve(means(known, SLOW_HOP_S, step_s), step_s),
        )

    return Spectrum(
        centroid_hz=shape(shapes.centroid_hz),
        bandwidth_hz=shape(shapes.bandwidth_hz),
        rolloff_hz=shape(shapes.rolloff_hz),
        flatness=shape(shapes.flatness),
        zero_crossing_rate=shape(shapes.crossings),
    )


def _audible(lufs: float | None) -> float | None:
    """The value, None below the absolute gate."""
    return float(lufs) if lufs is not None and lufs > loudness.ABSOLUTE_GATE_LUFS else None


def _db(amplitude: float) -> float | None:
    return 20.0 * float(np.log10(amplitude)) if amplitude > 0.0 else None
