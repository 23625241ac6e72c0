"""Whether one more job may wait, told without waiting: whatever the store's writers and the other threads are at.

The store counts again, in the transaction that writes a job down; this is for those that it would refuse.
"""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor

from jobs.settings import JobSettings
from jobs.store import JobStore, overloaded
from schema.errors import Overloaded

THREADS = 2
"""Threads that do nothing else: those for uploads, downloads and hashes may all be busy. A look is a reading
transaction of a millisecond, which waits for no writer."""


class Capacity:
    """What is known of the queue. Its methods belong to one event loop.

    Args:
        store: Of the jobs.
        settings: Of the jobs.
        max_videos: In work at once.
    """

    def __init__(self, store: JobStore, settings: JobSettings, max_videos: int) -> None:
        self._store, self._settings, self._max_videos = store, settings, max_videos
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="capacity")

    async def check(self, priority: int, key: str | None = None) -> None:
        """Refuses a job that would be refused.

        Args:
            priority: Of the job.
            key: Its idempotency key; one that is known stands for a job that was accepted before.

        Raises:
            Overloaded: As many wait as are allowed to.
            StoreUnavailable: The store cannot be asked.
        """
        if error := await asyncio.get_running_loop().run_in_executor(self._threads, self._refusal, priority, key):
            raise error

    def _refusal(self, priority: int, key: str | None) -> Overloaded | None:
        waiting = self._store.queued(priority)
        if waiting < self._settings.max_queued or (key is not None and self._store.with_key(key)):
            return None
        return self.timed(overloaded(waiting, priority, self._settings.max_queued))

    def timed(self, error: Overloaded) -> Overloaded:
        """The error with the wall seconds until a place becomes free, as far as the last jobs tell."""
        mean_s = self._store.mean_work_s()
        if mean_s is not None:
            error.retry_after_s = max(1.0, math.ceil(mean_s / self._max_videos))
        return error
