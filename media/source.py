"""Finds the file that a client names, below the allowed roots only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from schema.errors import FileMissing, InvalidRequest, NotAVideo, PathNotAllowed

HASH_BLOCK_BYTES = 1 << 20
"""Read size for hashing: large enough for full disk speed, small enough to forget."""


def locate(video_path: str, roots: Sequence[Path]) -> Path:
    """The real path of a regular file below one of the roots.

    Args:
        video_path: Absolute, or relative to one of the roots.
        roots: Absolute, links resolved.

    Raises:
        InvalidRequest: The text can be no path.
        PathNotAllowed: It lies outside the roots, also through links; said before anything about the file.
        FileMissing: Nothing is there.
        NotAVideo: A folder or a device is there.
    """
    if "\0" in video_path:
        raise InvalidRequest("video_path holds a zero byte")
    candidates = [Path(video_path)] if Path(video_path).is_absolute() else [root / video_path for root in roots]
    try:
        allowed = [
            path for path in (c.resolve() for c in candidates) if any(path.is_relative_to(root) for root in roots)
        ]
        found = next((path for path in allowed if path.exists()), None)
    except (OSError, RuntimeError) as error:
        raise InvalidRequest(f"video_path cannot be read as a path: {error}") from error
    if found is None and len(allowed) < len(candidates):
        raise PathNotAllowed(f"{video_path!r} is outside the allowed roots ({', '.join(map(str, roots))})")
    if found is None:
        raise FileMissing(f"there is no file {video_path!r}")
    if not found.is_file():
        kind = "a folder" if found.is_dir() else "no regular file"
        raise NotAVideo(f"{video_path!r} is {kind}")
    return found


def readable(path: Path | str) -> str:
    """A path, or a text with one, that JSON and terminals can take: file systems allow any bytes in names, and those
    that are no UTF-8 become ``?``."""
    return str(path).encode(errors="replace").decode()


def sha256_of(path: Path) -> str:
    """Hash of the file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
