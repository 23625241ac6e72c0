"""Sorts decoded pictures into chunks: which rendition wants which frame, and what each chunk carries over."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from media.needs import FrameNeed, Rate
from media.types import FrameBatch, UInt8Array

SLOT_EPS = 1e-6
"""Seconds times frames per second: room for rounding of time stamps at the border of a sampling slot."""

EDGE_EPS_S = 1e-9
"""A frame this close before a chunk's end belongs to the next chunk."""

TIE_EPS_S = 1e-6
"""Two frames whose distances from a moment differ by less than this are equally near."""


def chunk_of(time_s: float, chunk_s: float) -> int:
    """Number of the chunk in which this time lies."""
    return math.floor((time_s + EDGE_EPS_S) / chunk_s)


@dataclass
class RunningRendition:
    """Collects one running rendition's pictures of the current chunk.

    Attributes:
        need: What it samples.
        size: (width, height) of its pictures in px.
        source: (width, height) of the upright source.
    """

    need: FrameNeed
    size: tuple[int, int]
    source: tuple[int, int]
    _slot: int = -1
    _pictures: list[UInt8Array] = field(default_factory=list)
    _times: list[float] = field(default_factory=list)
    _numbers: list[int] = field(default_factory=list)
    _last: tuple[UInt8Array, float, int] | None = None

    def wants(self, time_s: float) -> bool:
        """Whether the frame at this time is one of the rendition's; asked once for each frame, in order."""
        if not isinstance(self.need.sampling, Rate):
            return True
        slot = math.floor(time_s * self.need.sampling.fps + SLOT_EPS)
        if slot <= self._slot:
            return False
        self._slot = slot
        return True

    def add(self, picture: UInt8Array, time_s: float, number: int) -> None:
        """Takes a frame that it wants."""
        self._pictures.append(picture)
        self._times.append(time_s)
        self._numbers.append(number)

    @property
    def pending_bytes(self) -> int:
        """Bytes of the pictures collected for the current chunk."""
        return len(self._pictures) * self.size[0] * self.size[1] * (3 if self.need.colour == "rgb" else 1)

    def take(self) -> FrameBatch:
        """The current chunk's batch; the next chunk begins. A batch without own frames carries none either."""
        own = list(zip(self._pictures, self._times, self._numbers, strict=True))
        carried = [self._last] if own and self._last else []
        if own:
            self._last = own[-1]
        self._pictures, self._times, self._numbers = [], [], []
        return make_batch(carried + own, len(carried), self.need, self.size, self.source)


def make_batch(
    items: list[tuple[UInt8Array, float, int]],
    carried: int,
    need: FrameNeed,
    size: tuple[int, int],
    source: tuple[int, int],
) -> FrameBatch:
    """One batch of (picture, time, frame number), empty ones included."""
    shape = (size[1], size[0], 3) if need.colour == "rgb" else (size[1], size[0])
    return FrameBatch(
        np.stack([i[0] for i in items]) if items else np.empty((0, *shape), np.uint8),
        np.array([i[1] for i in items], dtype=np.float64),
        np.array([i[2] for i in items], dtype=np.int64),
        carried,
        *source,
    )


@dataclass
class SpreadRendition:
    """Picks, for each middle of ``count`` equal parts of the clip, the frame nearest to it.

    Only the frames before and after a middle can be nearest, so nothing but the chosen pictures is kept.

    Attributes:
        need: Its sampling is ``Spread``.
        size: (width, height) of its pictures in px.
        source: (width, height) of the upright source.
        middles_s: (count,) times wanted, ascending.
    """

    need: FrameNeed
    size: tuple[int, int]
    source: tuple[int, int]
    middles_s: list[float]
    _kept: list[tuple[UInt8Array, float, int]] = field(default_factory=list)
    _next: int = 0

    def picks(self, before_s: float | None, time_s: float) -> tuple[bool, bool]:
        """Whether the frame before (at ``before_s``) and the frame at ``time_s`` are nearest to a middle.

        Asked once for each frame, in order. Ties go to the earlier frame; at a constant rate they are common.
        """
        before = here = False
        while self._next < len(self.middles_s) and self.middles_s[self._next] <= time_s:
            middle = self.middles_s[self._next]
            if before_s is not None and middle - before_s <= time_s - middle + TIE_EPS_S:
                before = True
            else:
                here = True
            self._next += 1
        return before, here

    @property
    def open(self) -> bool:
        """Whether a middle lies behind all frames so far; the last frame is then the nearest to it."""
        return self._next < len(self.middles_s)

    def add(self, picture: UInt8Array, time_s: float, number: int) -> None:
        """Takes a picked frame, once."""
        if not self._kept or self._kept[-1][2] < number:
            self._kept.append((picture, time_s, number))

    def take(self) -> FrameBatch:
        """The chosen frames."""
        return make_batch(self._kept, 0, self.need, self.size, self.source)
