"""Whatever comes in: a typed error with a remedy within two seconds, and nothing left behind."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from schema.errors import ALL_ERRORS, ErrorBody
from tests.made_media import make_video, png_matroska, zero_png
from tests.ray.actors import replica_pids
from tests.ray.conftest import Running
from tests.sample_file import place_sample

LIMIT_S = 2.0
TRIES = 5
"""The quickest counts: the machine may stop for a moment, a refusal that takes long does so each time."""
SETTLED_S = 60.0
"""Wall seconds until nothing of the last request is left; a moment where the machine does not stop."""
GROWTH_BYTES = 200_000_000


@pytest.fixture(scope="module", autouse=True)
def _nothing_left_behind(running: Running, sample: Path) -> Iterator[None]:
    """Over all requests of this file: no file more, no replica restarted, memory about as before."""
    place_sample(running.videos / "sample.mp4")
    running.analyze(sample, "color_analysis")
    files, pids = _files(running.data), replica_pids()
    memory = _resident(pids)
    yield
    end_s = time.monotonic() + SETTLED_S
    while _files(running.data) != files and time.monotonic() < end_s:
        time.sleep(0.1)
    assert _files(running.data) == files
    assert replica_pids() == pids
    assert _resident(pids) - memory < GROWTH_BYTES


def _files(folder: Path) -> set[Path]:
    """Without those that SQLite has only while it writes."""
    return {path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-journal")}


def _resident(pids: dict[str, set[int]]) -> int:
    return sum(psutil.Process(pid).memory_info().rss for group in pids.values() for pid in group)


def refused(send: Callable[[], httpx.Response], status: int, code: str) -> ErrorBody:
    took_s: list[float] = []
    while len(took_s) < TRIES and min(took_s, default=LIMIT_S) >= LIMIT_S:
        started_s = time.monotonic()
        answer = send()
        took_s.append(time.monotonic() - started_s)
        body = ErrorBody.model_validate_json(answer.content)
        assert (answer.status_code, body.code) == (status, code), answer.text
        assert body.suggested_action
        assert code in {error.code for error in ALL_ERRORS}
    assert min(took_s) < LIMIT_S
    return body


def test_missing_file(running: Running) -> None:
    body = refused(lambda: running.analyze("no_such_clip.mp4"), 404, "file_not_found")
    assert "no_such_clip.mp4" in body.details


def test_directory(running: Running) -> None:
    (running.videos / "folder.mp4").mkdir(exist_ok=True)
    refused(lambda: running.analyze("folder.mp4"), 422, "not_a_video")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.mp4", b"This is no video.\n" * 100),
        ("empty.mp4", b""),
        ("playlist.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"),
        ("concat.mp4", b"ffconcat version 1.0\nfile sample.mp4\n"),
    ],
)
def test_no_video_in_it(running: Running, name: str, content: bytes) -> None:
    (running.videos / name).write_bytes(content)
    refused(lambda: running.analyze(name), 422, "not_a_video")
    refused(lambda: running.http.post("/analyze", files={"file": (name, content)}), 422, "not_a_video")


def test_cut_off_before_its_index(running: Running, sample: Path) -> None:
    whole = sample.read_bytes()
    assert b"moov" in whole
    broken = whole[: whole.index(b"moov")] if whole.index(b"moov") > 1000 else whole[:2000]
    (running.videos / "broken.mp4").write_bytes(broken)
    refused(lambda: running.analyze("broken.mp4"), 422, "not_a_video")


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../../etc/passwd", "/proc/self/environ", "/no/such/file"])
def test_outside_the_roots(running: Running, path: str) -> None:
    refused(lambda: running.analyze(path), 403, "path_not_allowed")


def test_symlink_out_of_the_roots(running: Running) -> None:
    link = running.videos / "link.mp4"
    link.unlink(missing_ok=True)
    link.symlink_to("/etc/passwd")
    refused(lambda: running.analyze("link.mp4"), 403, "path_not_allowed")


def test_picture_bomb(running: Running) -> None:
    png_matroska(running.videos / "bomb.mkv", (16_384, 16_384), [zero_png(16_384, 16_384)])
    refused(lambda: running.analyze("bomb.mkv"), 413, "too_large")


def test_too_long(running: Running) -> None:
    make_video(running.videos / "long.mp4", [0.0, 150.0, 300.0], last_s=1.0)
    body = refused(lambda: running.analyze("long.mp4"), 422, "too_long")
    assert "300" in body.details


def test_unknown_analyzer(running: Running, sample: Path) -> None:
    body = refused(lambda: running.analyze(sample, "cut_analyses"), 422, "unknown_analyzer")
    assert "cut_analysis" in body.details


def test_retired_analyzer(running: Running, sample: Path) -> None:
    body = refused(lambda: running.analyze(sample, "face_detection"), 422, "retired_analyzer")
    assert "eye_tracking" in body.details


@pytest.mark.parametrize(
    "content",
    [
        b'{"video_path": ',
        b"\xff\xfe\x00",
        b"[]",
        b'"sample.mp4"',
        b"{}",
        json.dumps({"video_path": "sample.mp4", "prioritaet": 3}).encode(),
        json.dumps({"video_path": 7}).encode(),
        json.dumps({"video_path": "sample.mp4", "analyzers": "cut_analysis"}).encode(),
        json.dumps({"video_path": "sample.mp4", "analyzers": []}).encode(),
        json.dumps({"video_path": "a\0b"}).encode(),
        json.dumps({"video_path": "a" * 5000}).encode(),
        b"[" * 100_000,
    ],
)
def test_malformed_bodies(running: Running, content: bytes) -> None:
    refused(lambda: running.http.post("/analyze", content=content), 422, "invalid_request")


def test_unknown_field_is_named(running: Running) -> None:
    body = refused(
        lambda: running.http.post("/analyze", json={"video_path": "sample.mp4", "prioritaet": 3}),
        422,
        "invalid_request",
    )
    assert "prioritaet" in body.details


def test_forms_without_a_file(running: Running) -> None:
    refused(lambda: running.http.post("/analyze", files={"video": b"x"}), 422, "invalid_request")
    refused(
        lambda: running.http.post("/analyze", content=b"junk", headers={"Content-Type": "multipart/form-data"}),
        422,
        "invalid_request",
    )


@pytest.mark.parametrize("id", ["nope", "0" * 32, "..%2F..%2Fetc"])
def test_unknown_document(running: Running, id: str) -> None:
    refused(lambda: running.http.get(f"/jobs/{id}/document"), 404, "not_found")
