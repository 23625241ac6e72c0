"""A replica that loads for a while: /health says so, and Ray's metrics show what it cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import ray
from ray import serve

from deployments.analyzer import AnalyzerReplica
from deployments.ingress import IngressDeployment
from deployments.settings import GraphArgs
from tests.ray.conftest import Running

WITHIN_S = 90.0
"""For each thing that is waited for; seconds on an idle machine."""

MISSING = "object_detection"
"""Without its weights."""


class SlowToLoad(AnalyzerReplica):
    """The real replica with a model that takes until ``loaded`` is there."""

    def __init__(self, name: str, loaded: str) -> None:
        super().__init__(name)
        self._loaded_file = Path(loaded)

    async def reconfigure(self, user_config: dict[str, Any] | None) -> None:
        while not self._loaded_file.exists():
            await asyncio.sleep(0.1)
        await super().reconfigure(user_config)


def until(look: Callable[[], Any]) -> Any:
    """What ``look`` gives as soon as it is true; the last answer after a minute."""
    end = time.monotonic() + WITHIN_S
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.2)
    return found


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file whose coming ends the loading."""
    return tmp_path_factory.mktemp("marker") / "loaded"


@pytest.fixture(scope="module")
def loading(running: Running, loaded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Path of an application of which one analyzer loads until the test lets it go on."""
    options: dict[str, Any] = {"ray_actor_options": {"num_cpus": 0.05}, "user_config": {}}
    quick, slow = serve.deployment(**options)(AnalyzerReplica), serve.deployment(**options)(SlowToLoad)
    settings = GraphArgs(
        data_dir=str(tmp_path_factory.mktemp("loading")), video_roots=(str(running.videos),), describe_timeout_s=1.0
    )
    handles = {
        "color_analysis": quick.options(name="color_analysis").bind("color_analysis"),
        "cut_analysis": slow.options(name="cut_analysis").bind("cut_analysis", str(loaded)),
        # Its weights lie nowhere: it starts at once and says so.
        MISSING: quick.options(name=MISSING).bind(MISSING, settings.runtime),
    }
    app = IngressDeployment.options(ray_actor_options={"num_cpus": 0.05}).bind(settings, handles)
    target = serve.RunTarget(app, name="loading", route_prefix="/loading", logging_config={"log_level": "ERROR"})
    serve.run_many([target], wait_for_applications_running=False)
    yield "/loading"
    loaded.touch()
    serve.delete("loading")


def test_health_tells_loading_from_unreachable(running: Running, loading: str, loaded: Path) -> None:
    seen: dict[str, str] = {}

    def states() -> dict[str, str]:
        answer = running.http.get(f"{loading}/health")
        seen.update(answer.json()["analyzers"] if answer.status_code == 200 else {"HTTP": str(answer.status_code)})
        return seen

    until(lambda: states().get("cut_analysis") == "loading" and seen.get("color_analysis") == "ready")
    assert (seen["cut_analysis"], seen["color_analysis"]) == ("loading", "ready")
    assert running.http.get(f"{loading}/health/ready").status_code == 503

    loaded.touch()
    # One that does not answer within a second is unreachable for that look.
    until(lambda: states()["cut_analysis"] == seen["color_analysis"] == "ready" and "yolov8x" in seen[MISSING])
    assert (seen["cut_analysis"], seen["color_analysis"]) == ("ready", "ready")
    assert seen[MISSING].startswith("unavailable: yolov8x is not in ")
    assert until(lambda: running.http.get(f"{loading}/health/ready").status_code == 200)


def test_rays_metrics_show_loading_runs_and_chunks(running: Running, sample: Path, loading: str) -> None:
    answer = running.http.post(f"{loading}/analyze", json={"video_path": str(sample), "analyzers": ["color_analysis"]})
    assert answer.status_code == 200, answer.text
    (node,) = [n for n in ray.nodes() if n["Alive"]]
    url = f"http://127.0.0.1:{node['MetricsExportPort']}/metrics"

    def line(name: str, *tags: str) -> str | None:
        lines = httpx.get(url, timeout=10.0).text.splitlines()
        return next((x for x in lines if x.startswith(f"ray_{name}") and all(t in x for t in tags)), None)

    chunks = until(lambda: line("tiktok_analyzer_chunks", 'analyzer="color_analysis"'))
    assert float(chunks.rpartition(" ")[2]) >= 1.0
    # Each process tells its own in its own time.
    assert until(lambda: line("tiktok_analyzer_load_seconds", 'analyzer="cut_analysis"'))
    assert until(lambda: line("tiktok_analyzer_run_seconds_count", 'analyzer="color_analysis"', 'step="observe"'))
