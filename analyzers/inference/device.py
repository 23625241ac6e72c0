"""The device a model runs on: its name, its number format, its share of the memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzers.base import Unavailable
from analyzers.inference.offline import go_offline
from analyzers.runtime import Runtime

if TYPE_CHECKING:
    import torch

BFLOAT16_FROM = (8, 0)
"""Compute capability from which on a card computes in bfloat16. torch's ``is_bf16_supported`` says yes below as well
and emulates it at a tenth of the speed: 3.4 TFLOP/s against 41 in float16 on Turing."""


@dataclass(frozen=True)
class Device:
    """Where a model runs.

    Attributes:
        name: ``cuda:0`` or ``cpu``.
        dtype: Number format for weights and activations.
    """

    name: str
    dtype: torch.dtype

    @property
    def is_cuda(self) -> bool:
        """Whether it is a GPU."""
        return self.name.startswith("cuda")


def open_device(runtime: Runtime) -> Device:
    """The replica's device, capped to its share of the card. Imports torch: call it after ``weights.store.resolve``.

    float16 on a GPU, float32 on a CPU. bfloat16 is never chosen: models of this project are trained in float16 or run
    in it without loss, and cards below capability 8 only emulate bfloat16.

    Raises:
        Unavailable: ``no_gpu``: a share of a GPU was booked and torch sees none.
    """
    go_offline()
    import torch

    if runtime.gpu_share <= 0.0:
        return Device("cpu", torch.float32)
    if not torch.cuda.is_available():
        raise Unavailable(
            "no_gpu",
            f"{runtime.gpu_share:g} of a GPU is booked and CUDA finds none",
            "tiktok-analyzer doctor, or tiktok-analyzer serve --profile cpu",
        )
    torch.cuda.set_per_process_memory_fraction(runtime.gpu_share, 0)
    return Device(runtime.device, torch.float16)
