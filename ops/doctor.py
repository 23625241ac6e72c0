"""Looks at this machine and says what stands in the way of the service, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import psutil
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rich.table import Table

from deployments.settings import PROJECT_ROOT, GraphArgs
from jobs.disk import DiskGuard
from ops import doctor_checks as checks
from ops.budget_report import shortfalls
from ops.doctor_checks import Check, GpuFacts
from ops.profile_models import profile_pins
from ops.profiles import PROFILE_FILES, Profile, load_profile, profile_for
from ops.server import OBJECT_STORE_BYTES
from weights.budget import shortfall_text
from weights.check import quick_state

PROJECT = "tiktok-analyzer"
SERVICE_PORT, DASHBOARD_PORT = 8003, 8265
SHARED_MEMORY = Path("/dev/shm")
CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""A container's memory limit, in cgroup v2 and v1."""

NVIDIA_SMI_TIMEOUT_S = 20.0
"""Wall seconds; it takes 0.1 s on a sound driver, some seconds for each card where the driver is not kept loaded, and
hangs on a broken one."""

STATE_STYLE = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def run_doctor(args: GraphArgs | None = None) -> list[Check]:
    """All checks, the base first.

    Args:
        args: Settings of the application, for its data folder; the defaults when left out.
    """
    installed = installed_packages()
    args = args or GraphArgs()
    data = args.data_path
    shared = shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else None
    has_driver, gpus = find_gpus()
    version = sys.version_info
    return [
        checks.check_python((version.major, version.minor, version.micro)),
        checks.check_packages(project_requirements(), installed, tested_versions()),
        checks.check_cv2(installed),
        checks.check_decoders(decoders()),
        checks.check_downloader(installed.get("yt-dlp"), datetime.now(timezone.utc).date()),
        checks.check_cores(usable_cores()),
        checks.check_memory(usable_memory()),
        checks.check_shared_memory(shared, OBJECT_STORE_BYTES),
        checks.check_data_folder(str(data), is_writable(data), DiskGuard(data, args.disk).health()),
        checks.check_port("service", SERVICE_PORT, is_free(SERVICE_PORT), "tiktok-analyzer serve --port PORT"),
        checks.check_port("dashboard", DASHBOARD_PORT, is_free(DASHBOARD_PORT), "Ray takes the next free port."),
        checks.check_flags(os.environ),
        checks.check_gpu(has_driver, gpus),
        gpu_shares(gpus),
        weights(profile_for(gpus[0].memory_mib if gpus else 0) or "cpu", args),
    ]


def gpu_shares(gpus: list[GpuFacts]) -> Check:
    """The shares of the profile that is made for the first card, against that card."""
    profile = profile_for(gpus[0].memory_mib) if gpus else None
    if profile is None:
        return checks.check_gpu_shares(None, [])
    short = shortfalls(load_profile(PROFILE_FILES[profile]), gpus[0].memory_mib)
    return checks.check_gpu_shares(profile, [shortfall_text(line) for line in short])


def weights(profile: Profile, args: GraphArgs) -> Check:
    """The models that this profile loads, as they lie in the weights folder of these settings."""
    pins = profile_pins(load_profile(PROFILE_FILES[profile]), args.licence_policy)
    states = {pin.name: quick_state(pin, args.runtime.weights_path).state for pin in pins}
    missing = [name for name, state in states.items() if state == "missing"]
    wrong = [name for name, state in states.items() if state not in ("missing", "ready")]
    return checks.check_weights(profile, missing, wrong, len(pins))


def render(rows: list[Check]) -> Table:
    """The report for a terminal."""
    table = Table(box=None, pad_edge=False)
    for column in ("", "check", "found", "what to do"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(f"[{STATE_STYLE[row.state]}]{row.state}[/]", row.name, row.found, row.remedy)
    return table


def installed_packages() -> dict[str, str]:
    """Version per canonical name of all that is installed, without the project itself."""
    found = {canonicalize_name(d.metadata["Name"]): d.version for d in importlib.metadata.distributions()}
    return {str(name): version for name, version in found.items() if name != PROJECT}


def project_requirements() -> list[Requirement]:
    """What the project needs on this Python, without its extras; nothing when it is not installed."""
    try:
        lines = importlib.metadata.requires(PROJECT) or []
    except importlib.metadata.PackageNotFoundError:
        return [Requirement(PROJECT)]
    requirements = [Requirement(line) for line in lines]
    return [r for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]


def tested_versions() -> dict[str, str]:
    """constraints.txt of the checkout; empty where only the package is installed."""
    path = PROJECT_ROOT / "constraints.txt"
    return checks.parse_constraints(path.read_text(encoding="utf-8")) if path.is_file() else {}


def decoders() -> list[str]:
    """Names of what PyAV can read."""
    import av
    from av.codec import Codec

    found = []
    for name in checks.NEEDED_DECODERS:
        try:
            Codec(name, "r")
        except av.error.DecoderNotFoundError:
            continue
        found.append(name)
    return found


def usable_cores() -> int:
    """CPUs that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_memory() -> int:
    """Bytes of the machine, or of the container where that is less."""
    limits = [int(text) for path in CGROUP_LIMITS if path.is_file() and (text := path.read_text().strip()).isdigit()]
    return min([psutil.virtual_memory().total, *limits])


def existing_parent(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def is_writable(path: Path) -> bool:
    """Whether a file can be made in the folder, or in the nearest existing one above it. Leaves nothing behind."""
    try:
        with tempfile.TemporaryFile(dir=existing_parent(path)):
            return True
    except OSError:
        return False


def is_free(port: int) -> bool:
    """Whether nobody listens on the port of this machine's loopback address."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def find_gpus() -> tuple[bool, list[GpuFacts]]:
    """Whether NVIDIA's driver is installed, and what it lists."""
    if shutil.which("nvidia-smi") is None:
        return False, []
    query = "--query-gpu=name,memory.total,driver_version,compute_cap"
    try:
        answer = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=NVIDIA_SMI_TIMEOUT_S,
            check=True,
        )
    except (subprocess.SubprocessError, OSError):
        return True, []
    return True, checks.parse_gpus(answer.stdout)
