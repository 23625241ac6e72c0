"""Whisper by faster-whisper and CTranslate2: voice detection, batched decoding, word times. Never imports torch.

The sound is cut to speech by Silero VAD, speech is packed into windows of up to 30 s, and windows are decoded in
batches, as in Bain et al., "WhisperX: time-accurate speech transcription of long-form audio" (Interspeech 2023); the
work itself is ``faster_whisper.BatchedInferencePipeline``. Decoding is by beam search at temperature 0 and without the
text of the window before, so that the same sound gives the same text, and one invented sentence does not breed others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from analyzers.base import AnalysisFailed, Unavailable
from analyzers.inference.offline import go_offline
from analyzers.inference.oom import REMEDY, is_out_of_memory
from analyzers.signal.transcript import RawWord, Window
from analyzers.stop import stop_if_nobody_waits
from media.types import Float32Array

ComputeType = Literal["auto", "float16", "int8", "int8_float16", "float32"]

RATE_HZ = 16_000
"""The only sample rate that Whisper takes."""

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

    def hear(self, samples: Float32Array, settings: ListenSettings) -> Heard:
        """Transcribes one sound.

        Args:
            samples: float32 (N,) at 16 kHz, finite.
            settings: How.

        Raises:
            AnalysisFailed: ``gpu_out_of_memory`` with one window at a time.
        """
        batch = settings.windows_per_batch
        while True:
            try:
                return self._hear(samples, settings, batch)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if batch == 1:
                    raise AnalysisFailed("gpu_out_of_memory", _first_line(error), REMEDY, True) from error
            # Its words are computed again with the next batch: the pipeline gives none back of a window that failed.
            batch = max(1, batch // 2)

    def _hear(self, samples: Float32Array, settings: ListenSettings, batch: int) -> Heard:
        from faster_whisper import BatchedInferencePipeline

        # A new pipeline each time: it remembers the end of the last word it heard.
        segments, info = BatchedInferencePipeline(self._model).transcribe(
            samples,
            language=settings.language,
            beam_size=settings.beam_size,
            temperature=0.0,
            batch_size=batch,
            word_timestamps=True,
            vad_filter=True,
            vad_parameters={
                "threshold": settings.vad_threshold,
                "min_silence_duration_ms": settings.vad_silence_ms,
                "speech_pad_ms": settings.vad_margin_ms,
            },
        )
        windows = tuple(_windows(segments))
        scores = sorted(info.all_language_probs or (), key=lambda entry: -entry[1])[:LANGUAGES_KEPT]
        return Heard(
            windows=windows,
            speech_s=float(info.duration_after_vad),
            language=str(info.language),
            language_probability=float(info.language_probability) if scores else None,
            languages=tuple((str(name), float(probability)) for name, probability in scores),
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


def _windows(segments: Iterable[Any]) -> Iterable[Window]:
    """Those segments that hold words, as plain values."""
    for segment in segments:
        stop_if_nobody_waits()
        words = tuple(
            RawWord(str(w.word), float(w.start), float(w.end), float(w.probability)) for w in segment.words or ()
        )
        if words:
            yield Window(
                words=words,
                avg_logprob=float(segment.avg_logprob),
                no_speech_prob=min(max(float(segment.no_speech_prob), 0.0), 1.0),
                compression_ratio=float(segment.compression_ratio),
            )
