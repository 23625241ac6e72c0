"""The loop that works on jobs: takes them from the store, has them analysed, ends each exactly once.

Independent of Ray and HTTP: the ingress runs one with the graph behind it, a process of its own runs one with the
analyzers loaded in it. Any number of loops, on any number of nodes, share a store.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from jobs.bell import Bell, rung
from jobs.disk import NO_ROOM
from jobs.owner import is_dead, new_owner
from jobs.record import JobRecord, Lease
from jobs.results import ResultStore, StagedDocument
from jobs.settings import JobSettings
from jobs.sources import SourceFolder
from jobs.store import JobStore, LeaseLost
from jobs.work import JobWork
from schema.document import AnalysisDocument
from schema.errors import (
    AnalyzerSystemError,
    Cancelled,
    DiskFull,
    ErrorBody,
    InternalError,
    NotFound,
    RequestTimeout,
    StoreUnavailable,
    WorkerLost,
)
from schema.jobs import JobState

logger = logging.getLogger("tiktok_analyzer.jobs")

T = TypeVar("T")

Analyse = Callable[[JobWork], Awaitable[AnalysisDocument]]
"""Makes a job's document. Stops when it is cancelled. The document's id is the job's."""

AfterEnd = Callable[[JobRecord], Awaitable[float | None]]
"""What comes after a job's end, beside removing its video; gives the seconds until it is to be tried again, None when
it is done. Takes less time than a lease. May be called again for the same job after a crash."""

DEAD_OWNERS_S = 5.0
"""Wall seconds between two looks for workers of this machine that have died: a third of the shortest wait that a
lease would cost instead."""


async def nothing(record: JobRecord) -> None:
    """An ``AfterEnd`` with nothing to do."""


@dataclass(frozen=True)
class Ending:
    """How a job ends."""

    state: JobState
    error: ErrorBody | None = None
    document: StagedDocument | None = None


