"""Jobs: what is in work and how far it is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from schema.base import Model, UnitScore
from schema.document import SectionStatus
from schema.errors import ErrorBody

JobState = Literal["queued", "decoding", "analyzing", "reducing", "done", "failed", "cancelled"]
"""From left to right; the last three are final."""


class AnalyzerProgress(Model):
    """How far one analyzer is."""

    chunks_done: Annotated[int, Field(ge=0)]
    chunks_planned: Annotated[int, Field(ge=0)]
    status: SectionStatus | None = None
    """Null until its section is concluded."""


class JobStatus(Model):
    """One job as its client sees it."""

    id: str
    state: JobState
    created_at: datetime
    video: str
    """The client's name for the video."""
    progress: UnitScore
    """Share of all planned chunk observations and conclusions that is done."""
    analyzers: dict[str, AnalyzerProgress]
    results_file: str | None = None
    error: ErrorBody | None = None
