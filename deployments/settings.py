"""Settings of the whole application: the ``args`` of ``graph.build`` in the yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from analyzers.catalogue import VideoLanguageModel, active_names, analyzer_class
from analyzers.runtime import LicencePolicy, Runtime
from deployments.auth import AuthSettings
from jobs.cache import CacheSettings
from jobs.callbacks import CallbackSettings
from jobs.disk import DiskSettings
from jobs.retention import RetentionSettings
from jobs.settings import JobSettings
from media.fetch.policy import FetchPolicy
from media.limits import MediaLimits
from schema.base import Model

PROJECT_ROOT = Path(__file__).resolve().parents[1]
"""Relative paths of the settings start here, whatever folder a replica runs in."""


class GraphArgs(Model):
    """What the graph is made of and how much it takes on. Each number has a unit, a bound and a reason."""

    analyzers: tuple[str, ...] | None = None
    """Names of the deployed analyzers; when null all of the catalogue but the video language models not chosen."""
    video_language_model: VideoLanguageModel = "video_llava"
    """Which of the video language models is deployed where ``analyzers`` is null. They are alternatives: each fills a
    third of a card. Its block in the yaml's ``deployments`` has the same name."""
    data_dir: str = "data"
    """Folder for results and uploads. Relative paths start at the project's root."""
    video_roots: tuple[str, ...] = ("data/videos",)
    """Folders below which ``video_path`` may lie, links resolved. Relative paths start at the project's root."""
    weights_dir: str = "data/weights"
    """Folder of the models' weights, filled by ``tiktok-analyzer models pull``; the same path on every node.
    Relative paths start at the project's root."""
    licence_policy: LicencePolicy = "any"
    """``permissive`` loads no AGPL and no non-commercial weights; the manifest's alternatives serve instead."""
    decoder: Literal["pyav", "decord"] = "pyav"
    """``decord`` needs the extra of that name and twice the CPU; it is there for comparison."""
    decode_threads: Annotated[int, Field(ge=1, le=32)] = 2
    """Threads of the video decoder. 2 keeps both cores of a small machine busy until the first chunks are out;
    above 4, H.264 of phone size gains little."""
    decode_num_cpus: Annotated[float, Field(gt=0.0, le=32.0)] = 0.5
    """CPUs that Ray books for one decode. Below 1 so that two videos and all replicas fit on two cores."""
    chunk_s: Annotated[float, Field(ge=0.25, le=30.0)] = 2.0
    """Seconds of video in a chunk. Shorter: earlier first results, more calls; 2 s costs about 1 % in calls."""
    megabytes_in_flight: Annotated[int, Field(ge=16, le=65_536)] = 192
    """MB of pictures of one video in the object store that analyzers have not seen yet; decoding waits at this bound,
    so memory does not grow with the video. 192 MB is 14 s of all renditions of the CPU profile."""
    chunk_retries: Annotated[int, Field(ge=0, le=10)] = 2
    """How often a chunk is sent again after its replica died. 2 survives a rolling crash without hiding a chunk
    that kills every replica it meets."""
    max_concurrent_videos: Annotated[int, Field(ge=1, le=256)] = 2
    """Videos in work at once; the next one gets 429 with Retry-After. Two keep the decoder busy while one concludes."""
    request_timeout_s: Annotated[float, Field(gt=0.0, le=7200.0)] = 1800.0
    """Wall seconds of one analysis, after which what is there is put into a partial document."""
    describe_timeout_s: Annotated[float, Field(gt=0.0, le=60.0)] = 5.0
    """Wall seconds to wait for an analyzer's declaration before its section is failed: a living replica takes 3 ms."""
    limits: MediaLimits = MediaLimits()
    """Bounds on files."""
    fetch: FetchPolicy = FetchPolicy()
    """Downloads: hosts, bounds, retries, cookies and proxy."""
    auth: AuthSettings = AuthSettings()
    """When requests need a token."""
    callbacks: CallbackSettings = CallbackSettings()
    """Who may be told that a job has ended, and how long it is tried."""
    cache: CacheSettings = CacheSettings()
    """Sections of earlier requests."""
    disk: DiskSettings = DiskSettings()
    """Free space of the data folder's disk."""
    retention: RetentionSettings = RetentionSettings()
    """What is kept for how long."""
    jobs: JobSettings = JobSettings()
    """How jobs are kept, ordered and taken up."""

    def resolve(self, path: str) -> Path:
        """``path`` as an absolute path; relative ones start at the project's root."""
        return (PROJECT_ROOT / Path(path).expanduser()).resolve()

    @property
    def active_analyzers(self) -> tuple[str, ...]:
        """Names of the analyzers that the application holds.

        Raises:
            UnknownAnalyzer: ``analyzers`` names one that does not exist.
            RetiredAnalyzer: It names one that was replaced.
        """
        if self.analyzers is None:
            return active_names(self.video_language_model)
        return tuple(analyzer_class(name).name for name in self.analyzers)

    @property
    def data_path(self) -> Path:
        """The data folder, absolute."""
        return self.resolve(self.data_dir)

    @property
    def runtime(self) -> Runtime:
        """Where analyzers run, as far as it is the same for all; their share of a GPU is their replica's."""
        return Runtime(weights_path=self.resolve(self.weights_dir), licence_policy=self.licence_policy)

    @property
    def root_paths(self) -> tuple[Path, ...]:
        """The allowed roots, absolute."""
        return tuple(self.resolve(root) for root in self.video_roots)
