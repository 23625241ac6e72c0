"""Videos that belong to one job: what was uploaded or downloaded for it, in ``<data>/incoming/<id>/``.

An upload is on the disk, flushed, before its job is accepted; it goes when the job has ended, unless it is to be kept.
A process that dies in the middle of an upload leaves a folder that no job knows. ``sweep`` finds it: whoever writes
holds a lock on the folder, which the system lifts when he dies.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jobs.results import ID_PATTERN, flush_folder


@dataclass(frozen=True)
class Reserved:
    """A folder that is being filled.

    Attributes:
        folder: Of the job.
        path: Where the upload goes.
    """

    folder: Path
    path: Path

    def flush(self) -> None:
        """Makes the upload survive a power cut."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        flush_folder(self.folder)
        flush_folder(self.folder.parent)


class SourceFolder:
    """The folder of all jobs' own videos.

    Args:
        data_path: The data folder; made when missing.
    """

    def __init__(self, data_path: Path) -> None:
        self._root = data_path / "incoming"
        self._root.mkdir(parents=True, exist_ok=True)

    def folder_of(self, id: str) -> Path:
        """Where the job's video is, or would be."""
        return self._root / id

    @contextmanager
    def reserved(self, id: str) -> Iterator[Reserved]:
        """A new folder, locked for the block; removed where the block raises.

        The job must be accepted before the block ends.
        """
        folder = self.folder_of(id)
        folder.mkdir()
        done = False
        try:
            with _locked(folder):
                yield Reserved(folder, folder / "video")
            done = True
        finally:
            if not done:
                self.discard(id)

    def discard(self, id: str) -> None:
        """Removes the job's video, where there is one."""
        shutil.rmtree(self.folder_of(id), ignore_errors=True)

    def sweep(self, is_needed: Callable[[str], bool]) -> list[str]:
        """Removes the folders that nobody fills and no job needs; returns their names.

        Args:
            is_needed: Whether the job with this id still needs its video.
        """
        removed = []
        for folder in self._root.iterdir():
            if not ID_PATTERN.fullmatch(folder.name):
                continue
            try:
                with _locked(folder):
                    if is_needed(folder.name):
                        continue
                    self.discard(folder.name)
                removed.append(folder.name)
            except (BlockingIOError, FileNotFoundError):
                continue  # somebody fills it, or has just removed it
        return removed


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the folder's lock.

    Raises:
        BlockingIOError: Somebody else holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
