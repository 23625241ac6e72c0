"""A batch under load against the served application: cancelled, disconnected, asked again, killed. Every count must be
right at the end, and a person beside the batch must not notice it. Prints a table and writes JSON; exit status 1 when a
count is wrong.

python -m benchmarks.load [--jobs 100] [--kills 2] [--seed 1] [--all] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.load_checks import Findings
from benchmarks.load_clients import Clients
from benchmarks.load_plan import Request, make_clip, plan
from deployments.settings import PROJECT_ROOT
from jobs.opening import open_store
from jobs.settings import JobSettings
from jobs.store import JobStore
from tests.media_folder import MEDIA

LIGHT = "cut_analysis,color_analysis,audio_analysis"
"""Analyzers by default: the test is about jobs."""

THREADS = 8
"""Clients of the mass work at once."""

ALONE = 8
"""Requests of the person before the batch."""

PERSON_PRIORITY = 9
PERSON_REST_S = (0.1, 0.8)
"""Wall seconds between two requests of the person."""

PATIENCE_S = 900.0
"""Wall seconds for the batch, after which the test has failed."""


CONSOLE_COLUMNS = 110


class Server:
    """The application in a process of its own, which can be killed with all that it started.

    Args:
        folder: With ``videos``, and ``data``.
        names: Of the analyzers.
    """

    def __init__(self, folder: Path, names: str) -> None:
        self._command = [sys.executable, "-m", "benchmarks.load_server", str(folder), names]
        self.starts_s: list[float] = []
        self.kills_s: list[float] = []
        self.start()

    def start(self) -> None:
        """Returns when it is ready."""
        started_s = time.monotonic()
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT)
        assert self._process.stdout is not None
        url = self._process.stdout.readline().strip()
        if not url:
            raise RuntimeError("the service did not start")
        self.url = url
        self.starts_s.append(time.monotonic() - started_s)

    @property
    def life(self) -> tuple[int, int]:
        """The same at two moments if it has lived, or been down, from the first to the second."""
        return len(self.starts_s), len(self.kills_s)

    def kill(self) -> None:
        """SIGKILL for the process and all that it started."""
        self.kills_s.append(time.time())
        parent = psutil.Process(self._process.pid)
        for one in [parent, *parent.children(recursive=True)]:
            try:
                one.kill()
            except psutil.NoSuchProcess:
                continue
        self._process.communicate()


class Person:
    """Somebody who sends one video after the other and waits for each.

    Args:
        clients: Whose ways of asking again it shares.
        clip: The video; all of it is computed each time.
    """

    def __init__(self, clients: Clients, clip: Path, server: Server, seed: int) -> None:
        self._clients, self._clip, self._server, self._draw = clients, clip, server, random.Random(seed)
        self.keys: list[str] = []
        self.alone_s: list[float] = []
        self.beside_s: list[float] = []
        self.interrupted, self.ended = 0, 0
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def ask(self, into: list[float]) -> None:
        """One request; one that met a death or a start of the service is not timed."""
        self.keys.append(f"person-{len(self.keys)}")
        body = {"video_path": self._clip.name, "priority": PERSON_PRIORITY, "options": {"fresh": True}}
        headers = {"Idempotency-Key": self.keys[-1]}
        life, started_s = self._server.life, time.monotonic()

        def post() -> httpx.Response:
            return httpx.post(f"{self._server.url}/analyze", json=body, headers=headers, timeout=600.0)

        answer = self._clients.patiently(post)
        self.ended += 1
        if answer.status_code != httpx.codes.OK:
            self._clients.faults.append(f"the person got {answer.text[:200]}")
        elif self._server.life != life:
            self.interrupted += 1
        else:
            into.append(time.monotonic() - started_s)

    def begin(self) -> None:
        """Goes on in the background until ``end``."""
        self._thread.start()

    def end(self) -> None:
        self._enough.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._enough.wait(self._draw.uniform(*PERSON_REST_S)):
            self.ask(self.beside_s)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--all", action="store_true", help="all analyzers of the CPU profile")
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "benchmarks" / "results" / "local" / "load.json")
    arguments = parser.parse_args()
    console = Console(width=CONSOLE_COLUMNS)
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        found = run(Path(folder), arguments, console)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=1))
    console.print(f"wrote {arguments.out}")
    return 0 if found["right"] else 1


def run(folder: Path, arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The whole test; gives its figures."""
    requests = plan(folder / "videos", MEDIA, arguments.jobs, arguments.seed)
    clip = folder / "videos" / "person.mp4"
    make_clip(clip, 10_000)
    console.print(f"{len(requests)} requests, {arguments.kills} kills; starting the service ...")
    server = Server(folder, "all" if arguments.all else LIGHT)
    store = open_store(JobSettings(), folder / "data")
    try:
        clients = Clients(lambda: server.url, requests, THREADS)
        person = Person(clients, clip, server, arguments.seed)
        person.ask([])  # the first one warms the decoders up
        for _ in range(ALONE):
            person.ask(person.alone_s)
        started_s = time.monotonic()
        clients.start()
        person.begin()
        in_time = drive(server, store, clients, person, arguments.kills, console)
        person.end()
        in_time = in_time and until_settled(store)
        batch_s = time.monotonic() - started_s
    finally:
        server.kill()
    findings = Findings(requests, clients.told, person.keys, server.kills_s)
    findings.look(store, folder / "data")
    findings.wrong += clients.faults + ([] if in_time else [f"not over within {PATIENCE_S:g} s"])
    store.close()
    figures = figures_of(requests, clients, person, server, findings, batch_s)
    show(figures, console)
    return figures


