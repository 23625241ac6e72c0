"""How much of the picture changes from one frame to the next beyond what motion and light explain.

A pair of frames is compared block by block, once as they are and once after motion compensation with
dense flow (``dense_flow.py``), where enough blocks change for it to matter. A block's change
is its mean absolute difference in Y'CbCr, lowered where its texture correlates with the earlier frame's, and after
removal of one common gain and offset where the two pictures correlate as a whole (a lamp, an exposure, a flash of a
codec's key frame). Blocks keep the place of a change, so that a caption, a sticker or a moving hand stays local.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analyzers.signal.dense_flow import DenseFlow
from analyzers.signal.frame_sketch import BLOCK_PX
from media.types import Float32Array, Float64Array, Int64Array, UInt8Array

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
"""Pairs that are measured together: what they need fits into a processor's cache."""

LOST_LEVELS = 12.0
"""Mean difference after flow from which on a shift of the whole picture is tried as well."""

CLEAR_PEAK = 0.25
"""Height of the phase correlation's peak from which on a shift is believed: unrelated pictures stay below 0.2."""


class ChangeMeter:
    """Measures pairs of frames, a slab at a time; holds the flow method so that it is made once.

    Frames lie below each other in one tall picture, so that one call of OpenCV does what is the same for all.
    """

    def __init__(self) -> None:
        import cv2

        self._cv2 = cv2
        self._flow = DenseFlow()
        self._grid: Any = np.zeros((0, 0, 2), np.float32)
        self._window: Any = None

    @staticmethod
    def blocks(pictures: UInt8Array) -> tuple[int, int]:
        """Rows and columns of blocks in uint8 (K, h, w, 3)."""
        return pictures.shape[1] // BLOCK_PX, pictures.shape[2] // BLOCK_PX

    def measure(self, pictures: UInt8Array, before: Int64Array, now: Int64Array) -> tuple[Any, Any, Any]:
        """What changes from one picture to another.

        Args:
            pictures: uint8 (K, h, w, 3), Y'CrCb, whole blocks.
            before: int64 (N,), positions of the earlier ones.
            now: int64 (N,), positions of the later ones.

        Returns:
            ``still`` float32 (N, R, C), change of each block in levels summed over the channels; ``moved`` float32
            (N, R, C), the same after motion compensation, never above ``still``; ``figures`` float32 (N, 3):
            correlation of luma in [-1, 1], the same after motion compensation, mean difference after motion
            compensation without any pardon, in levels.
        """
        slabs = [slice(first, first + SLAB) for first in range(0, len(now), SLAB)]
        parts = [self._slab(pictures, before[slab], now[slab]) for slab in slabs]
        still, moved, figures = (np.concatenate([part[k] for part in parts]) for k in range(3))
        return still, moved, figures.astype(np.float32)

    def _slab(self, pictures: UInt8Array, first: Int64Array, second: Int64Array) -> tuple[Any, Any, Any]:
        cv2 = self._cv2
        used, at = np.unique(np.concatenate([first, second]), return_inverse=True)
        ycc = pictures[used]
        x, y = at[: len(first)], at[len(first) :]
        shown = _Pictures.of(cv2, ycc)
        now = shown.part(y)
        still, difference, likeness = _compare(cv2, shown.part(x), now)
        moved, figures = still.copy(), np.stack([likeness, likeness, difference], axis=1)
        changed = (still > STILL_LEVELS).mean(axis=(1, 2))
        at = np.flatnonzero((difference >= STILL_LEVELS) & (changed >= STILL_SHARE))
        if len(at):
            warped = np.stack([self._warp(ycc[x[i]], ycc[y[i]]) for i in at])
            self._settle(at, warped, now, moved, figures, replace=True)
            lost = at[figures[at, 2] > LOST_LEVELS]
            shifted = {int(i): p for i in lost if (p := self._shifted(ycc[x[i]], ycc[y[i]])) is not None}
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
