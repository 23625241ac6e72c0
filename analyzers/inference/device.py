"""The device a model runs on: its name, its number format, its share of the memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analyzers.base import Unavailable
from analyzers.inference.offline import go_offline
from analyzers.runtime import Runtime
from weights.budget import torch_fraction
from weights.memory import CONTEXT_BYTES

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
        memory_bytes: What the replica may take of the card beside its CUDA context; None on a CPU.
    """

    name: str
    dtype: torch.dtype
    memory_bytes: int | None = field(default=None, compare=False)

    @property
    def is_cuda(self) -> bool:
        """Whether it is a GPU."""
        return self.name.startswith("cuda")


def open_device(runtime: Runtime) -> Device:
    """The replica's device, capped to its share of the card. Imports torch: call it after ``weights.store.resolve``.

    torch caps what its allocator hands out and does not count the CUDA context, so that is taken off the share first.
    onnxruntime gets the same bound (``onnx.py``). CTranslate2 knows none; ``whisper.py`` says what bounds it.

    float16 on a GPU, float32 on a CPU. bfloat16 is not chosen here: cards below capability 8 only emulate it, and all
    models but one run in float16 without loss; that one asks for it by itself (``video_chat.Qwen2Vl``).

    Raises:
        Unavailable: ``no_gpu``: a share of a GPU was booked and torch sees none; ``gpu_share_too_small``: it does not
            even hold the CUDA context.
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
    card_bytes = torch.cuda.get_device_properties(0).total_memory
    fraction = torch_fraction(runtime.gpu_share, card_bytes, CONTEXT_BYTES)
    if fraction == 0.0:
        raise Unavailable(
            "gpu_share_too_small",
            f"{runtime.gpu_share:g} of {card_bytes / 1e9:.1f} GB is less than a process takes before its model",
            "Give the deployment a larger num_gpus; `tiktok-analyzer profile gpu --budget` shows what it needs.",
        )
    torch.cuda.set_per_process_memory_fraction(fraction, 0)
    return Device(runtime.device, torch.float16, int(fraction * card_bytes))
