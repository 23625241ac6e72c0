"""Wrong arguments, interruptions and answers of others on the command line: one line each, and never a traceback."""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import cli
from deployments.settings import GraphArgs
from ops.arguments import add_data_folder
from ops.local import LocalRunner, own_job
from ops.profiles import PROFILE_FILES, load_profile
from ops.server import require_free, wait_until_ready
from schema.errors import FileMissing
from schema.jobs import JobStatus

JOB = "0" * 32


@contextmanager
def answering(answers: dict[tuple[str, str], tuple[int, bytes]]) -> Iterator[tuple[str, list[str]]]:
    """A server with these answers by method and path, 404 with a page for the rest; its address and what it was
    asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append(f"{self.command} {self.path}")
            status, body = answers.get((self.command, self.path), (404, b"<html>nothing here</html>"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815  # the names that http.server looks for

        def log_message(self, format: str, *arguments: Any) -> None:
            return None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join(10.0)


def accepted() -> bytes:
    now = "2026-11-20T12:00:00Z"
    status = {"id": JOB, "state": "queued", "priority": 5, "created_at": now, "video": "a", "progress": 0.0}
    return JobStatus.model_validate(status | {"analyzers": {}}).model_dump_json().encode()


def plain(text: str) -> str:
    """Without spaces: where a line of the terminal ends depends on the length of this machine's paths."""
    return "".join(text.split())


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")
    return path


def test_a_relative_data_folder_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And absolute from then on: worker processes run in other folders. The yaml's own starts at the project."""
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    add_data_folder(parser)
    assert parser.parse_args(["--data", "here"]).data == str(tmp_path / "here")
    assert parser.parse_args(["--data", "../there"]).data == str(tmp_path.parent / "there")
    assert parser.parse_args([]).data is None
    with pytest.raises(SystemExit):
        parser.parse_args(["--data", ""])


def test_the_commands_agree_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["tokens", "add", "me", "--data", "here"]) == cli.EXIT_OK
    assert cli.main(["bulk", "status", "--data", "here"]) == cli.EXIT_OK
    assert cli.main(["cleanup", "--dry-run", "--data", "here"]) == cli.EXIT_OK
    assert {"tokens.json", "jobs.db", "cleanup.lock"} <= {path.name for path in (tmp_path / "here").iterdir()}


def test_an_interruption_is_told_and_cancels_the_job(
    video: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: object, id: str) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("ops.client.Client.events", interrupted)
    with answering({("POST", "/analyze"): (202, accepted())}) as (url, asked):
        assert cli.main(["analyze", str(video), "--url", url]) == cli.EXIT_INTERRUPTED
    assert asked == ["POST /analyze", f"DELETE /jobs/{JOB}"]
    assert capsys.readouterr().err.strip() == "stopped"


def test_an_interruption_without_a_service_is_told(
    video: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli._analyzed_here", interrupted)
    assert cli.main(["analyze", str(video), "--local"]) == cli.EXIT_INTERRUPTED
    assert capsys.readouterr().err.strip() == "stopped"


@pytest.mark.parametrize("answer", [(404, b"<html>"), (200, b"<html>"), (200, b"{}"), (502, b""), (500, b"{}")])
def test_another_server_at_the_address(
    video: Path, capsys: pytest.CaptureFixture[str], answer: tuple[int, bytes]
) -> None:
    """As Ray's dashboard is, one port away."""
    with answering({("POST", "/analyze"): answer}) as (url, _):
        assert cli.main(["analyze", str(video), "--url", url]) == cli.EXIT_REFUSED
    error = plain(capsys.readouterr().err)
    assert plain("That is no answer of this service") in error
    assert plain(f"HTTP status {answer[0]}") in error


@pytest.mark.parametrize("url", ["localhost:8003", "foo", "ftp://127.0.0.1", "http://[::1"])
def test_what_is_no_address(video: Path, capsys: pytest.CaptureFixture[str], url: str) -> None:
    assert cli.main(["analyze", str(video), "--url", url]) == cli.EXIT_REFUSED
    assert plain("is no address of a service") in plain(capsys.readouterr().err)


def test_what_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["analyze", str(tmp_path)]) == cli.EXIT_REFUSED
    assert plain("is no file; `tiktok-analyzer bulk add` takes folders") in plain(capsys.readouterr().out)
    assert cli.main(["analyze", str(tmp_path / "[red]none.mp4")]) == cli.EXIT_REFUSED
    assert "[red]none.mp4" in plain(capsys.readouterr().out)


