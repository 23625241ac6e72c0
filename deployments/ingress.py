"""The HTTP entrance: accepts jobs, works on them with the graph, tells how far they are and where the documents lie."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from ray import serve
from ray.serve.handle import DeploymentHandle

from analyzers.catalogue import RETIRED, names
from analyzers.host import Description
from deployments.analyzer import BOOKED_CPUS
from deployments.calls import Failure
from deployments.decode import warm_up
from deployments.gpu import gpu_health
from deployments.housekeeping import keep_tidy
from deployments.ingress_accept import ANALYZE_BODIES, Acceptance, preferences, split_names
from deployments.ingress_answers import analysis_response, analyzer_rows, analyzer_states
from deployments.ingress_auth import AuthMiddleware, guard, token_documentation
from deployments.ingress_errors import ANALYZE_ERRORS, error_responses, install_error_handlers
from deployments.ingress_events import EventStream, first_wanted
from deployments.ingress_timing import TimingMiddleware
from deployments.job_analysis import JobAnalysis
from deployments.pipeline import describe_all
from deployments.settings import GraphArgs
from deployments.starting import states_of_silent
from jobs.bell import Bell
from jobs.cache import SectionCache
from jobs.callbacks import Callbacks
from jobs.capacity import Capacity
from jobs.disk import DiskGuard
from jobs.opening import open_store
from jobs.record import JobRecord
from jobs.results import ResultStore
from jobs.sources import SourceFolder
from jobs.worker import Worker
from reducer.schema import document_json_schema
from schema.api import AnalyzeResponse, AnalyzersResponse, HealthResponse, LiveResponse
from schema.document import AnalysisDocument
from schema.errors import InternalError, InvalidRequest, NotFound, StoreUnavailable, error_from
from schema.jobs import JobPage, JobState, JobStatus

logger = logging.getLogger("tiktok_analyzer.ingress")

app = FastAPI(
    title="TikTok analyzer",
    version="0.1.0",
    description="One video in, one analysis document out. Every error has the shape of `ErrorBody`.",
    **token_documentation(),
)
install_error_handlers(app)
app.add_middleware(AuthMiddleware)
app.add_middleware(TimingMiddleware)  # added last, it is the outermost


MAX_ONGOING = 1000
"""Requests one ingress replica answers at once. Most of them wait for a job or follow its events, which costs a look
into the store now and then; the analyses are bounded by the settings."""

GRACEFUL_SHUTDOWN_S = 300.0
"""Seconds that waiting clients are still answered when the ingress is replaced; the default of 20 would cut them off.
Jobs that are not over by then go back into the queue, and the next replica takes them up."""

THREADS = 32
"""Threads for what blocks: the store, hashes, probes, downloads. Python's default of 6 on two cores would let two
downloads and some slow disks keep the leases from being extended."""

JobId = Annotated[str, PathParameter(description="Of the job, as `POST /analyze` and `GET /jobs` name it.")]

WAIT_POLL_S = 0.5
"""Wall seconds between two looks of a waiting request into the store; this replica's own jobs end it at once."""


