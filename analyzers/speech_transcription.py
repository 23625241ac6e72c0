"""Speech transcription: what is said, word by word, with times, probabilities, pitch and speed.

Method
    * words: Whisper (Radford et al., "Robust speech recognition via large-scale weak supervision", 2022) as converted
      for CTranslate2, in batches of windows that Silero VAD has cut to speech (``analyzers/inference/whisper.py``);
      beam search at temperature 0, so that the same sound gives the same text;
    * word times: from the model's cross-attention by dynamic time warping, put inside the sound and in order where
      they are not (``analyzers/signal/transcript.py``); their number is in ``times_repaired``;
    * segments: words up to the end of a sentence, a pause, or the longest length;
    * pitch: YIN over the same sound (``analyzers/signal/prosody.py``), its median in each segment;
    * invented text: each segment carries the model's own doubts and is marked where they pass Whisper's published
      thresholds, where the text goes round in a loop, or where a segment says the same as the one before.

What it does not do: tell speakers apart (``speakers`` is null), or translate. In scripts without spaces (Chinese,
Japanese, Thai) a word is what the model splits, mostly one character, and rates are of those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from analyzers.base import AnalysisFailed, AnalyzerConfig, Context, NotApplicable
from analyzers.inference.model_analyzer import ModelAnalyzer
from analyzers.inference.whisper import LANGUAGES, RATE_HZ, ComputeType, Heard, ListenSettings, Whisper
from analyzers.results.speech_transcription import (
    NOT_SAID,
    DirectAddress,
    LanguageScore,
    Segment,
    SpeechTranscriptionResult,
    Word,
)
from analyzers.signal.direct_address import second_person
from analyzers.signal.prosody import HOP_S, pitch_track
from analyzers.signal.transcript import (
    Doubt,
    DoubtSettings,
    RawWord,
    Sentence,
    doubts_of,
    sentences,
    with_sound_times,
)
from media.needs import AudioNeed, Needs
from media.types import AudioChunk, AudioClip, Float32Array
from schema.document import TimelineItem

ModelName = Literal["whisper-large-v3", "whisper-small"]


class SpeechTranscriptionConfig(AnalyzerConfig):
    """Settings of ``speech_transcription``."""

    model: ModelName = "whisper-large-v3"
    """``whisper-small`` for a CPU: a sixth of the weights, fewer languages well, more words wrong."""
    compute_type: ComputeType = "auto"
    """Numbers that the model computes with. ``auto``: float16 on a GPU, int8 on the CPU. ``int8_float16`` halves the
    memory of a GPU."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] | None = None
    """Code as Whisper names it (``en``); null detects it from the first 30 s of speech of each video."""
    beam_size: Annotated[int, Field(ge=1, le=10)] = 5
    """Beams of the search; Whisper's published results are with 5. 1 is greedy: faster, slightly worse."""
    windows_per_batch: Annotated[int, Field(ge=1, le=64)] = 8
    """Windows of up to 30 s of speech, of one video or several, that are decoded at once. Higher fills a GPU and costs
    memory in proportion to it times ``beam_size``; it is halved by itself where the memory does not reach."""
    chunks_per_batch: Annotated[int, Field(ge=1, le=32)] = 4
    """Videos whose windows are batched together when that many wait: four of 30 s fill half a batch. Higher makes the
    first of them wait for more."""
    vad_threshold: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """Silero's probability that opens speech; its authors' default. Higher misses soft speech."""
    vad_silence_ms: Annotated[int, Field(ge=10, le=10_000)] = 160
    """Silence that parts two stretches of speech: faster-whisper's value for batches. Higher keeps more silence, in
    which Whisper invents text."""
    vad_margin_ms: Annotated[int, Field(ge=0, le=2_000)] = 400
    """Sound kept beside each stretch; faster-whisper's default. Lower may cut soft first and last sounds."""
    segment_pause_s: Annotated[float, Field(ge=0.1, le=10.0)] = 0.7
    """Silence between two words from which on a new segment begins: in the upper half of the medium pauses (0.2 to 1 s)
    of Campione and Véronis (2002). Not yet tuned. Lower gives more, shorter segments."""
    longest_segment_s: Annotated[float, Field(ge=1.0, le=30.0)] = 7.0
    """A segment without the end of a sentence is cut here: the longest time a subtitle stays on screen by the usual
    guidelines. Higher gives fewer, longer segments."""
    no_speech: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.6
    """Probability of no speech from which on a segment is in doubt, if it is improbable too; Whisper's value."""
    improbable: Annotated[float, Field(ge=-10.0, lt=0.0)] = -1.0
    """Mean log probability below which a segment is in doubt; Whisper's value. Higher doubts more."""
    looping: Annotated[float, Field(gt=1.0, le=100.0)] = 2.4
    """Compression ratio above which a window's text goes round in a loop; Whisper's value. Lower doubts more."""
    pitch_low_hz: Annotated[float, Field(ge=40.0, le=200.0)] = 60.0
    """Lowest pitch looked for, as in ``speech_flow``. Lower finds more octave errors."""
    pitch_high_hz: Annotated[float, Field(ge=201.0, le=1000.0)] = 500.0
    """Highest pitch looked for, as in ``speech_flow``: children and excited women reach it."""
    pitched: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.8
    """Periodicity from which on a frame's pitch is believed, as in ``speech_flow``. Higher leaves fewer, surer ones."""
    direct_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.02
    """Share of second-person words from which on the viewer counts as spoken to: one word in fifty. Not yet tuned.
    Higher finds fewer."""

    @field_validator("language")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in LANGUAGES:
            raise ValueError(f"Whisper knows no language {value!r}; it knows {', '.join(sorted(LANGUAGES))}")
        return value

    @model_validator(mode="after")
    def _spoken_by_the_model(self) -> Self:
        if self.language == "yue" and self.model != "whisper-large-v3":
            raise ValueError(f"language 'yue' needs whisper-large-v3, got {self.model}")
        return self

    def listen_settings(self) -> ListenSettings:
        """Those of the model's own work."""
        return ListenSettings(
            language=self.language,
            beam_size=self.beam_size,
            windows_per_batch=self.windows_per_batch,
            vad_threshold=self.vad_threshold,
            vad_silence_ms=self.vad_silence_ms,
            vad_margin_ms=self.vad_margin_ms,
        )


