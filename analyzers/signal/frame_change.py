"""How much of the picture changes from one frame to the next beyond what motion and light explain.

Each pair of consecutive frames is compared block by block, once as they are and once after motion compensation with
dense flow (``dense_flow.py``), where enough blocks change for it to matter. A block's change
is its mean absolute difference in Y'CbCr, lowered where its texture correlates with the earlier frame's, and after
removal of one common gain and offset where the two pictures correlate as a whole (a lamp, an exposure, a flash of a
codec's key frame). Blocks keep the place of a change, so that a caption, a sticker or a moving hand stays local.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzers.signal.dense_flow import DenseFlow
from media.types import Float32Array, Float64Array, FrameBatch, Int64Array, UInt8Array

SHORT_SIDE_PX = 48
"""Shorter side that pairs are compared at; finer adds cost but no accuracy, coarser loses re-framings."""

LONG_SIDE_PX = 192
"""Longest side for extreme shapes."""

BLOCK_PX = 6

THUMB_PX = 24
"""Side of the square Y'CbCr thumbnails that carry each frame to ``conclude``."""

NOISE_VARIANCE = 16.0
"""Added to block variances: texture of less than 4 levels is noise and cannot vote."""

STRUCTURE_WEIGHT = 0.8
"""How far a perfectly correlated block is pardoned; the rest keeps a change of colour visible."""

SAME_PICTURE = 0.7
"""Correlation from which on a common gain and offset may be removed."""

GAIN_RANGE = (0.4, 2.5)
"""Gains that a change of light may have; below it the picture is gone (black)."""

LIGHT_LEVELS = 0.5
"""Pairs whose means and deviations differ by less are seen in one light."""

TINT_LEVELS = 12.0
"""Largest common shift of chroma that is taken for light; more is another background."""

SAME_DRAWING, DRAWN_LEVELS = 0.9, 20.0
"""Correlation of two pictures with at least this deviation of luma from which on they show the same in whatever
colours: a filter is switched on. With less to see, another colour is another picture."""

STILL_LEVELS, STILL_SHARE = 1.0, 0.05
"""Pairs that differ by less on average, or in fewer blocks, hold nothing to compensate."""

SLAB = 32
"""Frames that are measured together: 1.5 MB, which fit into a processor's cache."""

LOST_LEVELS = 12.0
"""Mean difference after flow from which on a shift of the whole picture is tried as well."""

CLEAR_PEAK = 0.25
"""Height of the phase correlation's peak from which on a shift is believed: unrelated pictures stay below 0.2."""


@dataclass(frozen=True, eq=False)
class FrameChanges:
    """Measures of consecutive frames; all arrays have one entry per frame.

    Attributes:
        pts_s: float64 (N,), time of each frame.
        index: int64 (N,), its number among all decoded frames.
        thumbs: uint8 (N, 24, 24, 3), Y'CbCr (BT.601, full range), squeezed to a square.
        still: float16 (N, R, C), change of each block against the frame before, in levels summed over Y', Cb, Cr;
            0 for the first frame of the clip.
        moved: float16 (N, R, C), the same after motion compensation; never above ``still``.
        likeness: float32 (N,), correlation of luma with the frame before, in [-1, 1].
        moved_likeness: float32 (N,), the same after motion compensation.
        moved_change: float32 (N,), mean difference after motion compensation, without any pardon, in levels.
    """

    pts_s: Float64Array
    index: Int64Array
    thumbs: UInt8Array
    still: npt.NDArray[np.float16]
    moved: npt.NDArray[np.float16]
    likeness: Float32Array
    moved_likeness: Float32Array
    moved_change: Float32Array

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.pts_s)

    @staticmethod
    def joined(parts: Sequence[FrameChanges]) -> FrameChanges:
        """The parts one after the other."""
        return FrameChanges(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in FrameChanges.__dataclass_fields__)
        )

    def part(self, start: int, end: int) -> FrameChanges:
        """Frames ``[start, end)``, as views."""
        return FrameChanges(*(getattr(self, name)[start:end] for name in FrameChanges.__dataclass_fields__))


