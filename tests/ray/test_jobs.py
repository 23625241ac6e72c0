"""Jobs over HTTP: followed by their events, cancelled, bounded in time and number, asked for twice.

The application has two analyzers, one of which sleeps over each chunk, and a data folder of its own.
"""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from tests.ray.faulty import SLOW_S, done_file, faulty_app, hold_file

SLOW, QUICK = "color_analysis", "cut_analysis"
CHUNKS = 4
CHUNK_S = 1.0
MAX_QUEUED = 2
STOP_S = 2.0
"""Within which work stops after a cancel, beside the chunk that is being computed."""
STOP_TRIES = 4
"""The quickest counts: the machine may stop for a moment, a service that waits for something does so each time."""
REFUSAL_S = 0.1
PATIENCE_S = 120.0
"""Wall seconds that only what hangs takes."""
DEADLINES_S = (4.0, 12.0, 36.0)
"""The first counts in which anything was done: the machine may stop for longer than a short one."""


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

    def hold(self, first_chunk: int = 0) -> None:
        """Makes the slow analyzer wait in this chunk and all after it, until ``release``; not in one of an old job."""
        until(lambda: lines_of(done_file(str(self.marker))) == self.chunks_begun(), "the analyzer idle")
        hold_file(str(self.marker)).write_text(str(first_chunk))

    def release(self) -> None:
        hold_file(str(self.marker)).unlink(missing_ok=True)

    def newest(self) -> str:
        """The id of the job that was accepted last; empty without one."""
        jobs = self.http.get("/slow/jobs", params={"limit": 1}).json()["jobs"]
        return str(jobs[0]["id"]) if jobs else ""

    def leave(self, headers: Mapping[str, str], **body: Any) -> str:
        """Sends a request that waits, goes away once its job is there, and gives the job's id."""
        before, place = self.newest(), httpx.URL(self.url)
        content = json.dumps({"video_path": str(self.clip), **body}).encode()
        fields = {"Host": place.netloc.decode(), "Content-Type": "application/json", "Content-Length": len(content)}
        lines = [f"{name}: {value}" for name, value in {**fields, **headers}.items()]
        head = "\r\n".join(["POST /slow/analyze HTTP/1.1", *lines, "", ""])
        with socket.create_connection((place.host, place.port or 80), timeout=PATIENCE_S) as connection:
            connection.sendall(head.encode() + content)
            until(lambda: self.newest() != before, "the job")
        return self.newest()

    def chunks_begun(self) -> int:
        return lines_of(self.marker)


def lines_of(path: Path) -> int:
    """How many there are; none where there is no file."""
    return len(path.read_text().splitlines()) if path.exists() else 0


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
    found.hold()
    id = found.submit()
    found.wait_for(id, "decoding", "analyzing")
    store = open_store(settings.jobs, settings.data_path)
    serve.delete("slow", _blocking=False)
    until(lambda: store.get(id).lease_owner is None, "the job let go")
    record = store.get(id)
    store.close()
    found.release()
    until(lambda: "slow" not in serve.status().applications, "the application gone")
    assert (record.state, record.attempts, record.lease_owner) == ("queued", 0, None), "it was not given back"


@pytest.fixture(autouse=True)
def _all_is_quiet_afterwards(slow: Slow) -> Iterator[None]:
    yield
    slow.release()
    for job in slow.http.get("/slow/jobs", params={"limit": 500}).json()["jobs"]:
        if job["state"] not in FINAL_STATES:
            slow.cancel(job["id"])
            slow.ended(job["id"])
    until(lambda: not left_over(slow.data), "uploads removed")


def left_over(data: Path) -> list[Path]:
    return [path for name in ("incoming", "staging") for path in (data / name).iterdir()]


# ----------------------------------------------------------------------------------------------------------- events


@dataclass(frozen=True)
class Followed:
    """A job and its events, of which the first ``before`` came while the slow analyzer was held in its last chunk."""

    id: str
    seen: list[ServerEvent]
    before: int


@pytest.fixture(scope="module")
def followed(slow: Slow) -> Followed:
    """The last chunk waits until the client has heard of all that can be known without it."""
    slow.hold(CHUNKS - 1)
    id, seen, before = slow.submit(), list[ServerEvent](), 0
    with slow.http.stream("GET", f"/slow/jobs/{id}/events") as answer:
        for event in read_events(answer.iter_lines()):
            seen.append(event)
            if not before and sections_of(seen) and CHUNKS - 1 in chunks_of(seen):
                before = len(seen)
                slow.release()
    slow.release()
    return Followed(id, seen, before)


def sections_of(seen: Sequence[ServerEvent]) -> list[dict[str, Any]]:
    return [event.data["section"] for event in seen if event.kind == "section"]


def chunks_of(seen: Sequence[ServerEvent]) -> list[int]:
    """How many chunks of the slow analyzer were done, as often as it was told."""
    return [event.data["analyzers"][SLOW]["chunks_done"] for event in seen if event.kind == "progress"]


def test_events_tell_states_and_sections_in_order(slow: Slow, followed: Followed) -> None:
    id, seen = followed.id, followed.seen
    kept = [event for event in seen if event.id is not None]
    assert [int(event.id or 0) for event in kept] == list(range(1, len(kept) + 1))
    states = [event.data["state"] for event in kept if event.kind == "state"]
    assert states == ["queued", "decoding", "analyzing", "reducing", "done"]
    assert states == [change["state"] for change in slow.job(id)["changes"]]
    sections = sections_of(seen)
    assert [section["analyzer"] for section in sections] == [QUICK, SLOW]
    assert {section["analyzer"]: section for section in sections} == slow.document(id)["sections"]


