"""A full queue is known without asking the store: whom it refuses, whom not, and that it waits for nobody."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response

from deployments.ingress_accept import Acceptance
from deployments.ingress_timing import TimingMiddleware
from deployments.ingress_upload import received_form
from deployments.settings import GraphArgs
from jobs.capacity import Capacity
from jobs.disk import DiskGuard, DiskSettings
from jobs.settings import JobSettings
from jobs.sources import SourceFolder
from jobs.sqlite import SqliteJobStore
from schema.errors import Overloaded
from tests.job_stores import Clock, new_job

SETTINGS = JobSettings(max_queued=2)

PATIENCE_S = 100.0
"""Wall seconds that only what hangs takes."""

pytestmark = pytest.mark.asyncio


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """Its clock stands still: jobs take no time, however long the disk does."""
    found = SqliteJobStore(tmp_path / "jobs.db", SETTINGS.aging_s, Clock())
    yield found
    found.close()


async def test_what_waits_below_a_priority_does_not_count(store: SqliteJobStore) -> None:
    capacity = Capacity(store, SETTINGS, 2)
    await capacity.check(5)
    for key in ("a", "b"):
        store.add(new_job(priority=5, idempotency_key=key, fingerprint=""))
    with pytest.raises(Overloaded, match="2 jobs of priority 5 or more wait, 2 are allowed to") as caught:
        await capacity.check(5)
    assert caught.value.retry_after_s is None  # no job has ended, from which it could be told
    await capacity.check(6)
    with pytest.raises(Overloaded):
        await capacity.check(4)
    await capacity.check(5, "a")  # stands for a job that is there
    with pytest.raises(Overloaded):
        await capacity.check(5, "c")
    store.claim("worker", 60.0)
    await capacity.check(5)


async def test_a_refusal_waits_for_no_writer_and_for_no_thread(store: SqliteJobStore) -> None:
    capacity, go_on = Capacity(store, SETTINGS, 2), threading.Event()
    for _ in range(2):
        store.add(new_job())
    busy = [asyncio.create_task(asyncio.to_thread(go_on.wait, 2 * PATIENCE_S)) for _ in range(64)]
    try:
        with store._writing():  # nobody else can write
            for key in (None, "unknown"):
                with pytest.raises(Overloaded):
                    await asyncio.wait_for(capacity.check(5, key), PATIENCE_S)
    finally:
        go_on.set()
        await asyncio.gather(*busy)


async def test_the_time_until_a_place_is_free_goes_by_the_last_jobs(store: SqliteJobStore) -> None:
    for _ in range(3):
        store.add(new_job())
    claim = store.claim("worker", 60.0)
    assert claim is not None
    store.finish(claim[1], "done", results_file="x")
    with pytest.raises(Overloaded) as caught:
        await Capacity(store, SETTINGS, 2).check(5)
    assert caught.value.retry_after_s == 1.0  # the job took no time; a second is the least that is asked for


@pytest.mark.parametrize(("first", "heard"), [("priority", [3]), ("file", [])])
async def test_an_uploads_priority_is_heard_before_its_file(first: str, heard: list[int]) -> None:
    parts = {
        "priority": b'--x\r\nContent-Disposition: form-data; name="priority"\r\n\r\n3\r\n',
        "file": b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nbytes\r\n',
    }
    body = b"".join(parts[name] for name in sorted(parts, key=lambda name: name != first)) + b"--x--\r\n"
    told: list[int] = []

    async def on_priority(priority: int) -> None:
        told.append(priority)

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    async with received_form(request, 1000, on_priority) as form:
        assert form.texts == {"priority": "3"}
    assert told == heard


async def test_every_answer_says_how_long_it_took() -> None:
    app = FastAPI()

    @app.get("/slow")
    async def slow() -> Response:
        await asyncio.sleep(0.05)
        return Response()

    app.add_middleware(TimingMiddleware)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        for path, least_ms in (("/slow", 50.0), ("/none", 0.0)):
            name, _, spent = (await client.get(path)).headers["server-timing"].partition(";dur=")
            assert (name, float(spent) >= least_ms) == ("app", True)


@pytest.mark.parametrize("quick", [True, False])
async def test_a_refused_request_leaves_nothing_and_says_when_to_come_again(
    store: SqliteJobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: bool
) -> None:
    """Also where the queue was filled between the look and the acceptance."""
    for _ in range(3):
        store.add(new_job())
    claim = store.claim("worker", 60.0)
    assert claim is not None
    store.finish(claim[1], "done", results_file="x")
    settings = GraphArgs(data_dir=str(tmp_path), video_roots=(str(tmp_path),), jobs=SETTINGS)
    capacity = Capacity(store, SETTINGS, 2)
    disk = DiskGuard(tmp_path, DiskSettings(min_free_megabytes=1, low_free_megabytes=1))
    acceptance = Acceptance(settings, ("color_analysis",), store, SourceFolder(tmp_path), disk, capacity)
    if not quick:
        monkeypatch.setattr(capacity, "_refusal", lambda priority, key: None)
    (tmp_path / "a.mp4").write_bytes(b"x")
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nbytes\r\n--x--\r\n'
    for kind, body in (("application/json", b'{"video_path": "a.mp4"}'), ("multipart/form-data; boundary=x", form)):

        async def receive(body: bytes = body) -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}, receive)
        with pytest.raises(Overloaded) as caught:
            await acceptance.accept(request)
        assert caught.value.retry_after_s == 1.0
        assert list((tmp_path / "incoming").iterdir()) == []
    assert store.counts() == {"queued": 2, "done": 1}
