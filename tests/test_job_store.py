"""The contract of the job store, held against each implementation; PostgreSQL is a real server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs.opening import open_store
from jobs.postgres import PostgresJobStore
from jobs.record import JobCopy
from jobs.settings import JobSettings
from jobs.sqlite import SqliteJobStore
from jobs.store import JobStore, LeaseLost
from jobs.tables import MIGRATIONS
from schema.errors import IdempotencyConflict, InternalError, InvalidRequest, NotFound, Overloaded, StoreUnavailable
from schema.jobs import AnalyzerProgress
from tests.job_stores import AGING_S, Bench, Clock, new_job, section
from tests.postgres_server import postgres_server

LEASE_S = 10.0
EPSILON_S = 0.001


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    clock = Clock()
    opened: list[JobStore] = []

    def again() -> JobStore:
        if request.param == "sqlite":
            opened.append(SqliteJobStore(tmp_path / "jobs.db", AGING_S, clock))
        else:
            opened.append(PostgresJobStore(request.getfixturevalue("postgres_url"), AGING_S, clock))
        return opened[-1]

    if request.param == "postgres":
        _drop_tables(request.getfixturevalue("postgres_url"))
    yield Bench(again(), clock, again)
    for store in opened:
        store.close()


def _drop_tables(url: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute("DROP TABLE IF EXISTS job_copies, job_events, jobs, job_schema")


def names_claimed(store: JobStore, count: int) -> list[str]:
    claims = [store.claim("worker", LEASE_S) for _ in range(count)]
    return [claim[0].source.name for claim in claims if claim]


# ------------------------------------------------------------------------------------------------- what is accepted


def test_what_was_accepted_is_there_for_others(bench: Bench) -> None:
    new = new_job(
        "clip.mp4",
        priority=7,
        analyzers=("cut_analysis",),
        options={"keep": True, "deadline_s": 30.0},
        idempotency_key="k",
        fingerprint="f",
        batch="monday",
    )
    record, created = bench.store.add(new)
    assert created
    assert bench.again().get(new.id) == record
    assert (record.state, record.attempts, record.priority, record.batch) == ("queued", 0, 7, "monday")
    assert (record.source, record.options, record.analyzers) == (new.source, new.options, ("cut_analysis",))
    assert [change.state for change in record.changes] == ["queued"]
    assert record.created_at.timestamp() == bench.clock.now_s


def test_unknown_jobs(bench: Bench) -> None:
    for ask in (bench.store.get, bench.store.request_cancel, bench.store.requeue):
        with pytest.raises(NotFound, match="nope"):
            ask("nope")
    assert bench.store.events("nope") == []
    bench.store.delete("nope")


def test_the_queue_is_bounded_for_each_priority_and_above(bench: Bench) -> None:
    bench.store.add(new_job(priority=2), max_queued=2)
    bench.store.add(new_job(priority=2), max_queued=2)
    with pytest.raises(Overloaded, match="2 jobs of priority 2 or more wait, 2 are allowed to"):
        bench.store.add(new_job(priority=2), max_queued=2)
    bench.store.add(new_job(priority=3), max_queued=2)  # mass work below does not shut it out
    assert (bench.store.queued(), bench.store.queued(3)) == (3, 1)
    bench.store.claim("worker", LEASE_S)
    assert bench.store.queued(3) == 0


def test_the_bound_holds_when_many_ask_at_once(bench: Bench) -> None:
    start = threading.Barrier(8, timeout=30.0)

    def submit(_: int) -> bool:
        start.wait()
        try:
            return bench.store.add(new_job(), max_queued=5)[1]
        except Overloaded:
            return False

    with ThreadPoolExecutor(8) as pool:
        accepted = sum(pool.map(submit, range(8)))
    assert accepted == bench.store.queued() == 5


def test_a_key_stands_for_one_request(bench: Bench) -> None:
    first, created = bench.store.add(new_job(idempotency_key="k", fingerprint="f"), max_queued=1)
    assert created
    again, created = bench.store.add(new_job(idempotency_key="k", fingerprint="f"), max_queued=1)
    assert (again.id, created) == (first.id, False)
    with pytest.raises(IdempotencyConflict, match=first.id):
        bench.store.add(new_job(idempotency_key="k", fingerprint="other"))
    assert bench.store.counts() == {"queued": 1}
    assert bench.store.with_key("k") == first
    assert bench.store.with_key("other") is None


def test_a_key_stands_for_one_request_when_many_ask_at_once(bench: Bench) -> None:
    start = threading.Barrier(6, timeout=30.0)

    def submit(_: int) -> tuple[str, bool]:
        start.wait()
        record, created = bench.store.add(new_job(idempotency_key="k", fingerprint="f"))
        return record.id, created

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(submit, range(6)))
    assert len({id for id, _ in answers}) == 1
    assert sum(created for _, created in answers) == 1


# ---------------------------------------------------------------------------------------------------- who goes first


def test_ten_goes_first_and_equals_in_order_of_arrival(bench: Bench) -> None:
    for name, priority in [("a", 5), ("b", 1), ("c", 10), ("d", 5), ("e", 10)]:
        bench.store.add(new_job(name, priority=priority))
    assert names_claimed(bench.store, 6) == ["c", "e", "a", "d", "b"]


@pytest.mark.parametrize(("after_s", "first"), [(9 * AGING_S - 1.0, "late"), (9 * AGING_S + 1.0, "early")])
def test_waiting_counts_as_priority(bench: Bench, after_s: float, first: str) -> None:
    """Nine steps lie between 1 and 10, so a 1 has caught up after nine times the step's seconds."""
    bench.store.add(new_job("early", priority=1))
    bench.clock.pass_s(after_s)
    bench.store.add(new_job("late", priority=10))
    assert names_claimed(bench.store, 1) == [first]


