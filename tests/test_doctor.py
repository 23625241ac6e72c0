"""Each check of the doctor on both sides of what it looks for, with values given to it; then on this machine."""

from __future__ import annotations

import io
import os
import socket
import subprocess
from datetime import date
from pathlib import Path
from typing import Literal

import pytest
from packaging.requirements import Requirement
from rich.console import Console

from deployments.serve_flags import REFUSED_FLAGS
from deployments.settings import GraphArgs
from ops import doctor
from ops import doctor_checks as checks
from ops.doctor_checks import GIB, Check, GpuFacts
from ops.profiles import profile_for
from schema.api import DiskHealth

RTX_8000 = GpuFacts("Quadro RTX 8000", 48_601, "580.95.05", (7, 5))


@pytest.mark.parametrize(
    ("version", "state"),
    [((3, 9, 25), "fail"), ((3, 10, 0), "ok"), ((3, 11, 7), "ok"), ((3, 12, 9), "ok"), ((3, 13, 0), "fail")],
)
def test_python(version: tuple[int, int, int], state: str) -> None:
    assert checks.check_python(version).state == state


NEEDED = [Requirement("numpy>=2.0"), Requirement("PyYAML>=6")]


def test_packages_as_tested() -> None:
    installed = {"numpy": "2.4.6", "pyyaml": "6.0.3", "unrelated": "1.0"}
    assert checks.check_packages(NEEDED, installed, {"numpy": "2.4.6", "pyyaml": "6.0.3", "absent": "1"}).state == "ok"
    assert checks.check_packages(NEEDED, installed, {}).state == "ok"


def test_another_version_than_tested_is_a_warning_with_both() -> None:
    check = checks.check_packages(NEEDED, {"numpy": "2.4.7", "pyyaml": "6.0.3"}, {"numpy": "2.4.6", "pyyaml": "6.0.3"})
    assert check.state == "warn"
    assert "numpy 2.4.7 (tested: 2.4.6)" in check.found
    assert "constraints.txt" in check.remedy


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ({"numpy": "2.4.6"}, "PyYAML is missing"),
        ({"numpy": "1.26.4", "pyyaml": "6.0.3"}, "numpy 1.26.4, needs >=2.0"),
    ],
)
def test_a_missing_or_old_package_is_a_failure(installed: dict[str, str], expected: str) -> None:
    check = checks.check_packages(NEEDED, installed, {})
    assert (check.state, check.found, check.remedy) == ("fail", expected, "make setup")


@pytest.mark.parametrize(
    ("installed", "state"),
    [
        ({"opencv-python-headless": "5.0.0.93"}, "ok"),
        ({}, "fail"),
        ({"opencv-python-headless": "5.0.0.93", "opencv-python": "5.0.0.93"}, "warn"),
        ({"opencv-python": "5.0.0.93"}, "warn"),
        ({"opencv-python-headless": "5.0.0.93", "opencv-contrib-python": "4.12.0.88"}, "fail"),
    ],
)
def test_opencv_is_one_build(installed: dict[str, str], state: str) -> None:
    check = checks.check_cv2(installed)
    assert check.state == state
    assert bool(check.remedy) == (state != "ok")
    assert all(name in check.found for name in installed)


@pytest.mark.parametrize(
    ("version", "state", "said"),
    [
        ("2026.10.26", "ok", "25 days old"),
        ("2026.7.23", "ok", "120 days old"),
        ("2026.07.22", "warn", "121 days old"),
        ("2026.11.21.232815", "ok", "0 days old"),
        ("main", "warn", "no release"),
        (None, "warn", "not installed"),
    ],
)
def test_an_old_downloader_is_told(version: str | None, state: str, said: str) -> None:
    check = checks.check_downloader(version, date(2026, 11, 20))
    assert (check.state, said in check.found, bool(check.remedy)) == (state, True, state != "ok")


def test_decoders() -> None:
    assert checks.check_decoders(checks.NEEDED_DECODERS).state == "ok"
    check = checks.check_decoders([name for name in checks.NEEDED_DECODERS if name not in ("av1", "hevc")])
    assert (check.state, check.found) == ("fail", "PyAV does not read hevc, av1")


@pytest.mark.parametrize(("cores", "state"), [(1, "warn"), (2, "ok"), (64, "ok")])
def test_cores(cores: int, state: str) -> None:
    assert checks.check_cores(cores).state == state


