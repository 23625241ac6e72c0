"""People: joints against the libraries themselves, through the real decoder; gestures of constructed skeletons."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzers.base import AnalysisFailed, AnalyzerResult, Context, NotApplicable, Unavailable
from analyzers.body_pose import BodyPose, BodyPoseConfig
from analyzers.object_detection import ObjectDetection, ObjectDetectionConfig
from analyzers.results.detections import FrameDetections, pack_detections
from analyzers.results.poses import FramePoses, Poses, pack_poses
from analyzers.runtime import Runtime
from analyzers.vision.gestures import RULES, gestures_of
from analyzers.vision.pose_net import RawPoses, VitPose, YoloPose, usable
from analyzers.vision.skeleton import JOINTS, Skeleton
from deployments.settings import GraphArgs
from media.types import Float32Array, FrameChunk, UInt8Array
from ops.local import LocalRunner
from schema.document import VideoFacts
from tests.made_people import BLAZE_TO_COCO, STANDING, TORSO, WIDE, arm, hand_at, joints
from tests.media_folder import media
from tests.model_runs import HOST, chunk_of, cuts, decoded_chunks, modules_after
from tests.tiny_weights import TinyWeights
from tests.upright_clip import ORIENTATIONS, patches, upright_pictures, write_clip

CONFIG = BodyPoseConfig()

SAME_PX = 0.1
"""The same network on the same pixels, in batches of other sizes."""
NEAR_PX = 10.0
"""Median way between a random network's joints where pixels differ by rounding; the picture is 320 px long."""


def make(runtime: Runtime, **config: Any) -> BodyPose:
    analyzer = BodyPose(BodyPoseConfig.model_validate({"model": "yolov8n-pose", **config}))
    analyzer.runtime = runtime
    analyzer.load()
    return analyzer


@pytest.fixture(scope="module")
def yolo(tiny_weights: TinyWeights) -> BodyPose:
    return make(tiny_weights.runtime("yolov8n-pose"), max_people=50)


@pytest.fixture(scope="module")
def vitpose(tiny_weights: TinyWeights) -> BodyPose:
    return make(tiny_weights.runtime("vitpose-base", licence_policy="permissive"))


# ------------------------------------------------------------------------------------ against the libraries themselves


@pytest.fixture(scope="module")
def library(tiny_weights: TinyWeights) -> Any:
    """Ultralytics' own way: ``YOLO(file).predict(pictures)``."""
    from analyzers.vision.yolo import import_ultralytics

    model = import_ultralytics().YOLO(str(tiny_weights.path("yolov8n-pose") / "yolov8n-pose.pt"))

    def predict(pictures: Sequence[UInt8Array]) -> list[Any]:
        bgr = [np.ascontiguousarray(p[..., ::-1]) for p in pictures]
        return [r.cpu().numpy() for r in model.predict(bgr, imgsz=640, conf=0.25, max_det=50, device="cpu")]

    return predict


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_joints_are_ultralytics_own_through_the_real_decoder(
    yolo: BodyPose, library: Any, tmp_path: Path, orientation: str
) -> None:
    path = write_clip(tmp_path, orientation)
    found = [frame for o in yolo.observe(decoded_chunks(path)) for frame in o.frames()]
    ways, mirrored = [], []
    pictures = upright_pictures(path)
    for mine, theirs, picture in zip(found, library(pictures), pictures, strict=True):
        clear = theirs.boxes.conf >= 0.27
        for expected in theirs.keypoints.data[clear][..., :2]:
            turned = np.stack([picture.shape[1] - expected[:, 0], expected[:, 1]], axis=1)
            # Suppression may keep a neighbour of the box: whoever has nearly these joints counts.
            ways.append(min(np.median(np.hypot(*(j[:, :2] - expected).T)) for j in mine.joints))
            mirrored.append(min(np.median(np.hypot(*(j[:, :2] - turned).T)) for j in mine.joints))
    assert len(ways) >= 3
    assert np.median(ways) <= NEAR_PX
    assert np.median(mirrored) >= 2 * NEAR_PX


def test_the_same_pixels_give_the_same_joints(yolo: BodyPose, library: Any) -> None:
    frames = patches(3, 192, 320)
    (observed,) = yolo.observe([chunk_of(frames)])
    for mine, theirs in zip(observed.frames(), library(frames), strict=True):
        assert len(mine) == len(theirs.boxes) > 0
        assert np.abs(mine.boxes - theirs.boxes.xyxy).max() <= SAME_PX
        assert np.abs(mine.joints - theirs.keypoints.data).max() <= SAME_PX