def test_a_place_kept_for_the_important_takes_nothing_else(bench: Bench) -> None:
    bench.store.add(new_job("mass", priority=4))
    assert bench.store.claim("worker", LEASE_S, least_priority=5) is None
    bench.store.add(new_job("asked", priority=5))
    claim = bench.store.claim("worker", LEASE_S, least_priority=5)
    assert claim is not None
    assert claim[0].source.name == "asked"


def test_each_job_goes_to_one_worker(bench: Bench) -> None:
    ids = {bench.store.add(new_job())[0].id for _ in range(24)}
    start = threading.Barrier(6, timeout=30.0)

    def work(number: int) -> list[str]:
        start.wait()
        taken = []
        while claim := bench.store.claim(f"worker {number}", LEASE_S):
            taken.append(claim[0].id)
        return taken

    with ThreadPoolExecutor(6) as pool:
        taken = [id for group in pool.map(work, range(6)) for id in group]
    assert len(taken) == len(ids)
    assert set(taken) == ids


# ------------------------------------------------------------------------------------------------------------ leases


def test_a_lease_that_runs_out_lets_another_worker_in(bench: Bench) -> None:
    id = bench.store.add(new_job())[0].id
    first = bench.store.claim("first", LEASE_S)
    assert first is not None
    bench.store.move(first[1], "decoding")
    bench.clock.pass_s(LEASE_S)
    assert bench.store.claim("second", LEASE_S) is None
    bench.clock.pass_s(EPSILON_S)
    second = bench.store.claim("second", LEASE_S)
    assert second is not None
    record, lease = second
    assert (record.id, record.attempts, record.state, record.progress) == (id, 2, "queued", 0.0)
    assert [change.state for change in record.changes] == ["queued", "decoding", "queued"]
    assert lease.token > first[1].token
    assert record.started_at == first[0].started_at


