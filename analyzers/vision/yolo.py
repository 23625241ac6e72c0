"""Ultralytics' YOLOv8 (Jocher, Chaurasia and Qiu, 2023; AGPL-3.0) from a file on this machine, and never otherwise.

The library looks for the network, installs packages, writes into the home folder and unpickles what it loads unless
its environment says otherwise before it is imported. So it is imported here only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from analyzers.base import Unavailable
from analyzers.inference.offline import go_offline
from analyzers.inference.pickled import UNREADABLE
from media.types import UInt8Array

if TYPE_CHECKING:
    from analyzers.inference.device import Device


def import_ultralytics() -> ModuleType:
    """The package, imported offline; it changes the process's thread budget, which the caller sets again.

    Raises:
        RuntimeError: It was imported before without the offline switches, so a checkpoint could run code.
    """
    go_offline()
    from ultralytics.utils import SAFE_LOAD

    if not SAFE_LOAD:
        raise RuntimeError("ultralytics was imported elsewhere before ULTRALYTICS_SAFE_LOAD=1 was set")
    return import_module("ultralytics")


@dataclass(frozen=True)
class YoloSettings:
    """What one prediction is asked for.

    Attributes:
        input_px: Longer side of the letterboxed picture; a multiple of 32.
        min_score: Score below which a box is left out.
        max_overlap: Intersection over union from which the weaker of two boxes of one class is left out.
        max_boxes: Most boxes of one frame.
    """

    input_px: int
    min_score: float
    max_overlap: float
    max_boxes: int


class YoloNet:
    """One YOLOv8 network on one device.

    Args:
        file: The checkpoint (``.pt``), in the folder of its pin.
        task: What the network must have been made for.
        device: Where it runs; float16 on a GPU, float32 on a CPU.

    Raises:
        FileNotFoundError: No such file; the library would go to the network for some missing names.
        Unavailable: ``weights_broken``: it cannot be read, holds more than a network, or is of another task.
    """

    def __init__(self, file: Path, task: Literal["detect", "pose"], device: Device) -> None:
        file = file.resolve()
        if not file.is_file():
            raise FileNotFoundError(f"no checkpoint at {file}")
        self._device = device.name
        library = import_ultralytics()
        try:
            self._model = library.YOLO(str(file))
        except UNREADABLE as error:
            raise _broken(file, (str(error).splitlines() or [type(error).__name__])[0][:300]) from error
        if self._model.task != task:
            raise _broken(file, f"{file.name} is a checkpoint for {self._model.task!r}, not for {task!r}")

    @property
    def class_names(self) -> dict[int, str]:
        """The network's own names of its classes."""
        return {int(number): str(name) for number, name in self._model.names.items()}

    def predict(self, frames: Sequence[UInt8Array], settings: YoloSettings) -> list[Any]:
        """Ultralytics' results, one per frame, on the CPU; boxes and joints in px of the given frame.

        Args:
            frames: uint8 (H, W, 3) RGB, all of one size; they are one batch.
            settings: See there.
        """
        if not frames:
            return []
        results = self._model.predict(
            # Arrays are taken for BGR. One list is one batch, whatever `batch` says.
            [np.ascontiguousarray(frame[..., ::-1]) for frame in frames],
            imgsz=settings.input_px,
            conf=settings.min_score,
            iou=settings.max_overlap,
            max_det=settings.max_boxes,
            device=self._device,
            quantize=16 if self._device != "cpu" else None,
            verbose=False,
            save=False,
        )
        return [result.cpu().numpy() for result in results]


def _broken(file: Path, reason: str) -> Unavailable:
    name = file.parent.name
    return Unavailable("weights_broken", f"{name} cannot be loaded: {reason}", f"tiktok-analyzer models verify {name}")
