"""Who goes next on the one thread of a replica: higher priority first, equal in order of arrival.

A call that was cancelled while it waited is passed over, so a cancelled video costs at most the chunk that is being
computed. Mass work leaves the thread to interactive work after each chunk.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from analyzers.stop import wanted_while

T = TypeVar("T")
A = TypeVar("A")


@dataclass(order=True)
class _Turn(Generic[A]):
    order: tuple[int, int]
    """Negative priority, then the order of arrival."""
    chunk: Any = field(compare=False)
    """To be observed, together with others; None for other work."""
    work: Callable[[], Any] | None = field(compare=False)
    answer: asyncio.Future[Any] = field(compare=False)


class Turns(Generic[A]):
    """The thread of one replica.

    Args:
        name: Of the thread.
        observe: Gives an answer for each of some chunks; runs in the thread.
    """

    def __init__(self, name: str, observe: Callable[[Sequence[Any]], list[A]]) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._observe = observe
        self._waiting: list[_Turn[A]] = []
        self._arrived = 0
        self._pump: asyncio.Task[None] | None = None
        self.chunks_at_once = 1
        """Chunks that are observed together when that many wait, whatever videos they are of; none waits for
        company."""

    async def observe(self, priority: int, chunk: Any) -> A:
        """The answer for one chunk."""
        answer: A = await self._queued(priority, chunk, None)
        return answer

    async def take(self, priority: int, work: Callable[[], T]) -> T:
        """What ``work`` returns or raises, run in the thread."""
        answer: T = await self._queued(priority, None, work)
        return answer

    async def _queued(self, priority: int, chunk: Any, work: Callable[[], Any] | None) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._arrived += 1
        heapq.heappush(self._waiting, _Turn((-priority, self._arrived), chunk, work, answer))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        while turns := self._next():
            run = asyncio.wrap_future(self._pool.submit(self._computed, turns))
            await asyncio.wait({run})
            error = run.exception()
            for number, turn in enumerate(turns):
                if turn.answer.done():  # cancelled meanwhile
                    continue
                if error is not None:
                    turn.answer.set_exception(error)
                else:
                    turn.answer.set_result(run.result()[number])

    def _computed(self, turns: list[_Turn[A]]) -> list[Any]:
        work = turns[0].work
        with wanted_while(lambda: not all(turn.answer.done() for turn in turns)):
            return [work()] if work is not None else self._observe([turn.chunk for turn in turns])

    def _next(self) -> list[_Turn[A]]:
        """The first that waits; where that is a chunk, with the next chunks that may go with it."""
        turns: list[_Turn[A]] = []
        while self._waiting and len(turns) < self.chunks_at_once:
            if turns and self._waiting[0].work is not None:
                break
            turn = heapq.heappop(self._waiting)
            if turn.answer.done():
                continue
            turns.append(turn)
            if turn.work is not None:
                break
        return turns
