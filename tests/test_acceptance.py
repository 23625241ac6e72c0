"""What a request may be, and what is said of one that may not: before a job is written down, and without a trace."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request

from deployments.ingress_accept import ANALYZE_BODIES, EXAMPLES, MAX_JSON_BYTES, Acceptance, preferences
from deployments.ingress_errors import ANALYZE_ERRORS, error_responses
from deployments.settings import GraphArgs
from jobs.capacity import Capacity
from jobs.disk import DiskGuard, DiskSettings
from jobs.sources import SourceFolder
from jobs.sqlite import SqliteJobStore
from schema.api import AnalyzeRequest
from schema.errors import Forbidden, InvalidRequest, Overloaded, TooLarge
from schema.jobs import JobOptions

MIB = 1 << 20


class CountingCapacity(Capacity):
    """Notes the priorities that it is asked about."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.asked: list[int] = []

    async def check(self, priority: int, key: str | None = None) -> None:
        self.asked.append(priority)
        await super().check(priority, key)


class Door:
    """An acceptance on a folder of its own."""

    def __init__(self, folder: Path) -> None:
        settings = GraphArgs(data_dir=str(folder), video_roots=(str(folder),))
        self.folder, self.store = folder, SqliteJobStore(folder / "jobs.db", 60.0)
        self.capacity = CountingCapacity(self.store, settings.jobs, 2)
        disk = DiskGuard(folder, DiskSettings(min_free_megabytes=0, low_free_megabytes=0))
        self._acceptance = Acceptance(
            settings, ("color_analysis",), self.store, SourceFolder(folder), disk, self.capacity
        )

    def post(self, *blocks: bytes, kind: str = "application/json") -> int:
        """Sends a body in these blocks; returns how many of them were taken."""
        taken = 0

        async def receive() -> dict[str, Any]:
            nonlocal taken
            block, taken = blocks[taken], taken + 1
            return {"type": "http.request", "body": block, "more_body": taken < len(blocks)}

        headers = [(b"content-type", kind.encode())]
        try:
            asyncio.run(
                self._acceptance.accept(Request({"type": "http", "method": "POST", "headers": headers}, receive))
            )
        finally:
            self.taken = taken
        return taken


@pytest.fixture
def door(tmp_path: Path) -> Any:
    door = Door(tmp_path)
    yield door
    assert list((tmp_path / "incoming").iterdir()) == [] or door.store.counts()
    door.store.close()


def form(*parts: tuple[str, str], end: bytes = b"--x--\r\n") -> bytes:
    """A form; the field ``file`` is a file."""
    text = b""
    for name, value in parts:
        extra = '; filename="a.mp4"' if name == "file" else ""
        text += f'--x\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n{value}\r\n'.encode()
    return text + end


