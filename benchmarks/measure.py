"""Processor time and memory of a process and all that it started, as the kernel counts them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MEMORY_POLL_S = 0.25
"""Wall seconds between two looks at the memory: 29 s of video take about 20 looks."""


@dataclass
class Usage:
    """What a block of work took.

    Attributes:
        wall_s: Wall seconds.
        cpu_s: Processor seconds of this process and all below it, user and system.
        peak_mb: Largest proportional set size (shared pages counted once) of all of them together, in MB; 0 when
            memory was not watched.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0


@dataclass
class _Tree:
    """Processor time of a process tree, with that of processes that have ended since the last look."""

    root: int
    known: dict[tuple[int, float], float] = field(default_factory=dict)

    def cpu_s(self) -> float:
        root = psutil.Process(self.root)
        for process in [root, *root.children(recursive=True)]:
            try:
                times = process.cpu_times()
                self.known[process.pid, process.create_time()] = times.user + times.system
            except psutil.Error:
                continue
        return sum(self.known.values())

    def pss_mb(self) -> float:
        root = psutil.Process(self.root)
        return sum(_pss_kb(process.pid) for process in [root, *root.children(recursive=True)]) / 1000.0


@contextmanager
def usage(root_pid: int, *, memory: bool = False) -> Iterator[Usage]:
    """Measures the block over the process tree below ``root_pid``.

    Args:
        root_pid: The topmost process.
        memory: Whether to watch memory too, which costs the machine some percent of a core.
    """
    taken, tree, over = Usage(), _Tree(root_pid), threading.Event()

    def watch() -> None:
        while not over.wait(MEMORY_POLL_S):
            taken.peak_mb = max(taken.peak_mb, tree.pss_mb())

    watcher = threading.Thread(target=watch, daemon=True)
    before_s, started_s = tree.cpu_s(), time.perf_counter()
    if memory:
        watcher.start()
    try:
        yield taken
    finally:
        taken.wall_s = time.perf_counter() - started_s
        over.set()
        if memory:
            watcher.join()
        taken.cpu_s = tree.cpu_s() - before_s


def replica_memory_mb(root_pid: int) -> dict[str, float]:
    """Proportional set size in MB of each Serve replica below ``root_pid``, by the name of its deployment."""
    found = {}
    for process in psutil.Process(root_pid).children(recursive=True):
        title = " ".join(process.cmdline())
        if title.startswith("ray::ServeReplica:"):
            found[title.split(":")[4].split(".")[0].strip()] = _pss_kb(process.pid) / 1000.0
    return found


def _pss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
