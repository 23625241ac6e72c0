"""Jobs: what is in work and how far it is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from schema.base import Model, SpokenModel, UnitScore
from schema.document import SectionStatus
from schema.errors import ErrorBody

JobState = Literal["queued", "downloading", "decoding", "analyzing", "reducing", "done", "failed", "cancelled"]
"""From left to right; the last three are final. A job whose worker died goes back to ``queued``."""

FINAL_STATES: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})

Priority = Annotated[int, Field(ge=1, le=10)]
"""10 goes first."""

DEFAULT_PRIORITY = 5
"""Of a request that names none; mass work takes less."""

SourceKind = Literal["path", "upload", "url"]


class JobOptions(SpokenModel):
    """What a client may say about one job beside the video and the analyzers."""

    keep: bool = False
    """Keeps the job: an uploaded or downloaded source stays after the end, retention passes it over, and a lost
    connection of the waiting client does not cancel it. So are the sections that it puts into the cache or takes
    from it."""
    fresh: bool = False
    """Computes all of it, also what the section cache holds, and puts it there in place of the old."""
    deadline_s: Annotated[float, Field(gt=0.0, le=86_400.0)] | None = None
    """Wall seconds from acceptance. When they are over, the document is made of what there is and names what is
    missing; none when left out."""
    callback_url: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """Gets a signed POST when the job has ended; its host must be allowed by the configuration."""


class JobSource(Model):
    """Where the video of a job comes from."""

    kind: SourceKind
    name: str
    """The client's name for it: the path or URL as sent, or the uploaded file's name."""
    location: str
    """An absolute path on the server, or the URL."""
    root: str | None = None
    """Of a path: the folder below which it must lie, links resolved, in place of the configured ones. Only the command
    line sets it, for files of whoever may write to the data folder; no request can."""


class AnalyzerProgress(SpokenModel):
    """How far one analyzer is."""

    chunks_done: Annotated[int, Field(ge=0)]
    chunks_planned: Annotated[int, Field(ge=0)]
    status: SectionStatus | None = None
    """Null until its section is concluded."""


class StateChange(Model):
    """A state and when the job got into it."""

    state: JobState
    at: datetime


class JobStatus(SpokenModel):
    """One job as its client sees it."""

    id: str
    state: JobState
    priority: Priority
    created_at: datetime
    started_at: datetime | None = None
    """When it was first taken up."""
    ended_at: datetime | None = None
    changes: tuple[StateChange, ...] = ()
    """Every state it was in, in order."""
    video: str
    """The client's name for the video."""
    progress: UnitScore
    """Share of all planned chunk observations and conclusions that is done; sections without work do not count. Starts
    over when the job had to be taken up again."""
    remaining_s: Annotated[float, Field(ge=0.0)] | None = None
    """Wall seconds still to go, if the rest goes on at the speed so far; null while there is too little to tell."""
    analyzers: dict[str, AnalyzerProgress]
    attempts: Annotated[int, Field(ge=0)] = 0
    """How often a worker has taken it up; more than 1 after a crash."""
    cancel_requested: bool = False
    options: JobOptions = JobOptions()
    results_file: str | None = None
    error: ErrorBody | None = None


class JobPage(SpokenModel):
    """Answer of ``GET /jobs``: newest first."""

    jobs: tuple[JobStatus, ...]
    next: int | None = None
    """``before`` of the next page; null on the last."""


EventKind = Literal["state", "section"]
"""What is written down for good. Progress is a snapshot of the job and no event of the store."""


class JobEvent(Model):
    """One line of a job's log."""

    number: Annotated[int, Field(ge=1)]
    """Counts up within the job, without gaps."""
    kind: EventKind
    at: datetime
    data: dict[str, Any] | None
    """``state``: ``{"state": ..., "attempt": ...}``. ``section``: the section; null once the document holds it."""
    analyzer: str | None = None
    """Of a ``section``."""
