"""The loop that works on jobs: each ends once, whatever happens to the analysis, the client, the store or the loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs.owner import is_dead, new_owner
from jobs.postgres import PostgresJobStore
from jobs.record import JobRecord, NewJob
from jobs.results import ResultStore, StagedDocument
from jobs.settings import JobSettings
from jobs.sources import SourceFolder
from jobs.sqlite import SqliteJobStore
from jobs.store import JobStore
from jobs.work import JobWork
from jobs.worker import AfterEnd, Analyse, Worker, nothing
from reducer.document import build_document
from schema.document import AnalysisDocument, Performance, SourceFacts, VideoFacts
from schema.errors import NotAVideo, NotFound, StoreUnavailable
from schema.jobs import AnalyzerProgress, JobOptions, JobSource, JobState
from tests.child_processes import Child
from tests.job_stores import new_job, section
from tests.postgres_server import postgres_server

SETTINGS = JobSettings(heartbeat_s=0.05, poll_s=0.02, lease_s=5.0)
LONG_S = 60.0
PATIENCE_S = 20.0

pytestmark = pytest.mark.asyncio


def document_of(id: str) -> AnalysisDocument:
    return build_document(
        id=id,
        created_at=datetime.now(timezone.utc),
        source=SourceFacts(kind="path", name="a.mp4", sha256="0" * 64, size_bytes=1),
        video=VideoFacts(container="mp4", duration_s=1.0),
        outcomes={},
        performance=Performance(processing_time=1.0, realtime_factor=1.0),
    )


async def at_once(work: JobWork) -> AnalysisDocument:
    return document_of(work.id)


async def forever(work: JobWork) -> AnalysisDocument:
    await asyncio.sleep(LONG_S)
    raise AssertionError("nobody ended it")


async def until(check: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < end_s, "it did not happen"
        await asyncio.sleep(0.01)


@dataclass
class Shop:
    """A store, folders and loops over them."""

    data: Path
    store: JobStore
    loops: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.results, self.sources = ResultStore(self.data), SourceFolder(self.data)

    def worker(
        self,
        analyse: Analyse,
        settings: JobSettings = SETTINGS,
        max_videos: int = 2,
        after_end: AfterEnd = nothing,
        store: Any = None,
    ) -> Worker:
        return Worker(store or self.store, self.results, self.sources, analyse, settings, max_videos, after_end)

    def start(self, worker: Worker) -> Worker:
        self.loops.append(asyncio.create_task(worker.run()))
        return worker

    def add(self, name: str = "a.mp4", **values: Any) -> str:
        return self.store.add(new_job(name, **values))[0].id

    def add_upload(self, **options: Any) -> str:
        new = NewJob(JobSource(kind="upload", name="a.mp4", location=""), options=JobOptions(**options))
        with self.sources.reserved(new.id) as reserved:
            reserved.path.write_bytes(b"video")
            reserved.flush()
            self.store.add(new)
        return new.id

    def record(self, id: str) -> JobRecord:
        return self.store.get(id)

    async def settled(self, *ids: str) -> list[JobRecord]:
        await until(lambda: all(self.record(id).settled for id in ids))
        return [self.record(id) for id in ids]

    def left_over(self) -> list[Path]:
        return [path for name in ("incoming", "staging") for path in (self.data / name).iterdir()]


@asynccontextmanager
async def opened(data: Path) -> AsyncIterator[Shop]:
    shop = Shop(data, SqliteJobStore(data / "jobs.db", SETTINGS.aging_s))
    try:
        yield shop
    finally:
        for loop in shop.loops:
            loop.cancel()
        await asyncio.gather(*shop.loops, return_exceptions=True)
        shop.store.close()


def states(record: JobRecord) -> list[JobState]:
    return [change.state for change in record.changes]


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
        await until(lambda: worker.in_work == 2)
        await asyncio.sleep(3 * SETTINGS.poll_s)
        assert running == ["mass 0", "mass 1"]
        shop.add("person", priority=5)
        shop.add("another", priority=5)
        await until(lambda: worker.in_work == 3)
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
        late, early = shop.add(options={"deadline_s": 0.01}), shop.add(options={"deadline_s": 30.0})
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
        assert 0.0 < left[0] < 30.0


# ------------------------------------------------------------------------------------------------------- cancelling


@pytest.mark.parametrize("told", [True, False])
async def test_running_work_is_cancelled(tmp_path: Path, told: bool) -> None:
    """Also when the wish came to another process: then the next report brings it."""
    ended = asyncio.Event()

    async def analyse(work: JobWork) -> AnalysisDocument:
        try:
            return await forever(work)
        finally:
            ended.set()

    settings = SETTINGS.model_copy(update={"heartbeat_s": LONG_S if told else 0.05})
    async with opened(tmp_path) as shop:
        id = shop.add_upload()
        worker = shop.start(shop.worker(analyse, settings))
        await until(lambda: worker.in_work == 1)
        await asyncio.sleep(0.05)
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


# --------------------------------------------------------------------------------------------- loss of lease, restart


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
        worker = shop.start(shop.worker(analyse, max_videos=1))  # no place left to take it up again itself
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
            await asyncio.sleep(0.2)
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
