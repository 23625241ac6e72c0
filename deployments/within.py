"""A time limit that never loses a cancellation: ``asyncio.wait_for`` does, before Python 3.12, when both meet."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(limit_s: float | None, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` returns or raises; no limit when None.

    Raises:
        asyncio.TimeoutError: It took longer, and was cancelled.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task}, timeout=None if limit_s is None else max(0.0, limit_s))
        if task.done():
            return task.result()
        raise asyncio.TimeoutError
    finally:
        await end(task)


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancels what still runs and waits until it has ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
