"""A client of the HTTP interface: sends a video, follows the job, fetches the document."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import httpx

from schema.document import AnalysisDocument
from schema.errors import ErrorBody
from schema.jobs import AnalyzerProgress, JobStatus

POLL_S = 0.1
"""Wall seconds between two looks at a job: smooth for the eye, cheap for the server."""


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

    def is_live(self) -> bool:
        """Whether a service answers at this address."""
        try:
            return self._http.get("/health/live", timeout=2.0).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def analyze(
        self,
        path: Path,
        analyzers: Iterable[str] | None,
        on_progress: Callable[[Mapping[str, AnalyzerProgress]], None],
    ) -> tuple[AnalysisDocument, JobStatus]:
        """Uploads the video and waits for its document.

        Raises:
            ServiceError: The service refused it or failed.
            httpx.TransportError: The service cannot be reached.
        """
        form = {"analyzers": ",".join(analyzers)} if analyzers is not None else {}
        with path.open("rb") as file:
            answer = self._http.post(
                "/analyze", data=form, files={"file": (path.name, file)}, headers={"Prefer": "respond-async"}
            )
        job = JobStatus.model_validate_json(_checked(answer).content)
        while job.state not in ("done", "failed", "cancelled"):
            time.sleep(POLL_S)
            job = JobStatus.model_validate_json(_checked(self._http.get(f"/jobs/{job.id}")).content)
            on_progress(job.analyzers)
        if job.error:
            raise ServiceError(job.error)
        document = _checked(self._http.get(f"/jobs/{job.id}/document"))
        return AnalysisDocument.model_validate_json(document.content), job


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise ServiceError(ErrorBody.model_validate_json(answer.content))
    return answer
