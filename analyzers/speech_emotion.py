"""Speech emotion: how each stretch of speech sounds, with the probability of every class.

Method
    * wav2vec2 (Baevski et al., "wav2vec 2.0: a framework for self-supervised learning of speech representations",
      2020) with the emotion head of SUPERB (Yang et al., 2021): neutral, happy, angry, sad, trained on IEMOCAP (Busso
      et al., "IEMOCAP: interactive emotional dyadic motion capture database", 2008);
    * spans are those of ``speech_flow``: neighbours are joined, long ones parted, and their lengths are multiples of a
      step, so that spans of equal length, also of several videos, share a batch without padding.

What it is not: a look into the speaker. The model knows four classes of acted English dialogue, of which SUPERB reports
about two in three right; music under a voice and other languages lower that. So the probabilities count, not the name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import AnalyzerConfig, AnalyzerResult, Context, NotApplicable, Unavailable
from analyzers.inference.sound_analyzer import SoundAnalyzer
from analyzers.signal.voice import VoiceObservation
from media.types import AudioChunk, AudioClip, Float32Array
from schema.base import TimedSpan, UnitScore
from schema.document import TimelineItem

ModelName = Literal["wav2vec2-emotion"]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]

NAMES = {"neu": "neutral", "hap": "happy", "ang": "angry", "sad": "sad"}
"""The checkpoint's short names, written out; others stay as they are."""


class SpeechEmotionConfig(AnalyzerConfig):
    """Settings of ``speech_emotion``."""

    model: ModelName = "wav2vec2-emotion"
    """Name of the pinned model; there is one."""
    join_gap_s: Annotated[float, Field(ge=0.0, le=5.0)] = 0.3
    """Spans of speech that are nearer than this are one: a breath inside a sentence. Higher gives fewer spans."""
    longest_span_s: Annotated[float, Field(ge=1.0, le=30.0)] = 6.0
    """Longer spans are parted equally. The utterances that the model learned from last 4.5 s on average. Higher gives
    fewer spans and hides changes."""
    shortest_span_s: Annotated[float, Field(ge=0.25, le=10.0)] = 0.75
    """Shorter spans are not judged: three syllables or so. Not yet tuned. Higher leaves more speech unjudged."""
    length_step_s: Annotated[float, Field(ge=0.05, le=1.0)] = 0.25
    """Lengths are cut down to multiples of this, half at each end, which lets spans share a batch. Higher fills batches
    better and drops more of each span's edges."""
    spans_per_batch: Annotated[int, Field(ge=1, le=128)] = 16
    """Spans of equal length that are heard at once. Higher fills a GPU and costs memory in proportion."""
    chunks_per_batch: Annotated[int, Field(ge=1, le=32)] = 4
    """Videos whose spans are batched together when that many wait. Higher fills batches better under load."""


class EmotionSpan(TimedSpan):
    """One stretch of speech, as far as the model heard it."""

    emotion: str
    """The most probable class."""
    confidence: UnitScore
    """Its probability."""
    probabilities: dict[str, UnitScore]
    """Of every class; they add up to 1."""


class SpeechEmotionResult(AnalyzerResult):
    """Emotions of the clip's speech. Spans are sorted by time."""

    spans: tuple[EmotionSpan, ...]
    mean_probabilities: dict[str, UnitScore]
    """Mean over the spans, weighted by their length."""
    dominant_emotion: str
    """The class with the highest mean."""
    dominant_share: UnitScore
    """Of the judged speech: how much has this class as its most probable."""
    changes: Annotated[int, Field(ge=0)]
    """Neighbouring spans with different emotions."""
    judged_s: Annotated[float, Field(gt=0.0)]
    unjudged_s: NotNegative
    """Speech in spans that are too short, and what lengths lose to their step."""


@dataclass(frozen=True, eq=False)
class EmotionHeard:
    """One sound track.

    Attributes:
        spans: Seconds on the video's time line, sorted.
        classes: Names of the columns.
        probabilities: float32 (len(spans), len(classes)).
        speech_s: Length of all speech that ``speech_flow`` has found.
    """

    spans: tuple[tuple[float, float], ...]
    classes: tuple[str, ...]
    probabilities: Float32Array
    speech_s: float


