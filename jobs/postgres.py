"""The job store in a PostgreSQL database: for several nodes, which then share the data folder as well.

Times are the database's, so nodes whose clocks differ agree on who holds what. Rows that one claim has chosen are
passed over by the others, so workers do not wait for each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jobs.sql import SqlJobStore
from jobs.sql_base import Row, Session
from schema.errors import StoreUnavailable

CONNECT_TIMEOUT_S = 5
"""Wall seconds to wait for a connection; a server on the same network answers in milliseconds."""

SESSION = "SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'; SET tcp_keepalives_idle = 10"
"""What each connection asks of the server. A lock is waited for as long as SQLite's; a node that loses its power in a
transaction holds up the others for a minute and not, as by default, for two hours. No transaction here waits for
anything but the disk that a document is renamed on."""

ALONE_LOCK = 7_245_113_901
"""Number of the advisory lock under which jobs are admitted and tables are changed; any number would do."""


class PostgresJobStore(SqlJobStore):
    """Jobs in a database.

    Args:
        url: ``postgresql://user:password@host:port/database``.
        aging_s: Seconds of waiting that count as one step of priority.
        clock: Seconds since 1970; the database's when None.

    Raises:
        StoreUnavailable: The database cannot be reached, or its tables are of a newer version of this software.
    """

    serial = "BIGINT GENERATED ALWAYS AS IDENTITY"
    skip_locked = "FOR UPDATE SKIP LOCKED"

    def __init__(self, url: str, aging_s: float, clock: Callable[[], float] | None = None) -> None:
        super().__init__(aging_s)
        self._url, self._clock = url, clock
        self._idle: list[Any] = []
        self._lock = threading.Lock()
        self._open()

    def close(self) -> None:
        """Closes the connections that are not in use."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with self._writing() as session:
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        import psycopg

        connection, now_s = self._begun()
        try:
            with connection.transaction():
                yield _Transaction(connection, now_s)
        except psycopg.Error as error:
            raise StoreUnavailable(f"the database failed: {str(error).strip().splitlines()[0]}") from error
        finally:
            if connection.closed:
                connection.close()
            else:
                with self._lock:
                    self._idle.append(connection)

    def _alone(self, session: Session) -> None:
        session.rows("SELECT pg_advisory_xact_lock(?)", ALONE_LOCK)

    def _begun(self) -> tuple[Any, float]:
        """A connection that answers, and its time. One that the server has closed meanwhile is replaced."""
        import psycopg

        while True:
            with self._lock:
                idle = self._idle.pop() if self._idle else None
            try:
                connection = idle or self._connected()
                found = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchall()
            except psycopg.Error as error:
                if idle is None:
                    raise StoreUnavailable(
                        f"the database does not answer: {str(error).strip().splitlines()[0]}"
                    ) from error
                idle.close()
                continue
            return connection, float(found[0][0]) if self._clock is None else self._clock()

    def _connected(self) -> Any:
        import psycopg

        connection = psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S)
        connection.execute(SESSION)
        return connection


class _Transaction:
    """A session on one connection."""

    def __init__(self, connection: Any, now_s: float) -> None:
        self._connection = connection
        self.now_s = now_s

    def rows(self, statement: str, *values: Any) -> list[Row]:
        cursor = self._executed(statement, values)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def run(self, statement: str, *values: Any) -> int:
        return int(self._executed(statement, values).rowcount)

    def _executed(self, statement: str, values: tuple[Any, ...]) -> Any:
        return self._connection.execute(statement.replace("?", "%s"), values)
