"""Gestures and postures by named rules over the joints of one person in one frame. Pure functions.

Each rule reads joints that are seen, in lengths of the person's own trunk (``skeleton.torso_px``), and says nothing
where one of them is not seen. The score of a hit is the lowest confidence of the joints that the rule read.

What two dimensions cannot tell: an arm or a body that points at the camera; a finger (a stretched arm counts as
pointing). Who sits and leans far over, or with the feet wide apart, comes out as ``knees_bent``, as squats and lunges
do; a squat with an upright trunk comes out as ``sitting``. Waving needs more samples per second than are taken.
"""

from __future__ import annotations

import numpy as np

from analyzers.vision.postures import POSTURES
from analyzers.vision.rules import GestureSettings, Hit, Rule, Side, hit
from analyzers.vision.skeleton import SIDES, Skeleton, bend_deg, hang_deg


def _arm(side: str) -> tuple[str, str, str]:
    return f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"


def _height(person: Skeleton, side: str, torso_px: float) -> float | None:
    """How far the wrist is above the shoulder, in trunks."""
    pair = person.all(f"{side}_shoulder", f"{side}_wrist")
    return None if pair is None else float(pair[0][1] - pair[1][1]) / torso_px


def _both_arms_up(person: Skeleton, torso_px: float, s: GestureSettings) -> list[Hit]:
    heights = [_height(person, side, torso_px) for side in SIDES]
    if any(height is None or height < s.up_height for height in heights):
        return []
    return hit(person, "both_arms_up", "both", *(f"{a}_{b}" for a in SIDES for b in ("shoulder", "wrist")))


def _raised_hand(person: Skeleton, torso_px: float, s: GestureSettings) -> list[Hit]:
    if _both_arms_up(person, torso_px, s):
        return []
    return [
        found
        for side in ("left", "right")
        if (height := _height(person, side, torso_px)) is not None and height >= s.raise_height
        for found in hit(person, "raised_hand", _side(side), f"{side}_shoulder", f"{side}_wrist")
    ]


def _side(side: str) -> Side:
    return "left" if side == "left" else "right"


def _stretched(person: Skeleton, side: str, s: GestureSettings) -> float | None:
    """The angle from hanging of an arm that is straight, in degrees; None where it is bent or not seen."""
    arm = person.all(*_arm(side))
    return hang_deg(arm[0], arm[2]) if arm is not None and bend_deg(*arm) >= s.straight_deg else None


def _arms_spread(person: Skeleton, torso_px: float, s: GestureSettings) -> list[Hit]:
    arms = {side: person.all(*_arm(side)) for side in SIDES}
    ways = []
    for side, arm in arms.items():
        hang = _stretched(person, side, s)
        if arm is None or hang is None or abs(hang - 90.0) > s.level_deg:
            return []
        ways.append(np.sign(arm[2][0] - arm[0][0]))
    return hit(person, "arms_spread", "both", *_arm("left"), *_arm("right")) if ways[0] != ways[1] else []


def _pointing(person: Skeleton, torso_px: float, s: GestureSettings) -> list[Hit]:
    out = {side: _stretched(person, side, s) for side in SIDES}
    away = [side for side, hang in out.items() if hang is not None and s.point_deg <= hang <= 180.0 - s.point_deg]
    return hit(person, "pointing", _side(away[0]), *_arm(away[0])) if len(away) == 1 else []


def _hands_near_face(person: Skeleton, torso_px: float, s: GestureSettings) -> list[Hit]:
    face = person.face
    if face is None:
        return []
    near = [
        side
        for side in SIDES
        if (hand := person.hand(side)) is not None and np.hypot(*(hand - face)) <= s.face_reach * torso_px
    ]
    joints = [name for side in near for name in (f"{side}_elbow", f"{side}_wrist")]
    return hit(person, "hands_near_face", "both" if len(near) == 2 else _side(near[0]), *joints) if near else []


