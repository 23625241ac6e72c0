"""Any order of calls on the job store: one holder at a time, one end per job, nothing lost, nothing out of order."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from jobs.record import Lease
from jobs.sqlite import SqliteJobStore
from jobs.store import LeaseLost
from schema.jobs import FINAL_STATES
from tests.job_stores import MEMORY, Clock, new_job

LEASE_S, AGING_S = 10.0, 50.0


@dataclass
class Known:
    """What must be true of one job."""

    id: str
    priority: int
    arrived_s: float
    number: int
    lease: Lease | None = None
    until_s: float = 0.0
    ended: str | None = None
    attempts: int = 0
    published: list[str] = field(default_factory=list)

    def is_free(self, now_s: float) -> bool:
        return self.ended is None and self.until_s < now_s

    def rank(self) -> tuple[float, int]:
        return self.arrived_s / AGING_S - self.priority, self.number


class StoreRules(RuleBasedStateMachine):
    leases = Bundle("leases")

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        self.clock = Clock()
        self.store = SqliteJobStore(Path(self.folder.name) / "jobs.db", AGING_S, self.clock)
        self.known: dict[str, Known] = {}

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(priority=st.integers(1, 10))
    def add(self, priority: int) -> None:
        record, created = self.store.add(new_job(priority=priority))
        assert created
        self.known[record.id] = Known(record.id, priority, self.clock.now_s, record.number)

    @rule(target=leases, owner=st.sampled_from(["a", "b"]), least=st.sampled_from([1, 5]))
    def claim(self, owner: str, least: int) -> object:
        free = [job for job in self.known.values() if job.is_free(self.clock.now_s) and job.priority >= least]
        claim = self.store.claim(owner, LEASE_S, least)
        if not free:
            assert claim is None
            return multiple()
        assert claim is not None
        record, lease = claim
        job = min(free, key=Known.rank)
        assert record.id == job.id
        job.attempts += 1
        job.lease, job.until_s = lease, self.clock.now_s + LEASE_S
        assert record.attempts == job.attempts
        return lease

    @rule(seconds=st.sampled_from([1.0, 9.9, 10.1, 300.0]))
    def wait(self, seconds: float) -> None:
        self.clock.pass_s(seconds)

    @rule(lease=leases)
    def report(self, lease: Lease) -> None:
        job = self.known[lease.id]
        if self._refused(job, lease, lambda: self.store.report(lease, LEASE_S)):
            return
        job.until_s = self.clock.now_s + LEASE_S

    @rule(lease=leases)
    def give_back(self, lease: Lease) -> None:
        job = self.known[lease.id]
        if self._refused(job, lease, lambda: self.store.release(lease)):
            return
        job.lease, job.until_s = None, 0.0
        job.attempts -= 1

    @rule(lease=leases, state=st.sampled_from(["done", "failed", "cancelled"]))
    def finish(self, lease: Lease, state: str) -> None:
        job = self.known[lease.id]

        def publish() -> None:
            job.published.append(state)

        if not self._refused(job, lease, lambda: self.store.finish(lease, state, publish=publish)):  # type: ignore[arg-type]
            job.ended = state

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if not self.known:
            return
        job = self.known[data.draw(st.sampled_from(sorted(self.known)))]
        was_free = job.is_free(self.clock.now_s)
        record = self.store.request_cancel(job.id)
        if was_free:
            job.ended = "cancelled"
        assert record.ended == (job.ended is not None)

    def _refused(self, job: Known, lease: Lease, act: object) -> bool:
        """Runs ``act``; it must be refused exactly where the lease is not the job's last, or the job has ended."""
        allowed = job.lease == lease and job.ended is None
        try:
            act()  # type: ignore[operator]
        except LeaseLost:
            assert not allowed
            return True
        assert allowed
        return False

    @invariant()
    def the_store_agrees(self) -> None:
        for job in getattr(self, "known", {}).values():
            record = self.store.get(job.id)
            assert (record.state if record.ended else None) == job.ended
            assert record.attempts == job.attempts
            assert len(job.published) <= 1
            events = self.store.events(job.id)
            assert [event.number for event in events] == list(range(1, len(events) + 1))
            finals = [e for e in events if (e.data or {}).get("state") in FINAL_STATES]
            assert len(finals) == (job.ended is not None)
            assert [change.state for change in record.changes] == [(e.data or {})["state"] for e in events]


TestStoreRules = StoreRules.TestCase
TestStoreRules.settings = settings(max_examples=15, stateful_step_count=25, deadline=None, derandomize=True)