def test_a_section_arrives_before_the_next_is_concluded(followed: Followed) -> None:
    assert [section["analyzer"] for section in sections_of(followed.seen[: followed.before])] == [QUICK]
    assert [section["analyzer"] for section in sections_of(followed.seen[followed.before :])] == [SLOW]


def test_progress_grows_and_is_never_whole_before_the_end(slow: Slow, followed: Followed) -> None:
    told = [event.data for event in followed.seen if event.kind == "progress"]
    shares = [snapshot["progress"] for snapshot in told]
    assert shares == sorted(shares)
    assert told[0]["analyzers"][SLOW]["chunks_planned"] == CHUNKS
    done = chunks_of(followed.seen)
    assert done == sorted(done)
    assert CHUNKS - 1 in done
    assert any(snapshot["remaining_s"] for snapshot in told)
    job = slow.job(followed.id)
    assert job["progress"] == 1.0
    assert {name: state["status"] for name, state in job["analyzers"].items()} == {QUICK: "ok", SLOW: "ok"}


@pytest.mark.parametrize("after", [0, 1, 4])
def test_events_go_on_where_a_client_stopped(slow: Slow, followed: Followed, after: int) -> None:
    kept = [event for event in followed.seen if event.id is not None]
    assert slow.events(followed.id, after) == kept[after:]


def test_events_of_the_end_and_of_nothing(slow: Slow, followed: Followed) -> None:
    id, last = followed.id, followed.seen[-1].id
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


def cancelled_at_work(slow: Slow) -> tuple[dict[str, Any], float]:
    """A job that was cancelled while it was in work, and the seconds that this took."""
    slow.hold(1)
    begun, id = slow.chunks_begun(), slow.submit()
    until(lambda: slow.chunks_begun() > begun, "the slow analyzer at work")
    cancelled_s = time.monotonic()
    assert slow.cancel(id)["cancel_requested"]
    slow.release()
    return slow.ended(id), time.monotonic() - cancelled_s


def test_cancelled_work_stops_within_a_chunk(slow: Slow) -> None:
    took_s: list[float] = []
    while len(took_s) < STOP_TRIES and min(took_s, default=STOP_S) >= STOP_S:
        job, last_s = cancelled_at_work(slow)
        took_s.append(last_s)
    assert min(took_s) < STOP_S
    id = job["id"]
    assert (job["state"], job["error"]["code"], job["results_file"]) == ("cancelled", "cancelled", None)
    begun = slow.chunks_begun()
    time.sleep(SLOW_S + STOP_S)
    assert slow.chunks_begun() <= begun + 1
    assert slow.http.get(f"/slow/jobs/{id}/document").status_code == 404
    until(lambda: not decoders(), "no decode")
    events = slow.events(id)
    assert (events[-1].data["state"], events[-1].data["error"]["code"]) == ("cancelled", "cancelled")
    assert slow.cancel(id) == slow.job(id)  # a second time changes nothing


def decoders() -> list[psutil.Process]:
    """Processes that decode."""
    return [p for p in psutil.process_iter(["cmdline"]) if "_decode_video" in " ".join(p.info["cmdline"] or [])]


def test_a_waiting_job_is_cancelled_at_once(slow: Slow) -> None:
    slow.hold()
    ids = [slow.submit() for _ in range(3)]
    assert slow.cancel(ids[2])["state"] == "cancelled"
    assert slow.http.delete(f"/slow/jobs/{'0' * 32}").status_code == 404


def test_a_client_that_goes_away_cancels_its_job(slow: Slow) -> None:
    slow.hold(1)
    id = slow.leave({})
    assert slow.ended(id)["state"] == "cancelled"
    assert not (slow.data / "results" / id).exists()


@pytest.mark.parametrize("way", ["keep", "key"])
def test_a_client_may_go_away_and_come_back(slow: Slow, way: str) -> None:
    """With ``keep``, or with a key under which it asks again, and then waits for the same job."""
    headers = {"Idempotency-Key": "come back"} if way == "key" else {}
    body = {"options": {"keep": True}} if way == "keep" else {}
    id = slow.leave(headers, **body)
    if way == "key":
        answer = slow.post(headers, **body)
        assert (answer.status_code, answer.json()["id"]) == (200, id)
    assert slow.ended(id)["state"] == "done"


# -------------------------------------------------------------------------------------------------------- deadlines


def test_a_deadline_gives_what_there_is_and_names_what_is_missing(slow: Slow) -> None:
    for deadline_s in DEADLINES_S:
        chunks = round(1.5 * deadline_s / SLOW_S)
        make_video(slow.clip.with_name("long.mp4"), [0.04 * i for i in range(round(chunks * CHUNK_S / 0.04))])
        started_s = time.monotonic()
        answer = slow.post(video_path="long.mp4", options={"deadline_s": deadline_s})
        late_s = time.monotonic() - started_s - deadline_s
        if answer.status_code == 200 and answer.json()["successful_analyzers"] == 2 and late_s < 1.0:
            break
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["successful_analyzers"]) == ("partial", 2)
    assert late_s < 1.0
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
    slow.hold()
    begun = slow.chunks_begun()
    mass = [slow.submit(priority=2) for _ in range(2)]
    until(lambda: slow.chunks_begun() > begun, "mass work in its first chunk")
    person = slow.submit()
    slow.wait_for(person, "analyzing")
    slow.release()
    done = slow.ended(person)
    others = [slow.job(id) for id in mass]
    assert done["state"] == "done"
    # By the service's own times: it goes on while this process looks.
    assert all(job["ended_at"] is None or job["ended_at"] > done["ended_at"] for job in others)
    assert others[1]["started_at"] is None or others[1]["started_at"] > done["ended_at"]


def test_over_capacity_is_refused_at_once_and_the_accepted_finish(slow: Slow) -> None:
    slow.hold()
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
    slow.release()
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
    slow.hold()
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
