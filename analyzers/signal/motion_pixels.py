"""Two frames under a motion, pixel by pixel: prepared, warped, compared, and the motion refined.

Refinement is inverse compositional Gauss-Newton (Baker and Matthews, "Lucas-Kanade 20 Years On", IJCV 2004) with Huber
weights, free of gain and offset (fades, exposure).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzers.signal.similarity import REST, Floats, Mask, Similarity, exposure, grid, pixel_centres, upper_median
from media.types import UInt8Array

_REFINE_PIXELS = 4000
_REFINED_PX = 0.05
"""A smaller step of the refinement is the last one."""
_EXPOSURE_STEP = 7
"""Prime to usual row lengths, so that the sample is spread over the picture."""


@dataclass(frozen=True)
class View:
    """One frame, prepared."""

    full: tuple[int, ...]
    """(height, width) of the frame."""
    picture: tuple[int, int, int, int]
    """(top, bottom, left, right) of the frame without its bars."""
    levels: UInt8Array
    grey: Floats
    smooth: Floats
    """``grey`` at half the size, without its finest detail: noise, and what interpolation takes away."""
    gx: Floats
    gy: Floats
    structure: Floats
    """(rows, columns) of the cell grid."""
    streak: float


def view_of(frame: UInt8Array, picture: tuple[int, int, int, int]) -> View:
    """Prepares the part ``picture`` (top, bottom, left, right) of a gray frame, uint8 (H, W)."""
    import cv2

    top, bottom, left, right = picture
    levels = np.ascontiguousarray(frame[top:bottom, left:right])
    grey = levels.astype(np.float32)
    gx = np.asarray(cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8), np.float32)
    gy = np.asarray(cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8), np.float32)
    # Every second pixel is enough for means over cells.
    thin_x, thin_y = gx[::2, ::2], gy[::2, ::2]
    cells = grid(*grey.shape)
    xx, yy, xy = (cell_means(product, cells) for product in (thin_x * thin_x, thin_y * thin_y, thin_x * thin_y))
    structure = 0.5 * (xx + yy) - np.sqrt(0.25 * (xx - yy) ** 2 + xy * xy)
    streak = float(np.log((float(yy.mean()) + 0.1) / (float(xx.mean()) + 0.1)))
    half = cv2.resize(grey, (grey.shape[1] // 2, grey.shape[0] // 2), interpolation=cv2.INTER_AREA)
    smooth = np.asarray(cv2.blur(half, (3, 3)), np.float32)
    return View(frame.shape, picture, levels, grey, smooth, gx, gy, structure, streak)


def cell_means(pixels: Floats, cells: tuple[int, int]) -> Floats:
    """Means over each cell and its eight neighbours: (rows, columns)."""
    import cv2

    return np.asarray(cv2.blur(plain_means(pixels, cells), (3, 3)), np.float32)


def plain_means(pixels: Floats, cells: tuple[int, int]) -> Floats:
    """Means over each cell: (rows, columns), or (rows, columns, 2) of a flow."""
    import cv2

    return np.asarray(cv2.resize(pixels, cells[::-1], interpolation=cv2.INTER_AREA), np.float32)


def refined(first: View, second: View, model: Similarity, inliers: Mask) -> Similarity:
    """``model`` to a fraction of a pixel, by the pixels of the cells that follow it; itself where that leads away.

    Args:
        first: The frame it leads from.
        second: The frame it leads to.
        model: To start from.
        inliers: (rows, columns) of the cells.
    """
    import cv2

    height, width = first.grey.shape
    mask = cv2.resize(inliers.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    mask[[0, -1]] = 0
    mask[:, [0, -1]] = 0
    pixels = np.flatnonzero(mask)
    pixels = pixels[:: max(1, len(pixels) // _REFINE_PIXELS)]
    x, y = pixel_centres(height, width)
    x, y = x[pixels], y[pixels]
    gx, gy = first.gx.ravel()[pixels], first.gy.ravel()[pixels]
    jacobian = np.stack([gx, gy, gx * x + gy * y, gy * x - gx * y])
    reference = first.grey.ravel()[pixels]
    start = model
    for _ in range(2):
        warped = warped_by(second.grey, model, 1.0).ravel()[pixels]
        seen = warped >= 0.0
        if np.count_nonzero(seen) < 64:
            return start
        gain, offset = exposure(warped[seen], reference[seen])
        error = gain * warped + offset - reference
        spread = 1.5 * 1.4826 * upper_median(np.abs(error[seen])) + 0.75
        weight = seen * np.minimum(np.float32(1.0), np.float32(spread) / np.maximum(np.abs(error), 1e-3))
        weighted = jacobian * weight
        normal = (weighted @ jacobian.T).astype(np.float64) + 1e-3 * np.eye(4)
        dx, dy, grow, turn = np.linalg.solve(normal, (weighted @ error).astype(np.float64))
        step = np.hypot(dx, dy) + np.hypot(grow, turn) * 0.5 * width
        if step > 4.0:
            return start
        model = model.undo(grow, turn, dx, dy)
        if step < _REFINED_PX:
            break
    return model


def warped_by(grey: Floats, model: Similarity, scale: float) -> Floats:
    """``grey`` as the first frame would show it; negative where it shows nothing.

    ``scale`` is its size over the size of the picture in whose px the model is.
    """
    import cv2

    if model == REST:
        return grey
    height, width = grey.shape
    warped = cv2.warpAffine(
        grey,
        model.scaled(scale).matrix(width, height),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=-1e6,
    )
    return np.asarray(warped, np.float32)


def error_under(first: View, second: View, model: Similarity) -> tuple[Floats, Mask]:
    """Difference in grey levels of every pixel under ``model``, and which pixels it shows."""
    warped = warped_by(second.smooth, model, 0.5)
    seen = warped >= 0.0
    sample = warped.ravel()[::_EXPOSURE_STEP]
    known = sample >= 0.0
    if np.count_nonzero(known) < 64:
        return np.full_like(warped, 255.0), np.zeros_like(seen)
    gain, offset = exposure(sample[known], first.smooth.ravel()[::_EXPOSURE_STEP][known])
    return np.where(seen, gain * warped + offset - first.smooth, np.float32(0.0)), seen