def test_a_place_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    arguments = ["bulk", "export", str(tmp_path / "file" / "out.csv"), "--data", str(tmp_path / "data")]
    assert cli.main(arguments) == cli.EXIT_REFUSED
    assert str(tmp_path / "file") in capsys.readouterr().err
    (tmp_path / "folder").mkdir()
    assert cli.main([*arguments[:2], str(tmp_path / "folder"), *arguments[3:]]) == cli.EXIT_REFUSED
    assert str(tmp_path / "folder") in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder", "data"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["bulk", "process", "--workers", "x"],
        ["bulk", "process", "--workers", "-1"],
        ["cleanup", "--days", "soon"],
        ["serve", "--port", "65536"],
        ["serve", "--port", "0"],
        ["serve", "--port", "http"],
    ],
)
def test_numbers_that_are_none(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(arguments)
    assert "number in [" in capsys.readouterr().err


def test_local_has_the_settings_of_the_service(video: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those of the yaml that `serve` takes: models that fit a CPU, and the same keys in the section cache."""
    made: list[tuple[GraphArgs, Any]] = []

    def stop(runner: LocalRunner, settings: GraphArgs, configs: Any = None, cache: Any = None) -> None:
        made.append((settings, configs))
        raise FileMissing("seen")

    monkeypatch.setattr("deployments.settings.PROJECT_ROOT", tmp_path)
    monkeypatch.setattr(LocalRunner, "__init__", stop)
    assert cli.main(["analyze", str(video), "--local"]) == cli.EXIT_REFUSED
    served = load_profile(PROFILE_FILES["cpu"])["applications"][0]
    assert made[0][0] == GraphArgs.model_validate(served["args"])
    assert made[0][1]["object_detection"] == next(
        block["user_config"] for block in served["deployments"] if block["name"] == "object_detection"
    )


def test_a_start_can_be_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the replicas load, which takes a minute on a small machine."""
    looks: list[bool] = []

    def is_stopped() -> bool:
        looks.append(len(looks) == 2)
        return looks[-1]

    monkeypatch.setattr("ops.server.deploy_failure", lambda dashboard_url: None)
    monkeypatch.setattr("ops.server.POLL_S", 0.0)
    with answering({}) as (url, asked), pytest.raises(KeyboardInterrupt):
        wait_until_ready(url, "http://127.0.0.1:1", time.monotonic() + 60.0, is_stopped)
    assert looks == [False, False, True]
    assert asked == ["GET /health/ready"] * 2


def test_a_taken_port_is_told_before_ray_is_started(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("cli.signal.signal", lambda number, handler: None)
    monkeypatch.setattr("ray.init", None)
    monkeypatch.setattr("ops.server.PORT_WAIT_S", 0.0)
    with answering({}) as (url, _):
        port = url.rpartition(":")[2]
        assert cli.main(["serve", "--port", port, "--data", str(tmp_path)]) == cli.EXIT_REFUSED
    assert plain(f"127.0.0.1:{port} cannot be listened on") in plain(capsys.readouterr().out)
    require_free("127.0.0.1", int(port))  # nobody listens any more


def test_a_sample_that_is_no_mp4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sample", str(tmp_path)]) == cli.EXIT_REFUSED
    assert plain("must end in .mp4") in plain(capsys.readouterr().out)


@pytest.mark.parametrize("action", [["status"], ["process"], ["requeue"], ["export", "out.csv"]])
def test_a_run_that_nobody_filled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, action: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["bulk", *action, "--batch", "typo", "--data", "data"]) == cli.EXIT_OK
    assert plain(f"no videos were added to 'typo' in {tmp_path / 'data'}") in plain(capsys.readouterr().out)


def test_names_that_are_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder's other videos are added; an upload is sent under a name that is text."""
    folder = tmp_path / "clips"
    folder.mkdir()
    odd = folder / os.fsdecode(b"x\xff.mp4")
    try:
        odd.write_bytes(b"odd")
    except OSError:
        pytest.skip("this file system takes text only")
    (folder / "good.mp4").write_bytes(b"good")
    assert cli.main(["bulk", "add", str(folder), "--data", str(tmp_path / "data")]) == cli.EXIT_INCOMPLETE
    printed = plain(capsys.readouterr().out)
    assert plain("x?.mp4: its path is no UTF-8") in printed
    assert plain("1 jobs added") in printed
    refusal = {"code": "not_a_video", "error": "no", "details": "told", "retry_possible": False}
    body = json.dumps(refusal | {"suggested_action": "none"}).encode()
    with answering({("POST", "/analyze"): (422, body)}) as (url, _):
        assert cli.main(["analyze", str(odd), "--url", url]) == cli.EXIT_REFUSED
    assert plain("no: told none") in plain(capsys.readouterr().err)
    assert own_job(odd).video.name == "x?.mp4"
    assert cli.main(["analyze", str(folder / os.fsdecode(b"y\xff.mp4"))]) == cli.EXIT_REFUSED
    assert "y?.mp4" in plain(capsys.readouterr().out)
