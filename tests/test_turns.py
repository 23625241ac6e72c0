"""Who goes next on a replica's thread: by priority, then in order of arrival; cancelled calls are passed over."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from analyzers.stop import nobody_waits
from deployments.turns import Turns

pytestmark = pytest.mark.asyncio

PATIENCE_S = 120.0
"""Wall seconds that only what hangs takes."""


class Desk:
    """A thread that is busy until it is freed, and what it computed in which groups."""

    def __init__(self) -> None:
        self.groups: list[list[Any]] = []
        self.turns: Turns[Any] = Turns("desk", self.observe)
        self._free, self._begun = threading.Event(), threading.Event()

    def observe(self, chunks: Sequence[Any]) -> list[Any]:
        self.groups.append(list(chunks))
        return [10 * chunk for chunk in chunks]

    async def occupy(self) -> asyncio.Task[None]:
        def work() -> None:
            self._begun.set()
            assert self._free.wait(PATIENCE_S)

        task = asyncio.create_task(self.turns.take(5, work))
        await asyncio.to_thread(self._begun.wait, PATIENCE_S)
        return task

    def ask(self, priority: int, chunk: int) -> asyncio.Task[Any]:
        return asyncio.create_task(self.turns.observe(priority, chunk))

    async def free(self) -> None:
        await asyncio.sleep(0)
        self._free.set()


async def test_priority_then_order_of_arrival() -> None:
    desk = Desk()
    busy = await desk.occupy()
    asked = [desk.ask(priority, chunk) for chunk, priority in enumerate([3, 9, 3, 9])]
    await desk.free()
    assert await asyncio.gather(*asked) == [0, 10, 20, 30]
    await busy
    assert desk.groups == [[1], [3], [0], [2]]


async def test_mass_work_leaves_the_thread_after_each_chunk() -> None:
    """An interactive call waits for the chunk that is being computed and for no other."""
    desk = Desk()
    busy = await desk.occupy()
    mass = [desk.ask(3, chunk) for chunk in range(5)]
    person = asyncio.create_task(desk.turns.take(5, lambda: list(desk.groups)))
    await desk.free()
    assert await person == []
    await asyncio.gather(busy, *mass)


async def test_a_cancelled_call_is_never_computed() -> None:
    desk = Desk()
    busy = await desk.occupy()
    first, second = desk.ask(5, 1), desk.ask(5, 2)
    await asyncio.sleep(0)
    first.cancel()
    await desk.free()
    assert await second == 20
    await busy
    assert desk.groups == [[2]]


async def test_a_long_computation_ends_once_nobody_waits_for_it() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        while not nobody_waits():
            time.sleep(0.001)
        ended.set()

    desk = Desk()
    asked = asyncio.create_task(desk.turns.take(5, work))
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    asked.cancel()
    assert await asyncio.to_thread(ended.wait, PATIENCE_S)
    assert not nobody_waits()  # outside such a computation nobody says so


async def test_a_batch_goes_on_while_anybody_waits_for_a_part_of_it() -> None:
    wanted: list[bool] = []
    begun, go_on = threading.Event(), threading.Event()

    def observe(chunks: Sequence[Any]) -> list[Any]:
        begun.set()
        assert go_on.wait(PATIENCE_S)
        wanted.append(not nobody_waits())
        return list(chunks)

    turns: Turns[Any] = Turns("batch", observe)
    turns.chunks_at_once = 2
    one, other = (asyncio.create_task(turns.observe(5, chunk)) for chunk in (1, 2))
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    one.cancel()
    await asyncio.sleep(0)
    go_on.set()
    assert await other == 2
    assert wanted == [True]


async def test_a_call_that_is_cancelled_while_it_runs_harms_no_other() -> None:
    desk = Desk()
    busy = await desk.occupy()
    busy.cancel()
    later = desk.ask(5, 7)
    await desk.free()
    assert await later == 70


async def test_chunks_that_wait_together_are_computed_together() -> None:
    desk = Desk()
    desk.turns.chunks_at_once = 3
    busy = await desk.occupy()
    asked = [desk.ask(priority, chunk) for chunk, priority in enumerate([5, 5, 9, 5])]
    await desk.free()
    assert await asyncio.gather(*asked) == [0, 10, 20, 30]
    await busy
    assert desk.groups == [[2, 0, 1], [3]]


async def test_other_work_keeps_its_place_between_chunks() -> None:
    desk = Desk()
    desk.turns.chunks_at_once = 4
    busy = await desk.occupy()
    before = desk.ask(5, 1)
    await asyncio.sleep(0)
    between = asyncio.create_task(desk.turns.take(5, lambda: [list(group) for group in desk.groups]))
    await asyncio.sleep(0)
    after = desk.ask(5, 2)
    await desk.free()
    assert await between == [[1]]
    await asyncio.gather(busy, before, after)
    assert desk.groups == [[1], [2]]


async def test_an_error_reaches_who_asked() -> None:
    def fail() -> None:
        raise LookupError("nothing there")

    desk = Desk()
    with pytest.raises(LookupError, match="nothing there"):
        await desk.turns.take(5, fail)
    assert await desk.turns.observe(5, 4) == 40
