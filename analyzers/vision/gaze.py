"""From the points of a face to head pose, gaze and eyelids. Pure functions.

Axes are those of the picture: x to its right, y down, z away from the camera; a look into the camera is (0, 0, -1).

The head's axes run through the outer corners of the eyes and through forehead and chin. An iris off the middle between
the corners of its eye by d turns the eye by arcsin(d / r): r is the radius of an adult's eyeball, 12 mm (Bekerman,
Gottlieb and Vaiman, "Variations in Eyeball Diameters of the Healthy Adults", J. Ophthalmology 2014), and the corners
are taken to lie 30 mm apart; both differ from face to face by a tenth, and a gaze angle with them.
Lids: eye aspect ratio, height over width of the opening (Soukupová and Čech, "Real-Time Eye Blink Detection using
Facial Landmarks", 2016). Point numbers are those of MediaPipe's face mesh; left and right are the subject's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from media.types import Float32Array, Float64Array

RIGHT_OUTER, RIGHT_INNER, LEFT_INNER, LEFT_OUTER = 33, 133, 362, 263
FOREHEAD, CHIN = 10, 152
RIGHT_IRIS, LEFT_IRIS = 468, 473

RIGHT_LIDS = ((160, 144), (158, 153))
LEFT_LIDS = ((385, 380), (387, 373))
"""Pairs of an upper and a lower lid's point, for the aspect ratio."""

EYEBALL_RADIUS_MM = 12.0
EYE_WIDTH_MM = 30.0
WIDTHS_PER_RADIUS = EYE_WIDTH_MM / EYEBALL_RADIUS_MM

MIN_EYE_PX = 2.0
"""Eyes narrower than this, in px of the picture, show no iris."""


@dataclass(frozen=True)
class FaceMeasures:
    """What one face does.

    Attributes:
        box: Left, top, right, bottom of all points, in px of the picture.
        gaze: Unit vector of where the eyes look; None where no iris can be seen.
        head: Unit vector of where the face points.
        head_roll_deg: Turn of the head in the picture, clockwise positive.
        openness: Eye aspect ratio, mean of both eyes; about 0.3 open, below 0.15 closed.
        eye_width_px: Mean distance of the corners of an eye.
    """

    box: tuple[float, float, float, float]
    gaze: tuple[float, float, float] | None
    head: tuple[float, float, float]
    head_roll_deg: float
    openness: float
    eye_width_px: float


def measure_face(points: Float32Array) -> FaceMeasures:
    """Head, gaze and lids of one face.

    Args:
        points: float32 (478, 3) as MediaPipe gives them, x and y in px, z on the scale of x.
    """
    p = points.astype(np.float64)
    across = _unit(p[LEFT_OUTER] - p[RIGHT_OUTER])
    down = p[CHIN] - p[FOREHEAD]
    down = _unit(down - across * float(down @ across))
    away = np.cross(across, down)
    widths = [float(np.linalg.norm(p[a] - p[b])) for a, b in ((RIGHT_OUTER, RIGHT_INNER), (LEFT_INNER, LEFT_OUTER))]
    eyes = [
        _eye(p[iris], (p[a] + p[b]) / 2.0, width, across, down)
        for iris, a, b, width in (
            (RIGHT_IRIS, RIGHT_OUTER, RIGHT_INNER, widths[0]),
            (LEFT_IRIS, LEFT_INNER, LEFT_OUTER, widths[1]),
        )
        if width >= MIN_EYE_PX
    ]
    low, high = p[:, :2].min(axis=0), p[:, :2].max(axis=0)
    return FaceMeasures(
        box=(float(low[0]), float(low[1]), float(high[0]), float(high[1])),
        gaze=_three(_turned(np.mean(eyes, axis=0), across, down, away)) if eyes else None,
        head=_three(-away),
        head_roll_deg=float(np.degrees(np.arctan2(across[1], across[0]))),
        openness=float(np.mean([_aspect(p, RIGHT_LIDS, widths[0]), _aspect(p, LEFT_LIDS, widths[1])])),
        eye_width_px=float(np.mean(widths)),
    )


def angles_deg(look: tuple[float, float, float]) -> tuple[float, float]:
    """Yaw and pitch of a look in degrees: to the picture's right and up are positive, into the camera is (0, 0)."""
    x, y, z = look
    return float(np.degrees(np.arctan2(x, -z))), float(np.degrees(np.arctan2(-y, np.hypot(x, z))))


def off_camera_deg(look: tuple[float, float, float]) -> float:
    """Angle between a look and the way to the camera, in [0, 180] degrees."""
    return float(np.degrees(np.arccos(np.clip(-look[2], -1.0, 1.0))))


def _eye(
    iris: Float64Array, middle: Float64Array, width: float, across: Float64Array, down: Float64Array
) -> Float64Array:
    """Sines of the eye's turn in the head: across and down."""
    offset = (iris - middle) / width * WIDTHS_PER_RADIUS
    return np.asarray(np.clip([offset @ across, offset @ down], -1.0, 1.0), np.float64)


def _turned(sines: Float64Array, across: Float64Array, down: Float64Array, away: Float64Array) -> Float64Array:
    side, low = sines
    ahead = np.sqrt(max(0.0, 1.0 - side * side - low * low))
    return _unit(side * across + low * down - ahead * away)


def _aspect(p: Float64Array, lids: tuple[tuple[int, int], ...], width: float) -> float:
    heights = [float(np.linalg.norm(p[upper, :2] - p[lower, :2])) for upper, lower in lids]
    return float(np.mean(heights)) / width if width > 0.0 else 0.0


def _unit(vector: Float64Array) -> Float64Array:
    length = float(np.linalg.norm(vector))
    return np.asarray(vector / length if length > 0.0 else [0.0, 0.0, -1.0], np.float64)


def _three(vector: Float64Array) -> tuple[float, float, float]:
    return float(vector[0]), float(vector[1]), float(vector[2])
