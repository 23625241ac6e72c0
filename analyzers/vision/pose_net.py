"""Pose networks: YOLOv8-pose, which finds people itself, and ViTPose, which is given their boxes.

ViTPose: Xu et al., NeurIPS 2022, by transformers. Both give COCO's 17 joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.vision.yolo import YoloNet, YoloSettings
from media.types import Float32Array, UInt8Array

if TYPE_CHECKING:
    from analyzers.inference.device import Device
    from weights.store import Weights

JOINT_COUNT = 17


@dataclass(frozen=True, eq=False)
class RawPoses:
    """The people of one frame.

    Attributes:
        boxes: float32 (N, 4): left, top, right, bottom in px of that frame.
        scores: float32 (N,) in [0, 1].
        joints: float32 (N, 17, 3): x, y in px of that frame and confidence in [0, 1]; NaN and 0 where the network
            could not place a joint.
    """

    boxes: Float32Array
    scores: Float32Array
    joints: Float32Array


def nobody() -> RawPoses:
    """A frame without people."""
    return RawPoses(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, JOINT_COUNT, 3), np.float32))


class YoloPose:
    """YOLOv8-pose."""

    def __init__(self, weights: Weights, device: Device) -> None:
        self._net = YoloNet(weights.path / weights.pin.required[0], "pose", device)

    def people(self, frames: Sequence[UInt8Array], settings: YoloSettings) -> list[RawPoses]:
        """Everybody in each frame, best first. ``frames``: uint8 (H, W, 3) RGB, all of one size; one batch."""
        found = []
        for result in self._net.predict(frames, settings):
            order = np.argsort(-result.boxes.conf, kind="stable")
            boxes = np.asarray(result.boxes.xyxy[order], np.float32)
            whole = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
            joints = np.asarray(result.keypoints.data, np.float32).reshape(-1, JOINT_COUNT, 3)[order]
            scores = np.asarray(result.boxes.conf[order], np.float32)
            found.append(RawPoses(boxes[whole], scores[whole], usable(joints[whole])))
        return found


class VitPose:
    """ViTPose: each box is warped to the network's input, and the peaks of its heat maps are refined (DARK)."""

    def __init__(self, weights: Weights, device: Device) -> None:
        from transformers import AutoImageProcessor, VitPoseForPoseEstimation

        from analyzers.inference.hub_models import load_pretrained, load_processor

        self._device = device
        self._processor: Any = load_processor(AutoImageProcessor, weights.path)
        self._model: Any = load_pretrained(VitPoseForPoseEstimation, weights.path, device, attn_implementation=None)

    def joints(self, people: Sequence[tuple[UInt8Array, Float32Array]]) -> list[Float32Array]:
        """The joints of each person; one batch.

        Args:
            people: A frame, uint8 (H, W, 3) RGB, and a box in it, float32 (4,): left, top, right, bottom in px.

        Returns:
            float32 (17, 3) each, see ``RawPoses``.
        """
        import torch

        if not people:
            return []
        # COCO's form of a box: left, top, width, height.
        boxes = [[[float(b[0]), float(b[1]), float(b[2] - b[0]), float(b[3] - b[1])]] for _, b in people]
        inputs = self._processor(images=[np.array(frame) for frame, _ in people], boxes=boxes, return_tensors="pt")
        with torch.inference_mode():
            outputs = self._model(pixel_values=inputs["pixel_values"].to(self._device.name, self._device.dtype))
            outputs.heatmaps = outputs.heatmaps.float().cpu()
        posed = self._processor.post_process_pose_estimation(outputs, boxes=boxes)
        found = [
            np.concatenate([np.asarray(p["keypoints"], np.float32), np.asarray(p["scores"], np.float32)[:, None]], 1)
            for (p,) in posed
        ]
        return [usable(joints) for joints in found]


def usable(joints: Float32Array) -> Float32Array:
    """Confidences held within [0, 1]; a joint that is nowhere gets NaN and confidence 0."""
    held = np.array(joints, np.float32)
    held[..., 2] = np.clip(np.nan_to_num(held[..., 2]), 0.0, 1.0)
    held[~np.isfinite(held[..., :2]).all(axis=-1)] = (np.nan, np.nan, 0.0)
    return held
