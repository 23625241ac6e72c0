"""A job's events as Server-Sent Events, from the store: any replica can tell them, also of another's work."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from typing import Any

from jobs.bell import Bell
from jobs.record import JobRecord
from jobs.results import ResultStore
from jobs.store import JobStore
from schema.errors import InvalidRequest, NotFound
from schema.jobs import FINAL_STATES, JobEvent

POLL_S = 0.3
"""Wall seconds between two looks into the store; news of this replica's own work is told at once."""

HEARTBEAT_S = 10.0
"""Wall seconds of silence after which a comment is sent. Proxies close silent connections after 30 s and more."""

RETRY_MS = 1000
"""Milliseconds after which a client that lost its connection comes back."""


def first_wanted(last_event_id: str | None) -> int:
    """The number that ``Last-Event-ID`` names; 0 without one.

    Raises:
        InvalidRequest: It is no number of an event.
    """
    if last_event_id is None or last_event_id == "":
        return 0
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 19):
        raise InvalidRequest(f"Last-Event-ID must be the number of an event, got {last_event_id[:40]!r}")
    return int(last_event_id)


class EventStream:
    """Tells one client about one job.

    Args:
        store: Of the jobs.
        results: Where sections are once the job has ended.
        bell: Rings with this replica's news.
        id: Of the job.
        after: Number of the last event that the client has.
    """

    def __init__(self, store: JobStore, results: ResultStore, bell: Bell, id: str, after: int) -> None:
        self._store, self._results, self._bell, self._id, self._after = store, results, bell, id, after
        self._told_progress: dict[str, Any] | None = None
        self._sections: dict[str, Any] | None = None

    async def texts(self) -> AsyncGenerator[str, None]:
        """What goes over the wire, until the final state has been told."""
        yield f"retry: {RETRY_MS}\n\n"
        told_s = time.monotonic()
        with self._bell.listening(self._id) as ear:
            while True:
                text, over = await asyncio.to_thread(self._news)
                if text or time.monotonic() - told_s >= HEARTBEAT_S:
                    told_s = time.monotonic()
                    yield text or ": still here\n\n"
                if over:
                    return
                await ear.wait(POLL_S)

    def _news(self) -> tuple[str, bool]:
        """What is new, as text, and whether that was all there will ever be."""
        try:
            record = self._store.get(self._id)  # before its events: those that are there then include the last
        except NotFound:
            return "", True  # deleted meanwhile
        texts, over = [], False
        for event in self._store.events(self._id, self._after):
            self._after = event.number
            over = event.kind == "state" and (event.data or {}).get("state") in FINAL_STATES
            texts.append(_text(event.kind, self._data(event, record), event.number))
        if not over and not record.ended:
            texts += self._progress(record)
        return "".join(texts), over or (record.ended and self._after >= record.last_event)

    def _data(self, event: JobEvent, record: JobRecord) -> dict[str, Any]:
        data: dict[str, Any] = {"at": event.at.isoformat().replace("+00:00", "Z")}
        if event.kind == "section":
            return data | {"section": event.data or self._from_document(str(event.analyzer))}
        state = event.data or {}
        if state.get("state") in FINAL_STATES and record.ended:
            error = record.error.model_dump(mode="json") if record.error else None
            data |= {"results_file": record.results_file, "error": error}
        return data | state

    def _from_document(self, analyzer: str) -> dict[str, Any] | None:
        """The section as the document has it; None when that is gone, or it has the section of a later attempt only."""
        if self._sections is None:
            try:
                document = self._results.read(self._id)
            except NotFound:
                return None
            self._sections = {name: s.model_dump(mode="json") for name, s in document.sections.items()}
        return self._sections.get(analyzer)

    def _progress(self, record: JobRecord) -> list[str]:
        status = record.status()
        snapshot = status.model_dump(mode="json", include={"progress", "remaining_s", "analyzers"})
        if not record.analyzer_progress or snapshot == self._told_progress:
            return []
        self._told_progress = snapshot
        return [_text("progress", snapshot, None)]


def _text(kind: str, data: dict[str, Any], number: int | None) -> str:
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {kind}\ndata: {json.dumps(data)}\n\n"
