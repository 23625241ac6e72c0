"""What must be true when the load is over; read from the job store and the data folder, not from the service."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from benchmarks.load_clients import Told
from benchmarks.load_plan import Request
from jobs.record import JobRecord
from jobs.results import ResultStore
from jobs.store import JobStore
from schema.errors import NotFound, Overloaded
from schema.jobs import FINAL_STATES

CANCEL_S = 10.0
"""Wall seconds after a cancellation in which its job may still come to its end: a chunk and two seconds on a quiet
machine, and here it is a busy one."""

KILL_S = 2.0
"""Wall seconds around the death of the service in which it may not have heard that a client has gone."""

ALLOWED_FILES = ("jobs.db", "cache/", "cleanup.lock", "callback_secret", "logs/")
"""What may lie in the data folder beside the documents."""


class Findings:
    """Counts, each with what it should be.

    Args:
        requests: That were sent.
        told: What their clients were told.
        people: Keys of the requests of the person, who waits for each.
        kills_s: Clock at each death of the service.
    """

    def __init__(
        self, requests: list[Request], told: Mapping[int, Told], people: list[str], kills_s: list[float]
    ) -> None:
        self._requests, self._told, self._people, self._kills_s = requests, told, people, kills_s
        self.counts: dict[str, tuple[int, int]] = {}
        self.wrong: list[str] = []
        self.states: Counter[str] = Counter()
        self.cancel_s: list[float] = []

    def look(self, store: JobStore, data: Path) -> None:
        """Counts all of it."""
        records = store.find(limit=100_000)
        by_key = {record.idempotency_key: record for record in records if record.idempotency_key}
        by_name = {record.source.name: record for record in records if not record.idempotency_key}
        self.states.update(record.state for record in records)
        found: list[JobRecord] = []
        for request in self._requests:
            record = by_key.get(request.key) if request.key else by_name.get(request.path.name)
            told = self._told[request.number]
            if record is None:
                refused = told.error == Overloaded.code  # and the client of a "leave" never comes again
                if request.key or not (refused or self._killed(told)):
                    self.wrong.append(f"request {request.number} ({request.way}) has no job")
                continue
            found.append(record)
            if told.ids - {record.id}:
                self.wrong.append(f"request {request.number} was told of jobs {told.ids}, its job is {record.id}")
            if problem := self._end_problem(request, told, record):
                self.wrong.append(f"request {request.number} ({request.way}, {record.id}): {problem}")
        found += [by_key[key] for key in self._people if key in by_key]
        self._expect("jobs in the store = requests accepted", len(records), len({record.id for record in found}))
        self._expect("jobs of the person", sum(key in by_key for key in self._people), len(self._people))
        self._expect("jobs that have ended", sum(record.ended for record in records), len(records))
        ends = [self._ends(store, record.id) for record in records]
        self._expect("jobs with exactly one end in their events", sum(one == 1 for one in ends), len(records))
        self._expect("jobs with nothing left to do", sum(record.settled for record in records), len(records))
        self._documents(records, data)
        self._files(records, data)

    def _end_problem(self, request: Request, told: Told, record: JobRecord) -> str | None:
        code = record.error.code if record.error else None
        if request.error:
            return None if (record.state, code) == ("failed", request.error) else f"{record.state} with {code}"
        if request.way not in ("cancel", "leave") or told.left_s is None:
            return None if record.state == "done" else f"{record.state} with {code}"
        if record.ended_at is None:
            return "has not ended"
        late_s = record.ended_at.timestamp() - told.left_s
        if record.state == "cancelled":
            if told.cancelled_in not in ("cancelled", "done"):
                self.cancel_s.append(max(0.0, late_s))
            return None
        if record.state != "done" or told.cancelled_in == "cancelled":
            return f"{record.state} with {code} after it was cancelled in {told.cancelled_in}"
        if told.cancelled_in is None and self._killed(told):
            return None  # the service died before it heard that the client had gone
        return None if late_s <= CANCEL_S else f"done {late_s:.1f} s after its client had gone"

    def _killed(self, told: Told) -> bool:
        left_s = told.left_s or 0.0
        return any(told.sent_s - KILL_S <= kill_s <= left_s + KILL_S for kill_s in self._kills_s)

    def _ends(self, store: JobStore, id: str) -> int:
        states = [str((event.data or {})["state"]) for event in store.events(id) if event.kind == "state"]
        return sum(state in FINAL_STATES for state in states)

    def _documents(self, records: list[JobRecord], data: Path) -> None:
        done = {record.id for record in records if record.state == "done"}
        results = ResultStore(data)
        self._expect(
            "documents = jobs that are done", len({p.name for p in (data / "results").iterdir()} & done), len(done)
        )
        self._expect("folders of results", len(list((data / "results").iterdir())), len(done))
        by_bytes: defaultdict[str, set[str]] = defaultdict(set)
        whole = 0
        for id in sorted(done):
            try:
                document = results.read(id)
            except NotFound as error:
                self.wrong.append(str(error))
                continue
            whole += document.id == id and document.status == "ok"
            said = {name: section.result for name, section in document.sections.items()}
            by_bytes[document.source.sha256].add(json.dumps(said, sort_keys=True))
        self._expect("documents that are whole", whole, len(done))
        self._expect("equal bytes, equal results", sum(len(said) == 1 for said in by_bytes.values()), len(by_bytes))

    def _files(self, records: list[JobRecord], data: Path) -> None:
        documents = {f"results/{record.id}/document.json" for record in records if record.state == "done"}
        names = [str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()]
        pictures = tuple(document.replace("document.json", "thumbnails/") for document in documents)
        left = [name for name in names if name not in documents and not name.startswith((*ALLOWED_FILES, *pictures))]
        left += [f"incoming/{path.name}" for path in (data / "incoming").iterdir()]
        self.wrong += [f"left over: {name}" for name in left]
        self._expect("files left over", len(left), 0)
        with closing(sqlite3.connect(data / "jobs.db")) as connection:
            sound = connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        self._expect("databases that are damaged", int(not sound), 0)

    def _expect(self, what: str, found: int, expected: int) -> None:
        self.counts[what] = (found, expected)

    @property
    def is_right(self) -> bool:
        """Whether every count is what it should be."""
        return not self.wrong and all(found == expected for found, expected in self.counts.values())
