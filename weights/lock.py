"""The lock file: commit and sha256 of every file, recorded at the first verified pull and held to ever after.

``weights.lock.json`` lies in the weights folder. A copy of it that is committed as ``weights/weights.lock.json`` beside
the manifest wins over it: then a changed file is found out on a fresh machine too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from weights.errors import DigestMismatch

LOCK_NAME = "weights.lock.json"
COMMITTED_LOCK = Path(__file__).with_name(LOCK_NAME)


@dataclass(frozen=True)
class LockedPin:
    """What is known of one pin.

    Attributes:
        revision: Commit or release.
        files: ``sha256:...`` per file, paths relative to the pin's folder.
    """

    revision: str
    files: Mapping[str, str] = field(default_factory=dict)


Lock = dict[str, LockedPin]


def read_lock(path: Path) -> Lock:
    """The lock in this file; empty where there is no file.

    Raises:
        DigestMismatch: The file is there and is no lock: nothing may be trusted then.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(name): LockedPin(str(entry["revision"]), {str(f): str(d) for f, d in entry["files"].items()})
            for name, entry in found.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DigestMismatch(
            f"{path} is no lock file ({error})", f"Restore it, or remove it to record everything anew: rm {path}"
        ) from error


def known_lock(weights: Path, committed: Path | None = None) -> Lock:
    """What is locked for a weights folder; the committed lock wins.

    Args:
        weights: The weights folder.
        committed: Path of the committed lock; the one beside the manifest when left out.
    """
    return {**read_lock(weights / LOCK_NAME), **read_lock(committed or COMMITTED_LOCK)}


def record_lock(weights: Path, name: str, locked: LockedPin) -> None:
    """Adds one pin to the folder's lock file, whole or not at all. One process at a time: the pull holds the folder."""
    path = weights / LOCK_NAME
    lock = {**read_lock(path), name: locked}
    temporary = path.with_suffix(f".{os.getpid()}")
    text = json.dumps({key: asdict(lock[key]) for key in sorted(lock)}, indent=1, sort_keys=True)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)