class ChangeMeter:
    """Measures pairs of frames of one clip, a slab of frames at a time; holds the flow method so that it is made once.

    Frames lie below each other in one tall picture, so that one call of OpenCV does what is the same for all.
    """

    def __init__(self) -> None:
        import cv2

        self._cv2 = cv2
        self._flow = DenseFlow()
        self._grid: Any = np.zeros((0, 0, 2), np.float32)
        self._window: Any = None

    def measure(self, batch: FrameBatch) -> FrameChanges:
        """Changes of the own frames of one RGB batch."""
        frames = batch.frames
        size = working_size(frames.shape[2], frames.shape[1])
        rows, columns = size[1] // BLOCK_PX, size[0] // BLOCK_PX
        n = len(frames)
        thumbs = np.empty((n, THUMB_PX, THUMB_PX, 3), np.uint8)
        still = np.zeros((n, rows, columns), np.float16)
        moved = np.zeros_like(still)
        figures = np.zeros((n, 3), np.float32)
        for first in range(0, n, SLAB - 1):
            # The last frame of a slab is the first of the next one: each pair is measured once.
            part = slice(first, min(first + SLAB, n))
            ycc = self._shrunk(frames[part], size)
            thumbs[part] = self._thumbs(ycc)
            if len(ycc) > 1:
                pairs = slice(first + 1, part.stop)
                still[pairs], moved[pairs], figures[pairs] = self._pairs(_middle(ycc, size))
        own = slice(batch.carried, None)
        return FrameChanges(
            batch.own_pts_s.copy(),
            batch.own_index.copy(),
            thumbs[own],
            still[own],
            moved[own],
            figures[own, 0],
            figures[own, 1],
            figures[own, 2],
        )

    def _shrunk(self, frames: UInt8Array, size: tuple[int, int]) -> UInt8Array:
        """Y'CrCb of the frames at the working size or up to a block larger, uint8 (n, h, w, 3)."""
        cv2 = self._cv2
        n, height, width, _ = frames.shape
        half_width, half_height = width // 2, height // 2
        if 0 <= half_width - size[0] < BLOCK_PX and 0 <= half_height - size[1] < BLOCK_PX:
            # Half the size is what OpenCV makes fast work of.
            even = np.ascontiguousarray(frames[:, : 2 * half_height, : 2 * half_width])
            size = half_width, half_height
            tall = even.reshape(n * 2 * half_height, 2 * half_width, 3)
            small = cv2.resize(tall, (half_width, n * half_height), interpolation=cv2.INTER_AREA)
        else:
            how = cv2.INTER_AREA if height >= size[1] and width >= size[0] else cv2.INTER_LINEAR
            small = np.concatenate([cv2.resize(frame, size, interpolation=how) for frame in frames])
        ycc: UInt8Array = cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb).reshape(n, size[1], size[0], 3)
        return ycc

    def _thumbs(self, ycc: UInt8Array) -> UInt8Array:
        """Squeezed to squares, Y'CbCr: uint8 (n, 24, 24, 3)."""
        cv2 = self._cv2
        small = [cv2.resize(picture, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA) for picture in ycc]
        return np.stack(small)[..., [0, 2, 1]]

    def _pairs(self, ycc: UInt8Array) -> tuple[Any, Any, Any]:
        """(still, moved, figures) of all neighbours in a slab; one entry less than pictures."""
        cv2 = self._cv2
        pictures = _Pictures.of(cv2, ycc)
        before, now = pictures.part(slice(0, -1)), pictures.part(slice(1, None))
        still, difference, likeness = _compare(cv2, before, now)
        moved, figures = still.copy(), np.stack([likeness, likeness, difference], axis=1)
        changed = (still > STILL_LEVELS).mean(axis=(1, 2))
        at = np.flatnonzero((difference >= STILL_LEVELS) & (changed >= STILL_SHARE))
        if len(at):
            warped = np.stack([self._warp(ycc[i], ycc[i + 1]) for i in at])
            self._settle(at, warped, now, moved, figures, replace=True)
            lost = at[figures[at, 2] > LOST_LEVELS]
            shifted = {int(i): picture for i in lost if (picture := self._shifted(ycc[i], ycc[i + 1])) is not None}
            if shifted:
                self._settle(np.array(list(shifted)), np.stack(list(shifted.values())), now, moved, figures)
        return still, moved, figures

    def _settle(
        self, at: Int64Array, warped: UInt8Array, now: _Pictures, moved: Any, figures: Any, replace: bool = False
    ) -> None:
        """Takes the smaller change of each block, and the figures of the better picture."""
        change, difference, likeness = _compare(self._cv2, _Pictures.of(self._cv2, warped), now.part(at))
        better = np.full(len(at), True) if replace else difference < figures[at, 2]
        moved[at] = np.minimum(moved[at], change)
        figures[at[better], 1] = likeness[better]
        figures[at[better], 2] = difference[better]

    def _shifted(self, before: UInt8Array, now: UInt8Array) -> Any:
        """The earlier picture moved as a whole, by phase correlation (Kuglin and Hines 1975): beyond the flow's reach.

        A strong shake or a whip pan moves a picture by a third of its width between two frames. What is left of it
        is followed by flow. None without a clear peak.
        """
        cv2 = self._cv2
        height, width = now.shape[:2]
        if self._window is None or self._window.shape != (height, width):
            self._window = cv2.createHanningWindow((width, height), cv2.CV_32F)
        (x, y), peak = cv2.phaseCorrelate(
            now[..., 0].astype(np.float32), before[..., 0].astype(np.float32), self._window
        )
        if peak < CLEAR_PEAK:
            return None
        move = np.array([[1.0, 0.0, -x], [0.0, 1.0, -y]], np.float32)
        return self._warp(cv2.warpAffine(before, move, (width, height), borderMode=cv2.BORDER_REPLICATE), now)

    def _warp(self, before: UInt8Array, now: UInt8Array) -> Any:
        """``before`` moved onto ``now`` along dense flow, uint8 (h, w, 3)."""
        cv2 = self._cv2
        height, width = now.shape[:2]
        if self._grid.shape[:2] != (height, width):
            x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
            self._grid = np.stack([x, y], axis=-1)
        flow = self._flow.between(cv2.extractChannel(now, 0), cv2.extractChannel(before, 0))
        return cv2.remap(before, self._grid + flow, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@dataclass(frozen=True, eq=False)
class _Pictures:
    """Pictures with what both of their comparisons need; all arrays have one entry per picture.

    Attributes:
        values: float32 (n, h, w, 3), Y'CrCb.
        luma: float32 (n, h, w).
        means: float64 (n, 3), of each channel.
        block_mean: float32 (n, r, c), of luma.
        block_variance: float32 (n, r, c), of luma.
        std: float64 (n,), of luma.
    """

    values: Float32Array
    luma: Float32Array
    means: Float64Array
    block_mean: Float32Array
    block_variance: Float32Array
    std: Float64Array

    @staticmethod
    def of(cv2: Any, ycc: UInt8Array) -> _Pictures:
        """From uint8 (n, h, w, 3)."""
        n, height, width, _ = ycc.shape
        values = ycc.astype(np.float32)
        luma = cv2.extractChannel(values.reshape(n * height, width, 3), 0).reshape(n, height, width)
        blocks = _blocks(cv2, values)
        square = _blocks(cv2, luma * luma)
        means = blocks.mean(axis=(1, 2), dtype=np.float64)
        variance = np.maximum(square - np.square(blocks[..., 0]), 0.0)
        std = np.sqrt(np.maximum(square.mean(axis=(1, 2), dtype=np.float64) - np.square(means[:, 0]), 0.0))
        return _Pictures(values, luma, means, blocks[..., 0], variance, std)

    def part(self, which: Any) -> _Pictures:
        """Those pictures."""
        return _Pictures(*(getattr(self, name)[which] for name in _Pictures.__dataclass_fields__))


def _middle(ycc: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    """The pictures without what is left over at the edges by whole blocks."""
    top, left = (ycc.shape[1] - size[1]) // 2, (ycc.shape[2] - size[0]) // 2
    return np.ascontiguousarray(ycc[:, top : top + size[1], left : left + size[0]])


def _blocks(cv2: Any, values: Float32Array) -> Float32Array:
    """Mean of each block: float32 (n, r, c) of (n, h, w), (n, r, c, 3) of (n, h, w, 3)."""
    n, height, width = values.shape[:3]
    rows, columns = height // BLOCK_PX, width // BLOCK_PX
    tall = values.reshape(n * height, width, *values.shape[3:])
    small = cv2.resize(tall, (columns, n * rows), interpolation=cv2.INTER_AREA)
    return np.asarray(small.reshape(n, rows, columns, *values.shape[3:]), np.float32)


def _compare(cv2: Any, x: _Pictures, y: _Pictures) -> tuple[Float32Array, Float64Array, Float64Array]:
    """(change per block (n, r, c), mean difference (n,), correlation (n,)) of pictures of the same place."""
    change = _blocks(cv2, cv2.absdiff(x.values, y.values)).sum(axis=-1)
    difference = change.mean(axis=(1, 2), dtype=np.float64)
    # Blocks are of one size, so the mean over blocks is the mean over pixels.
    product = _blocks(cv2, x.luma * y.luma)
    shared = product.mean(axis=(1, 2), dtype=np.float64) - x.means[:, 0] * y.means[:, 0]
    likeness = shared / (x.std * y.std + 4.0)
    gain = y.std / (x.std + 1e-3)
    brighter = np.maximum(np.abs(y.means - x.means).max(axis=1), np.abs(y.std - x.std)) > LIGHT_LEVELS
    lit = np.flatnonzero(brighter & (likeness > SAME_PICTURE) & (gain > GAIN_RANGE[0]) & (gain < GAIN_RANGE[1]))
    if len(lit):
        change[lit] = _in_other_light(cv2, x.part(lit), y.part(lit), gain[lit], likeness[lit], change[lit])
    covariance = product - x.block_mean * y.block_mean
    texture = covariance / np.sqrt((x.block_variance + NOISE_VARIANCE) * (y.block_variance + NOISE_VARIANCE))
    pardoned = 1.0 - STRUCTURE_WEIGHT * np.square(np.maximum(texture, 0.0))
    return np.asarray(change * pardoned, np.float32), difference, likeness


def _in_other_light(
    cv2: Any, x: _Pictures, y: _Pictures, gain: Float64Array, likeness: Float64Array, change: Float32Array
) -> Float32Array:
    """The change left of each block when ``x`` is seen in the light of ``y``; never more than ``change``."""
    # Chroma lies around 128, so the gain alone moves it by 128 * (1 - gain); only what is left counts as tint.
    neutral = 128.0 * (1.0 - gain)[:, None]
    shift = y.means - gain[:, None] * x.means
    shift[:, 1:] = neutral + np.clip(shift[:, 1:] - neutral, -TINT_LEVELS, TINT_LEVELS)
    factor, offset = (v.astype(np.float32) for v in (gain[:, None, None, None], shift[:, None, None, :]))
    seen = x.values * factor
    seen += offset
    left = _blocks(cv2, cv2.absdiff(seen, y.values))
    light, colour = left[..., 0].mean(axis=(1, 2)), left[..., 1:].sum(axis=-1).mean(axis=(1, 2))
    drawn = (likeness > SAME_DRAWING) & (np.minimum(x.std, y.std) > DRAWN_LEVELS)
    recoloured = drawn & (colour > np.maximum(2 * light, TINT_LEVELS))
    rest = np.where(recoloured[:, None, None], left[..., 0], left.sum(axis=-1))
    return np.minimum(change, rest)


def working_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) in px that pairs are compared at: whole blocks, the shorter side ``SHORT_SIDE_PX``."""
    factor = SHORT_SIDE_PX / min(width, height)

    def whole(side: int) -> int:
        return min(LONG_SIDE_PX, max(SHORT_SIDE_PX, int(side * factor / BLOCK_PX + 0.02) * BLOCK_PX))

    return whole(width), whole(height)
