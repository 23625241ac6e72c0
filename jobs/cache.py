"""Finished sections by what they depend on, so that asking again costs nothing. One SQLite file below the data folder.

Any number of processes of one machine may read and write at once. Every call opens the file anew, so nothing is shared
between threads, and a file that was replaced is found. Only JSON is stored and nothing is unpickled. Losing the file
loses time, never a result: whatever goes wrong with it is logged, and the analysis goes on without.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from schema.base import Model
from schema.stored import StoredSection

logger = logging.getLogger("tiktok_analyzer.cache")

MAX_SECTION_BYTES = 64_000_000
"""Bytes of one section's JSON. The largest of a 5 minute clip take 1 MB; more is no section of ours."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS sections (
    key TEXT PRIMARY KEY,
    payload BLOB NOT NULL,
    digest BLOB NOT NULL,
    size INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    used INTEGER NOT NULL,
    used_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS by_use ON sections (kept, used, size);
"""

NEXT_USE = "(SELECT COALESCE(MAX(used), 0) + 1 FROM sections)"
"""Uses are counted and not timed: clocks jump, and two uses within one tick have an order too."""


class CacheSettings(Model):
    """The section cache. Each number has a unit, a bound and a reason."""

    enabled: bool = True
    """Off: every request is computed, and nothing is stored."""
    megabytes: Annotated[float, Field(gt=0.0, le=1_000_000.0)] = 512.0
    """MB of stored sections; beyond, those go first that were not used for longest. All 13 sections of a 15 s clip take
    0.07 MB, so this holds some 7,000 videos."""
    kept_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    """Share of ``megabytes`` that sections of requests with ``keep`` may hold on to. The others need the rest:
    a bulk run that keeps everything must not end the cache for all others."""
    busy_timeout_s: Annotated[float, Field(gt=0.0, le=60.0)] = 2.0
    """Wall seconds to wait for another process's write, which takes milliseconds; then the cache is left alone."""


@dataclass(frozen=True)
class CacheState:
    """What the cache holds.

    Attributes:
        sections: Entries.
        bytes: Of their contents.
        kept_bytes: Of those that are kept.
    """

    sections: int
    bytes: int
    kept_bytes: int