def test_reporting_extends_the_lease_and_carries_the_progress(bench: Bench) -> None:
    bench.store.add(new_job())
    claim = bench.store.claim("first", LEASE_S)
    assert claim is not None
    for _ in range(3):
        bench.clock.pass_s(0.9 * LEASE_S)
        bench.store.report(claim[1], LEASE_S)
        assert bench.store.claim("second", LEASE_S) is None
    done = AnalyzerProgress(chunks_done=2, chunks_planned=3)
    over = AnalyzerProgress(chunks_done=3, chunks_planned=3, status="ok")
    record = bench.store.report(claim[1], LEASE_S, {"a": done, "b": over})
    assert record.analyzer_progress == {"a": done, "b": over}
    assert record.progress == pytest.approx(6 / 8)  # of 3 + 3 chunks and 2 conclusions
    assert not record.cancel_requested
    bench.store.request_cancel(record.id)
    assert bench.store.report(claim[1], LEASE_S).cancel_requested


OLD_OWNER_DOES: list[Callable[[JobStore, Any], Any]] = [
    lambda store, lease: store.report(lease, LEASE_S, {}),
    lambda store, lease: store.move(lease, "reducing"),
    lambda store, lease: store.add_section(lease, section()),
    lambda store, lease: store.finish(lease, "done", results_file="old"),
    lambda store, lease: store.release(lease),
    lambda store, lease: store.settle(lease),
    lambda store, lease: store.postpone(lease, 1.0),
]


@pytest.mark.parametrize("act", OLD_OWNER_DOES)
@pytest.mark.parametrize("ended", [False, True])
def test_who_lost_a_job_can_write_nothing(bench: Bench, act: Callable[[JobStore, Any], Any], ended: bool) -> None:
    id = bench.store.add(new_job())[0].id
    old = bench.store.claim("same name", LEASE_S)
    bench.clock.pass_s(LEASE_S + EPSILON_S)
    new = bench.store.claim("same name", LEASE_S)
    assert old is not None
    assert new is not None
    if ended:
        bench.store.finish(new[1], "done", results_file="new")
    before, events = bench.store.get(id), bench.store.events(id)
    with pytest.raises(LeaseLost, match=id):
        act(bench.store, old[1])
    assert bench.store.get(id) == before
    assert bench.store.events(id) == events


def test_a_late_worker_keeps_a_job_that_nobody_took(bench: Bench) -> None:
    bench.store.add(new_job())
    claim = bench.store.claim("slow", LEASE_S)
    assert claim is not None
    bench.clock.pass_s(5 * LEASE_S)
    bench.store.report(claim[1], LEASE_S)
    assert bench.store.claim("other", LEASE_S) is None
    assert bench.store.finish(claim[1], "done").state == "done"


def test_a_job_given_back_does_not_count_as_an_attempt(bench: Bench) -> None:
    id = bench.store.add(new_job())[0].id
    claim = bench.store.claim("stopping", LEASE_S)
    assert claim is not None
    bench.store.release(claim[1])
    assert (bench.store.get(id).state, bench.store.get(id).attempts) == ("queued", 0)
    again = bench.store.claim("next", LEASE_S)
    assert again is not None
    assert again[0].attempts == 1


def test_leases_of_a_dead_worker_end_at_once(bench: Bench) -> None:
    ids = [bench.store.add(new_job(str(number)))[0].id for number in range(3)]
    bench.store.claim("dead", LEASE_S)
    bench.store.claim("dead", LEASE_S)
    bench.store.claim("alive", LEASE_S)
    assert bench.store.lease_owners() == {"dead", "alive"}
    assert bench.store.expire_owner("dead") == 2
    assert bench.store.lease_owners() == {"alive"}
    claims = [bench.store.claim("next", LEASE_S), bench.store.claim("next", LEASE_S)]
    assert [claim[0].id for claim in claims if claim] == ids[:2]
    assert bench.store.claim("next", LEASE_S) is None


# --------------------------------------------------------------------------------------------------------- the end


