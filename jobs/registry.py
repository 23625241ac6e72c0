"""The jobs of this process: at most so many in work at once, the finished ones remembered for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from jobs.results import new_id
from schema.errors import ErrorBody, NotFound, Overloaded
from schema.jobs import AnalyzerProgress, JobState, JobStatus

REMEMBERED = 1000
"""Finished jobs whose state can still be asked for; their documents stay on disk for as long as the folder does."""

FINAL: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})


@dataclass
class Job:
    """One accepted request.

    Attributes:
        video: The client's name for the video.
        progress_of: Gives the progress per analyzer; set once the analyzers are known.
    """

    video: str
    id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    state: JobState = "queued"
    progress_of: Callable[[], Mapping[str, AnalyzerProgress]] = dict
    results_file: str | None = None
    error: ErrorBody | None = None

    def status(self) -> JobStatus:
        """The client's view."""
        analyzers = dict(self.progress_of())
        planned = sum(p.chunks_planned + 1 for p in analyzers.values())
        done = sum(min(p.chunks_done, p.chunks_planned) + (p.status is not None) for p in analyzers.values())
        return JobStatus(
            id=self.id,
            state=self.state,
            priority=5,
            created_at=self.created_at,
            video=self.video,
            progress=1.0 if self.state == "done" else done / planned if planned else 0.0,
            analyzers=analyzers,
            results_file=self.results_file,
            error=self.error,
        )


class JobRegistry:
    """Admits jobs up to a limit and answers for them.

    Args:
        max_in_work: Jobs that may be in work at once.
    """

    def __init__(self, max_in_work: int) -> None:
        self._max_in_work = max_in_work
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    @property
    def in_work(self) -> int:
        """Jobs that have not ended."""
        return sum(job.state not in FINAL for job in self._jobs.values())

    def admit(self, video: str) -> Job:
        """A new job.

        Raises:
            Overloaded: As many as allowed are in work.
        """
        if self.in_work >= self._max_in_work:
            raise Overloaded(f"{self.in_work} videos are in work, {self._max_in_work} at once are allowed")
        job = Job(video)
        self._jobs[job.id] = job
        while len(self._jobs) > REMEMBERED:
            oldest = next((j for j in self._jobs.values() if j.state in FINAL), None)
            if oldest is None:
                break
            del self._jobs[oldest.id]
        return job

    def get(self, id: str) -> Job:
        """The job with this id.

        Raises:
            NotFound: There is none, or it ended long ago.
        """
        if id not in self._jobs:
            raise NotFound(f"there is no job {id!r}")
        return self._jobs[id]

    def all(self) -> list[Job]:
        """All remembered jobs, newest first."""
        return list(reversed(self._jobs.values()))
