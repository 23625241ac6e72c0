"""What of each frame goes on to the search for cuts: a thumbnail, and a small picture wherever a cut is possible.

Most frames are like the one before, or change as much as their neighbours do. Thumbnails tell them from those that may
begin a shot; only around these the costly comparison of ``frame_change.py`` is made. Since a chunk does not see the
next one's frames, the pictures at its edges are kept too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from media.types import Float32Array, Float64Array, FrameBatch, Int64Array, UInt8Array

SHORT_SIDE_PX = 48
"""Shorter side that pairs are compared at; finer adds cost but no accuracy, coarser loses re-framings."""

LONG_SIDE_PX = 192
"""Longest side for extreme shapes."""

BLOCK_PX = 6

THUMB_PX = 24
"""Side of the square Y'CbCr thumbnails."""

COARSE_BLOCKS = 8
"""Blocks each way on which thumbnails are compared."""

SUSPECT_SHARE, SUSPECT_LEVELS, SUSPECT_CONTRAST, SUSPECT_REACH = 0.3, 4.0, 1.2, 2
"""A frame may begin a shot where this share of the blocks changes by more than this, in levels over three channels, and
by more than this factor times their change at so many frames before and after. Of 182 cuts of shared clips and films
cut at random one has a share of 0.47, all others 0.70 and more; lower bounds cost time and find nothing."""

NEAR, FAR = 2, 4
"""Frames on each side whose largest, and whose second largest, change a block has to exceed. A second cut three or four
frames away is alone on its side and so raises no threshold."""

REPEAT_FRAMES, REPEAT_SHARE = 15, 0.25
"""How far repeated pictures are looked for, and how small a change beside the cut's own makes one."""

SLAB = 32
"""Frames that are shrunk together: 1.5 MB, which fit into a processor's cache."""


@dataclass(frozen=True, eq=False)
class Sketches:
    """Small pictures of consecutive frames.

    Attributes:
        pts_s: float64 (N,), time of each frame.
        index: int64 (N,), its number among all decoded frames.
        thumbs: uint8 (N, 24, 24, 3), Y'CbCr (BT.601, full range), squeezed to a square.
        place: int64 (N,), where its picture is in ``pictures``; -1 where none was kept.
        pictures: uint8 (K, h, w, 3), Y'CrCb at ``working_size``.
    """

    pts_s: Float64Array
    index: Int64Array
    thumbs: UInt8Array
    place: Int64Array
    pictures: UInt8Array

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.pts_s)

    @staticmethod
    def joined(parts: Sequence[Sketches]) -> Sketches:
        """The parts one after the other."""
        before = np.cumsum([0, *(len(part.pictures) for part in parts)])
        place = [np.where(part.place >= 0, part.place + n, -1) for part, n in zip(parts, before, strict=False)]
        return Sketches(
            np.concatenate([part.pts_s for part in parts]),
            np.concatenate([part.index for part in parts]),
            np.concatenate([part.thumbs for part in parts]),
            np.concatenate(place),
            np.concatenate([part.pictures for part in parts]),
        )

    def part(self, start: int, end: int) -> Sketches:
        """Frames ``[start, end)``, as views."""
        span = slice(start, end)
        return Sketches(self.pts_s[span], self.index[span], self.thumbs[span], self.place[span], self.pictures)


def sketched(batch: FrameBatch) -> Sketches:
    """Sketches of the own frames of one RGB batch; the frames lie below each other, so that few calls do for all."""
    import cv2

    frames = batch.frames
    width, height = working_size(frames.shape[2], frames.shape[1])
    small = np.empty((len(frames), height, width, 3), np.uint8)
    thumbs = np.empty((len(frames), THUMB_PX, THUMB_PX, 3), np.uint8)
    for first in range(0, len(frames), SLAB):
        part = slice(first, first + SLAB)
        small[part] = _shrunk(cv2, frames[part], (width, height))
        thumbs[part] = _thumbs(cv2, small[part])
    own = slice(batch.carried, None)
    kept = kept_frames(block_changes(thumbs))[own]
    place = np.where(kept, np.cumsum(kept) - 1, -1)
    pictures = _in_colours(cv2, small[own][kept])
    return Sketches(batch.own_pts_s.copy(), batch.own_index.copy(), thumbs[own], place, pictures)


def block_changes(thumbs: UInt8Array) -> Float32Array:
    """float32 (N, 8, 8): mean change of each block against the thumbnail before, in levels summed over the channels.

    0 for the first frame.
    """
    import cv2

    n = len(thumbs)
    changes = np.zeros((n, COARSE_BLOCKS, COARSE_BLOCKS), np.float32)
    if n > 1:
        flat = np.ascontiguousarray(thumbs).reshape(n, -1)
        tall = cv2.absdiff(flat[1:], flat[:-1]).reshape((n - 1) * THUMB_PX, THUMB_PX, 3)
        small = cv2.resize(tall, (COARSE_BLOCKS, (n - 1) * COARSE_BLOCKS), interpolation=cv2.INTER_AREA)
        changes[1:] = cv2.transform(small, _SUM).reshape(n - 1, COARSE_BLOCKS, COARSE_BLOCKS)
    return changes


_SUM: Any = np.ones((1, 3), np.float32)


