"""Whether a written line is still the same, and whether it is there at all, from its pixels alone.

Strokes are what is thinner than a glyph: the white and black top-hat transforms (Serra, "Image Analysis and
Mathematical Morphology", 1982) of a line's box. Comparing strokes and the ring around them, rather than the whole box,
leaves out the picture that moves behind the letters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from media.types import UInt8Array

BoolArray = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in px, the last two exclusive."""

STROKE_SHARE = 0.4
"""A pixel is stroke from this share of the box's strongest thin structure on (top-hat, 0-255). Higher keeps only the
cores of the letters."""

STROKE_FLOOR = 16
"""The same as an absolute floor in grey levels, above coding noise."""

CHANGED_SHARE = 0.4
"""A stroke pixel has changed when its grey level moved by this share of the line's contrast. A letter that becomes
another moves its pixels by all of it, coding noise by less than 0.2."""

CHANGED_FLOOR = 20
"""The same as an absolute floor in grey levels."""

CHANGED_AREA = 0.004
"""A line has changed when this many stroke pixels, as a share of its box's height squared, have changed within the
width of a letter. Between 3 and 8 it is 0.01 or more on a plain ground, coding noise gives 0."""

GROUND_MOVES = 4.0
"""Mean difference in grey levels outside the strokes from which on the ground counts as moving. Only then are strokes
told from it by their grey level, which overlooks words in a second colour."""

GROUND_AT_BORDER = 0.25
"""A grey level that this share of a box's border has can be the ground's. On a plain ground it is 0.9 and more."""

GROUND_RATIO = 3.0
"""... and it is when the other polarity's level has so many times less of the border; a restless ground has all levels
here and there."""

SEEN_CORRELATION = 0.6
"""A line is there when its strokes and their ring correlate with a frame at least this much. A smooth ground gives 0,
another text 0.4 at most, coding noise leaves 0.9."""

SURE_CORRELATION = 0.9
"""Above this the ground rests, and the line is there even if it has faded as a whole."""

KEPT_LETTERS = 0.88
"""Below it, over a moving ground, so many of the letters' own pixels must have kept their grey level: opaque letters
keep nearly all, another text in their place covers half."""

SEEN_CONTRAST = 0.5
"""... and when the contrast is at least this share of the known one: a fading line ends half-way."""

GROUND_CHANGE = 6.0
"""Mean difference in grey levels below which a box shows the same ground in two frames."""


@dataclass(frozen=True, eq=False)
class Strokes:
    """A line's letters as pixels.

    Attributes:
        box: Where in the frame.
        patch: uint8, the frame inside ``box``.
        mask: All thin structures of it: the letters, their outline, thin things behind them.
        core: Those of the grey level that most of them have: the letters alone.
        contrast: Strength of the thin structures against their ground, in grey levels.
        height_px: Height of the line's box across its text.
    """

    box: Box
    patch: UInt8Array
    mask: BoolArray
    core: BoolArray
    contrast: float
    height_px: float


def strokes_in(frame: UInt8Array, box: Box, height_px: float) -> Strokes:
    """The strokes inside ``box`` of a gray frame; ``height_px`` is the height of the line's box across its text."""
    x0, y0, x1, y1 = box
    patch = np.ascontiguousarray(frame[y0:y1, x0:x1])
    hats = _hats(patch, height_px)
    thin = np.maximum(hats[0], hats[1])
    contrast = float(np.percentile(thin, 97.0))
    mask = thin >= max(STROKE_FLOOR, STROKE_SHARE * contrast)
    cores = _cores(patch, hats, contrast, height_px)
    # Between letters the ground is thin too; it is told from them by reaching the border of the box.
    core = max(cores, key=lambda c: c.weight * (1.0 - c.at_border)).mask
    return Strokes(box, patch, mask, core, contrast, height_px)


