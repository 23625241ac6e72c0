"""Sorts decoded pictures into chunks: which rendition wants which frame, and what each chunk carries over."""

from __future__ import annotations

import math
from collections.abc import Sequence

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


SPARE_PICTURES = 4
"""Room beyond the chunk before: variable frame rates differ a little from chunk to chunk."""


class PictureStack:
    """Pictures that become one batch; copied in as they come, so that no chunk is held twice.

    Args:
        need: Whose pictures.
        size: (width, height) of each in px.
        capacity: How many are expected; more are taken.
    """

    def __init__(self, need: FrameNeed, size: tuple[int, int], capacity: int = 16) -> None:
        shape = (size[1], size[0], 3) if need.colour == "rgb" else (size[1], size[0])
        self._frames: UInt8Array = np.empty((max(1, capacity), *shape), np.uint8)
        self._times: list[float] = []
        self.numbers: list[int] = []

    def __len__(self) -> int:
        """Pictures so far."""
        return len(self.numbers)

    @property
    def picture_bytes(self) -> int:
        """Bytes of one picture."""
        return int(self._frames[0].nbytes)

    def add(self, picture: UInt8Array, time_s: float, number: int) -> None:
        """Takes a picture of the stack's shape."""
        if len(self) == len(self._frames):
            larger: UInt8Array = np.empty((2 * len(self), *self._frames.shape[1:]), np.uint8)
            larger[: len(self)] = self._frames
            self._frames = larger
        self._frames[len(self)] = picture
        self._times.append(time_s)
        self.numbers.append(number)

    def batch(self, carried: int, source: tuple[int, int]) -> FrameBatch:
        """All pictures as one batch, also when there are none; the stack is not used any more."""
        times, numbers = np.array(self._times, dtype=np.float64), np.array(self.numbers, dtype=np.int64)
        return FrameBatch(self._frames[: len(self)], times, numbers, carried, *source)


class RunningRendition:
    """Collects one running rendition's pictures of the current chunk.

    Args:
        need: What it samples.
        size: (width, height) of its pictures in px.
        source: (width, height) of the upright source.
    """

    def __init__(self, need: FrameNeed, size: tuple[int, int], source: tuple[int, int]) -> None:
        self.need = need
        self.size = size
        self._source = source
        self._slot = -1
        self._stack = PictureStack(need, size)
        self._last: tuple[UInt8Array, float, int] | None = None
        self._carried = 0

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
        """Takes a frame that it wants; the chunk's first one brings the last one before it along."""
        if not len(self._stack) and self._last is not None:
            self._stack.add(*self._last)
            self._carried = 1
        self._stack.add(picture, time_s, number)

    @property
    def pending_bytes(self) -> int:
        """Bytes of the pictures collected for the current chunk."""
        return len(self._stack) * self._stack.picture_bytes

    def take(self) -> FrameBatch:
        """The current chunk's batch; the next chunk begins. A batch without own frames carries none either."""
        batch = self._stack.batch(self._carried, self._source)
        if len(batch):
            # Copied, so that a chunk's memory does not live on through its last picture.
            self._last = (batch.frames[-1].copy(), float(batch.pts_s[-1]), int(batch.index[-1]))
        self._stack = PictureStack(self.need, self.size, capacity=len(batch.frames) + SPARE_PICTURES)
        self._carried = 0
        return batch


class SpreadRendition:
    """Picks, for each middle of ``count`` equal parts of the clip, the frame nearest to it.

    Only the frames before and after a middle can be nearest, so nothing but the chosen pictures is kept.

    Args:
        need: Its sampling is ``Spread``.
        size: (width, height) of its pictures in px.
        source: (width, height) of the upright source.
        middles_s: (count,) times wanted, ascending.
    """

    def __init__(
        self, need: FrameNeed, size: tuple[int, int], source: tuple[int, int], middles_s: Sequence[float]
    ) -> None:
        self.need = need
        self.size = size
        self._source = source
        self._middles_s = middles_s
        self._next = 0
        self._stack = PictureStack(need, size, capacity=len(middles_s))

    def picks(self, before_s: float | None, time_s: float) -> tuple[bool, bool]:
        """Whether the frame before (at ``before_s``) and the frame at ``time_s`` are nearest to a middle.

        Asked once for each frame, in order. Ties go to the earlier frame; at a constant rate they are common.
        """
        before = here = False
        while self._next < len(self._middles_s) and self._middles_s[self._next] <= time_s:
            middle = self._middles_s[self._next]
            if before_s is not None and middle - before_s <= time_s - middle + TIE_EPS_S:
                before = True
            else:
                here = True
            self._next += 1
        return before, here

    @property
    def open(self) -> bool:
        """Whether a middle lies behind all frames so far; the last frame is then the nearest to it."""
        return self._next < len(self._middles_s)

    def add(self, picture: UInt8Array, time_s: float, number: int) -> None:
        """Takes a picked frame, once."""
        if not self._stack.numbers or self._stack.numbers[-1] < number:
            self._stack.add(picture, time_s, number)

    def take(self) -> FrameBatch:
        """The chosen frames."""
        return self._stack.batch(0, self._source)
