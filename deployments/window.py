"""Bounds the bytes of one video that wait in the object store for their analyzers."""

from __future__ import annotations

import asyncio


class ByteWindow:
    """Lets bytes in while fewer than the limit are inside; one entry larger than the limit goes in alone.

    Args:
        limit_bytes: Bytes that may be inside.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._inside = 0
        self._changed = asyncio.Condition()
        self.peak_bytes = 0

    async def enter(self, amount: int) -> None:
        """Waits until ``amount`` bytes fit."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._inside == 0 or self._inside + amount <= self._limit)
            self._inside += amount
            self.peak_bytes = max(self.peak_bytes, self._inside)

    async def leave(self, amount: int) -> None:
        """Gives ``amount`` bytes back."""
        async with self._changed:
            self._inside -= amount
            self._changed.notify_all()
