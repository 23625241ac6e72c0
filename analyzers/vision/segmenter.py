"""Semantic segmentation behind one interface: SegFormer, and UPerNet with ConvNeXt, both on ADE20K, by transformers.

SegFormer: Xie et al., NeurIPS 2021. UPerNet: Xiao et al., ECCV 2018; ConvNeXt: Liu et al., CVPR 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.base import Unavailable
from analyzers.vision.ade20k import CLASSES, class_name
from media.types import UInt8Array

if TYPE_CHECKING:
    from analyzers.inference.device import Device
    from weights.store import Weights


@dataclass(frozen=True, eq=False)
class LabelMap:
    """What each place of one picture shows.

    Attributes:
        labels: uint8 (H, W), indices into ``ade20k.CLASSES``.
        certainty: Mean over the picture of the highest class probability, in [0, 1].
    """

    labels: UInt8Array
    certainty: float


class Segmenter:
    """A loaded network.

    Args:
        weights: Of a semantic segmentation model with ADE20K's 150 classes.
        device: Where it runs.

    Raises:
        Unavailable: ``weights_broken``: the checkpoint does not load, or has other classes.
    """

    def __init__(self, weights: Weights, device: Device) -> None:
        from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation

        from analyzers.inference.hub_models import load_pretrained, load_processor

        self._device = device
        self._processor: Any = load_processor(AutoImageProcessor, weights.path)
        # Convolutional parts have no attention to choose; the others take SDPA themselves.
        self._model: Any = load_pretrained(
            AutoModelForSemanticSegmentation, weights.path, device, attn_implementation=None
        )
        labels: dict[int, str] = self._model.config.id2label
        if tuple(class_name(labels[i]) for i in sorted(labels)) != CLASSES:
            raise Unavailable(
                "weights_broken",
                f"{weights.pin.name} has {len(labels)} classes that are not ADE20K's 150 in their order",
                f"tiktok-analyzer models verify {weights.pin.name}",
            )

    def segment(self, frames: Sequence[UInt8Array], short_side_px: int) -> list[LabelMap]:
        """The class of each place, from the network's scores scaled bilinearly, as the library does it.

        Args:
            frames: uint8 (H, W, 3) RGB, all of one size; one batch.
            short_side_px: Of the label maps, or the frames' own where that is less.
        """
        import torch

        if not frames:
            return []
        size = map_size(frames[0], short_side_px)
        # Copies: torch refuses to share arrays that are read-only, as those of the object store are.
        inputs = self._processor(images=[np.array(frame) for frame in frames], return_tensors="pt")
        with torch.inference_mode():
            outputs = self._model(inputs["pixel_values"].to(self._device.name, self._device.dtype))
            outputs.logits = outputs.logits.float()
            certain = outputs.logits.softmax(dim=1).amax(dim=1).mean(dim=(1, 2)).cpu().tolist()
            maps = self._processor.post_process_semantic_segmentation(outputs, target_sizes=[size] * len(frames))
        return [LabelMap(np.asarray(m.cpu().numpy(), np.uint8), c) for m, c in zip(maps, certain, strict=True)]


def map_size(frame: UInt8Array, short_side_px: int) -> tuple[int, int]:
    """(height, width) of a frame's label map."""
    high, wide = frame.shape[:2]
    factor = min(1.0, short_side_px / min(high, wide))
    return max(1, round(high * factor)), max(1, round(wide * factor))
