"""The contract of the job store: what is accepted, who goes first, who holds a job, how stores are opened."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jobs.opening import open_store
from jobs.postgres import PostgresJobStore
from jobs.settings import JobSettings
from jobs.sqlite import SqliteJobStore
from jobs.store import JobStore, LeaseLost
from jobs.tables import MIGRATIONS
from schema.errors import IdempotencyConflict, NotFound, Overloaded, StoreUnavailable
from schema.jobs import AnalyzerProgress
from tests.job_stores import AGING_S, Bench, new_job, section
from tests.store_fixtures import EPSILON_S, LEASE_S, drop_tables
from tests.store_fixtures import bench as bench
from tests.store_fixtures import postgres_url as postgres_url


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
    start = threading.Barrier(8, timeout=120.0)

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
    start = threading.Barrier(6, timeout=120.0)

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
    start = threading.Barrier(6, timeout=120.0)

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
    bench.store.report(claim[1], LEASE_S, {"cut_analysis": AnalyzerProgress(chunks_done=1, chunks_planned=2)})
    bench.store.release(claim[1])
    assert (bench.store.get(id).state, bench.store.get(id).attempts) == ("queued", 0)
    assert (bench.store.get(id).progress, bench.store.get(id).analyzer_progress) == (0.0, {})
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


# -------------------------------------------------------------------------------------------------- opening, failing


def test_tables_of_a_newer_version_are_refused(bench: Bench) -> None:
    with bench.store._writing() as session:  # type: ignore[attr-defined]  # no public way leads there
        session.run("INSERT INTO job_schema (version, applied_s) VALUES (?, 0)", len(MIGRATIONS) + 1)
    with pytest.raises(StoreUnavailable, match=f"version {len(MIGRATIONS) + 1}"):
        bench.again()


def test_many_may_open_a_new_store_at_once(tmp_path: Path, postgres_url: str) -> None:
    drop_tables(postgres_url)
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
    drop_tables(postgres_url)
    for settings, kind in (
        (JobSettings(), SqliteJobStore),
        (JobSettings(store_url=postgres_url), PostgresJobStore),
    ):
        store = open_store(settings, tmp_path)
        assert isinstance(store, kind)
        id = store.add(new_job())[0].id  # on the real clock
        before_s = time.time()
        claim = store.claim("worker", LEASE_S)
        after_s = time.time()
        assert claim is not None
        assert claim[0].id == id
        assert claim[0].lease_until is not None
        assert before_s - EPSILON_S <= claim[0].lease_until.timestamp() - LEASE_S <= after_s + EPSILON_S
        store.close()