class Ingress:
    """Composes the analyzers into a graph, and works with it on the jobs of the store.

    Args:
        settings: Of the application.
        handles: The deployed analyzers by name.
    """

    def __init__(self, settings: GraphArgs, handles: Mapping[str, DeploymentHandle[Any]]) -> None:
        guard(settings)
        self._settings = settings
        self._handles = handles
        for root in settings.root_paths:
            root.mkdir(parents=True, exist_ok=True)
        self._store = open_store(settings.jobs, settings.data_path)
        self._results, sources = ResultStore(settings.data_path), SourceFolder(settings.data_path)
        self._disk = DiskGuard(settings.data_path, settings.disk)
        cache = SectionCache(settings.data_path, settings.cache) if settings.cache.enabled else None
        self._bell = Bell()
        capacity = Capacity(self._store, settings.jobs, settings.max_concurrent_videos)
        self._acceptance = Acceptance(settings, tuple(handles), self._store, sources, self._disk, capacity)
        self._analysis = JobAnalysis(settings, handles, cache)
        self._worker = Worker(
            self._store,
            self._results,
            sources,
            self._analysis,
            settings.jobs,
            settings.max_concurrent_videos,
            Callbacks(settings.callbacks, settings.data_path).tell,
            self._bell,
        )
        # Serve makes this object inside the event loop that will serve it.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="ingress"))
        self._background: set[asyncio.Task[Any]] = set()
        self._loops = (self._start(self._work()), self._start(keep_tidy(settings, self._store, cache)))
        warm_up(settings)

    async def __del__(self) -> None:
        """Called by Serve when the replica is taken out of service: gives the jobs back to the queue."""
        for loop in getattr(self, "_loops", ()):
            loop.cancel()
        await asyncio.gather(*getattr(self, "_loops", ()), return_exceptions=True)
        if hasattr(self, "_analysis"):
            self._analysis.close()

    async def check_health(self) -> None:
        """Called by Serve every few seconds; a replica that raises three times is replaced.

        Raises:
            RuntimeError: It accepts jobs, and works on none.
        """
        if self._loops[0].done():
            raise RuntimeError("the loop that works on jobs has ended")

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
            videos_in_work=self._worker.in_work,
            jobs_queued=await asyncio.to_thread(self._store.queued),
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
        reachable = all(state.partition(":")[0] not in ("loading", "unreachable") for state in states.values())
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
                "description": "Accepted. Only with `Prefer: respond-async`.",
                "headers": {"Location": {"description": "Path of the job.", "schema": {"type": "string"}}},
            },
            **error_responses(*ANALYZE_ERRORS),
        },
        openapi_extra=ANALYZE_BODIES,
        tags=["analysis"],
    )
    async def analyze(self, request: Request) -> Response:
        """Analyses one video: a path on the server or a URL as JSON, or an upload as multipart form.

        Waits for the document; a client that goes away cancels its job, unless `options.keep` or an Idempotency-Key
        says otherwise. With the header `Prefer: respond-async` it answers at once with 202 and the job.
        """
        record, created = await self._acceptance.accept(request)
        self._worker.wake()
        if "respond-async" in preferences(request.headers.getlist("prefer")):
            return _job_answer(record, 202, {"Location": f"/jobs/{record.id}"})
        try:
            record = await self._ended(record.id)
        except asyncio.CancelledError:  # so Serve tells that the client has gone
            if created and record.idempotency_key is None and not record.options.keep:
                self._start(self._cancelled(record.id))
            raise
        if record.error is not None:
            raise error_from(record.error)
        document = await asyncio.to_thread(self._results.read, record.id)
        return JSONResponse(analysis_response(document, record).model_dump(mode="json"))

    @app.get(
        "/jobs",
        response_model=JobPage,
        responses=error_responses(InvalidRequest, StoreUnavailable, InternalError),
        tags=["jobs"],
    )
    async def jobs(
        self,
        state: Annotated[tuple[JobState, ...], Query(description="Only jobs in one of these states.")] = (),
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        before: Annotated[int | None, Query(description="`next` of the page before.")] = None,
    ) -> JobPage:
        """All jobs, newest first, a page at a time."""
        records = await asyncio.to_thread(self._store.find, state, limit + 1, before)
        page, more = records[:limit], len(records) > limit
        return JobPage(jobs=tuple(r.status() for r in page), next=page[-1].number if more else None)

    @app.get(
        "/jobs/{id}",
        response_model=JobStatus,
        responses=error_responses(NotFound, StoreUnavailable, InternalError),
        tags=["jobs"],
    )
    async def job(self, id: JobId) -> JobStatus:
        """State and progress of one job."""
        return (await asyncio.to_thread(self._store.get, id)).status()

    @app.delete(
        "/jobs/{id}",
        response_model=JobStatus,
        responses=error_responses(NotFound, StoreUnavailable, InternalError),
        tags=["jobs"],
    )
    async def cancel(self, id: JobId) -> JobStatus:
        """Cancels a job: one that waits at once, one in work within a chunk. One that has ended stays as it is."""
        return (await self._cancelled(id)).status()

    @app.get(
        "/jobs/{id}/events",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "`state` and `section` with a number as `id`, `progress` without; ends with the job.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            204: {"description": "The job has ended and `Last-Event-ID` was its last event."},
            **error_responses(NotFound, InvalidRequest, StoreUnavailable, InternalError),
        },
        openapi_extra={"parameters": [{"name": "Last-Event-ID", "in": "header", "schema": {"type": "integer"}}]},
        tags=["jobs"],
    )
    async def events(self, id: JobId, request: Request) -> Response:
        """What happens to a job, as Server-Sent Events: its states, its progress, each section once it is concluded.

        `Last-Event-ID` goes on after that event. When a crash makes the work begin anew, sections come again.
        """
        after = first_wanted(request.headers.get("last-event-id"))
        record = await asyncio.to_thread(self._store.get, id)
        if record.ended and after >= record.last_event:
            return Response(status_code=204)
        stream = EventStream(self._store, self._results, self._bell, id, after)
        return StreamingResponse(
            stream.texts(),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @app.get(
        "/jobs/{id}/document",
        response_model=AnalysisDocument,
        responses=error_responses(NotFound, InvalidRequest, InternalError),
        tags=["jobs"],
    )
    async def document(
        self,
        id: JobId,
        sections: Annotated[str | None, Query(description="Names of the wanted sections, with commas between.")] = None,
    ) -> Response:
        """The analysis document; `sections` names some of its sections, separated by commas. The checklist is that of
        the whole document all the same: it names places in sections that were left out."""
        if sections is None:
            path = self._results.path_of(id)
            return Response(await asyncio.to_thread(path.read_bytes), media_type="application/json")
        document = await asyncio.to_thread(self._results.read, id)
        wanted = split_names(sections)
        if unknown := sorted(set(wanted) - set(document.sections)):
            raise InvalidRequest(f"no sections {unknown}; this document has {sorted(document.sections)}")
        kept = {name: section for name, section in document.sections.items() if name in wanted}
        return JSONResponse(document.model_copy(update={"sections": kept}).model_dump(mode="json"))

    @app.get(
        "/jobs/{id}/thumbnails/{name}",
        response_class=FileResponse,
        responses={
            200: {
                "description": "A small picture.",
                "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
            },
            **error_responses(NotFound, InternalError),
        },
        tags=["jobs"],
    )
    async def thumbnail(self, id: JobId, name: str) -> FileResponse:
        """A picture that the document names, as `thumbnails/{name}`. Pictures may go earlier than their document."""
        path = self._results.picture_of(id, name)
        return FileResponse(path, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})

    async def _work(self) -> None:
        """Works on jobs, once the analyzers have loaded: a job from before a restart would find them missing."""
        until_s = time.monotonic() + self._settings.jobs.start_wait_s
        while time.monotonic() < until_s:
            if not {"loading", "unreachable"} & set((await self._states()).values()):
                break
            await asyncio.sleep(self._settings.jobs.poll_s)
        await self._worker.run()

    async def _ended(self, id: str) -> JobRecord:
        """The job, once it has ended."""
        with self._bell.listening(id) as ear:
            while True:
                record = await asyncio.to_thread(self._store.get, id)
                if record.ended:
                    return record
                await ear.wait(WAIT_POLL_S)

    async def _cancelled(self, id: str) -> JobRecord:
        record = await asyncio.to_thread(self._store.request_cancel, id)
        self._worker.look(id)
        self._bell.ring(id)
        return record

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("work in the background failed", exc_info=error)

    async def _described(self) -> dict[str, Description | Failure]:
        deployed = tuple(name for name in names() if name in self._handles)
        return await describe_all(self._handles, deployed, self._settings.describe_timeout_s)

    async def _states(self) -> dict[str, str]:
        described = await self._described()
        silent = [name for name, answer in described.items() if isinstance(answer, Failure)]
        return analyzer_states(described, await states_of_silent(silent))


def _job_answer(record: JobRecord, status: int, headers: dict[str, str]) -> JSONResponse:
    return JSONResponse(record.status().model_dump(mode="json"), status, headers=headers)


IngressDeployment = serve.deployment(
    name="Ingress",
    max_ongoing_requests=MAX_ONGOING,
    graceful_shutdown_timeout_s=GRACEFUL_SHUTDOWN_S,
    ray_actor_options={"num_cpus": BOOKED_CPUS},
)(serve.ingress(app)(Ingress))
