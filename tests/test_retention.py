"""Retention: what goes at which age, what never goes, and that only one cleanup runs at a time."""

from __future__ import annotations

import asyncio
import io
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli import main
from deployments.housekeeping import keep_tidy, tidy_up
from deployments.settings import GraphArgs
from jobs.cache import CacheSettings, SectionCache
from jobs.record import JobRecord
from jobs.results import new_id
from jobs.retention import Cleanup, Kind, RetentionSettings, Tidied, cleanup_turn, ended_before
from jobs.sources import SourceFolder
from jobs.sqlite import SqliteJobStore
from ops.cleanup import render
from schema.errors import NotFound, StoreUnavailable
from schema.jobs import JobState
from tests.child_processes import Child
from tests.job_stores import AGING_S, Clock, new_job
from tests.made_sections import stored

DAY_S = 86_400.0
NOW = datetime.now(timezone.utc)
POLICY = RetentionSettings(sources_days=2, documents_days=10, thumbnails_days=5, cache_days=20, logs_days=3)


class Place:
    """A data folder with its store, in which jobs of any age can be made."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, Clock()
        self.store = SqliteJobStore(path / "jobs.db", AGING_S, self.clock)
        self.cache = SectionCache(path, CacheSettings())

    def job(self, age_days: float, state: JobState | None = "done", keep: bool = False, settled: bool = True) -> str:
        """A job that ended so long ago, with a source of 1000 bytes, a document of 500 and a thumbnail of 2000."""
        self.clock.now_s = NOW.timestamp() - age_days * DAY_S
        id = self.store.add(new_job(options={"keep": keep}))[0].id
        claimed = self.store.claim("worker", 10.0)
        assert claimed is not None
        lease = claimed[1]
        assert claimed[0].id == id
        if state is not None:
            self.store.finish(lease, state)
            if settled:
                self.store.settle(lease)
        self.write(f"incoming/{id}/video", 1000, age_days)
        if state in (None, "done"):
            self.write(f"results/{id}/document.json", 500, age_days)
            self.write(f"results/{id}/thumbnails/0.jpg", 2000, age_days)
        return id

    def write(self, name: str, size: int, age_days: float) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(size))
        self.age(file.parent, age_days)
        self.age(file, age_days)
        return file

    def age(self, path: Path, age_days: float) -> None:
        time_s = NOW.timestamp() - age_days * DAY_S
        os.utime(path, (time_s, time_s))

    def clean(self, policy: RetentionSettings = POLICY, dry_run: bool = False) -> dict[Kind, Tidied]:
        return Cleanup(self.path, self.store, self.cache, policy, dry_run, NOW).run()

    def files(self) -> set[str]:
        names = (p.relative_to(self.path).as_posix() for p in self.path.rglob("*") if p.is_file())
        return {name for name in names if not name.startswith(("jobs.db", "cache", "cleanup"))}

    def has_job(self, id: str) -> bool:
        try:
            self.store.get(id)
        except NotFound:
            return False
        return True


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    SourceFolder(tmp_path)
    return place


def test_each_kind_goes_at_its_own_age(place: Place) -> None:
    ids = {age: place.job(age) for age in (1.9, 2.1, 4.9, 5.1, 9.9, 10.1)}
    tidied = place.clean()
    expected = {f"incoming/{ids[1.9]}/video"}
    expected |= {f"results/{ids[age]}/thumbnails/0.jpg" for age in (1.9, 2.1, 4.9)}
    expected |= {f"results/{ids[age]}/document.json" for age in (1.9, 2.1, 4.9, 5.1, 9.9)}
    assert place.files() == expected
    assert tidied["sources"] == Tidied(removed=5, bytes=5000)
    assert tidied["thumbnails"] == Tidied(removed=3, bytes=6000)
    assert tidied["documents"] == Tidied(removed=1, bytes=500)
    assert tidied["jobs"] == Tidied(removed=1)
    assert [age for age, id in ids.items() if not place.has_job(id)] == [10.1]
    assert not (place.path / "results" / ids[10.1]).exists()


def test_failed_and_cancelled_jobs_go_too(place: Place) -> None:
    ids = [place.job(11.0, "failed"), place.job(11.0, "cancelled")]
    assert place.clean()["jobs"].removed == 2
    assert not any(map(place.has_job, ids))


def test_a_kept_job_stays_with_all_it_has(place: Place) -> None:
    id = place.job(1000.0, keep=True)
    before = place.files()
    tidied = place.clean()
    assert place.files() == before
    assert place.has_job(id)
    assert {kind: row.kept for kind, row in tidied.items()} == {
        "sources": 1, "thumbnails": 1, "documents": 1, "jobs": 1, "sections": 0, "logs": 0
    }  # fmt: skip


def test_a_file_named_keep_does_the_same_by_hand(place: Place) -> None:
    kept, other = place.job(1000.0), place.job(1000.0)
    place.write(f"results/{kept}/keep", 0, 1000.0)
    place.clean()
    assert f"results/{kept}/document.json" in place.files()
    assert place.has_job(kept)
    assert not place.has_job(other)


@pytest.mark.parametrize(("state", "settled"), [(None, False), ("done", False)])
def test_a_job_in_work_or_whose_end_is_not_told_is_not_touched(
    place: Place, state: JobState | None, settled: bool
) -> None:
    id = place.job(1000.0, state, settled=settled)
    before = place.files()
    tidied = place.clean(POLICY.for_days(0.0))
    assert place.files() == before
    assert place.has_job(id)
    assert tidied["documents"] == Tidied(in_work=1)
    assert tidied["sources"] == Tidied(in_work=1)


def test_a_dry_run_says_the_same_and_does_nothing(place: Place) -> None:
    for age in (1.0, 3.0, 6.0, 11.0):
        place.job(age)
    place.job(11.0, keep=True)
    place.write("logs/old.log", 70, 4.0)
    place.cache.put({"a": stored(1)})
    before = place.files()
    policy = POLICY.for_days(0.0).model_copy(update={"cache_days": 0.0})
    place.clean(policy, dry_run=True)
    assert place.files() == before
    said = place.clean(policy, dry_run=True)
    assert place.files() == before
    assert place.clean(policy) == said
    assert place.clean(policy)["documents"].removed == 0


def test_what_no_job_knows_goes_by_the_age_of_its_files_but_not_within_a_day(place: Place) -> None:
    young, old = new_id(), new_id()
    for id, age in ((young, 0.9), (old, 1.1)):
        place.write(f"results/{id}/document.json", 500, age)
        place.write(f"incoming/{id}/video", 500, age)
        place.write(f"staging/{id}.abc", 500, age)
    place.clean(POLICY.for_days(0.0))
    assert place.files() == {f"results/{young}/document.json", f"incoming/{young}/video", f"staging/{young}.abc"}


def test_a_file_that_comes_in_is_not_touched(place: Place) -> None:
    """Its job is not accepted yet; the folder's lock says that somebody writes."""
    id = new_id()
    with SourceFolder(place.path).reserved(id) as reserved:
        reserved.path.write_bytes(b"x")
        place.age(reserved.folder, 100.0)
        place.age(reserved.path, 100.0)
        assert place.clean()["sources"].removed == 0
        assert reserved.path.exists()


