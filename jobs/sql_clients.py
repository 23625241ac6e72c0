"""The job store in SQL, as far as clients use it."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from jobs.record import JobCopy, JobRecord, NewJob
from jobs.rows import event_from, record_from
from jobs.sql_base import FREE, Session, SqlBase, one_job
from jobs.store import overloaded
from schema.errors import Cancelled, IdempotencyConflict, InvalidRequest
from schema.jobs import JobEvent, JobState

RECENT_JOBS = 20
"""Jobs over which the mean time of work is taken: the last quarter of an hour of a busy small machine."""

LARGEST = 2**63 - 1
"""The largest number that both databases take; clients may send any."""


class ClientSide(SqlBase):
    """What clients do."""

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
                    raise overloaded(waiting, new.priority, max_queued)
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
        return one_job(session, new.id)

    def get(self, id: str) -> JobRecord:
        """As the interface says."""
        with self._reading() as session:
            return one_job(session, id)

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
            wanted.append(("number < ?", [max(0, min(before, LARGEST))]))
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

    def with_key(self, idempotency_key: str) -> JobRecord | None:
        """As the interface says."""
        with self._reading() as session:
            rows = session.rows("SELECT * FROM jobs WHERE idempotency_key = ?", idempotency_key)
        return record_from(rows[0]) if rows else None

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
            return one_job(session, id)

    def requeue(self, id: str) -> JobRecord:
        """As the interface says."""
        with self._writing() as session:
            found = one_job(session, id)
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
            return one_job(session, id)

    def note_copy(self, copy: JobCopy) -> None:
        """As the interface says."""
        with self._writing() as session:
            one_job(session, copy.job_id)
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


def _queued(session: Session, least_priority: int) -> int:
    row = session.rows(
        f"SELECT count(*) AS jobs FROM jobs WHERE {FREE} AND priority >= ?", session.now_s, least_priority
    )[0]
    return int(row["jobs"])


def _same_request(found: JobRecord, fingerprint: str) -> JobRecord:
    if found.fingerprint != fingerprint:
        raise IdempotencyConflict(f"this key was used for job {found.id}, whose request was a different one")
    return found
