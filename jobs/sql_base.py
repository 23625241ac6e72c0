"""What all of the job store in SQL stands on: transactions, the tables' version, the log of a job."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from jobs.record import JobRecord
from jobs.rows import loaded, record_from
from jobs.store import JobStore
from jobs.tables import MIGRATIONS
from schema.errors import ErrorBody, NotFound, StoreUnavailable
from schema.jobs import JobState

Row = Mapping[str, Any]

FREE = "ended_s IS NULL AND lease_until_s < ?"
"""A job that a worker may take: new, given back, or with a lease that has run out."""


class Session(Protocol):
    """One transaction. Statements have ``?`` for values."""

    now_s: float
    """Seconds since 1970, on the store's clock, the same for all of the transaction."""

    def rows(self, statement: str, *values: Any) -> list[Row]:
        """What a query finds, or a changing statement returns."""

    def run(self, statement: str, *values: Any) -> int:
        """Rows that a changing statement met."""


class SqlBase(JobStore):
    """All but connecting.

    Args:
        aging_s: Seconds of waiting that count as one step of priority.
    """

    serial: str
    """The dialect's ascending number, as the type of a column."""
    skip_locked: str
    """What makes a claim pass over rows that another claim has just chosen."""

    def __init__(self, aging_s: float) -> None:
        self._aging_s = aging_s

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Session]:
        """A transaction that changes nothing."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[Session]:
        """A transaction that is undone where the block raises, and durable once it has ended."""

    @abstractmethod
    def _alone(self, session: Session) -> None:
        """Waits until no other transaction that called this is under way."""

    def _open(self) -> None:
        """Brings the tables to this version; leaves no connection where that fails.

        Raises:
            StoreUnavailable: They are of a newer version of this software.
        """
        try:
            self._migrate()
        except StoreUnavailable:
            self.close()
            raise

    def _migrate(self) -> None:
        with self._writing() as session:
            self._alone(session)
            session.run(
                "CREATE TABLE IF NOT EXISTS job_schema (version INTEGER PRIMARY KEY, applied_s DOUBLE PRECISION)"
            )
            found = session.rows("SELECT coalesce(max(version), 0) AS version FROM job_schema")[0]["version"]
            if found > len(MIGRATIONS):
                raise StoreUnavailable(
                    f"the job store has version {found} of its tables, this software knows {len(MIGRATIONS)}",
                    "Install the newer version again, or name another store.",
                )
            for version in range(found + 1, len(MIGRATIONS) + 1):
                for statement in MIGRATIONS[version - 1]:
                    session.run(statement.format(serial=self.serial))
                session.run("INSERT INTO job_schema (version, applied_s) VALUES (?, ?)", version, session.now_s)

    def _end(
        self, session: Session, id: str, state: JobState, results_file: str | None, error: ErrorBody | None
    ) -> None:
        session.run(
            "UPDATE jobs SET ended_s = ?, results_file = ?, error = ? WHERE id = ?",
            session.now_s,
            results_file,
            None if error is None else error.model_dump_json(),
            id,
        )
        if state == "done":
            session.run("UPDATE jobs SET progress = 1 WHERE id = ?", id)
        self._log_state(session, id, state)

    def _log_state(self, session: Session, id: str, state: JobState) -> None:
        found = session.rows("SELECT changes, attempts FROM jobs WHERE id = ?", id)[0]
        changes = [*loaded(found["changes"]), [state, session.now_s]]
        session.run(
            "UPDATE jobs SET state = ?, changes = ?, updated_s = ? WHERE id = ?",
            state,
            json.dumps(changes),
            session.now_s,
            id,
        )
        log_event(session, id, "state", json.dumps({"state": state, "attempt": found["attempts"]}), None)


def log_event(session: Session, id: str, kind: str, data: str, analyzer: str | None) -> None:
    """Adds an event under the job's next number."""
    number = session.rows("UPDATE jobs SET last_event = last_event + 1 WHERE id = ? RETURNING last_event", id)[0]
    session.run(
        "INSERT INTO job_events (job_id, number, kind, at_s, analyzer, data) VALUES (?, ?, ?, ?, ?, ?)",
        id,
        number["last_event"],
        kind,
        session.now_s,
        analyzer,
        data,
    )


def one_job(session: Session, id: str) -> JobRecord:
    """The job with this id.

    Raises:
        NotFound: There is none.
    """
    found = session.rows("SELECT * FROM jobs WHERE id = ?", id)
    if not found:
        raise NotFound(f"there is no job {id!r}")
    return record_from(found[0])