def test_joints_of_a_scaled_rendition_are_in_pixels_of_the_source(yolo: BodyPose) -> None:
    frames = patches(1, 192, 320)
    (plain,) = yolo.observe([chunk_of(frames)])
    (scaled,) = yolo.observe([chunk_of(frames, source=(576, 640))])
    assert np.abs(scaled.joints - plain.joints * np.array([3.0, 2.0, 1.0], np.float32)).max() <= 3 * SAME_PX
    assert np.abs(scaled.boxes - plain.boxes * np.array([3.0, 2.0, 3.0, 2.0], np.float32)).max() <= 3 * SAME_PX


def person_chunks(chunks: Sequence[FrameChunk], boxes: Sequence[Sequence[float]]) -> list[FrameChunk]:
    """The same chunks with these people, and a dog, in every frame, as ``object_detection`` would hand them on."""
    names = (*["person"] * len(boxes), "dog")
    every = np.array([*boxes, [0.0, 0.0, 50.0, 50.0]], np.float32)
    scores = np.linspace(0.9, 0.5, len(every), dtype=np.float32)
    return [
        dataclasses.replace(
            chunk,
            upstream={
                "object_detection": pack_detections(
                    [FrameDetections(float(t), every, scores, names) for t in chunk.batch.own_pts_s]
                )
            },
        )
        for chunk in chunks
    ]


