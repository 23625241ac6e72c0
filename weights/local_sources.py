"""A mirror folder and an offline bundle as sources.

A mirror holds a pin in one of these forms, looked for in this order:

* ``PIN/`` with ``pull.json``: a weights folder of this project, or a copy of one;
* ``models--ORG--NAME/snapshots/COMMIT/``: the cache of the hub's client;
* ``PIN/`` or ``ORG/NAME/`` as ``hf download --local-dir`` makes it, which notes the commit of each file;
* ``PIN/`` with the files or the archives of a pin that has addresses of its own.

A bundle is a plain tar of a weights folder. Nothing is unpacked from it but the files that were asked for, by name.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from weights.errors import NotOnSource, UnsafeBundle
from weights.lock import LOCK_NAME, Lock, LockedPin, read_lock
from weights.pin import Pin
from weights.record import RECORD_NAME, PullRecord, missing_files, parse_record, read_record
from weights.sources import Item, Plan, Source, choose, require_plain
from weights.transfer import BLOCK_BYTES, Moved, Stop

LOCAL_REMEDY = "Choose another folder or bundle with --from; docs/models.md says which forms it may have."

HUB_NOTES = Path(".cache/huggingface/download")
"""Where ``hf download --local-dir`` notes, per file, the commit in the first line of ``FILE.metadata``."""


class Mirror(Source):
    """A folder with weights.

    Args:
        folder: Of the mirror.

    Raises:
        NotOnSource: There is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise NotOnSource(f"there is no folder {folder}")
        self._folder = folder
        self._lock = read_lock(folder / LOCK_NAME)
        self.title = str(folder)

    def plan(self, pin: Pin, revision: str | None) -> Plan:
        """As the base says; the mirror must say which commit it has."""
        folder, found = self._locate(pin, revision)
        if revision is not None and found != revision:
            raise NotOnSource(f"{folder} has {pin.name} of {found}; this version uses {revision}")
        locked = self._lock.get(pin.name)
        digests = locked.files if locked and locked.revision == found else {}
        items = []
        for name, members in _wanted(pin, folder):
            path = folder / name
            items.append(Item(name, str(path), path.stat().st_size, digests.get(name), members))
        return Plan(pin, found, tuple(items), str(folder))

    def fetch(self, item: Item, target: Path, moved: Moved, stop: Stop) -> None:
        """Copies the file; a part of an earlier run is begun anew."""
        with Path(item.where).open("rb") as file:
            copy(file, target, moved, stop)

    def _locate(self, pin: Pin, revision: str | None) -> tuple[Path, str]:
        own = self._folder / pin.name
        if (record := read_record(own)) is not None:
            return own, record.revision
        snapshots = self._folder / f"models--{pin.hub_id.replace('/', '--')}" / "snapshots"
        if pin.hub_id and snapshots.is_dir():
            commits = sorted(path.name for path in snapshots.iterdir() if path.is_dir())
            if revision in commits or len(commits) == 1:
                commit = revision if revision in commits else commits[0]
                return snapshots / str(commit), str(commit)
            there = ", ".join(commits) or "none"
            raise NotOnSource(f"{snapshots} has the commits: {there}; wanted {revision or 'just one'}")
        for folder in (own, self._folder / pin.hub_id) if pin.hub_id else (own,):
            if folder.is_dir():
                return folder, self._stated_revision(pin, folder)
        forms = [pin.name, *([f"models--{pin.hub_id.replace('/', '--')}", pin.hub_id] if pin.hub_id else [])]
        raise NotOnSource(f"{self._folder} has none of the folders {', '.join(forms)}", LOCAL_REMEDY)

    def _stated_revision(self, pin: Pin, folder: Path) -> str:
        if not pin.hub_id:
            return pin.revision or "unstated"
        commits = {
            note.read_text(encoding="utf-8").partition("\n")[0].strip()
            for note in sorted((folder / HUB_NOTES).rglob("*.metadata"))
        }
        if len(commits) == 1:
            return commits.pop()
        said = f"names {len(commits)} commits" if commits else "does not say of which commit it is"
        remedy = f"hf download {pin.hub_id} --revision COMMIT --local-dir {folder}, which notes the commit"
        raise NotOnSource(f"{folder} {said}", remedy)


