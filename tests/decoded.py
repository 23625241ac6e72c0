"""Runs probe, plan and decode in this process and keeps everything that came out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from media.decode import Decoder, decode_video
from media.limits import MediaLimits
from media.needs import EveryFrame, FrameNeed, Needs
from media.plan import DecodePlan, plan_decode
from media.probe_child import read_facts
from media.types import ChunkHeader, DecodeReport, FrameBatch
from schema.document import VideoFacts
from tests.made_media import read_number

EVERY = FrameNeed(EveryFrame(), 64)
EVERY_GRAY = FrameNeed(EveryFrame(), 64, "gray")
STEADY = [i / 25 for i in range(60)]
"""Times of 60 pictures at 25 frames a second."""


@dataclass
class Decoded:
    """Headers with their batches in order, and the report."""

    facts: VideoFacts
    plan: DecodePlan
    items: list[tuple[ChunkHeader, list[FrameBatch]]]
    report: DecodeReport

    @property
    def chunks(self) -> list[tuple[ChunkHeader, list[FrameBatch]]]:
        return [item for item in self.items if item[0].kind == "chunk"]

    @property
    def spread(self) -> tuple[ChunkHeader, list[FrameBatch]]:
        return next(item for item in self.items if item[0].kind == "spread")

    def batches(self, rendition: int = 0) -> list[FrameBatch]:
        return [batches[header.renditions.index(rendition)] for header, batches in self.chunks]

    def pictures(self, rendition: int = 0) -> list[np.ndarray[Any, Any]]:
        return [picture for batch in self.batches(rendition) for picture in batch.own]

    def times(self, rendition: int = 0) -> np.ndarray[Any, Any]:
        return np.concatenate([batch.own_pts_s for batch in self.batches(rendition)])

    def index(self, rendition: int = 0) -> list[int]:
        return [int(i) for batch in self.batches(rendition) for i in batch.own_index]

    def numbers(self, rendition: int = 0) -> list[int]:
        """What the pictures themselves say."""
        return [read_number(picture) for picture in self.pictures(rendition)]


def facts_of(path: Path, limits: MediaLimits | None = None) -> VideoFacts:
    """As ``media.probe.probe``, but in this process: no child to start."""
    return VideoFacts.model_validate(read_facts(path, limits or MediaLimits()))


def decode(
    path: Path,
    *needs: FrameNeed,
    chunk_s: float = 2.0,
    limits: MediaLimits | None = None,
    decoder: Decoder = "pyav",
    facts: VideoFacts | None = None,
    threads: int = 1,
) -> Decoded:
    """One analyzer per need, so that rendition i is need i; equal needs share one."""
    limits = limits or MediaLimits()
    facts = facts or facts_of(path, limits)
    plan = plan_decode({f"a{i}": Needs(frames=(need,)) for i, need in enumerate(needs)}, facts, chunk_s)
    items: list[tuple[ChunkHeader, list[FrameBatch]]] = []
    for item in decode_video(path, plan, facts, limits, decoder=decoder, threads=threads):
        if isinstance(item, ChunkHeader):
            items.append((item, []))
        elif isinstance(item, FrameBatch):
            items[-1][1].append(item)
        else:
            report = item
    return Decoded(facts, plan, items, report)
