"""People: joints against the libraries themselves, through the real decoder; loading, batches, boxes handed on."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzers.base import AnalysisFailed, Context, Unavailable
from analyzers.body_pose import BodyPose, BodyPoseConfig
from analyzers.results.detections import FrameDetections, pack_detections
from analyzers.results.poses import FramePoses, Poses, pack_poses
from analyzers.runtime import Runtime
from analyzers.vision.pose_net import RawPoses, VitPose, YoloPose, usable
from deployments.settings import GraphArgs
from media.types import FrameChunk, UInt8Array
from ops.local import LocalRunner
from schema.document import VideoFacts
from tests.made_people import joints
from tests.model_runs import HOST, chunk_of, decoded_chunks, modules_after
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
    facts = VideoFacts(container="made", duration_s=1.0)
    context = Context(facts, missing={"object_detection": "unavailable: rtdetr-v2-r50 is not there"})
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
