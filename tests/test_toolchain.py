"""The newcomer's way: finding a Python, making the environment once, and versions that fit together."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ops.doctor_checks import parse_constraints
from tests.child_processes import WAIT_S
from tests.pyproject import ROOT, declared

PYTHONS = ("3.10", "3.11", "3.12")


# ---------------------------------------------------------------------------------------------------- find_python


def fake_python(folder: Path, name: str, version: str, makes_environments: bool = True) -> Path:
    """A command that answers as the Python of this version would; ``version`` of "" fails as a pyenv shim does."""
    path = folder / name
    path.write_text(
        "#!/bin/sh\n"
        f'[ -n "{version}" ] || exit 127\n'
        'case "$2" in\n'
        f"  *version_info*) echo {version} ;;\n"
        f"  *executable*) echo {path} ;;\n"
        f"  *ensurepip*) exit {0 if makes_environments else 1} ;;\n"
        "esac\n"
    )
    path.chmod(0o755)
    return path


def find_python(path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(ROOT / "ops" / "find_python.sh")],
        env={"PATH": str(path), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({"python3": "3.10.4"}, "python3"),
        ({"python3": "3.13.1", "python3.12": "3.12.9"}, "python3.12"),
        ({"python3": "3.12.9", "python3.11": "3.11.2"}, "python3.11"),
        ({"python3": "3.10.4", "python3.11": "", "python3.12": ""}, "python3"),
    ],
)
def test_a_fitting_python_is_found(tmp_path: Path, there: Mapping[str, str], expected: str) -> None:
    for name, version in there.items():
        fake_python(tmp_path, name, version)
    done = find_python(tmp_path)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(tmp_path / expected), "")


def test_a_python_that_makes_no_environments_is_passed_over(tmp_path: Path) -> None:
    fake_python(tmp_path, "python3.11", "3.11.2", makes_environments=False)
    fake_python(tmp_path, "python3", "3.10.4")
    assert find_python(tmp_path).stdout.strip() == str(tmp_path / "python3")


def test_a_python_can_be_named(tmp_path: Path) -> None:
    fake_python(tmp_path, "python3.11", "3.11.2")
    mine = fake_python(tmp_path, "mine", "3.12.1")
    assert find_python(tmp_path, PYTHON=str(mine)).stdout.strip() == str(mine)


def test_without_a_fitting_python_it_says_what_was_found_and_what_to_install(tmp_path: Path) -> None:
    empty = find_python(tmp_path)
    assert empty.returncode == 1
    assert empty.stdout == ""
    assert "Python 3.10, 3.11 or 3.12 is needed; found: none" in empty.stderr
    fake_python(tmp_path, "python3", "3.13.1")
    newer = find_python(tmp_path)
    assert newer.returncode == 1
    assert f"found: {tmp_path}/python3 (3.13.1)" in newer.stderr
    assert "apt-get install python3.11 python3.11-venv" in newer.stderr


def test_debians_python_without_venv_is_answered_with_the_package(tmp_path: Path) -> None:
    fake_python(tmp_path, "python3", "3.12.3", makes_environments=False)
    done = find_python(tmp_path)
    assert done.returncode == 1
    assert "its venv module is missing" in done.stderr
    assert "apt-get install python3.12-venv" in done.stderr


# ------------------------------------------------------------------------------------------------------- Makefile

EXTRAS = ("dev", "decord", "models", "postgres", "parquet")

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Without what a surrounding make hands down.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "ARGS"))}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )


@needs_make
def test_make_alone_explains_every_target() -> None:
    listed = re.findall(r"^    ([a-z-]+) +\S", make(ROOT).stdout, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert sorted(listed) == sorted(phony[1].split())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The Makefile beside a stand-in for Python that writes down what it is asked to do."""
    for name in (
        "Makefile",
        "pyproject.toml",
        "constraints.txt",
        "requirements-compare.txt",
        "requirements-models.txt",
    ):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "ops").mkdir()
    shutil.copy(ROOT / "ops" / "find_python.sh", tmp_path / "ops")
    for source in ("ops/__init__.py", "cli.py"):
        (tmp_path / source).touch()
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "  *version_info*) echo 3.11.9 ;;\n"
        '  *executable*) echo "$0" ;;\n'
        '  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;\n'
        f'  *) echo "$*" >> {tmp_path}/calls ;;\n'
        "esac\n"
        f'[ ! -e {tmp_path}/offline ] || [ "$2" != pip ]\n'
    )
    python.chmod(0o755)
    return tmp_path


