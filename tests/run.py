"""Runs one analyzer over a file or over arrays, through the production plan and decode but without Ray."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from analyzers.base import AnalyzerResult, AnyAnalyzer, Context
from analyzers.catalogue import analyzer_class
from media.decode import decode_audio, decode_video
from media.limits import MediaLimits
from media.needs import EveryFrame, FrameNeed, Rate, Spread
from media.plan import plan_decode, scaled_size
from media.probe import probe
from media.types import AudioChunk, AudioClip, DecodeReport, FrameBatch, FrameChunk
from ops.local import grouped
from reducer.facts import facts_after_decode
from schema.document import VideoFacts


def make_analyzer(name: str, config: Mapping[str, Any] | None = None) -> AnyAnalyzer:
    cls = analyzer_class(name)
    analyzer = cls(cls.Config.model_validate(dict(config or {})))
    analyzer.load()
    return analyzer


def run_on_frames(
    analyzer: AnyAnalyzer,
    frames: np.ndarray[Any, Any],
    fps: float,
    chunk_s: float = 2.0,
    results: Mapping[str, AnalyzerResult] | None = None,
) -> Any:
    """``frames``: uint8 RGB (N, H, W, 3). Cuts them into the analyzer's renditions and chunks as the decoder does."""
    facts = VideoFacts(
        container="arrays", duration_s=len(frames) / fps, width=frames.shape[2], height=frames.shape[1], frame_rate=fps
    )
    chunks = frame_chunks(frames, fps, analyzer.needs().frames, chunk_s)
    observations = [analyzer.observe([chunk])[0] for chunk in chunks]
    return analyzer.conclude(observations, Context(facts, results or {}))


def run_on_audio(
    analyzer: AnyAnalyzer,
    samples: np.ndarray[Any, Any],
    rate_hz: int,
    results: Mapping[str, AnalyzerResult] | None = None,
) -> Any:
    """``samples``: float (N,) in [-1, 1] at ``rate_hz``; resampled to what the analyzer needs."""
    import librosa

    clips = []
    for need in analyzer.needs().audio:
        mono = librosa.resample(samples.astype(np.float32), orig_sr=rate_hz, target_sr=need.rate_hz)
        clips.append(
            AudioClip(
                np.ascontiguousarray(np.stack([mono, mono], 1) if need.channels == 2 else mono, dtype=np.float32),
                need.rate_hz,
            )
        )
    facts = VideoFacts(container="arrays", duration_s=len(samples) / rate_hz)
    observations = analyzer.observe([AudioChunk(tuple(clips))])
    return analyzer.conclude(observations, Context(facts, results or {}))


def run_on_file(
    analyzer: AnyAnalyzer,
    path: Path,
    chunk_s: float = 2.0,
    results: Mapping[str, AnalyzerResult] | None = None,
) -> Any:
    """Probe, plan, decode, observe chunk by chunk, conclude."""
    limits = MediaLimits()
    facts = probe(path, limits)
    plan = plan_decode({analyzer.name: analyzer.needs()}, facts, chunk_s)
    route = plan.routes[analyzer.name]
    observations = []
    if route.audio:
        observations = analyzer.observe([AudioChunk(tuple(decode_audio(path, plan, facts, limits)))])
    elif route.frames:
        for header, batches in grouped(iter(decode_video(path, plan, facts, limits))):
            if isinstance(header, DecodeReport):
                facts = facts_after_decode(facts, header)
                break
            own = tuple(batches[i] for i in route.frames if i in batches)
            if any(len(batch) for batch in own):
                observations += analyzer.observe([FrameChunk(header.index, header.start_s, header.end_s, own)])
    return analyzer.conclude(observations, Context(facts, results or {}))


def frame_chunks(
    frames: np.ndarray[Any, Any], fps: float, needs: tuple[FrameNeed, ...], chunk_s: float
) -> list[FrameChunk]:
    """The chunks that a decoder would deliver for these frames, spread over time at a constant rate."""
    pts = np.arange(len(frames)) / fps
    number = max(1, int(np.ceil(len(frames) / fps / chunk_s - 1e-9)))
    streams = [_stream(frames, pts, need) for need in needs]
    if needs and isinstance(needs[0].sampling, Spread):
        return [FrameChunk(0, 0.0, len(frames) / fps, tuple(_cut(s, 0.0, np.inf, frames) for s in streams))]
    return [
        FrameChunk(
            k,
            k * chunk_s,
            min((k + 1) * chunk_s, len(frames) / fps),
            tuple(_cut(s, k * chunk_s, (k + 1) * chunk_s, frames) for s in streams),
        )
        for k in range(number)
    ]


def _stream(frames: np.ndarray[Any, Any], pts: np.ndarray[Any, Any], need: FrameNeed) -> tuple[Any, Any, Any]:
    import cv2

    if isinstance(need.sampling, EveryFrame):
        index = np.arange(len(frames))
    elif isinstance(need.sampling, Rate):
        slots = np.floor(pts * need.sampling.fps + 1e-6)
        index = np.flatnonzero(np.diff(slots, prepend=-1.0) > 0)
    else:
        middles = (
            (np.arange(need.sampling.count) + 0.5) / need.sampling.count * (pts[-1] + (pts[1] if len(pts) > 1 else 1.0))
        )
        index = np.unique([int(np.abs(pts - m).argmin()) for m in middles])
    size = scaled_size(frames.shape[2], frames.shape[1], need.short_side_px)
    pictures = [cv2.resize(frames[i], size, interpolation=cv2.INTER_AREA) for i in index]
    if need.colour == "gray":
        pictures = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in pictures]
    return np.stack(pictures), pts[index], index.astype(np.int64)


def _cut(stream: tuple[Any, Any, Any], start_s: float, end_s: float, frames: np.ndarray[Any, Any]) -> FrameBatch:
    pictures, pts, index = stream
    own = np.flatnonzero((pts >= start_s - 1e-9) & (pts < end_s - 1e-9))
    first = int(own[0]) if len(own) else len(pts)
    last = int(own[-1]) + 1 if len(own) else first
    carried = 1 if len(own) and first > 0 else 0
    part = slice(first - carried, last)
    return FrameBatch(
        np.ascontiguousarray(pictures[part]),
        pts[part].copy(),
        index[part].copy(),
        carried,
        frames.shape[2],
        frames.shape[1],
    )
