"""Technical quality of one picture, each measure in its own unit. No learned model, no reference picture.

Sources
    * blur: Crété-Roffet et al., "The Blur Effect: Perception and Estimation with a New No-Reference Perceptual Blur
      Metric", SPIE Electronic Imaging 2007, of the picture's 3 px median, since noise passes for sharp edges in it;
    * noise: Immerkær, "Fast Noise Variance Estimation", Computer Vision and Image Understanding 64(2), 1996, here in
      the smoothest cells only, because edges count as noise in his;
    * contrast: root-mean-square contrast (Peli, "Contrast in complex images", JOSA A 7(10), 1990);
    * blockiness: step over the 8 px grid against the steps beside it, after Wang, Bovik and Evans, "Blind Measurement
      of Blocking Artifacts in Images", ICIP 2000, in the spatial domain;
    * banding: steps between plateaus, after Tu et al., "BBAND Index: A No-Reference Banding Artifact Predictor", ICASSP
      2020, without its model of visibility.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from media.types import UInt8Array

Floats = npt.NDArray[np.float32]

_BLUR_PX = 11
_NOISE_CELL_PX = 16
_NOISE_QUANTILE, _NOISE_BIAS = 0.05, 1.1
"""Few cells of a crowd are smooth: its 20 % quantile has 1.4 grey levels of texture, its 5 % one 0.6. In plain noise
that quantile lies 8 to 12 % below the deviation, by chance alone."""
_GRID_PX = 8
_STEP_LIMIT = 24
"""Steps over this many grey levels are edges of things, not of blocks or bands."""
_UNSEEN_STEP = 0.5
"""Step in grey levels added on both sides, so that a grid of tiny steps in a plain picture counts little."""
_VISIBLE_BLOCKS = 0.2
_PLATEAU_PX = 4
_BAND_STEP = 2
"""A step of one grey level is what eight bits give anyway."""
_WHITE, _BLACK = 245, 10
"""Clipped pixels; coding moves them off the ends by some levels."""
_EDGE_LEVELS = 3
"""Smaller steps between neighbours do not count: a smooth slope in whole grey levels is a stair of steps of one, of two
where video range was widened to full range, and would look sharp."""
_LEAST_EDGES = 0.002
"""Share of pixels on an edge below which there is nothing that could be sharp."""


@dataclass(frozen=True)
class PictureQuality:
    """Measures of one picture; None where the picture has nothing to measure it on.

    Attributes:
        blur: 0 sharp to 1 blurred.
        noise: Standard deviation in grey levels.
        level: Mean grey level, in [0, 255].
        white, black: Share of pixels at the ends of the range.
        contrast: Standard deviation of the grey levels over 255.
        blockiness: Step over the 8 px grid over the step beside it, half a grey level added to both, less 1; at
            least 0.
        banding: Sum of the squared steps between plateaus over the number of pixels, in squared grey levels.
    """

    blur: float | None
    noise: float | None
    level: float
    white: float
    black: float
    contrast: float
    blockiness: float | None
    banding: float


def measure(grey: UInt8Array, native: bool) -> PictureQuality:
    """All measures of a gray picture (H, W).

    Args:
        grey: Without black bars.
        native: Whether its pixels are the source's own; blocks and bands do not survive scaling.
    """
    levels = np.bincount(grey.ravel(), minlength=256) / grey.size
    values = np.arange(256)
    mean = float(levels @ values)
    return PictureQuality(
        blur=blur(grey),
        noise=noise(grey),
        level=mean,
        white=float(levels[_WHITE:].sum()),
        black=float(levels[: _BLACK + 1].sum()),
        contrast=float(np.sqrt(levels @ (values - mean) ** 2)) / 255.0,
        blockiness=blockiness(grey) if native else None,
        banding=banding(grey),
    )


def blur(grey: UInt8Array) -> float | None:
    """Crété's blur effect: the share of the variation between neighbours that a further blur of 11 px leaves; the worse
    of both directions. Here of the 3 px median, which leaves edges and takes noise, and of steps from three grey levels
    on."""
    import cv2

    found = []
    # In 64ths of a grey level, so that the blurred picture is not rounded to whole levels.
    fine = np.asarray(cv2.medianBlur(grey, 3), np.uint16) * np.uint16(64)
    for picture in (fine, np.ascontiguousarray(fine.T)):
        if picture.shape[1] <= _BLUR_PX:
            return None
        smooth = cv2.blur(picture, (_BLUR_PX, 1))
        own = cv2.absdiff(picture[:, 1:], picture[:, :-1])
        own = cv2.threshold(own, 64 * _EDGE_LEVELS - 1, 0, cv2.THRESH_TOZERO)[1]
        after = cv2.absdiff(smooth[:, 1:], smooth[:, :-1])
        total = float(cv2.sumElems(own)[0])
        if total < 64.0 * _EDGE_LEVELS * _LEAST_EDGES * own.size:
            continue
        # Saturating subtraction: what the blur took away.
        lost = float(cv2.sumElems(cv2.subtract(own, after))[0])
        found.append((total - lost) / total)
    return max(found) if found else None


def noise(grey: UInt8Array) -> float | None:
    """Immerkær's estimate in each cell; of the cells that are not at the ends of the range, the 5 % quantile, times
    what chance takes off it."""
    import cv2

    height, width = grey.shape
    rows, columns = height // _NOISE_CELL_PX, width // _NOISE_CELL_PX
    if not rows or not columns:
        return None
    part = np.ascontiguousarray(grey[: rows * _NOISE_CELL_PX, : columns * _NOISE_CELL_PX])
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = np.abs(cv2.filter2D(part, cv2.CV_32F, kernel))
    size = (columns, rows)
    sigma = np.sqrt(np.pi / 2.0) / 6.0 * cv2.resize(response, size, interpolation=cv2.INTER_AREA)
    level = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    inside = (level > 16) & (level < 239)
    if inside.sum() < 4:
        return None
    return _NOISE_BIAS * float(np.quantile(np.asarray(sigma)[inside], _NOISE_QUANTILE))


def blockiness(grey: UInt8Array) -> float | None:
    """The stronger of both directions; None where the picture is too small."""
    found = [grid[0] for picture in (grey, np.ascontiguousarray(grey.T)) if (grid := _grid(picture)) is not None]
    return max(0.0, *found) if found else None


def banding(grey: UInt8Array) -> float:
    """Steps of 2 to 24 grey levels between plateaus of at least 4 px on both sides, both directions together.

    Steps on the grid of visible coding blocks are blocks and do not count.
    """
    import cv2

    total = 0.0
    for picture in (grey, np.ascontiguousarray(grey.T)):
        if picture.shape[1] < 2 * _PLATEAU_PX + 2:
            continue
        step = np.asarray(cv2.absdiff(picture[:, 1:], picture[:, :-1]), np.uint8)
        reach = _PLATEAU_PX - 1
        middle = step[:, reach : step.shape[1] - reach]
        around = np.zeros_like(middle)
        for k in [*range(reach), *range(reach + 1, 2 * reach + 1)]:
            around = np.maximum(around, step[:, k : k + middle.shape[1]])
        is_band = (around == 0) & (middle >= _BAND_STEP) & (middle <= _STEP_LIMIT)
        along = np.where(is_band, middle, np.uint8(0)).astype(np.float32)
        columns = np.einsum("ij,ij->j", along, along).astype(np.float64)
        grid = _grid(picture)
        if grid is not None and grid[0] > _VISIBLE_BLOCKS:
            columns[(np.arange(len(columns)) + reach) % _GRID_PX == grid[1]] = 0.0
        total += float(columns.sum())
    return total / grey.size


def _grid(picture: UInt8Array) -> tuple[float, int] | None:
    """(median step on the strongest phase of an 8 px grid over that on the other phases, less 1; that phase).

    Half a grey level is added to both steps.
    """
    import cv2

    step = np.minimum(cv2.absdiff(picture[:, 1:], picture[:, :-1]), _STEP_LIMIT)
    along = np.asarray(cv2.reduce(step, 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F), np.float64).ravel()
    periods = len(along) // _GRID_PX
    if periods < 4:
        return None
    table = along[: periods * _GRID_PX].reshape(periods, _GRID_PX)
    # Medians: an edge of a thing lies on one period, a grid on all of them.
    phases = np.median(table, axis=0)
    worst = int(phases.argmax())
    others = float(np.delete(phases, worst).mean())
    return (float(phases[worst]) - others) / (others + _UNSEEN_STEP), worst
