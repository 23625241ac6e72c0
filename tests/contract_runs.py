"""Runs each analyzer of the catalogue on one made clip, for what they all promise."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from analyzers.base import AnalyzerResult, AnyAnalyzer, Context, NotApplicable, Unavailable
from analyzers.catalogue import CATALOGUE, analyzer_class
from media.types import AudioChunk, AudioClip, FrameChunk
from schema.document import AudioFacts, VideoFacts
from tests.made_speech import RATE_HZ, Syllable, speech
from tests.run import frame_chunks

every_analyzer = pytest.mark.parametrize("cls", CATALOGUE, ids=lambda cls: cls.name)

FPS = 10.0
CHUNK_S = 1.0


@cache
def moving_picture() -> np.ndarray[Any, Any]:
    """3 s of uint8 RGB (30, 320, 180, 3): a texture that drifts to the left, a hard cut at 1.5 s, a caption."""
    import cv2

    noise = np.random.default_rng(7).integers(0, 256, (2, 40, 60, 3), dtype=np.uint8)
    worlds = [cv2.resize(n, (480, 320), interpolation=cv2.INTER_CUBIC) for n in noise]
    frames = []
    for i in range(30):
        frame = worlds[i // 15][:, 4 * i : 4 * i + 180].copy()
        cv2.putText(frame, "HELLO", (20, 280), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (255, 255, 255), 3)
        frames.append(frame)
    return np.stack(frames)


@cache
def talk_and_clicks() -> np.ndarray[Any, Any]:
    """3 s float32 at 16 kHz: two bursts of syllables with a pause, and a soft click every half second (120/min)."""
    starts = [0.2 + 0.21 * i for i in range(5)] + [1.75 + 0.21 * i for i in range(5)]
    talk = speech([Syllable(s, f0_hz=110.0 + 8.0 * (i % 4), vowel="aieo"[i % 4]) for i, s in enumerate(starts)], 3.0)
    t = np.arange(len(talk)) / RATE_HZ
    return (talk + 0.05 * np.exp(-200.0 * (t % 0.5)) * np.sin(2 * np.pi * 1500.0 * t)).astype(np.float32)


def chunks_for(
    analyzer: AnyAnalyzer, frames: np.ndarray[Any, Any], samples: np.ndarray[Any, Any], chunk_s: float = CHUNK_S
) -> list[FrameChunk] | list[AudioChunk]:
    """What the decoder would deliver for the analyzer's needs, with the observations that it reads."""
    needs = analyzer.needs()
    if needs.audio:
        clips = tuple(sound(samples, n.rate_hz, n.channels) for n in needs.audio)
        return [AudioChunk(clips, {k: v[0] for k, v in upstream_of(analyzer, frames, samples, chunk_s).items() if v})]
    if not needs.frames:
        return []
    chunks = [c for c in frame_chunks(frames, FPS, needs.frames, chunk_s) if sum(len(b) for b in c.batches)]
    read = upstream_of(analyzer, frames, samples, chunk_s)
    return [dataclasses.replace(c, upstream={k: v[c.index] for k, v in read.items() if c.index in v}) for c in chunks]


def upstream_of(
    analyzer: AnyAnalyzer, frames: np.ndarray[Any, Any], samples: np.ndarray[Any, Any], chunk_s: float
) -> dict[str, dict[int, Any]]:
    """By name and chunk, what those observe that the analyzer reads; nothing of one that cannot run here."""
    read: dict[str, dict[int, Any]] = {}
    for name in type(analyzer).upstream:
        if (other := loaded(analyzer_class(name))) is not None:
            chunks = chunks_for(other, frames, samples, chunk_s)
            seen = zip(chunks, other.observe(chunks), strict=True)
            read[name] = {getattr(chunk, "index", 0): observation for chunk, observation in seen}
    return read


@cache
def loaded(cls: type[AnyAnalyzer]) -> AnyAnalyzer | None:
    """The analyzer, ready; None where its weights are missing."""
    analyzer = cls(cls.Config())
    try:
        analyzer.load()
    except Unavailable:
        return None
    return analyzer


def sound(samples: np.ndarray[Any, Any], rate_hz: int, channels: int) -> AudioClip:
    count = max(1, round(len(samples) * rate_hz / RATE_HZ))
    mono = np.interp(np.arange(count) / rate_hz, np.arange(len(samples)) / RATE_HZ, samples).astype(np.float32)
    return AudioClip(np.ascontiguousarray(np.stack([mono, mono], 1)) if channels == 2 else mono, rate_hz)


def facts(duration_s: float) -> VideoFacts:
    return VideoFacts(
        container="arrays",
        duration_s=duration_s,
        width=180,
        height=320,
        frame_rate=FPS,
        video_streams=1,
        audio_streams=1,
        audio=AudioFacts(codec="pcm", sample_rate_hz=RATE_HZ, channels=1),
    )


@dataclasses.dataclass(frozen=True)
class Run:
    """One analyzer on the made clip; ``result`` is None where it does not apply."""

    analyzer: AnyAnalyzer
    chunks: Sequence[Any]
    observations: list[Any]
    context: Context
    result: AnalyzerResult | None


@cache
def run_on_made_clip(cls: type[AnyAnalyzer]) -> Run:
    analyzer = cls(cls.Config())
    try:
        analyzer.load()
    except Unavailable as unavailable:
        pytest.skip(unavailable.reason)
    chunks = chunks_for(analyzer, moving_picture(), talk_and_clicks())
    observations = analyzer.observe(chunks) if chunks else []
    context = Context(facts(3.0), *results_of(cls.after))
    return Run(analyzer, chunks, observations, context, concluded(analyzer, observations, context))


def results_of(wanted: Iterable[str]) -> tuple[dict[str, AnalyzerResult], dict[str, str]]:
    by_name = {cls.name: cls for cls in CATALOGUE}
    runs = {name: run_on_made_clip(by_name[name]).result for name in wanted}
    return (
        {name: result for name, result in runs.items() if result is not None},
        {name: "not_applicable: the made clip has none" for name, result in runs.items() if result is None},
    )


def concluded(analyzer: AnyAnalyzer, observations: Sequence[Any], context: Context) -> AnalyzerResult | None:
    try:
        result = analyzer.conclude(observations, context)
    except (NotApplicable, Unavailable) as caught:
        refusal = caught
    else:
        assert type(result) is type(analyzer).Result
        return result
    assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", refusal.code)
    assert refusal.reason
    assert isinstance(refusal, NotApplicable) or (refusal.remedy and context.missing)
    return None