@pytest.mark.parametrize(
    ("gib", "state"), [(3.9, "fail"), (4.0, "warn"), (6.9, "warn"), (7.0, "ok"), (7.6, "ok"), (256.0, "ok")]
)
def test_memory(gib: float, state: str) -> None:
    assert checks.check_memory(round(gib * GIB)).state == state


@pytest.mark.parametrize(("free", "state"), [(None, "ok"), (64 * 1024**2, "warn"), (GIB - 1, "warn"), (GIB, "ok")])
def test_shared_memory(free: int | None, state: str) -> None:
    check = checks.check_shared_memory(free, GIB)
    assert check.state == state
    assert ("--shm-size=1g" in check.remedy) == (state == "warn")


def test_ports() -> None:
    assert checks.check_port("service", 8003, True, "elsewhere").remedy == ""
    check = checks.check_port("service", 8003, False, "elsewhere")
    assert (check.name, check.state, check.remedy) == ("port 8003 (service)", "warn", "elsewhere")


@pytest.mark.parametrize(
    ("writable", "disk", "state"),
    [(True, "ok", "ok"), (True, "low", "warn"), (True, "full", "fail"), (False, "ok", "fail")],
)
def test_data_folder(writable: bool, disk: Literal["ok", "low", "full"], state: str) -> None:
    health = DiskHealth(state=disk, free_mb=1500, total_mb=9000, refused_below_mb=2000)
    check = checks.check_data_folder("/data", writable, health)
    assert check.state == state
    assert ("cleanup" in check.remedy) == (writable and state != "ok")
    assert ("2000 MB all work is refused" in check.found) == (disk == "full")


@pytest.mark.parametrize("name", REFUSED_FLAGS)
def test_flags(name: str) -> None:
    assert checks.check_flags({name: "0", "PATH": "/bin"}).state == "ok"
    check = checks.check_flags({name: "1"})
    assert (check.state, check.remedy) == ("fail", f"unset {name}")
    assert name in check.found


def replaced(**fields: object) -> GpuFacts:
    return GpuFacts(**{**vars(RTX_8000), **fields})


@pytest.mark.parametrize(
    ("has_driver", "gpus", "state", "said"),
    [
        (False, [], "ok", "none; the CPU profile needs none"),
        (True, [], "fail", "does not answer"),
        (True, [RTX_8000], "ok", "no bfloat16, no FlashAttention 2"),
        (True, [RTX_8000, RTX_8000], "ok", "and 1 more"),
        (True, [replaced(name="L40S", capability=(8, 9))], "ok", "compute capability 8.9"),
        (True, [replaced(name="Tesla V100", capability=(7, 0))], "fail", "Tesla V100"),
        (True, [replaced(driver="575.57.08")], "warn", "driver 575.57.08"),
        (True, [replaced(memory_mib=24_576)], "ok", "24576 MiB"),
        (True, [replaced(memory_mib=8_192)], "warn", "8192 MiB"),
    ],
)
def test_gpu(has_driver: bool, gpus: list[GpuFacts], state: str, said: str) -> None:
    check = checks.check_gpu(has_driver, gpus)
    assert check.state == state
    assert said in check.found
    assert bool(check.remedy) == (state != "ok")


@pytest.mark.parametrize(
    ("memory_mib", "profile"),
    [
        (48_601, "gpu"),
        (46_068, "gpu"),
        (46_067, "gpu24"),
        (24_576, "gpu24"),
        (16_376, "gpu16"),
        (15_359, None),
        (0, None),
    ],
)
def test_the_profile_for_a_card(memory_mib: int, profile: str | None) -> None:
    assert profile_for(memory_mib) == profile


def test_gpu_shares() -> None:
    assert checks.check_gpu_shares(None, []).state == "ok"
    assert checks.check_gpu_shares("gpu24", []).found == "--profile gpu24 fits this card"
    check = checks.check_gpu_shares("gpu", ["a needs 2.0 GB and has 1.0 GB."])
    assert (check.state, check.remedy) == ("warn", "tiktok-analyzer profile gpu --budget")
    assert "a needs 2.0 GB" in check.found
    assert doctor.gpu_shares([RTX_8000]).found == "--profile gpu fits this card"
    assert doctor.gpu_shares([]).found == "no GPU to share"