class Worker:
    """One loop.

    Args:
        store: Of the jobs.
        results: Of the documents.
        sources: Of the jobs' own videos.
        analyse: Makes the documents.
        settings: Of the jobs.
        max_videos: Jobs in work at once.
        after_end: What else comes after a job's end.
        bell: Rung with each piece of news; an own one when None.
    """

    def __init__(
        self,
        store: JobStore,
        results: ResultStore,
        sources: SourceFolder,
        analyse: Analyse,
        settings: JobSettings,
        max_videos: int,
        after_end: AfterEnd = nothing,
        bell: Bell | None = None,
    ) -> None:
        self._store, self._results, self._sources = store, results, sources
        self._analyse, self._after_end, self._settings = analyse, after_end, settings
        self._max_videos = max_videos
        self._bell = bell or Bell()
        self._owner = new_owner()
        self._wake = asyncio.Event()
        self._works: set[JobWork] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._next_look_s = 0.0

    @property
    def in_work(self) -> int:
        """Jobs that this loop works on."""
        return len(self._works)

    def wake(self) -> None:
        """There may be a job in the store."""
        self._wake.set()

    def look(self, id: str) -> None:
        """There may be news about this job in the store."""
        self._wake.set()
        for work in self._works:
            if work.id == id:
                work.look()

    async def run(self, until_empty: bool = False) -> None:
        """Works until it is cancelled; then it gives its jobs back to the queue.

        Args:
            until_empty: Return when no job is left to take up and none is in work.
        """
        try:
            await self._patiently(lambda: self._sources.sweep(self._needs_source))
            while True:
                await self._patiently(self._free_dead_owners)
                more = await self._take_up()
                if until_empty and not more and not self._tasks:
                    return
                await rung(self._wake, self._settings.poll_s)
        finally:
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_up(self) -> bool:
        """Starts as much as there is to do and room for; returns whether there may be more."""
        more = True
        while (least := self._least_priority()) is not None:
            claim = await self._patiently(lambda: self._store.claim(self._owner, self._settings.lease_s, least))
            if claim is None:
                more = least > 1
                break
            record, lease = claim
            folder = self._sources.folder_of(record.id)
            work = JobWork(record, lease, folder, self._store, self._bell, self._settings)
            self._works.add(work)
            self._start(self._work(work, lease))
        while claim := await self._patiently(lambda: self._store.claim_ended(self._owner, self._settings.lease_s)):
            self._start(self._settle(*claim))
        return more

    def _least_priority(self) -> int | None:
        """The least priority that may be taken up now; None when all places are taken."""
        if len(self._works) >= self._max_videos:
            return None
        mass = sum(work.record.priority < self._settings.interactive_priority for work in self._works)
        if mass >= max(1, self._max_videos - self._settings.reserved_videos):
            return self._settings.interactive_priority
        return 1

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()):
            logger.error("a job's bookkeeping failed; its lease will run out", exc_info=error)

    # ----------------------------------------------------------------------------------------------------- one job

    async def _work(self, work: JobWork, lease: Lease) -> None:
        try:
            ending = await self._ending_of(work)
            await self._finish(work, lease, ending)
        except LeaseLost as error:
            logger.warning("%s", error)
            return
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(lease))
            raise
        finally:
            self._works.discard(work)
            self._bell.ring(work.id)
        await self._settle(await self._patiently(lambda: self._store.get(work.id)), lease)

    async def _ending_of(self, work: JobWork) -> Ending:
        """Has the job analysed, unless there is a reason not to.

        Raises:
            LeaseLost: The job was taken from this worker.
        """
        record = work.record
        if record.cancel_requested:
            return Ending("cancelled", Cancelled("it was cancelled").body(work.id))
        if record.attempts > self._settings.max_attempts:
            text = f"its worker died {record.attempts - 1} times while working on it"
            return Ending("failed", WorkerLost(text).body(work.id))
        if work.remaining_s is not None and work.remaining_s <= 0.0:
            text = f"its deadline of {record.options.deadline_s:g} s passed while it waited for its turn"
            return Ending("failed", RequestTimeout(text).body(work.id))
        analysis = asyncio.ensure_future(self._analyse(work))
        reporting = asyncio.create_task(work.report())
        try:
            await asyncio.wait({analysis, reporting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            analysis.cancel()
            work.close()
            await asyncio.gather(analysis, reporting, return_exceptions=True)
        if reporting.result():
            return Ending("cancelled", Cancelled("it was cancelled while it was in work").body(work.id))
        return await self._outcome_of(work, analysis)

    async def _outcome_of(self, work: JobWork, analysis: asyncio.Future[AnalysisDocument]) -> Ending:
        if error := None if analysis.cancelled() else analysis.exception():
            if isinstance(error, AnalyzerSystemError):
                return Ending("failed", error.body(work.id))
            logger.error("%s failed", work.id, exc_info=error)
        if analysis.cancelled() or error:
            return Ending("failed", InternalError("an unexpected fault; the log has it").body(work.id))
        document = analysis.result()
        try:
            staged = await asyncio.to_thread(self._results.stage, document)
        except OSError as fault:
            return _unwritable(work.id, fault)
        return Ending("done", document=staged)

    async def _finish(self, work: JobWork, lease: Lease, ending: Ending) -> None:
        """Ends the job in the store; its document becomes visible with that."""
        try:
            await work.flush()
            await work.note_progress()
            await self._patiently(lambda: _end(self._store, lease, ending))
        except OSError as fault:
            error = _unwritable(work.id, fault)
            await self._patiently(lambda: _end(self._store, lease, error))
        finally:
            if ending.document:
                ending.document.discard()

    async def _give_back(self, lease: Lease) -> None:
        try:
            await asyncio.to_thread(self._store.release, lease)
        except (LeaseLost, StoreUnavailable) as error:
            logger.warning("not given back: %s", error)

    async def _settle(self, record: JobRecord, lease: Lease) -> None:
        """Does what comes after a job's end."""
        try:
            if not record.options.keep:
                await asyncio.to_thread(self._sources.discard, record.id)
            await asyncio.to_thread(self._results.forget_staged, record.id)
            if record.results_file is None:
                await asyncio.to_thread(self._results.remove, record.id)
            wait_s = await self._after_end(record)
            if wait_s is None:
                await asyncio.to_thread(self._store.settle, lease)
            else:
                await asyncio.to_thread(self._store.postpone, lease, wait_s)
        except (LeaseLost, StoreUnavailable) as error:
            logger.warning("%s is to be settled again: %s", record.id, error)

    # ---------------------------------------------------------------------------------------------------- the store

    def _free_dead_owners(self) -> None:
        if time.monotonic() < self._next_look_s:
            return
        self._next_look_s = time.monotonic() + DEAD_OWNERS_S
        for owner in self._store.lease_owners():
            if owner != self._owner and is_dead(owner):
                freed = self._store.expire_owner(owner)
                logger.warning("worker %s has died; %d jobs are taken up again", owner, freed)

    def _needs_source(self, id: str) -> bool:
        try:
            record = self._store.get(id)
        except NotFound:
            return False
        return not record.settled or record.options.keep

    async def _patiently(self, ask: Callable[[], T]) -> T:
        """What the store answers, waiting while it cannot be reached."""
        while True:
            try:
                return await asyncio.to_thread(ask)
            except StoreUnavailable as error:
                logger.warning("%s; trying again", error)
                await asyncio.sleep(self._settings.poll_s)


def _end(store: JobStore, lease: Lease, ending: Ending) -> JobRecord:
    document = ending.document
    if document is None:
        return store.finish(lease, ending.state, error=ending.error)
    return store.finish(lease, ending.state, results_file=str(document.target), publish=document.publish)


def _unwritable(id: str, fault: OSError) -> Ending:
    logger.error("%s: the document cannot be written: %s", id, fault)
    text = f"the document cannot be written: {fault.strerror}"
    error = DiskFull(text) if fault.errno in NO_ROOM else InternalError(text)
    return Ending("failed", error.body(id))
