"""Jobs over HTTP: followed by their events, cancelled, bounded in time and number, asked for twice.

The application has two analyzers, one of which sleeps over each chunk, and a data folder of its own.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from ray import serve

from deployments.settings import GraphArgs
from jobs.cache import CacheSettings
from jobs.opening import open_store
from jobs.settings import JobSettings
from ops.client import Client, ServiceError
from ops.sse import ServerEvent, read_events
from schema.jobs import FINAL_STATES
from tests.made_media import make_video
from tests.ray.conftest import Running
from tests.ray.faulty import SLOW_S, faulty_app

SLOW, QUICK = "color_analysis", "cut_analysis"
CHUNKS = 4
CHUNK_S = 1.0
MAX_QUEUED = 2
STOP_S = 2.0
"""Within which work stops after a cancel, beside the chunk that is being computed."""
REFUSAL_S = 0.1
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Slow:
    """The application."""

    http: httpx.Client
    url: str
    data: Path
    clip: Path
    marker: Path

    def post(self, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        return self.http.post("/slow/analyze", json={"video_path": str(self.clip), **body}, headers=headers)

    def submit(self, **body: Any) -> str:
        answer = self.post({"Prefer": "respond-async"}, **body)
        assert answer.status_code == 202, answer.text
        id: str = answer.json()["id"]
        return id

    def job(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/slow/jobs/{id}").json()
        return found

    def wait_for(self, id: str, *states: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def there() -> bool:
            found.update(self.job(id))
            return found["state"] in states

        until(there, f"job {id} in {states}")
        return found

    def ended(self, id: str) -> dict[str, Any]:
        return self.wait_for(id, *FINAL_STATES)

    def cancel(self, id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.http.delete(f"/slow/jobs/{id}").json()
        return answer

    def document(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/slow/jobs/{id}/document").json()
        return found

    def events(self, id: str, after: int | None = None) -> list[ServerEvent]:
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        with self.http.stream("GET", f"/slow/jobs/{id}/events", headers=headers) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            return list(read_events(answer.iter_lines()))

    def chunks_begun(self) -> int:
        return len(self.marker.read_text().splitlines()) if self.marker.exists() else 0


def until(check: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < end_s, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def slow(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slow]:
    folder = tmp_path_factory.mktemp("slow")
    clip = make_video(folder / "clip.mp4", [0.04 * i for i in range(round(CHUNKS * CHUNK_S / 0.04))])
    settings = GraphArgs(
        data_dir=str(folder / "data"),
        video_roots=(str(folder),),
        chunk_s=CHUNK_S,
        max_concurrent_videos=2,
        jobs=JobSettings(max_queued=MAX_QUEUED),
        cache=CacheSettings(enabled=False),
    )
    app = faulty_app(settings, {QUICK: "none", SLOW: "slow"}, folder / "marker", {})
    serve.run(app, name="slow", route_prefix="/slow", logging_config={"log_level": "ERROR"})
    found = Slow(running.http, running.service.url, folder / "data", clip, folder / f"marker-{SLOW}")
    yield found
    id = found.submit()
    found.wait_for(id, "decoding", "analyzing")
    serve.delete("slow")
    store = open_store(settings.jobs, settings.data_path)
    record = store.get(id)
    store.close()
    assert (record.state, record.attempts, record.lease_owner) == ("queued", 0, None), "it was not given back"


@pytest.fixture(autouse=True)
def _all_is_quiet_afterwards(slow: Slow) -> Iterator[None]:
    yield
    for job in slow.http.get("/slow/jobs", params={"limit": 500}).json()["jobs"]:
        if job["state"] not in FINAL_STATES:
            slow.cancel(job["id"])
            slow.ended(job["id"])
    until(lambda: not left_over(slow.data), "uploads removed")


def left_over(data: Path) -> list[Path]:
    return [path for name in ("incoming", "staging") for path in (data / name).iterdir()]


# ----------------------------------------------------------------------------------------------------------- events


@pytest.fixture(scope="module")
def followed(slow: Slow) -> tuple[str, list[tuple[float, ServerEvent]]]:
    id = slow.submit()
    seen = []
    with slow.http.stream("GET", f"/slow/jobs/{id}/events") as answer:
        for event in read_events(answer.iter_lines()):
            seen.append((time.monotonic(), event))  # noqa: PERF401 -- each has its own time
    return id, seen


def test_events_tell_states_and_sections_in_order(
    slow: Slow, followed: tuple[str, list[tuple[float, ServerEvent]]]
) -> None:
    id, seen = followed
    kept = [event for _, event in seen if event.id is not None]
    assert [int(event.id or 0) for event in kept] == list(range(1, len(kept) + 1))
    states = [event.data["state"] for event in kept if event.kind == "state"]
    assert states == ["queued", "decoding", "analyzing", "reducing", "done"]
    assert states == [change["state"] for change in slow.job(id)["changes"]]
    sections = [event.data["section"] for event in kept if event.kind == "section"]
    assert [section["analyzer"] for section in sections] == [QUICK, SLOW]
    assert {section["analyzer"]: section for section in sections} == slow.document(id)["sections"]


def test_a_section_arrives_the_moment_it_is_concluded(followed: tuple[str, list[tuple[float, ServerEvent]]]) -> None:
    at_s = {event.data["section"]["analyzer"]: t for t, event in followed[1] if event.kind == "section"}
    end_s = followed[1][-1][0]
    assert end_s - at_s[QUICK] > (CHUNKS - 2) * SLOW_S  # while the slow one went on
    assert end_s - at_s[SLOW] < SLOW_S


def test_progress_grows_and_is_never_whole_before_the_end(
    slow: Slow, followed: tuple[str, list[tuple[float, ServerEvent]]]
) -> None:
    told = [event.data for _, event in followed[1] if event.kind == "progress"]
    shares = [snapshot["progress"] for snapshot in told]
    assert len(shares) >= CHUNKS
    assert shares == sorted(shares)
    assert told[0]["analyzers"][SLOW]["chunks_planned"] == CHUNKS
    done = [snapshot["analyzers"][SLOW]["chunks_done"] for snapshot in told]
    assert set(done) >= set(range(1, CHUNKS + 1))
    assert any(snapshot["remaining_s"] for snapshot in told)
    job = slow.job(followed[0])
    assert job["progress"] == 1.0
    assert {name: state["status"] for name, state in job["analyzers"].items()} == {QUICK: "ok", SLOW: "ok"}


@pytest.mark.parametrize("after", [0, 1, 4])
def test_events_go_on_where_a_client_stopped(
    slow: Slow, followed: tuple[str, list[tuple[float, ServerEvent]]], after: int
) -> None:
    kept = [event for _, event in followed[1] if event.id is not None]
    assert slow.events(followed[0], after) == kept[after:]


def test_events_of_the_end_and_of_nothing(slow: Slow, followed: tuple[str, list[tuple[float, ServerEvent]]]) -> None:
    id, last = followed[0], followed[1][-1][1].id
    path = f"/slow/jobs/{id}/events"
    assert slow.http.get(path, headers={"Last-Event-ID": str(last)}).status_code == 204
    for bad in ("x", "-1", "1.5", "9" * 30):
        answer = slow.http.get(path, headers={"Last-Event-ID": bad})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert slow.http.get(f"/slow/jobs/{'0' * 32}/events").status_code == 404


def test_the_client_follows_the_events(slow: Slow) -> None:
    told: list[int] = []
    with closing(Client(f"{slow.url}/slow")) as client:
        document, job = client.analyze(
            slow.clip, None, lambda analyzers: told.append(sum(state.chunks_done for state in analyzers.values()))
        )
        with pytest.raises(ServiceError, match="Not a video"):
            client.analyze(Path(__file__), None, lambda _: None)
    assert job.state == "done"
    assert list(document.sections) == [QUICK, SLOW]
    assert told == sorted(told)
    assert told[-1] == 2 * CHUNKS


# ------------------------------------------------------------------------------------------------ cancel, disconnect


def test_cancelled_work_stops_within_a_chunk(slow: Slow) -> None:
    id = slow.submit()
    begun = slow.chunks_begun()
    until(lambda: slow.chunks_begun() > begun, "the slow analyzer at work")
    cancelled_s = time.monotonic()
    assert slow.cancel(id)["cancel_requested"]
    job = slow.ended(id)
    assert time.monotonic() - cancelled_s < STOP_S
    assert (job["state"], job["error"]["code"], job["results_file"]) == ("cancelled", "cancelled", None)
    begun = slow.chunks_begun()
    time.sleep(SLOW_S + STOP_S)
    assert slow.chunks_begun() <= begun + 1
    assert slow.http.get(f"/slow/jobs/{id}/document").status_code == 404
    assert not any("_decode_video" in " ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]))
    events = slow.events(id)
    assert (events[-1].data["state"], events[-1].data["error"]["code"]) == ("cancelled", "cancelled")
    assert slow.cancel(id) == slow.job(id)  # a second time changes nothing


def test_a_waiting_job_is_cancelled_at_once(slow: Slow) -> None:
    ids = [slow.submit() for _ in range(3)]
    assert slow.cancel(ids[2])["state"] == "cancelled"
    assert slow.http.delete(f"/slow/jobs/{'0' * 32}").status_code == 404


def test_a_client_that_goes_away_cancels_its_job(slow: Slow) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{slow.url}/slow/analyze", json={"video_path": str(slow.clip)}, timeout=1.0)
    job = slow.http.get("/slow/jobs").json()["jobs"][0]
    assert slow.ended(job["id"])["state"] == "cancelled"
    assert not (slow.data / "results" / job["id"]).exists()


@pytest.mark.parametrize("way", ["keep", "key"])
def test_a_client_may_go_away_and_come_back(slow: Slow, way: str) -> None:
    """With ``keep``, or with a key under which it asks again, and then waits for the same job."""
    headers = {"Idempotency-Key": "come back"} if way == "key" else {}
    body = {"video_path": str(slow.clip), **({"options": {"keep": True}} if way == "keep" else {})}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{slow.url}/slow/analyze", json=body, headers=headers, timeout=0.7)
    job = slow.http.get("/slow/jobs").json()["jobs"][0]
    if way == "key":
        answer = slow.http.post("/slow/analyze", json=body, headers=headers)
        assert (answer.status_code, answer.json()["id"]) == (200, job["id"])
    assert slow.ended(job["id"])["state"] == "done"


# -------------------------------------------------------------------------------------------------------- deadlines


def test_a_deadline_gives_what_there_is_and_names_what_is_missing(slow: Slow) -> None:
    deadline_s, chunks = 4.0, 10
    make_video(slow.clip.with_name("long.mp4"), [0.04 * i for i in range(round(chunks * CHUNK_S / 0.04))])
    started_s = time.monotonic()
    answer = slow.post(video_path="long.mp4", options={"deadline_s": deadline_s})
    took_s = time.monotonic() - started_s
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["successful_analyzers"]) == ("partial", 2)
    assert took_s < deadline_s + 1.0
    document = slow.document(answer.json()["id"])
    assert document["sections"][QUICK]["status"] == "ok"
    section = document["sections"][SLOW]
    assert (section["status"], section["error"]["code"]) == ("partial", "timeout")
    assert "deadline of the request" in section["error"]["reason"]
    coverage = section["provenance"]["coverage"]
    assert 0 < coverage["chunks_observed"] < chunks
    assert coverage["share"] == pytest.approx(coverage["chunks_observed"] / chunks)


def test_a_deadline_too_short_for_one_chunk(slow: Slow) -> None:
    answer = slow.post(options={"deadline_s": 0.6}, analyzers=[SLOW])
    if answer.status_code == 504:  # it passed before anything was known about the video
        assert answer.json()["code"] == "timeout"
        return
    document = slow.document(answer.json()["id"])
    assert document["status"] == "failed"
    assert document["sections"][SLOW]["error"]["code"] == "timeout"
    assert any(SLOW in line for line in document["summary"]["missing"])


# --------------------------------------------------------------------------------------------- priorities, capacity


def test_mass_work_leaves_a_place_for_people(slow: Slow) -> None:
    mass = [slow.submit(priority=2) for _ in range(2)]
    slow.wait_for(mass[0], "decoding", "analyzing")
    person = slow.submit()
    done = slow.ended(person)
    others = [slow.job(id) for id in mass]
    assert done["state"] == "done"
    assert [job["state"] in FINAL_STATES for job in others] == [False, False]
    assert others[1]["started_at"] is None


def test_over_capacity_is_refused_at_once_and_the_accepted_finish(slow: Slow) -> None:
    accepted = [slow.submit() for _ in range(2)]
    for id in accepted:
        slow.wait_for(id, "decoding", "analyzing")
    accepted += [slow.submit() for _ in range(MAX_QUEUED)]
    refused = [slow.post() for _ in range(5)]
    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (429, "overloaded")
        assert int(answer.headers["Retry-After"]) > 0
    live = [slow.http.get("/slow/health/live") for _ in range(5)]  # what any answer costs on this machine now
    quickest_s = [min(answer.elapsed.total_seconds() for answer in answers) for answers in (refused, live)]
    assert quickest_s[0] - quickest_s[1] < REFUSAL_S
    with slow.clip.open("rb") as file:
        answer = slow.http.post("/slow/analyze", files={"file": file})
    assert answer.status_code == 429
    assert left_over(slow.data) == []
    important = slow.submit(priority=9)
    assert slow.http.get("/slow/health").json()["jobs_queued"] > MAX_QUEUED
    assert {slow.ended(id)["state"] for id in [*accepted, important]} == {"done"}
    started = {id: slow.job(id)["started_at"] for id in accepted}
    assert slow.job(important)["started_at"] < started[accepted[2]]
    assert list(started.values()) == sorted(started.values())


# ------------------------------------------------------------------------------------------- the same request again


def test_a_key_stands_for_one_job(slow: Slow) -> None:
    headers = {"Idempotency-Key": "once", "Prefer": "respond-async"}
    first, again = slow.post(headers, priority=7), slow.post(headers, priority=7)
    assert first.status_code == again.status_code == 202
    assert first.json()["id"] == again.json()["id"]
    other = slow.post(headers, priority=8)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert first.json()["id"] in other.json()["details"]
    slow.cancel(first.json()["id"])


def test_a_key_stands_for_one_upload(slow: Slow) -> None:
    headers = {"Idempotency-Key": "one upload", "Prefer": "respond-async"}
    answers = [
        slow.http.post("/slow/analyze", files={"file": ("a.mp4", data)}, headers=headers)
        for data in (slow.clip.read_bytes(), slow.clip.read_bytes(), b"other bytes")
    ]
    assert [answer.status_code for answer in answers] == [202, 202, 422]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert [path.name for path in left_over(slow.data)] == [answers[0].json()["id"]]
    slow.cancel(answers[0].json()["id"])


def test_many_with_one_key_at_once(slow: Slow) -> None:
    ids: list[str] = []

    def ask() -> None:
        ids.append(slow.post({"Idempotency-Key": "at once", "Prefer": "respond-async"}).json()["id"])

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 6
    assert len(set(ids)) == 1


# --------------------------------------------------------------------------------------------------- forms, listing


def test_an_upload_says_how_it_wants_to_be_treated(slow: Slow) -> None:
    form = {"analyzers": QUICK, "priority": "8", "options": json.dumps({"keep": True})}
    with slow.clip.open("rb") as file:
        answer = slow.http.post(
            "/slow/analyze", data=form, files={"file": ("x/clip.mp4", file)}, headers={"Prefer": "respond-async"}
        )
    job = slow.ended(answer.json()["id"])
    assert (job["state"], job["priority"], job["options"]["keep"], job["video"]) == ("done", 8, True, "clip.mp4")
    assert list(slow.document(job["id"])["sections"]) == [QUICK]
    kept = slow.data / "incoming" / job["id"] / "video"
    assert kept.read_bytes() == slow.clip.read_bytes()
    kept.unlink()
    kept.parent.rmdir()


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"tiktok_url": "https://www.tiktok.com/@a/video/1"}, "either video_path or tiktok_url"),
        ({"video_path": None}, "either video_path or tiktok_url"),
        ({"priority": 0}, "priority"),
        ({"priority": 11}, "priority"),
        ({"options": {"deadline_s": 0}}, "deadline_s"),
        ({"options": {"kept": True}}, "kept"),
        ({"analyzers": []}, "analyzers"),
    ],
)
def test_requests_that_cannot_be(slow: Slow, body: dict[str, Any], word: str) -> None:
    answer = slow.post(**body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert word in answer.json()["details"]


@pytest.mark.parametrize(
    ("form", "word"),
    [({"priority": "much"}, "priority"), ({"options": "{"}, "options"), ({"options": "[]"}, "options")],
)
def test_forms_that_cannot_be(slow: Slow, form: dict[str, str], word: str) -> None:
    answer = slow.http.post("/slow/analyze", data=form, files={"file": ("a.mp4", b"x")})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert word in answer.json()["details"]


def test_keys_and_hosts_that_cannot_be(slow: Slow) -> None:
    answer = slow.post({"Idempotency-Key": "k" * 201})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    for url in ("http://127.0.0.1/x.mp4", "x"):
        answer = slow.post(video_path=None, tiktok_url=url)
        assert (answer.status_code, answer.json()["code"]) == (403, "url_not_allowed")
    answer = slow.post(options={"callback_url": "https://example.org/"})
    assert (answer.status_code, answer.json()["code"]) == (403, "url_not_allowed")


def test_listing_pages_and_filters(slow: Slow) -> None:
    ids = [slow.submit(analyzers=[QUICK]) for _ in range(3)]
    for id in ids:
        slow.ended(id)
    pages, before = [], None
    while True:
        page = slow.http.get("/slow/jobs", params={"limit": 2, **({"before": before} if before else {})}).json()
        pages.append([job["id"] for job in page["jobs"]])
        before = page["next"]
        if before is None:
            break
    listed = list(itertools.chain(*pages))
    assert listed[:3] == ids[::-1]
    assert all(len(page) == 2 for page in pages[:-1])
    assert len(listed) == len(set(listed))
    done = slow.http.get("/slow/jobs", params={"state": ["done"], "limit": 500}).json()["jobs"]
    assert set(ids) <= {job["id"] for job in done}
    assert {job["state"] for job in done} == {"done"}
    for bad in ({"state": "nope"}, {"limit": 0}, {"limit": 501}, {"before": "x"}):
        answer = slow.http.get("/slow/jobs", params=bad)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
