"""A time limit that passes on results, errors and cancellations, also when they come together with its end."""

from __future__ import annotations

import asyncio

import pytest

from deployments.within import within

pytestmark = pytest.mark.asyncio


async def answer(after_s: float) -> str:
    await asyncio.sleep(after_s)
    return "done"


async def test_results_and_errors_pass() -> None:
    async def fail() -> None:
        raise LookupError("none")

    assert await within(120.0, answer(0.0)) == "done"
    assert await within(None, answer(0.0)) == "done"
    with pytest.raises(LookupError, match="none"):
        await within(120.0, fail())


@pytest.mark.parametrize("limit_s", [0.01, 0.0, -1.0])
async def test_what_takes_longer_is_cancelled(limit_s: float) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.sleep(60.0)
        finally:
            await asyncio.sleep(0)  # what it tidies up is waited for
            ended.set()

    with pytest.raises(asyncio.TimeoutError):
        await within(limit_s, work())
    assert begun.is_set() or limit_s <= 0.0
    assert ended.is_set() == begun.is_set()  # without any time it need not begin


async def test_a_cancellation_is_not_lost_when_the_work_ends_in_the_same_moment() -> None:
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()

    outer = asyncio.create_task(within(120.0, work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    go.set()
    outer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer
