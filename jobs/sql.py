"""The job store in SQL that SQLite and PostgreSQL both read; what differs is in their own modules."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from jobs.record import JobCopy, JobRecord, Lease, NewJob, overall_progress
from jobs.rows import event_from, loaded, record_from
from jobs.store import JobStore, LeaseLost
from jobs.tables import MIGRATIONS
from schema.document import Section
from schema.errors import (
    Cancelled,
    ErrorBody,
    IdempotencyConflict,
    InvalidRequest,
    NotFound,
    Overloaded,
    StoreUnavailable,
)
from schema.jobs import FINAL_STATES, AnalyzerProgress, JobEvent, JobState

Row = Mapping[str, Any]

FREE = "ended_s IS NULL AND lease_until_s < ?"
"""A job that a worker may take: new, given back, or with a lease that has run out."""

HELD = "id = ? AND lease_owner = ? AND lease_token = ? AND ended_s IS NULL"
"""A job that is still this lease's. Also one whose lease ran out, as long as nobody took it."""

RECENT_JOBS = 20
"""Jobs over which the mean time of work is taken: the last quarter of an hour of a busy small machine."""


class Session(Protocol):
    """One transaction. Statements have ``?`` for values."""

    now_s: float
    """Seconds since 1970, on the store's clock, the same for all of the transaction."""

    def rows(self, statement: str, *values: Any) -> list[Row]:
        """What a query finds, or a changing statement returns."""

    def run(self, statement: str, *values: Any) -> int:
        """Rows that a changing statement met."""


