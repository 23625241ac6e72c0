"""Pulling from a hub on this machine: resumed, checked, parallel, in place whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analyzers.runtime import Runtime
from tests.made_hub import COMMIT, Fault, MadeHub, made_hub
from weights import pull as pulling
from weights import transfer
from weights.check import full_state, quick_state
from weights.errors import DiskFull, PullBusy, SourceUnreachable, WeightsError
from weights.lock import LOCK_NAME, LockedPin, known_lock, read_lock
from weights.online import Online
from weights.pin import Pin, RemoteFile
from weights.pull import STAGING, Outcome, pull
from weights.store import resolve
from weights.transfer import Stop

BIG = bytes(range(256)) * 12_000
"""3 MB: several blocks."""
CONFIG = b'{"model_type": "made"}'
NONE = Path("/nonexistent/lock")


def made_pin(name: str = "made", **changes: Any) -> Pin:
    fields: dict[str, Any] = {
        "name": name,
        "title": "Made",
        "hub_id": f"org/{name}",
        "files": ("config.json", "model.safetensors|pytorch_model.bin"),
        "optional": ("vocab.json",),
        "licence": "MIT",
        "licence_url": "https://example.org/licence",
        "permissive": True,
        "used_by": ("nobody",),
        "size_bytes": len(BIG),
        **changes,
    }
    return Pin(**fields)


def files(model: bytes = BIG) -> dict[str, bytes]:
    return {"config.json": CONFIG, "model.safetensors": model, "pytorch_model.bin": b"pickle", "README.md": b"read"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[MadeHub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    # Hosts that other tests made have switched the client to offline for this process.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(transfer, "TRIES", 2)
    with made_hub(MadeHub({"org/made": files(), "org/other": files(BIG[::-1])})) as running:
        yield running


def run(hub: MadeHub, weights: Path, *pins: Pin, stop: Stop | None = None, committed: Path = NONE) -> list[Outcome]:
    source = Online(hub.url, pause_s=0.0)
    return pull(pins or (made_pin(),), source, weights, stop=stop, committed_lock=committed)


def failure(outcomes: list[Outcome]) -> WeightsError:
    (outcome,) = outcomes
    assert outcome.error is not None
    return outcome.error


def nothing_in_place(weights: Path, name: str = "made") -> bool:
    return not (weights / name).exists() and quick_state(made_pin(name), weights).state == "missing"


# ---------------------------------------------------------------------------------------------------- it arrives


def test_what_the_pin_names_arrives_and_is_locked(hub: MadeHub, tmp_path: Path) -> None:
    (outcome,) = run(hub, tmp_path)
    assert (outcome.error, outcome.fetched) == (None, True)
    folder = tmp_path / "made"
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors", "pull.json"]
    assert (folder / "model.safetensors").read_bytes() == BIG
    locked = read_lock(tmp_path / LOCK_NAME)["made"]
    assert locked == LockedPin(
        COMMIT,
        {
            "config.json": f"sha256:{hashlib.sha256(CONFIG).hexdigest()}",
            "model.safetensors": f"sha256:{hashlib.sha256(BIG).hexdigest()}",
        },
    )
    assert full_state(made_pin(), tmp_path, known_lock(tmp_path, NONE)).state == "ready"
    assert not list((tmp_path / STAGING).iterdir())


def test_a_pulled_pin_is_what_an_analyzer_finds(hub: MadeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weights.store.pin", lambda _: made_pin())
    run(hub, tmp_path)
    assert resolve("made", Runtime(weights_path=tmp_path)).label == f"org/made@{COMMIT}"


def test_a_second_pull_asks_for_nothing(hub: MadeHub, tmp_path: Path) -> None:
    run(hub, tmp_path)
    hub.asked.clear()
    (outcome,) = run(hub, tmp_path)
    assert (outcome.error, outcome.fetched) == (None, False)
    assert hub.asked == []


def test_the_second_choice_is_taken_where_the_first_is_not_there(hub: MadeHub, tmp_path: Path) -> None:
    del hub.repos["org/made"]["model.safetensors"]
    hub.repos["org/made"]["vocab.json"] = b"{}"
    assert run(hub, tmp_path)[0].error is None
    assert {p.name for p in (tmp_path / "made").iterdir()} == {
        *("config.json", "pytorch_model.bin", "vocab.json", "pull.json")
    }


def test_files_come_in_parallel(hub: MadeHub, tmp_path: Path) -> None:
    # Each of the four answers waits for the other three: one after another none would ever come.
    hub.barrier = threading.Barrier(4)
    outcomes = run(hub, tmp_path, made_pin(), made_pin("other"))
    assert [o.error for o in outcomes] == [None, None]
    assert hub.most_at_once == 4


def addressed_pin(hub: MadeHub) -> Pin:
    hub.repos["files"] = {"a.pt": BIG}
    remote = RemoteFile(f"{hub.url}/files/a.pt", "a.pt")
    return made_pin(hub_id="", files=(), optional=(), revision="v1", remote=(remote,))


def test_a_file_with_an_address_of_its_own(hub: MadeHub, tmp_path: Path) -> None:
    hub.repos["files"] = {"a.pt": BIG}
    pin = made_pin(
        hub_id="", files=(), optional=(), revision="v1", remote=(RemoteFile(f"{hub.url}/files/a.pt", "a.pt"),)
    )
    assert run(hub, tmp_path, pin)[0].error is None
    assert (tmp_path / "made" / "a.pt").read_bytes() == BIG
    assert read_lock(tmp_path / LOCK_NAME)["made"].revision == "v1"


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"inner/{name}.onnx", content)
        archive.writestr("../escape.onnx", b"out")
    return buffer.getvalue()


def archive_pin(hub: MadeHub, content: bytes, **changes: Any) -> Pin:
    hub.repos["files"] = {"all.zip": content}
    remote = RemoteFile(f"{hub.url}/files/all.zip", "all.zip", members=("face.onnx", "age.onnx"))
    return made_pin(hub_id="", files=(), optional=(), revision="v1", remote=(remote,), **changes)


def test_the_named_members_of_an_archive_are_kept_and_nothing_else(hub: MadeHub, tmp_path: Path) -> None:
    md5 = f"md5:{hashlib.md5(b'face').hexdigest()}"
    pin = archive_pin(hub, zipped(face=b"face", age=b"age", more=b"more"), digests=(("face.onnx", md5),))
    assert run(hub, tmp_path, pin)[0].error is None
    assert {p.name for p in (tmp_path / "made").iterdir()} == {"age.onnx", "face.onnx", "pull.json"}
    assert not list(tmp_path.rglob("escape.onnx"))


@pytest.mark.parametrize(
    ("content", "digests", "code"),
    [
        (zipped(face=b"face"), (), "not_on_source"),
        (b"no zip at all", (), "digest_mismatch"),
        (zipped(face=b"face", age=b"age"), (("age.onnx", "md5:" + "0" * 32),), "digest_mismatch"),
    ],
    ids=["member missing", "no zip", "member of another digest"],
)
def test_a_bad_archive_is_refused(hub: MadeHub, tmp_path: Path, content: bytes, digests: object, code: str) -> None:
    assert failure(run(hub, tmp_path, archive_pin(hub, content, digests=digests))).code == code
    assert nothing_in_place(tmp_path)


# ---------------------------------------------------------------------------------------------- broken transfers


def test_a_cut_answer_is_gone_on_with(hub: MadeHub, tmp_path: Path) -> None:
    hub.faults["model.safetensors"] = Fault(cut_at=1_500_000, times=1)
    assert run(hub, tmp_path)[0].error is None
    assert hub.fetched("model.safetensors") == ["", "bytes=1500000-"]
    assert (tmp_path / "made" / "model.safetensors").read_bytes() == BIG


def test_a_pull_that_broke_goes_on_in_the_next_run(hub: MadeHub, tmp_path: Path) -> None:
    hub.faults["model.safetensors"] = Fault(cut_at=1_000_000)
    lost = failure(run(hub, tmp_path))
    assert (lost.code, lost.exit_status) == ("transfer_broken", 7)
    assert "1000000 of 3072000 bytes" in lost.reason
    assert nothing_in_place(tmp_path)
    hub.faults.clear()
    hub.asked.clear()
    assert run(hub, tmp_path)[0].error is None
    assert hub.fetched("model.safetensors") == ["bytes=1000000-"]
    assert hub.fetched("config.json") == []


def test_a_host_without_ranges_is_begun_anew(hub: MadeHub, tmp_path: Path) -> None:
    hub.ranges = False
    hub.faults["model.safetensors"] = Fault(cut_at=1_000_000, times=1)
    assert run(hub, tmp_path)[0].error is None
    assert (tmp_path / "made" / "model.safetensors").read_bytes() == BIG


def test_the_rest_of_another_file_is_not_appended(hub: MadeHub, tmp_path: Path) -> None:
    """The file behind an address without a digest changes between two runs: the beginning is thrown away."""
    hub.repos["files"] = {"a.pt": BIG}
    pin = made_pin(
        hub_id="", files=(), optional=(), revision="v1", remote=(RemoteFile(f"{hub.url}/files/a.pt", "a.pt"),)
    )
    hub.faults["a.pt"] = Fault(cut_at=1_000_000)
    assert failure(run(hub, tmp_path, pin)).code == "transfer_broken"
    hub.faults.clear()
    hub.repos["files"]["a.pt"] = BIG[::-1]
    assert run(hub, tmp_path, pin)[0].error is None
    assert (tmp_path / "made" / "a.pt").read_bytes() == BIG[::-1]


def test_a_busy_host_is_asked_again(hub: MadeHub, tmp_path: Path) -> None:
    hub.faults["config.json"] = Fault(status=503, times=1)
    assert run(hub, tmp_path)[0].error is None
    hub.faults["config.json"] = Fault(status=503)
    shutil.rmtree(tmp_path / "made")
    lost = failure(run(hub, tmp_path))
    assert lost.code == "source_unreachable"
    assert "503" in lost.reason


def test_stopping_keeps_what_came_in(hub: MadeHub, tmp_path: Path) -> None:
    stop = Stop()
    seen = 0

    class Stopper(pulling.Silent):
        def moved(self, pin: Pin, count: int) -> None:
            nonlocal seen
            seen += count
            stop.asked = seen > 1_000_000

    outcomes = pull([made_pin()], Online(hub.url, 0.0), tmp_path, stop=stop, progress=Stopper(), committed_lock=NONE)
    assert (failure(outcomes).code, failure(outcomes).exit_status) == ("interrupted", 130)
    assert nothing_in_place(tmp_path)
    (part,) = tmp_path.rglob("model.safetensors.part")
    assert 0 < part.stat().st_size < len(BIG)
    hub.asked.clear()
    have = part.stat().st_size
    assert run(hub, tmp_path)[0].error is None
    assert hub.fetched("model.safetensors") == [f"bytes={have}-"]


def test_progress_counts_every_byte_once(hub: MadeHub, tmp_path: Path) -> None:
    counted, announced = [], []

    class Counter(pulling.Silent):
        def begin(self, pin: Pin, size_bytes: int | None) -> None:
            announced.append(size_bytes)

        def moved(self, pin: Pin, count: int) -> None:
            counted.append(count)

    hub.faults["model.safetensors"] = Fault(cut_at=1_000_000)
    pull([made_pin()], Online(hub.url, 0.0), tmp_path, progress=Counter(), committed_lock=NONE)
    hub.faults.clear()
    hub.ranges = False
    counted.clear()
    pull([made_pin()], Online(hub.url, 0.0), tmp_path, progress=Counter(), committed_lock=NONE)
    assert announced == [len(BIG) + len(CONFIG)] * 2
    assert sum(counted) == len(BIG) + len(CONFIG)


# ------------------------------------------------------------------------------------------------- wrong contents


def test_bytes_that_are_not_the_published_ones_are_thrown_away(hub: MadeHub, tmp_path: Path) -> None:
    hub.faults["model.safetensors"] = Fault(swap=BIG[::-1])
    lost = failure(run(hub, tmp_path))
    assert (lost.code, lost.exit_status) == ("digest_mismatch", 5)
    assert hashlib.sha256(BIG).hexdigest() in lost.reason
    assert nothing_in_place(tmp_path)
    assert not list(tmp_path.rglob("model.safetensors*"))


def test_a_small_file_is_held_to_gits_hash(hub: MadeHub, tmp_path: Path) -> None:
    hub.faults["config.json"] = Fault(swap=CONFIG.replace(b"made", b"evil"))
    assert failure(run(hub, tmp_path)).code == "digest_mismatch"
    assert nothing_in_place(tmp_path)


def test_what_was_locked_is_held_to_ever_after(hub: MadeHub, tmp_path: Path) -> None:
    """The same commit with other bytes and other published digests: only the lock can know."""
    run(hub, tmp_path)
    shutil.rmtree(tmp_path / "made")
    hub.repos["org/made"]["model.safetensors"] = BIG[::-1]
    lost = failure(run(hub, tmp_path))
    assert lost.code == "digest_mismatch"
    assert "locked is sha256:" in lost.reason
    assert nothing_in_place(tmp_path)


def test_without_a_pinned_commit_the_first_one_met_is_held(hub: MadeHub, tmp_path: Path) -> None:
    run(hub, tmp_path)
    shutil.rmtree(tmp_path / "made")
    hub.commit = COMMIT[::-1]
    lost = failure(run(hub, tmp_path))
    assert lost.code == "not_on_source"
    assert COMMIT in lost.reason


def test_a_committed_lock_wins(hub: MadeHub, tmp_path: Path) -> None:
    committed = tmp_path / "committed.json"
    digest = f"sha256:{hashlib.sha256(BIG[::-1]).hexdigest()}"
    committed.write_text(json.dumps({"made": {"revision": COMMIT, "files": {"model.safetensors": digest}}}))
    assert failure(run(hub, tmp_path / "weights", committed=committed)).code == "digest_mismatch"
    assert nothing_in_place(tmp_path / "weights")


def test_a_broken_lock_is_not_taken_for_an_empty_one(hub: MadeHub, tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text("{")
    with pytest.raises(WeightsError, match="is no lock file"):
        run(hub, tmp_path)


# ------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("change", "code", "status"),
    [
        ({"hub_id": "org/nobody"}, "not_on_source", 4),
        ({"revision": "f" * 40}, "not_on_source", 4),
        ({"files": ("config.json", "weights.gguf")}, "not_on_source", 4),
    ],
    ids=["repository", "revision", "file"],
)
def test_what_the_hub_does_not_have(
    hub: MadeHub, tmp_path: Path, change: dict[str, Any], code: str, status: int
) -> None:
    lost = failure(run(hub, tmp_path, made_pin(**change)))
    assert (lost.code, lost.exit_status) == (code, status)
    assert nothing_in_place(tmp_path)


def test_a_gated_model_names_the_token(hub: MadeHub, tmp_path: Path) -> None:
    hub.gated.add("org/made")
    lost = failure(run(hub, tmp_path))
    assert (lost.code, "HF_TOKEN" in lost.remedy) == ("access_denied", True)


def test_a_token_goes_to_the_hub_and_to_nobody_else(
    hub: MadeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_made")
    run(hub, tmp_path)
    assert set(hub.tokens) == {"Bearer hf_made"}
    with made_hub(MadeHub({"files": {"a.pt": BIG}})) as elsewhere:
        remote = RemoteFile(f"{elsewhere.url}/files/a.pt", "a.pt")
        run(hub, tmp_path, made_pin("apart", hub_id="", files=(), optional=(), revision="v1", remote=(remote,)))
        assert elsewhere.asked
        assert elsewhere.tokens == []


def test_one_that_fails_does_not_hold_up_the_others(hub: MadeHub, tmp_path: Path) -> None:
    outcomes = run(hub, tmp_path, made_pin(hub_id="org/nobody"), made_pin("other"))
    assert [o.error is None for o in outcomes] == [False, True]
    assert (tmp_path / "other" / "model.safetensors").is_file()


def test_no_hub_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    outcomes = pull([made_pin(), made_pin("other")], Online("http://127.0.0.1:9"), tmp_path, committed_lock=NONE)
    assert len(outcomes) == 2
    for outcome in outcomes:
        assert isinstance(outcome.error, SourceUnreachable)
        assert outcome.error.exit_status == 3
        assert "http://127.0.0.1:9 does not answer" in outcome.error.reason
        assert "models bundle" in outcome.error.remedy


def test_a_client_switched_to_offline_says_so(hub: MadeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    lost = failure(run(hub, tmp_path))
    assert lost.code == "source_unreachable"
    assert "Unset HF_HUB_OFFLINE" in lost.remedy
    assert hub.asked == []


def test_too_little_disk_is_said_before_anything_is_fetched(
    hub: MadeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    free = usage._replace(free=pulling.SPARE_BYTES + len(BIG))
    monkeypatch.setattr("weights.pull.shutil.disk_usage", lambda _: free)
    with pytest.raises(DiskFull, match=r"free are 0\.3 GB"):
        run(hub, tmp_path)
    assert hub.fetched("model.safetensors") == []
    monkeypatch.setattr(
        "weights.pull.shutil.disk_usage", lambda _: usage._replace(free=pulling.SPARE_BYTES + 2 * len(BIG))
    )
    assert run(hub, tmp_path)[0].error is None


def test_a_disk_that_fills_up_on_the_way(hub: MadeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transfer, "_append", full)
    lost = failure(run(hub, tmp_path))
    assert (lost.code, lost.exit_status) == ("disk_full", 6)
    assert nothing_in_place(tmp_path)


def test_two_pulls_do_not_meet_in_one_folder(hub: MadeHub, tmp_path: Path) -> None:
    with pulling._alone(tmp_path), pytest.raises(PullBusy):
        run(hub, tmp_path)
    assert run(hub, tmp_path)[0].error is None


def test_an_older_revision_is_replaced(hub: MadeHub, tmp_path: Path) -> None:
    run(hub, tmp_path)
    hub.commit = COMMIT[::-1]
    hub.repos["org/made"]["model.safetensors"] = BIG[::-1]
    pinned = made_pin(revision=COMMIT[::-1])
    assert quick_state(pinned, tmp_path).state == "outdated"
    assert run(hub, tmp_path, pinned)[0].fetched
    assert (tmp_path / "made" / "model.safetensors").read_bytes() == BIG[::-1]
    assert full_state(pinned, tmp_path, known_lock(tmp_path, NONE)).state == "ready"


def test_a_changed_byte_is_found_by_verify_only(hub: MadeHub, tmp_path: Path) -> None:
    run(hub, tmp_path)
    model = tmp_path / "made" / "model.safetensors"
    model.write_bytes(b"\xff" + BIG[1:])
    assert quick_state(made_pin(), tmp_path).state == "ready"
    found = full_state(made_pin(), tmp_path, known_lock(tmp_path, NONE))
    assert (found.state, found.detail) == ("changed", "model.safetensors")
    (tmp_path / LOCK_NAME).unlink()
    assert full_state(made_pin(), tmp_path, known_lock(tmp_path, NONE)).state == "unlocked"