@dataclass(frozen=True, eq=False)
class Transcribed:
    """One sound track.

    Attributes:
        start_s: Time of its first sample on the video's time line.
        length_s: Seconds of sound; 0 for an empty track.
        heard: What the model makes of it; None for an empty track.
        pitches_hz: float32 (T,), value k at ``k * 10`` ms; NaN where no clear pitch is. Empty without words.
    """

    start_s: float
    length_s: float
    heard: Heard | None
    pitches_hz: Float32Array


class SpeechTranscription(
    ModelAnalyzer[SpeechTranscriptionConfig, AudioChunk, Transcribed, SpeechTranscriptionResult],
):
    """Words, segments and language of what is spoken."""

    name = "speech_transcription"
    version = "2"
    title = "What is said: language, sentences, words with times, pitch and speed"
    Config = SpeechTranscriptionConfig
    Result = SpeechTranscriptionResult
    models = ("whisper-large-v3", "whisper-small")
    load_fields = frozenset({"model", "compute_type"})

    _whisper: Whisper

    def needs(self) -> Needs:
        """The whole sound track at 16 kHz, mono."""
        return Needs(audio=(AudioNeed(RATE_HZ, 1),))

    def load(self) -> None:
        """Loads the model.

        Raises:
            Unavailable: ``weights_missing``.
        """
        weights = self.find_weights(self.config.model)
        self._whisper = Whisper(weights.path, self.runtime.device, self.config.compute_type, self.runtime.threads)

    def warm_up(self) -> None:
        """A second of noise."""
        self._whisper.warm_up()

    def observe(self, chunks: Sequence[AudioChunk]) -> list[Transcribed]:
        """Transcribes the sound tracks, their windows batched together."""
        tracks: list[Float32Array] = [
            np.nan_to_num(chunk.clip.samples, nan=0.0, posinf=0.0, neginf=0.0) for chunk in chunks
        ]
        heard = iter(self._whisper.hear([track for track in tracks if len(track)], self.config.listen_settings()))
        return [
            self._transcribed(chunk.clip, track, next(heard) if len(track) else None)
            for chunk, track in zip(chunks, tracks, strict=True)
        ]

    def _transcribed(self, clip: AudioClip, track: Float32Array, heard: Heard | None) -> Transcribed:
        pitches_hz = np.zeros(0, np.float32)
        if heard is not None and heard.windows:
            pitch = pitch_track(track, self.config.pitch_low_hz, self.config.pitch_high_hz)
            clear = pitch.periodicity >= self.config.pitched
            pitches_hz = np.where(clear, pitch.f0_hz, np.nan).astype(np.float32)
        return Transcribed(clip.start_s, clip.duration_s, heard, pitches_hz)

    def conclude(self, observations: Sequence[Transcribed], context: Context) -> SpeechTranscriptionResult:
        """Segments with their marks.

        Raises:
            NotApplicable: ``no_audio``; ``no_speech``: no words came out, or the model itself believes none of them.
            AnalysisFailed: ``degenerate_text``: all that it wrote goes round in a loop.
        """
        sound = observations[0] if observations else None
        if sound is None or sound.heard is None:
            raise NotApplicable("no_audio", "The file has no sound.")
        heard = sound.heard
        found, repaired = self._sentences(sound, context)
        if not found:
            raise NotApplicable(
                "no_speech", f"Nobody speaks: no words in the {heard.speech_s:.1f} s that sound like speech."
            )
        doubts = doubts_of(found, DoubtSettings(self.config.no_speech, self.config.improbable, self.config.looping))
        segments = tuple(
            _segment(number, sentence, marks, sound)
            for number, (sentence, marks) in enumerate(zip(found, doubts, strict=True))
        )
        said = [s for s in segments if not set(s.doubts) & set(NOT_SAID)]
        if not said:
            raise _nothing_said(segments)
        words = [word for segment in said for word in segment.words]
        spoken_s = max(w.end_time for w in words) - words[0].start_time
        return SpeechTranscriptionResult(
            language=heard.language,
            language_probability=_unit(heard.language_probability),
            languages=tuple(LanguageScore(language=n, probability=min(1.0, p)) for n, p in heard.languages),
            text=" ".join(s.text for s in said),
            segments=segments,
            words=len(words),
            words_per_minute=60.0 * len(words) / spoken_s,
            mean_probability=sum(w.probability for w in words) / len(words),
            speech_s=heard.speech_s,
            speakers=None,
            direct_address=self._direct_address(words, heard.language),
            doubtful_segments=sum(bool(s.doubts) for s in segments),
            repeated_segments=sum("repeated" in s.doubts for s in segments),
            times_repaired=repaired,
        )

    def _sentences(self, sound: Transcribed, context: Context) -> tuple[list[Sentence], int]:
        """Sentences with times on the video's time line, and the number of repaired words."""
        if sound.heard is None:
            return [], 0
        # One run over all words, so that windows cannot fall behind each other.
        raw = [word for window in sound.heard.windows for word in window.words if word.text.strip()]
        moved = [replace(w, start_s=w.start_s + sound.start_s, end_s=w.end_s + sound.start_s) for w in raw]
        end_s = min(context.video.duration_s, sound.start_s + sound.length_s)
        fixed, repaired = with_sound_times(moved, end_s)
        rest = iter(fixed)
        windows = []
        for window in sound.heard.windows:
            own = tuple(word for _, word in zip([w for w in window.words if w.text.strip()], rest, strict=False))
            if own:
                windows.append(replace(window, words=own))
        return sentences(windows, self.config.segment_pause_s, self.config.longest_segment_s), repaired

    def _direct_address(self, words: Sequence[Word], language: str) -> DirectAddress | None:
        found = second_person([w.text for w in words], language)
        if found is None:
            return None
        count = sum(number for _, number in found)
        return DirectAddress(
            words=count,
            share=count / len(words),
            examples=tuple(word for word, _ in found),
            addresses_viewer=count / len(words) >= self.config.direct_share,
        )

    def timeline(self, result: SpeechTranscriptionResult) -> list[TimelineItem]:
        """The text of each segment that counts as said."""
        return [
            TimelineItem.of(segment, "said", self.name, segment.text, segment.confidence) for segment in result.said
        ]

    def headline(self, result: SpeechTranscriptionResult) -> str:
        """Language, words, speed, and the beginning of the text."""
        doubtful = Counter(bool(s.doubts) for s in result.segments)[True]
        parts = [f"{result.words} words in {result.language}"]
        if result.language_probability is not None:
            parts[0] += f" (probability {result.language_probability:.2f})"
        beginning = " ".join(result.text.split()[:8])
        parts.append(f"{result.words_per_minute:.0f} words/min")
        parts.append(f'begins "{beginning}"')
        if doubtful:
            parts.append(f"{doubtful} of {len(result.segments)} segments in doubt")
        return f"Speech: {', '.join(parts)}."