class SqlJobStore(JobStore):
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

    # ---------------------------------------------------------------------------------------------- what clients do

    def add(self, new: NewJob, max_queued: int | None = None) -> tuple[JobRecord, bool]:
        """As the interface says. One at a time, so that the bound is exact."""
        with self._writing() as session:
            self._alone(session)
            if new.idempotency_key is not None:
                found = session.rows("SELECT * FROM jobs WHERE idempotency_key = ?", new.idempotency_key)
                if found:
                    return _same_request(record_from(found[0]), new.fingerprint), False
            if max_queued is not None:
                waiting = _queued(session, new.priority)
                if waiting >= max_queued:
                    raise Overloaded(
                        f"{waiting} jobs of priority {new.priority} or more wait, {max_queued} are allowed to"
                    )
            return self._insert(session, new), True

    def _insert(self, session: Session, new: NewJob) -> JobRecord:
        now_s = session.now_s
        values = {
            "id": new.id,
            "state": "queued",
            "priority": new.priority,
            "rank": now_s / self._aging_s - new.priority,
            "source": new.source.model_dump_json(),
            "analyzers": None if new.analyzers is None else json.dumps(new.analyzers),
            "options": new.options.model_dump_json(),
            "idempotency_key": new.idempotency_key,
            "fingerprint": new.fingerprint,
            "batch": new.batch,
            "created_s": now_s,
            "updated_s": now_s,
            "changes": "[]",
        }
        marks = ", ".join("?" for _ in values)
        session.run(f"INSERT INTO jobs ({', '.join(values)}) VALUES ({marks})", *values.values())
        self._log_state(session, new.id, "queued")
        return _one(session, new.id)

    def get(self, id: str) -> JobRecord:
        """As the interface says."""
        with self._reading() as session:
            return _one(session, id)

    def find(
        self,
        states: Collection[JobState] = (),
        limit: int = 50,
        before: int | None = None,
        batch: str | None = None,
    ) -> list[JobRecord]:
        """As the interface says."""
        wanted: list[tuple[str, list[Any]]] = []
        if states:
            wanted.append((f"state IN ({', '.join('?' for _ in states)})", list(states)))
        if before is not None:
            wanted.append(("number < ?", [before]))
        if batch is not None:
            wanted.append(("batch = ?", [batch]))
        where = f"WHERE {' AND '.join(text for text, _ in wanted)}" if wanted else ""
        values = [value for _, group in wanted for value in group]
        with self._reading() as session:
            rows = session.rows(f"SELECT * FROM jobs {where} ORDER BY number DESC LIMIT ?", *values, limit)
        return [record_from(row) for row in rows]

    def counts(self, batch: str | None = None) -> dict[JobState, int]:
        """As the interface says."""
        where, values = ("", []) if batch is None else ("WHERE batch = ?", [batch])
        with self._reading() as session:
            rows = session.rows(f"SELECT state, count(*) AS jobs FROM jobs {where} GROUP BY state", *values)
        return {row["state"]: row["jobs"] for row in rows}

    def queued(self, least_priority: int = 1) -> int:
        """As the interface says."""
        with self._reading() as session:
            return _queued(session, least_priority)

    def mean_work_s(self) -> float | None:
        """As the interface says."""
        with self._reading() as session:
            row = session.rows(
                "SELECT avg(ended_s - started_s) AS mean_s FROM (SELECT ended_s, started_s FROM jobs"
                " WHERE state = 'done' ORDER BY number DESC LIMIT ?) AS recent",
                RECENT_JOBS,
            )[0]
        return None if row["mean_s"] is None else float(row["mean_s"])

    def events(self, id: str, after: int = 0, limit: int = 1000) -> list[JobEvent]:
        """As the interface says."""
        with self._reading() as session:
            rows = session.rows(
                "SELECT * FROM job_events WHERE job_id = ? AND number > ? ORDER BY number LIMIT ?", id, after, limit
            )
        return [event_from(row) for row in rows]

    def request_cancel(self, id: str) -> JobRecord:
        """As the interface says."""
        with self._writing() as session:
            session.run("UPDATE jobs SET cancel_requested = 1 WHERE id = ? AND ended_s IS NULL", id)
            free = session.rows(f"SELECT id FROM jobs WHERE id = ? AND {FREE}", id, session.now_s)
            if free:
                error = Cancelled("it was cancelled before its work began").body(id)
                self._end(session, id, "cancelled", None, error)
            return _one(session, id)

    def requeue(self, id: str) -> JobRecord:
        """As the interface says."""
        with self._writing() as session:
            found = _one(session, id)
            if found.state not in ("failed", "cancelled"):
                raise InvalidRequest(f"job {id} is {found.state}; only failed and cancelled jobs can go back")
            if found.source.kind == "upload" and not found.options.keep:
                raise InvalidRequest(f"job {id} was an upload, which is gone since it ended", "Upload the video again.")
            session.run(
                "UPDATE jobs SET ended_s = NULL, started_s = NULL, error = NULL, results_file = NULL, settled = 0,"
                " attempts = 0, cancel_requested = 0, lease_owner = NULL, lease_until_s = 0, lease_token ="
                " lease_token + 1, progress = 0, analyzer_progress = '{}', rank = ? WHERE id = ?",
                session.now_s / self._aging_s - found.priority,
                id,
            )
            self._log_state(session, id, "queued")
            return _one(session, id)

    def note_copy(self, copy: JobCopy) -> None:
        """As the interface says."""
        with self._writing() as session:
            _one(session, copy.job_id)
            session.run(
                "INSERT INTO job_copies (batch, location, name, job_id) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (batch, location) DO UPDATE SET name = excluded.name, job_id = excluded.job_id",
                copy.batch,
                copy.location,
                copy.name,
                copy.job_id,
            )

    def copies(self, batch: str) -> list[JobCopy]:
        """As the interface says."""
        with self._reading() as session:
            rows = session.rows("SELECT * FROM job_copies WHERE batch = ? ORDER BY location", batch)
        return [JobCopy(row["batch"], row["name"], row["location"], row["job_id"]) for row in rows]

    def delete(self, id: str) -> None:
        """As the interface says."""
        with self._writing() as session:
            found = session.rows("SELECT ended_s FROM jobs WHERE id = ?", id)
            if found and found[0]["ended_s"] is None:
                raise InvalidRequest(f"job {id} has not ended", "Cancel it first.")
            session.run("DELETE FROM job_events WHERE job_id = ?", id)
            session.run("DELETE FROM job_copies WHERE job_id = ?", id)
            session.run("DELETE FROM jobs WHERE id = ?", id)

    # ---------------------------------------------------------------------------------------------- what workers do

    def claim(self, owner: str, lease_s: float, least_priority: int = 1) -> tuple[JobRecord, Lease] | None:
        """As the interface says."""
        with self._writing() as session:
            found = session.rows(
                f"SELECT id, state FROM jobs WHERE {FREE} AND priority >= ?"
                f" ORDER BY rank, number LIMIT 1 {self.skip_locked}",
                session.now_s,
                least_priority,
            )
            if not found:
                return None
            lease = self._lease(session, found[0]["id"], owner, lease_s)
            session.run(
                "UPDATE jobs SET attempts = attempts + 1, started_s = coalesce(started_s, ?), progress = 0,"
                " analyzer_progress = '{}' WHERE id = ?",
                session.now_s,
                lease.id,
            )
            if found[0]["state"] != "queued":
                self._log_state(session, lease.id, "queued")
            return _one(session, lease.id), lease

    def _lease(self, session: Session, id: str, owner: str, lease_s: float) -> Lease:
        token = session.rows(
            "UPDATE jobs SET lease_owner = ?, lease_token = lease_token + 1, lease_until_s = ?, updated_s = ?"
            " WHERE id = ? RETURNING lease_token",
            owner,
            session.now_s + lease_s,
            session.now_s,
            id,
        )[0]["lease_token"]
        return Lease(id, owner, token)

    def report(
        self, lease: Lease, lease_s: float, analyzers: Mapping[str, AnalyzerProgress] | None = None
    ) -> JobRecord:
        """As the interface says."""
        with self._writing() as session:
            _held(session, lease, "lease_until_s = ?, updated_s = ?", session.now_s + lease_s, session.now_s)
            if analyzers is not None:
                text = json.dumps({name: state.model_dump() for name, state in analyzers.items()})
                share = overall_progress(analyzers)
                session.run("UPDATE jobs SET analyzer_progress = ?, progress = ? WHERE id = ?", text, share, lease.id)
            return _one(session, lease.id)

    def move(self, lease: Lease, state: JobState) -> None:
        """As the interface says."""
        if state in FINAL_STATES:
            raise ValueError(f"{state!r} is final; use finish")
        with self._writing() as session:
            _held(session, lease, "updated_s = ?", session.now_s)
            if _one(session, lease.id).state != state:
                self._log_state(session, lease.id, state)

    def add_section(self, lease: Lease, section: Section) -> None:
        """As the interface says."""
        with self._writing() as session:
            _held(session, lease, "updated_s = ?", session.now_s)
            _log(session, lease.id, "section", section.model_dump_json(), section.analyzer)

    def finish(
        self,
        lease: Lease,
        state: JobState,
        *,
        results_file: str | None = None,
        error: ErrorBody | None = None,
        publish: Callable[[], None] | None = None,
    ) -> JobRecord:
        """As the interface says. ``publish`` runs while the job's row is locked."""
        if state not in FINAL_STATES:
            raise ValueError(f"{state!r} is not final; use move")
        with self._writing() as session:
            _held(session, lease, "updated_s = ?", session.now_s)
            if publish is not None:
                publish()
            self._end(session, lease.id, state, results_file, error)
            return _one(session, lease.id)

    def release(self, lease: Lease) -> None:
        """As the interface says."""
        with self._writing() as session:
            _held(session, lease, "lease_owner = NULL, lease_until_s = 0, attempts = attempts - 1, progress = 0")
            self._log_state(session, lease.id, "queued")

    def claim_ended(self, owner: str, lease_s: float) -> tuple[JobRecord, Lease] | None:
        """As the interface says."""
        with self._writing() as session:
            found = session.rows(
                "SELECT id FROM jobs WHERE ended_s IS NOT NULL AND settled = 0 AND lease_until_s < ?"
                f" ORDER BY ended_s LIMIT 1 {self.skip_locked}",
                session.now_s,
            )
            if not found:
                return None
            lease = self._lease(session, found[0]["id"], owner, lease_s)
            return _one(session, lease.id), lease

    def settle(self, lease: Lease) -> None:
        """As the interface says."""
        with self._writing() as session:
            _ended(session, lease, "settled = 1, lease_owner = NULL, lease_until_s = 0")
            session.run(
                "UPDATE job_events SET data = NULL WHERE job_id = ? AND kind = 'section' AND EXISTS"
                " (SELECT 1 FROM jobs WHERE id = ? AND results_file IS NOT NULL)",
                lease.id,
                lease.id,
            )

    def postpone(self, lease: Lease, for_s: float) -> None:
        """As the interface says."""
        with self._writing() as session:
            _ended(session, lease, "lease_until_s = ?", session.now_s + for_s)

    def lease_owners(self) -> set[str]:
        """As the interface says."""
        with self._reading() as session:
            rows = session.rows(
                "SELECT DISTINCT lease_owner FROM jobs WHERE lease_owner IS NOT NULL AND lease_until_s >= ?"
                " AND (ended_s IS NULL OR settled = 0)",
                session.now_s,
            )
        return {row["lease_owner"] for row in rows}

    def expire_owner(self, owner: str) -> int:
        """As the interface says."""
        with self._writing() as session:
            return session.run(
                "UPDATE jobs SET lease_until_s = 0 WHERE lease_owner = ? AND lease_until_s >= ?", owner, session.now_s
            )

    # -------------------------------------------------------------------------------------------------------- shared

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
        _log(session, id, "state", json.dumps({"state": state, "attempt": found["attempts"]}), None)


