"""How full the queue is, known without asking the store: so that a refusal takes no time, whatever the store is at.

A refusal may go by a look that is some tenths of a second old. An acceptance never does: the store counts again, in the
transaction that writes the job down.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from concurrent.futures import ThreadPoolExecutor

from jobs.settings import JobSettings
from jobs.store import JobStore, overloaded
from schema.errors import Overloaded, StoreUnavailable

logger = logging.getLogger("tiktok_analyzer.jobs")

LOOK_S = 0.25
"""Wall seconds between two looks into the store, which take a millisecond. A place that becomes free is seen no later
than a client comes again, for ``Retry-After`` is a second at least."""

OLDEST_S = 2.0
"""Wall seconds after which a look says nothing any more; then the store alone decides."""


class Capacity:
    """What is known of the queue. Its methods belong to one event loop.

    Args:
        store: Of the jobs.
        settings: Of the jobs.
        max_videos: In work at once.
    """

    def __init__(self, store: JobStore, settings: JobSettings, max_videos: int) -> None:
        self._store, self._settings, self._max_videos = store, settings, max_videos
        self._waiting: dict[int, int] = {}
        self._mean_s: float | None = None
        self._seen_s = -math.inf
        # Threads of its own: those of the uploads and downloads may all be busy.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="capacity")

    async def watch(self) -> None:
        """Looks again and again; ends only when it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            asked_s = time.monotonic()
            try:
                self._waiting, self._mean_s = await loop.run_in_executor(self._threads, self._look)
                self._seen_s = asked_s
            except StoreUnavailable as error:
                logger.warning("%s; trying again", error)
            await asyncio.sleep(LOOK_S)

    async def check(self, priority: int, key: str | None = None) -> None:
        """Refuses a job that would be refused.

        Args:
            priority: Of the job.
            key: Its idempotency key; one that is known stands for a job that was accepted before.

        Raises:
            Overloaded: As many wait as are allowed to.
        """
        if time.monotonic() - self._seen_s > OLDEST_S:
            return
        waiting = sum(jobs for known, jobs in self._waiting.items() if known >= priority)
        if waiting < self._settings.max_queued:
            return
        if key is not None:
            loop = asyncio.get_running_loop()
            if await loop.run_in_executor(self._threads, self._store.with_key, key) is not None:
                return
        raise self.timed(overloaded(waiting, priority, self._settings.max_queued))

    def accepted(self, priority: int) -> None:
        """A job was accepted: the next look would see it too late."""
        self._waiting[priority] = self._waiting.get(priority, 0) + 1

    def timed(self, error: Overloaded) -> Overloaded:
        """The error with the wall seconds until a place becomes free, as far as the last jobs tell."""
        if self._mean_s is not None:
            error.retry_after_s = max(1.0, math.ceil(self._mean_s / self._max_videos))
        return error

    def _look(self) -> tuple[dict[int, int], float | None]:
        return self._store.waiting(), self._store.mean_work_s()
