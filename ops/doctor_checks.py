"""What the doctor thinks of a machine: pure judgements over values that ``ops.doctor`` gathers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deployments.serve_flags import refused_flags
from schema.api import DiskHealth

State = Literal["ok", "warn", "fail"]

GIB = 1024**3

OLDEST_PYTHON, NEWEST_PYTHON = (3, 10), (3, 12)
"""As in pyproject.toml."""

FEWEST_CORES = 2
"""The CPU profile is made for 2 cores; on one it works, slower than the video plays."""

LEAST_MEMORY_BYTES, FAIR_MEMORY_BYTES = 4 * GIB, 7 * GIB
"""24 small deployments on Ray take 4.5 GB. A machine sold with 8 GB shows a little over 7."""

NEEDED_DECODERS = ("h264", "hevc", "vp8", "vp9", "av1", "gif", "aac", "mp3", "opus")
"""What phones, browsers and TikTok write. PyAV's wheels have all of them."""

TURING = (7, 5)
"""Compute capability of the RTX 8000, the oldest one that today's torch holds code for."""

BFLOAT16_FROM = (8, 0)
"""Compute capability from which on a card computes in bfloat16; torch says yes on older ones and emulates it."""

SMALLEST_GPU_MIB = 15_000
"""What a 16 GB card shows, about: the smallest that a profile is made for."""

CUDA_13_DRIVER = 580
"""First driver for CUDA 13, which PyPI's torch is built with."""

CV2_PACKAGES = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
"""They all unpack into the folder ``cv2``."""


FRESH_DAYS = 120
"""Days after which a yt-dlp is called old; its own warning comes after 90, when a release may not be out yet."""


@dataclass(frozen=True)
class Check:
    """One row of the doctor's report.

    Attributes:
        name: What was looked at.
        state: ``fail``: the service will not work; ``warn``: worse than it could be.
        found: What is there.
        remedy: What to do about it; empty where nothing is to be done.
    """

    name: str
    state: State
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class GpuFacts:
    """One line of nvidia-smi.

    Attributes:
        name: As the driver calls it.
        memory_mib: All of its memory.
        driver: Version of the driver.
        capability: Compute capability, major and minor.
    """

    name: str
    memory_mib: int
    driver: str
    capability: tuple[int, int]


def check_python(version: tuple[int, int, int]) -> Check:
    """Whether the project runs on this Python."""
    found = ".".join(map(str, version))
    if OLDEST_PYTHON <= version[:2] <= NEWEST_PYTHON:
        return Check("Python", "ok", found)
    return Check("Python", "fail", found, "Use Python 3.10, 3.11 or 3.12: make PYTHON=/path/to/python3.11 setup")


def check_packages(required: Iterable[Requirement], installed: Mapping[str, str], tested: Mapping[str, str]) -> Check:
    """Whether all that the project needs is installed, and in the versions that were tested.

    Args:
        required: Of the project, those that apply to this Python.
        installed: Version per canonical name.
        tested: Version per canonical name, from constraints.txt; empty where that file is not at hand.
    """
    wrong = []
    for requirement in required:
        version = installed.get(canonicalize_name(requirement.name))
        if version is None:
            wrong.append(f"{requirement.name} is missing")
        elif not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version}, needs {requirement.specifier}")
    if wrong:
        return Check("packages", "fail", "; ".join(wrong), "make setup")
    other = [f"{n} {v} (tested: {tested[n]})" for n, v in sorted(installed.items()) if v != tested.get(n, v)]
    if other:
        found = f"{len(other)} other than tested: {', '.join(other[:5])}{' ...' if len(other) > 5 else ''}"
        return Check("packages", "warn", found, "pip install -c constraints.txt -e .")
    return Check("packages", "ok", "the tested versions" if tested else "all there")


def check_cv2(installed: Mapping[str, str]) -> Check:
    """Whether one build of OpenCV is installed; several overwrite each other's files."""
    builds = {name: installed[name] for name in CV2_PACKAGES if name in installed}
    found = ", ".join(f"{name} {version}" for name, version in builds.items())
    remedy = "pip uninstall the others, then: pip install --force-reinstall --no-deps opencv-python-headless"
    if not builds:
        return Check("OpenCV", "fail", "none", "pip install -c constraints.txt opencv-python-headless")
    if len(set(builds.values())) > 1:
        return Check("OpenCV", "fail", f"{found}: files of different versions in one folder", remedy)
    if set(builds) != {"opencv-python-headless"}:
        return Check("OpenCV", "warn", f"{found}: wants a window system's libraries (libGL)", remedy)
    return Check("OpenCV", "ok", found)


