"""Settings of the job store and of the loop that works on its jobs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import Model
from schema.jobs import DEFAULT_PRIORITY, Priority


class JobSettings(Model):
    """How jobs are kept, ordered and taken up. Each number has a unit, a bound and a reason."""

    store_url: str | None = None
    """``postgresql://user@host/database`` for several nodes, which must then share the data folder; ``jobs.db`` in
    the data folder (SQLite) when null."""
    max_queued: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Jobs that may wait at or above a new job's priority; the next one gets 429. Mass work of low priority therefore
    never shuts out what matters more. 100 is some ten minutes of work on two cores: more would only time out."""
    aging_s: Annotated[float, Field(ge=1.0, le=86_400.0)] = 120.0
    """Seconds of waiting that count as one step of priority, so that nothing starves: a 1 goes before a 10 that came
    18 minutes later. Shorter makes priorities mean less, longer makes mass work wait longer."""
    reserved_videos: Annotated[int, Field(ge=0, le=255)] = 1
    """Places among ``max_concurrent_videos`` that only jobs of ``interactive_priority`` or more may take. One, so that
    a person never waits for a video of mass work to end. At least one place is always left for everything."""
    interactive_priority: Priority = DEFAULT_PRIORITY
    """The least priority of work that somebody waits for: what a request gets that names none."""
    lease_s: Annotated[float, Field(ge=1.0, le=3600.0)] = 15.0
    """Seconds after which a job whose worker no longer reports is taken up by another. Over thirty missed reports, so
    a busy machine loses no job; a crashed node's jobs wait no longer than this. A worker that is known to be dead on
    this machine loses its jobs at once."""
    heartbeat_s: Annotated[float, Field(ge=0.05, le=60.0)] = 0.4
    """Seconds between two reports of a worker, which also carry the progress and bring news of a cancellation."""
    poll_s: Annotated[float, Field(ge=0.02, le=60.0)] = 0.5
    """Seconds between two looks into the store for jobs that others have put there; own ones are seen at once."""
    start_wait_s: Annotated[float, Field(ge=0.0, le=7200.0)] = 600.0
    """Seconds after the start of an ingress during which jobs wait for analyzers that are still loading. Large models
    take minutes from a cold disk; one that never comes must not hold up the others for ever. One that Serve has given
    up is not waited for."""
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """How often a job is taken up whose worker dies. 3 survives two crashes that have other causes, and ends a video
    that kills whatever touches it."""