def test_a_job_ends_once_and_publishes_before_it(bench: Bench) -> None:
    id = bench.store.add(new_job())[0].id
    claim = bench.store.claim("worker", LEASE_S)
    assert claim is not None
    published: list[str] = []
    bench.clock.pass_s(4.0)
    bench.store.finish(claim[1], "done", results_file="d.json", publish=lambda: published.append("x"))
    with pytest.raises(LeaseLost):
        bench.store.finish(claim[1], "failed", publish=lambda: published.append("y"))
    record = bench.store.get(id)
    assert published == ["x"]
    assert (record.state, record.progress, record.results_file) == ("done", 1.0, "d.json")
    assert bench.store.mean_work_s() == pytest.approx(4.0)
    bench.clock.pass_s(100 * LEASE_S)
    assert bench.store.claim("worker", LEASE_S) is None


def test_a_document_that_cannot_be_published_leaves_the_job_open(bench: Bench) -> None:
    id = bench.store.add(new_job())[0].id
    claim = bench.store.claim("worker", LEASE_S)
    assert claim is not None

    def full() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        bench.store.finish(claim[1], "done", results_file="x", publish=full)
    assert bench.store.get(id) == claim[0]
    assert bench.store.finish(claim[1], "failed", error=InternalError("x").body(id)).error is not None


def test_finish_and_move_take_their_own_states(bench: Bench) -> None:
    bench.store.add(new_job())
    claim = bench.store.claim("worker", LEASE_S)
    assert claim is not None
    with pytest.raises(ValueError, match="'analyzing' is not final"):
        bench.store.finish(claim[1], "analyzing")
    with pytest.raises(ValueError, match="'done' is final"):
        bench.store.move(claim[1], "done")


def test_what_comes_after_the_end_is_done_by_somebody(bench: Bench) -> None:
    bench.store.add(new_job())
    claim = bench.store.claim("worker", LEASE_S)
    assert claim is not None
    bench.store.add_section(claim[1], section(answer=42))
    bench.store.finish(claim[1], "done", results_file="d.json")
    assert bench.store.claim_ended("other", LEASE_S) is None  # the finisher is at it
    assert bench.store.lease_owners() == {"worker"}
    bench.clock.pass_s(LEASE_S + EPSILON_S)
    ended = bench.store.claim_ended("other", LEASE_S)
    assert ended is not None
    bench.store.postpone(ended[1], 60.0)
    assert bench.store.claim_ended("other", LEASE_S) is None
    bench.clock.pass_s(60.0 + EPSILON_S)
    ended = bench.store.claim_ended("other", LEASE_S)
    assert ended is not None
    bench.store.settle(ended[1])
    assert bench.store.get(ended[0].id).settled
    bench.clock.pass_s(100 * LEASE_S)
    assert bench.store.claim_ended("other", LEASE_S) is None
    assert bench.store.lease_owners() == set()


@pytest.mark.parametrize(("results_file", "kept"), [("d.json", False), (None, True)])
def test_sections_leave_the_log_once_a_document_holds_them(bench: Bench, results_file: str | None, kept: bool) -> None:
    id = bench.store.add(new_job())[0].id
    claim = bench.store.claim("worker", LEASE_S)
    assert claim is not None
    bench.store.add_section(claim[1], section(answer=42))
    bench.store.finish(claim[1], "done" if results_file else "cancelled", results_file=results_file)
    bench.store.settle(claim[1])
    found = [event for event in bench.store.events(id) if event.kind == "section"]
    assert [(event.analyzer, event.data is not None) for event in found] == [("color_analysis", kept)]


def test_events_count_up_without_gaps(bench: Bench) -> None:
    id = bench.store.add(new_job())[0].id
    claim = bench.store.claim("worker", LEASE_S)
    assert claim is not None
    bench.store.move(claim[1], "decoding")
    bench.store.move(claim[1], "decoding")  # no second event
    bench.store.add_section(claim[1], section(answer=42))
    bench.store.finish(claim[1], "failed", error=InternalError("x").body(id))
    events = bench.store.events(id)
    assert [event.number for event in events] == [1, 2, 3, 4]
    assert [(event.data or {}).get("state") for event in events] == ["queued", "decoding", None, "failed"]
    assert events[2].data is not None
    assert events[2].data["result"] == {"answer": 42}
    assert bench.store.events(id, after=2) == events[2:]
    assert bench.store.events(id, after=1, limit=2) == events[1:3]