class SectionCache:
    """The cache below one data folder.

    Args:
        data_path: The data folder; ``cache/`` in it is made when missing.
        settings: Its bounds.
    """

    def __init__(self, data_path: Path, settings: CacheSettings) -> None:
        self._folder = data_path / "cache"
        self._path = self._folder / "sections.sqlite"
        self._settings = settings
        self._max_bytes = round(settings.megabytes * 1_000_000)
        self._max_kept_bytes = round(settings.megabytes * 1_000_000 * settings.kept_share)

    def is_empty(self) -> bool:
        """Whether there is nothing to find, so that nobody need wait for a video's hash. Milliseconds."""
        empty = True
        if self._path.exists():
            with self._guarded("read"), self._open() as database:
                empty = database.execute("SELECT 1 FROM sections LIMIT 1").fetchone() is None
        return empty

    def get(self, keys: Iterable[str], keep: bool = False) -> dict[str, StoredSection]:
        """The entries there are, by key. They count as used now; a damaged one is dropped.

        Args:
            keys: Of sections.
            keep: Keep what is found from now on, as far as ``kept_share`` goes.
        """
        wanted = sorted(set(keys))
        rows: list[tuple[str, bytes, bytes]] = []
        found: dict[str, StoredSection] = {}
        if not wanted or not self._path.exists():
            return found
        with self._guarded("read"), self._open() as database:
            marks = ",".join("?" * len(wanted))
            rows = database.execute(
                f"SELECT key, payload, digest FROM sections WHERE key IN ({marks})", wanted
            ).fetchall()
        damaged = []
        for key, payload, digest in rows:
            if stored := _unpacked(payload, digest):
                found[key] = stored
            else:
                damaged.append(key)
        self.drop(damaged)
        if found:
            self._touch(found, keep)
        return found

    def put(self, sections: Mapping[str, StoredSection], keep: bool = False) -> None:
        """Stores or replaces entries; then as many go as the bound asks for, those not used for longest first.

        Args:
            sections: By key. One that alone is larger than the cache is left out.
            keep: Never remove them for want of room, as far as ``kept_share`` goes.
        """
        packed = [(key, *_packed(stored)) for key, stored in sections.items()]
        rows = [row for row in packed if len(row[1]) <= self._max_bytes]
        if not rows:
            return
        with self._guarded("written"), self._made(), self._open() as database, _writing(database):
            for key, payload, digest in rows:
                kept = self._may_keep(database, key, len(payload), keep)
                database.execute(
                    f"INSERT OR REPLACE INTO sections VALUES (?, ?, ?, ?, ?, {NEXT_USE}, ?)",
                    (key, payload, digest, len(payload), kept, time.time()),
                )
            self._make_room(database)

    def drop(self, keys: Iterable[str]) -> None:
        """Removes entries, kept ones too."""
        gone = [(key,) for key in keys]
        if gone:
            with self._guarded("written"), self._open() as database, _writing(database):
                database.executemany("DELETE FROM sections WHERE key = ?", gone)

    def unused_since(self, time_s: float) -> CacheState:
        """What ``forget_unused`` would remove. ``time_s`` in seconds since 1970."""
        return self._state("WHERE kept = 0 AND used_at < ?", time_s)

    def forget_unused(self, time_s: float) -> CacheState:
        """Removes what was not used since ``time_s`` (seconds since 1970) and is not kept; gives back its disk space.

        Returns:
            What went.
        """
        gone = self.unused_since(time_s)
        if gone.sections:
            with self._guarded("written"), self._open() as database:
                with _writing(database):
                    database.execute("DELETE FROM sections WHERE kept = 0 AND used_at < ?", (time_s,))
                database.execute("PRAGMA incremental_vacuum").fetchall()
        return gone

    def state(self) -> CacheState:
        """How much the cache holds."""
        return self._state("")

    def _state(self, where: str, *values: float) -> CacheState:
        state = CacheState(0, 0, 0)
        if self._path.exists():
            with self._guarded("read"), self._open() as database:
                columns = "COUNT(*), COALESCE(SUM(size), 0), COALESCE(SUM(size * kept), 0)"
                state = CacheState(*database.execute(f"SELECT {columns} FROM sections {where}", values).fetchone())
        return state

    def _touch(self, keys: Iterable[str], keep: bool) -> None:
        with self._guarded("written"), self._open() as database, _writing(database):
            for key in sorted(keys):
                found = database.execute("SELECT size FROM sections WHERE key = ?", (key,)).fetchone()
                if found is None:
                    continue  # another process has removed it since
                database.execute(
                    f"UPDATE sections SET used = {NEXT_USE}, used_at = ?, kept = ? WHERE key = ?",
                    (time.time(), self._may_keep(database, key, found[0], keep), key),
                )

    def _may_keep(self, database: sqlite3.Connection, key: str, size: int, keep: bool) -> bool:
        """Whether this entry is to be kept: asked for, or kept already, and there is room among the kept ones."""
        if not keep and not database.execute("SELECT 1 FROM sections WHERE key = ? AND kept = 1", (key,)).fetchone():
            return False
        (others,) = database.execute(
            "SELECT COALESCE(SUM(size), 0) FROM sections WHERE kept = 1 AND key != ?", (key,)
        ).fetchone()
        return bool(others + size <= self._max_kept_bytes)

    def _make_room(self, database: sqlite3.Connection) -> None:
        (total,) = database.execute("SELECT SUM(size) FROM sections").fetchone()
        excess, gone = total - self._max_bytes, []
        if excess > 0:
            for key, size in database.execute("SELECT key, size FROM sections WHERE kept = 0 ORDER BY used"):
                gone.append((key,))
                excess -= size
                if excess <= 0:
                    break
            database.executemany("DELETE FROM sections WHERE key = ?", gone)

    @contextmanager
    def _made(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        yield

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for one call, in autocommit mode."""
        timeout_s = self._settings.busy_timeout_s
        with closing(sqlite3.connect(self._path, timeout=timeout_s, isolation_level=None)) as database:
            if database.execute("PRAGMA user_version").fetchone() != (1,):
                self._set_up(database)
            # A process that is killed costs no more than its last write. Only a power cut can damage the file, which is
            # found out by the digests and by SQLite; waiting for the disk in every request would cost more.
            database.execute("PRAGMA synchronous = OFF")
            yield database

    def _set_up(self, database: sqlite3.Connection) -> None:
        with self._alone():
            database.execute("PRAGMA auto_vacuum = INCREMENTAL")
            database.executescript(SCHEMA)
            database.execute("PRAGMA user_version = 1")

    @contextmanager
    def _guarded(self, what: str) -> Iterator[None]:
        """What disk and SQLite find wrong ends here: a damaged file is removed, else only the call is given up."""
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            logger.warning("the section cache could not be %s: %s", what, error)
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise  # a fault of ours
            logger.warning("the section cache %s is damaged and starts anew: %s", self._path, error)
            with self._alone():
                for file in self._folder.glob("sections.sqlite*"):
                    file.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """For what SQLite's own locks do not cover: making the file and removing it."""
        with (self._folder / "sections.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@contextmanager
def _writing(database: sqlite3.Connection) -> Iterator[None]:
    """One transaction, all or nothing; it waits its turn at the start, so it never fails half way for a lock."""
    with database:
        database.execute("BEGIN IMMEDIATE")
        yield


def _packed(stored: StoredSection) -> tuple[bytes, bytes]:
    """Payload and digest. Level 1 halves the bytes in a millisecond; level 6 takes three for 5 % more."""
    payload = zlib.compress(stored.model_dump_json().encode(), 1)
    return payload, hashlib.sha256(payload).digest()


def _unpacked(payload: bytes, digest: bytes) -> StoredSection | None:
    """The section, or None where the bytes are not those that were written or have a form of another version."""
    if hashlib.sha256(payload).digest() != digest:
        logger.warning("a damaged entry of the section cache is dropped")
        return None
    try:
        return StoredSection.model_validate_json(zlib.decompressobj().decompress(payload, MAX_SECTION_BYTES))
    except (ValidationError, zlib.error) as error:
        logger.info("an entry of the section cache does not fit this version and is dropped: %s", error)
        return None
