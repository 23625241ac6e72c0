"""Similarity transforms of a picture, and the grid of cells on which motion is judged. Arrays only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from media.types import UInt8Array

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

CELLS_PER_SHORT_SIDE = 18
BLACK = 32
"""Grey level up to which a border row or column is a black bar (video black is 16, coding adds some)."""
MIN_SIDE_PX = 32
"""Dense flow needs room for its patches; OpenCV crashes on pictures of a few px."""
_EXPOSURE_SAMPLE = 1000


@dataclass(frozen=True)
class Similarity:
    """``p' = zoom * R(angle) * p + shift`` about the picture's centre, in px: ``a = zoom cos``, ``b = zoom sin``."""

    a: float = 1.0
    b: float = 0.0
    tx: float = 0.0
    ty: float = 0.0

    def matrix(self, width: int, height: int) -> npt.NDArray[np.float64]:
        """(2, 3) matrix in pixel coordinates."""
        cx, cy = (width - 1) / 2.0, (height - 1) / 2.0
        return np.array(
            [
                [self.a, -self.b, self.tx + cx - self.a * cx + self.b * cy],
                [self.b, self.a, self.ty + cy - self.b * cx - self.a * cy],
            ]
        )

    def scaled(self, factor: float) -> Similarity:
        """The same motion in a picture ``factor`` times the size."""
        return Similarity(self.a, self.b, self.tx * factor, self.ty * factor)

    def displacement(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Motion in px of points given relative to the centre."""
        grow, turn = np.float32(self.a - 1.0), np.float32(self.b)
        return grow * x - turn * y + np.float32(self.tx), turn * x + grow * y + np.float32(self.ty)

    def undo(self, grow: float, turn: float, dx: float, dy: float) -> Similarity:
        """This after the inverse of a small similarity: the inverse compositional update."""
        step = complex(1.0 + grow, turn)
        linear = complex(self.a, self.b) / step
        shift = complex(self.tx, self.ty) - linear * complex(dx, dy)
        return Similarity(linear.real, linear.imag, shift.real, shift.imag)


REST = Similarity()


def exposure(warped: Floats, reference: Floats) -> tuple[np.float32, np.float32]:
    """(gain, offset) that bring ``warped`` to the reference's exposure, both (N,).

    A trimmed least-squares line: what moves through the picture must not count as light.
    """
    step = 1 + len(warped) // _EXPOSURE_SAMPLE
    sample, target = warped[::step], reference[::step]
    difference = target - sample
    middle = upper_median(difference)
    off = np.abs(difference - middle)
    kept = off <= 2.5 * upper_median(off) + 1.0
    x, y = sample[kept], target[kept]
    mean_x, mean_y = x.mean(), y.mean()
    x = x - mean_x
    spread = float(x @ x) / len(x)
    gain = min(max(float(x @ (y - mean_y)) / len(x) / spread, 0.5), 2.0) if spread > 1.0 else 1.0
    return np.float32(gain), np.float32(mean_y - gain * mean_x)


def upper_median(values: Floats) -> float:
    """Upper median; numpy's own spends longer on its checks than on a few numbers."""
    middle = len(values) // 2
    return float(np.partition(values, middle)[middle])


def borders(moved: Mask, rest: Mask, shown: Mask) -> int:
    """On how many of the four borders of the ``shown`` part at least 8 % of the cells moved, and twice as many as rest.

    A border is an eighth of the picture deep.
    """
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    if not len(rows):
        return 0
    part = np.stack([moved, rest])[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    high, wide = max(1, moved.shape[0] // 8), max(1, moved.shape[1] // 8)
    strips = (part[:, :high], part[:, -high:], part[:, :, :wide], part[:, :, -wide:])
    shares = [strip.mean(axis=(1, 2)) for strip in strips]
    return sum(bool(for_moved >= 0.08 and for_moved > 2.0 * for_rest) for for_moved, for_rest in shares)


def without_bars(frame: UInt8Array) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) without black bars; the whole frame where hardly anything would be left."""
    bright = frame > BLACK
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    whole = (0, frame.shape[0], 0, frame.shape[1])
    if not len(rows):
        return whole
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    enough = bottom - top >= whole[1] // 4 and right - left >= whole[3] // 4
    return (top, bottom, left, right) if enough and min(bottom - top, right - left) >= MIN_SIDE_PX else whole


def grid(height: int, width: int) -> tuple[int, int]:
    """(rows, columns) of square cells."""
    cell = max(2.0, min(height, width) / CELLS_PER_SHORT_SIDE)
    return max(2, round(height / cell)), max(2, round(width / cell))


@lru_cache(maxsize=4)
def cell_centres(height: int, width: int) -> tuple[Floats, Floats]:
    """Cell centres relative to the picture's centre, in px: two (rows, columns) arrays."""
    rows, columns = grid(height, width)
    x = (np.arange(columns, dtype=np.float32) + 0.5) * (width / columns) - width / 2
    y = (np.arange(rows, dtype=np.float32) + 0.5) * (height / rows) - height / 2
    xs, ys = np.meshgrid(x, y)
    return xs, ys


@lru_cache(maxsize=4)
def pixel_centres(height: int, width: int) -> tuple[Floats, Floats]:
    """Pixel centres relative to the picture's centre, flattened."""
    x = np.arange(width, dtype=np.float32) - (width - 1) / 2
    y = np.arange(height, dtype=np.float32) - (height - 1) / 2
    xs, ys = np.meshgrid(x, y)
    return xs.ravel(), ys.ravel()


@lru_cache(maxsize=4)
def hann(height: int, width: int) -> Floats:
    """Hann window for phase correlation: (height, width)."""
    import cv2

    return np.asarray(cv2.createHanningWindow((width, height), cv2.CV_32F), np.float32)
