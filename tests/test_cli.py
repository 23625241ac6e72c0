"""The command line: what it prints and how it exits, without a server where it can."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

import cli
from ops.server import StartFailed
from schema.document import AnalysisDocument

pytestmark = pytest.mark.slow  # the sample is drawn and encoded first


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "sample.mp4"
    assert cli.main(["sample", str(path)]) == cli.EXIT_OK
    return path


def test_sample_writes_video_and_truth(sample: Path) -> None:
    assert sample.stat().st_size > 100_000
    assert json.loads(sample.with_suffix(".truth.json").read_text())


def test_analyze_local_prints_and_writes_the_document(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.settings.PROJECT_ROOT", tmp_path)  # the data folder, with the section cache
    arguments = ["analyze", str(sample), "--local", "--analyzers", "color_analysis,speech_flow", "--out", str(tmp_path)]
    assert cli.main(arguments) == cli.EXIT_OK
    document = AnalysisDocument.model_validate_json((tmp_path / "sample.json").read_bytes())
    assert list(document.sections) == ["color_analysis", "speech_flow"]
    assert document.performance.video_decodes == 1
    printed = capsys.readouterr().out
    assert "2 of 2 sections with a result" in printed
    assert str(tmp_path / "sample.json") in printed.replace("\n", "")
    assert cli.main(arguments) == cli.EXIT_OK
    again = AnalysisDocument.model_validate_json((tmp_path / "sample.json").read_bytes())
    assert again.performance.video_decodes == 0
    assert "2 sections from the cache" in " ".join(capsys.readouterr().out.split())
    assert cli.main([*arguments, "--fresh"]) == cli.EXIT_OK
    fresh = AnalysisDocument.model_validate_json((tmp_path / "sample.json").read_bytes())
    assert (fresh.performance.video_decodes, fresh.performance.sections_from_cache) == (1, 0)


@pytest.mark.parametrize(
    ("content", "expected"), [(b"no video", "Not a video"), (b"", "Not a video"), (b"#EXTM3U\n", "Not a video")]
)
def test_bad_files_are_told_with_a_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, expected: str
) -> None:
    (tmp_path / "bad.mp4").write_bytes(content)
    assert cli.main(["analyze", str(tmp_path / "bad.mp4"), "--local"]) == cli.EXIT_REFUSED
    error = capsys.readouterr().err
    assert expected in error
    assert "Send " in error


def test_a_missing_file_and_an_unknown_analyzer(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["analyze", "no_such.mp4", "--local"]) == cli.EXIT_REFUSED
    assert "no_such.mp4" in capsys.readouterr().out
    assert cli.main(["analyze", str(sample), "--local", "--analyzers", "nope"]) == cli.EXIT_REFUSED
    assert "'nope'" in capsys.readouterr().err


def test_no_service_is_told_with_what_to_do(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:  # by nobody else meanwhile
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert cli.main(["analyze", str(sample), "--url", url]) == cli.EXIT_REFUSED
    error = capsys.readouterr().err
    assert "tiktok-analyzer serve" in error
    assert "--local" in error


def test_serve_takes_address_and_data_folder_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[dict[str, Any]] = []

    def refuse(config: dict[str, Any], is_stopped: object) -> None:
        started.append(config)
        raise StartFailed("told so")

    monkeypatch.setattr("ops.server.local_service", refuse)
    monkeypatch.setattr("cli.signal.signal", lambda number, handler: None)
    assert cli.main(["serve", "--port", "8123", "--data", str(tmp_path / "here")]) == cli.EXIT_REFUSED
    assert "did not start: told so" in capsys.readouterr().out
    assert started[0]["http_options"]["port"] == 8123
    assert started[0]["applications"][0]["args"]["data_dir"] == str(tmp_path / "here")


def test_check_names_what_serve_would_drop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "serve_config.cpu.yaml"]) == cli.EXIT_OK
    text = Path("serve_config.cpu.yaml").read_text()
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace("num_replicas: 1", "num_replica: 1", 1))
    capsys.readouterr()
    assert cli.main(["check", str(wrong)]) == cli.EXIT_REFUSED
    assert "num_replica" in capsys.readouterr().out
