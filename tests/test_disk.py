"""The free-disk guard: refused before the disk is full, and what a full disk is called."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from jobs.disk import MB, DiskGuard, DiskSettings, writing
from schema.errors import DiskFull


def set_free(monkeypatch: pytest.MonkeyPatch, free_mb: int) -> None:
    usage = type("Usage", (), {"free": free_mb * MB + 7, "total": 50_000 * MB})
    monkeypatch.setattr("jobs.disk.shutil.disk_usage", lambda path: usage)


@pytest.mark.parametrize(("free_mb", "state"), [(99, "full"), (100, "low"), (499, "low"), (500, "ok")])
def test_states_by_their_bounds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_mb: int, state: str) -> None:
    set_free(monkeypatch, free_mb)
    guard = DiskGuard(tmp_path, DiskSettings(min_free_megabytes=100, low_free_megabytes=500))
    assert guard.health().model_dump() == {
        "state": state,
        "free_mb": free_mb,
        "total_mb": 50_000,
        "refused_below_mb": 100,
    }
    if state == "full":
        with pytest.raises(DiskFull, match="99 MB are free; 100 MB must stay free"):
            guard.check()
    else:
        guard.check()


def test_what_comes_in_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_free(monkeypatch, 150)
    guard = DiskGuard(tmp_path, DiskSettings(min_free_megabytes=100, low_free_megabytes=500))
    guard.check(50 * MB)
    with pytest.raises(DiskFull, match="150 MB are free, 51 MB would come in"):
        guard.check(51 * MB)


def test_the_real_disk_is_measured_also_for_a_folder_that_is_not_made_yet(tmp_path: Path) -> None:
    settings = DiskSettings(min_free_megabytes=0, low_free_megabytes=0)
    health = DiskGuard(tmp_path / "not" / "there", settings).health()
    stat = os.statvfs(tmp_path)
    assert health.total_mb == stat.f_blocks * stat.f_frsize // MB
    assert health.free_mb == pytest.approx(stat.f_bavail * stat.f_frsize / MB, abs=500)  # others write meanwhile


def test_low_may_not_be_below_full() -> None:
    with pytest.raises(ValidationError, match="must be at least"):
        DiskSettings(min_free_megabytes=100, low_free_megabytes=99)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_write_without_room_has_its_code(number: int) -> None:
    with pytest.raises(DiskFull, match="no room left"), writing():
        raise OSError(number, os.strerror(number))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_the_systems_own_full_device() -> None:
    with pytest.raises(DiskFull), writing(), Path("/dev/full").open("wb") as file:
        file.write(b"x")


def test_other_faults_of_a_write_stay_what_they_are() -> None:
    with pytest.raises(PermissionError), writing():
        raise PermissionError(errno.EACCES, "no")


def test_the_error_can_be_told_apart_by_programs() -> None:
    body = DiskFull("1 MB are free").body("abc")
    assert (body.code, DiskFull.http_status, body.retry_possible) == ("disk_full", 507, True)
    assert "tiktok-analyzer cleanup" in body.suggested_action
