"""Tables of the job store, as steps from one version to the next. A step that was released is never changed."""

from __future__ import annotations

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE jobs (
            number {serial} PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            state TEXT NOT NULL,
            priority INTEGER NOT NULL,
            rank DOUBLE PRECISION NOT NULL,
            source TEXT NOT NULL,
            analyzers TEXT,
            options TEXT NOT NULL,
            idempotency_key TEXT UNIQUE,
            fingerprint TEXT NOT NULL,
            batch TEXT,
            created_s DOUBLE PRECISION NOT NULL,
            started_s DOUBLE PRECISION,
            ended_s DOUBLE PRECISION,
            updated_s DOUBLE PRECISION NOT NULL,
            changes TEXT NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0,
            lease_owner TEXT,
            lease_token BIGINT NOT NULL DEFAULT 0,
            lease_until_s DOUBLE PRECISION NOT NULL DEFAULT 0,
            cancel_requested INTEGER NOT NULL DEFAULT 0,
            progress DOUBLE PRECISION NOT NULL DEFAULT 0,
            analyzer_progress TEXT NOT NULL DEFAULT '{{}}',
            last_event BIGINT NOT NULL DEFAULT 0,
            settled INTEGER NOT NULL DEFAULT 0,
            results_file TEXT,
            error TEXT
        )
        """,
        # The queue: few rows, whatever the number of ended jobs.
        "CREATE INDEX jobs_open ON jobs (rank, number) WHERE ended_s IS NULL",
        "CREATE INDEX jobs_unsettled ON jobs (ended_s) WHERE ended_s IS NOT NULL AND settled = 0",
        "CREATE INDEX jobs_state ON jobs (state, number)",
        "CREATE INDEX jobs_batch ON jobs (batch, number) WHERE batch IS NOT NULL",
        """
        CREATE TABLE job_events (
            job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
            number BIGINT NOT NULL,
            kind TEXT NOT NULL,
            at_s DOUBLE PRECISION NOT NULL,
            analyzer TEXT,
            data TEXT,
            PRIMARY KEY (job_id, number)
        )
        """,
    ),
    (
        """
        CREATE TABLE job_copies (
            batch TEXT NOT NULL,
            location TEXT NOT NULL,
            name TEXT NOT NULL,
            job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
            PRIMARY KEY (batch, location)
        )
        """,
        "CREATE INDEX copies_job ON job_copies (job_id)",
    ),
)
"""Statements per version, beginning with 1. ``{serial}`` is the dialect's ascending number; ``{{}}`` are braces."""