def suspects(changes: Float32Array) -> Int64Array:
    """Frames that may begin a shot, from the changes of ``block_changes``; what lies outside counts as no change."""
    n = len(changes)
    level = np.full_like(changes, SUSPECT_LEVELS / SUSPECT_CONTRAST)
    for k in range(1, SUSPECT_REACH + 1):
        np.maximum(level[k:], changes[: n - k], out=level[k:])
        np.maximum(level[: n - k], changes[k:], out=level[: n - k])
    level *= SUSPECT_CONTRAST
    count = np.count_nonzero((changes > level).reshape(n, -1), axis=1)
    return np.flatnonzero(count >= SUSPECT_SHARE * COARSE_BLOCKS**2)


def neighbours(sizes: Sequence[float], frame: int, size: float) -> list[int]:
    """Changes that one at ``frame`` is compared with: those beside it, and those next to it once repeats are left out.

    Args:
        sizes: Mean change of each of the N frames against the one before.
        frame: Position; N stands for the first frame of the next chunk.
        size: Of the change there.
    """
    low, high = max(1, frame - REPEAT_FRAMES), min(len(sizes), frame + REPEAT_FRAMES + 1)
    chosen: set[int] = set()
    for side in (range(frame - 1, low - 1, -1), range(frame + 1, high)):
        chosen.update(side[:FAR])
        chosen.update([i for i in side if sizes[i] >= REPEAT_SHARE * size][:FAR])
    return sorted(chosen)


def mean_changes(changes: Float32Array) -> Float64Array:
    """float64 (N,): mean over the blocks."""
    return np.asarray(changes.reshape(len(changes), -1).mean(axis=1, dtype=np.float64), np.float64)


def kept_frames(changes: Float32Array) -> npt.NDArray[np.bool_]:
    """bool (N,): frames whose pictures may be needed: both of each change that is looked at closely."""
    n = len(changes)
    sizes: list[float] = mean_changes(changes).tolist()
    edges = ((0, max(sizes[: REPEAT_FRAMES + 1])), (n, max(sizes[-REPEAT_FRAMES:])))
    wanted: set[int] = set()
    for frame, size in (*edges, *((i, sizes[i]) for i in suspects(changes).tolist())):
        wanted.update(neighbours(sizes, frame, size))
        wanted.add(min(frame, n - 1))
    now = np.array(sorted(wanted))
    kept = np.zeros(n, bool)
    kept[now] = True
    kept[np.maximum(now - 1, 0)] = True
    return kept


def _shrunk(cv2: Any, frames: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    """RGB frames at the working size, what is left over at the edges by whole blocks cut off: uint8 (n, h, w, 3)."""
    n, height, width, _ = frames.shape
    half_width, half_height = width // 2, height // 2
    over_x, over_y = half_width - size[0], half_height - size[1]
    if not (0 <= over_x < BLOCK_PX and 0 <= over_y < BLOCK_PX):
        how = cv2.INTER_AREA if height >= size[1] and width >= size[0] else cv2.INTER_LINEAR
        return np.stack([cv2.resize(frame, size, interpolation=how) for frame in frames])
    # Half the size is what OpenCV makes fast work of.
    even = frames if height % 2 == 0 else np.ascontiguousarray(frames[:, : 2 * half_height])
    tall = even.reshape(n * 2 * half_height, width, 3)[:, : 2 * half_width]
    half = cv2.resize(tall, (half_width, n * half_height), interpolation=cv2.INTER_AREA)
    top, left = over_y // 2, over_x // 2
    whole: UInt8Array = half.reshape(n, half_height, half_width, 3)
    return whole[:, top : top + size[1], left : left + size[0]]


def _thumbs(cv2: Any, small: UInt8Array) -> UInt8Array:
    """RGB pictures squeezed to squares, Y'CbCr: uint8 (n, 24, 24, 3); their sides are even, and halving is fast."""
    n, height, width, _ = small.shape
    half = cv2.resize(small.reshape(n * height, width, 3), (width // 2, n * height // 2), interpolation=cv2.INTER_AREA)
    squares = cv2.resize(half, (THUMB_PX, n * THUMB_PX), interpolation=cv2.INTER_AREA)
    ycc = cv2.cvtColor(squares, cv2.COLOR_RGB2YCrCb)
    cv2.mixChannels([ycc], [squares], [0, 0, 1, 2, 2, 1])
    thumbs: UInt8Array = squares.reshape(n, THUMB_PX, THUMB_PX, 3)
    return thumbs


def _in_colours(cv2: Any, small: UInt8Array) -> UInt8Array:
    """Y'CrCb of RGB pictures."""
    n, height, width, _ = small.shape
    if not n:
        return small
    ycc: UInt8Array = cv2.cvtColor(small.reshape(n * height, width, 3), cv2.COLOR_RGB2YCrCb)
    return ycc.reshape(small.shape)


def working_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) in px that pairs are compared at: whole blocks, the shorter side ``SHORT_SIDE_PX``."""
    factor = SHORT_SIDE_PX / min(width, height)

    def whole(side: int) -> int:
        return min(LONG_SIDE_PX, max(SHORT_SIDE_PX, int(side * factor / BLOCK_PX + 0.02) * BLOCK_PX))

    return whole(width), whole(height)
