"""Opens the job store that the settings name."""

from __future__ import annotations

from pathlib import Path

from jobs.settings import JobSettings
from jobs.store import JobStore
from schema.errors import StoreUnavailable

POSTGRES_SCHEMES = ("postgresql://", "postgres://")


def open_store(settings: JobSettings, data_path: Path) -> JobStore:
    """PostgreSQL where the settings have its URL, else SQLite in the data folder.

    Raises:
        StoreUnavailable: It cannot be opened, or the URL is of no database that is known here.
    """
    if settings.store_url is None:
        from jobs.sqlite import SqliteJobStore

        return SqliteJobStore(data_path / "jobs.db", settings.aging_s)
    if not settings.store_url.startswith(POSTGRES_SCHEMES):
        scheme = settings.store_url.partition("://")[0]
        raise StoreUnavailable(f"jobs.store_url begins with {scheme!r}; allowed is {POSTGRES_SCHEMES[0]}...")
    from jobs.postgres import PostgresJobStore

    return PostgresJobStore(settings.store_url, settings.aging_s)
