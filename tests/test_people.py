"""What people do over time: gestures, nearness, speed, tracks, from constructed skeletons frame after frame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from analyzers.base import AnalyzerResult, Context, NotApplicable
from analyzers.body_pose import BodyPose, BodyPoseConfig
from analyzers.object_detection import ObjectDetection, ObjectDetectionConfig
from analyzers.results.detections import FrameDetections, pack_detections
from analyzers.results.poses import FramePoses, Poses, pack_poses
from media.types import Float32Array
from schema.document import VideoFacts
from tests.made_people import blaze, hand_at, joints, knees
from tests.media_folder import media
from tests.model_runs import cuts

STEP_S = 0.5
SIZE = (600, 400)  # width, height


def facts(duration_s: float) -> VideoFacts:
    return VideoFacts(container="made", duration_s=duration_s, width=SIZE[0], height=SIZE[1])


def around(person: Float32Array) -> list[float]:
    low, high = person[:, :2].min(axis=0), person[:, :2].max(axis=0)
    return [*low.tolist(), *high.tolist()]


def seen(*frames: Sequence[Float32Array], first_s: float = 0.0) -> Poses:
    """People of frames at two per second."""
    return pack_poses(
        [
            FramePoses(
                first_s + k * STEP_S,
                np.array([around(p) for p in people], np.float32).reshape(-1, 4),
                np.full(len(people), 0.8, np.float32),
                np.array(people, np.float32).reshape(-1, 17, 3),
            )
            for k, people in enumerate(frames)
        ]
    )


def conclude(*observations: Poses, duration_s: float, results: Any = None, **config: Any) -> Any:
    analyzer = BodyPose(BodyPoseConfig(fps=1 / STEP_S, **config))
    return analyzer.conclude(list(observations), Context(facts(duration_s), results or {}))


STANDS = joints()
RAISES = joints(hand_at("left", (60.0, -30.0)))


def spans(result: Any, gesture: str) -> list[tuple[float, float]]:
    return [(g.start_time, g.end_time) for g in result.gestures if g.gesture == gesture]


def test_a_gesture_over_time() -> None:
    result = conclude(seen(*[[STANDS]] * 2, *[[RAISES]] * 3, *[[STANDS]] * 3), duration_s=4.0)
    (raised,) = [g for g in result.gestures if g.gesture == "raised_hand"]
    assert (raised.start_time, raised.end_time, raised.side, raised.kind) == (1.0, 2.5, "left", "gesture")
    assert (raised.track_id, raised.samples, raised.score) == (0, 3, pytest.approx(0.9))
    assert spans(result, "standing") == [(0.0, 4.0)]
    (person,) = result.people
    assert person.gestures == {"standing": 1.0, "raised_hand": 3 / 8}
    assert (person.samples, person.time_share) == (8, 1.0)
    assert result.frames[2].people[0].gestures == ("raised_hand", "standing")
    assert result.frames[2].people[0].keypoints[0].name == "nose"


@pytest.mark.parametrize(("shortest", "found"), [(0.5, 1), (0.6, 0)])
def test_a_gesture_must_last(shortest: float, found: int) -> None:
    result = conclude(seen([STANDS], [RAISES], [STANDS]), duration_s=1.5, min_gesture_s=shortest)
    assert len(spans(result, "raised_hand")) == found


@pytest.mark.parametrize(("bridge_s", "found"), [(0.5, [(0.0, 2.5)]), (0.4, [(0.0, 1.0), (1.5, 2.5)])])
def test_a_short_gap_is_no_interruption(bridge_s: float, found: list[tuple[float, float]]) -> None:
    frames = [[RAISES]] * 2 + [[STANDS]] + [[RAISES]] * 2
    assert spans(conclude(seen(*frames), duration_s=2.5, bridge_s=bridge_s), "raised_hand") == found


@pytest.mark.parametrize(("count", "found"), [(2, 0), (3, 1)])
def test_a_posture_must_be_held(count: int, found: int) -> None:
    squats = joints(knees(0.1))
    frames = [[STANDS]] * 4 + [[squats]] * count + [[STANDS]] * 4
    result = conclude(seen(*frames), duration_s=STEP_S * len(frames), min_posture_s=1.5, bridge_s=0.4)
    assert len(spans(result, "sitting")) == found


def test_published_squats_are_squats_and_no_sitting() -> None:
    points = json.loads(media("truth/pose_squats.full.json").read_text())
    people = [blaze(frame) for frame in points]
    poses = pack_poses(
        [
            FramePoses(k / 5, np.array([around(p)], np.float32), np.ones(1, np.float32), p[None])
            for k, p in enumerate(people)
        ]
    )
    facts = VideoFacts(container="made", duration_s=len(people) / 5, width=720, height=1280)
    result = BodyPose(BodyPoseConfig(fps=5.0, min_posture_s=1.0)).conclude([poses], Context(facts))
    # Down and up by the height of the hips alone, half way between the highest and the lowest.
    hips = np.array([(p[11, 1] + p[12, 1]) / 2 for p in people])
    low = hips > (hips.min() + hips.max()) / 2
    squats = int(low[0]) + int((low[1:] & ~low[:-1]).sum())
    assert len(spans(result, "knees_bent")) == squats == 3
    assert spans(result, "sitting") == []
    assert len(spans(result, "standing")) == squats
    assert result.max_people == 1
    assert len(result.people) == 1


@pytest.mark.parametrize(("growth", "found"), [(1.24, []), (1.26, [(2.0, 3.0)])])
def test_leaning_in(growth: float, found: list[tuple[float, float]]) -> None:
    frames = [[STANDS]] * 4 + [[joints(scale=growth)]] * 2
    result = conclude(seen(*frames), duration_s=3.0)
    assert spans(result, "leaning_in") == found


@pytest.mark.parametrize(
    ("scale", "nearness"),
    [(0.99, "far"), (1.01, "medium"), (1.99, "medium"), (2.01, "close"), (3.99, "close"), (4.01, "very_close")],
)
def test_nearness(scale: float, nearness: str) -> None:
    # A trunk of 100 px in 400 px is 0.25.
    result = conclude(seen([joints(scale=scale)], [joints(scale=scale)]), duration_s=1.0)
    assert [(n.start_time, n.end_time, n.nearness) for n in result.nearness] == [(0.0, 1.0, nearness)]
    assert result.people[0].nearness == nearness
    assert result.people[0].size_ratio == pytest.approx(0.25 * scale, rel=1e-3)


def test_speed_is_in_trunks_per_second() -> None:
    frames = [[joints(hand_at("left", (60.0 + 10.0 * k, 30.0)), unseen=("right_wrist",))] for k in range(4)]
    (person,) = conclude(seen(*frames), duration_s=2.0).people
    assert person.hand_speed == pytest.approx(0.1 / STEP_S, rel=1e-3)
    assert person.body_speed == pytest.approx(0.0, abs=1e-6)


def test_two_people_keep_their_numbers_and_their_gestures() -> None:
    a, b = joints(at=(150.0, 100.0)), joints(hand_at("left", (60.0, -30.0)), at=(450.0, 100.0))
    frames = [[a, b], [b, a], [a, b], [b, a]]
    result = conclude(seen(*frames), duration_s=2.0)
    assert [p.track_id for p in result.people] == [0, 1]
    assert (result.max_people, result.mean_people) == (2, 2.0)
    (raised,) = [g for g in result.gestures if g.gesture == "raised_hand"]
    assert (raised.track_id, raised.start_time, raised.end_time) == (1, 0.0, 2.0)
    labels = [i.label for i in BodyPose(BodyPoseConfig()).timeline(result)]
    assert "raised hand (left) (person 1)" in labels


def test_no_track_goes_across_a_cut() -> None:
    results: dict[str, AnalyzerResult] = {"cut_analysis": cuts([0.0, 1.0, 2.0])}
    result = conclude(seen(*[[STANDS]] * 4), duration_s=2.0, results=results)
    assert [[(s.start_time, s.end_time) for s in p.spans] for p in result.people] == [[(0.0, 1.0)], [(1.0, 2.0)]]


def test_the_same_person_in_object_detection_is_named() -> None:
    boxes = [
        FrameDetections(
            k * STEP_S,
            np.array([[0, 0, 50, 50], around(STANDS)], np.float32),
            np.array([0.9, 0.8], np.float32),
            ("person", "person"),
        )
        for k in range(3)
    ]
    objects = ObjectDetection(ObjectDetectionConfig(fps=1 / STEP_S)).conclude(
        [pack_detections(boxes)], Context(facts(1.5))
    )
    (person,) = conclude(seen(*[[STANDS]] * 3), duration_s=1.5, results={"object_detection": objects}).people
    assert person.object_track_id == 1
    (alone,) = conclude(seen(*[[STANDS]] * 3), duration_s=1.5).people
    assert alone.object_track_id is None


def test_a_joint_that_is_nowhere_is_null_in_the_result() -> None:
    lost = joints()
    lost[5] = (np.nan, np.nan, 0.0)
    poses = FramePoses(0.0, np.array([[0, 0, 90, 90]], np.float32), np.ones(1, np.float32), lost[None])
    keypoint = conclude(pack_poses([poses]), duration_s=0.5).frames[0].people[0].keypoints[5]
    assert keypoint.model_dump() == {"name": "left_shoulder", "x": None, "y": None, "confidence": 0.0}


def test_the_result_does_not_depend_on_where_chunks_end() -> None:
    frames = [[STANDS]] * 3 + [[RAISES]] * 3
    whole = conclude(seen(*frames), duration_s=3.0)
    assert conclude(seen(*frames[:4]), seen(*frames[4:], first_s=2.0), duration_s=3.0) == whole


def test_headline_says_what_the_result_says() -> None:
    result = conclude(seen(*[[STANDS]] * 3, *[[RAISES]] * 3), duration_s=3.0)
    assert BodyPose(BodyPoseConfig()).headline(result) == (
        "People: up to 1 at once, main person medium, standing 1x, raised hand 1x."
    )
    nobody = conclude(seen([], []), duration_s=1.0)
    assert BodyPose(BodyPoseConfig()).headline(nobody) == "People: nobody in the sampled frames."
    assert (nobody.people, nobody.main_track_id, nobody.max_people) == ((), None, 0)


def test_nothing_sampled_is_no_result() -> None:
    with pytest.raises(NotApplicable):
        conclude(duration_s=1.0)
