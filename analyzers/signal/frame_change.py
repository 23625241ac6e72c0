"""How much of the picture changes from one frame to the next beyond what motion and light explain.

Each pair of consecutive frames is compared block by block, once as they are and once after motion compensation with
dense inverse-search flow (Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016). A block's change
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

from media.types import Float32Array, Float64Array, FrameBatch, Int64Array, UInt8Array

SHORT_SIDE_PX = 64
"""Shorter side that pairs are compared at; finer adds cost but no accuracy, coarser loses re-framings."""

LONG_SIDE_PX = 256
"""Longest side for extreme shapes."""

BLOCK_PX = 8

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

TINT_LEVELS = 12.0
"""Largest common shift of chroma that is taken for light; more is another background."""

SAME_DRAWING, DRAWN_LEVELS = 0.9, 20.0
"""Correlation of two pictures with at least this deviation of luma from which on they show the same in whatever
colours: a filter is switched on. With less to see, another colour is another picture."""

STILL_LEVELS = 1.0
"""Pairs that differ by less on average hold nothing to compensate."""

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
    """Measures pairs of frames of one clip; holds the flow method so that it is made once."""

    def __init__(self) -> None:
        import cv2

        self._cv2 = cv2
        self._flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._grid: Any = np.zeros((0, 0, 2), np.float32)
        self._window: Any = None

    def measure(self, batch: FrameBatch) -> FrameChanges:
        """Changes of the own frames of one RGB batch."""
        cv2 = self._cv2
        frames = batch.frames
        size = working_size(frames.shape[2], frames.shape[1])
        rows, columns = size[1] // BLOCK_PX, size[0] // BLOCK_PX
        n = len(frames)
        thumbs = np.empty((n, THUMB_PX, THUMB_PX, 3), np.uint8)
        still = np.zeros((n, rows, columns), np.float16)
        moved = np.zeros_like(still)
        figures = np.zeros((n, 3), np.float32)
        before: _Picture | None = None
        for i, frame in enumerate(frames):
            shrinks = frame.shape[0] >= size[1] and frame.shape[1] >= size[0]
            small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
            ycc = cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb)
            thumbs[i] = cv2.resize(ycc, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)[..., [0, 2, 1]]
            now = _Picture(cv2, ycc)
            if before is not None:
                still[i], moved[i], figures[i] = self._pair(before, now)
            before = now
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

    def _pair(self, before: _Picture, now: _Picture) -> tuple[Any, Any, tuple[float, float, float]]:
        still, difference, likeness = _compare(self._cv2, before, now)
        if difference < STILL_LEVELS:
            return still, still, (likeness, likeness, difference)
        warped = _Picture(self._cv2, self._warp(before, now))
        moved, moved_difference, moved_likeness = _compare(self._cv2, warped, now)
        moved = np.minimum(still, moved)
        if moved_difference > LOST_LEVELS:
            shifted = self._shifted(before, now)
            if shifted is not None:
                moved, moved_difference, moved_likeness = _best(
                    (moved, moved_difference, moved_likeness),
                    _compare(self._cv2, _Picture(self._cv2, self._warp(shifted, now)), now),
                )
        return still, moved, (likeness, moved_likeness, moved_difference)

    def _shifted(self, before: _Picture, now: _Picture) -> _Picture | None:
        """The earlier picture moved as a whole, by phase correlation (Kuglin and Hines 1975): beyond the flow's reach.

        A strong shake or a whip pan moves a picture by a third of its width between two frames. None without a
        clear peak.
        """
        cv2 = self._cv2
        height, width = now.luma.shape
        if self._window is None or self._window.shape != (height, width):
            self._window = cv2.createHanningWindow((width, height), cv2.CV_32F)
        (x, y), peak = cv2.phaseCorrelate(now.y, before.y, self._window)
        if peak < CLEAR_PEAK:
            return None
        move = np.array([[1.0, 0.0, -x], [0.0, 1.0, -y]], np.float32)
        return _Picture(cv2, cv2.warpAffine(before.bytes, move, (width, height), borderMode=cv2.BORDER_REPLICATE))

    def _warp(self, before: _Picture, now: _Picture) -> Any:
        cv2 = self._cv2
        height, width = now.luma.shape
        if self._grid.shape[:2] != (height, width):
            x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
            self._grid = np.stack([x, y], axis=-1)
        flow = self._flow.calc(now.luma, before.luma, None)
        return cv2.remap(before.bytes, self._grid + flow, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


class _Picture:
    """One frame with what both of its comparisons need."""

    def __init__(self, cv2: Any, ycc: Any) -> None:
        self.bytes = ycc
        self.values = ycc.astype(np.float32)
        self.luma = np.ascontiguousarray(ycc[..., 0])
        self.y = self.luma.astype(np.float32)
        self.means = np.array(cv2.mean(self.values)[:3])
        self.block_mean = _blocks(cv2, self.y)
        square = _blocks(cv2, self.y * self.y)
        self.block_variance = np.maximum(square - self.block_mean * self.block_mean, 0.0)
        self.std = float(np.sqrt(max(float(square.mean()) - self.means[0] ** 2, 0.0)))


def _blocks(cv2: Any, values: Any) -> Any:
    """Mean of each block, per channel."""
    height, width = values.shape[:2]
    return cv2.resize(values, (width // BLOCK_PX, height // BLOCK_PX), interpolation=cv2.INTER_AREA)


def _compare(cv2: Any, x: _Picture, y: _Picture) -> tuple[Any, float, float]:
    """(change per block, mean difference, correlation) of two pictures of the same place."""
    change = _blocks(cv2, cv2.absdiff(x.values, y.values)).sum(axis=-1)
    difference = float(change.mean())
    # Blocks are of one size, so the mean over blocks is the mean over pixels.
    product = _blocks(cv2, x.y * y.y)
    likeness = (float(product.mean()) - x.means[0] * y.means[0]) / (x.std * y.std + 4.0)
    gain = y.std / (x.std + 1e-3)
    if likeness > SAME_PICTURE and GAIN_RANGE[0] < gain < GAIN_RANGE[1]:
        # Chroma lies around 128, so the gain alone moves it by 128 * (1 - gain); only what is left counts as tint.
        neutral = 128.0 * (1.0 - gain)
        shift = y.means - gain * x.means
        shift[1:] = neutral + np.clip(shift[1:] - neutral, -TINT_LEVELS, TINT_LEVELS)
        lit = cv2.transform(x.values, np.column_stack([gain * np.eye(3), shift]))
        left = _blocks(cv2, cv2.absdiff(lit, y.values))
        light, colour = float(left[..., 0].mean()), float(left[..., 1:].sum(axis=-1).mean())
        recoloured = (
            likeness > SAME_DRAWING and min(x.std, y.std) > DRAWN_LEVELS and colour > max(2 * light, TINT_LEVELS)
        )
        change = np.minimum(change, left[..., 0] if recoloured else left.sum(axis=-1))
    covariance = product - x.block_mean * y.block_mean
    texture = covariance / np.sqrt((x.block_variance + NOISE_VARIANCE) * (y.block_variance + NOISE_VARIANCE))
    return change * (1.0 - STRUCTURE_WEIGHT * np.square(np.maximum(texture, 0.0))), difference, float(likeness)


def _best(a: tuple[Any, float, float], b: tuple[Any, float, float]) -> tuple[Any, float, float]:
    """The smaller change of each block, with the figures of the better picture."""
    better = a if a[1] <= b[1] else b
    return np.minimum(a[0], b[0]), better[1], better[2]


def working_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) in px that pairs are compared at: whole blocks, the shorter side ``SHORT_SIDE_PX``."""
    factor = SHORT_SIDE_PX / min(width, height)

    def whole(side: int) -> int:
        return min(LONG_SIDE_PX, max(SHORT_SIDE_PX, round(side * factor / BLOCK_PX) * BLOCK_PX))

    return whole(width), whole(height)
