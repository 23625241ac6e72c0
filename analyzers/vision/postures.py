"""Postures by named rules over the joints of one person in one frame. Pure functions; see ``gestures.py``."""

from __future__ import annotations

import numpy as np

from analyzers.vision.rules import GestureSettings, Hit, Rule, hit
from analyzers.vision.skeleton import SIDES, THIGH, TRUNK, Skeleton


def _drop(person: Skeleton, torso_px: float) -> tuple[float, list[str]] | None:
    """How far the knees are below the hips, in lengths of a thigh seen from the front; mean of the sides seen."""
    seen = [side for side in SIDES if person.all(f"{side}_hip", f"{side}_knee") is not None]
    if not seen:
        return None
    joints = [name for side in seen for name in (f"{side}_hip", f"{side}_knee")]
    pairs = [person.all(f"{side}_hip", f"{side}_knee") for side in seen]
    drops = [float(pair[1][1] - pair[0][1]) for pair in pairs if pair is not None]
    return float(np.mean(drops)) / (torso_px * THIGH / TRUNK), joints


def _upright(person: Skeleton, s: GestureSettings) -> bool:
    tilt = person.tilt_deg
    return tilt is not None and abs(tilt) < s.lie_deg


def _knees_up(person: Skeleton, torso_px: float, s: GestureSettings) -> list[str] | None:
    """The joints that say that the knees are about as high as the hips under an upright trunk; None where not."""
    drop = _drop(person, torso_px)
    # Knees far above the hips are no seat: a jump, or somebody on the back.
    if drop is None or not _upright(person, s) or not -s.sit_drop <= drop[0] <= s.sit_drop:
        return None
    return drop[1]


def _seated(person: Skeleton, torso_px: float, s: GestureSettings) -> bool:
    """Whether a seat may carry the person: the trunk need not balance, and the feet need not stand wide."""
    tilt, feet = person.tilt_deg, person.all("left_ankle", "right_ankle")
    wide = feet is not None and float(np.hypot(*(feet[1] - feet[0]))) > s.feet_apart * torso_px
    return tilt is not None and abs(tilt) < s.lean_deg and not wide


def _sitting(person: Skeleton, torso_px: float, s: GestureSettings) -> list[Hit]:
    joints = _knees_up(person, torso_px, s)
    return hit(person, "sitting", None, *joints) if joints and _seated(person, torso_px, s) else []


def _knees_bent(person: Skeleton, torso_px: float, s: GestureSettings) -> list[Hit]:
    joints = _knees_up(person, torso_px, s)
    return hit(person, "knees_bent", None, *joints) if joints and not _seated(person, torso_px, s) else []


def _standing(person: Skeleton, torso_px: float, s: GestureSettings) -> list[Hit]:
    drop = _drop(person, torso_px)
    if drop is None or not _upright(person, s) or drop[0] < s.stand_drop:
        return []
    return hit(person, "standing", None, *drop[1])


def _lying(person: Skeleton, torso_px: float, s: GestureSettings) -> list[Hit]:
    tilt = person.tilt_deg
    if tilt is None or not s.lie_deg <= abs(tilt) <= 180.0 - s.lie_deg:
        return []
    return [Hit("lying", None, _trunk_confidence(person))]


def _leaning(person: Skeleton, torso_px: float, s: GestureSettings) -> list[Hit]:
    tilt = person.tilt_deg
    if tilt is None or not s.lean_deg <= abs(tilt) < s.lie_deg:
        return []
    return [Hit("leaning_sideways", None, _trunk_confidence(person))]


def _trunk_confidence(person: Skeleton) -> float:
    names = [f"{side}_{part}" for part in ("shoulder", "hip") for side in SIDES]
    return person.confidence([name for name in names if person.at(name) is not None])


POSTURES: tuple[Rule, ...] = (
    Rule(
        "leaning_sideways",
        "posture",
        "trunk {lean_deg:g} to {lie_deg:g} deg from upright in the picture",
        _leaning,
    ),
    Rule(
        "sitting",
        "posture",
        "trunk less than {lean_deg:g} deg from upright, knees at most {sit_drop:g} thighs above or below the hips, "
        "feet at most {feet_apart:g} trunks apart",
        _sitting,
    ),
    Rule("knees_bent", "posture", "knees as for sitting, with the trunk leaning or the feet wide apart", _knees_bent),
    Rule("standing", "posture", "trunk upright, knees at least {stand_drop:g} thighs below the hips", _standing),
    Rule("lying", "posture", "trunk at least {lie_deg:g} deg from upright, and from upside down", _lying),
)
"""In the order in which they are reported."""