def check_decoders(available: Iterable[str]) -> Check:
    """Whether PyAV's build of FFmpeg reads what short videos come in."""
    missing = [name for name in NEEDED_DECODERS if name not in set(available)]
    if missing:
        remedy = "Install PyAV's own wheel: pip install --force-reinstall --only-binary=:all: -c constraints.txt av"
        return Check("decoders", "fail", f"PyAV does not read {', '.join(missing)}", remedy)
    return Check("decoders", "ok", ", ".join(NEEDED_DECODERS))


def check_downloader(version: str | None, today: date) -> Check:
    """Whether yt-dlp is recent: sites change their pages, and only new releases read them.

    Args:
        version: Of yt-dlp: the day of its release, as ``2026.10.26``; None when it is not installed.
        today: The present day.
    """
    remedy = "pip install --upgrade yt-dlp"
    if version is None:
        return Check("downloads", "warn", "yt-dlp is not installed: URLs are refused", remedy)
    match = re.match(r"(\d{4})\.(\d{1,2})\.(\d{1,2})", version)
    if match is None:
        return Check("downloads", "warn", f"yt-dlp {version}: no release", remedy)
    age = (today - date(*map(int, match.groups()))).days
    found = f"yt-dlp {version}, {max(0, age)} days old"
    return Check("downloads", "ok", found) if age <= FRESH_DAYS else Check("downloads", "warn", found, remedy)


def check_cores(cores: int) -> Check:
    """``cores``: those that this process may use."""
    if cores < FEWEST_CORES:
        return Check("CPU cores", "warn", str(cores), f"Give it {FEWEST_CORES} cores or more: one is slow.")
    return Check("CPU cores", "ok", str(cores))


def check_memory(total_bytes: int) -> Check:
    """``total_bytes``: of the machine or of the container, whichever is less."""
    found = f"{total_bytes / GIB:.1f} GiB"
    if total_bytes < LEAST_MEMORY_BYTES:
        return Check("memory", "fail", found, "The service needs 4 GiB, better 8.")
    if total_bytes < FAIR_MEMORY_BYTES:
        return Check("memory", "warn", found, "Deploy fewer analyzers (args.analyzers in the yaml), or use 8 GB.")
    return Check("memory", "ok", found)


def check_shared_memory(free_bytes: int | None, needed_bytes: int) -> Check:
    """Whether the object store fits.

    Args:
        free_bytes: Of /dev/shm; None where there is none (macOS).
        needed_bytes: Size of the object store.
    """
    if free_bytes is None:
        return Check("/dev/shm", "ok", "none on this system; Ray uses files")
    found = f"{free_bytes / GIB:.2f} GiB free"
    if free_bytes < needed_bytes:
        remedy = f"In a container: --shm-size={needed_bytes / GIB:.0f}g or more. Else Ray's store goes to the disk."
        return Check("/dev/shm", "warn", f"{found}, the object store takes {needed_bytes / GIB:.2f}", remedy)
    return Check("/dev/shm", "ok", found)


def check_port(name: str, port: int, free: bool, remedy: str) -> Check:
    """Whether nobody else listens on the port."""
    if free:
        return Check(f"port {port} ({name})", "ok", "free")
    return Check(f"port {port} ({name})", "warn", "in use: by a running service, or by something else", remedy)


def check_data_folder(path: str, writable: bool, disk: DiskHealth) -> Check:
    """Whether results can be kept; ``low`` and ``full`` by the bounds in the settings."""
    if not writable:
        return Check("data folder", "fail", f"{path} cannot be written", f"sudo chown -R $USER {path}, or set data_dir")
    found = f"{path}, {disk.free_mb} MB free"
    remedy = "`tiktok-analyzer cleanup --days N` makes room; or set data_dir in the yaml to another disk."
    if disk.state == "full":
        return Check("data folder", "fail", f"{found}; under {disk.refused_below_mb} MB all work is refused", remedy)
    return Check("data folder", "warn" if disk.state == "low" else "ok", found, remedy if disk.state == "low" else "")


def check_flags(environment: Mapping[str, str]) -> Check:
    """Whether a flag of Ray Serve is set under which the service must not start."""
    if problems := refused_flags(environment):
        names = " ".join(problem.partition("=")[0] for problem in problems)
        return Check("Ray flags", "fail", " ".join(problems), f"unset {names}")
    return Check("Ray flags", "ok", "none that does harm")