@pytest.mark.parametrize(
    ("missing", "wrong", "state", "said", "remedy"),
    [
        ([], [], "ok", "all 3 models of the cpu profile", ""),
        (["a"], [], "warn", "2 of 3 models", "tiktok-analyzer models pull --profile cpu"),
        (["a"], ["b"], "warn", "incomplete or outdated: b", "tiktok-analyzer models pull b"),
    ],
)
def test_weights(missing: list[str], wrong: list[str], state: str, said: str, remedy: str) -> None:
    check = checks.check_weights("cpu", missing, wrong, 3)
    assert (check.state, check.remedy) == (state, remedy)
    assert said in check.found


def test_weights_of_an_empty_folder_are_missing(tmp_path: Path) -> None:
    check = doctor.weights("cpu", GraphArgs(weights_dir=str(tmp_path)))
    assert check.state == "warn"
    assert check.found.startswith("0 of ")


def test_a_newer_card_is_not_said_to_lack_bfloat16() -> None:
    assert "bfloat16" not in checks.check_gpu(True, [replaced(capability=(8, 0))]).found


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("Quadro RTX 8000, 48601, 580.95.05, 7.5\n", [RTX_8000]),
        ("Quadro RTX 8000, 48601, 580.95.05, 7.5\nQuadro RTX 8000, 48601, 580.95.05, 7.5\n", [RTX_8000, RTX_8000]),
        ("", []),
        ("No devices were found\n", []),
        ("Quadro RTX 8000, 48601, 580.95.05, [N/A]\n", []),
    ],
)
def test_nvidia_smi_is_read(output: str, expected: list[GpuFacts]) -> None:
    assert checks.parse_gpus(output) == expected


def test_constraints_are_read_for_this_python() -> None:
    text = (
        '# why\nnumpy==2.2.6 ; python_version < "3.11"\nnumpy==2.4.6 ; python_version >= "3.11"\nPyYAML==6.0.3  # x\n'
    )
    assert checks.parse_constraints(text, {"python_version": "3.10"}) == {"numpy": "2.2.6", "pyyaml": "6.0.3"}
    assert checks.parse_constraints(text, {"python_version": "3.12"}) == {"numpy": "2.4.6", "pyyaml": "6.0.3"}


def test_a_driver_that_fails_or_hangs_is_found_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor, "NVIDIA_SMI_TIMEOUT_S", 120.0)  # how long a shell takes to start is no part of this
    assert doctor.find_gpus() == (False, [])
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'Quadro RTX 8000, 48601, 580.95.05, 7.5'\n")
    smi.chmod(0o755)
    assert doctor.find_gpus() == (True, [RTX_8000])
    smi.write_text("#!/bin/sh\nexit 9\n")
    assert doctor.find_gpus() == (True, [])

    def hang(*_: object, **options: float) -> None:
        raise subprocess.TimeoutExpired("nvidia-smi", options["timeout"])

    monkeypatch.setattr(subprocess, "run", hang)
    assert doctor.find_gpus() == (True, [])


def test_a_port_in_use_is_seen() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not doctor.is_free(port)
    assert doctor.is_free(port)


def test_looking_at_a_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    wanted = tmp_path / "not" / "yet"
    assert doctor.is_writable(wanted)
    assert doctor.existing_parent(wanted) == tmp_path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_is_seen(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    assert not doctor.is_writable(tmp_path)


def test_a_container_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = doctor.usable_memory()
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(doctor, "CGROUP_LIMITS", (limit, tmp_path / "absent"))
    limit.write_text("max\n")
    assert doctor.usable_memory() >= whole
    limit.write_text(f"{GIB}\n")
    assert doctor.usable_memory() == GIB


def test_this_machine_can_run_the_tests(tmp_path: Path) -> None:
    rows = doctor.run_doctor(GraphArgs(data_dir=str(tmp_path)))
    by_name = {row.name: row for row in rows}
    assert len(by_name) == len(rows) == 15
    for name in ("Python", "packages", "OpenCV", "decoders", "data folder"):
        assert by_name[name].state != "fail", by_name[name]
    assert all(row.remedy for row in rows if row.state != "ok")


def test_the_report_shows_every_row_and_remedy() -> None:
    rows = [
        Check("one", "ok", "fine"),
        Check("two", "warn", "so so", "do this"),
        Check("three", "fail", "bad", "do that"),
    ]
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(doctor.render(rows))
    lines = console.export_text().splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["ok", "one"], ["warn", "two"], ["fail", "three"]]
    assert "do that" in lines[3]
