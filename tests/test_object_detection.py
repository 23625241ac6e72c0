"""Objects: boxes against the libraries themselves, through the real decoder; loading, batches, safe checkpoints."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzers.base import AnalysisFailed, Unavailable
from analyzers.host import AnalyzerHost
from analyzers.object_detection import ObjectDetection, ObjectDetectionConfig
from analyzers.results.detections import Detections, FrameDetections, pack_detections
from analyzers.runtime import Runtime
from analyzers.vision.detector import COCO_SPELLING, RawBoxes
from deployments.ingress_answers import analyzer_rows
from media.types import UInt8Array
from tests.model_runs import HEAVY_HERE, HOST, chunk_of, decoded_chunks, modules_after, overlap
from tests.tiny_weights import TinyWeights, label_of
from tests.upright_clip import ORIENTATIONS, patches, upright_pictures, write_clip
from weights.manifest import pin
from weights.record import record_folder

SAME_PX = 0.05
"""Boxes of the same network on the same pixels: batches of other sizes are summed in another order."""

CELL_PX = 5.0
"""RT-DETR keeps the 50 best places of a grid of 4.8 px; where pixels differ by rounding, a random network keeps a
neighbour instead. The pipeline cuts its boxes to whole pixels besides."""

CLEAR = 0.3
"""Score from which a box cannot fall below the threshold of 0.25 by rounding."""

ALIKE = 0.7
"""Intersection over union from which suppression itself takes two boxes for one: it may keep the other of two."""

FOUND_SHARE = 0.9
"""Of the clear boxes; pixels that differ by rounding change the class or the keeping of a few of a random network."""


def make(runtime: Runtime, **config: Any) -> ObjectDetection:
    analyzer = ObjectDetection(ObjectDetectionConfig.model_validate({"model": "yolov8n", **config}))
    analyzer.runtime = runtime
    analyzer.load()
    return analyzer


@pytest.fixture(scope="module")
def yolo(tiny_weights: TinyWeights) -> ObjectDetection:
    return make(tiny_weights.runtime("yolov8n"))


@pytest.fixture(scope="module")
def rt_detr(tiny_weights: TinyWeights) -> ObjectDetection:
    return make(tiny_weights.runtime("rtdetr-v2-r18", licence_policy="permissive"))


def agree(found: FrameDetections, width_px: int, boxes: Any, names: Sequence[str], scores: Any) -> None:
    """The clear boxes that were expected were found, nearly to the pixel; those of a mirrored picture were not."""
    same = np.array([[a == b for b in names] for a in found.class_names])[:, scores >= CLEAR]
    clear = boxes[scores >= CLEAR]
    best = (overlap(found.boxes, clear) * same).max(axis=0)
    assert len(best) >= 2
    assert (best >= ALIKE).mean() >= FOUND_SHARE
    assert np.median(best) >= 0.95
    mirrored = np.stack([width_px - clear[:, 2], clear[:, 1], width_px - clear[:, 0], clear[:, 3]], axis=1)
    assert ((overlap(found.boxes, mirrored) * same).max(axis=0) >= ALIKE).mean() <= 0.5


# ------------------------------------------------------------------------------------------ against the library itself


@pytest.fixture(scope="module")
def library(tiny_weights: TinyWeights) -> Any:
    """Ultralytics' own way: ``YOLO(file).predict(pictures)``."""
    from analyzers.vision.yolo import import_ultralytics

    model = import_ultralytics().YOLO(str(tiny_weights.path("yolov8n") / "yolov8n.pt"))

    def predict(pictures: Sequence[UInt8Array]) -> list[Any]:
        bgr = [np.ascontiguousarray(p[..., ::-1]) for p in pictures]
        return [r.cpu().numpy().boxes for r in model.predict(bgr, imgsz=640, conf=0.25, max_det=100, device="cpu")]

    return predict


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_boxes_are_ultralytics_own_through_the_real_decoder(
    yolo: ObjectDetection, library: Any, tmp_path: Path, orientation: str
) -> None:
    path = write_clip(tmp_path, orientation)
    found = [frame for o in yolo.observe(decoded_chunks(path)) for frame in o.frames()]
    pictures = upright_pictures(path)
    names: Any = yolo.detector._names  # type: ignore[union-attr]
    assert len(found) == len(pictures) == 3
    for mine, theirs, picture in zip(found, library(pictures), pictures, strict=True):
        agree(mine, picture.shape[1], theirs.xyxy, [names[int(c)] for c in theirs.cls], theirs.conf)


