"""A mass run: what `bulk` adds to the job store and asks of it, without any display."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deployments.settings import GraphArgs
from jobs.record import JobCopy, JobRecord, NewJob
from jobs.store import JobStore
from media.fetch.addresses import check_url
from media.source import readable, sha256_of
from schema.errors import AnalyzerSystemError, InvalidRequest
from schema.jobs import FINAL_STATES, JobSource, JobState

SUFFIXES = (
    *(".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".3gp", ".flv", ".gif", ".mpeg", ".mpg", ".ts", ".mts", ".m2ts"),
    *(".ogv", ".wmv", ".mp3", ".m4a", ".wav", ".flac", ".ogg", ".opus"),
)
"""Endings of the files that a folder is searched for; a file that is named itself may have any."""

PAGE = 500
"""Jobs that are read from the store at once."""

WORKING: tuple[JobState, ...] = ("downloading", "decoding", "analyzing", "reducing")


@dataclass
class Added:
    """What came of adding videos.

    Attributes:
        jobs: New jobs.
        known: Videos that had their job, or were noted as a copy, before.
        copies: Noted as having the bytes of another one.
        refused: What was not taken, and why.
        passed_over: Files of folders without a video's ending.
    """

    jobs: int = 0
    known: int = 0
    copies: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    passed_over: int = 0


@dataclass(frozen=True)
class Standing:
    """Where a mass run stands.

    Attributes:
        counts: Jobs per state.
        copies: Videos without a job of their own.
        retryable: Codes of failed jobs whose fault may pass, with their number.
        permanent: Codes of the other failed jobs, with their number.
        working: Jobs in work.
    """

    counts: dict[JobState, int]
    copies: int
    retryable: dict[str, int]
    permanent: dict[str, int]
    working: tuple[JobRecord, ...]

    @property
    def ended(self) -> int:
        """Jobs that are over."""
        return sum(count for state, count in self.counts.items() if state in FINAL_STATES)

    @property
    def open(self) -> int:
        """Jobs that are not."""
        return sum(self.counts.values()) - self.ended

    @property
    def all_done(self) -> bool:
        """Whether every job has its document."""
        return sum(self.counts.values()) == self.counts.get("done", 0)


class MassRun:
    """One mass run of a job store.

    Args:
        settings: Of the application.
        store: Of the jobs.
        batch: Name of the run.
    """

    def __init__(self, settings: GraphArgs, store: JobStore, batch: str) -> None:
        self._settings, self._store, self._batch = settings, store, batch
        self._copies: set[str] | None = None
        self._failed, self._retryable, self._permanent = 0, dict[str, int](), dict[str, int]()

    # ----------------------------------------------------------------------------------------------------- adding

    def add_files(self, paths: Iterable[Path], priority: int, analyzers: tuple[str, ...] | None) -> Added:
        """Adds videos, each content once. May be repeated at any time: what is there is not added again.

        Args:
            paths: Files, and folders that are searched with all that is in them.
            priority: Of the new jobs.
            analyzers: Asked for; all deployed ones when None.
        """
        added = Added()
        for top in paths:
            if not top.exists():
                added.refused.append((str(top), "there is no such file or folder"))
                continue
            root = (top if top.is_dir() else top.parent).resolve()
            for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
                if path.is_file() and (path is top or path.suffix.lower() in SUFFIXES):
                    self._add_file(path, root, priority, analyzers, added)
                elif path.is_file():
                    added.passed_over += 1
        return added

    def _add_file(self, path: Path, root: Path, priority: int, analyzers: tuple[str, ...] | None, added: Added) -> None:
        real = path.resolve()
        if readable(path) != str(path) or readable(real) != str(real):
            added.refused.append((readable(path), "its path is no UTF-8, which jobs are written in; rename it"))
            return
        configured = any(real.is_relative_to(one) for one in self._settings.root_paths)
        if not configured and not real.is_relative_to(root):
            added.refused.append((str(path), f"is a link out of {root}"))
            return
        try:
            content = sha256_of(real)
        except OSError as error:
            added.refused.append((str(path), f"cannot be read: {error.strerror}"))
            return
        source = JobSource(kind="path", name=str(path), location=str(real), root=None if configured else str(root))
        record, created = self._add(source, content, priority, analyzers)
        if created:
            added.jobs += 1
        elif record.source.location == source.location or source.location in self._copied():
            added.known += 1
        else:
            self._store.note_copy(JobCopy(self._batch, source.name, source.location, record.id))
            self._copied().add(source.location)
            added.copies += 1

    def add_urls(self, lines: Iterable[str], priority: int, analyzers: tuple[str, ...] | None) -> Added:
        """Adds the videos of URLs, each address once.

        Args:
            lines: One URL each; empty ones and those that begin with ``#`` are comments.
            priority: Of the new jobs.
            analyzers: Asked for; all deployed ones when None.
        """
        added = Added()
        for number, line in enumerate(lines, 1):
            url = line.strip()
            if not url or url.startswith("#"):
                continue
            try:
                check_url(url, self._settings.fetch.rules)
            except AnalyzerSystemError as error:
                added.refused.append((f"line {number}", error.details))
                continue
            _, created = self._add(JobSource(kind="url", name=url, location=url), url, priority, analyzers)
            added.jobs += created
            added.known += not created
        return added

    def _add(
        self, source: JobSource, content: str, priority: int, analyzers: tuple[str, ...] | None
    ) -> tuple[JobRecord, bool]:
        """The job of this content, made where there is none: the idempotency key sees to that."""
        text = json.dumps([self._batch, content, analyzers])
        key = f"bulk:{hashlib.sha256(text.encode()).hexdigest()}"
        new = NewJob(
            source=source,
            analyzers=analyzers,
            priority=priority,
            idempotency_key=key,
            fingerprint=key,
            batch=self._batch,
        )
        return self._store.add(new)

    def _copied(self) -> set[str]:
        """Locations of this run's copies."""
        if self._copies is None:
            self._copies = {copy.location for copy in self.copies()}
        return self._copies

    # ----------------------------------------------------------------------------------------------------- asking

    def records(self, states: Iterable[JobState] = ()) -> Iterator[JobRecord]:
        """Its jobs, newest first."""
        wanted, before = tuple(states), None
        while page := self._store.find(wanted, PAGE, before, self._batch):
            yield from page
            before = page[-1].number

    def unsettled(self) -> int:
        """Jobs that have ended while what comes after, as removing their download, is not done."""
        return sum(not record.settled for record in self.records(sorted(FINAL_STATES)))

    def copies(self) -> list[JobCopy]:
        """Its videos without a job of their own."""
        return self._store.copies(self._batch)

    def standing(self) -> Standing:
        """Where it stands. Failed jobs are read only when there are more or fewer of them."""
        counts = self._store.counts(self._batch)
        failed = counts.get("failed", 0)
        if failed != self._failed:
            errors = [record.error for record in self.records(["failed"]) if record.error]
            self._retryable = Counter(error.code for error in errors if error.retry_possible)
            self._permanent = Counter(error.code for error in errors if not error.retry_possible)
            self._failed = failed
        working = tuple(self._store.find(WORKING, PAGE, None, self._batch))
        return Standing(counts, len(self.copies()), dict(self._retryable), dict(self._permanent), working)

    def requeue(self, permanent: bool = False) -> tuple[int, list[tuple[str, str]]]:
        """Puts failed jobs back into the queue: those whose fault may pass.

        Args:
            permanent: Those that failed for good and those that were cancelled, too.

        Returns:
            How many went back, and which could not, with the reason.
        """
        states: tuple[JobState, ...] = ("failed", "cancelled") if permanent else ("failed",)
        count, refused = 0, []
        for record in list(self.records(states)):
            if permanent or (record.error is not None and record.error.retry_possible):
                try:
                    self._store.requeue(record.id)
                    count += 1
                except InvalidRequest as error:
                    refused.append((record.source.name, error.details))
        return count, refused
