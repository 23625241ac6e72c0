"""From the needs of all requested analyzers to the few renditions that one decode delivers. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from media.needs import AudioNeed, EveryFrame, FrameNeed, Needs, Rate, Spread
from schema.document import VideoFacts

FALLBACK_FRAME_RATE = 30.0
"""Frames per second assumed for estimates only, where the container declares none."""


@dataclass(frozen=True)
class Route:
    """Which of the plan's renditions one analyzer gets.

    Attributes:
        frames: Indices into ``DecodePlan.renditions``, in the order of the analyzer's ``Needs.frames``.
        audio: Indices into ``DecodePlan.audio``, in the order of its ``Needs.audio``.
        spread: Whether its pictures come as one chunk at the end of the decode.
    """

    frames: tuple[int, ...]
    audio: tuple[int, ...]
    spread: bool


@dataclass(frozen=True)
class DecodePlan:
    """What one pass over the file delivers.

    Attributes:
        renditions: Distinct picture streams. Equal needs of several analyzers are one rendition; renditions of the
            same size and colour share the scaling of a frame.
        audio: Distinct sound tracks.
        routes: Per analyzer, where its input is in ``renditions`` and ``audio``.
        chunk_s: Length of a chunk in seconds; chunk k covers ``[k * chunk_s, (k + 1) * chunk_s)``.
        chunks_planned: Number of chunks expected from the declared duration.
    """

    renditions: tuple[FrameNeed, ...]
    audio: tuple[AudioNeed, ...]
    routes: Mapping[str, Route]
    chunk_s: float
    chunks_planned: int

    @property
    def running(self) -> tuple[int, ...]:
        """Indices of the renditions that come chunk after chunk."""
        return tuple(i for i, need in enumerate(self.renditions) if not isinstance(need.sampling, Spread))

    @property
    def spread(self) -> tuple[int, ...]:
        """Indices of the renditions that come at the end."""
        return tuple(i for i, need in enumerate(self.renditions) if isinstance(need.sampling, Spread))

    def chunks_for(self, analyzer: str) -> int:
        """Observations that this analyzer will make: one per chunk, one of spread pictures or of the sound, or none."""
        route = self.routes[analyzer]
        if route.frames:
            return 1 if route.spread else self.chunks_planned
        return 1 if route.audio else 0


def plan_decode(needs: Mapping[str, Needs], facts: VideoFacts, chunk_s: float) -> DecodePlan:
    """Union of the needs; parts that the file cannot serve (no pictures, no sound) are left out of the routes.

    Args:
        needs: Per analyzer.
        facts: From the probe.
        chunk_s: Length of a chunk in seconds, > 0.
    """
    if chunk_s <= 0.0:
        raise ValueError(f"chunk_s must be > 0, got {chunk_s}")
    frames = {f: None for need in needs.values() for f in need.frames} if facts.has_video else {}
    sounds = {a: None for need in needs.values() for a in need.audio} if facts.audio else {}
    renditions, audio = tuple(frames), tuple(sounds)
    routes = {
        name: Route(
            frames=tuple(renditions.index(f) for f in need.frames) if facts.has_video else (),
            audio=tuple(audio.index(a) for a in need.audio) if facts.audio else (),
            spread=need.is_spread,
        )
        for name, need in needs.items()
    }
    chunks = max(1, math.ceil(facts.duration_s / chunk_s - 1e-9)) if renditions else 0
    return DecodePlan(renditions, audio, routes, chunk_s, chunks)


def scaled_size(width: int, height: int, short_side_px: int) -> tuple[int, int]:
    """(width, height) in px with the shorter side at most ``short_side_px``, shape kept; never enlarged."""
    short = min(width, height)
    if short <= short_side_px:
        return width, height
    factor = short_side_px / short
    return max(1, round(width * factor)), max(1, round(height * factor))


def frames_planned(need: FrameNeed, facts: VideoFacts) -> int:
    """How many frames this stream will hold, estimated from the declared duration and frame rate."""
    rate = facts.frame_rate or FALLBACK_FRAME_RATE
    every = facts.frames_declared or round(facts.duration_s * rate)
    if isinstance(need.sampling, EveryFrame):
        return every
    if isinstance(need.sampling, Rate):
        return min(every, math.ceil(facts.duration_s * need.sampling.fps))
    return min(every, need.sampling.count)


def bytes_planned(plan: DecodePlan, facts: VideoFacts) -> int:
    """Bytes of all pictures and sound that the plan delivers, estimated like ``frames_planned``."""
    total = 0
    if facts.width and facts.height:
        for need in plan.renditions:
            width, height = scaled_size(facts.width, facts.height, need.short_side_px)
            total += frames_planned(need, facts) * width * height * (3 if need.colour == "rgb" else 1)
    for sound in plan.audio:
        total += round(facts.duration_s * sound.rate_hz) * sound.channels * 4
    return total
