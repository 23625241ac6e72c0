"""What is kept for how long: sources, documents, thumbnails, jobs, stored sections, logs below the data folder.

A job that has not ended, or whose end is not told yet, is never touched, and nothing of a job with ``keep``; a file
named ``keep`` in ``results/<id>/`` does the same for one document by hand. Videos below ``video_roots`` are the
operator's own and none of this module's business.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from jobs.cache import SectionCache
from jobs.record import JobRecord
from jobs.results import ID_PATTERN
from jobs.sources import SourceFolder
from jobs.store import JobStore
from schema.base import Model
from schema.errors import InvalidRequest, NotFound
from schema.jobs import FINAL_STATES

logger = logging.getLogger("tiktok_analyzer.retention")

Days = Annotated[float, Field(ge=0.0, le=36_500.0)]

DAY_S = 86_400.0

UNKNOWN_DAYS = 1.0
"""Days that a file of no known job is left alone, whatever the policy says: its job may be accepted this moment."""

PAGE = 200
"""Jobs asked for at once."""

KEEP_FILE = "keep"


class RetentionSettings(Model):
    """Ages in days after which something goes; null keeps it for good. They count from the end of its job."""

    every_hours: Annotated[float, Field(gt=0.0, le=8760.0)] | None = 6.0
    """Hours between two cleanups of the running service; null runs none, and only `tiktok-analyzer cleanup` does. Each
    takes seconds of one thread; six hours keep the ages true to a quarter of a day."""
    sources_days: Days | None = 7.0
    """Uploads and downloads. They go with the end of their job; this is for what a crash has left, with a week to look
    into it."""
    documents_days: Days | None = 365.0
    """Documents, and jobs with their events. A year, so that a campaign can be compared with that of the year before;
    at 0.2 MB each, 100,000 videos take 20 GB."""
    thumbnails_days: Days | None = 30.0
    """Pictures in ``results/<id>/thumbnails``. They are ten times the size of the document and can be made again."""
    cache_days: Days | None = 90.0
    """Stored sections that nobody used. Their number is bounded anyway; a quarter of a year forgets those of videos
    that will not come again."""
    logs_days: Days | None = 14.0
    """Files below ``logs``. Two weeks: a fault that nobody has reported by then is not looked for."""

    def for_days(self, days: float) -> RetentionSettings:
        """The same age for everything, as ``cleanup --days`` asks for."""
        ages = {name: days for name in type(self).model_fields if name.endswith("_days")}
        return self.model_copy(update=ages)


Kind = Literal["sources", "documents", "thumbnails", "jobs", "sections", "logs"]


@dataclass
class Tidied:
    """What a cleanup did to one kind of thing, or would do.

    Attributes:
        removed: How many went.
        bytes: That they took.
        kept: Old enough, but kept.
        in_work: Of jobs that are not over.
    """

    removed: int = 0
    bytes: int = 0
    kept: int = 0
    in_work: int = 0


@dataclass
class Cleanup:
    """One cleanup: made for one call of ``run``.

    Attributes:
        data_path: The data folder.
        store: Of the jobs.
        cache: Of the sections; None where it is off.
        settings: The ages.
        dry_run: Only say what would go.
        now: In UTC.
    """

    data_path: Path
    store: JobStore
    cache: SectionCache | None
    settings: RetentionSettings
    dry_run: bool = False
    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    tidied: dict[Kind, Tidied] = field(default_factory=dict)
    _counted: dict[Path, int] = field(default_factory=dict)
    """Bytes per folder that a dry run has counted and not removed."""

    def run(self) -> dict[Kind, Tidied]:
        """Removes what is too old; returns what it did, per kind that the policy bounds.

        Raises:
            StoreUnavailable: The job store cannot be asked. What is left is left for the next time.
        """
        steps: dict[Kind, tuple[float | None, Callable[[float, Tidied], None]]] = {
            "sources": (self.settings.sources_days, self._sources),
            "thumbnails": (self.settings.thumbnails_days, self._thumbnails),
            "documents": (self.settings.documents_days, self._documents),
            "jobs": (self.settings.documents_days, self._jobs),
            "sections": (self.settings.cache_days, self._sections),
            "logs": (self.settings.logs_days, self._logs),
        }
        for kind, (days, step) in steps.items():
            if days is not None:
                step(days, self.tidied.setdefault(kind, Tidied()))
        return self.tidied

    def _sources(self, days: float, tidied: Tidied) -> None:
        folders = SourceFolder(self.data_path)

        def is_needed(id: str) -> bool:
            folder = folders.folder_of(id)
            if not self._may_go(id, folder, days, tidied):
                return True
            tidied.removed += 1
            tidied.bytes += size_of(folder)
            return self.dry_run

        folders.sweep(is_needed)

    def _thumbnails(self, days: float, tidied: Tidied) -> None:
        for folder in _folders(self.data_path / "results"):
            thumbnails = folder / "thumbnails"
            if thumbnails.is_dir() and self._may_go(folder.name, folder, days, tidied):
                self._counted[folder] = size_of(thumbnails) if self.dry_run else 0
                self._remove(thumbnails, tidied)

    def _documents(self, days: float, tidied: Tidied) -> None:
        for folder in _folders(self.data_path / "results"):
            if self._may_go(folder.name, folder, days, tidied):
                self._remove(folder, tidied)
        for staged in sorted((self.data_path / "staging").glob("*.*")):
            if self._age_days(staged.stat().st_mtime) >= max(days, UNKNOWN_DAYS):
                self._remove(staged, tidied)  # of a worker that died; living ones publish theirs within milliseconds

    def _jobs(self, days: float, tidied: Tidied) -> None:
        border = self.now - timedelta(days=days)
        for record in ended_before(self.store, border):
            if record.options.keep or (self.data_path / "results" / record.id / KEEP_FILE).exists():
                tidied.kept += 1
            elif not record.settled:
                tidied.in_work += 1
            elif self.dry_run or self._delete(record.id):
                tidied.removed += 1

    def _sections(self, days: float, tidied: Tidied) -> None:
        if self.cache is not None:
            since_s = self.now.timestamp() - days * DAY_S
            gone = self.cache.unused_since(since_s) if self.dry_run else self.cache.forget_unused(since_s)
            tidied.removed, tidied.bytes = gone.sections, gone.bytes

    def _logs(self, days: float, tidied: Tidied) -> None:
        for file in sorted((self.data_path / "logs").rglob("*")):
            if file.is_file() and not file.is_symlink() and self._age_days(file.stat().st_mtime) >= days:
                self._remove(file, tidied)

    def _may_go(self, id: str, folder: Path, days: float, tidied: Tidied) -> bool:
        """Whether what lies in ``folder`` for the job ``id`` is old enough and nobody needs it."""
        try:
            record = self.store.get(id)
        except NotFound:
            old = self._age_days(newest_change(folder)) >= max(days, UNKNOWN_DAYS)
        else:
            if record.ended_at is None or not record.settled:
                tidied.in_work += 1
                return False
            old = self._age_days(record.ended_at.timestamp()) >= days
            if old and record.options.keep:
                tidied.kept += 1
                return False
        if old and (self.data_path / "results" / id / KEEP_FILE).exists():
            tidied.kept += 1
            return False
        return old

    def _remove(self, path: Path, tidied: Tidied) -> None:
        size = size_of(path) - self._counted.get(path, 0)
        if not self.dry_run:
            try:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            except OSError as error:
                logger.warning("%s could not be removed: %s", path, error)
                return
        tidied.removed += 1
        tidied.bytes += size

    def _delete(self, id: str) -> bool:
        try:
            self.store.delete(id)
        except InvalidRequest:
            return False  # it was put back into the queue since
        return True

    def _age_days(self, time_s: float) -> float:
        return (self.now.timestamp() - time_s) / DAY_S


def ended_before(store: JobStore, border: datetime) -> Iterator[JobRecord]:
    """Jobs that ended before ``border``, newest first. Looks at no job that was accepted after it."""
    before = first_number_after(store, border)
    while page := store.find(sorted(FINAL_STATES), PAGE, before):
        for record in page:
            if record.ended_at is not None and record.ended_at <= border:
                yield record
        before = page[-1].number


def first_number_after(store: JobStore, border: datetime) -> int | None:
    """A number below which all jobs were accepted before ``border``, by bisection; None when all were."""

    def all_before(number: int) -> bool:
        last = store.find(limit=1, before=number)
        return not last or last[0].created_at <= border

    newest = store.find(limit=1)
    if not newest or newest[0].created_at <= border:
        return None
    low, high = 0, newest[0].number + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if all_before(middle) else (low, middle)
    return high - 1


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; links are not followed."""
    files = [path] if path.is_file() else list(path.rglob("*"))
    return sum(file.lstat().st_size for file in files if file.is_symlink() or file.is_file())


