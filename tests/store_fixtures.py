"""Fixtures of the job store's contract: each implementation in turn; PostgreSQL is a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.postgres import PostgresJobStore
from jobs.sqlite import SqliteJobStore
from jobs.store import JobStore
from tests.job_stores import AGING_S, Bench, Clock
from tests.postgres_server import postgres_server

LEASE_S = 10.0
EPSILON_S = 0.001


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    clock = Clock()
    opened: list[JobStore] = []

    def again() -> JobStore:
        if request.param == "sqlite":
            opened.append(SqliteJobStore(tmp_path / "jobs.db", AGING_S, clock))
        else:
            opened.append(PostgresJobStore(request.getfixturevalue("postgres_url"), AGING_S, clock))
        return opened[-1]

    if request.param == "postgres":
        drop_tables(request.getfixturevalue("postgres_url"))
    yield Bench(again(), clock, again)
    for store in opened:
        store.close()


def drop_tables(url: str) -> None:
    """Leaves an empty database."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute("DROP TABLE IF EXISTS job_copies, job_events, jobs, job_schema")
