"""The name of a worker, from which others on the same machine can tell that it is dead."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path

import psutil


def new_owner() -> str:
    """A name for a worker in this process: machine, process, and something of its own."""
    process = psutil.Process()
    return f"{_machine()}|{process.pid}|{process.create_time():.2f}|{uuid.uuid4().hex[:8]}"


def is_dead(owner: str) -> bool:
    """Whether the worker's process is known to have ended; False for a worker on another machine."""
    machine, _, rest = owner.partition("|")
    parts = rest.split("|")
    if machine != _machine() or len(parts) != 3 or not parts[0].isdigit():
        return False
    try:
        process = psutil.Process(int(parts[0]))
        return f"{process.create_time():.2f}" != parts[1] or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _machine() -> str:
    """Host, boot and container: two processes with equal ones see the same process numbers."""
    parts = [socket.gethostname()]
    for path in (Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")):
        try:
            parts.append(str(path.readlink()) if path.is_symlink() else path.read_text().strip())
        except OSError:
            parts.append("unknown")
    return "/".join(parts)
