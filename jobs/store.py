"""The interface of the job store: what is accepted is written down, and every job ends exactly once.

Two implementations share one contract test suite: SQLite in the data folder (``jobs.sqlite``) and PostgreSQL by URL
(``jobs.postgres``). All methods block for a few milliseconds; event loops call them in a thread. Any number of threads
and processes may use one store.

A worker takes a job with ``claim`` and holds it by a lease, which ``report`` extends. A lease that runs out may be
taken by another worker; from then on every call under the old lease raises ``LeaseLost``, and writes nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping

from jobs.record import JobCopy, JobRecord, Lease, NewJob
from schema.document import Section
from schema.errors import ErrorBody, Overloaded
from schema.jobs import AnalyzerProgress, JobEvent, JobState


class LeaseLost(Exception):
    """The job was taken from this worker, or has ended; what it still does must leave no trace.

    Args:
        id: Of the job.
    """

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.id = id

    def __str__(self) -> str:
        return f"job {self.id} is no longer this worker's"


def overloaded(waiting: int, priority: int, max_queued: int) -> Overloaded:
    """Why a job is refused."""
    return Overloaded(f"{waiting} jobs of priority {priority} or more wait, {max_queued} are allowed to")


class JobStore(ABC):
    """Durable jobs with their events."""

    # ---------------------------------------------------------------------------------------------- what clients do

    @abstractmethod
    def add(self, new: NewJob, max_queued: int | None = None) -> tuple[JobRecord, bool]:
        """Accepts a job; once this returns, it survives a crash.

        Args:
            new: The job.
            max_queued: Jobs that may wait at or above its priority; no bound when None.

        Returns:
            The job, and whether it is new: False when one with the same idempotency key and fingerprint was there.

        Raises:
            Overloaded: As many as allowed wait.
            IdempotencyConflict: Its idempotency key stands for a different request.
            StoreUnavailable: The database cannot be reached, as from every method.
        """

    @abstractmethod
    def get(self, id: str) -> JobRecord:
        """The job with this id.

        Raises:
            NotFound: There is none.
        """

    @abstractmethod
    def find(
        self,
        states: Collection[JobState] = (),
        limit: int = 50,
        before: int | None = None,
        batch: str | None = None,
    ) -> list[JobRecord]:
        """Jobs, newest first.

        Args:
            states: Only these; all when empty.
            limit: At most so many.
            before: Only those with a smaller ``number``, which continues a listing.
            batch: Only those of this mass run.
        """

    @abstractmethod
    def counts(self, batch: str | None = None) -> dict[JobState, int]:
        """Jobs per state, states without any left out."""

    @abstractmethod
    def queued(self, least_priority: int = 1) -> int:
        """Jobs that wait for a worker, at or above a priority."""

    @abstractmethod
    def with_key(self, idempotency_key: str) -> JobRecord | None:
        """The job that was accepted with this key; None when there is none."""

    @abstractmethod
    def mean_work_s(self) -> float | None:
        """Mean wall seconds from the start to the end of the last jobs that are done; None while there are none."""

    @abstractmethod
    def events(self, id: str, after: int = 0, limit: int = 1000) -> list[JobEvent]:
        """Events of a job with a greater number than ``after``, in order; empty for an unknown job."""

    @abstractmethod
    def request_cancel(self, id: str) -> JobRecord:
        """Cancels a job: at once while nobody works on it, else as soon as its worker hears of it.

        A job that has ended stays as it is.

        Raises:
            NotFound: There is none.
        """

    @abstractmethod
    def requeue(self, id: str) -> JobRecord:
        """Puts a job that failed or was cancelled back into the queue, as if it were new.

        Raises:
            NotFound: There is none.
            InvalidRequest: It has not ended, or is done, or its uploaded source is no longer there.
        """

    @abstractmethod
    def note_copy(self, copy: JobCopy) -> None:
        """Notes that a job stands for another video with the same bytes, in place of what was noted for it before.

        Raises:
            NotFound: There is no such job.
        """

    @abstractmethod
    def copies(self, batch: str) -> list[JobCopy]:
        """The copies of a mass run, by location. They go with the job that stands for them."""

    @abstractmethod
    def delete(self, id: str) -> None:
        """Forgets a job that has ended, with its events; nothing happens where there is none.

        Raises:
            InvalidRequest: It has not ended.
        """

    # ---------------------------------------------------------------------------------------------- what workers do

    @abstractmethod
    def claim(self, owner: str, lease_s: float, least_priority: int = 1) -> tuple[JobRecord, Lease] | None:
        """The next job to work on: not leased, highest priority first with aging, then in order of arrival.

        Counts as an attempt; the record says how many there were, so that the worker can give up on it.
        """

    @abstractmethod
    def report(
        self, lease: Lease, lease_s: float, analyzers: Mapping[str, AnalyzerProgress] | None = None
    ) -> JobRecord:
        """Extends the lease, notes the progress, and tells whether the job is to be cancelled.

        Raises:
            LeaseLost: As from every method that takes a lease.
        """

    @abstractmethod
    def move(self, lease: Lease, state: JobState) -> None:
        """Notes that the job has got into a state that is not final; nothing happens where it is in it."""

    @abstractmethod
    def add_section(self, lease: Lease, section: Section) -> None:
        """Notes a concluded section."""

    @abstractmethod
    def finish(
        self,
        lease: Lease,
        state: JobState,
        *,
        results_file: str | None = None,
        error: ErrorBody | None = None,
        publish: Callable[[], None] | None = None,
    ) -> JobRecord:
        """Ends the job. The lease stays, for what comes after the end, until ``settle``.

        Args:
            lease: Of the job.
            state: A final one.
            results_file: Of the document.
            error: Why it did not end well.
            publish: Makes the document visible; called while nobody else can take the job, and only if it is still
                this worker's. If it raises, the job has not ended.
        """

    @abstractmethod
    def release(self, lease: Lease) -> None:
        """Puts the job back into the queue; the attempt does not count. For a worker that is told to stop."""

    @abstractmethod
    def claim_ended(self, owner: str, lease_s: float) -> tuple[JobRecord, Lease] | None:
        """A job that has ended, but nobody has done yet what comes after; oldest first."""

    @abstractmethod
    def settle(self, lease: Lease) -> None:
        """Notes that all is done that comes after the job's end; its sections are from now on in the document only."""

    @abstractmethod
    def postpone(self, lease: Lease, for_s: float) -> None:
        """Notes that what comes after the job's end did not work, and is to be tried again after so many seconds."""

    @abstractmethod
    def lease_owners(self) -> set[str]:
        """Workers that hold leases which have not run out."""

    @abstractmethod
    def expire_owner(self, owner: str) -> int:
        """Ends the leases of a worker that is known to be dead; returns how many there were."""

    @abstractmethod
    def close(self) -> None:
        """Closes the connections."""
