"""Requests and answers of the HTTP interface."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from schema.base import Model, SpokenModel
from schema.jobs import DEFAULT_PRIORITY, JobOptions, Priority


class AnalyzeRequest(SpokenModel):
    """Body of ``POST /analyze`` as JSON. Either ``video_path`` or ``tiktok_url``."""

    video_path: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """A file on the server below one of its roots; relative paths are looked up in each root."""
    tiktok_url: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """A page or file to download; http(s), and of a host that the configuration allows."""
    analyzers: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)] | None = None
    """Names from ``GET /analyzers``; all deployed ones when left out. What they depend on is run too."""
    priority: Priority = DEFAULT_PRIORITY
    """10 goes first. Below 5 is mass work, which leaves a place for what somebody waits for."""
    options: JobOptions = JobOptions()
    """What else is to be done, or left out."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.video_path is None) == (self.tiktok_url is None):
            raise ValueError("give either video_path or tiktok_url")
        return self


class AnalyzeResponse(SpokenModel):
    """Answer of ``POST /analyze``; the document itself is in ``results_file`` and at ``/jobs/{id}/document``."""

    id: str
    status: Literal["ok", "partial", "failed"]
    video_path: str
    processing_time: float
    """Wall seconds of the work on it, without waiting for its turn."""
    realtime_factor: float
    """``processing_time`` over the video's length."""
    successful_analyzers: int
    """Sections with a result."""
    total_analyzers: int
    """Sections in the document."""
    results_file: str
    error: str | None = None
    """What is missing, in one line; null when nothing is."""


class GpuMemory(SpokenModel):
    """Memory of the first GPU."""

    used_mb: int
    total_mb: int
    utilization: float
    """Used over total, in [0, 1]."""


class GpuHealth(SpokenModel):
    """The first GPU of the ingress's machine."""

    gpu_available: bool
    gpu_name: str | None = None
    gpu_memory: GpuMemory | None = None


class DiskHealth(SpokenModel):
    """The disk that holds the data folder."""

    state: Literal["ok", "low", "full"]
    """``full``: new work is refused with ``disk_full``."""
    free_mb: Annotated[int, Field(ge=0)]
    """What the service may still write."""
    total_mb: Annotated[int, Field(ge=0)]
    refused_below_mb: Annotated[int, Field(ge=0)]


class HealthResponse(SpokenModel):
    """Answer of ``GET /health``."""

    status: Literal["healthy", "degraded", "unhealthy"]
    """``degraded``: some analyzers cannot work, or the disk is full; ``unhealthy``: no analyzer can work."""
    timestamp: datetime
    gpu: GpuHealth
    disk: DiskHealth
    active_analyzers: int
    """Analyzers that are ready."""
    parallelization: Literal["ray_serve"] = "ray_serve"
    videos_in_work: int
    """By this ingress."""
    jobs_queued: int
    """Jobs that wait for their turn, whoever accepted them."""
    analyzers: dict[str, str]
    """Per analyzer: ``ready``, ``loading``, ``unavailable: why``, ``unreachable`` or ``unreachable: why``."""


class LiveResponse(Model):
    """Answer of the probes."""

    status: Literal["live", "ready", "not_ready"]


class AnalyzerInfo(SpokenModel):
    """One row of ``GET /analyzers``."""

    name: str
    title: str
    version: str
    state: str
    """``ready``, ``loading``, ``unavailable`` or ``unreachable``."""
    reason: str | None = None
    remedy: str | None = None
    after: tuple[str, ...]
    need: str
    """What is decoded for it under its current settings, in words."""
    models: tuple[str, ...]
    """Names of all that it can load; its settings and the licence policy choose among them."""
    loaded_models: tuple[str, ...]
    """What it has loaded, with revision; empty while there is none."""
    config: dict[str, Any]
    """Its current settings."""
    config_schema: dict[str, Any]
    result_schema: dict[str, Any]


class AnalyzersResponse(SpokenModel):
    """Answer of ``GET /analyzers``."""

    analyzers: tuple[AnalyzerInfo, ...]
    retired: dict[str, str]
    """Names that earlier systems had, with what replaced them."""
