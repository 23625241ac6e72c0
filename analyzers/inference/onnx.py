"""Where onnxruntime computes, and how much of a GPU's memory it may take."""

from __future__ import annotations

from typing import Any

from analyzers.inference.device import Device

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
