"""The contract of the job store: how jobs end, are cancelled, go back, are listed and forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.record import JobCopy
from jobs.store import LeaseLost
from schema.errors import InternalError, InvalidRequest, NotFound
from tests.job_stores import Bench, new_job, section
from tests.store_fixtures import EPSILON_S, LEASE_S
from tests.store_fixtures import bench as bench
from tests.store_fixtures import postgres_url as postgres_url

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
