"""Digests of files: ``sha256:...``, ``md5:...`` and ``git:...`` (the hub names small files by git's blob hash)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from weights.errors import DigestMismatch

BLOCK_BYTES = 4 * 1024 * 1024
"""Read at once: large enough that hashing, at about 1 GB/s, and not the calls, takes the time."""


def file_digest(path: Path, kind: str = "sha256", seen: Callable[[int], None] = lambda _: None) -> str:
    """``kind:hex`` of the file.

    Args:
        path: Of the file.
        kind: ``sha256``, ``md5`` or ``git``.
        seen: Called with the number of bytes read since the last call.
    """
    if kind == "git":
        state = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    else:
        state = hashlib.new(kind, usedforsecurity=kind == "sha256")
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            state.update(block)
            seen(len(block))
    return f"{kind}:{state.hexdigest()}"


def require_digest(path: Path, expected: str, what: str) -> None:
    """Holds a file to a digest; removes it where it is another.

    Raises:
        DigestMismatch: It is another.
    """
    found = file_digest(path, expected.partition(":")[0])
    if found != expected:
        path.unlink()
        raise DigestMismatch(f"{what} has {found}, expected {expected}")
