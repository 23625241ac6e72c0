"""What the search for visual effects needs to know about each frame: light, change, sharpness, flow, bars, seams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzers.signal.dense_flow import DenseFlow
from analyzers.signal.frame_sketch import THUMB_PX
from media.types import Float32Array, Float64Array, FrameBatch, Int64Array, UInt8Array

BLOCK_PX = 8
"""Side of the blocks that changes and texture are kept for, in pixels of the rendition."""

FLOW_SIDE_PX = 64
"""Shorter side of the pictures that flow is computed on."""

FLOW_CELLS = 4
"""Flow is kept as a grid of this many cells each way."""

SEAM_RATE_HZ = 4.0
"""Times per second that a frame is searched for seams; a split screen stays for longer."""

SEAM_REACH_PX = 2
"""Lines this far on each side of a seam are compared, so that a blended line in between does no harm."""

SEAM_STEP, SEAM_EXCESS = 16.0, 8.0
"""Step of luma across a seam, in levels, and how far it exceeds the steps beside it."""

BAR_SPREAD = 4.0
"""Deviation of a row's (or column's) pixels up to which it is plain, in levels; coding noise in black stays below 2."""

BAR_DRIFT = 6.0
"""Difference from the outermost row up to which a plain row still is the same bar."""


@dataclass(frozen=True, eq=False)
class EffectMeasures:
    """Measures of consecutive frames; all arrays have one entry per frame.

    Attributes:
        pts_s: float64 (N,), time of each frame.
        index: int64 (N,), its number among all decoded frames.
        thumbs: uint8 (N, 24, 24, 3), Y'CbCr (BT.601, full range), squeezed to a square.
        change: float16 (N, R, C), mean absolute difference of each block against the frame before, in levels summed
            over R, G and B; 0 for the first frame of the clip.
        corners: float16 (N, R, C), root of the mean smaller eigenvalue of the structure tensor in each block (Shi and
            Tomasi 1994): large only where there is detail in both directions.
        detail: float16 (N, R, C), mean absolute Laplacian of each block's luma.
        difference: float32 (N,), mean absolute difference of luma against the frame before, in levels.
        flow: float16 (N, 4, 4, 2), mean displacement (x, y) from the frame before in each cell, in shares of the
            picture's shorter side; 0 for the first frame of the clip.
        match: float32 (N,), correlation of luma with the frame before after that displacement.
        bars: float32 (N, 4), plain part at the top, bottom, left and right edge, as a share of height or width.
        bar_levels: float32 (N, 4, 3), mean R, G, B of the outermost line at each edge.
        bar_steps: float32 (N, 4), mean step of luma from each bar to the picture beside it, in levels; 0 without a bar.
        columns: float16 (N, W), share of each column along which luma steps more than beside it, where seams were
            looked for; NaN elsewhere.
        rows: float16 (N, H), the same for each row.
    """

    pts_s: Float64Array
    index: Int64Array
    thumbs: UInt8Array
    change: npt.NDArray[np.float16]
    corners: npt.NDArray[np.float16]
    detail: npt.NDArray[np.float16]
    difference: Float32Array
    flow: npt.NDArray[np.float16]
    match: Float32Array
    bars: Float32Array
    bar_levels: Float32Array
    bar_steps: Float32Array
    columns: npt.NDArray[np.float16]
    rows: npt.NDArray[np.float16]

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.pts_s)

    @staticmethod
    def joined(parts: Sequence[EffectMeasures]) -> EffectMeasures:
        """The parts one after the other."""
        names = EffectMeasures.__dataclass_fields__
        return EffectMeasures(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def part(self, start: int, end: int) -> EffectMeasures:
        """Frames ``[start, end)``, as views."""
        return EffectMeasures(*(getattr(self, name)[start:end] for name in EffectMeasures.__dataclass_fields__))


class EffectMeter:
    """Measures frames; holds the flow method so that it is made once."""

    def __init__(self) -> None:
        import cv2

        self._cv2 = cv2
        self._flow = DenseFlow()

    def measure(self, batch: FrameBatch) -> EffectMeasures:
        """Measures of the own frames of one RGB batch."""
        cv2 = self._cv2
        n, height, width = len(batch.frames), batch.height, batch.width
        blocks = max(1, height // BLOCK_PX), max(1, width // BLOCK_PX)
        factor = FLOW_SIDE_PX / min(height, width)
        small = max(FLOW_SIDE_PX, round(width * factor)), max(FLOW_SIDE_PX, round(height * factor))
        out = _empty(n, blocks, height, width)
        before: _Frame | None = None
        for i, picture in enumerate(batch.frames):
            now = _Frame(cv2, picture, small)
            ycc = cv2.resize(now.ycc, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
            out["thumbs"][i] = ycc[..., [0, 2, 1]]
            grid = (blocks[1], blocks[0])
            eigen = cv2.cornerMinEigenVal(now.luma, 3)
            out["corners"][i] = CORNER_SCALE * np.sqrt(
                np.maximum(cv2.resize(eigen, grid, interpolation=cv2.INTER_AREA), 0)
            )
            laplacian = cv2.convertScaleAbs(cv2.Laplacian(now.luma, cv2.CV_16S))
            out["detail"][i] = cv2.resize(laplacian, grid, interpolation=cv2.INTER_AREA)
            out["bars"][i], out["bar_levels"][i], out["bar_steps"][i] = _bars(cv2, picture, now.luma32)
            if before is not None:
                difference = cv2.absdiff(picture, before.picture)
                out["change"][i] = cv2.resize(difference, grid, interpolation=cv2.INTER_AREA).sum(axis=-1)
                out["difference"][i] = cv2.mean(cv2.absdiff(now.luma, before.luma))[0]
                if out["difference"][i] > 0.0:
                    out["flow"][i], out["match"][i] = self._motion(before, now)
            if _is_sample(batch.pts_s, i, batch.carried):
                out["columns"][i] = seam_profile(now.luma32)
                out["rows"][i] = seam_profile(np.ascontiguousarray(now.luma32.T))
            before = now
        own = {name: values[batch.carried :] for name, values in out.items()}
        return EffectMeasures(batch.own_pts_s.copy(), batch.own_index.copy(), **own)

    def _motion(self, before: _Frame, now: _Frame) -> tuple[Any, float]:
        cv2 = self._cv2
        height, width = now.small.shape
        flow = self._flow.between(before.small, now.small)
        cells = cv2.resize(flow, (FLOW_CELLS, FLOW_CELLS), interpolation=cv2.INTER_AREA) / min(height, width)
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        moved = cv2.remap(now.small, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
        a, b = moved.astype(np.float32), before.small.astype(np.float32)
        a, b = a - a.mean(), b - b.mean()
        return cells, float((a * b).mean() / (a.std() * b.std() + 4.0))


class _Frame:
    """One frame in the forms that several measures need."""

    def __init__(self, cv2: Any, picture: Any, small: tuple[int, int]) -> None:
        self.picture = picture
        self.ycc = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
        self.luma = np.ascontiguousarray(self.ycc[..., 0])
        self.luma32 = self.luma.astype(np.float32)
        self.small = cv2.resize(self.luma, small, interpolation=cv2.INTER_AREA)


def _empty(n: int, blocks: tuple[int, int], height: int, width: int) -> dict[str, Any]:
    return {
        "thumbs": np.empty((n, THUMB_PX, THUMB_PX, 3), np.uint8),
        "change": np.zeros((n, *blocks), np.float16),
        "corners": np.zeros((n, *blocks), np.float16),
        "detail": np.zeros((n, *blocks), np.float16),
        "difference": np.zeros(n, np.float32),
        "flow": np.zeros((n, FLOW_CELLS, FLOW_CELLS, 2), np.float16),
        "match": np.ones(n, np.float32),
        "bars": np.zeros((n, 4), np.float32),
        "bar_levels": np.zeros((n, 4, 3), np.float32),
        "bar_steps": np.zeros((n, 4), np.float32),
        "columns": np.full((n, width), np.nan, np.float16),
        "rows": np.full((n, height), np.nan, np.float16),
    }


def _is_sample(pts_s: Float64Array, i: int, carried: int) -> bool:
    """Whether this frame is the first in its slot of ``SEAM_RATE_HZ``: the same frames whatever the chunks are."""
    slot = np.floor(pts_s[i] * SEAM_RATE_HZ + 1e-6)
    if i == 0:
        return not carried and slot >= 0
    return bool(slot > np.floor(pts_s[i - 1] * SEAM_RATE_HZ + 1e-6))


def _bars(cv2: Any, picture: UInt8Array, luma: Float32Array) -> tuple[list[float], list[Any], list[float]]:
    """Plain share at the top, bottom, left and right, the levels of the outermost lines, and the steps inside."""
    shares: list[float] = []
    levels: list[Any] = []
    steps: list[float] = []
    for axis, lines, values in ((1, picture, luma), (0, picture.transpose(1, 0, 2), luma.T)):
        edges = [cv2.meanStdDev(np.ascontiguousarray(lines[end])) for end in (0, -1)]
        plain = [float(deviation.max()) <= BAR_SPREAD for _, deviation in edges]
        mean = spread = np.zeros(0, np.float32)
        if any(plain):
            mean = cv2.reduce(luma, axis, cv2.REDUCE_AVG).ravel()
            spread = np.sqrt(np.maximum(cv2.reduce(luma * luma, axis, cv2.REDUCE_AVG).ravel() - mean * mean, 0.0))
        for k, way in enumerate((1, -1)):
            levels.append(edges[k][0].ravel())
            count = _plain_lines(mean[::way], spread[::way]) if plain[k] else 0
            shares.append(count / len(lines))
            # One line may be mixed from both, so the step is taken to the second one inside.
            inside = values[::way][count + 1] if 0 < count < len(lines) - 1 else None
            steps.append(0.0 if inside is None else float(np.abs(inside - mean[::way][0]).mean()))
    return shares, levels, steps


def _plain_lines(mean: Float32Array, spread: Float32Array) -> int:
    """Number of lines, from the first on, that are as plain as the first and of its level."""
    same = (spread <= BAR_SPREAD) & (np.abs(mean - mean[0]) <= BAR_DRIFT)
    return len(same) if same.all() else int(same.argmin())


CORNER_SCALE = 100.0
"""Brings the measure of corners to a range that float16 holds well; 0.5 is weak, 5 strong."""


def seam_profile(luma: Float32Array) -> npt.NDArray[np.float16]:
    """float16 (W,): share of each column's height along which luma steps at it and not beside it; 0 near the edges.

    Two pictures that meet at a straight seam differ along all of it. Edges in a picture seldom run through all of it.
    """
    width = luma.shape[1]
    reach = SEAM_REACH_PX
    out = np.zeros(width, np.float16)
    if width <= 6 * reach + 1:
        return out
    steps = np.abs(luma[:, 2 * reach :] - luma[:, : -2 * reach])
    here, left, right = steps[:, 2 * reach : -2 * reach], steps[:, : -4 * reach], steps[:, 4 * reach :]
    stands_out = (here >= SEAM_STEP) & (here >= np.maximum(left, right) + SEAM_EXCESS)
    out[3 * reach : width - 3 * reach] = stands_out.mean(axis=0)
    return out