def test_boxes_of_a_scaled_rendition_are_in_pixels_of_the_source(
    yolo: ObjectDetection, library: Any, tmp_path: Path
) -> None:
    path = write_clip(tmp_path, "rotated", 640, 384)
    found = [frame for o in yolo.observe(decoded_chunks(path, 192)) for frame in o.frames()]
    names: Any = yolo.detector._names  # type: ignore[union-attr]
    for mine, theirs in zip(found, library(upright_pictures(path)), strict=True):
        agree(mine, 384, theirs.xyxy, [names[int(c)] for c in theirs.cls], theirs.conf)
        assert theirs.xyxy[:, 3].max() > 400  # the source is 640 px high, the rendition 320


def test_the_same_pixels_give_the_same_boxes(yolo: ObjectDetection, library: Any) -> None:
    frames = patches(3, 192, 320)
    found = list(yolo.observe([chunk_of(frames)])[0].frames())
    for mine, theirs in zip(found, library(frames), strict=True):
        assert len(mine) == len(theirs) > 0
        assert np.abs(mine.boxes - theirs.xyxy).max() <= SAME_PX
        assert mine.scores == pytest.approx(theirs.conf, abs=1e-4)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_boxes_are_transformers_own_through_the_real_decoder(
    rt_detr: ObjectDetection, tiny_weights: TinyWeights, tmp_path: Path, orientation: str
) -> None:
    from PIL import Image
    from transformers import pipeline

    path = write_clip(tmp_path, orientation)
    found = [frame for o in rt_detr.observe(decoded_chunks(path)) for frame in o.frames()]
    reference = pipeline("object-detection", model=str(tiny_weights.path("rtdetr-v2-r18")), device="cpu")
    pictures = upright_pictures(path)
    theirs = reference([Image.fromarray(p) for p in pictures], threshold=0.25)
    for mine, expected, picture in zip(found, theirs, pictures, strict=True):
        boxes = np.array([[e["box"][k] for k in ("xmin", "ymin", "xmax", "ymax")] for e in expected], float)
        names = [COCO_SPELLING.get(e["label"], e["label"]) for e in expected]
        order = np.argsort([-e["score"] for e in expected])[:10]
        away = np.abs(mine.boxes[:, None] - boxes[None, order]).max(axis=2).min(axis=0)
        assert (away <= CELL_PX).mean() >= 0.8
        mirrored = picture.shape[1] - boxes[order][:, [2, 1, 0, 3]]
        mirrored[:, [1, 3]] = boxes[order][:, [1, 3]]
        assert (np.abs(mine.boxes[:, None] - mirrored[None]).max(axis=2).min(axis=0) <= CELL_PX).mean() <= 0.5
        assert set(mine.class_names[:5]) & {names[i] for i in order}


def test_the_same_pixels_give_transformers_own_boxes(rt_detr: ObjectDetection, tiny_weights: TinyWeights) -> None:
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModelForObjectDetection

    folder = tiny_weights.path("rtdetr-v2-r18")
    processor = AutoImageProcessor.from_pretrained(folder)
    model = AutoModelForObjectDetection.from_pretrained(folder)
    (frame,) = patches(1, 192, 320)
    with torch.no_grad():
        outputs = model(**processor(images=Image.fromarray(frame), return_tensors="pt"))
    (theirs,) = processor.post_process_object_detection(outputs, threshold=0.25, target_sizes=[(320, 192)])
    (mine,) = rt_detr.observe([chunk_of([frame])])[0].frames()
    boxes = np.clip(theirs["boxes"].numpy(), 0.0, [192.0, 320.0, 192.0, 320.0])
    order = np.argsort(-theirs["scores"].numpy(), kind="stable")
    assert len(mine) == len(order) >= 5
    assert mine.scores == pytest.approx(theirs["scores"].numpy()[order], abs=1e-4)
    assert np.abs(mine.boxes - boxes[order]).max() <= SAME_PX
    names = [model.config.id2label[int(n)] for n in theirs["labels"][torch.from_numpy(order.copy())]]
    assert list(mine.class_names) == [COCO_SPELLING.get(name, name) for name in names]
    assert "person" in mine.class_names


