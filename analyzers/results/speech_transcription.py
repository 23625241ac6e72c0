"""Result of ``speech_transcription``, and its words for the analyzers that read them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from analyzers.base import AnalyzerResult, Context
from analyzers.signal.transcript import Doubt
from schema.base import Finite, Model, TimedSpan, UnitScore

NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]

NOT_SAID: tuple[Doubt, ...] = ("no_speech", "looping")
"""Doubts under which a segment's words are no evidence of what was said; the others only lower the trust in them."""


class Word(TimedSpan):
    """One word."""

    text: str
    """With the punctuation that the model sets to it, without spaces."""
    probability: UnitScore
    """Mean probability of its tokens."""


class Segment(TimedSpan):
    """A sentence, or what is spoken between two pauses."""

    segment_id: Count
    text: str
    confidence: UnitScore
    """Mean probability of its words."""
    words: tuple[Word, ...]
    words_per_s: Positive
    """Over its own length."""
    pitch_hz: Positive | None
    """Median of the clear pitches inside; null without any (whisper, noise)."""
    pitch_range_semitones: NotNegative | None
    """From the 5th to the 95th percentile of them."""
    avg_logprob: Finite
    """Of the decoding window that it comes from: mean log probability of the tokens."""
    no_speech_prob: UnitScore
    """Of that window: the model's probability that there is no speech in it."""
    compression_ratio: NotNegative
    """Of that window's text: its bytes over its bytes when packed. Text that goes round in a loop packs well."""
    doubts: tuple[Doubt, ...]
    """Why it may not have been said. ``repeated``: the same words as the segment before. ``no_speech``: the model
    itself hears no speech and is not sure of the words. ``improbable``: it is not sure of the words. ``looping``: the
    text goes round in a loop. Empty for most."""


class LanguageScore(Model):
    """One language and the model's probability for it."""

    language: str
    """ISO 639-1 where there is such a code, as Whisper names it."""
    probability: UnitScore


class DirectAddress(Model):
    """Whether the viewer is spoken to, by words of the second person."""

    words: Count
    """Words of the second person, by a list for the language."""
    share: UnitScore
    """Of all words."""
    examples: tuple[str, ...]
    """The different ones, most frequent first."""
    addresses_viewer: bool
    """Their share reaches the setting ``direct_share``."""


class SpeechTranscriptionResult(AnalyzerResult):
    """What is said. Segments and words are sorted by start."""

    language: str
    language_probability: UnitScore | None
    """Null where the settings name the language, or the model knows one only."""
    languages: tuple[LanguageScore, ...]
    """The three most probable; empty where nothing was detected."""
    text: str
    """All segments without those that were not said (``no_speech``, ``looping``)."""
    segments: tuple[Segment, ...]
    words: Count
    """In ``text``."""
    words_per_minute: NotNegative
    """Of ``words``, over the time from the first of them to the last."""
    mean_probability: UnitScore
    """Of these words."""
    speech_s: Positive
    """What was given to the model: speech by the detector, with its margins."""
    speakers: Count | None
    """Null: nothing here tells speakers apart."""
    direct_address: DirectAddress | None
    """Null for a language without a list."""
    doubtful_segments: Count
    repeated_segments: Count
    times_repaired: Count
    """Words whose times lay outside the sound, ended before they began, or ran backwards, and were put right."""

    @property
    def said(self) -> tuple[Segment, ...]:
        """Segments that count as said."""
        return tuple(s for s in self.segments if not set(s.doubts) & set(NOT_SAID))

    @property
    def said_words(self) -> tuple[Word, ...]:
        """Their words, in order."""
        return tuple(word for segment in self.said for word in segment.words)


def transcript_of(context: Context) -> SpeechTranscriptionResult | None:
    """The transcript, where there is one."""
    found = context.results.get("speech_transcription")
    return found if isinstance(found, SpeechTranscriptionResult) else None


def words_within(transcript: SpeechTranscriptionResult, start_s: float, end_s: float) -> list[Word]:
    """Words of which at least half lies in ``[start_s, end_s)``, or that cover at least half of it."""
    found = []
    for word in transcript.said_words:
        shared_s = min(word.end_time, end_s) - max(word.start_time, start_s)
        if shared_s > 0.0 and 2.0 * shared_s >= min(word.duration_s, end_s - start_s):
            found.append(word)
    return found
