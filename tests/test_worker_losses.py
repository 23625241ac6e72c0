"""The loop that works on jobs: what the loss of a lease, of the store, of a worker costs, and what it leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs.owner import is_dead, new_owner
from jobs.record import JobRecord
from jobs.work import JobWork
from schema.document import AnalysisDocument
from schema.errors import NotFound, StoreUnavailable
from schema.jobs import JobState
from tests.child_processes import Child
from tests.worker_shop import LONG_S, SETTINGS, at_once, document_of, forever, opened, states, until

pytestmark = pytest.mark.asyncio


async def test_who_lost_the_lease_stops_and_leaves_no_trace(tmp_path: Path) -> None:
    ended: list[str] = []

    async def analyse(work: JobWork) -> AnalysisDocument:
        work.enter("decoding")
        try:
            return await forever(work)
        finally:
            ended.append(work.id)

    async with opened(tmp_path) as shop:
        id = shop.add()
        # It asks for its lease each sixth of its time; with one place it cannot take the job up again itself.
        quick = SETTINGS.model_copy(update={"lease_s": 1.0})
        worker = shop.start(shop.worker(analyse, quick, max_videos=1))
        await until(lambda: shop.record(id).state == "decoding")
        shop.store.expire_owner(shop.record(id).lease_owner or "")
        await until(lambda: shop.store.claim("thief", SETTINGS.lease_s) is not None or bool(ended))
        await until(lambda: ended == [id] and worker.in_work == 0)
        assert shop.record(id).lease_owner == "thief"
        assert shop.record(id).state == "queued"


async def test_a_document_that_comes_too_late_is_not_published(tmp_path: Path) -> None:
    """The lease is lost between the last report and the end, where only the store can tell."""

    async with opened(tmp_path) as shop:
        thieves: list[Any] = []

        async def analyse(work: JobWork) -> AnalysisDocument:
            await asyncio.sleep(0.1)
            shop.store.expire_owner(shop.record(work.id).lease_owner or "")
            thieves.append(shop.store.claim("thief", SETTINGS.lease_s))
            return document_of(work.id)

        id = shop.add()
        worker = shop.start(shop.worker(analyse, SETTINGS.model_copy(update={"heartbeat_s": LONG_S}), max_videos=1))
        await until(lambda: bool(thieves) and worker.in_work == 0)
        assert thieves[0] is not None
        with pytest.raises(NotFound):
            shop.results.path_of(id)
        assert shop.record(id).lease_owner == "thief"
        assert shop.left_over() == []


async def test_a_loop_that_is_stopped_gives_its_jobs_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as shop:
        id = shop.add_upload()
        worker = shop.start(shop.worker(forever))
        await until(lambda: worker.in_work == 1)
        shop.loops[0].cancel()
        await asyncio.gather(*shop.loops, return_exceptions=True)
        record = shop.record(id)
        assert (record.state, record.attempts, record.lease_owner) == ("queued", 0, None)
        shop.start(shop.worker(at_once))
        assert (await shop.settled(id))[0].state == "done"


async def test_a_store_that_is_away_for_a_while_costs_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as shop:
        away = {"claim": 2, "move": 2, "report": 2, "finish": 3}

        class Flaky:
            def __getattr__(self, name: str) -> Any:
                def asked(*args: Any, **values: Any) -> Any:
                    if away.get(name, 0):
                        away[name] -= 1
                        raise StoreUnavailable("away")
                    return getattr(shop.store, name)(*args, **values)

                return asked

        async def analyse(work: JobWork) -> AnalysisDocument:
            work.enter("decoding")
            await until(lambda: not away["report"])
            return document_of(work.id)

        id = shop.add()
        shop.start(shop.worker(analyse, store=Flaky()))
        (record,) = await shop.settled(id)
        assert states(record) == ["queued", "decoding", "done"]
        assert set(away.values()) == {0}


async def test_what_comes_after_the_end_is_tried_again(tmp_path: Path) -> None:
    told: list[JobState] = []

    async def tell(record: JobRecord) -> float | None:
        told.append(record.state)
        return 0.05 if len(told) < 3 else None

    async with opened(tmp_path) as shop:
        id = shop.add()
        shop.start(shop.worker(at_once, after_end=tell))
        await shop.settled(id)
        assert told == ["done"] * 3


async def test_uploads_that_no_job_knows_are_removed(tmp_path: Path) -> None:
    async with opened(tmp_path) as shop:
        orphan = shop.sources.folder_of("0" * 32)
        orphan.mkdir()
        (orphan / "video").write_bytes(b"half a vid")
        with shop.sources.reserved("1" * 32) as reserved:  # somebody is at it
            reserved.path.write_bytes(b"more to com")
            await shop.worker(at_once).run(until_empty=True)
            assert shop.left_over() == [reserved.folder]
        shop.add_upload()
        with pytest.raises(ConnectionResetError), shop.sources.reserved("2" * 32):
            raise ConnectionResetError
        await shop.worker(at_once).run(until_empty=True)
        assert shop.left_over() == []


async def test_a_dead_process_is_known_as_dead() -> None:
    code = "from jobs.owner import new_owner; print(new_owner(), flush=True); input()"
    with Child("-c", code, talks=True) as child:
        owner = child.line()
        assert not is_dead(owner)
        child.kill()
        assert is_dead(owner)
    assert is_dead(owner)
    assert not is_dead(new_owner())
    machine, pid, _, own = new_owner().split("|")
    assert is_dead(f"{machine}|{pid}|1.00|{own}")  # another process had this number
    assert not is_dead(f"elsewhere|{child.pid}|1.00|{own}")
    assert not is_dead("no such name")


async def test_a_living_process_is_not_dead_when_the_clock_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = new_owner()
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: 1.0)  # from which psutil computes a process's time
    assert not is_dead(owner)
    assert not is_dead(new_owner())


async def test_a_dead_workers_jobs_are_taken_up_without_waiting_for_the_lease(tmp_path: Path) -> None:
    machine, _, _, own = new_owner().split("|")
    async with opened(tmp_path) as shop:
        id = shop.add()
        shop.store.claim(f"{machine}|{2**22 + 1}|1.00|{own}", LONG_S)
        shop.start(shop.worker(at_once))
        assert (await shop.settled(id))[0].attempts == 2
