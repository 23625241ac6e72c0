"""What a replica tells Serve about itself: it is replaced when it is stuck or has lost the GPU, and else left alone."""

from __future__ import annotations

from typing import Any

import pytest

from analyzers.host import AnalyzerHost
from deployments.analyzer import AnalyzerReplica

pytestmark = pytest.mark.asyncio


def replica(host: AnalyzerHost | None) -> AnalyzerReplica:
    """One that Serve did not make: there is no cluster."""
    made: Any = object.__new__(AnalyzerReplica)
    made._name, made._loaded = "color_analysis", host
    return made  # type: ignore[no-any-return]


async def test_a_replica_that_loads_or_works_is_healthy() -> None:
    await replica(None).check_health()
    await replica(AnalyzerHost("color_analysis")).check_health()


async def test_a_stuck_replica_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    host = AnalyzerHost("color_analysis")
    monkeypatch.setattr(host, "stuck_for_s", lambda: 601.0)
    with pytest.raises(RuntimeError, match="has been computing for 601 s"):
        await replica(host).check_health()


async def test_a_replica_without_its_gpu_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    host = AnalyzerHost("color_analysis")
    monkeypatch.setattr(host, "_card_error", "CUDA error: unspecified launch failure")
    with pytest.raises(RuntimeError, match="color_analysis has lost the GPU: CUDA error: unspecified launch failure"):
        await replica(host).check_health()