def check_gpu(has_driver: bool, gpus: Sequence[GpuFacts]) -> Check:
    """What the first GPU is good for.

    Args:
        has_driver: Whether nvidia-smi is installed.
        gpus: What it listed.
    """
    if not has_driver:
        return Check("GPU", "ok", "none; the CPU profile needs none")
    if not gpus:
        return Check("GPU", "fail", "nvidia-smi does not answer", "Reinstall or reload NVIDIA's driver, or reboot.")
    gpu = gpus[0]
    more = f" and {len(gpus) - 1} more" if len(gpus) > 1 else ""
    capability = f"{gpu.capability[0]}.{gpu.capability[1]}"
    found = f"{gpu.name}{more}, {gpu.memory_mib} MiB, driver {gpu.driver}, compute capability {capability}"
    if gpu.capability < TURING:
        return Check(
            "GPU", "fail", found, "Older than Turing (7.5): today's torch has no code for it. Use --profile cpu."
        )
    if int(gpu.driver.partition(".")[0]) < CUDA_13_DRIVER:
        return Check(
            "GPU", "warn", found, f"PyPI's torch is built with CUDA 13: install driver {CUDA_13_DRIVER} or newer."
        )
    if gpu.memory_mib < SMALLEST_GPU_MIB:
        return Check("GPU", "warn", found, "No profile is made for so little memory. Use --profile cpu.")
    if gpu.capability < BFLOAT16_FROM:
        return Check("GPU", "ok", f"{found}: no bfloat16, no FlashAttention 2; float16 and SDPA are used")
    return Check("GPU", "ok", found)


def check_gpu_shares(profile: str | None, shortfalls: Sequence[str]) -> Check:
    """Whether the models of the profile for this card fit their shares of it.

    Args:
        profile: The one made for a card of this size; None without a GPU or with one too small.
        shortfalls: One line for each analyzer whose share does not cover its need, with what to change.
    """
    if profile is None:
        return Check("GPU shares", "ok", "no GPU to share")
    if shortfalls:
        found = f"--profile {profile}: {' '.join(shortfalls)}"
        return Check("GPU shares", "warn", found, f"tiktok-analyzer profile {profile} --budget")
    return Check("GPU shares", "ok", f"--profile {profile} fits this card")


def check_weights(profile: str, missing: Sequence[str], wrong: Sequence[str], total: int) -> Check:
    """Whether the models of a profile are here.

    Args:
        profile: Which.
        missing: Names of models that were never pulled.
        wrong: Names of models that are incomplete or of another revision.
        total: How many models the profile loads.
    """
    if wrong:
        remedy = f"tiktok-analyzer models pull {' '.join(wrong)}"
        return Check("weights", "warn", f"incomplete or outdated: {', '.join(wrong)}", remedy)
    if missing:
        found = (
            f"{total - len(missing)} of {total} models of the {profile} profile; the others' sections say unavailable"
        )
        return Check("weights", "warn", found, f"tiktok-analyzer models pull --profile {profile}")
    return Check("weights", "ok", f"all {total} models of the {profile} profile")


def parse_gpus(output: str) -> list[GpuFacts]:
    """Lines of ``nvidia-smi --query-gpu=name,memory.total,driver_version,compute_cap --format=csv,noheader,nounits``.

    A line that does not have this form (an old driver knows no ``compute_cap``) is left out.
    """
    found = []
    for line in output.splitlines():
        fields = [field.strip() for field in line.split(",")]
        capability = fields[-1].split(".")
        if len(fields) == 4 and fields[1].isdigit() and len(capability) == 2 and all(c.isdigit() for c in capability):
            found.append(GpuFacts(fields[0], int(fields[1]), fields[2], (int(capability[0]), int(capability[1]))))
    return found


def parse_constraints(text: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Version per canonical name from the lines of constraints.txt that apply.

    Args:
        text: Of the file.
        environment: Markers are judged with these values on top of this Python's.
    """
    tested: dict[str, str] = {}
    for line in text.splitlines():
        if entry := line.partition("#")[0].strip():
            requirement = Requirement(entry)
            if requirement.marker is None or requirement.marker.evaluate(dict(environment or {})):
                (pin,) = requirement.specifier
                tested[canonicalize_name(requirement.name)] = pin.version
    return tested