def test_other_files_are_nobodys_business(place: Place) -> None:
    place.write("results/notes.txt", 10, 1000.0)
    place.write("results/mine/document.json", 10, 1000.0)
    place.write("videos/clip.mp4", 10, 1000.0)
    before = place.files()
    place.clean(POLICY.for_days(0.0))
    assert place.files() == before


def test_logs_go_by_their_last_line(place: Place) -> None:
    place.write("logs/a/old.log", 70, 3.1)
    place.write("logs/a/new.log", 70, 2.9)
    assert place.clean()["logs"] == Tidied(removed=1, bytes=70)
    assert place.files() == {"logs/a/new.log"}


def test_sections_that_nobody_used_go(place: Place) -> None:
    place.cache.put({"a": stored(1)})
    assert place.clean()["sections"].removed == 0
    later = Cleanup(place.path, place.store, place.cache, POLICY, now=NOW + timedelta(days=21))
    assert later.run()["sections"].removed == 1
    assert place.cache.state().sections == 0


def test_null_keeps_for_good(place: Place) -> None:
    place.job(10_000.0)
    place.write("logs/old.log", 70, 10_000.0)
    before = place.files()
    forever = RetentionSettings(
        sources_days=None, documents_days=None, thumbnails_days=None, cache_days=None, logs_days=None
    )
    assert place.clean(forever) == {}
    assert place.files() == before


