"""Analyzers that misbehave on purpose, for tests only: the real replica with one fault put in."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
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

HANG_S = 120.0
"""Seconds that a hanging analyzer takes for each chunk, unless the file ``marker-over`` ends it."""
SLOW_S = 0.6
"""Seconds that a slow analyzer takes for each chunk; ``marker`` gets a line for each that it begins."""
HELD_S = 120.0
"""Seconds that a slow analyzer waits at most while there is a file ``marker-hold``; that names the first chunk that
waits."""


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
                wait_while(lambda: not over_file(marker).exists(), HANG_S)
            if fault == "slow":
                with Path(marker).open("a") as log:
                    log.write(f"{time.time()}\n")
                time.sleep(SLOW_S)
                wait_while(lambda: is_held(marker, chunks[0].index), HELD_S)
                with done_file(marker).open("a") as log:
                    log.write(f"{time.time()}\n")
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


def hold_file(marker: str) -> Path:
    """See ``HELD_S``. ``marker`` with the analyzer's name behind it."""
    return Path(f"{marker}-hold")


def done_file(marker: str) -> Path:
    """Has a line for each chunk that a slow analyzer has done."""
    return Path(f"{marker}-done")


def over_file(marker: str) -> Path:
    """See ``HANG_S``."""
    return Path(f"{marker}-over")


def is_held(marker: str, index: int) -> bool:
    """Whether a slow analyzer is to wait in this chunk."""
    try:
        return index >= int(hold_file(marker).read_text() or 0)
    except FileNotFoundError:
        return False


def wait_while(held: Callable[[], bool], limit_s: float) -> None:
    """Sleeps as long as this is true, and no longer than so many seconds."""
    end_s = time.monotonic() + limit_s
    while held() and time.monotonic() < end_s:
        time.sleep(0.02)


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
