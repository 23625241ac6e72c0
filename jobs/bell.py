"""Wakes those in this process that wait for news of a job; who waits in another process looks into the store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


async def rung(event: asyncio.Event, timeout_s: float) -> bool:
    """Whether the event was set before the time was over; it is cleared. Not ``wait_for``: before Python 3.12 that
    loses a cancellation which comes together with the event."""
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiting}, timeout=timeout_s)
    finally:
        waiting.cancel()
    found = event.is_set()
    event.clear()
    return found


class Ear:
    """Hears the bell of one job."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wakes who waits, or who waits next."""
        self._rung.set()

    async def wait(self, timeout_s: float) -> None:
        """Until it has rung since the last call, or the time is over."""
        await rung(self._rung, timeout_s)


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
