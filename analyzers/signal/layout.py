"""How one picture is laid out: thirds, centre, symmetry, lines, emptiness. Arrays only, no learned model.

Sources
    * thirds: Liu, Chen, Wolf and Cohen-Or, "Optimizing Photo Composition", Computer Graphics Forum 29(2), 2010:
      ``exp(-D^2 / (2 s^2))``, D the least Manhattan distance of the subject's centre to a power point in shares of the
      picture, s = 0.17;
    * line segments: LSD (von Gioi et al., "LSD: A Fast Line Segment Detector with a False Detection Control", PAMI
      2010);
    * symmetry: normalised correlation of the picture with its mirror image, as in the first step of Liu et al.,
      "Computational Symmetry in Computer Vision and Computer Graphics" (2010); each row's mean (each column's, for top
      against bottom) is taken off first, because it is the same on both sides in any picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzers.signal.saliency import Subject

Floats = npt.NDArray[np.float32]

_THIRDS_SPREAD = 0.17
_CENTRE_SPREAD = 0.1
_MIRROR_SHORT_SIDE = 48
"""Mirror images are compared coarsely: leaves and hair never match."""
_MIN_SPREAD = 2.0
"""Grey levels (standard deviation) below which a picture has no pattern that could be symmetric."""
_BORDER_SHARE = 0.02
_ALONG_AXIS_DEG = 20.0


@dataclass(frozen=True)
class Lines:
    """Prominent straight lines.

    Attributes:
        length: Of all together, in picture diagonals.
        diagonal: Share of the length that runs at more than 20 degrees to both axes; None without lines.
        leading: Share of the length that points at the subject from outside; None without lines or subject.
    """

    length: float
    diagonal: float | None
    leading: float | None


def thirds(x: float, y: float) -> float:
    """1 on a power point, 0.15 in the middle; ``x, y`` in shares of the picture."""
    distance = min(abs(x - px) + abs(y - py) for px in (1 / 3, 2 / 3) for py in (1 / 3, 2 / 3))
    return float(np.exp(-(distance**2) / (2.0 * _THIRDS_SPREAD**2)))


def centred(x: float, y: float) -> float:
    """1 in the middle, 0.6 a tenth of the picture beside it."""
    return float(np.exp(-((x - 0.5) ** 2 + (y - 0.5) ** 2) / (2.0 * _CENTRE_SPREAD**2)))


def symmetry(grey: Floats) -> tuple[float | None, float | None]:
    """(left against right, top against bottom) in [0, 1]; None where there is no pattern to compare."""
    import cv2

    height, width = grey.shape
    factor = _MIRROR_SHORT_SIDE / min(height, width)
    size = (max(2, round(width * factor)), max(2, round(height * factor)))
    small = np.asarray(cv2.GaussianBlur(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), (0, 0), 1.0), np.float32)
    return _mirrored(small), _mirrored(np.ascontiguousarray(small.T))


def _mirrored(picture: Floats) -> float | None:
    pattern = picture - picture.mean(axis=1, keepdims=True)
    energy = float((pattern**2).sum())
    if energy < _MIN_SPREAD**2 * pattern.size:
        return None
    return max(0.0, float((pattern * pattern[:, ::-1]).sum()) / energy)


def lines(grey: Floats, subject: Subject | None, min_length: float) -> Lines:
    """Straight lines of at least ``min_length`` picture diagonals, the frame's own border left out."""
    import cv2

    height, width = grey.shape
    diagonal_px = float(np.hypot(width, height))
    detector: Any = cv2.createLineSegmentDetector()
    found = detector.detect(np.round(grey).astype(np.uint8))[0]
    if found is None:
        return Lines(0.0, None, None)
    ends = np.asarray(found, np.float64).reshape(-1, 4)
    way = ends[:, 2:] - ends[:, :2]
    length = np.hypot(way[:, 0], way[:, 1])
    size = np.array([width, height, width, height])
    share = ends / size
    margin = _BORDER_SHARE
    on_border = (
        (share[:, [0, 2]].max(axis=1) < margin)
        | (share[:, [0, 2]].min(axis=1) > 1.0 - margin)
        | (share[:, [1, 3]].max(axis=1) < margin)
        | (share[:, [1, 3]].min(axis=1) > 1.0 - margin)
    )
    kept = (length >= min_length * diagonal_px) & ~on_border
    if not kept.any():
        return Lines(0.0, None, None)
    ends, way, length = ends[kept], way[kept], length[kept]
    angle = np.degrees(np.arctan2(np.abs(way[:, 1]), np.abs(way[:, 0])))
    oblique = (angle > _ALONG_AXIS_DEG) & (angle < 90.0 - _ALONG_AXIS_DEG)
    return Lines(
        float(length.sum() / diagonal_px),
        float(length[oblique].sum() / length.sum()),
        None if subject is None else _leading(ends, way, length, subject, width, height),
    )


def _leading(
    ends: npt.NDArray[np.float64],
    way: npt.NDArray[np.float64],
    length: npt.NDArray[np.float64],
    subject: Subject,
    width: int,
    height: int,
) -> float:
    """Share of the length whose straight continuation meets the middle half of the subject's box, from outside."""
    centre = np.array([(subject.left + subject.right) / 2 * width, (subject.top + subject.bottom) / 2 * height])
    half = np.array([(subject.right - subject.left) / 2 * width, (subject.bottom - subject.top) / 2 * height])
    reach = 0.5 * float(half.min())
    to_centre = centre - ends[:, :2]
    off = np.abs(way[:, 0] * to_centre[:, 1] - way[:, 1] * to_centre[:, 0]) / length
    middle = 0.5 * (ends[:, :2] + ends[:, 2:])
    outside = (np.abs(middle - centre) > half).any(axis=1)
    return float(length[(off <= reach) & outside].sum() / length.sum())


def negative_space(grey: Floats, subject: Subject | None, plain_levels: float, cells: int) -> float:
    """Share of the picture that is plain and not the subject.

    Args:
        grey: (H, W).
        subject: Its box does not count as empty.
        plain_levels: Standard deviation within a cell, in grey levels, below which it is plain.
        cells: Cells along the shorter side.
    """
    import cv2

    height, width = grey.shape
    side = min(height, width) / cells
    size = (max(1, round(width / side)), max(1, round(height / side)))
    mean = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    square = cv2.resize(grey * grey, size, interpolation=cv2.INTER_AREA)
    plain = np.asarray(square - mean * mean) < plain_levels**2
    if subject is not None:
        x = (np.arange(size[0]) + 0.5) / size[0]
        y = (np.arange(size[1]) + 0.5) / size[1]
        inside = ((y > subject.top) & (y < subject.bottom))[:, None] & ((x > subject.left) & (x < subject.right))[None]
        plain = plain & ~inside
    return float(plain.mean())
