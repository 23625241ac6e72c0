"""SIGKILL at 20 random moments of a batch of 30 jobs: every accepted job ends exactly once, with one document."""

from __future__ import annotations

import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.opening import open_store
from jobs.record import NewJob
from jobs.results import ResultStore, new_id
from jobs.sources import SourceFolder
from jobs.store import JobStore
from schema.jobs import FINAL_STATES, JobSource
from tests.child_processes import Child, kill_group
from tests.crash_worker import ANALYZER, settings_for
from tests.job_stores import MEMORY
from tests.made_media import make_video
from tests.postgres_server import postgres_server

JOBS, KILLS = 3, 2
"""In each round."""
LONGEST_S = 0.6
"""Seconds that a worker lives at most after the one before it was killed; a job takes about half as long."""
SHORT_S = 0.1
"""The same for every second worker, from when it holds a job."""
SEED = 20
PATIENCE_S = 100.0
"""Wall seconds without any job that is taken up or ends; one takes 0.2 s of a core."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]


def started(nursery: Child) -> int:
    """The number of a new worker, and of its process group, in which its probes are too."""
    nursery.write("\n")
    return int(nursery.line())


def submit(store: JobStore, sources: SourceFolder, clip: Path, number: int) -> str:
    """Every third job is an upload, every fifth no video at all."""
    content = b"no video" if number % 5 == 4 else clip.read_bytes()
    if number % 3:
        path = clip.with_name(f"{number}.mp4")
        path.write_bytes(content)
        return store.add(NewJob(JobSource(kind="path", name=path.name, location=str(path))))[0].id
    id = new_id()
    with sources.reserved(id) as reserved:
        reserved.path.write_bytes(content)
        reserved.flush()
        source = JobSource(kind="upload", name=f"{number}.mp4", location=str(reserved.path))
        store.add(NewJob(source, id=id))
    return id


@contextmanager
def store_url(kind: str) -> Iterator[str]:
    """Of a PostgreSQL server; empty for SQLite, whose file is in the data folder."""
    if kind == "sqlite":
        yield ""
    else:
        with postgres_server() as url:
            yield url


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory: SIGKILL loses nothing that was written, so the speed of the disk is not what this is about."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        yield Path(name)


# The code that holds and ends a job is one for both stores: fewer kills tell whether the transactions are, too.
@pytest.mark.parametrize(("kind", "rounds"), [("sqlite", 10), ("postgres", 4)])
def test_every_accepted_job_ends_once_whatever_is_killed(folder: Path, kind: str, rounds: int) -> None:
    (folder / "videos").mkdir()
    clip = make_video(folder / "videos" / "clip.mp4", [0.04 * i for i in range(40)])
    with store_url(kind) as url:
        settings = settings_for(folder, url)
        store = open_store(settings.jobs, settings.data_path)
        expected = killed_batch(folder, url, store, clip, rounds)
        finish_batch(folder, url, store, expected)
        check_ends(store, ResultStore(settings.data_path), expected, rounds * KILLS)
        check_files(settings.data_path, expected)
        store.close()
    if kind == "sqlite":
        with sqlite3.connect(settings.data_path / "jobs.db") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()


def killed_batch(folder: Path, url: str, store: JobStore, clip: Path, rounds: int) -> dict[str, str]:
    """Kills workers in the middle of it; gives the end that each accepted job is to have."""
    moments, expected = random.Random(SEED), dict[str, str]()
    sources = SourceFolder(folder / "data")
    with Child("-m", "tests.crash_worker", str(folder), url, talks=True) as nursery:
        assert nursery.line() == "ready"
        for round_of in range(rounds):  # new work for each, so that every kill meets some
            for number in range(round_of * JOBS, (round_of + 1) * JOBS):
                expected[submit(store, sources, clip, number)] = "failed" if number % 5 == 4 else "done"
            for turn, worker in enumerate([started(nursery) for _ in range(KILLS)]):
                if turn % 2:
                    until_at_work(store, worker, expected)
                    time.sleep(moments.uniform(0.0, SHORT_S))
                else:
                    time.sleep(moments.uniform(0.0, LONGEST_S))
                kill_group(worker)
    return expected


def until_at_work(store: JobStore, worker: int, expected: Iterable[str]) -> None:
    """Waits until a worker holds a job, or none is left: so enough kills meet work, however slow the machine is."""
    end_s = time.monotonic() + PATIENCE_S
    while not any(owner.split("|")[1] == str(worker) for owner in store.lease_owners()):
        if all(store.get(id).settled for id in expected):
            return
        assert time.monotonic() < end_s, "the worker takes up no job"
        time.sleep(0.01)


def finish_batch(folder: Path, url: str, store: JobStore, expected: dict[str, str]) -> None:
    """A new process does what the killed ones have left."""
    with Child("-m", "tests.crash_worker", str(folder), url, "alone") as worker:
        left, end_s = len(expected), time.monotonic() + PATIENCE_S
        while left:
            open_now = sum(not store.get(id).settled for id in expected)
            if open_now < left:
                left, end_s = open_now, time.monotonic() + PATIENCE_S
            assert time.monotonic() < end_s, worker.told(f"ends no more jobs: {store.counts()}")
            time.sleep(0.1)


def check_ends(store: JobStore, results: ResultStore, expected: dict[str, str], kills: int) -> None:
    assert len(store.find(limit=1000)) == len(expected)
    for id, state in expected.items():
        record = store.get(id)
        assert (record.state, record.error and record.error.code) == (
            state,
            None if state == "done" else "not_a_video",
        )
        events = store.events(id)
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        told = [str((event.data or {})["state"]) for event in events if event.kind == "state"]
        assert [one for one in told if one in FINAL_STATES] == [state]
        assert told[-1] == state
        if state == "done":
            document = results.read(id)
            assert (document.id, document.status, list(document.sections)) == (id, "ok", [ANALYZER])
            assert document.video.frames_decoded == 40
    interrupted = sum(store.get(id).attempts for id in expected) - len(expected)
    assert interrupted >= kills // 4, "the kills met hardly any work"


def check_files(data: Path, expected: dict[str, str]) -> None:
    """No corrupt file, and no file but the documents and the database."""
    files = sorted(str(path.relative_to(data)) for path in data.rglob("*") if path.is_file())
    documents = [f"results/{id}/document.json" for id, state in expected.items() if state == "done"]
    assert [name for name in files if not name.startswith("jobs.db")] == sorted(documents)
    assert {path.name for path in (data / "results").iterdir()} == {name.split("/")[1] for name in documents}
    assert list((data / "incoming").iterdir()) == []
    for name in documents:
        json.loads((data / name).read_bytes())
