"""Ray as operators start it: ``ray start``, ``serve deploy`` and ``serve status`` as commands of their own."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.child_processes import kill_tree
from tests.ray.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


class Nodes:
    """One Ray of this machine and the commands that act on it.

    Args:
        folder: For logs and configurations.
        ray_folder: A short path of its own: sockets lie in it, and ``ray start`` leaves the cluster's address there.
        extra: More environment for the nodes.
    """

    def __init__(self, folder: Path, ray_folder: str, extra: Mapping[str, str]) -> None:
        self.folder = folder
        self._gcs, self._dashboard, self.http_port = free_port(), free_port(), free_port()
        self.env = {
            **os.environ,
            "RAY_TMPDIR": ray_folder,
            "PYTHONPATH": str(ROOT),
            "RAY_USAGE_STATS_ENABLED": "0",
            # All nodes and the command line must show the same token; `ray start` alone would look for a file.
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_ADDRESS": f"127.0.0.1:{self._gcs}",
            "RAY_DASHBOARD_ADDRESS": f"http://127.0.0.1:{self._dashboard}",
            **extra,
        }
        self._started: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        """Of the ingress."""
        return f"http://127.0.0.1:{self.http_port}"

    def start_head(self, *arguments: str) -> None:
        """``ray start --head``, until its dashboard answers."""
        ports = (f"--port={self._gcs}", f"--dashboard-port={self._dashboard}")
        self._start("head", "--head", *ports, *arguments)
        until = time.monotonic() + 90.0
        while time.monotonic() < until:
            try:
                if httpx.get(f"http://127.0.0.1:{self._dashboard}/api/version", timeout=5.0).status_code < 500:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.5)
        raise AssertionError("the dashboard did not come up")

    def join(self, name: str, *arguments: str) -> None:
        """A second ``ray start`` that joins the head."""
        self._start(name, f"--address=127.0.0.1:{self._gcs}", *arguments)

    def _start(self, name: str, *arguments: str) -> None:
        command = [
            str(BIN / "ray"),
            "start",
            f"--dashboard-agent-listen-port={free_port()}",
            "--disable-usage-stats",
            *arguments,
        ]
        with (self.folder / f"{name}.log").open("wb") as file:
            self._started.append(subprocess.Popen([*command, "--block"], env=self.env, stdout=file, stderr=file))

    def run(self, *command: str) -> str:
        """Output of a command of the environment, such as ``serve status``."""
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:]], env=self.env, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deploy(self, config: Mapping[str, Any], limit_s: float) -> None:
        """``serve deploy``, until the application is ready."""
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(dict(config), sort_keys=False))
        self.run("serve", "deploy", str(path))
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            try:
                if httpx.get(f"{self.url}/health/ready", timeout=10.0).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.5)
        raise AssertionError(self.run("serve", "status"))

    def document(self, video: str, timeout_s: float) -> dict[str, Any]:
        """The document of a video, analysed by a call that waits."""
        answer = httpx.post(f"{self.url}/analyze", json={"video_path": video}, timeout=timeout_s)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = httpx.get(f"{self.url}/jobs/{answer.json()['id']}/document", timeout=60.0).json()
        return found

    def stop(self) -> None:
        """Ends all nodes, at once: asked to, Ray takes half a minute."""
        for process in reversed(self._started):
            if process.poll() is None:
                kill_tree(process.pid)
            process.wait(timeout=60)


@contextmanager
def ray_nodes(folder: Path, extra: Mapping[str, str] | None = None) -> Iterator[Nodes]:
    """Nodes that end with the block, however it ends."""
    ray_folder = tempfile.mkdtemp(prefix="ray-")
    nodes = Nodes(folder, ray_folder, extra or {})
    try:
        yield nodes
    finally:
        nodes.stop()
        shutil.rmtree(ray_folder, ignore_errors=True)
