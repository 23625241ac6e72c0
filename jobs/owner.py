"""The name of a worker, from which others on the same machine can tell that it is dead."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path

import psutil


def new_owner() -> str:
    """A name for a worker in this process: machine, process, and something of its own."""
    process = psutil.Process()
    return f"{_machine()}|{process.pid}|{_began(process)}|{uuid.uuid4().hex[:8]}"


def is_dead(owner: str) -> bool:
    """Whether the worker's process is known to have ended; False for a worker on another machine."""
    machine, _, rest = owner.partition("|")
    parts = rest.split("|")
    if machine != _machine() or len(parts) != 3 or not parts[0].isdigit():
        return False
    try:
        process = psutil.Process(int(parts[0]))
        return _began(process) != parts[1] or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _began(process: psutil.Process) -> str:
    """When the process began, the same for all who ask.

    In ticks since the boot where the system has them: a time of day is computed from that of the boot, which changes
    when the clock is set, and a living worker would then look like another one.

    Raises:
        psutil.NoSuchProcess: It has ended.
    """
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text()
    except OSError:
        return f"{process.create_time():.2f}"
    return stat.rpartition(")")[2].split()[19]  # field 22; the second one, a name, may hold blanks and brackets


def _machine() -> str:
    """Host, boot and container: two processes with equal ones see the same process numbers."""
    parts = [socket.gethostname()]
    for path in (Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")):
        try:
            parts.append(str(path.readlink()) if path.is_symlink() else path.read_text().strip())
        except OSError:
            parts.append("unknown")
    return "/".join(parts)
