"""``serve deploy`` with other settings: no replica restarts, the next analysis uses them."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any

from ops.server import deploy
from tests.ray.actors import replica_pids
from tests.ray.conftest import Running

WITHIN_S = 120.0
"""For each thing that is waited for; seconds on an idle machine."""


def _with_user_config(config: dict[str, Any], name: str, user_config: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    block = next(d for d in changed["applications"][0]["deployments"] if d["name"] == name)
    block["user_config"] = user_config
    return changed


def _settings_of(running: Running, name: str) -> dict[str, Any]:
    """Of an analyzer that answers: one that takes too long is listed without its settings."""
    until = time.monotonic() + WITHIN_S
    while True:
        rows = running.http.get("/analyzers").json()["analyzers"]
        found: dict[str, Any] = next(row for row in rows if row["name"] == name)
        if found["config"]:
            return found
        assert time.monotonic() < until, found


def _wait_for(running: Running, name: str, field: str, value: Any) -> dict[str, Any]:
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        row = _settings_of(running, name)
        if row["config"][field] == value:
            return row
        time.sleep(0.2)
    raise AssertionError(f"{name}.{field} did not become {value}")


def test_sampling_and_thresholds_change_without_a_restart(running: Running, sample: Path) -> None:
    before = replica_pids()
    usual = _settings_of(running, "color_analysis")
    assert "2 fps" in usual["need"]
    try:
        changed = _with_user_config(running.config, "color_analysis", {"fps": 1.0, "deadline_s": 77.0})
        deploy(running.service.dashboard_url, changed)
        row = _wait_for(running, "color_analysis", "deadline_s", 77.0)
        assert "1 fps" in row["need"]
        document = running.document(running.analyze(sample, "color_analysis"))
        assert document["sections"]["color_analysis"]["provenance"]["config"]["fps"] == 1.0
        assert replica_pids() == before
    finally:
        deploy(running.service.dashboard_url, running.config)
        _wait_for(running, "color_analysis", "deadline_s", usual["config"]["deadline_s"])


def test_wrong_settings_leave_the_analyzer_at_work_and_are_told(running: Running, sample: Path) -> None:
    before = replica_pids()
    try:
        deploy(running.service.dashboard_url, _with_user_config(running.config, "color_analysis", {"fpss": 1.0}))
        until = time.monotonic() + WITHIN_S
        while "fpss" not in (state := running.http.get("/health").json()["analyzers"]["color_analysis"]):
            assert time.monotonic() < until, state
            time.sleep(0.2)
        assert state.startswith("ready: new settings were refused")
        assert running.http.get("/health").json()["status"] == "degraded"
        document = running.document(running.analyze(sample, "color_analysis"))
        assert document["sections"]["color_analysis"]["status"] == "ok"
        assert replica_pids() == before
    finally:
        deploy(running.service.dashboard_url, running.config)
        until = time.monotonic() + WITHIN_S
        while running.http.get("/health").json()["analyzers"]["color_analysis"] != "ready":
            assert time.monotonic() < until
            time.sleep(0.2)
