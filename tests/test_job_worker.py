"""Jobs of the store worked on in this process, with real analyzers on a made clip."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzers.stop import nobody_waits
from deployments.settings import GraphArgs
from jobs.cache import CacheSettings
from jobs.opening import open_store
from jobs.record import JobRecord, NewJob
from jobs.results import ResultStore
from jobs.settings import JobSettings
from jobs.store import JobStore
from ops.job_worker import local_worker
from ops.local import LocalRunner
from schema.jobs import JobOptions, JobSource
from tests.made_media import make_video

CHUNKS, CHUNK_S = 8, 0.5
OBSERVE_S = 0.1
PATIENCE_S = 60.0
"""Wall seconds that only what hangs takes."""

pytestmark = pytest.mark.asyncio


class Bench:
    """A data folder with a clip, and a runner that takes its time over each chunk."""

    def __init__(self, folder: Path) -> None:
        self.settings = GraphArgs(
            data_dir=str(folder / "data"),
            video_roots=(str(folder),),
            analyzers=("cut_analysis", "color_analysis"),
            chunk_s=CHUNK_S,
            cache=CacheSettings(enabled=False),
            jobs=JobSettings(heartbeat_s=0.05, poll_s=0.02),
        )
        self.clip = make_video(folder / "clip.mp4", [0.04 * i for i in range(round(CHUNKS * CHUNK_S / 0.04))])
        self.runner = LocalRunner(self.settings)
        self.store: JobStore = open_store(self.settings.jobs, self.settings.data_path)
        self.results = ResultStore(self.settings.data_path)
        self.observed, self.held = 0, False
        observe = self.runner._hosts["color_analysis"]._ready().observe

        def slow(chunks: object) -> object:
            self.observed += 1
            time.sleep(OBSERVE_S)
            end_s = time.monotonic() + PATIENCE_S
            while self.held and not nobody_waits() and time.monotonic() < end_s:
                time.sleep(0.01)
            return observe(chunks)  # type: ignore[arg-type]  # passed on as it came

        self.runner._hosts["color_analysis"]._ready().observe = slow  # type: ignore[method-assign,assignment]

    def add(self, path: Path | None = None, **options: float) -> str:
        source = JobSource(kind="path", name="clip.mp4", location=str(path or self.clip))
        return self.store.add(NewJob(source, options=JobOptions.model_validate(options)))[0].id

    async def work(self) -> None:
        await local_worker(self.settings, self.store, self.runner).run(until_empty=True)

    def record(self, id: str) -> JobRecord:
        return self.store.get(id)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("local"))


async def until(check: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < end_s
        await asyncio.sleep(0.01)


async def test_a_job_is_done_as_over_http(bench: Bench) -> None:
    id = bench.add()
    await bench.work()
    record, document = bench.record(id), bench.results.read(id)
    assert [change.state for change in record.changes] == ["queued", "decoding", "done"]
    assert (document.id, document.created_at, document.status) == (id, record.created_at, "ok")
    assert (document.source.kind, document.source.name) == ("path", "clip.mp4")
    assert {name: state.chunks_done for name, state in record.analyzer_progress.items()} == dict.fromkeys(
        ("cut_analysis", "color_analysis"), CHUNKS
    )
    concluded = [event.analyzer for event in bench.store.events(id) if event.kind == "section"]
    assert concluded == ["cut_analysis", "color_analysis"]


async def test_a_cancelled_job_stops_after_its_chunk(bench: Bench) -> None:
    id, before = bench.add(), bench.observed
    bench.held = True  # in the chunk that is being computed, until the wish has come there
    working = asyncio.create_task(bench.work())
    await until(lambda: bench.observed > before)
    bench.store.request_cancel(id)
    await working
    bench.held = False
    assert bench.record(id).state == "cancelled"
    assert bench.observed - before == 1


async def test_a_deadline_leaves_what_was_seen(bench: Bench) -> None:
    id = bench.add(deadline_s=CHUNKS * OBSERVE_S * 0.6)
    await bench.work()
    record = bench.record(id)
    if record.state == "failed":  # a machine so busy that the time was over before the work began
        assert record.error is not None
        assert record.error.code == "timeout"
        return
    section = bench.results.read(id).section("color_analysis")
    assert section.error is not None
    assert section.error.code == "timeout"
    coverage = section.provenance.coverage
    assert coverage is not None
    assert coverage.chunks_observed < CHUNKS
    assert coverage.share == pytest.approx(coverage.chunks_observed / CHUNKS, abs=1e-6)


async def test_a_bad_file_ends_its_job_with_a_typed_error(bench: Bench, tmp_path: Path) -> None:
    bad = bench.clip.with_name("bad.mp4")
    bad.write_bytes(b"no video")
    ids = [bench.add(bad), bench.add(bench.clip.with_name("gone.mp4")), bench.add(Path("/etc/passwd"))]
    await bench.work()
    codes = [record.error.code for record in map(bench.record, ids) if record.error]
    assert codes == ["not_a_video", "file_not_found", "path_not_allowed"]