# ------------------------------------------------------------------------------------------------ cancelling, listing


def test_a_waiting_job_is_cancelled_at_once(bench: Bench) -> None:
    id = bench.store.add(new_job())[0].id
    record = bench.store.request_cancel(id)
    assert (record.state, record.error and record.error.code) == ("cancelled", "cancelled")
    assert bench.store.claim("worker", LEASE_S) is None
    ended = bench.store.claim_ended("worker", LEASE_S)
    assert ended is not None
    assert ended[0].id == id


def test_a_running_job_is_cancelled_by_its_worker(bench: Bench) -> None:
    id = bench.store.add(new_job())[0].id
    claim = bench.store.claim("worker", LEASE_S)
    assert claim is not None
    record = bench.store.request_cancel(id)
    assert (record.state, record.cancel_requested) == ("queued", True)
    assert bench.store.finish(claim[1], "cancelled").state == "cancelled"


def test_an_abandoned_job_is_cancelled_at_once(bench: Bench) -> None:
    id = bench.store.add(new_job())[0].id
    claim = bench.store.claim("dead", LEASE_S)
    bench.clock.pass_s(LEASE_S + EPSILON_S)
    assert bench.store.request_cancel(id).state == "cancelled"
    assert claim is not None
    with pytest.raises(LeaseLost):
        bench.store.finish(claim[1], "done")


def test_a_job_that_has_ended_stays_as_it_is(bench: Bench) -> None:
    bench.store.add(new_job())
    claim = bench.store.claim("worker", LEASE_S)
    assert claim is not None
    done = bench.store.finish(claim[1], "done", results_file="d.json")
    assert bench.store.request_cancel(done.id) == done


def test_failed_jobs_go_back_as_if_new(bench: Bench) -> None:
    id = bench.store.add(new_job())[0].id
    claim = bench.store.claim("worker", LEASE_S)
    assert claim is not None
    with pytest.raises(InvalidRequest, match="queued"):
        bench.store.requeue(id)
    bench.store.finish(claim[1], "failed", error=InternalError("x").body(id))
    record = bench.store.requeue(id)
    assert (record.state, record.attempts, record.error, record.ended_at, record.settled) == (
        "queued",
        0,
        None,
        None,
        False,
    )
    with pytest.raises(LeaseLost):
        bench.store.settle(claim[1])
    again = bench.store.claim("worker", LEASE_S)
    assert again is not None
    assert (again[0].id, again[0].attempts) == (id, 1)
    bench.store.finish(again[1], "done", results_file="d.json")
    with pytest.raises(InvalidRequest, match="done"):
        bench.store.requeue(id)


def test_an_upload_that_is_gone_cannot_go_back(bench: Bench) -> None:
    id = bench.store.add(new_job(kind="upload"))[0].id
    bench.store.request_cancel(id)
    with pytest.raises(InvalidRequest, match="upload"):
        bench.store.requeue(id)


def test_jobs_are_forgotten_with_their_events(bench: Bench) -> None:
    id = bench.store.add(new_job())[0].id
    with pytest.raises(InvalidRequest, match="has not ended"):
        bench.store.delete(id)
    bench.store.request_cancel(id)
    bench.store.delete(id)
    assert bench.store.events(id) == []
    with pytest.raises(NotFound):
        bench.store.get(id)


