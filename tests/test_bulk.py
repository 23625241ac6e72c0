"""Mass runs: what is added once, what is put back, what is written out; and the kill in the middle."""

from __future__ import annotations

import asyncio
import csv
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

import cli
from deployments.settings import GraphArgs
from jobs.opening import open_store
from jobs.record import JobRecord, NewJob
from jobs.results import ResultStore
from jobs.store import JobStore
from media.fetch import FetchPolicy
from ops.bulk_export import column_types, write_rows
from ops.bulk_process import RATE_S, Meter, NoWorker, Pace, Workers, process
from ops.bulk_rows import VideoRow, rows_of
from ops.bulk_run import MassRun, Standing
from ops.bulk_view import clock, pace_line
from ops.client import Client, ServiceError
from ops.job_worker import local_worker
from ops.local import LocalRunner
from schema.errors import DownloadFailed, DownloadPrivate
from schema.jobs import FINAL_STATES, JobSource
from tests.child_processes import Child, is_alive, kill_tree
from tests.made_media import Sound, make_video

LIGHT = ("cut_analysis", "color_analysis")
CUT_S, LENGTH_S = 1.0, 2.0
NOBODY = "http://127.0.0.1:9"
"""No service answers on the discard port."""


def make_cut(path: Path, level: int = 220) -> Path:
    """A second of red, then a second of blue; ``level`` makes the bytes differ."""
    colours = [np.full((64, 96, 3), (level, 10, 10), np.uint8), np.full((64, 96, 3), (10, 10, level), np.uint8)]
    times = [0.04 * i for i in range(50)]
    return make_video(path, times, pictures=[colours[time_s >= CUT_S] for time_s in times])


@dataclass
class Bench:
    """A data folder, and a folder of videos outside all configured roots."""

    settings: GraphArgs
    videos: Path
    store: JobStore

    @property
    def run(self) -> MassRun:
        return MassRun(self.settings, self.store, "b")

    @property
    def results(self) -> ResultStore:
        return ResultStore(self.settings.data_path)

    def by_name(self) -> dict[str, JobRecord]:
        return {Path(record.source.name).name: record for record in self.run.records()}

    def rows(self) -> list[VideoRow]:
        return list(rows_of(list(self.run.records())[::-1], self.run.copies(), self.results))

    def work(self, analyzers: tuple[str, ...] = LIGHT) -> None:
        settings = self.settings.model_copy(update={"analyzers": analyzers})

        async def run() -> None:
            await local_worker(settings, self.store, LocalRunner(settings)).run(until_empty=True)

        asyncio.run(run())

    def fail(self, url: str, error: DownloadFailed | DownloadPrivate) -> str:
        source = JobSource(kind="url", name=url, location=url)
        id = self.store.add(NewJob(source, batch="b", priority=10))[0].id
        claim = self.store.claim("worker", 60.0)
        assert claim is not None
        assert claim[1].id == id
        self.store.finish(claim[1], "failed", error=error.body(id))
        self.store.settle(claim[1])
        return id


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    videos = tmp_path / "clips"
    videos.mkdir()
    settings = GraphArgs(
        data_dir=str(tmp_path / "data"),
        video_roots=(str(tmp_path / "roots"),),
        fetch=FetchPolicy(allowed_hosts=("tiktok.com",)),
    )
    store = open_store(settings.jobs, settings.data_path)
    yield Bench(settings, videos, store)
    store.close()


# ----------------------------------------------------------------------------------------------------------- adding


def test_each_content_is_added_once(bench: Bench) -> None:
    (bench.videos / "deep").mkdir()
    for name, content in (("a.mp4", b"1"), ("b.mp4", b"1"), ("deep/c.MOV", b"2"), ("notes.txt", b"3")):
        (bench.videos / name).write_bytes(content)
    added = bench.run.add_files([bench.videos], 2, None)
    assert (added.jobs, added.copies, added.known, added.passed_over, added.refused) == (2, 1, 0, 1, [])
    jobs = bench.by_name()
    assert set(jobs) == {"a.mp4", "c.MOV"}
    assert {job.priority for job in jobs.values()} == {2}
    assert [(Path(copy.name).name, copy.job_id) for copy in bench.run.copies()] == [("b.mp4", jobs["a.mp4"].id)]
    again = bench.run.add_files([bench.videos, bench.videos / "notes.txt"], 2, None)
    assert (again.jobs, again.copies, again.known) == (1, 0, 3)
    other = bench.run.add_files([bench.videos / "a.mp4"], 2, ("color_analysis",))
    assert other.jobs == 1, "other analyzers are another question"
    assert MassRun(bench.settings, bench.store, "other").add_files([bench.videos / "a.mp4"], 2, None).jobs == 1


