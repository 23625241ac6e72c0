"""Works on a mass run: keeps worker processes busy until all its jobs have ended, and tells how far it is.

The workers are clients of the job store like the ingress replicas of a service: whoever is free takes the next job. So
a run may be worked on by a service, by these processes, or by both, and each may be killed at any time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from analyzers.threads import thread_environment
from deployments.settings import PROJECT_ROOT
from jobs.owner import is_dead
from jobs.store import JobStore
from ops.bulk_run import MassRun, Standing
from schema.errors import AnalyzerSystemError, WorkerLost

POLL_S = 0.5
"""Wall seconds between two looks at the store."""

RATE_S = 300.0
"""The rate is that of the last five minutes: a run's videos differ, and so does what else the machine does."""

MAX_DEATHS = 3
"""Worker processes that may die one after the other without one job having ended. A video that kills its worker is
given up after ``jobs.max_attempts``, which ends a job; what still dies then has another cause."""

STOP_S = 30.0
"""Wall seconds that a worker has for giving its job back: the chunk in work is computed to its end."""


class NoWorker(AnalyzerSystemError):
    """The worker processes do not live."""

    code, title = WorkerLost.code, "The workers end before any video is done"


@dataclass(frozen=True)
class Pace:
    """How fast it goes.

    Attributes:
        per_minute: Jobs that ended, per minute of the last five; None until one has.
        remaining_s: Until the end at this rate.
    """

    per_minute: float | None
    remaining_s: float | None


class Meter:
    """Measures the pace from the numbers of ended jobs."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def pace(self, standing: Standing, now_s: float) -> Pace:
        """The pace, ``standing`` being the state at ``now_s`` on a clock that never goes back."""
        if self._seen and standing.ended < self._seen[-1][1]:
            self._seen.clear()  # some were put back into the queue
        self._seen.append((now_s, standing.ended))
        while now_s - self._seen[0][0] > RATE_S:
            self._seen.popleft()
        before, spent_s = self._seen[0][1], now_s - self._seen[0][0]
        if standing.ended <= before or spent_s <= 0.0:
            return Pace(None, None)
        per_s = (standing.ended - before) / spent_s
        return Pace(60.0 * per_s, standing.open / per_s)


class Workers:
    """The worker processes of this run.

    Args:
        wanted: Processes at once.
        profile: Serve yaml with their settings.
        data_dir: Data folder in place of the yaml's.
        log_path: Folder for their logs.
    """

    def __init__(self, wanted: int, profile: Path, data_dir: str | None, log_path: Path) -> None:
        self.wanted, self._log_path = wanted, log_path
        self._command = [sys.executable, "-m", "ops.bulk_worker", str(profile), *([data_dir] if data_dir else [])]
        self._running: list[subprocess.Popen[bytes]] = []
        self._deaths, self._ended = 0, -1

    def keep_up(self, queued: int, ended: int) -> None:
        """Starts as many as there is work for.

        Args:
            queued: Jobs that a worker could take now.
            ended: Jobs of the run that are over.

        Raises:
            NoWorker: They die without getting anything done.
        """
        for worker in [worker for worker in self._running if worker.poll() is not None]:
            self._deaths += worker.returncode != 0
            self._running.remove(worker)
            worker.communicate()  # closes its input
        if ended != self._ended:
            self._deaths, self._ended = 0, ended
        if self._deaths >= MAX_DEATHS * max(1, self.wanted):
            raise NoWorker(f"{self._deaths} worker processes have died", f"Look into {self._log_path}.")
        for _ in range(min(queued, self.wanted - len(self._running))):
            self._running.append(self._started())

    def _started(self) -> subprocess.Popen[bytes]:
        self._log_path.mkdir(parents=True, exist_ok=True)
        with (self._log_path / "bulk-workers.log").open("ab") as log:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,  # closes when this process is gone, whatever ends it
                stdout=log,
                stderr=log,
                cwd=PROJECT_ROOT,
                env={**os.environ, **thread_environment(1)},
                start_new_session=True,  # Ctrl-C is for this process, which then stops them
            )

    def stop(self) -> None:
        """Has them give their jobs back, and waits until they have ended."""
        for worker in self._running:
            if worker.stdin is not None:
                worker.stdin.close()
        for worker in self._running:
            try:
                worker.wait(STOP_S)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        self._running.clear()


def free_dead_owners(store: JobStore) -> None:
    """Puts back what workers of this machine had in work when they were killed, without waiting for their leases."""
    for owner in store.lease_owners():
        if is_dead(owner):
            store.expire_owner(owner)


def process(
    run: MassRun, store: JobStore, workers: Workers, show: Callable[[Standing, Pace], None], poll_s: float = POLL_S
) -> Standing:
    """Returns when every job of the run has ended.

    Args:
        run: Of the jobs.
        store: Of the jobs.
        workers: None of which live yet.
        show: Called with each look at the run.
        poll_s: Wall seconds between two looks.

    Raises:
        NoWorker: The workers die without getting anything done.
    """
    meter = Meter()
    try:
        while True:
            standing = run.standing()
            show(standing, meter.pace(standing, time.monotonic()))
            unsettled = 0 if standing.open or not workers.wanted else run.unsettled()
            if not standing.open and not unsettled:
                return standing
            free_dead_owners(store)
            workers.keep_up(store.queued() + unsettled, standing.ended)
            time.sleep(poll_s)
    finally:
        workers.stop()
