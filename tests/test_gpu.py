"""What nvidia-smi prints, read; anything else is no GPU."""

from __future__ import annotations

import pytest

from deployments.gpu import parse_gpu_line
from schema.api import GpuHealth, GpuMemory


def test_a_card() -> None:
    health = parse_gpu_line("Quadro RTX 8000, 12288, 49152\nTesla T4, 0, 15360\n")
    memory = GpuMemory(used_mb=12288, total_mb=49152, utilization=0.25)
    assert health == GpuHealth(gpu_available=True, gpu_name="Quadro RTX 8000", gpu_memory=memory)


@pytest.mark.parametrize("output", ["", "\n", "No devices were found", "X, [N/A], [N/A]", "X, 0, 0"])
def test_no_card(output: str) -> None:
    assert parse_gpu_line(output) == GpuHealth(gpu_available=False)