def drive(server: Server, store: JobStore, clients: Clients, person: Person, kills: int, console: Console) -> bool:
    """Kills and restarts the service while the batch goes on; returns whether all jobs have ended in time."""
    end_s, done, count = time.monotonic() + PATIENCE_S, 0, len(clients.told)
    while time.monotonic() < end_s:
        counts = store.counts()
        ended = sum(counts.get(state, 0) for state in ("done", "failed", "cancelled"))
        in_work = sum(counts.values()) - ended - counts.get("queued", 0)
        mass = ended - person.ended
        if done < kills and mass >= (done + 1) * count / (kills + 1) and (in_work or clients.over()):
            console.print(f"kill {done + 1} after {mass} jobs, {in_work} in work: {dict(counts)}")
            server.kill()
            server.start()
            done += 1
        if clients.over() and ended == sum(counts.values()) and done == kills:
            return True
        time.sleep(0.05)
    return False


def until_settled(store: JobStore) -> bool:
    """Waits for what comes after the jobs' ends."""
    end_s = time.monotonic() + 60.0
    while time.monotonic() < end_s:
        if all(record.settled for record in store.find(limit=100_000)):
            return True
        time.sleep(0.2)
    return False


def figures_of(
    requests: Sequence[Request], clients: Clients, person: Person, server: Server, findings: Findings, batch_s: float
) -> dict[str, Any]:
    """All that was measured and counted."""
    return {
        "right": findings.is_right,
        "wrong": findings.wrong,
        "counts": {what: {"found": found, "expected": wanted} for what, (found, wanted) in findings.counts.items()},
        "states": dict(findings.states),
        "requests": len(requests),
        "broken": sum(request.error is not None for request in requests),
        "copies": sum(request.copy_of is not None for request in requests),
        "ways": {way: sum(request.way == way for request in requests) for way in sorted({r.way for r in requests})},
        "happened": dict(clients.happened),
        "kills": len(server.kills_s) - 1,
        "batch_s": batch_s,
        "starts_s": server.starts_s,
        "latency_s": {"alone": spread(person.alone_s), "beside": spread(person.beside_s)},
        "person_interrupted": person.interrupted,
        "refusal_s": spread(clients.refusals_s),
        "decision_s": spread(clients.decisions_s),
        "cancel_s": spread(findings.cancel_s),
    }


def spread(values: Sequence[float]) -> dict[str, float | int | None]:
    """Number, median, 95th percentile and maximum."""
    if not values:
        return {"count": 0, "median": None, "p95": None, "max": None}
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return {"count": len(ordered), "median": statistics.median(ordered), "p95": p95, "max": ordered[-1]}


def show(figures: dict[str, Any], console: Console) -> None:
    table = Table("count", "found", "expected", title="Counts", title_justify="left")
    for what, row in figures["counts"].items():
        style = "" if row["found"] == row["expected"] else "red"
        table.add_row(what, str(row["found"]), str(row["expected"]), style=style)
    console.print(table)
    times = Table("wall seconds", "number", "median", "p95", "max", title="Times", title_justify="left")
    for what, row in (
        ("a person's video (priority 9), alone", figures["latency_s"]["alone"]),
        ("a person's video beside the batch", figures["latency_s"]["beside"]),
        ("refusal with 429, seen by the client", figures["refusal_s"]),
        ("refusal with 429, inside the application", figures["decision_s"]),
        ("cancelled in work: until its end", figures["cancel_s"]),
    ):
        cells = ["-" if row[name] is None else f"{row[name]:.3f}" for name in ("median", "p95", "max")]
        times.add_row(what, str(row["count"]), *cells)
    console.print(times)
    console.print(f"states: {figures['states']}; ways: {figures['ways']}")
    console.print(f"broken: {figures['broken']}; copies: {figures['copies']}; clients: {figures['happened']}")
    console.print(f"batch: {figures['batch_s']:.0f} s with {figures['kills']} kills; starts: {figures['starts_s']}")
    for line in figures["wrong"]:
        console.print(line, style="red", markup=False)
    console.print("every count is right" if figures["right"] else "COUNTS ARE WRONG")


if __name__ == "__main__":
    sys.exit(main())
