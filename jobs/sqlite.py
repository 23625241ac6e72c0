"""The job store as one SQLite file: the embedded default, for one machine.

The file is in WAL mode: readers never wait, one writer at a time, and what was committed survives SIGKILL and, because
each commit is flushed, a power cut. Its folder must be a local disk: WAL does not work over a network.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.sql import SqlJobStore
from jobs.sql_base import Row, Session
from schema.errors import StoreUnavailable

BUSY_TIMEOUT_S = 30.0
"""Wall seconds a writer waits for its turn. A transaction takes some milliseconds; with 30 s not even a machine that
swaps gives up."""

WAL_PAUSE_S = 0.01
"""Wall seconds between two tries to change a new file's mode; the other connection needs about a millisecond."""


class _Transaction:
    """A session on one connection."""

    def __init__(self, connection: sqlite3.Connection, now_s: float) -> None:
        self._connection = connection
        self.now_s = now_s

    def rows(self, statement: str, *values: Any) -> list[Row]:
        return [dict(row) for row in self._connection.execute(statement, values).fetchall()]

    def run(self, statement: str, *values: Any) -> int:
        return self._connection.execute(statement, values).rowcount


class SqliteJobStore(SqlJobStore):
    """Jobs in one file.

    Args:
        path: Of the file; made with its folder when missing.
        aging_s: Seconds of waiting that count as one step of priority.
        clock: Seconds since 1970.

    Raises:
        StoreUnavailable: The file cannot be opened, or is of a newer version of this software.
    """

    serial = "INTEGER"
    skip_locked = ""  # the claim holds the only write lock

    def __init__(self, path: Path, aging_s: float, clock: Callable[[], float] = time.time) -> None:
        super().__init__(aging_s)
        self._path, self._clock = path, clock
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open()

    def close(self) -> None:
        """Closes the connections that are not in use."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with self._transaction("BEGIN") as session:
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with self._transaction("BEGIN IMMEDIATE") as session:
            yield session

    def _alone(self, session: Session) -> None:
        """A writing transaction is the only one there is."""

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Session]:
        connection = self._connection()
        done = False
        try:
            connection.execute(begin)
            yield _Transaction(connection, self._clock())
            connection.execute("COMMIT")
            done = True
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self._path.name}: {error}") from error
        finally:
            if not done and connection.in_transaction:
                connection.execute("ROLLBACK")
            with self._lock:
                self._idle.append(connection)

    def _connection(self) -> sqlite3.Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        try:
            connection = sqlite3.connect(
                self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            connection.row_factory = sqlite3.Row
            _enter_wal(connection)
            for pragma in ("synchronous = FULL", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self._path}: {error}") from error
        return connection


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Waits for its turn to change a new file's mode: SQLite itself refuses at once where two connections do so."""
    end_s = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= end_s:
                raise
            time.sleep(WAL_PAUSE_S)
        else:
            return
