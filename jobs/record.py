"""A job as the store keeps it, and the lease under which a worker holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from jobs.results import new_id
from schema.base import Model
from schema.errors import ErrorBody
from schema.jobs import (
    DEFAULT_PRIORITY,
    FINAL_STATES,
    AnalyzerProgress,
    JobOptions,
    JobSource,
    JobState,
    JobStatus,
    StateChange,
)

LEAST_SHARE_TO_TELL = 0.05
"""Progress below which the remaining time is not told: the start of an analysis is no measure of the rest."""


@dataclass(frozen=True)
class NewJob:
    """What a job is accepted with.

    Attributes:
        source: Where the video is.
        analyzers: Names asked for; all deployed ones when None.
        priority: 1-10, 10 first.
        options: The client's.
        idempotency_key: The client's name for this request; a second request with it gets the same job.
        fingerprint: SHA-256 of what was asked for; a second request with the key must have the same.
        batch: Name of the mass run that it belongs to.
        id: Of the job.
    """

    source: JobSource
    analyzers: tuple[str, ...] | None = None
    priority: int = DEFAULT_PRIORITY
    options: JobOptions = field(default_factory=JobOptions)
    idempotency_key: str | None = None
    fingerprint: str = ""
    batch: str | None = None
    id: str = field(default_factory=new_id)


@dataclass(frozen=True)
class JobCopy:
    """A video of a mass run that gets no job of its own, because one with the same bytes has one.

    Attributes:
        batch: Name of the mass run.
        name: Of the video, as its job's would be.
        location: Absolute path.
        job_id: Of the job that stands for it.
    """

    batch: str
    name: str
    location: str
    job_id: str


@dataclass(frozen=True)
class Lease:
    """The right to work on a job. A later lease of the same job makes this one void.

    Attributes:
        id: Of the job.
        owner: Of the worker.
        token: Grows with every lease of the job.
    """

    id: str
    owner: str
    token: int


class JobRecord(Model):
    """Everything the store knows about one job."""

    number: int
    """Order of arrival in the store."""
    id: str
    state: JobState
    priority: int
    source: JobSource
    analyzers: tuple[str, ...] | None
    options: JobOptions
    idempotency_key: str | None
    fingerprint: str
    batch: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    updated_at: datetime
    changes: tuple[StateChange, ...]
    attempts: int
    lease_owner: str | None
    lease_until: datetime | None
    cancel_requested: bool
    progress: float
    analyzer_progress: dict[str, AnalyzerProgress]
    last_event: int
    settled: bool
    """What comes after the end is done: the source removed, the client told."""
    results_file: str | None
    error: ErrorBody | None

    @property
    def ended(self) -> bool:
        """Whether its state is final."""
        return self.state in FINAL_STATES

    def status(self) -> JobStatus:
        """The client's view."""
        return JobStatus(
            id=self.id,
            state=self.state,
            priority=self.priority,
            created_at=self.created_at,
            started_at=self.started_at,
            ended_at=self.ended_at,
            changes=self.changes,
            video=self.source.name,
            progress=self.progress,
            remaining_s=self._remaining_s(),
            analyzers=self.analyzer_progress,
            attempts=self.attempts,
            cancel_requested=self.cancel_requested,
            options=self.options,
            results_file=self.results_file,
            error=self.error,
        )

    def _remaining_s(self) -> float | None:
        if self.ended or self.progress < LEAST_SHARE_TO_TELL:
            return None
        begun: datetime | None = None
        for change in self.changes:
            if change.state == "queued":
                begun = None
            elif change.state in ("decoding", "analyzing") and begun is None:
                begun = change.at
        if begun is None:
            return None
        spent_s = (self.updated_at - begun).total_seconds()
        return round(max(0.0, spent_s * (1.0 - self.progress) / self.progress), 1)


def overall_progress(analyzers: Mapping[str, AnalyzerProgress]) -> float:
    """Share of all planned chunk observations and conclusions that is done, in [0, 1].

    Sections that were settled without a chunk (unavailable, from the cache, only read from others) do not count: they
    took no time, so they tell nothing about what the others will take.
    """
    working = [p for p in analyzers.values() if p.status is None or p.chunks_planned]
    if not working:
        return 1.0 if analyzers else 0.0
    planned = sum(p.chunks_planned + 1 for p in working)
    return sum(min(p.chunks_done, p.chunks_planned) + (p.status is not None) for p in working) / planned
