"""A store, folders and loops of workers over them, for tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jobs.record import JobRecord, NewJob
from jobs.results import ResultStore
from jobs.settings import JobSettings
from jobs.sources import SourceFolder
from jobs.sqlite import SqliteJobStore
from jobs.store import JobStore
from jobs.work import JobWork
from jobs.worker import AfterEnd, Analyse, Worker, nothing
from reducer.document import build_document
from schema.document import AnalysisDocument, Performance, SourceFacts, VideoFacts
from schema.jobs import JobOptions, JobSource, JobState
from tests.job_stores import new_job

SETTINGS = JobSettings(heartbeat_s=0.05, poll_s=0.02, lease_s=600.0)
"""No lease runs out by itself, however long the machine stops: tests that want it end it."""
LONG_S = 600.0
"""Wall seconds that come to an end in no test."""
PATIENCE_S = 120.0
"""Wall seconds that only what hangs takes."""


def document_of(id: str) -> AnalysisDocument:
    return build_document(
        id=id,
        created_at=datetime.now(timezone.utc),
        source=SourceFacts(kind="path", name="a.mp4", sha256="0" * 64, size_bytes=1),
        video=VideoFacts(container="mp4", duration_s=1.0),
        outcomes={},
        performance=Performance(processing_time=1.0, realtime_factor=1.0),
    )


async def at_once(work: JobWork) -> AnalysisDocument:
    return document_of(work.id)


async def forever(work: JobWork) -> AnalysisDocument:
    await asyncio.sleep(LONG_S)
    raise AssertionError("nobody ended it")


async def until(check: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < end_s, "it did not happen"
        await asyncio.sleep(0.01)


@dataclass
class Shop:
    """A store, folders and loops over them."""

    data: Path
    store: JobStore
    loops: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.results, self.sources = ResultStore(self.data), SourceFolder(self.data)

    def worker(
        self,
        analyse: Analyse,
        settings: JobSettings = SETTINGS,
        max_videos: int = 2,
        after_end: AfterEnd = nothing,
        store: Any = None,
    ) -> Worker:
        return Worker(store or self.store, self.results, self.sources, analyse, settings, max_videos, after_end)

    def start(self, worker: Worker) -> Worker:
        self.loops.append(asyncio.create_task(worker.run()))
        return worker

    def add(self, name: str = "a.mp4", **values: Any) -> str:
        return self.store.add(new_job(name, **values))[0].id

    def add_upload(self, **options: Any) -> str:
        new = NewJob(JobSource(kind="upload", name="a.mp4", location=""), options=JobOptions(**options))
        with self.sources.reserved(new.id) as reserved:
            reserved.path.write_bytes(b"video")
            reserved.flush()
            self.store.add(new)
        return new.id

    def record(self, id: str) -> JobRecord:
        return self.store.get(id)

    async def settled(self, *ids: str) -> list[JobRecord]:
        await until(lambda: all(self.record(id).settled for id in ids))
        return [self.record(id) for id in ids]

    def left_over(self) -> list[Path]:
        return [path for name in ("incoming", "staging") for path in (self.data / name).iterdir()]


@asynccontextmanager
async def opened(data: Path) -> AsyncIterator[Shop]:
    shop = Shop(data, SqliteJobStore(data / "jobs.db", SETTINGS.aging_s))
    try:
        yield shop
    finally:
        for loop in shop.loops:
            loop.cancel()
        await asyncio.gather(*shop.loops, return_exceptions=True)
        shop.store.close()


def states(record: JobRecord) -> list[JobState]:
    return [change.state for change in record.changes]
