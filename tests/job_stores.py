"""Job stores for tests: each implementation, over a clock that the test moves."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobs.record import NewJob
from jobs.store import JobStore
from schema.document import Provenance, Section
from schema.jobs import JobOptions, JobSource

AGING_S = 100.0

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None
"""A folder in memory, for what makes thousands of flushed transactions and is not about the disk; None without one."""


class Clock:
    """Seconds since 1970, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass(frozen=True)
class Bench:
    """A store with its clock, and how to open it a second time."""

    store: JobStore
    clock: Clock
    again: Callable[[], JobStore]


def new_job(name: str = "a.mp4", **values: Any) -> NewJob:
    source = JobSource(kind=values.pop("kind", "path"), name=name, location=f"/videos/{name}")
    options = JobOptions(**values.pop("options", {}))
    return NewJob(source=source, options=options, **values)


def section(analyzer: str = "color_analysis", **result: Any) -> Section:
    return Section(analyzer=analyzer, status="ok", result=result, provenance=Provenance(analyzer_version="1"))
