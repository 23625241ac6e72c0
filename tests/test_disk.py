"""The free-disk guard: refused before the disk is full, and what a full disk is called."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest
from fastapi import Request
from pydantic import ValidationError

from deployments.ingress_accept import Acceptance
from deployments.settings import GraphArgs
from jobs.capacity import Capacity
from jobs.disk import MB, DiskGuard, DiskSettings, writing
from jobs.opening import open_store
from jobs.sources import SourceFolder
from schema.errors import DiskFull, TooLarge


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


def post(acceptance: Acceptance, body: bytes, **headers: str) -> object:
    """What becomes of ``POST /analyze``."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/analyze",
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    return asyncio.run(acceptance.accept(Request(scope, receive)))


@pytest.fixture
def acceptance(tmp_path: Path) -> Acceptance:
    settings = GraphArgs(data_dir=str(tmp_path), video_roots=(str(tmp_path),))
    disk = DiskGuard(tmp_path, DiskSettings(min_free_megabytes=100, low_free_megabytes=500))
    store = open_store(settings.jobs, settings.data_path)
    capacity = Capacity(store, settings.jobs, settings.max_concurrent_videos)
    return Acceptance(settings, ("color_analysis",), store, SourceFolder(tmp_path), disk, capacity)


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n'
    b"Content-Type: video/mp4\r\n\r\nxyz\r\n--b--\r\n"
)


def test_new_work_is_refused_before_anything_is_taken_in(
    acceptance: Acceptance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    set_free(monkeypatch, 150)
    assert post(acceptance, b'{"video_path": "a.mp4"}', content_length="23")
    with pytest.raises(DiskFull, match="60 MB would come in"):
        post(acceptance, FORM, content_type="multipart/form-data; boundary=b", content_length=str(60 * MB))
    set_free(monkeypatch, 99)
    with pytest.raises(DiskFull, match="99 MB are free"):
        post(acceptance, b'{"video_path": "a.mp4"}', content_length="23")
    assert list((tmp_path / "incoming").iterdir()) == []


def test_an_upload_that_is_too_large_anyway_is_told_so(acceptance: Acceptance, monkeypatch: pytest.MonkeyPatch) -> None:
    set_free(monkeypatch, 50_000)
    with pytest.raises(TooLarge):
        post(acceptance, FORM, content_type="multipart/form-data; boundary=b", content_length=str(10**15))


def test_a_disk_that_fills_up_while_an_upload_comes_in(
    acceptance: Acceptance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_free(monkeypatch, 50_000)

    async def no_room(self: Request, **bounds: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Request, "form", no_room)
    with pytest.raises(DiskFull, match="no room left"):
        post(acceptance, FORM, content_type="multipart/form-data; boundary=b", content_length=str(len(FORM)))
    assert list((tmp_path / "incoming").iterdir()) == []
