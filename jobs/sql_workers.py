"""The job store in SQL, as far as workers use it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from jobs.record import JobRecord, Lease, overall_progress
from jobs.sql_base import FREE, Session, SqlBase, log_event, one_job
from jobs.store import LeaseLost
from schema.document import Section
from schema.errors import ErrorBody
from schema.jobs import FINAL_STATES, AnalyzerProgress, JobState

HELD = "id = ? AND lease_owner = ? AND lease_token = ? AND ended_s IS NULL"
"""A job that is still this lease's. Also one whose lease ran out, as long as nobody took it."""


class WorkerSide(SqlBase):
    """What workers do."""

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
            return one_job(session, lease.id), lease

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
            return one_job(session, lease.id)

    def move(self, lease: Lease, state: JobState) -> None:
        """As the interface says."""
        if state in FINAL_STATES:
            raise ValueError(f"{state!r} is final; use finish")
        with self._writing() as session:
            _held(session, lease, "updated_s = ?", session.now_s)
            if one_job(session, lease.id).state != state:
                self._log_state(session, lease.id, state)

    def add_section(self, lease: Lease, section: Section) -> None:
        """As the interface says."""
        with self._writing() as session:
            _held(session, lease, "updated_s = ?", session.now_s)
            log_event(session, lease.id, "section", section.model_dump_json(), section.analyzer)

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
            return one_job(session, lease.id)

    def release(self, lease: Lease) -> None:
        """As the interface says."""
        with self._writing() as session:
            changes = "lease_owner = NULL, lease_until_s = 0, attempts = attempts - 1, progress = 0"
            _held(session, lease, f"{changes}, analyzer_progress = '{{}}'")
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
            return one_job(session, lease.id), lease

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


def _held(session: Session, lease: Lease, changes: str, *values: Any) -> None:
    """Changes the job, which locks its row, if it is still this lease's."""
    if not session.run(f"UPDATE jobs SET {changes} WHERE {HELD}", *values, lease.id, lease.owner, lease.token):
        raise LeaseLost(lease.id)


def _ended(session: Session, lease: Lease, changes: str, *values: Any) -> None:
    where = "id = ? AND lease_owner = ? AND lease_token = ? AND ended_s IS NOT NULL AND settled = 0"
    if not session.run(f"UPDATE jobs SET {changes} WHERE {where}", *values, lease.id, lease.owner, lease.token):
        raise LeaseLost(lease.id)
