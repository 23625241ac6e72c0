"""Sounds as ``audio_analysis`` hears them, for its tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from analyzers.audio_analysis import AudioAnalysis
from analyzers.base import Context
from analyzers.results.audio_analysis import AudioAnalysisResult
from analyzers.signal import loudness
from media.decode import decode_audio
from media.limits import MediaLimits
from media.needs import AudioNeed, Needs
from media.plan import plan_decode
from media.probe import probe
from media.types import AudioChunk, AudioClip
from schema.document import VideoFacts
from tests import made_sound as made
from tests.media_folder import media
from tests.run import run_on_audio


class Measured:
    """A sound, observed once, to be judged under several settings."""

    def __init__(self, analyzer: Any, sound: np.ndarray[Any, Any]) -> None:
        self._observed = analyzer.observe([chunk_of(analyzer, sound)])
        self._context = Context(VideoFacts(container="arrays", duration_s=len(sound) / made.RATE_HZ))

    def judged(self, **settings: float) -> AudioAnalysisResult:
        return AudioAnalysis(AudioAnalysis.Config.model_validate(settings)).conclude(self._observed, self._context)


def heard(analyzer: Any, sound: np.ndarray[Any, Any]) -> AudioAnalysisResult:
    result = run_on_audio(analyzer, sound, made.RATE_HZ)
    assert isinstance(result, AudioAnalysisResult)
    return result


def chunk_of(analyzer: Any, sound: np.ndarray[Any, Any], start_s: float = 0.0) -> AudioChunk:
    import librosa

    clips = []
    for need in analyzer.needs().audio:
        mono = librosa.resample(sound, orig_sr=made.RATE_HZ, target_sr=need.rate_hz).astype(np.float32)
        clips.append(AudioClip(np.stack([mono, mono], 1) if need.channels == 2 else mono, need.rate_hz, start_s))
    return AudioChunk(tuple(clips))


def stereo(*parts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    mono = np.concatenate(parts).astype(np.float32)
    return np.stack([mono, mono], axis=1)


def tone48(dbfs: float, length_s: float, hz: float = 1000.0, phase: float = 0.0) -> np.ndarray[Any, Any]:
    t = np.arange(round(length_s * loudness.RATE_HZ)) / loudness.RATE_HZ
    return np.asarray(10.0 ** (dbfs / 20.0) * np.sin(2.0 * np.pi * hz * t + phase))


def sound_of(name: str) -> np.ndarray[Any, Any]:
    """Mono at the rate of the made sounds."""
    path, limits = media(name), MediaLimits()
    facts = probe(path, limits)
    plan = plan_decode({"test": Needs(audio=(AudioNeed(made.RATE_HZ, 1),))}, facts, 2.0)
    return np.asarray(decode_audio(path, plan, facts, limits)[0].samples)