def _segment(number: int, sentence: Sentence, doubts: tuple[Doubt, ...], sound: Transcribed) -> Segment:
    words = tuple(_word(w) for w in sentence.words)
    start_s, end_s = words[0].start_time, max(w.end_time for w in words)
    first, last = (round((t - sound.start_s) / HOP_S) for t in (start_s, end_s))
    inside = sound.pitches_hz[max(0, first) : max(0, last)]
    clear = inside[np.isfinite(inside)]
    low, high = np.percentile(clear, [5, 95]) if len(clear) else (np.nan, np.nan)
    return Segment(
        start_time=start_s,
        end_time=end_s,
        segment_id=number,
        text=sentence.text,
        confidence=sum(w.probability for w in words) / len(words),
        words=words,
        words_per_s=len(words) / (end_s - start_s),
        pitch_hz=float(np.median(clear)) if len(clear) else None,
        pitch_range_semitones=12.0 * float(np.log2(high / low)) if len(clear) else None,
        avg_logprob=sentence.window.avg_logprob,
        no_speech_prob=sentence.window.no_speech_prob,
        compression_ratio=sentence.window.compression_ratio,
        doubts=doubts,
    )


def _nothing_said(segments: Sequence[Segment]) -> NotApplicable | AnalysisFailed:
    if all("no_speech" in segment.doubts for segment in segments):
        least = min(segment.no_speech_prob for segment in segments)
        return NotApplicable(
            "no_speech",
            f"Nobody speaks: by the model, what sounds like speech is none (probability {least:.2f} or more).",
        )
    beginning = segments[0].text[:80]
    return AnalysisFailed(
        "degenerate_text",
        f'All that the model wrote goes round in a loop; it begins "{beginning}".',
        "Nothing to mend where nobody speaks. Else name the language in user_config, or choose a larger model.",
        retry_possible=False,
    )


def _word(word: RawWord) -> Word:
    return Word(
        start_time=word.start_s, end_time=word.end_s, text=word.text.strip(), probability=min(word.probability, 1.0)
    )


def _unit(value: float | None) -> float | None:
    return None if value is None else min(max(value, 0.0), 1.0)
