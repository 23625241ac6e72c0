"""Pulling without a network: from a mirror folder in its four forms, and from a bundle."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.made_hub import COMMIT
from tests.test_weights_pull import BIG, CONFIG, NONE, failure, files, made_pin, nothing_in_place
from weights.check import full_state
from weights.errors import NotOnSource, UnsafeBundle
from weights.local_sources import Bundle, Mirror, write_bundle
from weights.lock import LOCK_NAME, known_lock, read_lock
from weights.pin import Pin, RemoteFile
from weights.pull import pull
from weights.record import RECORD_NAME, record_folder
from weights.sources import Source

OTHER_COMMIT = COMMIT[::-1]


def put(folder: Path, content: dict[str, bytes] | None = None) -> Path:
    for name, data in (content or files()).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def pulled(weights: Path, source: Source, pin: Pin | None = None) -> Pin:
    """Pulls and checks that all is in place."""
    pin = pin or made_pin()
    (outcome,) = pull([pin], source, weights, committed_lock=NONE)
    assert outcome.error is None
    assert full_state(pin, weights, known_lock(weights, NONE)).state == "ready"
    return pin


def weights_folder(folder: Path, revision: str = COMMIT) -> Path:
    """As a pull leaves it."""
    mirror = folder.with_name(f"{folder.name}-mirror")
    put(mirror / "models--org--made" / "snapshots" / revision)
    pulled(folder, Mirror(mirror))
    return folder


# -------------------------------------------------------------------------------------------------------- mirrors


def test_a_copy_of_a_weights_folder(tmp_path: Path) -> None:
    there = weights_folder(tmp_path / "there")
    pulled(tmp_path / "here", Mirror(there))
    assert (tmp_path / "here" / "made" / "model.safetensors").read_bytes() == BIG
    assert read_lock(tmp_path / "here" / LOCK_NAME) == read_lock(there / LOCK_NAME)


def test_the_cache_of_the_hubs_client_with_its_links(tmp_path: Path) -> None:
    blobs = put(tmp_path / "mirror" / "models--org--made" / "blobs", {"abc": BIG, "def": CONFIG})
    snapshot = tmp_path / "mirror" / "models--org--made" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").symlink_to(blobs / "abc")
    (snapshot / "config.json").symlink_to(blobs / "def")
    pulled(tmp_path / "here", Mirror(tmp_path / "mirror"))
    model = tmp_path / "here" / "made" / "model.safetensors"
    assert not model.is_symlink()
    assert model.read_bytes() == BIG


def test_of_several_commits_the_pinned_one_is_taken(tmp_path: Path) -> None:
    snapshots = tmp_path / "mirror" / "models--org--made" / "snapshots"
    put(snapshots / COMMIT)
    put(snapshots / OTHER_COMMIT, files(BIG[::-1]))
    pulled(tmp_path / "here", Mirror(tmp_path / "mirror"), made_pin(revision=OTHER_COMMIT))
    assert (tmp_path / "here" / "made" / "model.safetensors").read_bytes() == BIG[::-1]
    lost = failure(pull([made_pin()], Mirror(tmp_path / "mirror"), tmp_path / "new", committed_lock=NONE))
    assert (lost.code, "wanted just one" in lost.reason) == ("not_on_source", True)


@pytest.mark.parametrize("place", ["made", "org/made"])
def test_a_folder_of_the_hubs_command_says_its_commit(tmp_path: Path, place: str) -> None:
    folder = put(tmp_path / "mirror" / place)
    notes = folder / ".cache" / "huggingface" / "download"
    put(notes, {f"{name}.metadata": f"{COMMIT}\netag\n1.5\n".encode() for name in files()})
    pulled(tmp_path / "here", Mirror(tmp_path / "mirror"))
    assert read_lock(tmp_path / "here" / LOCK_NAME)["made"].revision == COMMIT
    assert not (tmp_path / "here" / "made" / ".cache").exists()


def test_a_folder_that_does_not_say_its_commit_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "mirror" / "made")
    lost = failure(pull([made_pin()], Mirror(tmp_path / "mirror"), tmp_path / "here", committed_lock=NONE))
    assert lost.code == "not_on_source"
    assert "does not say of which commit" in lost.reason
    assert "hf download org/made --revision COMMIT --local-dir" in lost.remedy
    assert nothing_in_place(tmp_path / "here")


def addressed(members: tuple[str, ...]) -> Pin:
    remote = RemoteFile("https://example.org/all.zip", "all.zip", members=members)
    digests = tuple((name, f"sha256:{hashlib.sha256(name.encode()).hexdigest()}") for name in members)
    return made_pin(hub_id="", files=(), optional=(), revision="v1", remote=(remote,), digests=digests)


@pytest.mark.parametrize("form", ["archive", "unpacked"])
def test_files_with_addresses_lie_there_packed_or_not(tmp_path: Path, form: str) -> None:
    pin = addressed(("a.onnx", "b.onnx"))
    folder = tmp_path / "mirror" / "made"
    folder.mkdir(parents=True)
    if form == "archive":
        with zipfile.ZipFile(folder / "all.zip", "w") as archive:
            for name in ("a.onnx", "b.onnx", "c.onnx"):
                archive.writestr(name, name)
    else:
        put(folder, {name: name.encode() for name in ("a.onnx", "b.onnx")})
    pulled(tmp_path / "here", Mirror(tmp_path / "mirror"), pin)
    assert {p.name for p in (tmp_path / "here" / "made").iterdir()} == {"a.onnx", "b.onnx", RECORD_NAME}


def test_the_manifests_digests_hold_for_a_mirror_too(tmp_path: Path) -> None:
    put(tmp_path / "mirror" / "made", {"a.onnx": b"something else"})
    lost = failure(pull([addressed(("a.onnx",))], Mirror(tmp_path / "mirror"), tmp_path / "here", committed_lock=NONE))
    assert lost.code == "digest_mismatch"
    assert nothing_in_place(tmp_path / "here")


@pytest.mark.parametrize("where", ["nowhere", "elsewhere"])
def test_a_mirror_without_the_pin_says_so(tmp_path: Path, where: str) -> None:
    if where == "nowhere":
        with pytest.raises(NotOnSource, match="there is no folder"):
            Mirror(tmp_path / "mirror")
    else:
        put(tmp_path / "mirror" / "another")
        lost = failure(pull([made_pin()], Mirror(tmp_path / "mirror"), tmp_path / "here", committed_lock=NONE))
        assert "has none of the folders made, " in lost.reason


def test_a_mirror_of_another_revision_is_refused(tmp_path: Path) -> None:
    there = weights_folder(tmp_path / "there")
    pin = made_pin(revision=OTHER_COMMIT)
    lost = failure(pull([pin], Mirror(there), tmp_path / "here", committed_lock=NONE))
    assert (lost.code, OTHER_COMMIT in lost.reason, COMMIT in lost.reason) == ("not_on_source", True, True)


# -------------------------------------------------------------------------------------------------------- bundles


def test_a_bundle_carries_weights_and_lock_to_a_machine_without_network(tmp_path: Path) -> None:
    there = weights_folder(tmp_path / "there")
    out = tmp_path / "weights.tar"
    assert write_bundle(there, [made_pin()], out) == out.stat().st_size
    pulled(tmp_path / "here", Bundle(out))
    assert (tmp_path / "here" / "made" / "model.safetensors").read_bytes() == BIG
    assert read_lock(tmp_path / "here" / LOCK_NAME) == read_lock(there / LOCK_NAME)
    with tarfile.open(out) as tar:
        assert {(entry.uid, entry.uname, entry.mtime) for entry in tar} == {(0, "", 0)}


def test_a_bundle_of_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    out = tmp_path / "weights.tar"
    with pytest.raises(NotOnSource, match="made is not in"):
        write_bundle(tmp_path, [made_pin()], out)
    assert list(tmp_path.iterdir()) == []


def tar_with(path: Path, *entries: tuple[str, bytes | None, dict[str, object]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content, fields in entries:
            entry = tarfile.TarInfo(name)
            for key, value in fields.items():
                setattr(entry, key, value)
            entry.size = len(content or b"")
            tar.addfile(entry, io.BytesIO(content) if content is not None else None)
    return path


@pytest.mark.parametrize(
    "entry",
    [
        ("../../escape", b"x", {}),
        ("/etc/escape", b"x", {}),
        ("made/../../escape", b"x", {}),
        ("made/./escape", b"x", {}),
        ("made//escape", b"x", {}),
        ("made\\..\\escape", b"x", {}),
        ("made/link", None, {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("made/link", None, {"type": tarfile.LNKTYPE, "linkname": "../../etc/passwd"}),
        ("made/device", None, {"type": tarfile.CHRTYPE}),
        ("made/pipe", None, {"type": tarfile.FIFOTYPE}),
    ],
    ids=lambda entry: f"{entry[0]} {entry[2].get('type', b'file').decode()}",
)
def test_an_entry_that_is_no_file_below_a_pin_is_refused(tmp_path: Path, entry: tuple[str, bytes, dict]) -> None:
    path = tar_with(tmp_path / "weights.tar", ("made/config.json", CONFIG, {}), entry)
    with pytest.raises(UnsafeBundle) as caught:
        Bundle(path)
    assert caught.value.exit_status == 8
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("harm", ["cut", "packed", "no tar"])
def test_a_bundle_that_is_no_plain_whole_tar_is_refused(tmp_path: Path, harm: str) -> None:
    out = tmp_path / "weights.tar"
    write_bundle(weights_folder(tmp_path / "there"), [made_pin()], out)
    if harm == "cut":
        out.write_bytes(out.read_bytes()[:1_000_000])
    elif harm == "packed":
        with tarfile.open(out, "w:gz") as tar:
            tar.add(tmp_path / "there" / "made", "made")
    else:
        out.write_bytes(b"no tar")
    with pytest.raises(UnsafeBundle):
        Bundle(out)


def test_a_bundle_that_says_other_digests_than_its_bytes_have_is_refused(tmp_path: Path) -> None:
    there = weights_folder(tmp_path / "there")
    lock = json.loads((there / LOCK_NAME).read_text())
    lock["made"]["files"]["config.json"] = "sha256:" + "0" * 64
    (there / LOCK_NAME).write_text(json.dumps(lock))
    write_bundle(there, [made_pin()], tmp_path / "weights.tar")
    lost = failure(pull([made_pin()], Bundle(tmp_path / "weights.tar"), tmp_path / "here", committed_lock=NONE))
    assert lost.code == "digest_mismatch"
    assert nothing_in_place(tmp_path / "here")


def test_a_bundle_against_the_lock_that_is_here(tmp_path: Path) -> None:
    there = weights_folder(tmp_path / "there")
    here = put(tmp_path / "here", {LOCK_NAME: b""})
    known = {"made": {"revision": COMMIT, "files": {"config.json": "sha256:" + "0" * 64}}}
    (here / LOCK_NAME).write_text(json.dumps(known))
    write_bundle(there, [made_pin()], tmp_path / "weights.tar")
    lost = failure(pull([made_pin()], Bundle(tmp_path / "weights.tar"), here, committed_lock=NONE))
    assert lost.code == "digest_mismatch"
    assert nothing_in_place(here)


def test_a_bundle_whose_record_names_files_it_lacks_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path / "there" / "made", {"config.json": CONFIG, "model.safetensors": BIG})
    record_folder(folder, made_pin(), COMMIT, "made")
    record = (folder / RECORD_NAME).read_bytes()
    path = tar_with(tmp_path / "w.tar", ("made/config.json", CONFIG, {}), (f"made/{RECORD_NAME}", record, {}))
    lost = failure(pull([made_pin()], Bundle(path), tmp_path / "here", committed_lock=NONE))
    assert (lost.code, "lacks model.safetensors" in lost.reason) == ("not_on_source", True)


def test_a_record_cannot_lead_out_of_the_pins_folder(tmp_path: Path) -> None:
    record = {"pin": "made", "revision": COMMIT, "source": "x", "files": {"../../escape": 1, "config.json": 1}}
    entries: list[Any] = [(f"made/{RECORD_NAME}", json.dumps(record).encode(), {}), ("made/config.json", CONFIG, {})]
    path = tar_with(tmp_path / "w.tar", *entries, ("made/model.safetensors", BIG, {}))
    lost = failure(pull([made_pin()], Bundle(path), tmp_path / "here", committed_lock=NONE))
    assert lost.code == "not_on_source"
    assert not list(tmp_path.rglob("escape"))