def _arms_crossed(person: Skeleton, torso_px: float, s: GestureSettings) -> list[Hit]:
    names = ("left_shoulder", "right_shoulder", "left_wrist", "right_wrist")
    joints = person.all(*names)
    if joints is None:
        return []
    left, right, left_wrist, right_wrist = joints
    width = float(np.hypot(*(right - left)))
    if width <= 0.0:
        return []
    across, middle = (right - left) / width, (left + right) / 2.0
    # Each wrist on the other's side of the chest, and below the shoulders.
    over = (float((left_wrist - middle) @ across), -float((right_wrist - middle) @ across))
    below = min(left_wrist[1], right_wrist[1]) > max(left[1], right[1])
    crossed = min(over) >= s.cross_width * torso_px and below
    return hit(person, "arms_crossed", "both", *names) if crossed else []


def _hands_on_hips(person: Skeleton, torso_px: float, s: GestureSettings) -> list[Hit]:
    names = tuple(f"{side}_{part}" for side in SIDES for part in ("elbow", "wrist", "hip"))
    joints = person.all(*names)
    if joints is None:
        return []
    for elbow, wrist, hip in (joints[:3], joints[3:]):
        near = np.hypot(*(wrist - hip)) <= s.hip_reach * torso_px
        if not near or abs(elbow[0] - hip[0]) < s.elbow_out * torso_px:
            return []
    return hit(person, "hands_on_hips", "both", *names)


def _hands_together(person: Skeleton, torso_px: float, s: GestureSettings) -> list[Hit]:
    names = ("left_shoulder", "right_shoulder", "left_wrist", "right_wrist")
    joints = person.all(*names)
    if joints is None:
        return []
    apart = float(np.hypot(*(joints[3] - joints[2])))
    below = min(joints[2][1], joints[3][1]) > max(joints[0][1], joints[1][1])
    return hit(person, "hands_together", "both", *names) if apart <= s.hands_apart * torso_px and below else []


def _head_tilted(person: Skeleton, torso_px: float, s: GestureSettings) -> list[Hit]:
    names = ("left_eye", "right_eye", "left_shoulder", "right_shoulder")
    joints = person.all(*names)
    if joints is None:
        return []
    eyes, shoulders = joints[1] - joints[0], joints[3] - joints[2]
    size = float(np.hypot(*eyes) * np.hypot(*shoulders))
    angle = float(np.degrees(np.arccos(np.clip(eyes @ shoulders / size, -1.0, 1.0)))) if size > 0.0 else 0.0
    # Above 90 degrees eyes and shoulders face opposite ways: seen from behind, or mixed up.
    return hit(person, "head_tilted", None, *names) if s.head_deg <= angle <= 90.0 else []


GESTURES: tuple[Rule, ...] = (
    Rule("both_arms_up", "gesture", "each wrist at least {up_height:g} trunks above its shoulder", _both_arms_up),
    Rule(
        "raised_hand",
        "gesture",
        "wrist at least {raise_height:g} trunks above its shoulder, not both arms up",
        _raised_hand,
    ),
    Rule(
        "arms_spread",
        "gesture",
        "both elbows at least {straight_deg:g} deg open, both arms within {level_deg:g} deg of level, to both sides",
        _arms_spread,
    ),
    Rule(
        "pointing",
        "gesture",
        "one arm alone with its elbow at least {straight_deg:g} deg open, more than {point_deg:g} deg from hanging and "
        "from straight up",
        _pointing,
    ),
    Rule("hands_near_face", "gesture", "hand within {face_reach:g} trunks of the face's middle", _hands_near_face),
    Rule(
        "arms_crossed",
        "gesture",
        "each wrist at least {cross_width:g} trunks beyond the chest's middle, below the shoulders",
        _arms_crossed,
    ),
    Rule(
        "hands_on_hips",
        "gesture",
        "each wrist within {hip_reach:g} trunks of its hip, each elbow at least {elbow_out:g} trunks beside it",
        _hands_on_hips,
    ),
    Rule("hands_together", "gesture", "wrists within {hands_apart:g} trunks, below the shoulders", _hands_together),
    Rule(
        "head_tilted", "gesture", "line of the eyes at least {head_deg:g} deg from that of the shoulders", _head_tilted
    ),
)

RULES: tuple[Rule, ...] = (*GESTURES, *POSTURES)
"""In the order in which they are reported."""


def gestures_of(person: Skeleton, settings: GestureSettings) -> list[Hit]:
    """All rules that hold for one person in one frame."""
    torso_px = person.torso_px
    return [] if torso_px is None else [found for rule in RULES for found in rule.find(person, torso_px, settings)]
