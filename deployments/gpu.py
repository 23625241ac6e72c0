"""What the driver says about this machine's first GPU."""

from __future__ import annotations

import shutil
import subprocess

from schema.api import GpuHealth, GpuMemory
from weights.budget import SHORT, Booking, check_shares, shortfall_text

MIB = 1024 * 1024

QUERY_TIMEOUT_S = 3.0
"""Wall seconds for nvidia-smi, which takes 0.1 s on a sound driver and hangs on a broken one."""


def gpu_health() -> GpuHealth:
    """Name and memory of the first GPU; ``gpu_available`` is false without a driver that answers."""
    if shutil.which("nvidia-smi") is None:
        return GpuHealth(gpu_available=False)
    command = ["nvidia-smi", "--query-gpu=name,memory.used,memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=QUERY_TIMEOUT_S, check=True)
    except (subprocess.SubprocessError, OSError):
        return GpuHealth(gpu_available=False)
    return parse_gpu_line(answer.stdout)


def parse_gpu_line(output: str) -> GpuHealth:
    """``Quadro RTX 8000, 1024, 49152`` as ``GpuHealth``; the first line counts."""
    fields = [field.strip() for field in output.strip().splitlines()[0].split(",")] if output.strip() else []
    if len(fields) != 3 or not (fields[1].isdigit() and fields[2].isdigit() and int(fields[2])):
        return GpuHealth(gpu_available=False)
    used, total = int(fields[1]), int(fields[2])
    memory = GpuMemory(used_mb=used, total_mb=total, utilization=used / total)
    return GpuHealth(gpu_available=True, gpu_name=fields[0], gpu_memory=memory)


def share_warning(booking: Booking, health: GpuHealth) -> str | None:
    """What a replica logs when its share of this machine's GPU does not cover its models; None where all is well."""
    if health.gpu_memory is None:
        return None
    lines = check_shares([booking], health.gpu_memory.total_mb * MIB)
    return next((shortfall_text(line) for line in lines if line.verdict in SHORT), None)