class Bundle(Source):
    """A tar file that ``write_bundle`` made, or one of the same form.

    Args:
        path: Of the file.

    Raises:
        NotOnSource: There is no such file.
        UnsafeBundle: It is no plain tar, or has an entry that is no ordinary file below a pin's folder.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise NotOnSource(f"there is no file {path}")
        self._path = path
        self.title = str(path)
        try:
            with tarfile.open(path, "r:") as tar:
                self._files = {_safe(entry, path): entry for entry in tar if not entry.isdir()}
        except tarfile.TarError as error:
            raise UnsafeBundle(f"{path} is no plain, complete tar: {error}") from error
        self._lock = self._read_lock()

    def plan(self, pin: Pin, revision: str | None) -> Plan:
        """As the base says."""
        record = self._record(pin)
        if record is None:
            raise NotOnSource(f"{self._path} has no complete {pin.name}")
        if revision is not None and record.revision != revision:
            raise NotOnSource(f"{self._path} has {pin.name} of {record.revision}; this version uses {revision}")
        locked = self._lock.get(pin.name)
        digests: Mapping[str, str] = locked.files if locked and locked.revision == record.revision else {}
        names = [name for name in record.files if f"{pin.name}/{name}" in self._files]
        if missing := missing_files(pin, names):
            raise NotOnSource(f"{self._path} lacks {', '.join(missing)} of {pin.name}")
        items = [Item(n, f"{pin.name}/{n}", self._files[f"{pin.name}/{n}"].size, digests.get(n)) for n in names]
        return Plan(pin, record.revision, tuple(items), self._path.name)

    def fetch(self, item: Item, target: Path, moved: Moved, stop: Stop) -> None:
        """Copies the entry out of the tar."""
        # Each its own handle: several files are fetched at once.
        with tarfile.open(self._path, "r:") as tar, _opened(tar, self._files[item.where]) as file:
            copy(file, target, moved, stop)

    def _record(self, pin: Pin) -> PullRecord | None:
        text = self._text(f"{pin.name}/{RECORD_NAME}")
        return parse_record(text) if text is not None else None

    def _read_lock(self) -> Lock:
        text = self._text(LOCK_NAME)
        if text is None:
            return {}
        try:
            found = json.loads(text)
            return {name: LockedPin(entry["revision"], dict(entry["files"])) for name, entry in found.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnsafeBundle(f"{self._path}: {LOCK_NAME} is no lock file ({error})") from error

    def _text(self, name: str) -> str | None:
        if name not in self._files:
            return None
        with tarfile.open(self._path, "r:") as tar, _opened(tar, self._files[name]) as file:
            return file.read(MOST_TEXT_BYTES).decode("utf-8", errors="replace")


MOST_TEXT_BYTES = 4_000_000
"""Of a record or a lock: a thousand times what one is."""


def write_bundle(weights: Path, pins: list[Pin], out: Path, moved: Moved = lambda _: None) -> int:
    """Packs complete pins and their lock into a plain tar, whole or not at all; returns its bytes.

    Raises:
        NotOnSource: A pin is not complete in the weights folder.
    """
    lock = read_lock(weights / LOCK_NAME)
    temporary = out.with_name(f".{out.name}.part")
    try:
        with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
            if (weights / LOCK_NAME).is_file() and lock:
                tar.add(weights / LOCK_NAME, LOCK_NAME, filter=_plain_entry)
            for pin in pins:
                record = read_record(weights / pin.name)
                if record is None:
                    raise NotOnSource(f"{pin.name} is not in {weights}", f"tiktok-analyzer models pull {pin.name}")
                for name in (*record.files, RECORD_NAME):
                    tar.add(weights / pin.name / name, f"{pin.name}/{name}", filter=_plain_entry)
                    moved(record.files.get(name, 0))
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return out.stat().st_size


def copy(file: IO[bytes], target: Path, moved: Moved, stop: Stop) -> None:
    """Writes ``target`` from an open file; it has that name only once it is whole."""
    part = target.with_name(target.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("wb") as out:
        while block := file.read(BLOCK_BYTES):
            stop.check()
            out.write(block)
            moved(len(block))
    part.replace(target)


def _wanted(pin: Pin, folder: Path) -> list[tuple[str, tuple[str, ...]]]:
    """Files to take from a folder, with what to take out of those that are archives."""
    if not pin.hub_id:
        wanted: list[tuple[str, tuple[str, ...]]] = []
        for remote in pin.remote:
            unpacked = [(name, ()) for name in remote.members or (remote.saved_as,)]
            if all((folder / name).is_file() for name, _ in unpacked):
                wanted += unpacked
            elif (folder / remote.saved_as).is_file():
                wanted.append((remote.saved_as, remote.members))
            else:
                raise NotOnSource(f"{folder} has neither {remote.saved_as} nor {', '.join(remote.members)}")
        return wanted
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return [(name, ()) for name in choose(pin, [n for n in names if not n.startswith(".")], str(folder))]


def _safe(entry: tarfile.TarInfo, bundle: Path) -> str:
    if not entry.isreg():
        raise UnsafeBundle(f"{bundle}: {entry.name!r} is no ordinary file")
    try:
        return require_plain(entry.name, str(bundle))
    except NotOnSource as error:
        raise UnsafeBundle(error.reason) from error


def _opened(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(entry)
    if file is None:
        raise UnsafeBundle(f"{entry.name!r} is no ordinary file")
    return file


def _plain_entry(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without the owner and times of this machine."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o644
    return entry
