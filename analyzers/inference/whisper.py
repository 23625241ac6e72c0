"""Whisper by faster-whisper and CTranslate2: voice detection, batched decoding, word times. Never imports torch.

The sound is cut to speech by Silero VAD, speech is packed into windows of up to 30 s, and windows are decoded in
batches, as in Bain et al., "WhisperX: time-accurate speech transcription of long-form audio" (Interspeech 2023). The
work is ``faster_whisper.BatchedInferencePipeline``'s; only the order is this module's own, so that windows of several
videos share a batch: a video of 30 s has one window, and a GPU decodes eight in little more time than one. Decoding is
by beam search at temperature 0 and without the text of the window before, so that the same sound gives the same text,
and one invented sentence does not breed others.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from analyzers.base import Unavailable
from analyzers.inference.offline import go_offline
from analyzers.inference.oom import REMEDY, in_halves, is_out_of_memory
from analyzers.signal.transcript import RawWord, Window
from analyzers.stop import stop_if_nobody_waits
from media.types import Float32Array

ComputeType = Literal["auto", "float16", "int8", "int8_float16", "float32"]

ALLOCATOR = {
    "CT2_CUDA_ALLOCATOR": "cub_caching",
    "CT2_CUDA_CACHING_ALLOCATOR_CONFIG": "4,3,12,209715200",
}
"""Read by CTranslate2 when it first takes memory of a GPU. Left to itself it takes the driver's pool, which has no
bound of its own; this allocator keeps at most 200 MB that it does not use at the moment (growth of its bins, smallest,
largest, bytes kept: CTranslate2's own defaults). Neither bounds what is in use."""

RATE_HZ = 16_000
"""The only sample rate that Whisper takes."""

_CODES = (
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id "
    "is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si "
    "sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh"
)
LANGUAGES = frozenset(_CODES.split())
"""Codes of the languages that Whisper knows; ``yue`` (Cantonese) from large-v3 on."""

LANGUAGES_KEPT = 3
"""Languages whose probability is kept; the others are near 0."""


@dataclass(frozen=True)
class ListenSettings:
    """How one sound is transcribed; ``SpeechTranscriptionConfig`` says why.

    Attributes:
        language: ISO 639-1; None detects it.
        beam_size: Beams; 1 is greedy.
        windows_per_batch: Windows decoded at once.
        vad_threshold: Probability of speech.
        vad_silence_ms: Silence that parts two stretches of speech.
        vad_margin_ms: Kept beside each stretch.
    """

    language: str | None
    beam_size: int
    windows_per_batch: int
    vad_threshold: float
    vad_silence_ms: int
    vad_margin_ms: int


@dataclass(frozen=True)
class Heard:
    """What the model makes of one sound.

    Attributes:
        windows: In order of time; empty where the detector finds no speech.
        speech_s: Length of what was decoded.
        language: ISO 639-1.
        language_probability: None where it was not detected but given.
        languages: The most probable with their probability.
    """

    windows: tuple[Window, ...]
    speech_s: float
    language: str
    language_probability: float | None
    languages: tuple[tuple[str, float], ...]


class Whisper:
    """A loaded model.

    CTranslate2 has no cap on what it takes of a GPU. What it uses is bounded by the model, the batch and the beams,
    what it keeps beside that by ``ALLOCATOR``.

    Args:
        folder: A CTranslate2 conversion with its ``tokenizer.json``; without that faster-whisper would ask the hub.
        device: ``cpu`` or ``cuda:0``.
        compute_type: ``auto``: float16 on a GPU (also before capability 8), int8 on the CPU.
        threads: On the CPU.

    Raises:
        Unavailable: ``no_gpu``; ``gpu_out_of_memory``; ``weights_broken``: the files cannot be read.
    """

    def __init__(self, folder: Path, device: str, compute_type: ComputeType, threads: int) -> None:
        go_offline()
        os.environ.update(ALLOCATOR)
        import ctranslate2
        from faster_whisper import WhisperModel

        kind, _, index = device.partition(":")
        if kind == "cuda" and not ctranslate2.get_cuda_device_count():
            raise Unavailable(
                "no_gpu",
                f"{device} is booked and CTranslate2 finds no GPU",
                "tiktok-analyzer doctor, or tiktok-analyzer serve --profile cpu",
            )
        chosen = compute_type if compute_type != "auto" else "float16" if kind == "cuda" else "int8"
        try:
            self._model: Any = WhisperModel(
                str(folder),
                device=kind,
                device_index=int(index or 0),
                compute_type=chosen,
                cpu_threads=threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError) as error:
            raise _unavailable(folder, error) from error
        self.compute_type: str = self._model.model.compute_type

    def hear(self, sounds: Sequence[Float32Array], settings: ListenSettings) -> list[Heard]:
        """Transcribes sounds, their windows batched together.

        Args:
            sounds: float32 (N,) each, at 16 kHz, finite.
            settings: How.

        Raises:
            AnalysisFailed: ``gpu_out_of_memory`` with one window at a time.
            Stopped: Nobody waits for it any more; asked between batches.
        """
        cuts = [self._cut(samples, settings) for samples in sounds]
        decoded: dict[tuple[int, int], Any] = {}
        # One language at a time: the words of a batch are aligned behind one start of text.
        for language in dict.fromkeys(cut.language for cut in cuts):
            jobs = [(k, j) for k, cut in enumerate(cuts) if cut.language == language for j in range(len(cut.features))]
            for begin in range(0, len(jobs), settings.windows_per_batch):
                stop_if_nobody_waits()
                batch = jobs[begin : begin + settings.windows_per_batch]

                def decode(part: Sequence[tuple[int, int]], language: str = language) -> list[Any]:
                    features = np.stack([cuts[k].features[j] for k, j in part])
                    return self._decode(features, [cuts[k].places[j] for k, j in part], language, settings)

                decoded.update(zip(batch, in_halves(decode, batch), strict=True))
        return [
            self._heard(cut, [decoded[k, j] for j in range(len(cut.features))], settings) for k, cut in enumerate(cuts)
        ]

    def _cut(self, samples: Float32Array, settings: ListenSettings) -> _Cut:
        """Speech, packed into windows, and its language."""
        from faster_whisper.audio import pad_or_trim
        from faster_whisper.vad import VadOptions, collect_chunks, get_speech_timestamps

        extract = self._model.feature_extractor
        options = VadOptions(
            threshold=settings.vad_threshold,
            min_silence_duration_ms=settings.vad_silence_ms,
            speech_pad_ms=settings.vad_margin_ms,
            max_speech_duration_s=extract.chunk_length,
        )
        speech = get_speech_timestamps(samples, options)
        if not speech:
            return _Cut((), (), (), settings.language or "", None, ())
        sounds, places = collect_chunks(samples, speech, max_duration=extract.chunk_length)
        features = [extract(sound)[..., :-1] for sound in sounds]
        language, probability, scores = self._language(features, settings)
        return _Cut(tuple(speech), tuple(map(pad_or_trim, features)), tuple(places), language, probability, scores)

    def _language(
        self, features: Sequence[Any], settings: ListenSettings
    ) -> tuple[str, float | None, tuple[tuple[str, float], ...]]:
        """The language with its probability, and the most probable ones; no probability where it is given."""
        if settings.language is not None or not self._model.model.is_multilingual:
            return (settings.language if self._model.model.is_multilingual else None) or "en", None, ()
        language, probability, scores = self._model.detect_language(features=np.concatenate(features, axis=1))
        best = sorted(scores, key=lambda entry: -entry[1])[:LANGUAGES_KEPT]
        return str(language), float(probability), tuple((str(name), float(score)) for name, score in best)

    def _decode(self, features: Any, places: Sequence[Any], language: str, settings: ListenSettings) -> list[Any]:
        """Text of each window, with its words aligned to the sound but not yet timed against their neighbours."""
        from faster_whisper import BatchedInferencePipeline

        pipeline: Any = BatchedInferencePipeline(_Aligning(self._model))
        return list(pipeline.forward(features, self._tokenizer(language), places, self._options(settings)))

    def _tokenizer(self, language: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        multilingual = self._model.model.is_multilingual
        return Tokenizer(self._model.hf_tokenizer, multilingual, task="transcribe", language=language)

    def _options(self, settings: ListenSettings) -> Any:
        """The library's own options, as it makes them for a sound without speech."""
        from faster_whisper import BatchedInferencePipeline

        _, info = BatchedInferencePipeline(self._model).transcribe(
            np.zeros(0, np.float32),
            language="en",
            beam_size=settings.beam_size,
            temperature=0.0,
            word_timestamps=True,
        )
        return info.transcription_options

    def _heard(self, cut: _Cut, windows: Sequence[Any], settings: ListenSettings) -> Heard:
        """Word times of one sound, window after window, on the sound's own time line."""
        from faster_whisper.vad import SpeechTimestampsMap

        found: list[Window] = []
        if windows:
            options, tokenizer = self._options(settings), self._tokenizer(cut.language)
            place = SpeechTimestampsMap(list(cut.speech), RATE_HZ)
            last_s = 0.0
            for window in windows:
                aligned = _Aligned(self._model.frames_per_second, window[0]["alignment"])
                last_s = type(self._model).add_word_timestamps(
                    aligned,
                    [window],
                    tokenizer,
                    None,
                    None,
                    options.prepend_punctuations,
                    options.append_punctuations,
                    last_s,
                )
                found += [_window(part, place) for part in window if part["words"]]
        return Heard(
            windows=tuple(found),
            speech_s=sum(s["end"] - s["start"] for s in cut.speech) / RATE_HZ,
            language=cut.language,
            language_probability=cut.probability,
            languages=cut.scores,
        )

    def warm_up(self) -> None:
        """One second of noise through encoder and decoder, past the voice detector."""
        noise = np.random.default_rng(0).standard_normal(RATE_HZ).astype(np.float32) * 0.01
        segments, _ = self._model.transcribe(
            noise, language="en", beam_size=1, temperature=0.0, vad_filter=False, max_new_tokens=1
        )
        list(segments)


def _unavailable(folder: Path, error: Exception) -> Unavailable:
    if is_out_of_memory(error):
        return Unavailable("gpu_out_of_memory", f"{folder.name} does not fit: {_first_line(error)}", REMEDY)
    remedy = f"tiktok-analyzer models verify {folder.name}"
    return Unavailable("weights_broken", f"{folder.name} cannot be loaded: {_first_line(error)}", remedy)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


@dataclass(frozen=True, eq=False)
class _Cut:
    """One sound, cut to speech.

    Attributes:
        speech: Start and end of each stretch in samples, as the library has them.
        features: One spectrogram for each window, padded to 30 s.
        places: What the library notes about each window.
        language: ISO 639-1; empty where there is no speech.
        probability: Of the language; None where it was given.
        scores: The most probable languages.
    """

    speech: tuple[dict[str, int], ...]
    features: tuple[Any, ...]
    places: tuple[Any, ...]
    language: str
    probability: float | None
    scores: tuple[tuple[str, float], ...]


class _Aligning:
    """The model inside the pipeline. It aligns words to the sound while the encoder's output is there, and leaves what
    depends on the window before to ``Whisper._heard``: in a batch, that may be another video's."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def add_word_timestamps(
        self, windows: list[Any], tokenizer: Any, encoded: Any, frames: Any, before: str, behind: str, last_s: float
    ) -> float:
        """Called by the pipeline; keeps each window's alignment in its first part."""
        tokens = [[t for part in window for t in part["tokens"] if t < tokenizer.eot] for window in windows]
        alignments = self._model.find_alignment(tokenizer, tokens, encoded, frames)
        for window, alignment in zip(windows, alignments, strict=True):
            window[0]["alignment"] = alignment
            for part in window:
                part["words"] = []
        return last_s


@dataclass(frozen=True)
class _Aligned:
    """What the library's timing of words needs of a model, for one window that is aligned already."""

    frames_per_second: int
    alignment: list[Any]

    def find_alignment(self, *_: Any) -> list[list[Any]]:
        return [self.alignment]


def _window(part: Any, place: Any) -> Window:
    """A part of a window as plain values; its times count from the first sample of speech, silence left out."""
    words = []
    for word in part["words"]:
        # Start and end are put back by the same stretch of speech, so that no word lasts over a silence.
        stretch = place.get_chunk_index((word["start"] + word["end"]) / 2)
        start_s, end_s = (float(place.get_original_time(word[key], stretch)) for key in ("start", "end"))
        words.append(RawWord(str(word["word"]), start_s, end_s, float(word["probability"])))
    return Window(
        words=tuple(words),
        avg_logprob=float(part["avg_logprob"]),
        no_speech_prob=min(max(float(part["no_speech_prob"]), 0.0), 1.0),
        compression_ratio=float(part["compression_ratio"]),
    )
