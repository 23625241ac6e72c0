"""How old a face looks: InsightFace's attribute network, or a ViT classifier over age ranges.

Both judge one picture of one face. What they say is an appearance, learnt from photographs whose ages were estimated by
people; groups that these photographs show seldom are judged worse.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from analyzers.base import Unavailable
from analyzers.inference.device import Device
from analyzers.inference.hub_models import load_pretrained, load_processor
from analyzers.inference.offline import go_offline
from analyzers.inference.onnx import providers, run
from analyzers.inference.oom import in_halves
from media.types import UInt8Array
from weights.store import Weights

VIT_MARGIN = 0.25
"""What is added around a face on each side, as a share of the box, before the ViT sees it: FairFace's photographs are
cut with a margin of a quarter (Kärkkäinen and Joo, WACV 2021)."""

OLDEST = 100.0
"""Upper end of an open range such as "more than 70"."""


@dataclass(frozen=True)
class FaceCrop:
    """A picture, uint8 (H, W, 3) RGB, and a face in it: left, top, right, bottom in its px."""

    picture: UInt8Array
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class AgeLook:
    """One look at one face.

    Attributes:
        years: Apparent age; of a classifier the mean over its ranges' middles.
        shares: Probability of each range; empty for a network that gives years.
        masculine: Share of "masculine" in the network's two classes of gender presentation; None without them.
    """

    years: float
    shares: tuple[float, ...] = ()
    masculine: float | None = None


class AgeModel(Protocol):
    """A network that judges faces."""

    ranges: tuple[tuple[float, float], ...]
    """Age ranges in years, lower and upper bound, rising; empty for a network that gives years."""

    def judge(self, faces: Sequence[FaceCrop]) -> list[AgeLook]:
        """One look for each face, in order."""


def open_age_model(weights: Weights, device: Device, frames_per_batch: int) -> AgeModel:
    """The network of a pin.

    Raises:
        Unavailable: ``weights_broken``: its files cannot be loaded.
    """
    if weights.pin.format == "onnx":
        return InsightAge(weights.path, device)
    return VitAge(weights.path, device, frames_per_batch)


class InsightAge:
    """InsightFace's ``genderage``: years and gender presentation from 96 x 96 px around a face."""

    ranges: tuple[tuple[float, float], ...] = ()

    def __init__(self, path: Path, device: Device) -> None:
        go_offline()
        import onnxruntime
        from insightface.model_zoo.attribute import Attribute
        from onnxruntime.capi import onnxruntime_pybind11_state as faults

        file = path / "genderage.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(str(file), options, providers=providers(device))
            self._network: Any = Attribute(str(file), session)
        except (faults.InvalidProtobuf, faults.InvalidGraph, faults.NoSuchFile, faults.Fail, AssertionError) as error:
            raise _broken(path, str(error)) from error
        if self._network.taskname != "genderage":
            raise _broken(path, f"{file.name} is no network of age and gender")

    def judge(self, faces: Sequence[FaceCrop]) -> list[AgeLook]:
        """One look for each face, in order; the network takes one at a time.

        Raises:
            AnalysisFailed: ``gpu_out_of_memory``.
        """
        return [self._judge(face) for face in faces]

    def _judge(self, face: FaceCrop) -> AgeLook:
        from insightface.utils import face_align

        # As Attribute.get does, which rounds the years and drops the scores.
        net, (left, top, right, bottom) = self._network, face.box
        size = net.input_size[0]
        scale = size / (max(right - left, bottom - top) * 1.5)
        middle = ((left + right) / 2.0, (top + bottom) / 2.0)
        aligned, _ = face_align.transform(np.ascontiguousarray(face.picture[..., ::-1]), middle, size, scale, 0)
        import cv2

        blob = cv2.dnn.blobFromImage(aligned, 1.0 / net.input_std, (size, size), (net.input_mean,) * 3, swapRB=True)
        feminine, masculine, age = (float(v) for v in run(net.session, net.output_names, {net.input_name: blob})[0][0])
        powers = np.exp(np.array([feminine, masculine]) - max(feminine, masculine))
        return AgeLook(years=float(np.clip(100.0 * age, 0.0, OLDEST)), masculine=float(powers[1] / powers.sum()))


class VitAge:
    """A vision transformer (Dosovitskiy et al., ICLR 2021) that chooses among age ranges."""

    def __init__(self, path: Path, device: Device, frames_per_batch: int) -> None:
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        self._model = load_pretrained(AutoModelForImageClassification, path, device)
        self._pictures = load_processor(AutoImageProcessor, path)
        self._device, self._most = device, frames_per_batch
        labels = self._model.config.id2label
        found = [age_range(str(labels[i])) for i in range(len(labels))]
        if None in found:
            raise _broken(path, f"its classes are no age ranges: {list(labels.values())[:5]}")
        given = [r for r in found if r is not None]
        self._order = sorted(range(len(given)), key=lambda i: given[i])
        self.ranges: tuple[tuple[float, float], ...] = tuple(given[i] for i in self._order)

    def judge(self, faces: Sequence[FaceCrop]) -> list[AgeLook]:
        """One look for each face, in order; batches are halved where memory is short.

        Raises:
            AnalysisFailed: ``gpu_out_of_memory``: one face by itself does not fit.
        """
        crops = [_with_margin(face) for face in faces]
        looks: list[AgeLook] = []
        for first in range(0, len(crops), self._most):
            looks += in_halves(self._judge, crops[first : first + self._most])
        return looks

    def _judge(self, crops: Sequence[UInt8Array]) -> list[AgeLook]:
        import torch

        pixels = self._pictures(list(crops), return_tensors="pt").pixel_values
        with torch.inference_mode():
            logits = self._model(pixel_values=pixels.to(self._device.name, self._device.dtype)).logits
        table = logits.float().softmax(dim=-1).cpu().numpy()[:, self._order]
        middles = np.array([(low + high) / 2.0 for low, high in self.ranges])
        return [AgeLook(float(row @ middles), tuple(float(v) for v in row)) for row in table]


def age_range(label: str) -> tuple[float, float] | None:
    """The years that a class's name states: ``20-29`` gives 20 to 30, ``more than 70`` 70 to 100; None for no years."""
    numbers = [float(n) for n in re.findall(r"\d+", label)]
    if len(numbers) == 2 and numbers[0] <= numbers[1]:
        return numbers[0], numbers[1] + 1.0
    if len(numbers) == 1 and ("more" in label or "+" in label or "over" in label):
        return numbers[0], OLDEST
    return None


def _with_margin(face: FaceCrop) -> UInt8Array:
    left, top, right, bottom = face.box
    wide, high = VIT_MARGIN * (right - left), VIT_MARGIN * (bottom - top)
    rows = slice(max(0, int(top - high)), max(1, int(np.ceil(bottom + high))))
    columns = slice(max(0, int(left - wide)), max(1, int(np.ceil(right + wide))))
    return np.array(face.picture[rows, columns])


def _broken(path: Path, reason: str) -> Unavailable:
    first = reason.strip().partition("\n")[0][:200]
    return Unavailable("weights_broken", f"{path.name}: {first}", f"tiktok-analyzer models verify {path.name}")
