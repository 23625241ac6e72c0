"""Gestures and postures of constructed skeletons, each rule on both sides of its threshold, and of published poses."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from analyzers.body_pose import BodyPoseConfig
from analyzers.vision.gestures import RULES, gestures_of
from analyzers.vision.skeleton import JOINTS, Skeleton
from media.types import Float32Array
from tests.made_people import STANDING, TORSO, WIDE, arm, blaze, hand_at, joints, knees
from tests.media_folder import media


def names(person: Float32Array, **config: Any) -> set[str]:
    """Rules that hold, with their side where they have one."""
    settings = BodyPoseConfig(**config).gesture_settings()
    hits = gestures_of(Skeleton(person, settings.min_joint), settings)
    return {hit.name if hit.side in (None, "both") else f"{hit.name} {hit.side}" for hit in hits}


def test_a_person_who_stands_with_hanging_arms_only_stands() -> None:
    assert Skeleton(joints(), 0.5).torso_px == pytest.approx(TORSO)
    assert names(joints()) == {"standing"}


SHOULDER = WIDE / 2
BESIDE = 0.001 * TORSO
"""Just beside a threshold."""


def wrists(left: tuple[float, float] | None, right: tuple[float, float] | None) -> dict[str, tuple[float, float]]:
    return {
        **(hand_at("left", left) if left else {}),
        **(hand_at("right", right) if right else {}),
    }


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("height", "holds"), [(15.0 - BESIDE, False), (15.0 + BESIDE, True), (44.9, True)])
def test_raised_hand(side: str, height: float, holds: bool) -> None:
    x = 1.8 * SHOULDER * (1 if side == "left" else -1)
    found = names(joints(hand_at(side, (x, -height))))
    assert (f"raised_hand {side}" in found) is holds


@pytest.mark.parametrize(("height", "holds"), [(45.0 - BESIDE, False), (45.0 + BESIDE, True)])
def test_both_arms_up(height: float, holds: bool) -> None:
    found = names(joints(wrists((1.8 * SHOULDER, -60.0), (-1.8 * SHOULDER, -height))))
    assert ("both_arms_up" in found) is holds
    # Then it is not one raised hand; else it is two.
    assert ({"raised_hand left", "raised_hand right"} <= found) is not holds


@pytest.mark.parametrize(("hang", "holds"), [(45.5, True), (44.5, False), (134.5, True), (135.5, False), (90.0, True)])
def test_pointing_is_one_straight_arm_away_from_the_body(hang: float, holds: bool) -> None:
    assert ("pointing right" in names(joints(arm("right", hang, hang)))) is holds


@pytest.mark.parametrize(("bend", "holds"), [(29.0, True), (31.0, False)])
def test_a_pointing_arm_is_straight(bend: float, holds: bool) -> None:
    # 180 - bend degrees open at the elbow.
    assert ("pointing left" in names(joints(arm("left", 90.0 - bend / 2, 90.0 + bend / 2)))) is holds


def test_two_straight_arms_do_not_point() -> None:
    assert not {n for n in names(joints({**arm("left", 90, 90), **arm("right", 60, 60)})) if "pointing" in n}


@pytest.mark.parametrize(("hang", "holds"), [(61.0, True), (59.0, False), (119.0, True), (121.0, False)])
def test_arms_spread(hang: float, holds: bool) -> None:
    assert ("arms_spread" in names(joints({**arm("left", 90, 90), **arm("right", hang, hang)}))) is holds


def test_both_arms_to_one_side_are_not_spread() -> None:
    x, y = -WIDE / 2, 0.0
    over = {"right_elbow": (x + 60.0, y), "right_wrist": (x + 105.0, y)}
    assert "arms_spread" not in names(joints({**arm("left", 90, 90), **over}))


@pytest.mark.parametrize(("way", "holds"), [(34.9, True), (35.1, False)])
def test_hands_near_face(way: float, holds: bool) -> None:
    # The hand's middle is 10 x 0.5 x 0.108 / 0.146 px above the wrist, the elbow being 10 px below it.
    above = 10.0 * 0.5 * 0.108 / 0.146
    found = names(joints(hand_at("left", (way, -40.0 + above))))
    assert ("hands_near_face left" in found) is holds
    both = names(joints(wrists((20.0, -40.0), (-20.0, -40.0))))
    assert "hands_near_face" in both


def test_a_face_without_a_nose_is_the_middle_of_what_is_seen_of_it() -> None:
    hand = hand_at("left", (0.0, -40.0))
    assert "hands_near_face left" in names(joints(hand, unseen=("nose",)))
    blind = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
    assert "hands_near_face left" not in names(joints(hand, unseen=blind))


@pytest.mark.parametrize(("over", "holds"), [(10.0 + BESIDE, True), (10.0 - BESIDE, False)])
def test_arms_crossed(over: float, holds: bool) -> None:
    assert ("arms_crossed" in names(joints(wrists((-over, 20.0), (12.0, 20.0))))) is holds
    assert ("arms_crossed" in names(joints(wrists((-12.0, 20.0), (over, 20.0))))) is holds
    # Above the shoulders nothing is crossed.
    assert "arms_crossed" not in names(joints(wrists((-over, -5.0), (12.0, 20.0))))


@pytest.mark.parametrize(("reach", "out", "holds"), [(34.9, 25.1, True), (35.1, 25.1, False), (34.9, 24.9, False)])
def test_hands_on_hips(reach: float, out: float, holds: bool) -> None:
    changed: dict[str, tuple[float, float]] = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        x, y = sign * SHOULDER, TORSO
        changed |= {f"{side}_wrist": (x, y - reach), f"{side}_elbow": (x + sign * out, y - reach - 20.0)}
    assert ("hands_on_hips" in names(joints(changed))) is holds


@pytest.mark.parametrize(("apart", "holds"), [(29.9, True), (30.1, False)])
def test_hands_together(apart: float, holds: bool) -> None:
    assert ("hands_together" in names(joints(wrists((apart / 2, 40.0), (-apart / 2, 40.0))))) is holds
    assert "hands_together" not in names(joints(wrists((apart / 2, -1.0), (-apart / 2, -1.0))))


LEG_JOINTS = ("hip", "knee", "ankle")

LEGS = {
    (side, joint): place
    for side, x in (("left", WIDE / 2), ("right", -WIDE / 2))
    for joint, place in (("hip", (x, TORSO)), ("knee", (x, TORSO + 10.0)), ("ankle", (x, TORSO + 80.0)))
}
"""Of somebody who sits, seen from the front."""


@pytest.mark.parametrize(
    ("drop", "posture"), [(0.0, "sitting"), (0.599, "sitting"), (0.601, None), (0.799, None), (0.801, "standing")]
)
def test_sitting_and_standing(drop: float, posture: str | None) -> None:
    found = names(joints(knees(drop)))
    assert found & {"sitting", "standing", "lying"} == ({posture} if posture else set())
    assert not names(joints(knees(drop), unseen=("left_knee", "right_knee"))) & {"sitting", "standing"}


@pytest.mark.parametrize(("apart", "posture"), [(99.9, "sitting"), (100.1, "knees_bent")])
def test_a_lunge_stands_wider_than_a_seat(apart: float, posture: str) -> None:
    feet = {"left_ankle": (apart / 2, TORSO + 70.0), "right_ankle": (-apart / 2, TORSO + 70.0)}
    found = names(joints({**knees(0.1), **feet}))
    assert found & {"sitting", "knees_bent", "standing"} == {posture}
    # Feet that are not seen say nothing.
    assert "sitting" in names(joints({**knees(0.1), **feet}, unseen=("left_ankle",)))


@pytest.mark.parametrize(("tilt", "posture"), [(19.5, "sitting"), (20.5, "knees_bent")])
def test_who_leans_far_over_bent_knees_may_squat(tilt: float, posture: str) -> None:
    over = float(np.tan(np.radians(tilt)) * TORSO)
    hips = {f"{s}_{j}": (x - over, y) for s in ("left", "right") for j, (x, y) in ((j, LEGS[s, j]) for j in LEG_JOINTS)}
    assert names(joints(hips)) & {"sitting", "knees_bent"} == {posture}


def test_a_published_yoga_pose() -> None:
    (entry,) = [e for e in json.loads(media("MANIFEST.json").read_text()) if e["file"] == "tfjs/pose.jpg"]
    found = names(blaze(entry["truth"]["published"]["blazepose33_xy"]))
    # A lunge with level arms.
    assert found == {"arms_spread", "knees_bent"}


@pytest.mark.parametrize(
    ("turn", "found"),
    [(19.5, set()), (20.5, {"leaning_sideways"}), (59.5, {"leaning_sideways"}), (60.5, {"lying"}), (119.0, {"lying"})],
)
def test_leaning_and_lying(turn: float, found: set[str]) -> None:
    for sign in (1.0, -1.0):
        assert names(joints(turn_deg=sign * turn)) & {"leaning_sideways", "lying"} == found
    assert "lying" not in names(joints(turn_deg=121.0))


@pytest.mark.parametrize(("angle", "holds"), [(19.5, False), (20.5, True)])
def test_head_tilted(angle: float, holds: bool) -> None:
    x, y = 6 * np.cos(np.radians(angle)), 6 * np.sin(np.radians(angle))
    eyes = {"left_eye": (float(x), -45.0 + float(y)), "right_eye": (-float(x), -45.0 - float(y))}
    assert ("head_tilted" in names(joints(eyes))) is holds
    # Seen from behind, or mixed up: the eyes' line points the other way.
    assert "head_tilted" not in names(joints({"left_eye": (-6.0, -45.0), "right_eye": (6.0, -45.0)}))


@pytest.mark.parametrize("scale", [0.3, 4.0])
def test_gestures_do_not_depend_on_size_and_place(scale: float) -> None:
    changed = {**arm("right", 90, 90), **hand_at("left", (25.0, -40.0)), **knees(0.1)}
    expected = {"pointing right", "hands_near_face left", "sitting"}
    assert expected <= names(joints(changed))
    assert names(joints(changed, scale=scale, at=(700.0, 40.0))) == names(joints(changed))


@pytest.mark.parametrize(("confidence", "holds"), [(0.49, False), (0.51, True)])
def test_a_rule_reads_seen_joints_only(confidence: float, holds: bool) -> None:
    person = joints(hand_at("left", (60.0, -30.0)))
    person[JOINTS.index("left_wrist"), 2] = confidence
    assert ("raised_hand left" in names(person)) is holds


def test_the_score_is_the_lowest_confidence_that_was_read() -> None:
    person = joints(hand_at("left", (60.0, -30.0)))
    person[JOINTS.index("left_wrist"), 2] = 0.6
    person[JOINTS.index("right_ankle"), 2] = 0.55
    settings = BodyPoseConfig().gesture_settings()
    scores = {h.name: h.score for h in gestures_of(Skeleton(person, 0.5), settings)}
    assert scores["raised_hand"] == pytest.approx(0.6)
    assert scores["standing"] == pytest.approx(0.9)


def test_nobody_without_two_neighbouring_joints() -> None:
    alone = joints(unseen=tuple(name for name in JOINTS if name not in ("nose", "left_ankle")))
    assert Skeleton(alone, 0.5).torso_px is None
    assert names(alone) == set()


def test_the_trunk_is_that_of_the_longest_bone_for_its_place() -> None:
    # From the side: shoulders and hips fall on one another, the trunk itself tells.
    side_on = {name: (0.0, y) for name, (_, y) in STANDING.items()}
    assert Skeleton(joints(side_on), 0.5).torso_px == pytest.approx(TORSO)
    # Head and shoulders only: their width tells.
    below = tuple(n for n in JOINTS if any(part in n for part in ("hip", "knee", "ankle", "elbow", "wrist")))
    assert Skeleton(joints(unseen=below), 0.5).torso_px == pytest.approx(TORSO, rel=1e-3)


def test_every_rule_says_itself_with_its_thresholds() -> None:
    said = {rule.name: rule.said(BodyPoseConfig().gesture_settings()) for rule in RULES}
    assert len(said) == len(RULES)
    assert said["raised_hand"] == "wrist at least 0.15 trunks above its shoulder, not both arms up"
    assert not [text for text in said.values() if "{" in text]
