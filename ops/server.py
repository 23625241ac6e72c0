"""Starts Ray on this machine and deploys the application on it."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from analyzers.threads import thread_environment
from deployments.settings import PROJECT_ROOT
from ops.strict_config import InvalidConfig, check_config

OBJECT_STORE_BYTES = 768 * 1024 * 1024
"""Shared memory for pictures and sound on one machine: two videos of 192 MB in flight, what is being decoded, and as
much again for what replicas still hold."""

RAY_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # ms that an idle worker process lives. Ray's 1000 ends the decoders between two requests, and the next request then
    # waits 0.7 s for Python to start: first observation after 1.0 s in place of 0.65 s.
    "RAY_idle_worker_killing_time_threshold_ms": "3600000",
    # Niceness of Ray's worker processes, of the ingress and Serve's proxy too. With Ray's 15 all else on the machine
    # goes before the answers; what computes stands behind them by itself (`deployments/precedence.py`).
    "RAY_worker_niceness": "0",
    # Worker processes that may start at once. Ray's default, one per core, warns on the console about every replica.
    "RAY_worker_maximum_startup_concurrency": "32",
    # Seconds between two looks of Serve's controller at its replicas. Ray's 0.1 takes 2 % of a core more, and a replica
    # that died is replaced after two seconds either way.
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
    # ms between two reports of a node's free resources to the head. Here is one node, which knows them; Ray's 100 takes
    # 1 % of a core more.
    "RAY_raylet_report_resources_period_milliseconds": "1000",
}
"""Environment of the Ray that this module starts; what the environment says already, wins."""

START_TIMEOUT_S = 180.0
"""Wall seconds until all replicas answer; 8 of them take 15 s on two idle cores."""

PORT_WAIT_S = 10.0
"""Wall seconds until a port must be free: the proxy of a service that was killed outlives it by a second or two."""

POLL_S = 0.25
"""Wall seconds between two looks at a starting application."""


class StartFailed(RuntimeError):
    """The application did not come up; the text holds Serve's own message."""


@dataclass(frozen=True)
class Service:
    """A running application.

    Attributes:
        url: Of the ingress.
        dashboard_url: Of Ray's dashboard.
        start_s: Wall seconds until it was ready.
    """

    url: str
    dashboard_url: str
    start_s: float


def never() -> bool:
    """Nobody has asked for an end."""
    return False


@contextmanager
def local_service(config: dict[str, Any], is_stopped: Callable[[], bool] = never) -> Iterator[Service]:
    """Ray and the application on this machine, until the block ends.

    Args:
        config: A Serve configuration, as in the yaml files.
        is_stopped: Asked while it starts: whether that is to be given up.

    Raises:
        KeyboardInterrupt: It was given up; nothing of it runs any more.
        InvalidConfig: The configuration holds what Serve would silently drop, or settings out of bounds.
        StartFailed: Its port is taken, or it did not come up in time.
    """
    started_s = time.monotonic()
    if problems := check_config(config):
        raise InvalidConfig(problems)
    http_options = config.get("http_options", {})
    host, port = http_options.get("host", "127.0.0.1"), http_options.get("port", 8000)
    require_free(host, port)
    os.environ.update(thread_environment(1))
    # Replicas import the project by name: it is installed, or its root is on their path.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
    for name, value in RAY_SETTINGS.items():
        os.environ.setdefault(name, value)
    import ray
    from ray import serve

    context = ray.init(
        address="local",  # never joins another Ray that happens to run here
        include_dashboard=True,
        object_store_memory=OBJECT_STORE_BYTES,
        num_cpus=max(2, os.cpu_count() or 2),
        configure_logging=True,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    try:
        dashboard_url = f"http://{context.dashboard_url}"
        deploy(dashboard_url, config)
        url = f"http://{host}:{port}"
        wait_until_ready(url, dashboard_url, started_s + START_TIMEOUT_S, is_stopped)
        yield Service(url, dashboard_url, time.monotonic() - started_s)
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]  # ray leaves it unannotated
        ray.shutdown()


def deploy(dashboard_url: str, config: dict[str, Any]) -> None:
    """Hands the configuration to Serve, as ``serve deploy`` does."""
    from ray.dashboard.modules.serve.sdk import ServeSubmissionClient

    ServeSubmissionClient(dashboard_url).deploy_applications(config)


def wait_until_ready(url: str, dashboard_url: str, until_s: float, is_stopped: Callable[[], bool] = never) -> None:
    """Polls until every replica answers.

    Args:
        url: Of the ingress.
        dashboard_url: Of the dashboard, asked for the reason when the application fails.
        until_s: ``time.monotonic()`` after which to give up.
        is_stopped: Asked between two looks: whether to give up now.

    Raises:
        KeyboardInterrupt: As ``is_stopped`` says.
        StartFailed: The application failed to deploy, or did not answer in time.
    """
    while time.monotonic() < until_s:
        if is_stopped():
            raise KeyboardInterrupt
        try:
            if httpx.get(f"{url}/health/ready", timeout=10.0).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass  # the proxy is not up yet
        if message := deploy_failure(dashboard_url):
            raise StartFailed(message)
        time.sleep(POLL_S)
    raise StartFailed(f"not every replica answered in time; {dashboard_url}/#/serve shows which")


def deploy_failure(dashboard_url: str) -> str | None:
    """Serve's message when the application failed to deploy; None while it is starting or running."""
    from ray.dashboard.modules.serve.sdk import ServeSubmissionClient

    details = ServeSubmissionClient(dashboard_url).get_serve_details()
    for application in details.get("applications", {}).values():
        if application["status"] == "DEPLOY_FAILED":
            return str(application["message"])
    return None


def require_free(host: str, port: int) -> None:
    """Returns when a server can listen there, before Ray is started for it. Ray's proxies share a port with others of
    their kind: two services would each get some of the requests.

    Raises:
        StartFailed: Somebody listens there and does not end, or this machine has no such address.
    """
    until_s = time.monotonic() + PORT_WAIT_S
    while problem := port_problem(host, port):
        if time.monotonic() >= until_s:
            raise StartFailed(
                f"{host}:{port} cannot be listened on ({problem}); a service may be running there: stop it, or name"
                " another port with --port"
            )
        time.sleep(POLL_S)


def port_problem(host: str, port: int) -> str | None:
    """Why nobody can listen there now; None when one can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None


def free_port(preferred: int) -> int:
    """``preferred`` if nobody listens there, else one that the system names."""
    for candidate in (preferred, 0):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(listener.getsockname()[1])
    raise StartFailed("no free TCP port on 127.0.0.1")