def _log(session: Session, id: str, kind: str, data: str, analyzer: str | None) -> None:
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


def _one(session: Session, id: str) -> JobRecord:
    found = session.rows("SELECT * FROM jobs WHERE id = ?", id)
    if not found:
        raise NotFound(f"there is no job {id!r}")
    return record_from(found[0])


def _queued(session: Session, least_priority: int) -> int:
    row = session.rows(
        f"SELECT count(*) AS jobs FROM jobs WHERE {FREE} AND priority >= ?", session.now_s, least_priority
    )[0]
    return int(row["jobs"])


def _held(session: Session, lease: Lease, changes: str, *values: Any) -> None:
    """Changes the job, which locks its row, if it is still this lease's."""
    if not session.run(f"UPDATE jobs SET {changes} WHERE {HELD}", *values, lease.id, lease.owner, lease.token):
        raise LeaseLost(lease.id)


def _ended(session: Session, lease: Lease, changes: str, *values: Any) -> None:
    where = "id = ? AND lease_owner = ? AND lease_token = ? AND ended_s IS NOT NULL AND settled = 0"
    if not session.run(f"UPDATE jobs SET {changes} WHERE {where}", *values, lease.id, lease.owner, lease.token):
        raise LeaseLost(lease.id)


def _same_request(found: JobRecord, fingerprint: str) -> JobRecord:
    if found.fingerprint != fingerprint:
        raise IdempotencyConflict(f"this key was used for job {found.id}, whose request was a different one")
    return found