def test_copies_name_the_job_that_stands_for_them(bench: Bench) -> None:
    first, second = (bench.store.add(new_job(name, batch="b"))[0].id for name in ("1.mp4", "2.mp4"))
    with pytest.raises(NotFound, match="nope"):
        bench.store.note_copy(JobCopy("b", "c.mp4", "/videos/c.mp4", "nope"))
    of_first = [JobCopy("b", name, f"/videos/{name}", first) for name in ("c.mp4", "d.mp4")]
    for copy in reversed(of_first):
        bench.store.note_copy(copy)
    bench.store.note_copy(replace(of_first[0], batch="other"))
    assert bench.again().copies("b") == of_first
    changed = replace(of_first[0], job_id=second)  # the file was replaced
    bench.store.note_copy(changed)
    assert bench.store.copies("b") == [changed, of_first[1]]
    bench.store.request_cancel(first)
    bench.store.delete(first)
    assert bench.store.copies("b") == [changed]
    assert bench.store.copies("other") == []


def test_listing_pages_and_filters(bench: Bench) -> None:
    ids = [bench.store.add(new_job(str(number), batch="b" if number % 2 else None))[0].id for number in range(5)]
    bench.store.request_cancel(ids[1])
    newest = bench.store.find(limit=2)
    assert [record.id for record in newest] == [ids[4], ids[3]]
    assert [record.id for record in bench.store.find(before=newest[-1].number)] == [ids[2], ids[1], ids[0]]
    assert [record.id for record in bench.store.find(states=["cancelled"])] == [ids[1]]
    assert [record.id for record in bench.store.find(states=["queued", "done"], batch="b")] == [ids[3]]
    assert bench.store.counts() == {"queued": 4, "cancelled": 1}
    assert bench.store.counts(batch="b") == {"queued": 1, "cancelled": 1}
    assert bench.store.mean_work_s() is None


# -------------------------------------------------------------------------------------------------- opening, failing


def test_tables_of_a_newer_version_are_refused(bench: Bench) -> None:
    with bench.store._writing() as session:  # type: ignore[attr-defined]  # no public way leads there
        session.run("INSERT INTO job_schema (version, applied_s) VALUES (?, 0)", len(MIGRATIONS) + 1)
    with pytest.raises(StoreUnavailable, match=f"version {len(MIGRATIONS) + 1}"):
        bench.again()


def test_many_may_open_a_new_store_at_once(tmp_path: Path, postgres_url: str) -> None:
    _drop_tables(postgres_url)
    for opening in (
        lambda _: SqliteJobStore(tmp_path / "new.db", AGING_S),
        lambda _: PostgresJobStore(postgres_url, AGING_S),
    ):
        with ThreadPoolExecutor(6) as pool:
            stores: list[JobStore] = list(pool.map(opening, range(6)))
        assert [store.counts() for store in stores] == [{}] * 6
        for store in stores:
            store.close()


def test_a_lost_connection_is_replaced(postgres_url: str) -> None:
    import psycopg

    store = PostgresJobStore(postgres_url, AGING_S)
    id = store.add(new_job())[0].id
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    assert store.get(id).state == "queued"
    store.close()


def test_stores_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        open_store(JobSettings(), tmp_path)
    with pytest.raises(StoreUnavailable, match="'mysql'"):
        open_store(JobSettings(store_url="mysql://x"), tmp_path)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        open_store(JobSettings(store_url="postgresql://127.0.0.1:1/x"), tmp_path)


def test_the_settings_choose_the_store(tmp_path: Path, postgres_url: str) -> None:
    _drop_tables(postgres_url)
    for settings, kind in (
        (JobSettings(), SqliteJobStore),
        (JobSettings(store_url=postgres_url), PostgresJobStore),
    ):
        store = open_store(settings, tmp_path)
        assert isinstance(store, kind)
        id = store.add(new_job())[0].id  # on the real clock
        claim = store.claim("worker", LEASE_S)
        assert claim is not None
        assert claim[0].id == id
        assert claim[0].lease_until is not None
        assert 0 < (claim[0].lease_until - claim[0].created_at).total_seconds() < LEASE_S + 5.0
        store.close()
