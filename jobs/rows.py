"""Rows of the job store as records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from jobs.record import JobRecord
from schema.errors import ErrorBody
from schema.jobs import AnalyzerProgress, JobEvent, JobOptions, JobSource, StateChange


def loaded(text: str | None) -> Any:
    """JSON text as what it says; None stays None."""
    return None if text is None else json.loads(text)


def moment(seconds: float | None) -> datetime | None:
    """Seconds since 1970 as a time in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)


def record_from(row: Mapping[str, Any]) -> JobRecord:
    """A row of ``jobs``."""
    plain = (
        "number",
        "id",
        "state",
        "priority",
        "idempotency_key",
        "fingerprint",
        "batch",
        "attempts",
        "lease_owner",
        "progress",
        "last_event",
        "results_file",
    )
    fields = {name: row[name] for name in plain}
    fields |= {f"{name}_at": moment(row[f"{name}_s"]) for name in ("created", "started", "ended", "updated")}
    fields |= {
        "source": JobSource.model_validate_json(row["source"]),
        "analyzers": loaded(row["analyzers"]),
        "options": JobOptions.model_validate_json(row["options"]),
        "changes": tuple(
            StateChange(state=s, at=datetime.fromtimestamp(t, timezone.utc)) for s, t in loaded(row["changes"])
        ),
        "lease_until": moment(row["lease_until_s"]) if row["lease_owner"] else None,
        "cancel_requested": bool(row["cancel_requested"]),
        "settled": bool(row["settled"]),
        "analyzer_progress": {
            name: AnalyzerProgress.model_validate(state) for name, state in loaded(row["analyzer_progress"]).items()
        },
        "error": None if row["error"] is None else ErrorBody.model_validate_json(row["error"]),
    }
    return JobRecord.model_validate(fields)


def event_from(row: Mapping[str, Any]) -> JobEvent:
    """A row of ``job_events``."""
    return JobEvent.model_validate(
        {
            "number": row["number"],
            "kind": row["kind"],
            "at": moment(row["at_s"]),
            "data": loaded(row["data"]),
            "analyzer": row["analyzer"],
        }
    )