def test_old_jobs_are_found_without_looking_at_new_ones(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.retention.PAGE", 3)
    old = [place.job(age) for age in (20.0, 19.0, 18.0, 12.0)]
    for age in range(9, 0, -1):
        place.job(float(age), "failed")
    seen: list[list[JobRecord]] = []
    find = place.store.find

    def noted(*args: Any, **named: Any) -> list[JobRecord]:
        seen.append(find(*args, **named))
        return seen[-1]

    monkeypatch.setattr(place.store, "find", noted)
    found = list(ended_before(place.store, NOW - timedelta(days=10)))
    assert [record.id for record in found] == old[::-1]
    assert sum(len(page) for page in seen if len(page) > 1) <= len(old)
    assert list(ended_before(place.store, NOW - timedelta(days=30))) == []
    assert len(list(ended_before(place.store, NOW))) == 13


def test_one_cleanup_at_a_time(tmp_path: Path) -> None:
    holder = "from pathlib import Path; from jobs.retention import cleanup_turn; import sys\n"
    holder += "with cleanup_turn(Path(sys.argv[1])) as mine: print(mine, flush=True); sys.stdin.read()"
    with Child("-c", holder, str(tmp_path), talks=True) as other:
        assert other.line() == "True"
        with cleanup_turn(tmp_path) as mine:
            assert not mine
    with cleanup_turn(tmp_path) as mine:
        assert mine


def test_the_service_tidies_once_in_its_time(place: Place) -> None:
    place.job(1000.0)
    settings = GraphArgs(data_dir=str(place.path), retention=POLICY)
    with pytest.raises(RuntimeError), cleanup_turn(place.path, 3600.0):
        raise RuntimeError("a cleanup that broke off does not count")
    assert tidy_up(settings, place.store, place.cache, 3600.0)
    assert place.files() == set()
    place.job(1000.0)
    assert not tidy_up(settings, place.store, place.cache, 3600.0)
    assert tidy_up(settings, place.store, place.cache, 0.0)
    assert place.files() == set()


@pytest.mark.parametrize("left", [b"", b"\0\0\0\0", b"17951", b"\xff", b"never"])
def test_what_a_power_cut_leaves_of_the_last_time_ends_no_cleanup(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "cleanup.lock").write_bytes(left)
    with cleanup_turn(tmp_path, 3600.0) as mine:
        assert mine
    with cleanup_turn(tmp_path, 3600.0) as mine:
        assert not mine


def test_a_store_that_cannot_be_reached_puts_it_off(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    id = place.job(1000.0)

    def lost(id: str) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(place.store, "get", lost)
    assert not tidy_up(GraphArgs(data_dir=str(place.path), retention=POLICY), place.store, place.cache, 0.0)
    assert f"results/{id}/document.json" in place.files()
    assert "put off: gone" in caplog.text


def test_the_command(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    old, kept = place.job(31.0), place.job(31.0, keep=True)
    place.job(29.0)
    before = place.files()
    assert main(["cleanup", "--days", "30", "--dry-run", "--data", str(place.path)]) == 0
    assert "would free 0.0 MB" in capsys.readouterr().out.replace("\n", "")
    assert place.files() == before
    assert main(["cleanup", "--days", "30", "--data", str(place.path)]) == 0
    assert not any(old in name for name in place.files())
    assert f"results/{kept}/document.json" in place.files()
    with cleanup_turn(place.path):
        assert main(["cleanup", "--data", str(place.path)]) == 1
    assert "another cleanup" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["cleanup", "--days", "-1"])


def test_the_report_in_numbers() -> None:
    out = Console(file=io.StringIO(), width=100)
    out.print(render({"documents": Tidied(removed=3, bytes=2_500_000, kept=2, in_work=1)}, dry_run=False))
    assert isinstance(out.file, io.StringIO)
    assert out.file.getvalue().split() == ["removed", "MB", "kept", "in", "work", "documents", "3", "2.5", "2", "1"]


def test_the_services_loop_tidies_until_it_is_ended(place: Place) -> None:
    place.job(1000.0)
    settings = GraphArgs(data_dir=str(place.path), retention=POLICY)

    async def run() -> None:
        loop = asyncio.create_task(keep_tidy(settings, place.store, place.cache))
        while place.files():
            await asyncio.sleep(0.01)
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        assert loop.cancelled()

    asyncio.run(asyncio.wait_for(run(), 120.0))


def test_null_hours_leave_it_to_the_command(place: Place) -> None:
    place.job(1000.0)
    before = place.files()
    never = GraphArgs(data_dir=str(place.path), retention=POLICY.model_copy(update={"every_hours": None}))
    asyncio.run(asyncio.wait_for(keep_tidy(never, place.store, place.cache), 120.0))
    assert place.files() == before
