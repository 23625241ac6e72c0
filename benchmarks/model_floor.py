"""The least time that a model's layers can take on a device: its multiplications, or the bytes of its weights.

Each call of a linear or convolution layer costs at least the larger of its multiplications over the device's speed and
its weights' bytes over the memory's (the roofline of Williams, Waterman and Patterson, 2009). Their sum is the floor.
Attention's own products, the cache of keys and values, normalisation and everything outside the layers come on top, so
no run reaches it. Both speeds are measured on the device itself, with one large product and one large copy.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

MATRIX = {"cuda": 8192, "cpu": 1024}
"""Side of the matrices whose product measures the speed: large enough to fill the device."""

COPY_BYTES = {"cuda": 1 << 30, "cpu": 1 << 26}
"""Bytes of the copy that measures the memory."""

TIMES = 5
"""Runs of each; the fastest counts."""


@dataclass(frozen=True)
class Peaks:
    """What a device reaches: ``flops_per_s`` in the models' number format, ``bytes_per_s`` read or written."""

    flops_per_s: float
    bytes_per_s: float


@dataclass
class Layers:
    """What the layers did.

    Attributes:
        flops: Multiplications and additions.
        bytes: Of weights, read once per call.
        floor_s: Sum of the calls' least times.
    """

    flops: float = 0.0
    bytes: float = 0.0
    floor_s: float = 0.0


def measured_peaks(device: str) -> Peaks:
    """Speed of a matrix product and of a copy on this device (``cuda:0`` or ``cpu``)."""
    import torch

    kind = device.partition(":")[0]
    dtype = torch.float16 if kind == "cuda" else torch.float32
    side = MATRIX[kind]
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    source = torch.empty(COPY_BYTES[kind], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    product_s = _fastest_s(lambda: torch.mm(a, b), kind)
    copy_s = _fastest_s(lambda: target.copy_(source), kind)
    return Peaks(2.0 * side**3 / product_s, 2.0 * COPY_BYTES[kind] / copy_s)


def _fastest_s(work: Callable[[], Any], kind: str) -> float:
    import torch

    times = []
    for _ in range(TIMES + 1):
        started_s = time.perf_counter()
        work()
        if kind == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started_s)
    return min(times[1:])


@contextmanager
def counted_layers(peaks: Peaks) -> Iterator[Layers]:
    """Counts every call of a linear or convolution layer of torch inside the block, quantised ones too."""
    from torch.nn.modules.module import register_module_forward_hook

    layers = Layers()

    def count(module: Any, inputs: Any, output: Any) -> None:
        flops = call_flops(module, output)
        if flops is not None:
            weights = sum(p.numel() * p.element_size() for p in module.parameters(recurse=False))
            layers.flops += flops
            layers.bytes += weights
            layers.floor_s += max(flops / peaks.flops_per_s, weights / peaks.bytes_per_s)

    handle = register_module_forward_hook(count)
    try:
        yield layers
    finally:
        handle.remove()


def call_flops(module: Any, output: Any) -> float | None:
    """Multiplications and additions of one call; None for what is no linear or convolution layer."""
    if hasattr(module, "in_features") and hasattr(module, "out_features"):
        return 2.0 * float(module.in_features) * float(output.numel())
    if hasattr(module, "kernel_size") and hasattr(module, "in_channels"):
        kernel = float(math.prod(module.kernel_size))
        return 2.0 * float(module.in_channels) / float(module.groups) * kernel * float(output.numel())
    return None
