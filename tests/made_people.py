"""Constructed people: 17 joints in pixels, with a trunk of exactly 100 px and an adult's proportions, facing us."""

from __future__ import annotations

from typing import Any

import numpy as np

from analyzers.vision.skeleton import FOREARM, JOINTS, SHANK, SHOULDERS, THIGH, TRUNK, UPPER_ARM
from media.types import Float32Array

TORSO = 100.0
WIDE = TORSO * SHOULDERS / TRUNK
ARM = TORSO * UPPER_ARM / TRUNK
FORE = TORSO * FOREARM / TRUNK
LEG = TORSO * THIGH / TRUNK
SHIN = TORSO * SHANK / TRUNK

Point = tuple[float, float]

BLAZE_TO_COCO = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
"""BlazePose's 33 points that are COCO's 17 joints, in COCO's order (Bazarevsky et al., 2020)."""

STANDING: dict[str, Point] = {
    "nose": (0.0, -40.0),
    "left_eye": (6.0, -45.0),
    "right_eye": (-6.0, -45.0),
    "left_ear": (13.0, -42.0),
    "right_ear": (-13.0, -42.0),
    "left_shoulder": (WIDE / 2, 0.0),
    "right_shoulder": (-WIDE / 2, 0.0),
    "left_elbow": (WIDE / 2, ARM),
    "right_elbow": (-WIDE / 2, ARM),
    "left_wrist": (WIDE / 2, ARM + FORE),
    "right_wrist": (-WIDE / 2, ARM + FORE),
    "left_hip": (WIDE / 2, TORSO),
    "right_hip": (-WIDE / 2, TORSO),
    "left_knee": (WIDE / 2, TORSO + LEG),
    "right_knee": (-WIDE / 2, TORSO + LEG),
    "left_ankle": (WIDE / 2, TORSO + LEG + SHIN),
    "right_ankle": (-WIDE / 2, TORSO + LEG + SHIN),
}
"""Arms hanging; the middle of the shoulders is the origin, the person's left is on the picture's right."""


def joints(
    changed: dict[str, Point] | None = None,
    unseen: tuple[str, ...] = (),
    at: Point = (300.0, 200.0),
    scale: float = 1.0,
    turn_deg: float = 0.0,
    confidence: float = 0.9,
) -> Float32Array:
    """float32 (17, 3). ``changed``: joints in trunks of 100 px from the middle of the shoulders, as in ``STANDING``.

    Args:
        changed: Instead of those standing.
        unseen: Joints with confidence 0.1.
        at: Where the middle of the shoulders is, in px.
        scale: 1.0 for a trunk of 100 px.
        turn_deg: Turn of the whole person around that point, clockwise.
        confidence: Of all other joints.
    """
    places = {**STANDING, **(changed or {})}
    angle = np.radians(turn_deg)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = np.empty((17, 3), np.float32)
    for i, name in enumerate(JOINTS):
        found[i, :2] = matrix @ np.array(places[name]) + np.array(at)
        found[i, 2] = 0.1 if name in unseen else confidence
    return found


def arm(side: str, upper_deg: float, fore_deg: float, length: float = 1.0) -> dict[str, Point]:
    """Elbow and wrist of an arm: angles of its two bones from hanging, outwards; 90 is level, 180 straight up.

    ``length``: Of the bones, less than 1 where they point at the camera.
    """
    out = 1.0 if side == "left" else -1.0
    x, y = STANDING[f"{side}_shoulder"]
    elbow = _step((x, y), upper_deg, ARM * length, out)
    return {f"{side}_elbow": elbow, f"{side}_wrist": _step(elbow, fore_deg, FORE * length, out)}


def _step(start: Point, deg: float, length: float, out: float) -> Point:
    angle = np.radians(deg)
    return start[0] + out * length * float(np.sin(angle)), start[1] + length * float(np.cos(angle))


def hand_at(side: str, wrist: Point) -> dict[str, Point]:
    """A wrist at this place, its elbow just below, so that no bone is longer than it can be."""
    return {f"{side}_wrist": wrist, f"{side}_elbow": (wrist[0], wrist[1] + 10.0)}


def knees(drop: float) -> dict[str, Point]:
    """Knees this many thighs below the hips, nearer to the camera, with shins hanging."""
    y = TORSO + drop * LEG
    sides = (("left", WIDE / 2), ("right", -WIDE / 2))
    return {f"{s}_{j}": (x, y + (0.0 if j == "knee" else 80.0)) for s, x in sides for j in ("knee", "ankle")}


def blaze(points: Any) -> Float32Array:
    """COCO's 17 of BlazePose's 33 published points, all seen."""
    chosen = np.asarray(points, np.float32)[list(BLAZE_TO_COCO), :2]
    return np.concatenate([chosen, np.ones((17, 1), np.float32)], axis=1)
