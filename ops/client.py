"""A client of the HTTP interface: sends a video, follows the job, fetches the document."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import httpx
from pydantic import ValidationError

from jobs.thumbnails import picture_names
from media.source import readable
from ops.sse import ServerEvent, read_events
from schema.base import Model
from schema.document import AnalysisDocument
from schema.errors import ErrorBody, InternalError
from schema.jobs import FINAL_STATES, AnalyzerProgress, JobStatus

ANSWER = httpx.Timeout(20.0, connect=5.0)
"""Wall seconds to know whether a service is there. Where nobody listens that is known at once; one that is there may be
busy, or its machine may wait for the disk."""

RECONNECT_S, RECONNECT_TIMES = 1.0, 30
"""Wall seconds between two attempts to reach a service that was there, and their number: it may be restarting, and
takes the job up again."""


CANCEL_TIMEOUT_S = 5.0
"""Wall seconds that somebody who presses Ctrl-C is kept waiting at most."""

M = TypeVar("M", bound=Model)


class ServiceError(RuntimeError):
    """The service answered with an error.

    Args:
        body: Its error.
    """

    def __init__(self, body: ErrorBody) -> None:
        super().__init__(body)
        self.body = body

    def __str__(self) -> str:
        return f"{self.body.error}: {self.body.details} {self.body.suggested_action}"


class Client:
    """Talks to one service.

    Args:
        url: Of the ingress, for instance ``http://127.0.0.1:8003``.
        token: For a service that asks for one.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, timeout=httpx.Timeout(30.0, read=120.0), headers=headers)

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def is_live(self) -> bool:
        """Whether a service answers at this address."""
        try:
            return self._http.get("/health/live", timeout=ANSWER).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def knows(self, id: str) -> bool:
        """Whether a service answers at this address that has this job.

        Raises:
            ServiceError: It wants a token.
        """
        try:
            answer = self._http.get(f"/jobs/{id}", timeout=ANSWER)
        except httpx.TransportError:
            return False
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            _checked(answer)
        return answer.status_code == httpx.codes.OK

    def analyze(
        self,
        video: Path | str,
        analyzers: Iterable[str] | None,
        on_progress: Callable[[Mapping[str, AnalyzerProgress]], None],
        fresh: bool = False,
    ) -> tuple[AnalysisDocument, JobStatus]:
        """Uploads a file, or has a URL downloaded by the service, and waits for the document.

        ``fresh`` has all of it computed, also what the service's cache holds. Who interrupts the waiting wants no
        document any more: the job is cancelled then.

        Raises:
            ServiceError: The service refused it or failed, or is another one.
            httpx.TransportError: The service cannot be reached.
        """
        answer = self._send(video, analyzers, {"fresh": True} if fresh else {})
        job = _read(JobStatus, answer)
        try:
            for event in self.events(job.id):
                if event.kind == "progress":
                    found = event.data["analyzers"].items()
                    on_progress({name: AnalyzerProgress.model_validate(state) for name, state in found})
        except KeyboardInterrupt:
            self._cancel(job.id)
            raise
        job = _read(JobStatus, self._http.get(f"/jobs/{job.id}"))
        on_progress(job.analyzers)
        if job.error:
            raise ServiceError(job.error)
        return _read(AnalysisDocument, self._http.get(f"/jobs/{job.id}/document")), job

    def pictures(self, document: AnalysisDocument) -> dict[str, bytes]:
        """The document's pictures by name; those that the service keeps no longer are left out.

        Raises:
            httpx.TransportError: The service cannot be reached.
        """
        answers = {name: self._http.get(f"/jobs/{document.id}/thumbnails/{name}") for name in picture_names(document)}
        return {name: answer.content for name, answer in answers.items() if answer.is_success}

    def _send(
        self, video: Path | str, analyzers: Iterable[str] | None, options: Mapping[str, object]
    ) -> httpx.Response:
        headers = {"Prefer": "respond-async"}
        names = list(analyzers) if analyzers is not None else None
        if isinstance(video, str):
            body = {"tiktok_url": video, "options": options} | ({"analyzers": names} if names is not None else {})
            return self._http.post("/analyze", json=body, headers=headers)
        form = {"options": json.dumps(options)} | ({"analyzers": ",".join(names)} if names is not None else {})
        with video.open("rb") as file:
            upload = {"file": (readable(video.name), file)}
            return self._http.post("/analyze", data=form, files=upload, headers=headers)

    def _cancel(self, id: str) -> None:
        with contextlib.suppress(httpx.TransportError):
            self._http.delete(f"/jobs/{id}", timeout=CANCEL_TIMEOUT_S)

    def events(self, id: str) -> Iterator[ServerEvent]:
        """What happens to a job, until it has ended. A lost connection is taken up where it broke off.

        Raises:
            ServiceError: There is no such job.
            httpx.TransportError: The service cannot be reached any more.
        """
        last, lost = "0", 0
        while True:
            try:
                with self._http.stream("GET", f"/jobs/{id}/events", headers={"Last-Event-ID": last}) as answer:
                    if answer.is_error:
                        answer.read()
                        _checked(answer)
                    for event in read_events(answer.iter_lines()):
                        last, lost = event.id or last, 0
                        yield event
                        if event.kind == "state" and event.data["state"] in FINAL_STATES:
                            return
                if answer.status_code == httpx.codes.NO_CONTENT:
                    return
            except httpx.TransportError:
                lost += 1
                if lost > RECONNECT_TIMES:
                    raise
            time.sleep(RECONNECT_S)


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        try:
            body = ErrorBody.model_validate_json(answer.content)
        except ValidationError:
            raise ServiceError(_foreign(answer)) from None
        raise ServiceError(body)
    return answer


def _read(model: type[M], answer: httpx.Response) -> M:
    """The answer as what it should be.

    Raises:
        ServiceError: It is an error, or nothing that this service answers.
    """
    try:
        return model.model_validate_json(_checked(answer).content)
    except ValidationError:
        raise ServiceError(_foreign(answer)) from None


def _foreign(answer: httpx.Response) -> ErrorBody:
    return ErrorBody(
        code=InternalError.code,
        error="That is no answer of this service",
        details=f"{answer.request.method} {answer.request.url}: HTTP status {answer.status_code}.",
        retry_possible=answer.is_server_error,
        suggested_action="See whether the address is that of a tiktok-analyzer of this version, and its log.",
    )
