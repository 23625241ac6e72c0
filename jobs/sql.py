"""The job store in SQL that SQLite and PostgreSQL both read; what differs is in their own modules."""

from __future__ import annotations

from jobs.sql_clients import ClientSide
from jobs.sql_workers import WorkerSide


class SqlJobStore(ClientSide, WorkerSide):
    """All but connecting."""
