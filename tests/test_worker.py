"""The loop that works on jobs: each ends once, whatever happens to the analysis, the client or the queue."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from jobs.postgres import PostgresJobStore
from jobs.results import ResultStore, StagedDocument
from jobs.work import JobWork
from schema.document import AnalysisDocument
from schema.errors import NotAVideo, NotFound
from schema.jobs import AnalyzerProgress
from tests.job_stores import section
from tests.postgres_server import postgres_server
from tests.worker_shop import LONG_S, SETTINGS, Shop, at_once, document_of, forever, opened, states, until

pytestmark = pytest.mark.asyncio


# ------------------------------------------------------------------------------------------------------- the good way


async def test_a_job_is_done_and_nothing_is_left_over(tmp_path: Path) -> None:
    async def analyse(work: JobWork) -> AnalysisDocument:
        assert (work.folder / "video").read_bytes() == b"video"
        work.enter("decoding")
        work.watch(lambda: {"a": AnalyzerProgress(chunks_done=1, chunks_planned=1, status="ok")})
        work.conclude(section("a", answer=1))
        work.conclude(section("b", answer=2))
        work.enter("reducing")
        return document_of(work.id)

    async with opened(tmp_path) as shop:
        id = shop.add_upload()
        shop.start(shop.worker(analyse))
        (record,) = await shop.settled(id)
        assert states(record) == ["queued", "decoding", "reducing", "done"]
        assert record.results_file == str(shop.results.path_of(id))
        assert shop.results.read(id).id == id
        assert shop.left_over() == []
        events = shop.store.events(id)
        assert [e.analyzer or (e.data or {})["state"] for e in events] == [
            *("queued", "decoding", "a", "b", "reducing", "done")
        ]


async def test_a_kept_source_stays(tmp_path: Path) -> None:
    async with opened(tmp_path) as shop:
        id = shop.add_upload(keep=True)
        shop.start(shop.worker(at_once))
        await shop.settled(id)
        assert (shop.sources.folder_of(id) / "video").read_bytes() == b"video"
        shop.start(shop.worker(at_once))  # also after a restart
        await asyncio.sleep(3 * SETTINGS.poll_s)
        assert [path.name for path in shop.left_over()] == [id]


async def test_progress_reaches_the_store_while_the_work_goes_on(tmp_path: Path) -> None:
    done = AnalyzerProgress(chunks_done=3, chunks_planned=3)

    async def analyse(work: JobWork) -> AnalysisDocument:
        work.enter("analyzing")
        work.watch(lambda: {"a": done})
        return await forever(work)

    async with opened(tmp_path) as shop:
        id = shop.add()
        shop.start(shop.worker(analyse))
        await until(lambda: shop.record(id).progress > 0)
        status = shop.record(id).status()
        assert (status.state, status.progress, status.analyzers) == ("analyzing", 0.75, {"a": done})
        await until(lambda: shop.record(id).status().remaining_s is not None)


async def test_two_loops_share_the_work_and_each_job_is_analysed_once(tmp_path: Path) -> None:
    seen: list[str] = []

    async def analyse(work: JobWork) -> AnalysisDocument:
        seen.append(work.id)
        await asyncio.sleep(0)
        return document_of(work.id)

    async with opened(tmp_path) as shop:
        ids = [shop.add() for _ in range(12)]
        await asyncio.gather(*(shop.worker(analyse).run(until_empty=True) for _ in range(2)))
        assert sorted(seen) == sorted(ids)
        assert shop.store.counts() == {"done": 12}
        assert all(shop.record(id).settled for id in ids)


async def test_the_loop_works_over_postgresql(tmp_path: Path) -> None:
    with postgres_server() as url:
        store = PostgresJobStore(url, SETTINGS.aging_s)
        shop = Shop(tmp_path, store)
        ids = [shop.add() for _ in range(6)]
        shop.store.request_cancel(ids[0])
        await asyncio.gather(*(shop.worker(at_once).run(until_empty=True) for _ in range(2)))
        assert store.counts() == {"done": 5, "cancelled": 1}
        assert [shop.results.read(id).id for id in ids[1:]] == ids[1:]
        assert all(shop.record(id).settled for id in ids)
        store.close()


# --------------------------------------------------------------------------------------------------- how many at once


async def test_no_more_at_once_than_allowed_and_one_place_is_for_people(tmp_path: Path) -> None:
    release, running = asyncio.Event(), []

    async def analyse(work: JobWork) -> AnalysisDocument:
        running.append(work.record.source.name)
        await release.wait()
        return document_of(work.id)

    async with opened(tmp_path) as shop:
        for number in range(4):
            shop.add(f"mass {number}", priority=3)
        worker = shop.start(shop.worker(analyse, max_videos=3))
        await until(lambda: len(running) == 2)
        await asyncio.sleep(3 * SETTINGS.poll_s)
        assert worker.in_work == 2
        assert running == ["mass 0", "mass 1"]
        shop.add("person", priority=5)
        shop.add("another", priority=5)
        await until(lambda: len(running) == 3)
        await asyncio.sleep(3 * SETTINGS.poll_s)
        assert running == ["mass 0", "mass 1", "person"]
        release.set()
        await until(lambda: shop.store.counts() == {"done": 6})
        assert running[3] == "another"


async def test_people_may_take_every_place_and_one_place_is_for_all(tmp_path: Path) -> None:
    async with opened(tmp_path) as shop:
        for number in range(3):
            shop.add(str(number), priority=9)
        worker = shop.start(shop.worker(forever, max_videos=3))
        await until(lambda: worker.in_work == 3)
    async with opened(tmp_path / "one") as shop:
        shop.add("mass", priority=1)
        worker = shop.start(shop.worker(forever, max_videos=1))
        await until(lambda: worker.in_work == 1)


# ---------------------------------------------------------------------------------------------------- the bad ends


async def test_a_typed_error_is_the_jobs_end(tmp_path: Path) -> None:
    async def analyse(work: JobWork) -> AnalysisDocument:
        raise NotAVideo("text all over")

    async with opened(tmp_path) as shop:
        id = shop.add_upload()
        shop.start(shop.worker(analyse))
        (record,) = await shop.settled(id)
        assert record.error is not None
        assert (record.state, record.error.code, record.error.details, record.error.id) == (
            *("failed", "not_a_video", "text all over"),
            id,
        )
        assert shop.left_over() == []
        with pytest.raises(NotFound):
            shop.results.path_of(id)


@pytest.mark.error_logs
async def test_an_unexpected_fault_is_internal_and_tells_no_secrets(tmp_path: Path) -> None:
    async def analyse(work: JobWork) -> AnalysisDocument:
        raise ZeroDivisionError("secret")

    async with opened(tmp_path) as shop:
        id = shop.add()
        shop.start(shop.worker(analyse))
        (record,) = await shop.settled(id)
        assert record.error is not None
        assert (record.state, record.error.code) == ("failed", "internal")
        assert "secret" not in record.error.model_dump_json()


@pytest.mark.error_logs
@pytest.mark.parametrize("method", ["stage", "publish"])
async def test_a_full_disk_ends_the_job_and_leaves_no_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ResultStore if method == "stage" else StagedDocument, method, full)
    async with opened(tmp_path) as shop:
        id = shop.add()
        shop.start(shop.worker(at_once))
        (record,) = await shop.settled(id)
        assert record.error is not None
        assert (record.state, record.results_file) == ("failed", None)
        assert (record.error.code, record.error.retry_possible) == ("disk_full", True)
        assert "No space left" in record.error.details
        assert shop.left_over() == []


async def test_a_job_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    async with opened(tmp_path) as shop:
        id = shop.add_upload()
        for number in range(SETTINGS.max_attempts):
            shop.store.claim(f"killed {number}", SETTINGS.lease_s)
            shop.store.expire_owner(f"killed {number}")
        shop.start(shop.worker(forever))
        (record,) = await shop.settled(id)
        assert record.error is not None
        assert (record.state, record.error.code) == ("failed", "worker_lost")
        assert "died 3 times" in record.error.details
        assert shop.left_over() == []


async def test_one_attempt_fewer_is_still_worked_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as shop:
        id = shop.add()
        for number in range(SETTINGS.max_attempts - 1):
            shop.store.claim(f"killed {number}", SETTINGS.lease_s)
            shop.store.expire_owner(f"killed {number}")
        shop.start(shop.worker(at_once))
        assert (await shop.settled(id))[0].state == "done"


async def test_a_deadline_that_passed_in_the_queue(tmp_path: Path) -> None:
    async with opened(tmp_path) as shop:
        late, early = shop.add(options={"deadline_s": 0.01}), shop.add(options={"deadline_s": 300.0})
        await asyncio.sleep(0.02)
        left: list[float | None] = []

        async def analyse(work: JobWork) -> AnalysisDocument:
            left.append(work.remaining_s)
            return document_of(work.id)

        shop.start(shop.worker(analyse))
        records = await shop.settled(late, early)
        assert [record.state for record in records] == ["failed", "done"]
        assert records[0].error is not None
        assert records[0].error.code == "timeout"
        assert left[0] is not None
        assert 0.0 < left[0] < 300.0


# ------------------------------------------------------------------------------------------------------- cancelling


@pytest.mark.parametrize("told", [True, False])
async def test_running_work_is_cancelled(tmp_path: Path, told: bool) -> None:
    """Also when the wish came to another process: then the next report brings it."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def analyse(work: JobWork) -> AnalysisDocument:
        begun.set()
        try:
            return await forever(work)
        finally:
            ended.set()

    settings = SETTINGS.model_copy(update={"heartbeat_s": LONG_S if told else 0.05})
    async with opened(tmp_path) as shop:
        id = shop.add_upload()
        worker = shop.start(shop.worker(analyse, settings))
        await until(begun.is_set)
        shop.store.request_cancel(id)
        if told:
            worker.look(id)
        (record,) = await shop.settled(id)
        assert ended.is_set()
        assert (record.state, record.error and record.error.code) == ("cancelled", "cancelled")
        assert shop.left_over() == []


async def test_a_wish_to_cancel_outlives_the_worker(tmp_path: Path) -> None:
    async with opened(tmp_path) as shop:
        id = shop.add()
        shop.store.claim("killed", SETTINGS.lease_s)
        shop.store.request_cancel(id)
        shop.store.expire_owner("killed")
        shop.start(shop.worker(forever))
        assert (await shop.settled(id))[0].state == "cancelled"
