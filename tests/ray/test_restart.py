"""All of Ray is killed in the middle of a batch and started again: every accepted job ends once, with one document."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest

from ops.sse import read_events
from schema.document import AnalysisDocument
from schema.jobs import FINAL_STATES
from tests.child_processes import kill_tree
from tests.made_media import make_video
from tests.ray.serve_process import ANALYZERS

JOBS = 7
PATIENCE_S = 150.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@contextmanager
def served(folder: Path) -> Iterator[httpx.Client]:
    command = [sys.executable, "-m", "tests.ray.serve_process", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url, "it did not start"
        with httpx.Client(base_url=url, timeout=60.0) as http:
            yield http
    finally:
        kill_tree(process.pid)
        process.communicate()


def until(check: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < end_s, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.05)


def jobs_of(http: httpx.Client) -> dict[str, dict[str, Any]]:
    return {job["id"]: job for job in http.get("/jobs", params={"limit": 500}).json()["jobs"]}


def test_accepted_jobs_survive_the_loss_of_everything(tmp_path: Path) -> None:
    clip = make_video(tmp_path / "clip.mp4", [0.04 * i for i in range(400)], size=(640, 480))
    headers = {"Prefer": "respond-async"}
    with served(tmp_path) as http:
        bodies = [{"video_path": "clip.mp4", "priority": 3 + number} for number in range(JOBS - 1)]
        ids = [http.post("/analyze", json=body, headers=headers).json()["id"] for body in bodies]
        with clip.open("rb") as file:
            ids.append(http.post("/analyze", files={"file": file}, headers=headers).json()["id"])
        keyed = http.post("/analyze", json=bodies[0], headers={**headers, "Idempotency-Key": "k"}).json()["id"]
        before: dict[str, dict[str, Any]] = {}

        def in_the_middle() -> bool:
            before.update(jobs_of(http))
            states = {job["state"] for job in before.values()}
            return "done" in states and not states.isdisjoint(("decoding", "analyzing"))

        until(in_the_middle, "one job done and one in work")
    killed_at = datetime.now(timezone.utc)
    in_work = [id for id, job in before.items() if job["started_at"] and job["state"] not in FINAL_STATES]
    assert set(before) == {*ids, keyed}
    with served(tmp_path) as http:
        until(lambda: all(job["state"] in FINAL_STATES for job in jobs_of(http).values()), "all jobs ended")
        after = jobs_of(http)
        assert {id: job["state"] for id, job in after.items()} == dict.fromkeys([*ids, keyed], "done")
        # One that was in work may still have ended before the kill came.
        ended_at = {id: datetime.fromisoformat(after[id]["ended_at"].replace("Z", "+00:00")) for id in in_work}
        interrupted = [id for id in in_work if ended_at[id] > killed_at]
        assert interrupted
        assert all(after[id]["attempts"] == 2 for id in interrupted)
        for id, job in before.items():
            if job["state"] == "done":
                assert after[id] == job
        again = http.post("/analyze", json=bodies[0], headers={**headers, "Idempotency-Key": "k"})
        assert again.json()["id"] == keyed
        for id in after:
            with http.stream("GET", f"/jobs/{id}/events") as answer:
                told = [event.data["state"] for event in read_events(answer.iter_lines()) if event.kind == "state"]
            assert [state for state in told if state in FINAL_STATES] == ["done"]
        until(lambda: not any((tmp_path / "data" / "incoming").iterdir()), "the upload removed")
    for id in after:
        document = AnalysisDocument.model_validate_json((tmp_path / f"data/results/{id}/document.json").read_bytes())
        assert (document.id, document.status, tuple(document.sections)) == (id, "ok", ANALYZERS)
        assert document.video.frames_decoded == 400
    assert {path.name for path in (tmp_path / "data" / "results").iterdir()} == set(after)
    assert list((tmp_path / "data" / "staging").iterdir()) == []
