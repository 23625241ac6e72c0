"""``tiktok-analyzer models``: what it prints, what it fetches, and its exit status for each failure."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from cli import main
from ops.models_view import models_table, size_text
from ops.profile_models import placed, profile_pins
from ops.profiles import PROFILE_FILES, load_profile
from tests.made_hub import Fault, MadeHub, made_hub
from weights.check import quick_state
from weights.lock import LOCK_NAME
from weights.manifest import PINS, pin
from weights.pull import _alone

MODEL = bytes(range(256)) * 4_000
HUB_ID = pin("wav2vec2-emotion").hub_id
NAME = "wav2vec2-emotion"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[MadeHub]:
    """The command asks this hub: the pin's own repository, unpinned so that any commit will do."""
    content = {"config.json": b"{}", "preprocessor_config.json": b"{}", "model.safetensors": MODEL}
    monkeypatch.setattr("weights.transfer.TRIES", 1)
    # Hosts that other tests made have switched the client to offline for this process.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("weights.transfer.PAUSE_S", 0.0)
    with made_hub(MadeHub({HUB_ID: content})) as running:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", running.url)
        if commit := pin(NAME).revision:
            running.commit = commit
        yield running


def models(*arguments: str, weights: Path) -> int:
    return main(["models", *arguments, "--weights", str(weights)])


def test_the_list_shows_every_pin_with_licence_and_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert models("list", "--json", weights=tmp_path) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [p.name for p in PINS]
    assert {row["state"] for row in rows} == {"missing"}
    by_name = {row["name"]: row for row in rows}
    assert (by_name["yolov8x"]["licence"], by_name["yolov8x"]["alternative"]) == ("AGPL-3.0", "rtdetr-v2-r50")
    assert by_name["rtdetr-v2-r50"]["alternative"] is None
    assert (by_name["face-landmarker"]["size_bytes"], by_name["face-landmarker"]["size_known"]) == (3_758_596, "stated")
    assert by_name["segformer-b2"]["size_known"] == "counted"


def test_the_table_shows_it_to_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert models("list", weights=tmp_path) == 0
    printed = capsys.readouterr().out
    for found in PINS:
        assert found.name in printed
    assert "AGPL-3.0" in printed
    assert "unknown" not in printed


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_fits_a_terminal_and_breaks_no_name(columns: int, tmp_path: Path) -> None:
    out = Console(width=columns, file=io.StringIO(), record=True)
    out.print(models_table([quick_state(found, tmp_path) for found in PINS], tmp_path))
    lines = out.export_text().splitlines()
    assert max(map(len, lines)) <= columns
    words = set(" ".join(lines).replace(",", " ").split())
    for found in PINS:
        assert {found.name, *found.used_by, *filter(None, [found.alternative])} <= words
        assert {(found.revision or "pull")[:12], *size_text(found.size_bytes, found.size_known).split()} <= words


