"""How a line of text is drawn: colour of its letters and of the ground, box behind it, outline around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analyzers.signal.text_pixels import Box, box_around, letters_in
from analyzers.signal.text_reader import Quad
from analyzers.signal.text_types import height_of
from media.types import UInt8Array

Rgb = tuple[int, int, int]
Colour = npt.NDArray[np.int16]

MIN_LINE_PX = 12.0
"""Lines lower than this have strokes of about one pixel, whose colour is mixed with the ground's: nothing is said."""

MIN_LETTER_PX = 12
"""Fewest letter pixels to tell a colour from."""

EVEN_GROUND = 12.0
"""Mean distance of the ground's pixels from their median (per channel, of 255) below which the ground is plain."""

APART = 40.0
"""Distance between two colours (largest channel, of 255) from which they are two."""


@dataclass(frozen=True)
class Ink:
    """How a line is drawn.

    Attributes:
        letters: Their colour, sRGB.
        ground: Median colour between and around them inside the line's box, sRGB.
        plain: The ground is of one colour.
        boxed: A plain ground that ends near the text: a box or band behind it.
        outlined: A rim around the letters in a third colour.
    """

    letters: Rgb
    ground: Rgb
    plain: bool
    boxed: bool
    outlined: bool


def ink_of(picture: UInt8Array, quad: Quad) -> Ink | None:
    """How the line inside ``quad`` (px of ``picture``, uint8 (H, W, 3) RGB) is drawn; None where it is too small."""
    import cv2

    height_px = height_of(quad)
    if height_px < MIN_LINE_PX:
        return None
    box = box_around(quad, picture.shape[1], picture.shape[0], pad_px=0)
    patch = np.ascontiguousarray(picture[box[1] : box[3], box[0] : box[2]])
    gray = np.asarray(cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY), np.uint8)
    letters = letters_in(gray, height_px)
    if letters.sum() < MIN_LETTER_PX:
        return None
    near = cv2.dilate(letters.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    reach = max(3, round(0.2 * height_px)) | 1
    far = cv2.dilate(letters.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    between = patch[~far] if (~far).sum() >= MIN_LETTER_PX else patch[~near]
    if len(between) < MIN_LETTER_PX:
        return None
    colour, ground = _median(patch[letters]), _median(between)
    plain = float(np.abs(between - ground).mean()) < EVEN_GROUND
    rim = patch[near & ~letters]
    rim_colour = _median(rim) if len(rim) >= MIN_LETTER_PX else ground
    return Ink(
        letters=_rgb(colour),
        ground=_rgb(ground),
        plain=plain,
        boxed=plain and _ends(picture, box, ground, height_px),
        # A rim between the two colours is only the soft edge of the letters.
        outlined=_distance(rim_colour, colour) > APART and not _between(rim_colour, colour, ground),
    )


def _ends(picture: UInt8Array, box: Box, ground: Colour, height_px: float) -> bool:
    """Whether the ground's colour ends within one line's height of the text on most of the sides there are."""
    x0, y0, x1, y1 = box
    step = round(height_px)
    sides = [
        picture[max(0, y0 - step), x0:x1] if y0 > step else None,
        picture[y1 + step, x0:x1] if y1 + step < picture.shape[0] else None,
        picture[y0:y1, x0 - step] if x0 > step else None,
        picture[y0:y1, x1 + step] if x1 + step < picture.shape[1] else None,
    ]
    there = [side for side in sides if side is not None]
    other = [float((np.abs(side.astype(np.int16) - ground).max(axis=1) > APART / 2).mean()) > 0.5 for side in there]
    return len(there) >= 2 and 2 * sum(other) > len(other)


def _median(pixels: UInt8Array) -> Colour:
    return np.asarray(np.median(pixels.reshape(-1, 3), axis=0), np.int16)


def _distance(first: Colour, second: Colour) -> float:
    return float(np.abs(first - second).max())


def _between(colour: Colour, first: Colour, second: Colour) -> bool:
    """Whether a colour is, within half of ``APART``, on the straight line between two others."""
    a, b, c = first.astype(np.float64), second.astype(np.float64), colour.astype(np.float64)
    length = float((b - a) @ (b - a))
    share = 0.0 if length == 0.0 else min(max(float((c - a) @ (b - a)) / length, 0.0), 1.0)
    return float(np.abs(a + share * (b - a) - c).max()) <= APART / 2


def _rgb(colour: Colour) -> Rgb:
    return int(colour[0]), int(colour[1]), int(colour[2])