FORM = "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    "body",
    [
        b'{"video_path": "a.mp4", "priority": ' + b"9" * 5000 + b"}",  # more digits than Python makes an integer of
        b'{"video_path": "\xe9.mp4"}',
        b"",
        b"[" * 200_000,
    ],
)
def test_what_is_no_json_is_no_fault_of_ours(door: Door, body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        door.post(body)
    assert door.store.counts() == {}


def test_json_is_taken_up_to_a_bound(door: Door) -> None:
    (door.folder / "a.mp4").write_bytes(b"x")
    padded = b'{"video_path": "a.mp4"' + b" " * (MAX_JSON_BYTES - 23) + b"}"
    door.post(padded[: MIB // 2], padded[MIB // 2 :])
    assert door.store.counts() == {"queued": 1}
    with pytest.raises(TooLarge, match=str(MAX_JSON_BYTES)):
        door.post(*[b" " * (MIB // 2)] * 20)
    assert door.taken == 3  # what a client sends beyond is not read
    assert door.store.counts() == {"queued": 1}


@pytest.mark.parametrize("field", ["priority", "analyzers", "options"])
def test_a_field_that_is_there_twice_is_refused(door: Door, field: str) -> None:
    """Which of them was meant, nobody knows; the look at the queue would take the first, and the job the last."""
    values = {"priority": ("3", "9"), "analyzers": ("color_analysis", "nope"), "options": ("{}", "{}")}[field]
    with pytest.raises(InvalidRequest, match=rf"\['{field}'\] are there more than once"):
        door.post(form(*[(field, value) for value in values], ("file", "bytes")), kind=FORM)
    assert door.store.counts() == {}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Starlette leaves the file to refcounts
def test_a_form_that_breaks_off_is_told_that_it_may_have(door: Door) -> None:
    with pytest.raises(InvalidRequest) as caught:
        door.post(form(("file", "bytes"), end=b"")[:-2], kind=FORM)
    assert "may have broken off" in caught.value.action
    assert door.store.counts() == {}


@pytest.mark.parametrize(
    ("parts", "asked"),
    [
        ((("priority", "3"), ("file", "bytes")), [10, 3]),
        ((("file", "bytes"), ("priority", "3")), [10, 3]),
        ((("file", "bytes"),), [10, 5]),
        ((("priority", "10"), ("file", "bytes")), [10]),
    ],
)
def test_the_queue_is_looked_at_once_for_each_priority(
    door: Door, parts: tuple[tuple[str, str], ...], asked: list[int]
) -> None:
    """Before the body, and once at the job's own priority: as soon as that is known."""
    door.post(form(*parts), kind=FORM)
    assert door.capacity.asked == asked
    assert door.store.counts() == {"queued": 1}


@pytest.mark.parametrize("before", [10**30, 2**63, -1, -(10**30), 0])
def test_any_number_may_be_asked_for_as_a_page(door: Door, before: int) -> None:
    (door.folder / "a.mp4").write_bytes(b"x")
    door.post(b'{"video_path": "a.mp4"}')
    assert len(door.store.find(before=before)) == (before > 0)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_documented_examples_are_requests(name: str) -> None:
    assert AnalyzeRequest.model_validate(EXAMPLES[name])


def test_each_code_of_a_status_is_named() -> None:
    """A route's entry stands in place of the application's, which names what a token may be refused for."""
    assert f"`{Forbidden.code}`" in error_responses(*ANALYZE_ERRORS)[403]["description"]


def test_every_field_of_a_request_is_explained() -> None:
    content = ANALYZE_BODIES["requestBody"]["content"]
    json_body = content["application/json"]["schema"]
    assert "$defs" not in json_body  # JobOptions is among the components
    explained = {name for name, field in json_body["properties"].items() if field.get("description")}
    assert explained == {"video_path", "tiktok_url", "analyzers", "priority", "options"}
    options = JobOptions.model_json_schema()["properties"]
    assert all(field.get("description") for field in options.values())


def test_no_route_documents_errors_in_another_form() -> None:
    """FastAPI adds its own form of a validation error wherever a route has parameters, unless it is told otherwise."""
    app = FastAPI()

    @app.get("/jobs/{id}", responses=error_responses(InvalidRequest, Overloaded))
    async def job(id: str) -> None:
        return None

    @app.delete("/jobs/{id}", responses=error_responses(Overloaded))
    async def cancel(id: str) -> None:
        return None

    text = app.openapi()
    assert "HTTPValidationError" not in text["components"]["schemas"]
    assert set(text["paths"]["/jobs/{id}"]["delete"]["responses"]) == {"200", "429", "default"}
    assert "Retry-After" in text["paths"]["/jobs/{id}"]["get"]["responses"]["429"]["headers"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], set()),
        (["respond-async"], {"respond-async"}),
        (["wait=10", "Respond-Async; x=1"], {"wait", "respond-async"}),
        (["handling=lenient, respond-async,"], {"handling", "respond-async"}),
        (["no-respond-async-please"], {"no-respond-async-please"}),
    ],
)
def test_preferences_are_read_as_rfc_7240_writes_them(headers: list[str], expected: set[str]) -> None:
    assert preferences(headers) == expected
