"""One job in the hands of a worker: what the analysis reports goes to the store, what the store says comes back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from jobs.bell import Bell, rung
from jobs.record import JobRecord, Lease
from jobs.settings import JobSettings
from jobs.store import JobStore
from schema.document import Section
from schema.errors import StoreUnavailable
from schema.jobs import AnalyzerProgress, JobState

logger = logging.getLogger("tiktok_analyzer.jobs")

LEASE_PARTS = 6
"""A lease is extended after this part of its time, so that five attempts may fail."""


class JobWork:
    """What an analysis gets: the job, and whom to tell.

    Its methods are called in the event loop and never wait; ``report`` writes down what they say, in order.

    Args:
        record: The job.
        lease: Under which it is held.
        folder: Of its own video, for a download.
        store: To write to.
        bell: Rung with each piece of news.
        settings: Of the jobs.
    """

    def __init__(
        self, record: JobRecord, lease: Lease, folder: Path, store: JobStore, bell: Bell, settings: JobSettings
    ) -> None:
        self.record, self.folder = record, folder
        self._lease, self._store, self._bell, self._settings = lease, store, bell, settings
        self._unwritten: deque[Callable[[], object]] = deque()
        self._progress_of: Callable[[], Mapping[str, AnalyzerProgress]] | None = None
        self._noted: Mapping[str, AnalyzerProgress] | None = None
        self._news = asyncio.Event()
        self._closed = False
        self._next_beat_s, self._extend_s = 0.0, 0.0
        waited_s = time.time() - record.created_at.timestamp()
        self._taken_s, self._waited_s = time.monotonic(), max(0.0, waited_s)

    @property
    def id(self) -> str:
        """Of the job."""
        return self.record.id

    @property
    def remaining_s(self) -> float | None:
        """Wall seconds until the client's deadline, negative when it has passed; None without one."""
        if self.record.options.deadline_s is None:
            return None
        return self.record.options.deadline_s - self._waited_s - (time.monotonic() - self._taken_s)

    def enter(self, state: JobState) -> None:
        """The job gets into this state."""
        self._write(lambda: self._store.move(self._lease, state))

    def conclude(self, section: Section) -> None:
        """A section is concluded."""
        self._write(lambda: self._store.add_section(self._lease, section))

    def watch(self, progress_of: Callable[[], Mapping[str, AnalyzerProgress]]) -> None:
        """Where to ask for the progress from now on."""
        self._progress_of = progress_of

    def look(self) -> None:
        """There may be news in the store."""
        self._next_beat_s = 0.0
        self._news.set()

    def close(self) -> None:
        """Ends ``report``; nothing is lost, ``flush`` writes the rest."""
        self._closed = True
        self._news.set()

    async def report(self) -> bool:
        """Writes what is said and keeps the lease, until ``close`` or until the job is to be cancelled: then True.

        Raises:
            LeaseLost: The job is no longer this worker's.
        """
        while not self._closed:
            await self.flush()
            if time.monotonic() >= self._next_beat_s:
                self._next_beat_s = time.monotonic() + self._settings.heartbeat_s
                if await self._is_to_be_cancelled():
                    return True
            await rung(self._news, max(0.01, self._next_beat_s - time.monotonic()))
        return False

    async def flush(self) -> None:
        """Writes what is still unwritten, waiting while the store cannot be reached.

        Raises:
            LeaseLost: The job is no longer this worker's.
        """
        while self._unwritten:
            try:
                await asyncio.to_thread(self._unwritten[0])
            except StoreUnavailable as error:
                logger.warning("%s: %s; trying again", self.id, error)
                await asyncio.sleep(self._settings.poll_s)
                continue
            self._unwritten.popleft()
            self._bell.ring(self.id)

    async def note_progress(self) -> None:
        """Writes the progress down as it is now.

        Raises:
            LeaseLost: The job is no longer this worker's.
        """
        self._extend_s = 0.0
        await self._is_to_be_cancelled()

    async def _is_to_be_cancelled(self) -> bool:
        """Asks the store, and extends the lease when it is time or there is progress to note.

        A store that cannot be reached costs the job only where others can reach it.
        """
        analyzers = dict(self._progress_of()) if self._progress_of else None
        due = time.monotonic() >= self._extend_s or analyzers != self._noted
        try:
            if not due:
                return (await asyncio.to_thread(self._store.get, self.id)).cancel_requested
            record = await asyncio.to_thread(self._store.report, self._lease, self._settings.lease_s, analyzers)
        except StoreUnavailable as error:
            logger.warning("%s: %s; trying again", self.id, error)
            return False
        self._noted, self._extend_s = analyzers, time.monotonic() + self._settings.lease_s / LEASE_PARTS
        self._bell.ring(self.id)
        return record.cancel_requested

    def _write(self, write: Callable[[], object]) -> None:
        self._unwritten.append(write)
        self._news.set()
