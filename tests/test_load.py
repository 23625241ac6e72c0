"""The load test's own judgement: it draws the same batch from one seed, and finds what is wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from benchmarks.load_checks import CANCEL_S, Findings
from benchmarks.load_clients import Told
from benchmarks.load_plan import Request, plan
from jobs.opening import open_store
from jobs.record import NewJob
from jobs.results import ResultStore
from jobs.settings import JobSettings
from jobs.store import JobStore
from schema.document import AnalysisDocument, Performance, Quality, SourceFacts, Summary, VideoFacts
from schema.errors import Cancelled, NotAVideo
from schema.jobs import JobSource


def test_one_seed_draws_one_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.load_plan.make_clip", lambda path, seed: path.write_text(f"clip {seed}"))
    first, second = (plan(tmp_path / name, tmp_path / "none", 100, 3) for name in ("a", "b"))
    assert [replace(r, path=Path(r.path.name)) for r in first] == [replace(r, path=Path(r.path.name)) for r in second]
    contents = [request.path.read_bytes() for request in first]
    assert contents == [request.path.read_bytes() for request in second]
    copies = [request for request in first if request.copy_of is not None]
    assert all(contents[request.number] == contents[request.copy_of or 0] for request in copies)
    assert len({content for content in contents if content.startswith(b"clip")}) == 100 - 20 - 12
    assert (len(copies), sum(request.error is not None for request in first)) == (20, 12)
    assert len({request.path for request in first}) == 100
    assert {request.way for request in first if request.error} <= {"path", "upload", "wait", "twice"}


class Batch:
    """A video, a broken file and a cancelled one, as the load test leaves them."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.store: JobStore = open_store(JobSettings(), data)
        self.results = ResultStore(data)
        (data / "incoming").mkdir()
        self.requests = [
            Request(0, Path("0.mp4"), "path", 2, None, None, 0.0),
            Request(1, Path("1.mp4"), "path", 2, "not_a_video", None, 0.0),
            Request(2, Path("2.mp4"), "cancel", 2, None, None, 0.0),
        ]
        self.told = {request.number: self.ended(request) for request in self.requests}

    def ended(self, request: Request) -> Told:
        source = JobSource(kind="path", name=request.path.name, location=str(request.path))
        record, _ = self.store.add(NewJob(source, idempotency_key=request.key))
        claim = self.store.claim("worker", 60.0)
        assert claim is not None
        if request.error:
            self.store.finish(claim[1], "failed", error=NotAVideo("no").body(record.id))
        elif request.way == "cancel":
            self.store.finish(claim[1], "cancelled", error=Cancelled("yes").body(record.id))
        else:
            staged = self.results.stage(self.document(record.id))
            self.store.finish(claim[1], "done", results_file=str(staged.target), publish=staged.publish)
        self.store.settle(claim[1])
        left_s = time.time() if request.way == "cancel" else None
        return Told(record.id, None, time.time(), left_s, "decoding" if left_s else None, {record.id})

    def document(self, id: str) -> AnalysisDocument:
        return AnalysisDocument(
            id=id,
            created_at=datetime.now(timezone.utc),
            status="ok",
            source=SourceFacts(kind="path", name="0.mp4", sha256="0" * 64, size_bytes=1),
            video=VideoFacts(container="mp4", duration_s=1.0),
            summary=Summary(text=""),
            timeline=(),
            sections={},
            quality=Quality(sections_with_result=0, sections_total=0, timeline_coverage=0.0, time_monotone=True),
            performance=Performance(processing_time=1.0, realtime_factor=1.0),
        )

    def findings(self) -> Findings:
        found = Findings(self.requests, self.told, [], [])
        found.look(self.store, self.data)
        return found


@pytest.fixture
def batch(tmp_path: Path) -> Iterator[Batch]:
    found = Batch(tmp_path / "data")
    yield found
    found.store.close()


def test_a_batch_that_ended_well_is_right(batch: Batch) -> None:
    found = batch.findings()
    assert found.is_right, (found.wrong, found.counts)
    assert dict(found.states) == {"done": 1, "failed": 1, "cancelled": 1}


def test_a_file_left_over_is_found(batch: Batch) -> None:
    (batch.data / "incoming" / "x").mkdir()
    (batch.data / "staging" / "y").write_bytes(b"")
    assert batch.findings().wrong == ["left over: staging/y", "left over: incoming/x"]


def test_a_lost_document_and_a_second_job_are_found(batch: Batch) -> None:
    batch.store.add(NewJob(JobSource(kind="path", name="0.mp4", location="0.mp4"), idempotency_key="second"))
    batch.results.remove(str(batch.told[0].id))
    wrong = {what for what, (found, expected) in batch.findings().counts.items() if found != expected}
    assert wrong == {
        "jobs in the store = requests accepted",
        "jobs that have ended",
        "jobs with exactly one end in their events",
        "jobs with nothing left to do",
        "documents = jobs that are done",
        "folders of results",
        "documents that are whole",
    }


def test_ends_that_were_not_asked_for_are_found(batch: Batch) -> None:
    batch.requests[1] = replace(batch.requests[1], error=None)
    assert "failed with not_a_video" in batch.findings().wrong[0]
    batch.requests[0] = replace(batch.requests[0], way="leave")
    assert "(leave) has no job" in batch.findings().wrong[0]
    told, batch.told[0] = batch.told[0], Told(error="overloaded")
    assert not [line for line in batch.findings().wrong if "(leave)" in line]
    batch.told[0] = told
    batch.requests = [Request(0, Path("0.mp4"), "cancel", 2, None, None, 0.0)]
    batch.told = {0: replace(batch.told[0], left_s=time.time(), cancelled_in="decoding")}
    assert not [line for line in batch.findings().wrong if "request 0" in line]
    ended_at = batch.store.get(str(batch.told[0].id)).ended_at
    assert ended_at is not None
    batch.told = {0: replace(batch.told[0], left_s=ended_at.timestamp() - CANCEL_S - 5.0)}
    assert "after its client had gone" in batch.findings().wrong[0]
    batch.told = {0: replace(batch.told[0], cancelled_in="cancelled")}
    assert "done with None after it was cancelled" in batch.findings().wrong[0]