def library_joints(folder: Path, picture: UInt8Array, boxes: Sequence[Sequence[float]]) -> list[Any]:
    """As ViTPose's documentation does it."""
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, VitPoseForPoseEstimation

    processor = AutoImageProcessor.from_pretrained(folder)
    model = VitPoseForPoseEstimation.from_pretrained(folder)
    coco = [[[b[0], b[1], b[2] - b[0], b[3] - b[1]] for b in boxes]]
    inputs = processor(Image.fromarray(picture), boxes=coco, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    return [p["keypoints"].numpy() for p in processor.post_process_pose_estimation(outputs, boxes=coco)[0]]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_joints_in_given_boxes_are_transformers_own_through_the_real_decoder(
    vitpose: BodyPose, tiny_weights: TinyWeights, tmp_path: Path, orientation: str
) -> None:
    path = write_clip(tmp_path, orientation, 640, 384)
    boxes = [[30.0, 40.0, 330.0, 370.0], [100.0, 10.0, 250.0, 380.0]]
    # The pictures reach the network at half their size, boxes and joints are those of the source.
    (observed,) = vitpose.observe(person_chunks(decoded_chunks(path, 192), boxes))
    assert observed.counts.tolist() == [2, 2, 2]
    ways = []
    for mine, picture in zip(observed.frames(), upright_pictures(path), strict=True):
        assert mine.boxes.tolist() == boxes
        for own, theirs in zip(
            mine.joints, library_joints(tiny_weights.path("vitpose-base"), picture, boxes), strict=True
        ):
            ways += np.hypot(*(own[:, :2] - theirs).T).tolist()
    # A heat map has 48 x 64 places; scaling moves a random peak to a neighbour now and then.
    assert np.median(ways) <= 4.0


def test_the_same_pixels_give_the_same_joints_in_given_boxes(vitpose: BodyPose, tiny_weights: TinyWeights) -> None:
    (frame,) = patches(1, 192, 320)
    boxes = [[20.0, 30.0, 120.0, 300.0], [0.0, 0.0, 190.0, 320.0]]
    (observed,) = vitpose.observe(person_chunks([chunk_of([frame])], boxes))
    expected = np.stack(library_joints(tiny_weights.path("vitpose-base"), frame, boxes))
    assert np.abs(observed.joints[..., :2] - expected).max() <= SAME_PX


def test_half_precision_gives_nearly_the_same_joints(vitpose: BodyPose, tiny_weights: TinyWeights) -> None:
    """A GPU computes in float16; here the CPU does, so that a mixed-up format or a lost scale shows."""
    import torch

    from analyzers.inference.device import Device
    from weights.store import resolve

    weights = resolve("vitpose-base", tiny_weights.runtime("vitpose-base"))
    people = [(frame, np.array([10.0, 10.0, 150.0, 300.0], np.float32)) for frame in patches(2, 192, 320)]
    assert isinstance(vitpose.net, VitPose)
    half = VitPose(weights, Device("cpu", torch.float16)).joints(people)
    for single, own in zip(vitpose.net.joints(people), half, strict=True):
        assert np.median(np.hypot(*(single - own)[:, :2].T)) <= 1.0


# ----------------------------------------------------------------------------------------------------------- observing


def test_chunks_in_one_batch_give_what_each_gives_alone(yolo: BodyPose, vitpose: BodyPose) -> None:
    chunks = [chunk_of(patches(2, 192, 320, 1)), chunk_of(patches(1, 320, 192, 3)), chunk_of(patches(2, 192, 320, 2))]
    for analyzer, given in ((yolo, chunks), (vitpose, person_chunks(chunks, [[10.0, 10.0, 150.0, 180.0]]))):
        for batched, chunk in zip(analyzer.observe(given), given, strict=True):
            (alone,) = analyzer.observe([chunk])
            assert batched.counts.tolist() == alone.counts.tolist()
            assert np.abs(batched.joints - alone.joints).max() <= SAME_PX


def test_frames_without_people_and_frames_not_sampled_upstream(vitpose: BodyPose) -> None:
    chunk = chunk_of(patches(3, 192, 320))
    nobody = FrameDetections(1 / 3, np.zeros((0, 4), np.float32), np.zeros(0, np.float32), ())
    somebody = FrameDetections(2 / 3, np.array([[0, 0, 90, 90]], np.float32), np.ones(1, np.float32), ("person",))
    given = dataclasses.replace(chunk, upstream={"object_detection": pack_detections([nobody, somebody])})
    (observed,) = vitpose.observe([given])
    assert observed.pts_s.tolist() == pytest.approx([1 / 3, 2 / 3])
    assert observed.counts.tolist() == [0, 1]
    assert not observed.boxes_missing


def test_without_person_boxes_the_section_is_unavailable_and_says_why(vitpose: BodyPose) -> None:
    observed = vitpose.observe([chunk_of(patches(1, 192, 320))])
    assert observed[0].boxes_missing
    context = Context(facts(1.0), missing={"object_detection": "unavailable: rtdetr-v2-r50 is not there"})
    with pytest.raises(Unavailable) as caught:
        vitpose.conclude(observed, context)
    assert caught.value.code == "no_person_boxes"
    assert "rtdetr-v2-r50 is not there" in caught.value.reason


def test_an_observation_pickles_and_is_small(yolo: BodyPose) -> None:
    full = FramePoses(0.0, np.ones((12, 4), np.float32), np.ones(12, np.float32), np.ones((12, 17, 3), np.float32))
    assert len(pickle.dumps(pack_poses([full] * 6))) < 20_000
    (observed,) = yolo.observe([chunk_of(patches(1, 192, 320))])
    again: Poses = pickle.loads(pickle.dumps(observed))
    assert np.array_equal(again.joints, observed.joints, equal_nan=True)


class _Full(YoloPose):
    """A network on a card that holds ``most`` pictures at once."""

    def __init__(self, most: int) -> None:
        self.most = most

    def people(self, frames: Sequence[UInt8Array], settings: Any) -> list[RawPoses]:
        import torch

        if len(frames) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory (made by the test)")
        ones = np.ones(1, np.float32)
        return [RawPoses(np.array([[0, 0, f.mean(), 9]], np.float32), ones, joints()[None]) for f in frames]


def test_out_of_memory_halves_the_batch_and_one_picture_fails_by_name() -> None:
    analyzer = BodyPose(BodyPoseConfig())
    analyzer.net = _Full(2)
    (observed,) = analyzer.observe([chunk_of([np.full((64, 64, 3), 10 * k, np.uint8) for k in range(1, 6)])])
    assert observed.boxes[:, 2].tolist() == [10, 20, 30, 40, 50]
    analyzer.net = _Full(0)
    with pytest.raises(AnalysisFailed) as caught:
        analyzer.observe([chunk_of(patches(1, 64, 64))])
    assert (caught.value.code, caught.value.retry_possible) == ("gpu_out_of_memory", True)


def test_missing_weights_say_what_to_pull_and_nothing_is_imported(tmp_path: Path) -> None:
    for policy, name in (("any", "yolov8x-pose"), ("permissive", "vitpose-base")):
        analyzer = BodyPose(BodyPoseConfig())
        analyzer.runtime = Runtime(weights_path=tmp_path, licence_policy=policy)  # type: ignore[arg-type]
        with pytest.raises(Unavailable) as caught:
            analyzer.load()
        assert (caught.value.code, caught.value.remedy) == ("weights_missing", f"tiktok-analyzer models pull {name}")
    code = HOST.format(name="body_pose", config={}, folder=str(tmp_path), policy="any", state="unavailable")
    assert modules_after(code) == []


def test_the_provenance_names_what_is_loaded(yolo: BodyPose, vitpose: BodyPose) -> None:
    assert yolo.loaded_models()[0].startswith("yolov8n-pose@")
    assert vitpose.loaded_models()[0].startswith("usyd-community/vitpose-base-simple@")
    vitpose.warm_up()


def test_a_joint_that_is_nowhere_has_no_place_and_no_confidence() -> None:
    raw = joints()[None].copy()
    raw[0, 3] = (np.inf, 5.0, 1.4)
    raw[0, 4, 2] = 1.4
    held = usable(raw)
    assert np.isnan(held[0, 3, :2]).all()
    assert held[0, 3:5, 2].tolist() == [0.0, 1.0]


# ------------------------------------------------------------------------------------------------------------ gestures


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


def knees(drop: float) -> dict[str, tuple[float, float]]:
    """Knees this many thighs below the hips, nearer to the camera, with shins hanging."""
    y = TORSO + drop * TORSO * 0.245 / 0.288
    sides = (("left", SHOULDER), ("right", -SHOULDER))
    return {f"{s}_{j}": (x, y + (0.0 if j == "knee" else 80.0)) for s, x in sides for j in ("knee", "ankle")}


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


def blaze(points: Any) -> Float32Array:
    """COCO's 17 of BlazePose's 33 published points, all seen."""
    chosen = np.asarray(points, np.float32)[list(BLAZE_TO_COCO), :2]
    return np.concatenate([chosen, np.ones((17, 1), np.float32)], axis=1)


def test_a_published_yoga_pose() -> None:
    (entry,) = [e for e in json.loads(media("MANIFEST.json").read_text()) if e["file"] == "tfjs/pose.jpg"]
    found = names(blaze(entry["truth"]["published"]["blazepose33_xy"]))
    # A lunge with level arms.
    assert found == {"arms_spread", "knees_bent"}


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
    settings = CONFIG.gesture_settings()
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
    said = {rule.name: rule.said(CONFIG.gesture_settings()) for rule in RULES}
    assert len(said) == len(RULES)
    assert said["raised_hand"] == "wrist at least 0.15 trunks above its shoulder, not both arms up"
    assert not [text for text in said.values() if "{" in text]


# ---------------------------------------------------------------------------------------------------------- concluding

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
    labels = [i.label for i in BodyPose(CONFIG).timeline(result)]
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
    assert BodyPose(CONFIG).headline(result) == (
        "People: up to 1 at once, main person medium, standing 1x, raised hand 1x."
    )
    nobody = conclude(seen([], []), duration_s=1.0)
    assert BodyPose(CONFIG).headline(nobody) == "People: nobody in the sampled frames."
    assert (nobody.people, nobody.main_track_id, nobody.max_people) == ((), None, 0)


def test_nothing_sampled_is_no_result() -> None:
    with pytest.raises(NotApplicable):
        conclude(duration_s=1.0)


@pytest.mark.slow
def test_under_a_permissive_policy_detection_hands_its_people_on(tiny_weights: TinyWeights, tmp_path: Path) -> None:
    """Through the local runner: plan, decode, object_detection's boxes of each chunk into ViTPose, same numbers."""
    for pin in ("rtdetr-v2-r18", "vitpose-base"):
        tiny_weights.path(pin)
    settings = GraphArgs(
        analyzers=("object_detection", "body_pose"),
        weights_dir=str(tiny_weights.folder),
        licence_policy="permissive",
        chunk_s=0.5,
    )
    configs = {"object_detection": {"model": "yolov8n"}, "body_pose": {"model": "yolov8n-pose"}}
    document = LocalRunner(settings, configs).analyze(write_clip(tmp_path, "rotated", still=True), ["body_pose"])
    assert {name: section.status for name, section in document.sections.items()} == {
        "object_detection": "ok",
        "body_pose": "ok",
    }
    objects, poses = (document.section(n).result or {} for n in ("object_detection", "body_pose"))
    for theirs, own in zip(objects["frames"], poses["frames"], strict=True):
        people = [o for o in theirs["objects"] if o["object_class"] == "person"][: CONFIG.max_people]
        assert len(people) > 0
        assert [p["bounding_box"] for p in own["people"]] == [o["bounding_box"] for o in people]
    assert {p["object_track_id"] for p in poses["people"]} <= {i["track_id"] for i in objects["instances"]}
    assert any(p["object_track_id"] is not None for p in poses["people"])
