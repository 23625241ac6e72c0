"""Seventeen joints of a person, and the lengths and angles between them. Pure functions.

Joints: COCO keypoints (Lin et al., 2014); left and right are the person's own. Proportions of the body: Winter,
"Biomechanics and Motor Control of Human Movement", 4th edition, 2009, figure 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from media.types import Float32Array, Float64Array

JOINTS: tuple[str, ...] = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip"),
    *("left_knee", "right_knee", "left_ankle", "right_ankle"),
)
"""In COCO's order."""

SIDES = ("left", "right")

TRUNK = 0.288
"""Shoulder to hip, in body heights; so are the other lengths."""
SHOULDERS = 0.259
UPPER_ARM = 0.186
FOREARM = 0.146
THIGH = 0.245
SHANK = 0.246
HAND = 0.108

_BONES: tuple[tuple[str, str, float], ...] = (
    ("left_shoulder", "right_shoulder", SHOULDERS),
    *((f"{side}_{a}", f"{side}_{b}", length) for side in SIDES for a, b, length in (
        ("shoulder", "hip", TRUNK),
        ("shoulder", "elbow", UPPER_ARM),
        ("elbow", "wrist", FOREARM),
        ("hip", "knee", THIGH),
        ("knee", "ankle", SHANK),
    )),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Skeleton:
    """One person in one frame.

    Attributes:
        joints: float32 (17, 3): x, y in px (y downwards) and confidence in [0, 1].
        min_joint: Confidence from which a joint counts as seen.
    """

    joints: Float32Array
    min_joint: float

    def at(self, name: str) -> Float64Array | None:
        """(x, y) of a joint in px, or None where it is not seen."""
        joint = self.joints[JOINTS.index(name)]
        seen = bool(joint[2] >= self.min_joint and np.isfinite(joint[:2]).all())
        return np.asarray(joint[:2], np.float64) if seen else None

    def all(self, *names: str) -> list[Float64Array] | None:
        """All of these joints, or None where one is not seen."""
        found = [self.at(name) for name in names]
        known = [joint for joint in found if joint is not None]
        return known if len(known) == len(names) else None

    def middle(self, *names: str) -> Float64Array | None:
        """The middle of those of these joints that are seen; None without any."""
        known = [joint for name in names if (joint := self.at(name)) is not None]
        return np.mean(known, axis=0) if known else None

    def confidence(self, names: Sequence[str]) -> float:
        """The lowest confidence of these joints."""
        return min(1.0, float(min(self.joints[JOINTS.index(name), 2] for name in names)))

    @property
    def torso_px(self) -> float | None:
        """Length of the trunk (shoulder to hip) in px as it would be seen from the front; None without two joints.

        From the bone that is longest for its place in the body: one that points at the camera only looks shorter.
        """
        lengths = [
            float(np.hypot(*(pair[1] - pair[0]))) * TRUNK / share
            for a, b, share in _BONES
            if (pair := self.all(a, b)) is not None
        ]
        return max(lengths, default=0.0) or None

    @property
    def face(self) -> Float64Array | None:
        """The middle of the face: the nose, or else the middle of eyes and ears."""
        nose = self.at("nose")
        return nose if nose is not None else self.middle("left_eye", "right_eye", "left_ear", "right_ear")

    @property
    def tilt_deg(self) -> float | None:
        """Angle of the trunk from upright in degrees, in [-180, 180]; positive where the head leans to the picture's
        right. None without a shoulder and a hip."""
        shoulders = self.middle("left_shoulder", "right_shoulder")
        hips = self.middle("left_hip", "right_hip")
        if shoulders is None or hips is None:
            return None
        x, y = shoulders - hips
        return float(np.degrees(np.arctan2(x, -y)))

    def hand(self, side: str) -> Float64Array | None:
        """The middle of a hand: half its length beyond the wrist, the way the forearm points."""
        arm = self.all(f"{side}_elbow", f"{side}_wrist")
        return None if arm is None else arm[1] + (arm[1] - arm[0]) * (0.5 * HAND / FOREARM)


def bend_deg(a: Float64Array, b: Float64Array, c: Float64Array) -> float:
    """Angle at ``b`` between ``a`` and ``c`` in degrees: 180 where they are on one line."""
    u, v = a - b, c - b
    size = float(np.hypot(*u) * np.hypot(*v))
    return float(np.degrees(np.arccos(np.clip(u @ v / size, -1.0, 1.0)))) if size > 0.0 else 0.0


def hang_deg(a: Float64Array, b: Float64Array) -> float:
    """Angle of the way from ``a`` to ``b`` from straight down in degrees: 0 hanging, 90 level, 180 straight up."""
    x, y = b - a
    return float(np.degrees(np.arctan2(abs(x), y)))
