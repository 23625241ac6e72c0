"""What a replica tells of itself: to Serve, which replaces it when it is stuck or has lost the GPU, and to metrics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analyzers.host import AnalyzerHost
from analyzers.runtime import Runtime
from deployments import replica_metrics
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


class Told:
    """In place of a metric of Ray: every value that it was given."""

    seen: list[tuple[str, float, dict[str, str]]]

    def __init__(self, name: str, *_: Any) -> None:
        self._name = name

    def set(self, value: float, tags: dict[str, str]) -> None:
        self.seen.append((self._name, value, tags))


class AtOnce:
    """In place of a replica's turns: nobody is before it."""

    chunks_at_once = 1

    async def take(self, _: int, work: Callable[[], Any]) -> Any:
        return work()


@pytest.mark.error_logs
@pytest.mark.parametrize(
    ("settings", "states"),
    [
        # Without weights; then settings that are no settings, which change nothing.
        ([{}], [0.5, 0.0]),
        ([{}, {"no_such_field": 1}], [0.5, 0.0, 0.5, 0.0]),
        # EasyOCR's weights are not there, no reader needs none.
        ([{"engine": "easyocr"}, {"engine": "none"}], [0.5, 0.0, 0.5, 1.0]),
    ],
)
async def test_metrics_say_loading_and_what_came_of_it(
    settings: list[dict[str, Any]], states: list[float], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Told, "seen", [], raising=False)
    for kind in ("Gauge", "Histogram", "Counter"):
        monkeypatch.setattr(replica_metrics, kind, Told)
    made: Any = replica(None)
    made._name = "text_overlay" if "engine" in settings[0] else "audio_environment"
    made._runtime, made._turns, made._refused = Runtime(weights_path=tmp_path), AtOnce(), ""
    made._metrics = replica_metrics.ReplicaMetrics(made._name)
    for chosen in settings:
        await made.reconfigure(chosen)
    told = [(value, tags) for name, value, tags in Told.seen if name == "tiktok_analyzer_state"]
    assert told == [(value, {"analyzer": made._name}) for value in states]
    assert any(name == "tiktok_analyzer_load_seconds" for name, *_ in Told.seen)
