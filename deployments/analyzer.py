"""The deployment of one analyzer. All analyzers share this class; each is deployed under its own name."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ray
from pydantic import ValidationError
from ray import serve

from analyzers.base import Context
from analyzers.host import AnalyzerHost, Concluded, Description, Fault, Observed, Refused
from analyzers.runtime import Runtime
from deployments.gpu import gpu_health, share_warning
from deployments.precedence import behind_the_ingress
from deployments.replica_metrics import ReplicaMetrics
from deployments.turns import Turns
from media.types import AudioChunk, AudioClip, ChunkHeader, FrameBatch, FrameChunk
from schema.errors import validation_text

logger = logging.getLogger("tiktok_analyzer.replica")

FIRST = 11
"""Priority of new settings: above every job's."""

MAX_ONGOING = 8
"""Calls a replica holds at once. One computes, the others wait beside it with their pictures already at hand; above
that the router keeps them. ``describe`` never waits behind a computation."""

DEVICE_VARIABLE = "TIKTOK_ANALYZER_DEVICE"
"""Environment variable; ``cpu`` lets replicas that booked a share of a GPU compute on the CPU. For a Ray that was told
of a GPU which is not there (``ray start --num-gpus=1``): the production file can then be tried anywhere."""

BOOKED_CPUS = 0.02
"""CPUs that Ray books for a replica unless the yaml says otherwise, so that ``serve run graph:app`` fits on two cores,
with three decodes: one that finds nothing left to book waits for ever. Serve's default is one each. Booking limits
nothing; the thread budget does."""

GRACEFUL_SHUTDOWN_S = 60.0
"""Seconds that a replica taken out of service may use to end its calls; the longest call seen is text in a 2 s chunk
of 1080p on one busy core, 6 s."""


class AnalyzerReplica:
    """Serves one analyzer of the catalogue.

    Models are loaded by the first ``reconfigure``, which Serve calls with the yaml's settings right after the
    constructor, and so once and not first with the defaults.

    Args:
        name: Of the analyzer.
        runtime: Where it runs; its share of a GPU is the one that Ray booked.
    """

    def __init__(self, name: str, runtime: Runtime | None = None) -> None:
        behind_the_ingress()
        self._name = name
        resources: dict[str, float] = ray.get_runtime_context().get_assigned_resources()  # type: ignore[no-untyped-call]
        share = 0.0 if os.environ.get(DEVICE_VARIABLE) == "cpu" else min(1.0, resources.get("GPU", 0.0))
        self._runtime = replace(runtime or Runtime(), gpu_share=share)
        self._turns: Turns[Observed | Fault] = Turns(name, self._observe_each)
        self._metrics = ReplicaMetrics(name)
        self._loaded: AnalyzerHost | None = None
        self._refused = ""

    @property
    def _host(self) -> AnalyzerHost:
        if self._loaded is None:
            raise RuntimeError(f"{self._name} got a call before its settings")
        return self._loaded

    async def reconfigure(self, user_config: dict[str, Any] | None) -> None:
        """New settings from ``serve deploy``, without a restart; Serve calls it after the constructor too.

        Wrong settings keep a new replica from starting. A replica at work keeps its old ones and says so: raising
        would make Serve restart it again and again, and take the analyzer away from everyone.

        Raises:
            pydantic.ValidationError: The first settings are out of bounds or unknown.
        """
        self._metrics.loading()
        if self._loaded is None:
            self._loaded = await self._turns.take(FIRST, lambda: AnalyzerHost(self._name, user_config, self._runtime))
        else:
            try:
                await self._turns.take(FIRST, lambda: self._host.configure(user_config))
            except ValidationError as error:
                self._refused = f"new settings were refused: {validation_text(error)}"
                logger.error("%s: %s", self._name, self._refused)
                self._metrics.loaded(self._host.describe())
                return
        self._refused = ""
        description = self._host.describe()
        self._turns.chunks_at_once = description.chunks_per_batch
        self._metrics.loaded(description)
        if self._runtime.gpu_share and (
            short := share_warning(self._host.booking(), await asyncio.to_thread(gpu_health))
        ):
            logger.warning(short)
        logger.info("%s is %s after %.1f s", self._name, description.state, description.load_s)

    async def check_health(self) -> None:
        """Called by Serve every few seconds; a replica that raises three times is replaced.

        Raises:
            RuntimeError: One computation has been running for longer than ``stuck_after_s``, or this process can
                compute nothing on the GPU any more.
        """
        if self._loaded is not None and self._loaded.card_error:
            raise RuntimeError(f"{self._name} has lost the GPU: {self._loaded.card_error}")
        if self._loaded is not None and (stuck_s := self._loaded.stuck_for_s()) is not None:
            raise RuntimeError(f"{self._name} has been computing for {stuck_s:.0f} s; it is taken for stuck")

    async def describe(self) -> Description:
        """The analyzer's declaration under its current settings; answers while a chunk is computed."""
        description = self._host.describe()
        return replace(description, reason=self._refused) if self._refused else description

    async def observe_frames(
        self, priority: int, upstream: dict[str, Any], header: ChunkHeader, *batches: FrameBatch
    ) -> Observed | Fault:
        """One observation from one chunk of pictures; the batches in the order of the analyzer's needs."""
        chunk = FrameChunk(header.index, header.start_s, header.end_s, batches, upstream)
        return await self._turns.observe(priority, chunk)

    async def observe_audio(self, priority: int, upstream: dict[str, Any], *clips: AudioClip) -> Observed | Fault:
        """One observation from the whole sound track; the clips in the order of the analyzer's needs."""
        return await self._turns.observe(priority, AudioChunk(clips, upstream))

    async def conclude(self, priority: int, observations: list[Any], context: Context) -> Concluded | Refused | Fault:
        """The result over the whole clip from all observations in the order of time."""
        answer = await self._turns.take(priority, lambda: self._host.conclude(observations, context))
        self._metrics.concluded(answer)
        return answer

    def _observe_each(self, chunks: Sequence[Any]) -> list[Observed | Fault]:
        answers = self._host.observe_each(chunks)
        self._metrics.observed(answers)
        return answers


AnalyzerDeployment = serve.deployment(
    name="Analyzer",
    max_ongoing_requests=MAX_ONGOING,
    graceful_shutdown_timeout_s=GRACEFUL_SHUTDOWN_S,
    ray_actor_options={"num_cpus": BOOKED_CPUS},
    user_config={},  # so that Serve always calls reconfigure
)(AnalyzerReplica)