def newest_change(folder: Path) -> float:
    """When the folder or something in it was last written, in seconds since 1970."""
    return max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))


def _folders(root: Path) -> list[Path]:
    """The folders of jobs below ``root``."""
    if not root.is_dir():
        return []
    return sorted(folder for folder in root.iterdir() if ID_PATTERN.fullmatch(folder.name) and folder.is_dir())


def _time_in(text: str) -> float:
    """Seconds since 1970 that the lock's file names; 0 where it names none: a new file, or one of a power cut."""
    try:
        return float(text)
    except ValueError:
        return 0.0


@contextmanager
def cleanup_turn(data_path: Path, every_s: float | None = None) -> Iterator[bool]:
    """Gives True to one caller at a time on this data folder. The lock goes with the process that holds it.

    Args:
        data_path: The data folder; made when missing.
        every_s: Wall seconds that the last turn taken with this argument must be ago; a block that raises was none.
            None takes its turn at any time and leaves the others' as it is.
    """
    data_path.mkdir(parents=True, exist_ok=True)
    with (data_path / "cleanup.lock").open("a+", errors="replace") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        lock.seek(0)
        if every_s is not None and 0.0 <= time.time() - _time_in(lock.read()) < every_s:
            yield False
            return
        yield True
        if every_s is None:
            return
        lock.seek(0)
        lock.truncate()
        lock.write(str(time.time()))
        lock.flush()
        os.fsync(lock.fileno())
