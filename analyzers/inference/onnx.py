"""Where onnxruntime computes, and how much of a GPU's memory it may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analyzers.inference.device import Device
from analyzers.inference.oom import MemoryFull, undivided

FULL_TEXTS = ("Failed to allocate memory", "is smaller than requested bytes", "out of memory")
"""What onnxruntime says of a full arena, of one at its bound, and of a full card."""

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def providers(device: Device) -> list[tuple[str, dict[str, Any]]]:
    """For ``InferenceSession(providers=...)``: the GPU, capped to the replica's share, or the CPU.

    The plain onnxruntime computes on the CPU only; its package for GPUs has another name. ``gpu_mem_limit`` bounds the
    arena that all tensors come from; cuDNN's handles lie outside of it, as the CUDA context does. The arena grows by
    what is asked for: by default it doubles, and would reach the bound long before it is full.

    Args:
        device: As ``open_device`` gives it.
    """
    import onnxruntime

    if not device.is_cuda or CUDA not in onnxruntime.get_available_providers():
        return [(CPU, {})]
    bound = {} if device.memory_bytes is None else {"gpu_mem_limit": device.memory_bytes}
    return [(CUDA, {"device_id": 0, "arena_extend_strategy": "kSameAsRequested", **bound}), (CPU, {})]


def run(session: Any, names: Sequence[str], feeds: Mapping[str, Any]) -> Any:
    """``session.run``; a full arena or card fails by name, which onnxruntime says in an exception of its own.

    Raises:
        AnalysisFailed: ``gpu_out_of_memory``.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as faults

    def once() -> Any:
        try:
            return session.run(list(names), dict(feeds))
        except (faults.RuntimeException, faults.Fail, faults.EPFail) as error:
            if any(text in str(error) for text in FULL_TEXTS):
                raise MemoryFull(str(error)) from error
            raise

    return undivided(once)
