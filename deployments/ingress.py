"""The HTTP entrance: accepts a video, runs the graph on it, answers with the document's whereabouts."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from ray import serve
from ray.serve.handle import DeploymentHandle

from analyzers.catalogue import RETIRED, names, require_deployed
from analyzers.host import Description
from deployments.analyzer import BOOKED_CPUS
from deployments.calls import Failure
from deployments.decode import warm_up
from deployments.gpu import gpu_health
from deployments.ingress_answers import analysis_response, analyzer_rows, analyzer_states
from deployments.ingress_errors import error_responses, install_error_handlers
from deployments.ingress_upload import Upload, receive_upload
from deployments.pipeline import AnalysisRun, describe_all
from deployments.reuse import SectionReuse
from deployments.settings import GraphArgs
from jobs.cache import SectionCache
from jobs.disk import DiskGuard
from jobs.registry import Job, JobRegistry
from jobs.results import ResultStore
from media.probe import probe
from media.source import locate, sha256_of
from reducer.schema import document_json_schema
from schema.api import (
    AnalyzeRequest,
    AnalyzeResponse,
    AnalyzersResponse,
    HealthResponse,
    LiveResponse,
)
from schema.document import AnalysisDocument, SourceFacts
from schema.errors import (
    AnalyzerNotDeployed,
    AnalyzerSystemError,
    Cancelled,
    DecodeFailed,
    DiskFull,
    FileMissing,
    InternalError,
    InvalidRequest,
    NotAVideo,
    NotFound,
    Overloaded,
    PathNotAllowed,
    RetiredAnalyzer,
    TooLarge,
    TooLong,
    UnknownAnalyzer,
    UnsupportedCodec,
    validation_text,
)
from schema.jobs import JobStatus

logger = logging.getLogger("tiktok_analyzer.ingress")

ANALYZE_ERRORS = (
    InvalidRequest,
    UnknownAnalyzer,
    RetiredAnalyzer,
    AnalyzerNotDeployed,
    PathNotAllowed,
    FileMissing,
    NotAVideo,
    TooLarge,
    TooLong,
    UnsupportedCodec,
    DecodeFailed,
    Overloaded,
    DiskFull,
    InternalError,
)

ANALYZE_BODIES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": AnalyzeRequest.model_json_schema()},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "The video's bytes."},
                        "analyzers": {
                            "type": "string",
                            "description": "Names, separated by commas; all deployed ones when left out.",
                        },
                    },
                }
            },
        },
    }
}

app = FastAPI(
    title="TikTok analyzer",
    version="0.1.0",
    description="One video in, one analysis document out. Every error has the shape of `ErrorBody`.",
)
install_error_handlers(app)


MAX_ONGOING = 200
"""Requests one ingress replica answers at once; most of them are polls, the analyses are bounded by the settings."""

GRACEFUL_SHUTDOWN_S = 300.0
"""Seconds that running analyses may still take when the ingress is replaced; the default of 20 would kill them."""


class Ingress:
    """Admits requests, composes the analyzers into a graph for each, keeps the results.

    Args:
        settings: Of the application.
        handles: The deployed analyzers by name.
    """

    def __init__(self, settings: GraphArgs, handles: Mapping[str, DeploymentHandle[Any]]) -> None:
        self._settings = settings
        self._handles = handles
        self._results = ResultStore(settings.data_path)
        self._jobs = JobRegistry(settings.max_concurrent_videos)
        self._disk = DiskGuard(settings.data_path, settings.disk)
        self._cache = SectionCache(settings.data_path, settings.cache) if settings.cache.enabled else None
        self._work: set[asyncio.Task[AnalyzeResponse]] = set()
        for root in settings.root_paths:
            root.mkdir(parents=True, exist_ok=True)
        warm_up(settings)

    @app.get("/health", response_model=HealthResponse, responses=error_responses(InternalError), tags=["operation"])
    async def health(self) -> HealthResponse:
        """The state of every analyzer and of the GPU."""
        states = await self._states()
        ready = sum(state == "ready" for state in states.values())
        disk = await asyncio.to_thread(self._disk.health)
        whole = ready == len(states) and disk.state != "full"
        return HealthResponse(
            status="healthy" if whole else "degraded" if ready else "unhealthy",
            timestamp=datetime.now(timezone.utc),
            gpu=await asyncio.to_thread(gpu_health),
            disk=disk,
            active_analyzers=ready,
            videos_in_work=self._jobs.in_work,
            analyzers=states,
        )

    @app.get("/health/live", response_model=LiveResponse, responses=error_responses(InternalError), tags=["operation"])
    async def live(self) -> LiveResponse:
        """Whether the process answers at all."""
        return LiveResponse(status="live")

    @app.get(
        "/health/ready",
        response_model=LiveResponse,
        responses={503: {"model": LiveResponse, "description": "Some analyzer's replica does not answer yet."}},
        tags=["operation"],
    )
    async def ready(self) -> JSONResponse:
        """Whether every analyzer's replica answers; an analyzer without its weights is ready to say so."""
        states = await self._states()
        reachable = all(state != "unreachable" for state in states.values())
        body = LiveResponse(status="ready" if reachable else "not_ready")
        return JSONResponse(body.model_dump(), 200 if reachable else 503)

    @app.get(
        "/analyzers", response_model=AnalyzersResponse, responses=error_responses(InternalError), tags=["analysis"]
    )
    async def analyzers(self) -> AnalyzersResponse:
        """The deployed analyzers: what each needs, its settings, the form of its result."""
        return AnalyzersResponse(analyzers=analyzer_rows(await self._described()), retired=RETIRED)

    @app.get("/schema", response_model=dict[str, Any], responses=error_responses(InternalError), tags=["analysis"])
    async def schema(self) -> dict[str, Any]:
        """JSON Schema of the document, with each analyzer's result."""
        return document_json_schema()

    @app.post(
        "/analyze",
        response_model=AnalyzeResponse,
        responses={
            202: {
                "model": JobStatus,
                "description": "Accepted; `Location` names the job. Only with `Prefer: respond-async`.",
            },
            **error_responses(*ANALYZE_ERRORS),
        },
        openapi_extra=ANALYZE_BODIES,
        tags=["analysis"],
    )
    async def analyze(self, request: Request) -> Response:
        """Analyses one video: a path on the server as JSON, or an upload as multipart form.

        Waits for the document. With the header `Prefer: respond-async` it answers at once with 202 and the job.
        """
        admitted_s = time.perf_counter()
        announced = request.headers.get("content-length", "")
        self._disk.check(min(int(announced), self._settings.limits.max_bytes) if announced.isdigit() else 0)
        if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            job, work = await self._from_upload(request, admitted_s)
        else:
            job, work = await self._from_json(request, admitted_s)
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        if "respond-async" in request.headers.get("prefer", ""):
            task.add_done_callback(_read_exception)
            return JSONResponse(job.status().model_dump(mode="json"), 202, headers={"Location": f"/jobs/{job.id}"})
        try:
            return JSONResponse((await task).model_dump(mode="json"))
        except asyncio.CancelledError:
            task.cancel()
            raise

    @app.get("/jobs", response_model=list[JobStatus], responses=error_responses(InternalError), tags=["jobs"])
    async def jobs(self) -> list[JobStatus]:
        """The jobs of this process, newest first."""
        return [job.status() for job in self._jobs.all()]

    @app.get("/jobs/{id}", response_model=JobStatus, responses=error_responses(NotFound, InternalError), tags=["jobs"])
    async def job(self, id: str) -> JobStatus:
        """State and progress of one job."""
        return self._jobs.get(id).status()

    @app.get(
        "/jobs/{id}/document",
        response_model=AnalysisDocument,
        responses=error_responses(NotFound, InvalidRequest, InternalError),
        tags=["jobs"],
    )
    async def document(self, id: str, sections: str | None = None) -> Response:
        """The analysis document; `sections` names some of its sections, separated by commas."""
        if sections is None:
            return Response(self._results.path_of(id).read_bytes(), media_type="application/json")
        document = self._results.read(id)
        wanted = _split_names(sections)
        if unknown := sorted(set(wanted) - set(document.sections)):
            raise InvalidRequest(f"no sections {unknown}; this document has {sorted(document.sections)}")
        kept = {name: section for name, section in document.sections.items() if name in wanted}
        return JSONResponse(document.model_copy(update={"sections": kept}).model_dump(mode="json"))

    async def _from_json(self, request: Request, admitted_s: float) -> tuple[Job, Any]:
        wanted = _parse_request(await request.body())
        requested = self._requested(wanted.analyzers)
        path = await asyncio.to_thread(locate, wanted.video_path, self._settings.root_paths)
        job = self._jobs.admit(wanted.video_path)
        return job, self._run(job, path, "path", requested, admitted_s, upload=None)

    async def _from_upload(self, request: Request, admitted_s: float) -> tuple[Job, Any]:
        if self._jobs.in_work >= self._settings.max_concurrent_videos:
            raise Overloaded(
                f"{self._jobs.in_work} videos are in work, {self._settings.max_concurrent_videos} at once are allowed"
            )
        upload = await receive_upload(request, self._settings.data_path / "incoming", self._settings.limits.max_bytes)
        try:
            requested = self._requested(_split_names(upload.analyzers) if upload.analyzers is not None else None)
            job = self._jobs.admit(upload.name)
        except AnalyzerSystemError:
            upload.discard()
            raise
        return job, self._run(job, upload.path, "upload", requested, admitted_s, upload)

    async def _run(
        self, job: Job, path: Path, kind: Any, requested: tuple[str, ...], admitted_s: float, upload: Upload | None
    ) -> AnalyzeResponse:
        acquired_s = time.perf_counter()
        async with self._outcome_of(job, upload):
            name = upload.name if upload else path.name
            source = asyncio.create_task(asyncio.to_thread(_source_facts, kind, name, path))
            try:
                facts = await asyncio.to_thread(probe, path, self._settings.limits)
                probed_s = time.perf_counter()
                reuse = SectionReuse(self._cache, self._settings.decoder)
                run = AnalysisRun(job, path, facts, requested, self._handles, self._settings, reuse)
                stages_ms = {"acquire": 1000.0 * (acquired_s - admitted_s), "probe": 1000.0 * (probed_s - acquired_s)}
                document = await run.run(source, stages_ms)
            finally:
                source.cancel()
            results_file = await asyncio.to_thread(self._results.write, document)
            job.results_file = str(results_file)
            logger.info("%s: %s in %.2f s", job.id, document.status, document.performance.processing_time)
            return analysis_response(document, job, results_file)

    @asynccontextmanager
    async def _outcome_of(self, job: Job, upload: Upload | None) -> AsyncIterator[None]:
        """Puts the end of the work into the job's state, and removes an upload whatever happens."""
        try:
            yield
            job.state = "done"
        except AnalyzerSystemError as error:
            job.error = error.body(job.id)
            job.state = "failed"
            error.job_id = job.id
            raise
        except asyncio.CancelledError:
            job.error = Cancelled("the client went away").body(job.id)
            job.state = "cancelled"
            raise
        finally:
            if job.state not in ("done", "failed", "cancelled"):
                job.error = InternalError("an unexpected fault; the log has it").body(job.id)
                job.state = "failed"
            if upload:
                upload.discard()

    def _requested(self, wanted: tuple[str, ...] | None) -> tuple[str, ...]:
        if wanted is None:
            return tuple(self._handles)
        for name in wanted:
            require_deployed(name, self._handles)
        return wanted

    async def _described(self) -> dict[str, Description | Failure]:
        deployed = tuple(name for name in names() if name in self._handles)
        return await describe_all(self._handles, deployed, self._settings.describe_timeout_s)

    async def _states(self) -> dict[str, str]:
        return analyzer_states(await self._described())


def _parse_request(body: bytes) -> AnalyzeRequest:
    try:
        return AnalyzeRequest.model_validate(json.loads(body))
    except ValidationError as error:
        raise InvalidRequest(validation_text(error)) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(
            f"the body is no JSON: {error}", "Send JSON, or a multipart form with the field 'file'."
        ) from error
    except RecursionError as error:
        raise InvalidRequest("the body's JSON is nested too deeply") from error


def _split_names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _source_facts(kind: Any, name: str, path: Path) -> SourceFacts:
    return SourceFacts(kind=kind, name=name, sha256=sha256_of(path), size_bytes=path.stat().st_size)


def _read_exception(task: asyncio.Task[AnalyzeResponse]) -> None:
    """The job holds the error; without this, asyncio would log it as never read."""
    if not task.cancelled():
        task.exception()


IngressDeployment = serve.deployment(
    name="Ingress",
    max_ongoing_requests=MAX_ONGOING,
    graceful_shutdown_timeout_s=GRACEFUL_SHUTDOWN_S,
    ray_actor_options={"num_cpus": BOOKED_CPUS},
)(serve.ingress(app)(Ingress))
