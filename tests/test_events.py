"""A job's events on the wire: what is sent, when it ends, and how a client reads it."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

import deployments.ingress_events
from deployments.ingress_events import EventStream, first_wanted
from jobs.bell import Bell
from jobs.results import ResultStore
from jobs.sqlite import SqliteJobStore
from jobs.store import JobStore
from ops.sse import ServerEvent, read_events
from reducer.document import build_document
from reducer.sections import Outcome
from schema.document import Performance, SourceFacts, VideoFacts
from schema.errors import InternalError, InvalidRequest
from schema.jobs import AnalyzerProgress
from tests.job_stores import AGING_S, new_job, section

LEASE_S = 60.0


@pytest.fixture
def store(tmp_path: Path) -> Any:
    found = SqliteJobStore(tmp_path / "jobs.db", AGING_S)
    yield found
    found.close()


async def told(store: JobStore, folder: Path, id: str, after: int = 0) -> list[ServerEvent]:
    stream = EventStream(store, ResultStore(folder), Bell(), id, after)
    text = "".join([part async for part in stream.texts()])
    return list(read_events(text.splitlines()))


@pytest.mark.asyncio
async def test_all_of_a_job_that_has_ended(store: JobStore, tmp_path: Path) -> None:
    id = store.add(new_job())[0].id
    claim = store.claim("worker", LEASE_S)
    assert claim is not None
    store.move(claim[1], "decoding")
    store.add_section(claim[1], section(answer=42))
    store.finish(claim[1], "failed", error=InternalError("broken").body(id))
    events = await told(store, tmp_path, id)
    assert [(event.kind, event.id) for event in events] == [
        ("state", "1"),
        ("state", "2"),
        ("section", "3"),
        ("state", "4"),
    ]
    assert [event.data.get("state") for event in events] == ["queued", "decoding", None, "failed"]
    assert [event.data.get("attempt") for event in events] == [0, 1, None, 1]
    assert events[2].data["section"]["result"] == {"answer": 42}
    assert events[3].data["error"]["details"] == "broken"
    assert all(datetime.fromisoformat(event.data["at"].replace("Z", "+00:00")).tzinfo for event in events)
    assert await told(store, tmp_path, id, after=2) == events[2:]
    assert await told(store, tmp_path, id, after=4) == []


@pytest.mark.asyncio
async def test_sections_come_from_the_document_once_the_log_has_them_no_more(store: JobStore, tmp_path: Path) -> None:
    id = store.add(new_job())[0].id
    claim = store.claim("worker", LEASE_S)
    assert claim is not None
    concluded = section(answer=42)
    document = build_document(
        id=id,
        created_at=datetime.now(timezone.utc),
        source=SourceFacts(kind="path", name="a.mp4", sha256="0" * 64, size_bytes=1),
        video=VideoFacts(container="mp4", duration_s=1.0),
        outcomes={concluded.analyzer: Outcome(concluded)},
        performance=Performance(processing_time=1.0, realtime_factor=1.0),
    )
    staged = ResultStore(tmp_path).stage(document)
    store.add_section(claim[1], concluded)
    store.finish(claim[1], "done", results_file=str(staged.target), publish=staged.publish)
    before = await told(store, tmp_path, id)
    store.settle(claim[1])
    assert await told(store, tmp_path, id) == before
    staged.target.unlink()  # retention has been here
    assert (await told(store, tmp_path, id))[1].data["section"] is None


@pytest.mark.asyncio
async def test_news_of_this_process_is_told_without_waiting_for_the_next_look(
    store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployments.ingress_events, "POLL_S", 60.0)
    bell, id = Bell(), store.add(new_job())[0].id
    parts = EventStream(store, ResultStore(tmp_path), bell, id, 0).texts()
    assert (await anext(parts)).startswith("retry: ")
    assert "queued" in await anext(parts)
    following = asyncio.ensure_future(anext(parts))
    claim = store.claim("worker", LEASE_S)
    assert claim is not None
    store.report(claim[1], LEASE_S, {"a": AnalyzerProgress(chunks_done=1, chunks_planned=3)})
    bell.ring(id)
    (event,) = read_events((await asyncio.wait_for(following, 120.0)).splitlines())
    assert (event.kind, event.id, event.data["progress"]) == ("progress", None, 0.25)
    await parts.aclose()


@pytest.mark.asyncio
async def test_silence_is_filled_with_comments_and_a_deleted_job_ends_it(
    store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployments.ingress_events, "POLL_S", 0.01)
    monkeypatch.setattr(deployments.ingress_events, "HEARTBEAT_S", 0.05)
    id = store.add(new_job())[0].id
    parts = EventStream(store, ResultStore(tmp_path), Bell(), id, 1).texts()
    await anext(parts)
    assert await anext(parts) == ": still here\n\n"
    store.request_cancel(id)
    store.delete(id)
    assert [part async for part in parts] == []


@pytest.mark.parametrize(("header", "number"), [(None, 0), ("", 0), ("0", 0), ("17", 17)])
def test_where_to_go_on(header: str | None, number: int) -> None:
    assert first_wanted(header) == number


@pytest.mark.parametrize("header", ["x", "-1", "1.0", " 1", "²", "9" * 19])
def test_no_place_to_go_on(header: str) -> None:
    with pytest.raises(InvalidRequest, match="Last-Event-ID"):
        first_wanted(header)


def test_reading_skips_comments_and_what_broke_off() -> None:
    data = json.dumps({"a": 1})
    lines = ["retry: 10", "", ": comment", "", "id: 3", "event: state", f"data: {data}", "", "event: state", "data: {"]
    assert list(read_events(lines)) == [ServerEvent("state", {"a": 1}, "3")]
