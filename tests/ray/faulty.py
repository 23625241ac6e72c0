"""Analyzers that misbehave on purpose, for tests only: the real replica with one fault put in."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, Literal

from ray import serve
from ray.serve import Application

from analyzers.base import Context
from deployments.analyzer import BOOKED_CPUS, MAX_ONGOING, AnalyzerReplica
from deployments.ingress import IngressDeployment
from deployments.settings import GraphArgs
from media.types import FrameChunk

Fault = Literal[
    "none", "raise_second_chunk", "raise_observe", "raise_conclude", "die_once", "die_always", "hang", "slow"
]

HANG_S = 12.0
SLOW_S = 0.6
"""Seconds that a slow analyzer takes for each chunk; ``marker`` gets a line for each that it begins."""


class FaultyReplica(AnalyzerReplica):
    """The analyzer ``name``, spoilt by ``fault``; ``marker`` remembers over restarts that it died once."""

    def __init__(self, name: str, fault: Fault, marker: str, config: dict[str, Any]) -> None:
        super().__init__(name)
        self._fault, self._marker, self._config = fault, marker, config

    async def reconfigure(self, user_config: dict[str, Any] | None) -> None:
        await super().reconfigure(self._config)
        fault, marker = self._fault, self._marker
        analyzer = self._host._ready()
        observe, conclude = analyzer.observe, analyzer.conclude

        def spoilt_observe(chunks: Any) -> list[Any]:
            second = isinstance(chunks[0], FrameChunk) and chunks[0].index == 1
            if fault == "raise_observe" or (fault == "raise_second_chunk" and second):
                raise ValueError("spoilt on purpose")
            if fault == "hang":
                time.sleep(HANG_S)
            if fault == "slow":
                with Path(marker).open("a") as log:
                    log.write(f"{time.time()}\n")
                time.sleep(SLOW_S)
            if second and (fault == "die_always" or (fault == "die_once" and not Path(marker).exists())):
                Path(marker).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return list(observe(chunks))

        def spoilt_conclude(observations: Any, context: Context) -> Any:
            if fault == "raise_conclude":
                raise ZeroDivisionError("spoilt on purpose")
            return conclude(observations, context)

        analyzer.observe = spoilt_observe  # type: ignore[method-assign]  # the fault
        analyzer.conclude = spoilt_conclude  # type: ignore[method-assign]  # the fault


def faulty_app(settings: GraphArgs, faults: dict[str, Fault], marker: Path, configs: dict[str, Any]) -> Application:
    """The real ingress over these analyzers."""
    deployment = serve.deployment(
        max_ongoing_requests=MAX_ONGOING, ray_actor_options={"num_cpus": BOOKED_CPUS}, user_config={}
    )(FaultyReplica)
    handles = {
        name: deployment.options(name=name).bind(name, fault, f"{marker}-{name}", configs.get(name, {}))
        for name, fault in faults.items()
    }
    return IngressDeployment.options(ray_actor_options={"num_cpus": BOOKED_CPUS}).bind(settings, handles)