def test_what_cannot_be_added_is_told(bench: Bench, tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(b"1")
    (bench.videos / "link.mp4").symlink_to(secret)
    added = bench.run.add_files([bench.videos, bench.videos / "gone.mp4"], 2, None)
    assert added.jobs == 0
    assert [why.partition(" ")[0] for _, why in added.refused] == ["is", "there"]


def test_urls_are_held_to_the_rules(bench: Bench) -> None:
    lines = ["# a list", "", " https://www.tiktok.com/@a/video/1 ", "https://www.tiktok.com/@a/video/1", "ftp://x/y"]
    added = bench.run.add_urls([*lines, "https://example.org/v.mp4"], 3, None)
    assert (added.jobs, added.known) == (1, 1)
    assert [where for where, _ in added.refused] == ["line 5", "line 6"]
    (record,) = bench.run.records()
    assert (record.source.kind, record.source.location) == ("url", "https://www.tiktok.com/@a/video/1")


def test_an_unknown_analyzer_is_refused_before_anything_is_added(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["bulk", "add", str(bench.videos), "--data", str(bench.settings.data_path), "--analyzers", "nope"]
    assert cli.main(arguments) == cli.EXIT_REFUSED
    assert "Unknown analyzer" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------------- working


def test_videos_duplicates_and_broken_ones(bench: Bench) -> None:
    make_cut(bench.videos / "a.mp4")
    (bench.videos / "copy.mp4").write_bytes((bench.videos / "a.mp4").read_bytes())
    (bench.videos / "bad.mp4").write_bytes(b"no video")
    bench.run.add_files([bench.videos], 2, LIGHT)
    bench.work()
    standing = bench.run.standing()
    assert (standing.counts, standing.copies, standing.open) == ({"done": 1, "failed": 1}, 1, 0)
    assert (standing.retryable, standing.permanent, standing.all_done) == ({}, {"not_a_video": 1}, False)
    assert bench.run.unsettled() == 0
    rows = {Path(row.video).name: row for row in bench.rows()}
    first, copy, bad = rows["a.mp4"], rows["copy.mp4"], rows["bad.mp4"]
    assert (bad.state, bad.error, bad.retry_possible, bad.duration_s) == ("failed", "not_a_video", False, None)
    assert (first.status, first.duplicate_of) == ("ok", None)
    assert copy == first.model_copy(update={"video": copy.video, "duplicate_of": first.id})
    # by construction of the clip
    assert (first.width, first.height, first.cuts) == (96, 64, 1)
    assert first.duration_s == pytest.approx(LENGTH_S)
    assert first.frame_rate == pytest.approx(25.0)
    assert first.cuts_per_minute == pytest.approx(60.0 / LENGTH_S)
    assert first.mean_shot_length_s == pytest.approx(LENGTH_S - CUT_S)
    assert first.realtime_factor == pytest.approx((first.processing_time_s or 0.0) / LENGTH_S)
    assert (first.sections_with_result, first.sections_total) == (2, 2)
    assert (first.loudness_lufs, first.hook_strength, first.author) == (None, None, None)
    assert first.document is not None
    assert Path(first.document).is_file()


def test_the_same_bytes_of_two_addresses_are_told_in_the_rows(bench: Bench) -> None:
    for name in ("1", "2"):
        path = make_cut(bench.videos / f"{name}.mp4")
        source = JobSource(kind="path", name=name, location=str(path), root=str(bench.videos))
        bench.store.add(NewJob(source, batch="b", analyzers=LIGHT))
    bench.work()
    first, second = bench.rows()
    assert (first.duplicate_of, second.duplicate_of) == (None, first.id)
    bench.results.remove(second.id)  # as retention does
    assert bench.rows()[1].duration_s is None


def test_a_root_of_its_own_holds_a_job_to_it(bench: Bench, tmp_path: Path) -> None:
    outside = make_cut(tmp_path / "outside.mp4")
    for root in (None, str(bench.videos)):
        source = JobSource(kind="path", name="x", location=str(outside), root=root)
        bench.store.add(NewJob(source, batch="b", analyzers=LIGHT))
    bench.work()
    assert bench.run.standing().permanent == {"path_not_allowed": 2}


def test_failed_videos_go_back_where_it_may_help(bench: Bench) -> None:
    passing = bench.fail("https://www.tiktok.com/1", DownloadFailed("reset"))
    private = bench.fail("https://www.tiktok.com/2", DownloadPrivate("private"))
    cancelled = bench.store.add(NewJob(JobSource(kind="url", name="3", location="3"), batch="b"))[0].id
    bench.store.request_cancel(cancelled)
    standing = bench.run.standing()
    assert (standing.retryable, standing.permanent) == ({"download_failed": 1}, {"download_private": 1})
    assert bench.run.requeue() == (1, [])
    states = {record.id: record.state for record in bench.run.records()}
    assert states == {passing: "queued", private: "failed", cancelled: "cancelled"}
    assert bench.run.requeue(permanent=True) == (2, [])
    assert bench.run.standing().counts == {"queued": 3}


def test_workers_that_die_without_work_are_not_started_for_ever(bench: Bench) -> None:
    bench.store.add(NewJob(JobSource(kind="url", name="1", location="1"), batch="b"))
    workers = Workers(2, Path("no.yaml"), None, bench.settings.data_path / "logs")
    workers._command = [sys.executable, "-c", "raise SystemExit(3)"]
    with pytest.raises(NoWorker, match="worker processes have died"):
        process(bench.run, bench.store, workers, lambda *_: None, poll_s=0.02)


def until(check: Callable[[], bool], child: Child) -> None:
    end_s = time.monotonic() + 80.0
    while not check():
        assert time.monotonic() < end_s, child.told("was waited for too long")
        time.sleep(0.02)


@pytest.mark.slow
def test_a_killed_run_goes_on(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data", str(bench.settings.data_path), "--batch", "b"]
    add = ["bulk", "add", str(bench.videos), "--analyzers", ",".join(LIGHT), *options]

    def make_and_add(*numbers: int) -> None:
        for i in numbers:
            times = [0.04 * n for n in range(300)]
            make_video(bench.videos / f"{i}.mp4", times, size=(320, 240), first_number=i)
        assert cli.main(add) == 0

    make_and_add(0, 1, 2)
    (bench.videos / "copy.mp4").write_bytes((bench.videos / "0.mp4").read_bytes())
    command = ["bulk", "process", "--workers", "2", "--url", NOBODY, *options]

    def in_work() -> bool:
        standing = bench.run.standing()
        return bool(standing.working) and standing.open > 1

    # The parent alone is killed: its workers find their input closed, and give their jobs back.
    with Child("-m", "cli", *command) as parent:
        until(in_work, parent)
        workers = psutil.Process(parent.pid).children()
        parent.process.kill()
        until(lambda: not any(is_alive(worker) for worker in workers), parent)
    assert bench.run.standing().working == ()
    # All of it is killed. There is new work: the machine may have stopped this process until the first was done.
    make_and_add(3, 4, 5)

    def killed_at_work() -> bool:
        with bench.store._writing():  # type: ignore[attr-defined]  # meanwhile nobody ends a job
            if found := in_work():
                kill_tree(parent.pid)
            return found

    with Child("-m", "cli", *command) as parent:
        until(killed_at_work, parent)
    assert bench.run.standing().open
    assert cli.main(command) == 0
    assert "6 of 6 ended" in capsys.readouterr().out
    for record in bench.run.records():
        told = [event.data for event in bench.store.events(record.id) if event.kind == "state"]
        assert [str(data["state"]) for data in told if data and data["state"] in FINAL_STATES] == ["done"]
        assert bench.results.read(record.id).status == "ok"
    assert {path.name for path in (bench.settings.data_path / "results").iterdir()} == {
        record.id for record in bench.run.records()
    }
    assert len(bench.rows()) == 7
    for folder in ("incoming", "staging"):
        assert list((bench.settings.data_path / folder).iterdir()) == []


def test_a_service_is_asked_whether_it_has_the_run() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        codes = {"/jobs/known": 200, "/jobs/other": 404, "/jobs/secret": 401}
        body = DownloadPrivate("token").body().model_dump()
        return httpx.Response(codes[request.url.path], json=body)

    client = Client(NOBODY)
    assert not client.knows("known")
    client.close()
    client._http = httpx.Client(base_url=NOBODY, transport=httpx.MockTransport(answer))
    assert client.knows("known")
    assert not client.knows("other")
    with pytest.raises(ServiceError):
        client.knows("secret")
    client.close()


# ---------------------------------------------------------------------------------------------------- rate and time


def standing(done: int, queued: int) -> Standing:
    return Standing({"done": done, "queued": queued}, 0, {}, {}, ())


def test_the_pace_is_that_of_the_last_minutes() -> None:
    meter = Meter()
    assert meter.pace(standing(5, 20), 0.0) == Pace(None, None)
    assert meter.pace(standing(7, 18), 60.0) == Pace(2.0, 18 * 30.0)
    assert meter.pace(standing(7, 18), 60.0 + RATE_S) == Pace(None, None), "nothing has ended for five minutes"
    assert meter.pace(standing(8, 17), 120.0 + RATE_S) == Pace(1.0, 17 * 60.0)
    assert meter.pace(standing(2, 23), 130.0 + RATE_S) == Pace(None, None), "some were put back"
    assert pace_line(standing(7, 18), Pace(2.0, 540.0)) == "7 of 25 ended, 2.0 a minute, 9:00 left"
    assert [clock(seconds) for seconds in (0.4, 59.6, 3599.6, 86400.0)] == ["0:00", "1:00", "1:00:00", "24:00:00"]


# ---------------------------------------------------------------------------------------------------------- writing


def exported(bench: Bench, format: str) -> Path:
    out = bench.videos.parent / f"out.{format}"
    options = ["--data", str(bench.settings.data_path), "--batch", "b"]
    assert cli.main(["bulk", "export", "--format", format, str(out), *options]) == 0
    return out


def test_the_three_formats_hold_the_same(bench: Bench) -> None:
    make_cut(bench.videos / "a, with a comma.mp4")
    bench.run.add_files([bench.videos], 2, LIGHT)
    bench.run.add_urls(["https://www.tiktok.com/@ü/video/1"], 1, LIGHT)
    bench.store.request_cancel(next(bench.run.records()).id)
    bench.work()
    expected = [row.model_dump() for row in bench.rows()]
    assert [row["state"] for row in expected] == ["done", "cancelled"]
    lines = exported(bench, "jsonl").read_text(encoding="utf-8").splitlines()
    assert [VideoRow.model_validate_json(line).model_dump() for line in lines] == expected
    with exported(bench, "csv").open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    assert list(cells[0]) == list(VideoRow.model_fields)
    plain = [json.loads(line) for line in lines]
    assert cells == [{name: "" if value is None else str(value) for name, value in row.items()} for row in plain]
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(exported(bench, "parquet"))
    assert table.to_pylist() == expected
    assert str(table.schema.field("cuts").type) == "int64"
    assert sorted(path.name for path in bench.videos.parent.glob("*out*")) == ["out.csv", "out.jsonl", "out.parquet"]


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    captions = ("=1+1", "+1", "-1", "@A1", "\t=1", "\r=1", "a=1", "")
    rows = [VideoRow(id="x", video="v", state="done", caption=caption, warmth=-0.5) for caption in captions]
    write_rows(rows, "csv", tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    assert [row["caption"] for row in cells] == [f"'{text}" for text in captions[:6]] + ["a=1", ""]
    assert {row["warmth"] for row in cells} == {"-0.5"}  # numbers stay numbers
    write_rows(rows, "jsonl", tmp_path / "rows.jsonl")
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert tuple(json.loads(line)["caption"] for line in lines) == captions


def test_every_column_has_one_plain_type_and_says_what_it_is() -> None:
    assert {kind.__name__ for kind in column_types().values()} == {"str", "int", "float", "bool", "datetime"}
    assert column_types()["uploaded_at"].__name__ == "datetime"
    assert (column_types()["id"], column_types()["retry_possible"]) == (str, bool)
    document = (Path(cli.__file__).parent / "docs" / "jobs.md").read_text(encoding="utf-8")
    assert [name for name in VideoRow.model_fields if f"`{name}`" not in document] == []


def test_parquet_without_its_library(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    out = bench.videos / "rows.parquet"
    options = ["--data", str(bench.settings.data_path)]
    assert cli.main(["bulk", "export", "--format", "parquet", str(out), *options]) == cli.EXIT_REFUSED
    assert "pip install 'tiktok-analyzer[parquet]'" in " ".join(capsys.readouterr().err.split())
    assert list(bench.videos.iterdir()) == []


@pytest.mark.slow
def test_figures_of_sound_and_hook(bench: Bench) -> None:
    rate_hz = 48_000
    tone = np.sin(2.0 * np.pi * 997.0 * np.arange(rate_hz * 3) / rate_hz).astype(np.float32)
    sound = Sound(0.1 * np.stack([tone, tone], axis=1), rate_hz, codec="pcm_s16le")
    times = [0.04 * i for i in range(75)]
    make_video(bench.videos / "tone.mov", times, sound=sound)
    analyzers = ("cut_analysis", "camera_analysis", "content_quality", "audio_analysis", "temporal_flow")
    bench.run.add_files([bench.videos], 2, analyzers)
    bench.work(analyzers)
    (row,) = bench.rows()
    sections = bench.results.read(row.id).sections
    results = {name: section.result or {} for name, section in sections.items()}
    # EBU Tech 3341, case 1: a sine of 1 kHz in both channels reads its peak level, within 0.1.
    assert row.loudness_lufs == pytest.approx(-20.0, abs=0.1)
    assert row.silence_share == 0.0
    assert (row.camera, row.camera_moves) == (
        results["camera_analysis"]["dominant"],
        results["camera_analysis"]["moves"],
    )
    assert row.quality == results["content_quality"]["technical_score"]
    assert row.hook_energy == results["temporal_flow"]["hook"]["energy"]
    assert row.hook_cuts == results["temporal_flow"]["hook"]["cuts"]
    assert row.loop == results["temporal_flow"]["loop"]["kind"]
    assert (row.words, row.words_per_minute, row.text_share, row.max_faces) == (None, None, None, None)