def letters_in(patch: UInt8Array, height_px: float) -> BoolArray:
    """The letters inside a line's box, uint8 (H, W) gray, without their outline and the ground between them."""
    import cv2

    hats = _hats(patch, height_px)
    contrast = float(np.percentile(np.maximum(hats[0], hats[1]), 97.0))
    cores = sorted(_cores(patch, hats, contrast, height_px), key=lambda core: core.at_border)
    letters, other = cores[0].mask, cores[1].mask
    is_ground = cores[1].at_border >= max(GROUND_AT_BORDER, GROUND_RATIO * cores[0].at_border)
    if is_ground or not letters.any() or not other.any():
        return letters if letters.any() else other
    # Neither is the ground, so one is the rim of the other: letters touch their rim all around, it the ground too.
    near = [cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0 for mask in (letters, other)]
    around = [near[0] & ~letters, near[1] & ~other]
    touched = [float((around[i] & near[1 - i]).sum()) / max(1, int(around[i].sum())) for i in (0, 1)]
    return letters if touched[0] >= touched[1] else other


@dataclass(frozen=True, eq=False)
class _Core:
    """Thin pixels near the grey level that most strong thin pixels of one polarity share.

    ``weight`` is the number of those, ``at_border`` the share of the box's border that has this level too.
    """

    mask: BoolArray
    weight: float
    at_border: float


def _hats(patch: UInt8Array, height_px: float) -> list[UInt8Array]:
    """White and black top-hat."""
    import cv2

    size = max(3, round(0.35 * height_px)) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (size, size))
    kinds = (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)
    return [np.asarray(cv2.morphologyEx(patch, kind, kernel), np.uint8) for kind in kinds]