def test_a_commit_that_no_source_states_is_shown_once_it_was_recorded(
    hub: MadeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "age-vit"
    assert pin(name).revision is None
    hub.repos[pin(name).hub_id] = hub.repos[HUB_ID]
    assert models("list", name, weights=tmp_path) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "at first pull: no public source states the commit; the first verified pull records it" in printed
    assert models("pull", name, weights=tmp_path) == 0
    capsys.readouterr()
    assert models("list", name, weights=tmp_path) == 0
    assert hub.commit[:12] in capsys.readouterr().out


def test_pull_then_verify_then_harm(hub: MadeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert models("pull", NAME, weights=tmp_path) == 0
    printed = capsys.readouterr().out
    assert f"{NAME}: Apache-2.0" in printed
    assert "1 of 1 models are complete" in printed
    assert (tmp_path / LOCK_NAME).is_file()
    assert models("verify", weights=tmp_path) == 0
    assert models("list", "--json", NAME, weights=tmp_path) == 0
    capsys.readouterr()

    (tmp_path / NAME / "model.safetensors").write_bytes(b"\xff" + MODEL[1:])
    assert models("verify", weights=tmp_path) == 1
    printed = capsys.readouterr().out
    assert "changed" in printed
    assert f"models pull --again {NAME}" in printed
    assert models("pull", NAME, weights=tmp_path) == 0
    assert models("verify", weights=tmp_path) == 1
    assert models("pull", "--again", NAME, weights=tmp_path) == 0
    assert models("verify", weights=tmp_path) == 0


def test_a_bundle_goes_to_a_machine_without_a_network(hub: MadeHub, tmp_path: Path) -> None:
    assert models("pull", NAME, weights=tmp_path / "there") == 0
    out = tmp_path / "weights.tar"
    assert main(["models", "bundle", str(out), "--weights", str(tmp_path / "there")]) == 0
    hub.asked.clear()
    assert models("pull", NAME, "--from", str(out), weights=tmp_path / "here") == 0
    assert models("pull", NAME, "--from", str(tmp_path / "there"), weights=tmp_path / "copy") == 0
    assert hub.asked == []
    for place in ("here", "copy"):
        assert models("verify", NAME, weights=tmp_path / place) == 0
        assert (tmp_path / place / NAME / "model.safetensors").read_bytes() == MODEL


def test_verify_of_a_named_model_that_is_missing_is_wrong(tmp_path: Path) -> None:
    assert models("verify", NAME, weights=tmp_path) == 1
    assert models("verify", weights=tmp_path) == 0


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("pull",), 2, "no model was named"),
        (("pull", "yolov9"), 2, "there is no pinned model 'yolov9'"),
        (("pull", NAME, "--from", "/nonexistent"), 4, "there is no file /nonexistent"),
        (("bundle", "/nonexistent/weights.tar"), 4, "there are no weights in"),
    ],
)
def test_refusals(
    arguments: tuple[str, ...], status: int, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert models(*arguments, weights=tmp_path) == status
    assert text in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault(swap=MODEL[::-1]), 5, "digest_mismatch"),
        (Fault(cut_at=1000), 7, "transfer_broken"),
        (Fault(status=404), 4, "not_on_source"),
        (Fault(status=403), 4, "access_denied"),
        (Fault(status=500), 3, "source_unreachable"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_each_failure_has_its_exit_status(
    hub: MadeHub, fault: Fault, status: int, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.faults["model.safetensors"] = fault
    assert models("pull", NAME, weights=tmp_path) == status
    printed = " ".join(capsys.readouterr().out.split())
    assert f"({code})" in printed
    assert "0 of 1 models are complete" in printed
    assert not (tmp_path / NAME).exists()


def test_no_network_is_said_once_for_all_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert models("pull", NAME, "ast-audioset", weights=tmp_path) == 3
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("does not answer") == 1
    assert f"{NAME}, ast-audioset:" in printed
    assert "tiktok-analyzer models pull --from weights.tar" in printed


def test_a_full_disk_and_a_busy_folder(
    hub: MadeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with _alone(tmp_path):
        assert models("pull", NAME, weights=tmp_path) == 9
    monkeypatch.setattr("weights.pull.SPARE_BYTES", 10**18)
    assert models("pull", NAME, weights=tmp_path) == 6
    assert "free are" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("profile", PROFILE_FILES)
def test_a_profiles_models_are_those_its_settings_name(profile: str) -> None:
    config = load_profile(PROFILE_FILES[profile])  # type: ignore[index]
    for place in placed(config):
        assert place.pins
        for found in place.pins:
            assert place.analyzer in found.used_by
    permissive = profile_pins(config, "permissive")
    assert permissive
    assert all(found.permissive for found in permissive)


def test_the_profiles_differ_in_size() -> None:
    names = {profile: {p.name for p in profile_pins(load_profile(path))} for profile, path in PROFILE_FILES.items()}
    assert {"yolov8n", "whisper-small"} <= names["cpu"]
    assert {"yolov8x", "whisper-large-v3"} <= names["gpu"]
    assert not {"yolov8x", "whisper-large-v3"} & names["cpu"]
    # Billions of weights: where no GPU is booked, it is not fetched.
    assert "llava-next-video-7b" in names["gpu16"]
    assert "llava-next-video-7b" not in names["cpu"]
    # The yaml chooses one video language model; its alternatives are not fetched.
    assert "blip2-opt-2.7b" not in names["gpu"]


@pytest.mark.parametrize(
    ("size", "text"),
    [(999, "999 B"), (3_758_596, "3.8 MB"), (288_621_354, "289 MB"), (14_200_000_000, "14.2 GB")],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert size_text(size) == text
    assert size_text(size, "counted") == f"~{text}"