def test_half_precision_gives_nearly_the_same_boxes(rt_detr: ObjectDetection, tiny_weights: TinyWeights) -> None:
    """A GPU computes in float16; here the CPU does, so that a mixed-up format or a lost scale shows."""
    import torch

    from analyzers.inference.device import Device
    from analyzers.vision.detector import open_detector
    from weights.store import resolve

    weights = resolve("rtdetr-v2-r18", tiny_weights.runtime("rtdetr-v2-r18"))
    half = open_detector(weights, Device("cpu", torch.float16))
    frames = patches(2, 192, 320)
    settings = rt_detr.config.yolo_settings()
    for single, own in zip(rt_detr.detector.detect(frames, settings), half.detect(frames, settings), strict=True):  # type: ignore[union-attr]
        clear = single.boxes[single.scores >= CLEAR]
        assert np.median(overlap(own.boxes, clear).max(axis=0)) >= 0.9


# ----------------------------------------------------------------------------------------------------------- observing


def test_chunks_in_one_batch_give_what_each_gives_alone(yolo: ObjectDetection) -> None:
    one, two, other = patches(2, 192, 320, 1), patches(3, 192, 320, 2), patches(1, 320, 192, 3)
    chunks = [chunk_of(one), chunk_of(other), chunk_of(two)]
    together = yolo.observe(chunks)
    for batched, chunk in zip(together, chunks, strict=True):
        (alone,) = yolo.observe([chunk])
        assert batched.counts.tolist() == alone.counts.tolist()
        assert np.abs(batched.boxes - alone.boxes).max() <= SAME_PX


def test_only_own_frames_count(yolo: ObjectDetection) -> None:
    frames = patches(3, 192, 320)
    (all_own,) = yolo.observe([chunk_of(frames)])
    (later,) = yolo.observe([chunk_of(frames, carried=1)])
    assert later.pts_s.tolist() == all_own.pts_s[1:].tolist()
    assert later.counts.tolist() == all_own.counts[1:].tolist()


def test_an_observation_pickles_and_is_small(yolo: ObjectDetection) -> None:
    # Six frames with as many boxes as there may be.
    full = FrameDetections(0.0, np.ones((100, 4), np.float32), np.ones(100, np.float32), ("potted plant",) * 100)
    assert len(pickle.dumps(pack_detections([full] * 6))) < 30_000
    (observed,) = yolo.observe([chunk_of(patches(1, 192, 320))])
    again: Detections = pickle.loads(pickle.dumps(observed))
    assert [f.class_names for f in again.frames()] == [f.class_names for f in observed.frames()]
    assert np.array_equal(again.boxes, observed.boxes)


class _Full:
    """A detector on a card that holds ``most`` frames at once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.sizes: list[int] = []

    def detect(self, frames: Sequence[UInt8Array], settings: Any) -> list[RawBoxes]:
        import torch

        self.sizes.append(len(frames))
        if len(frames) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory (made by the test)")
        return [RawBoxes(np.array([[0, 0, f.mean(), 9]], np.float32), np.ones(1, np.float32), ("cup",)) for f in frames]


def test_out_of_memory_halves_the_batch_and_keeps_the_order() -> None:
    analyzer = ObjectDetection(ObjectDetectionConfig())
    analyzer.detector = detector = _Full(2)
    frames = [np.full((64, 64, 3), 10 * k, np.uint8) for k in range(1, 6)]
    (observed,) = analyzer.observe([chunk_of(frames)])
    assert observed.boxes[:, 2].tolist() == [10, 20, 30, 40, 50]
    assert detector.sizes == [5, 3, 2, 1, 2]


def test_one_frame_that_does_not_fit_fails_by_name_and_may_be_tried_again() -> None:
    analyzer = ObjectDetection(ObjectDetectionConfig())
    analyzer.detector = _Full(0)
    with pytest.raises(AnalysisFailed) as caught:
        analyzer.observe([chunk_of(patches(1, 64, 64))])
    assert (caught.value.code, caught.value.retry_possible) == ("gpu_out_of_memory", True)
    analyzer.detector = _Full(9)
    assert analyzer.observe([chunk_of(patches(1, 64, 64))])[0].counts.tolist() == [1]


# ------------------------------------------------------------------------------------------------------------- loading


def test_missing_weights_say_what_to_pull(tmp_path: Path) -> None:
    for policy, name in (("any", "yolov8x"), ("permissive", "rtdetr-v2-r50")):
        analyzer = ObjectDetection(ObjectDetectionConfig())
        analyzer.runtime = Runtime(weights_path=tmp_path, licence_policy=policy)  # type: ignore[arg-type]
        with pytest.raises(Unavailable) as caught:
            analyzer.load()
        assert (caught.value.code, caught.value.remedy) == ("weights_missing", f"tiktok-analyzer models pull {name}")
        assert analyzer.loaded_models() == ()


def test_a_replica_without_weights_imports_no_model_library(tmp_path: Path) -> None:
    code = HOST.format(name="object_detection", config={}, folder=str(tmp_path), policy="any", state="unavailable")
    assert modules_after(code) == []


@pytest.mark.slow
def test_under_a_permissive_policy_ultralytics_is_not_imported(tiny_weights: TinyWeights) -> None:
    folder = tiny_weights.path("rtdetr-v2-r18").parent
    code = HOST.format(
        name="object_detection", config={"model": "yolov8n"}, folder=str(folder), policy="permissive", state="ready"
    )
    assert set(modules_after(code)) == set(HEAVY_HERE) - {"ultralytics"}


def test_the_provenance_names_what_is_loaded(yolo: ObjectDetection, rt_detr: ObjectDetection) -> None:
    assert yolo.loaded_models()[0].startswith("yolov8n@")
    assert rt_detr.loaded_models()[0].startswith("PekingU/rtdetr_v2_r18vd@")


def test_classes_are_spelled_alike_under_both_policies(rt_detr: ObjectDetection) -> None:
    detector: Any = rt_detr.detector
    assert {detector._names[k] for k in (3, 57)} == {"motorbike", "sofa"}
    detector._names = dict.fromkeys(range(80), "motorbike")
    try:
        (observed,) = rt_detr.observe([chunk_of(patches(1, 192, 320))])
    finally:
        detector._names = detector._model.config.id2label
    assert observed.names == ("motorcycle",)


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    import torch

    from analyzers.inference.device import Device
    from analyzers.vision.yolo import YoloNet

    marker = tmp_path / "was here"

    class Code:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (marker,))

    torch.save({"model": Code(), "ema": None}, tmp_path / "evil.pt")
    with pytest.raises(Unavailable) as caught:
        YoloNet(tmp_path / "evil.pt", "detect", Device("cpu", torch.float32))
    assert not marker.exists()
    assert (caught.value.code, caught.value.remedy) == (
        "weights_broken",
        f"tiktok-analyzer models verify {tmp_path.name}",
    )


def test_a_checkpoint_of_another_task_and_a_missing_one_are_refused(tiny_weights: TinyWeights, tmp_path: Path) -> None:
    import torch

    from analyzers.inference.device import Device
    from analyzers.vision.yolo import YoloNet

    device = Device("cpu", torch.float32)
    with pytest.raises(FileNotFoundError, match=r"yolov8m\.pt"):  # a name that the library would download
        YoloNet(tmp_path / "yolov8m.pt", "detect", device)
    with pytest.raises(Unavailable, match="'detect', not for 'pose'"):
        YoloNet(tiny_weights.path("yolov8n") / "yolov8n.pt", "pose", device)


def test_the_list_of_analyzers_names_what_the_licence_policy_loaded(tiny_weights: TinyWeights) -> None:
    runtime = tiny_weights.runtime("rtdetr-v2-r18", licence_policy="permissive")
    told = AnalyzerHost("object_detection", {"model": "yolov8n"}, runtime).describe()
    (row,) = analyzer_rows({"object_detection": told})
    assert row.config["model"] == "yolov8n"
    assert row.loaded_models == (label_of("rtdetr-v2-r18", "PekingU/rtdetr_v2_r18vd"),)


def test_a_broken_checkpoint_leaves_the_replica_up(tiny_weights: TinyWeights, tmp_path: Path) -> None:
    whole = (tiny_weights.path("yolov8n") / "yolov8n.pt").read_bytes()
    (tmp_path / "yolov8n").mkdir()
    for content in (whole[: len(whole) // 2], b"junk"):
        (tmp_path / "yolov8n" / "yolov8n.pt").write_bytes(content)
        record_folder(tmp_path / "yolov8n", pin("yolov8n"), pin("yolov8n").revision or "", "made by tests")
        told = AnalyzerHost("object_detection", {"model": "yolov8n"}, Runtime(weights_path=tmp_path)).describe()
        assert (told.state, told.code) == ("unavailable", "weights_broken")
