"""The same application on two Ray nodes, each with its own object store, analyzers on both."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from ops.profiles import PROFILE_FILES, load_profile
from ops.sample import make_sample
from ops.server import free_port

pytestmark = pytest.mark.slow

ON_SECOND = ("color_analysis", "audio_analysis", "text_overlay")
BIN = Path(sys.executable).parent
STORE_BYTES = str(300 * 1024 * 1024)


def _run(*command: str, env: dict[str, str]) -> str:
    done = subprocess.run([str(BIN / command[0]), *command[1:]], env=env, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    root = Path(__file__).resolve().parents[2]
    folder = tmp_path_factory.mktemp("two_nodes")
    gcs, dashboard, http = free_port(0), free_port(0), free_port(0)
    # A short path of its own: sockets lie in it, and `ray start` leaves the cluster's address there for others to find.
    ray_folder = tempfile.mkdtemp(prefix="ray-")
    env = {
        **os.environ,
        "RAY_TMPDIR": ray_folder,
        "PYTHONPATH": str(root),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Both nodes and the command line must show the same token; `ray start` alone would look for a file.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_ADDRESS": f"127.0.0.1:{gcs}",
        "RAY_DASHBOARD_ADDRESS": f"http://127.0.0.1:{dashboard}",
    }
    common = ("--num-cpus=2", f"--object-store-memory={STORE_BYTES}", "--disable-usage-stats")
    config = load_profile(
        PROFILE_FILES["cpu"], port=http, args={"data_dir": str(folder / "data"), "video_roots": [str(folder)]}
    )
    for block in config["applications"][0]["deployments"]:
        node = "second" if block["name"] in ON_SECOND else "first"
        block["ray_actor_options"]["resources"] = {node: 0.01}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    nodes: list[subprocess.Popen[bytes]] = []
    try:
        head = (
            "start",
            "--head",
            f"--port={gcs}",
            f"--dashboard-port={dashboard}",
            f"--dashboard-agent-listen-port={free_port(0)}",
        )
        nodes.append(_node(env, folder / "head.log", *head, '--resources={"first": 1}', *common))
        _wait_for_dashboard(dashboard)
        join = ("start", f"--address=127.0.0.1:{gcs}", f"--dashboard-agent-listen-port={free_port(0)}")
        nodes.append(_node(env, folder / "second.log", *join, '--resources={"second": 1}', *common))
        _run("serve", "deploy", str(path), env=env)
        _wait_until_ready(http, env)
        yield {"url": f"http://127.0.0.1:{http}", "env": env, "folder": folder}
    finally:
        for process in reversed(nodes):
            process.terminate()
        for process in nodes:
            process.wait(timeout=60)
        shutil.rmtree(ray_folder, ignore_errors=True)


def _node(env: dict[str, str], log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen([str(BIN / "ray"), *arguments, "--block"], env=env, stdout=file, stderr=file)


def _wait_for_dashboard(port: int) -> None:
    until = time.monotonic() + 90.0
    while time.monotonic() < until:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/api/version", timeout=5.0).status_code < 500:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError("the dashboard did not come up")


def _wait_until_ready(port: int, env: dict[str, str]) -> None:
    until = time.monotonic() + 180.0
    while time.monotonic() < until:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=10.0).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError(_run("serve", "status", env=env))


def test_a_video_whose_analyzers_sit_on_two_nodes(cluster: dict[str, Any]) -> None:
    make_sample(cluster["folder"] / "sample.mp4")
    answer = httpx.post(f"{cluster['url']}/analyze", json={"video_path": "sample.mp4"}, timeout=240.0)
    assert answer.status_code == 200, answer.text
    document = httpx.get(f"{cluster['url']}/jobs/{answer.json()['id']}/document", timeout=30.0).json()
    assert {name: s["error"] for name, s in document["sections"].items() if s["status"] in ("failed", "partial")} == {}
    assert document["performance"]["video_decodes"] == 1
    listing = _run(
        "ray", "list", "actors", "--format=json", "--filter", "state=ALIVE", "--limit=1000", env=cluster["env"]
    )
    node_of: dict[str, str] = {}
    for actor in json.loads(listing):
        name = actor["name"] or ""
        if name.startswith("SERVE_REPLICA::"):
            node_of[name.split("::")[1].split("#")[1]] = actor["node_id"]
    assert len(set(node_of.values())) == 2
    second = {node_of[name] for name in ON_SECOND}
    assert len(second) == 1
    assert node_of["Ingress"] not in second
    assert node_of["cut_analysis"] not in second


def test_serve_status_shows_every_replica_healthy(cluster: dict[str, Any]) -> None:
    status = yaml.safe_load(_run("serve", "status", env=cluster["env"]))
    application = status["applications"]["tiktok-analyzer"]
    assert application["status"] == "RUNNING"
    assert {d["status"] for d in application["deployments"].values()} == {"HEALTHY"}
    assert set(ON_SECOND) <= set(application["deployments"])