def calls(project: Path) -> list[str]:
    """What Python was asked since the last look, without the search for it."""
    path = project / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [line for line in lines if "ensurepip" not in line]


PIP = "-m pip install --quiet --disable-pip-version-check -c constraints.txt"
COMPILE = "-m compileall -q ops/ cli.py"
SETUP = [
    f"{PIP} -e .[dev,decord,models,postgres,parquet]",
    f"{PIP} --no-deps -r requirements-models.txt -r requirements-compare.txt",
    COMPILE,
]


@needs_make
def test_the_environment_is_made_once_and_again_after_a_change(project: Path) -> None:
    assert make(project, "PYTHON=./python", "setup").returncode == 0
    assert calls(project) == SETUP
    assert make(project, "PYTHON=./python", "setup").returncode == 0
    assert make(project, "PYTHON=./python", "install").returncode == 0
    assert calls(project) == []
    later = (project / ".venv" / ".has-dev").stat().st_mtime + 10.0
    os.utime(project / "constraints.txt", (later, later))
    assert make(project, "PYTHON=./python", "setup").returncode == 0
    assert calls(project) == SETUP


@needs_make
def test_running_needs_no_tools_for_development(project: Path) -> None:
    assert make(project, "PYTHON=./python", "run").returncode == 0
    assert calls(project) == [f"{PIP} -e .", COMPILE, "-m ops.demo"]


@needs_make
def test_a_broken_installation_is_tried_again(project: Path) -> None:
    (project / "offline").touch()
    assert make(project, "PYTHON=./python", "test").returncode != 0
    assert not any("pytest" in call for call in calls(project))
    (project / "offline").unlink()
    assert make(project, "PYTHON=./python", "test").returncode == 0
    without, with_ray = calls(project)[-2:]
    assert without.startswith("-m pytest -m not ray ")
    assert with_ray.startswith("-m pytest -m ray ")


# --------------------------------------------------------------------------------------------------- constraints


@pytest.mark.parametrize("python", PYTHONS)
def test_every_declared_dependency_has_a_tested_version_that_fits(python: str) -> None:
    tested = parse_constraints((ROOT / "constraints.txt").read_text(), {"python_version": python})
    extras = [line for name in EXTRAS for line in declared(name, "project.optional-dependencies")]
    for line in [*declared("dependencies"), *extras]:
        requirement = Requirement(line)
        version = tested.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} has no line in constraints.txt"
        assert requirement.specifier.contains(version, prereleases=True), f"{line}, but {version} is pinned"


def test_what_must_not_be_installed_is_not_pinned() -> None:
    tested = parse_constraints((ROOT / "constraints.txt").read_text(), {"python_version": "3.11"})
    # The windowed builds of OpenCV.
    assert not {"opencv-python", "opencv-contrib-python"} & set(tested)


def test_the_service_alone_installs_no_model_library() -> None:
    names = {canonicalize_name(Requirement(line).name) for line in declared("dependencies")}
    assert not {"torch", "torchvision", "transformers", "ultralytics", "easyocr"} & names


def test_what_is_installed_without_its_dependencies_has_its_tested_version() -> None:
    tested = parse_constraints((ROOT / "constraints.txt").read_text(), {"python_version": "3.11"})
    lines = [line for line in (ROOT / "requirements-models.txt").read_text().splitlines() if not line.startswith("#")]
    assert lines == [
        f"{name}=={tested[name]}" for name in ("easyocr", "insightface", "mediapipe", "trackers", "ultralytics")
    ]


def test_the_python_versions_agree() -> None:
    assert declared("requires-python") == f">={PYTHONS[0]},<3.{int(PYTHONS[-1].partition('.')[2]) + 1}"
    assert " | ".join(f"{version}.*" for version in PYTHONS) in (ROOT / "ops" / "find_python.sh").read_text()


def test_ci_checks_what_contributing_promises() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()
    assert script.read_text().rstrip().endswith("make --no-print-directory lint typecheck test")
