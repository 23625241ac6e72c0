"""The byte window lets in what fits, one thing that is too large alone, and wakes who waits."""

from __future__ import annotations

import asyncio

import pytest

from deployments.window import ByteWindow


@pytest.mark.asyncio
async def test_waits_until_it_fits() -> None:
    window = ByteWindow(100)
    await window.enter(60)
    waiting = asyncio.create_task(window.enter(60))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await window.leave(60)
    await asyncio.wait_for(waiting, 60.0)
    assert window.peak_bytes == 60


@pytest.mark.asyncio
async def test_what_is_larger_than_the_window_goes_in_alone() -> None:
    window = ByteWindow(100)
    await asyncio.wait_for(window.enter(500), 60.0)
    waiting = asyncio.create_task(window.enter(1))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await window.leave(500)
    await asyncio.wait_for(waiting, 60.0)
