"""Object detectors behind one interface: YOLOv8 and RT-DETR v2, both trained on COCO's 80 classes.

RT-DETR: Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", CVPR 2024, and arXiv:2407.17140 (v2), by
transformers. Classes: Lin et al., "Microsoft COCO", ECCV 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from analyzers.vision.yolo import YoloNet, YoloSettings
from media.types import Float32Array, UInt8Array

if TYPE_CHECKING:
    from analyzers.inference.device import Device
    from weights.store import Weights

COCO_SPELLING = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "sofa": "couch",
    "tvmonitor": "tv",
}
"""Names that some checkpoints give to COCO's classes, and COCO's own."""


@dataclass(frozen=True, eq=False)
class RawBoxes:
    """What a detector found in one frame, best first.

    Attributes:
        boxes: float32 (N, 4): left, top, right, bottom in px of that frame, inside it.
        scores: float32 (N,) in [0, 1].
        class_names: N names in COCO's spelling.
    """

    boxes: Float32Array
    scores: Float32Array
    class_names: tuple[str, ...]


class Detector(Protocol):
    """A loaded object detector."""

    def detect(self, frames: Sequence[UInt8Array], settings: YoloSettings) -> list[RawBoxes]:
        """Boxes of each frame. ``frames``: uint8 (H, W, 3) RGB, all of one size; one batch."""
        ...


def open_detector(weights: Weights, device: Device) -> Detector:
    """The detector that these weights are of.

    Raises:
        FileNotFoundError: The checkpoint is not where the manifest says.
        Unavailable: ``weights_broken``: it cannot be loaded.
    """
    if weights.pin.format == "torch":
        return YoloDetector(YoloNet(weights.path / weights.pin.required[0], "detect", device))
    return RtDetrDetector(weights, device)


class YoloDetector:
    """YOLOv8: letterboxed input, non-maximum suppression per class."""

    def __init__(self, net: YoloNet) -> None:
        self._net = net
        self._names = net.class_names

    def detect(self, frames: Sequence[UInt8Array], settings: YoloSettings) -> list[RawBoxes]:
        """See ``Detector``."""
        return [
            _raw(result.boxes.xyxy, result.boxes.conf, [self._names[int(c)] for c in result.boxes.cls], settings)
            for result in self._net.predict(frames, settings)
        ]


class RtDetrDetector:
    """RT-DETR v2: 300 queries, no suppression; the picture is stretched to the checkpoint's own input size."""

    def __init__(self, weights: Weights, device: Device) -> None:
        from transformers import AutoImageProcessor, AutoModelForObjectDetection

        from analyzers.inference.hub_models import load_pretrained, load_processor

        self._device = device
        self._processor: Any = load_processor(AutoImageProcessor, weights.path)
        # The convolutional backbone has no attention to choose; left alone, the transformer part takes SDPA itself.
        self._model: Any = load_pretrained(AutoModelForObjectDetection, weights.path, device, attn_implementation=None)
        self._names: dict[int, str] = self._model.config.id2label

    def detect(self, frames: Sequence[UInt8Array], settings: YoloSettings) -> list[RawBoxes]:
        """See ``Detector``; of the settings, ``min_score`` and ``max_boxes`` count."""
        import torch

        if not frames:
            return []
        # Copies: torch refuses to share arrays that are read-only, as those of the object store are.
        inputs = self._processor(images=[np.array(frame) for frame in frames], return_tensors="pt")
        with torch.inference_mode():
            outputs = self._model(inputs["pixel_values"].to(self._device.name, self._device.dtype))
            # Half precision has 1 px in 2048: scale the boxes in single.
            outputs.logits, outputs.pred_boxes = outputs.logits.float(), outputs.pred_boxes.float()
            found = self._processor.post_process_object_detection(
                outputs, threshold=settings.min_score, target_sizes=[frame.shape[:2] for frame in frames]
            )
        return [
            _raw(
                _inside(_array(f["boxes"]), frame),
                _array(f["scores"]),
                [self._names[int(label)] for label in f["labels"]],
                settings,
            )
            for f, frame in zip(found, frames, strict=True)
        ]


def _array(tensor: Any) -> Float32Array:
    return np.asarray(tensor.float().cpu().numpy(), np.float32)


def _inside(boxes: Float32Array, frame: UInt8Array) -> Float32Array:
    high, wide = frame.shape[:2]
    return np.clip(boxes, 0.0, np.array([wide, high, wide, high], np.float32))


def _raw(boxes: Float32Array, scores: Float32Array, names: Sequence[str], settings: YoloSettings) -> RawBoxes:
    """Best first, at most ``max_boxes``; boxes without an area are left out."""
    order = np.argsort(-scores, kind="stable")
    order = order[(boxes[order, 2] > boxes[order, 0]) & (boxes[order, 3] > boxes[order, 1])][: settings.max_boxes]
    return RawBoxes(
        np.asarray(boxes[order], np.float32),
        np.asarray(scores[order], np.float32),
        tuple(COCO_SPELLING.get(names[i], names[i]) for i in order),
    )