class SpeechEmotion(SoundAnalyzer[SpeechEmotionConfig, "EmotionHeard | None", SpeechEmotionResult]):
    """Probability of each emotion for every stretch of speech."""

    name = "speech_emotion"
    version = "2"
    title = "Emotion of each stretch of speech, with the probability of every class"
    Config = SpeechEmotionConfig
    Result = SpeechEmotionResult
    after = ("speech_flow",)
    upstream = ("speech_flow",)
    models = ("wav2vec2-emotion",)
    load_fields = frozenset({"model"})

    def load(self) -> None:
        """Loads the model.

        Raises:
            Unavailable: ``weights_missing``.
        """
        self.open_classifier(self.config.model, "one")

    def observe(self, chunks: Sequence[AudioChunk]) -> list[EmotionHeard | None]:
        """Hears the speech of all tracks together; None for a track whose speech is not known."""
        found = [self._spans(chunk) for chunk in chunks]
        sounds = [
            _cut(chunk.clip, start_s, end_s)
            for chunk, spans in zip(chunks, found, strict=True)
            for start_s, end_s in spans or ()
        ]
        rows = self._classifier.probabilities(sounds, self.config.spans_per_batch)
        observed: list[EmotionHeard | None] = []
        begin = 0
        for chunk, spans in zip(chunks, found, strict=True):
            if spans is None:
                observed.append(None)
                continue
            end = begin + len(spans)
            observed.append(
                EmotionHeard(tuple(spans), self._classifier.classes, rows[begin:end], _speech_s(_voice(chunk)))
            )
            begin = end
        return observed

    def _spans(self, chunk: AudioChunk) -> list[tuple[float, float]] | None:
        """What of the track is judged, on the video's time line."""
        voice = _voice(chunk)
        if voice is None:
            return None
        speech = [(s.span.start_s, s.span.end_s) for s in voice.spans]
        return judged_spans(speech, chunk.clip, self.config)

    def conclude(self, observations: Sequence[EmotionHeard | None], context: Context) -> SpeechEmotionResult:
        """Names the most probable emotions.

        Raises:
            NotApplicable: ``no_speech``; ``too_little_speech`` when no span is long enough.
            Unavailable: ``needs_speech_flow`` when that has failed.
        """
        missing = context.missing.get("speech_flow", "")
        heard = observations[0] if observations else None
        if missing.startswith("not_applicable") or (heard is not None and not heard.speech_s):
            raise NotApplicable("no_speech", "There is no speech to judge.")
        if heard is None:
            reason = missing or "its observation was lost"
            raise Unavailable(
                "needs_speech_flow", f"speech_flow has no spans ({reason}).", "See the section speech_flow."
            )
        spans = [
            _emotion_span(inside, heard.classes, row)
            for span, row in zip(heard.spans, heard.probabilities, strict=True)
            if (inside := context.span(*span))
        ]
        if not spans:
            raise NotApplicable(
                "too_little_speech",
                f"No stretch of speech reaches the {self.config.shortest_span_s:g} s that are asked for.",
            )
        judged_s = sum(s.duration_s for s in spans)
        mean = {
            name: min(1.0, sum(s.duration_s * s.probabilities[name] for s in spans) / judged_s)
            for name in spans[0].probabilities
        }
        dominant = max(mean, key=lambda name: mean[name])
        return SpeechEmotionResult(
            spans=tuple(spans),
            mean_probabilities=mean,
            dominant_emotion=dominant,
            dominant_share=min(1.0, sum(s.duration_s for s in spans if s.emotion == dominant) / judged_s),
            changes=sum(a.emotion != b.emotion for a, b in pairwise(spans)),
            judged_s=judged_s,
            unjudged_s=max(0.0, heard.speech_s - judged_s),
        )

    def timeline(self, result: SpeechEmotionResult) -> list[TimelineItem]:
        """Every span with its most probable emotion."""
        return [
            TimelineItem.of(span, "said", self.name, f"sounds {span.emotion}", span.confidence) for span in result.spans
        ]

    def headline(self, result: SpeechEmotionResult) -> str:
        """The dominant emotion with its mean probability."""
        mean = result.mean_probabilities[result.dominant_emotion]
        return (
            f"The voice sounds mostly {result.dominant_emotion} (mean probability {mean:.2f}, "
            f"{100.0 * result.dominant_share:.0f} % of {result.judged_s:.1f} s), {result.changes} changes."
        )


def judged_spans(
    speech: Sequence[tuple[float, float]], clip: AudioClip, config: SpeechEmotionConfig
) -> list[tuple[float, float]]:
    """Speech joined, parted, and cut to lengths that are multiples of a step.

    Args:
        speech: Seconds on the video's time line, sorted.
        clip: The sound; spans are held inside it.
        config: The rules.
    """
    joined: list[tuple[float, float]] = []
    for start_s, end_s in speech:
        if joined and start_s - joined[-1][1] < config.join_gap_s:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_s))
        else:
            joined.append((start_s, end_s))
    found = []
    for start_s, end_s in joined:
        low, high = max(start_s, clip.start_s), min(end_s, clip.start_s + clip.duration_s)
        pieces = max(1, int(np.ceil((high - low) / config.longest_span_s - 1e-9)))
        width = (high - low) / pieces
        length = config.length_step_s * int(width / config.length_step_s + 1e-9)
        if length < config.shortest_span_s:
            continue
        for piece in range(pieces):
            begin = low + piece * width + (width - length) / 2.0
            found.append((begin, begin + length))
    return found


def _voice(chunk: AudioChunk) -> VoiceObservation | None:
    found = chunk.upstream.get("speech_flow")
    return found if isinstance(found, VoiceObservation) else None


def _speech_s(voice: VoiceObservation | None) -> float:
    return sum(s.span.end_s - s.span.start_s for s in voice.spans) if voice else 0.0


def _cut(clip: AudioClip, start_s: float, end_s: float) -> Float32Array:
    """The samples of a span; equal lengths in seconds give equal numbers of samples."""
    count = round((end_s - start_s) * clip.rate_hz)
    begin = min(max(0, round((start_s - clip.start_s) * clip.rate_hz)), max(0, len(clip.samples) - count))
    return np.nan_to_num(clip.samples[begin : begin + count], nan=0.0, posinf=0.0, neginf=0.0)


def _emotion_span(inside: tuple[float, float], classes: Sequence[str], row: Float32Array) -> EmotionSpan:
    scores = {NAMES.get(name, name): min(max(float(p), 0.0), 1.0) for name, p in zip(classes, row, strict=True)}
    emotion = max(scores, key=lambda name: scores[name])
    return EmotionSpan(
        start_time=inside[0],
        end_time=inside[1],
        emotion=emotion,
        confidence=scores[emotion],
        probabilities=scores,
    )