def _cores(patch: UInt8Array, hats: list[UInt8Array], contrast: float, height_px: float) -> list[_Core]:
    """The bright and the dark core."""
    # The detector's box reaches 0.2 of its height beyond the letters; a box drawn behind them often less.
    d = min(round(0.1 * height_px), (min(patch.shape) - 1) // 2)
    border = np.concatenate([patch[d], patch[-1 - d], patch[:, d], patch[:, -1 - d]]).astype(np.int16)
    cores = []
    for hat in hats:
        levels = np.bincount(patch[hat >= max(STROKE_FLOOR, 0.7 * contrast)], minlength=256)
        near = np.convolve(levels, np.ones(31), "same")
        level = int(near.argmax())
        mask = (hat >= max(STROKE_FLOOR, 0.5 * contrast)) & (np.abs(patch.astype(np.int16) - level) <= 0.25 * contrast)
        at_border = float((np.abs(border - level) <= 0.25 * contrast).mean())
        cores.append(_Core(mask, float(near[level]), at_border))
    return cores


def same_strokes(first: Strokes, second: Strokes) -> bool:
    """Whether two frames show the same letters in boxes of the same size, pixel for pixel.

    Strict, so that it does not take one digit for another; a false no only costs a reading.
    """
    import cv2

    if first.patch.shape != second.patch.shape:
        raise ValueError(f"same_strokes: boxes differ in size: {first.box} and {second.box}")
    low, high = sorted((first.contrast, second.contrast))
    if low < STROKE_FLOOR or low < 0.7 * high:
        return False
    moved = cv2.absdiff(first.patch, second.patch)
    changed = moved > max(CHANGED_FLOOR, CHANGED_SHARE * low)
    strokes = first.mask | second.mask
    # A border that shifts by a fraction of a pixel leaves thin rows behind, a changed letter leaves areas.
    edge = 2 if first.height_px >= 40.0 else 1
    if _densest(strokes & changed, first.height_px, edge) < CHANGED_AREA:
        return True
    if not ground_moves(first, second):
        return False
    core = first.core | second.core
    return bool(core.any()) and _densest(core & changed, first.height_px, 1) < CHANGED_AREA


def ground_moves(first: Strokes, second: Strokes) -> bool:
    """Whether what lies between the letters differs between two frames, in boxes of the same size."""
    import cv2

    ground = ~(first.mask | second.mask)
    moved = cv2.absdiff(first.patch, second.patch)
    return bool(ground.any()) and float(moved[ground].mean()) >= GROUND_MOVES


def _densest(changed: BoolArray, height_px: float, edge_px: int) -> float:
    """Most changed pixels within the width of a letter, over the line's height squared."""
    import cv2

    areas = changed.astype(np.uint8)
    if edge_px > 1:
        areas = np.asarray(cv2.erode(areas, np.ones((edge_px, edge_px), np.uint8)), np.uint8)
    window = max(3, round(0.35 * height_px))
    counts = cv2.boxFilter(areas, cv2.CV_32F, (window, window), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return float(counts.max()) / height_px**2


def likeness(line: Strokes, frame: UInt8Array, shift: tuple[int, int] = (0, 0)) -> tuple[float, float]:
    """How much of ``line`` a frame shows, ``shift`` px (x, y) from the line's own place.

    Returns:
        Correlation of the strokes and the ring around them, in [-1, 1], and the contrast there as a share of the
        line's own. Both 0 where the place is not wholly inside the frame.
    """
    import cv2

    x0, y0, x1, y1 = line.box
    x0, x1, y0, y1 = x0 + shift[0], x1 + shift[0], y0 + shift[1], y1 + shift[1]
    if x0 < 0 or y0 < 0 or x1 > frame.shape[1] or y1 > frame.shape[0]:
        return 0.0, 0.0
    near = cv2.dilate(line.mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if near.sum() < 16:
        return 0.0, 0.0
    known = line.patch[near].astype(np.float32)
    shown = frame[y0:y1, x0:x1][near].astype(np.float32)
    known -= known.mean()
    shown -= shown.mean()
    energy, other = float(known @ known), float(shown @ shown)
    if energy <= 0.0 or other <= 0.0:
        return 0.0, 0.0
    product = float(known @ shown)
    return product / (energy * other) ** 0.5, product / energy


def is_seen(line: Strokes, frame: UInt8Array, shift: tuple[int, int] = (0, 0)) -> bool:
    """Whether a frame shows the line at this place."""
    correlation, contrast = likeness(line, frame, shift)
    if correlation < SEEN_CORRELATION or contrast < SEEN_CONTRAST:
        return False
    if correlation >= SURE_CORRELATION or not line.core.any():
        return True
    y0, x0 = line.box[1] + shift[1], line.box[0] + shift[0]
    shown = frame[y0 : y0 + line.patch.shape[0], x0 : x0 + line.patch.shape[1]]
    kept = np.abs(shown[line.core].astype(np.int16) - line.patch[line.core]) <= CHANGED_SHARE * line.contrast
    return float(kept.mean()) >= KEPT_LETTERS


def find_near(line: Strokes, frame: UInt8Array, near: tuple[int, int], reach_px: int) -> tuple[int, int] | None:
    """Where a frame shows the line, up to ``reach_px`` from ``near``; None when it does not.

    Args:
        line: The line.
        frame: Gray frame.
        near: Shift (x, y) in px from the line's own place, looked at first.
        reach_px: How far to search around it.
    """
    import cv2

    if is_seen(line, frame, near):
        return near
    x0, y0, x1, y1 = line.box
    left, top = max(0, x0 + near[0] - reach_px), max(0, y0 + near[1] - reach_px)
    right, bottom = min(frame.shape[1], x1 + near[0] + reach_px), min(frame.shape[0], y1 + near[1] + reach_px)
    if right - left < x1 - x0 or bottom - top < y1 - y0:
        return None
    match = cv2.matchTemplate(frame[top:bottom, left:right], line.patch, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(match)
    shift = (left + x - x0, top + y - y0)
    return shift if best >= SEEN_CORRELATION and is_seen(line, frame, shift) else None


def same_ground(first: UInt8Array, second: UInt8Array, box: Box) -> bool:
    """Whether two frames show the same picture inside ``box``."""
    import cv2

    x0, y0, x1, y1 = box
    return float(cv2.absdiff(first[y0:y1, x0:x1], second[y0:y1, x0:x1]).mean()) < GROUND_CHANGE


def box_around(points: npt.NDArray[np.float32], width: int, height: int, pad_px: int = 2) -> Box:
    """The upright box around ``points`` (N, 2), ``pad_px`` wider on each side, inside a frame of this size."""
    low, high = points.min(axis=0), points.max(axis=0)
    x0, y0 = max(0, int(low[0]) - pad_px), max(0, int(low[1]) - pad_px)
    x1, y1 = min(width, int(np.ceil(high[0])) + pad_px), min(height, int(np.ceil(high[1])) + pad_px)
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def union(first: Box, second: Box) -> Box:
    """The smallest box around two."""
    return min(first[0], second[0]), min(first[1], second[1]), max(first[2], second[2]), max(first[3], second[3])
