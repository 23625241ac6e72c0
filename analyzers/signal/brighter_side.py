"""Which side of a picture is brighter: the plane that fits its grey levels best, by least squares.

On a full grid of pixels the plane's two slopes are independent: each is the regression of the means of the columns, or
rows, on their place, and the share of the variance that the plane explains is the coefficient of determination
(Draper and Smith, "Applied Regression Analysis", 3rd ed. 1998). A plane is also the first term by which uneven light
is removed from pictures (Likar et al., "Retrospective shading correction based on entropy minimization", Journal of
Microscopy 197, 2000).

It measures the picture and not the light: a white wall on the left and a lamp on the left look the same to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analyzers.signal.similarity import without_bars
from media.types import Float64Array, UInt8Array

Side = Literal["right", "bottom_right", "bottom", "bottom_left", "left", "top_left", "top", "top_right"]

_SIDES: tuple[Side, ...] = ("right", "bottom_right", "bottom", "bottom_left", "left", "top_left", "top", "top_right")
"""In steps of 45 degrees, clockwise as the viewer sees it."""


@dataclass(frozen=True)
class Gradient:
    """The plane.

    Attributes:
        right: Its rise from the left edge to the right one, in shares of white; negative where the left is brighter.
        down: The same from the top edge to the bottom one.
        fit: Share of the variance of the grey levels that it explains, in [0, 1]; 0 for a plain picture.
    """

    right: float
    down: float
    fit: float

    @property
    def rise(self) -> float:
        """Length of both together."""
        return math.hypot(self.right, self.down)

    def side(self, least_rise: float, least_fit: float) -> Side | None:
        """The brighter side; None where the plane rises or explains less than asked."""
        if self.rise < least_rise or self.fit < least_fit:
            return None
        return _SIDES[round(math.degrees(math.atan2(self.down, self.right)) / 45.0) % len(_SIDES)]


def gradient_of(levels: UInt8Array) -> Gradient:
    """The plane through a picture's grey levels, its black bars left out.

    Args:
        levels: uint8 (H, W).
    """
    import cv2

    top, bottom, left, right = without_bars(levels)
    inside = np.ascontiguousarray(levels[top:bottom, left:right])
    _, deviation = cv2.meanStdDev(inside)
    variance = float(deviation[0, 0] / 255.0) ** 2
    columns, rows = (cv2.reduce(inside, axis, cv2.REDUCE_AVG, dtype=cv2.CV_64F).ravel() / 255.0 for axis in (0, 1))
    across, place_var_x = _slope(np.asarray(columns, np.float64))
    down, place_var_y = _slope(np.asarray(rows, np.float64))
    explained = across**2 * place_var_x + down**2 * place_var_y
    return Gradient(across, down, min(1.0, explained / variance) if variance > 0.0 else 0.0)


def mean_gradient(gradients: list[Gradient]) -> Gradient:
    """Mean of each part: sides that change from picture to picture cancel."""
    right, down, fit = np.mean([(g.right, g.down, g.fit) for g in gradients], axis=0)
    return Gradient(float(right), float(down), float(fit))


def _slope(means: Float64Array) -> tuple[float, float]:
    """Regression of the means on their place, which runs over one unit from edge to edge; and the place's variance."""
    place = (np.arange(len(means)) + 0.5) / len(means) - 0.5
    variance = float(np.mean(place**2))
    return (float(np.mean(place * means)) / variance if variance > 0.0 else 0.0), variance
