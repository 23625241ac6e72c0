"""What a finished pull leaves in its folder: ``pull.json``, written last and only when all files were there.

A folder without it is not complete, whatever lies in it.
"""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from weights.pin import Pin

RECORD_NAME = "pull.json"


@dataclass(frozen=True)
class PullRecord:
    """One finished pull.

    Attributes:
        pin: Name of the pin.
        revision: Commit or release that the files are of.
        source: Where they came from, for people.
        files: Size in bytes per file, paths relative to the folder.
    """

    pin: str
    revision: str
    source: str
    files: Mapping[str, int]


def write_record(folder: Path, record: PullRecord) -> None:
    """Writes the record so that it is there whole or not at all."""
    temporary = folder / f".{RECORD_NAME}.{os.getpid()}"
    temporary.write_text(json.dumps(asdict(record), indent=1, sort_keys=True), encoding="utf-8")
    temporary.replace(folder / RECORD_NAME)


def read_record(folder: Path) -> PullRecord | None:
    """The folder's record; None without one that can be read."""
    try:
        return parse_record((folder / RECORD_NAME).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def parse_record(text: str) -> PullRecord | None:
    """The record in this text; None where it is none."""
    try:
        found = json.loads(text)
        files = {str(name): int(size) for name, size in found["files"].items()}
        return PullRecord(str(found["pin"]), str(found["revision"]), str(found["source"]), files)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def record_folder(folder: Path, pin: Pin, revision: str, source: str) -> PullRecord:
    """Declares the folder complete with the files that lie in it.

    Raises:
        ValueError: A file is missing that the pin asks for.
    """
    files = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != RECORD_NAME and not path.name.startswith(".")
    }
    if missing := missing_files(pin, files):
        raise ValueError(f"{pin.name} lacks {', '.join(missing)}")
    record = PullRecord(pin.name, revision, source, files)
    write_record(folder, record)
    return record


def missing_files(pin: Pin, names: Iterable[str]) -> list[str]:
    """Patterns of the pin that no file satisfies."""
    present = list(names)
    return [p for p in pin.required if not any(fnmatch.filter(present, part) for part in p.split("|"))]


def changed_files(folder: Path, record: PullRecord) -> list[str]:
    """Files of the record that are gone or have another size; asks the file system for nothing but that."""
    changed = []
    for name, size in record.files.items():
        try:
            same = (folder / name).stat().st_size == size
        except OSError:
            same = False
        if not same:
            changed.append(name)
    return changed
