"""Wakes those in this process that wait for news of a job; who waits in another process looks into the store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Ear:
    """Hears the bell of one job."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wakes who waits, or who waits next."""
        self._rung.set()

    async def wait(self, timeout_s: float) -> None:
        """Until it has rung since the last call, or the time is over."""
        try:
            await asyncio.wait_for(self._rung.wait(), timeout_s)
        except asyncio.TimeoutError:
            return
        self._rung.clear()


class Bell:
    """All bells of one event loop."""

    def __init__(self) -> None:
        self._ears: dict[str, set[Ear]] = {}

    def ring(self, id: str) -> None:
        """There is news of this job in the store."""
        for ear in self._ears.get(id, ()):
            ear.ring()

    @contextmanager
    def listening(self, id: str) -> Iterator[Ear]:
        """An ear for this job's bell. Listen first, then look into the store: so no news is missed."""
        ear = Ear()
        self._ears.setdefault(id, set()).add(ear)
        try:
            yield ear
        finally:
            self._ears[id].discard(ear)
            if not self._ears[id]:
                del self._ears[id]
