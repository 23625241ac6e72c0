"""The load test's clients: they ask again after a lost connection, go away, cancel; each notes what it was told."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from benchmarks.load_plan import Request

AGAIN_S = 0.5
"""Wall seconds before a client asks again after a lost connection."""

LONGEST_WAIT_S = 3.0
"""A client comes again after at most so long, whatever ``Retry-After`` says: it is a load test."""

GIVE_UP_S = 600.0
"""Wall seconds after which a client has failed."""


@dataclass
class Told:
    """What a client of one request was told.

    Attributes:
        id: Of its job; None where it was told none.
        error: Code of the answer; None for a document or an accepted job.
        sent_s: Clock when it was first sent.
        left_s: Clock when the client went away or its cancellation was answered.
        cancelled_in: State of the job in the answer to the cancellation.
        ids: All that were told.
    """

    id: str | None = None
    error: str | None = None
    sent_s: float = 0.0
    left_s: float | None = None
    cancelled_in: str | None = None
    ids: set[str] = field(default_factory=set)


class Clients:
    """Several clients that share a list of requests.

    Args:
        url: Gives the service's address, which changes with each restart.
        requests: In order.
        threads: Clients at once.
    """

    def __init__(self, url: Callable[[], str], requests: list[Request], threads: int) -> None:
        self._url, self._todo = url, queue.SimpleQueue[Request]()
        for request in requests:
            self._todo.put(request)
        self.told = {request.number: Told() for request in requests}
        self.happened: Counter[str] = Counter()
        self.refusals_s: list[float] = []
        self.decisions_s: list[float] = []
        self.faults: list[str] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        """Begins to send."""
        for thread in self._threads:
            thread.start()

    def over(self) -> bool:
        """Whether all have been sent and answered."""
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        with httpx.Client(timeout=httpx.Timeout(30.0, read=GIVE_UP_S)) as http:
            while True:
                try:
                    request = self._todo.get_nowait()
                except queue.Empty:
                    return
                try:
                    self._send(http, request)
                except GaveUp as error:
                    self.faults.append(f"request {request.number}: {error}")

    def _send(self, http: httpx.Client, request: Request) -> None:
        told = self.told[request.number]
        told.sent_s = time.time()
        if request.way == "leave":
            self._leave(http, request, told)
            return
        answer = self.ask(http, request, waits=request.way == "wait")
        self._note(told, answer)
        if request.way == "twice":
            self._note(told, self.ask(http, request, waits=False))
            self._count("asked twice")
        if request.way == "cancel":
            time.sleep(request.patience_s)
            found = self.patiently(lambda: http.delete(f"{self._url()}/jobs/{told.id}", timeout=30.0))
            told.cancelled_in, told.left_s = found.json()["state"], time.time()

    def _note(self, told: Told, answer: httpx.Response) -> None:
        body = answer.json()
        told.id, told.error = body.get("id"), body.get("code")
        if told.id:
            told.ids.add(told.id)

    def _leave(self, http: httpx.Client, request: Request, told: Told) -> None:
        """Waits for a while and goes away, without ever asking again."""
        body = {"video_path": request.path.name, "priority": request.priority}
        timeout = httpx.Timeout(30.0, read=0.2 + request.patience_s)
        try:
            answer = http.post(f"{self._url()}/analyze", json=body, timeout=timeout)
            if is_ours(answer):
                self._note(told, answer)
        except httpx.TransportError:
            self._count("went away")
        told.left_s = time.time()

    def ask(self, http: httpx.Client, request: Request, waits: bool) -> httpx.Response:
        """Sends a request until it is taken."""
        headers = {"Idempotency-Key": str(request.key)} | ({} if waits else {"Prefer": "respond-async"})
        place = f"{self._url()}/analyze"

        def post() -> httpx.Response:
            nonlocal place
            place = f"{self._url()}/analyze"
            if request.way == "upload":
                with request.path.open("rb") as file:
                    form = {"priority": str(request.priority)}
                    return http.post(place, files={"file": (request.path.name, file)}, data=form, headers=headers)
            body = {"video_path": request.path.name, "priority": request.priority}
            return http.post(place, json=body, headers=headers)

        return self.patiently(post)

    def patiently(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """The service's answer: a lost connection and a full queue are no answers."""
        end_s = time.monotonic() + GIVE_UP_S
        while time.monotonic() < end_s:
            started_s = time.monotonic()
            try:
                answer = send()
            except httpx.TransportError:
                self._count("connection lost, asked again")
                time.sleep(AGAIN_S)
                continue
            if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                with self._lock:
                    self.refusals_s.append(time.monotonic() - started_s)
                    self.decisions_s += decided_s(answer)
                self._count("429, came again")
                time.sleep(min(LONGEST_WAIT_S, float(answer.headers.get("Retry-After", 1.0))))
            elif is_ours(answer):
                return answer
            else:
                self._count("not up yet, asked again")
                time.sleep(AGAIN_S)
        raise GaveUp(f"no answer within {GIVE_UP_S:g} s")

    def _count(self, what: str) -> None:
        with self._lock:
            self.happened[what] += 1


class GaveUp(RuntimeError):
    """A client has waited too long."""


def decided_s(answer: httpx.Response) -> list[float]:
    """Wall seconds that the application took for its answer, as it says itself; empty where it does not."""
    found = re.search(r"app;dur=([0-9.]+)", answer.headers.get("server-timing", ""))
    return [float(found[1]) / 1000.0] if found else []


def is_ours(answer: httpx.Response) -> bool:
    """Whether the application has answered; while it starts, Serve's proxy does. A 503 passes, too."""
    try:
        body: Any = answer.json()
    except ValueError:
        return False
    known = isinstance(body, dict) and ("id" in body or "code" in body)
    return known and answer.status_code != httpx.codes.SERVICE_UNAVAILABLE
