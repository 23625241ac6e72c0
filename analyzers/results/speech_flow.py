"""Result of ``speech_flow``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyzers.base import AnalyzerResult
from schema.base import Finite, Model, Seconds, TimedSpan, UnitScore

EndTone = Literal["falling", "level", "rising"]
PauseKind = Literal["brief", "medium", "long"]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]

BRIEF_S, LONG_S = 0.2, 1.0
"""Borders of the pause classes of Campione and Véronis (2002)."""


class Speech(TimedSpan):
    """A stretch of speech without a gap."""

    score: UnitScore
    """Mean of the detector's probability."""
    level_db: Finite
    """Mean power, dB re full scale."""
    pitch_hz: Positive | None
    """Median pitch; null when nothing in it has a clear one (whisper)."""
    end_change_semitones: Finite | None
    """Pitch at its end against 0.3 s before; null without clear pitch there."""
    end_tone: EndTone | None


class Follows(Model):
    """What comes before a pause."""

    start_time: Seconds
    """Start of the speech since the last pause."""
    speech_s: Positive
    """Its length up to the pause."""
    syllables: Annotated[int, Field(ge=0)]
    end_tone: EndTone | None
    """A falling end closes a thought, a rising one asks or holds the listener."""
    emphasised: bool
    """Its last second holds an emphasised stretch."""
    text: str | None = None
    """What was said since the last pause; null without a transcript."""


class Pause(TimedSpan):
    """Silence (or music, or noise) between two stretches of speech."""

    kind: PauseKind
    """``brief`` below 0.2 s, ``medium``, ``long`` over 1 s (Campione and Véronis 2002)."""
    significant: bool
    follows: Follows


class Pitch(Model):
    """Of all clearly periodic frames inside the spans."""

    mean_hz: Positive
    median_hz: Positive
    low_hz: Positive
    """5th percentile."""
    high_hz: Positive
    """95th percentile."""
    range_semitones: Annotated[float, Field(ge=0.0)]
    """From low to high."""
    deviation_semitones: Annotated[float, Field(ge=0.0)]
    """Standard deviation around the mean, on the semitone scale."""
    pitched_share: UnitScore
    """Share of the speech that these frames are."""


class Rhythm(Model):
    """How regular the syllables come; intervals over a pause are left out."""

    npvi: Annotated[float, Field(ge=0.0, le=200.0)]
    """Normalised pairwise variability: 0 is a metronome; neighbours that differ by half give 40."""
    interval_cv: Annotated[float, Field(ge=0.0)]
    """Standard deviation over mean of the intervals."""
    mean_interval_s: Positive
    intervals: Annotated[int, Field(ge=1)]


class Syllable(TimedSpan):
    """A syllable's nucleus, while within 6 dB of its peak."""

    timestamp: Seconds
    """Of the intensity peak."""
    level_db: Finite
    pitch_hz: Positive | None
    prominence: Finite | None
    """Mean of the robust z-scores of level, pitch and length; null with too few syllables to compare."""


class Emphasis(TimedSpan):
    """Neighbouring syllables that stand out."""

    timestamp: Seconds
    """Of the most prominent of them."""
    prominence: Finite
    level_over_db: Finite
    """Over the clip's median syllable."""
    pitch_over_semitones: Finite | None
    length_ratio: Positive
    """Over the clip's median syllable."""
    words: tuple[str, ...] | None = None
    """The words that it falls on; null without a transcript."""


class VocalPeak(Model):
    """The voice's loudest or highest moment within a second around."""

    timestamp: Seconds
    kind: Literal["loud", "high"]
    level_over_db: Finite
    pitch_over_semitones: Finite | None
    word: str | None = None
    """Spoken at that moment; null between words and without a transcript."""


class CurvePoint(TimedSpan):
    """Level and pitch of the speech in half a second."""

    level_db: Finite
    pitch_hz: Positive | None


class SpeechFlowResult(AnalyzerResult):
    """Speech flow of the clip. All lists are sorted by time."""

    spans: tuple[Speech, ...]
    speech_s: Positive
    speech_share: UnitScore
    """Of the video's length."""
    first_speech_s: Seconds
    sure_s: Positive
    """Seconds in which the detector is sure: what made this count as speech."""
    pauses: tuple[Pause, ...]
    pause_share: UnitScore
    """Of the time from the first speech to the last."""
    pitch: Pitch | None
    """Null when no frame has a clear pitch."""
    rhythm: Rhythm | None
    """Null with too few syllables."""
    syllables: tuple[Syllable, ...]
    emphasised: tuple[Emphasis, ...]
    peaks: tuple[VocalPeak, ...]
    curve: tuple[CurvePoint, ...]
