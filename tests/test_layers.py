"""Who may import whom, read from the source: imports inside functions count as well."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

EVERYTHING = ("analyzers", "cli", "deployments", "graph", "jobs", "media", "ops", "reducer", "schema", "weights")
MEDIA_VALUES = ("media.needs", "media.types")
"""The part of media that is values only: no decoding, nothing heavy."""

WEIGHTS_VALUES = ("weights.budget", "weights.manifest", "weights.memory", "weights.pin", "weights.store")
"""The part of weights that is tables and looking at files: no network."""

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "schema": ("schema",),
    "media": ("media", "schema"),
    # Finding weights is light; fetching them is for ops and the command line.
    "analyzers": ("analyzers", "schema", *WEIGHTS_VALUES, *MEDIA_VALUES),
    "weights": ("weights", "analyzers.base", "analyzers.runtime", "schema"),
    # Pure: from sections to a document.
    "reducer": ("reducer", "analyzers", "schema", *MEDIA_VALUES),
    # Callbacks hold their receivers to the rules of downloads.
    "jobs": ("jobs", "schema", "media.fetch.addresses"),
    "deployments": ("deployments", "analyzers", "jobs", "media", "reducer", "schema", *WEIGHTS_VALUES),
    "graph": ("deployments", "analyzers", "schema"),
    "ops": EVERYTHING,
    "cli": EVERYTHING,
    "benchmarks": (*EVERYTHING, "benchmarks", "tests.media_folder", "tests.tiny"),
}
"""Which of the project's own modules each top-level package or module may import."""

ONLY_IN: dict[str, tuple[str, ...]] = {
    "ray": ("deployments", "graph", "ops", "cli", "benchmarks"),
    "fastapi": ("deployments.ingress*",),
    "starlette": ("deployments.ingress*",),
    "uvicorn": (),
    # Reading media is media's; ops.clips writes clips and the doctor asks PyAV for its codecs.
    "av": ("media", "ops.clips", "ops.doctor", "benchmarks"),
    "decord": ("media", "benchmarks"),
    # What contacts sites that clients name, in a process of its own.
    "yt_dlp": ("media.fetch",),
    "requests": ("media.fetch",),
    # Test-only.
    "scenedetect": ("benchmarks",),
    "pytest": (),
    "hypothesis": (),
}
"""Libraries with a place of their own. A trailing ``*`` stands for the rest of the module's name."""

MODEL_LIBRARIES = (
    "ctranslate2",
    "easyocr",
    "faster_whisper",
    "insightface",
    "mediapipe",
    "onnxruntime",
    "rapidocr",
    "supervision",
    "torch",
    "torchvision",
    "trackers",
    "transformers",
    "ultralytics",
)
"""Loaded by an analyzer's ``load()`` and by nothing else."""

LIGHT = ("numpy", "pydantic", "typing_extensions")
"""What analyzers and the reducer may import at the top of a module; importing the catalogue stays light."""

SCHEMA_LIBRARIES = ("pydantic", "typing_extensions")


@dataclass(frozen=True)
class Import:
    """One imported module.

    Attributes:
        name: Dotted; ``from a.b import c`` gives ``a.b.c`` where that is a module of the project, else ``a.b``.
        line: Where it stands.
        deferred: Inside a function: it costs nothing until that is called.
        typing_only: Under ``if TYPE_CHECKING``.
    """

    name: str
    line: int
    deferred: bool
    typing_only: bool

    @property
    def top(self) -> str:
        return self.name.partition(".")[0]


def imports_of(source: str) -> Iterator[Import]:
    """Every import of a module, whatever it is nested in."""

    def visit(node: ast.AST, deferred: bool, typing_only: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, deferred, typing_only)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"line {node.lineno}: relative import; write the full name")
            for alias in node.names:
                yield Import(from_name(str(node.module), alias.name), node.lineno, deferred, typing_only)
        elif isinstance(node, ast.Call) and (name := dynamic_name(node)):
            yield Import(name, node.lineno, deferred, typing_only)
        inner = deferred or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for statement in node.body:
                yield from visit(statement, inner, True)
            for statement in node.orelse:
                yield from visit(statement, inner, typing_only)
        else:
            for child in ast.iter_child_nodes(node):
                yield from visit(child, inner, typing_only)

    yield from visit(ast.parse(source), False, False)


def dynamic_name(call: ast.Call) -> str | None:
    """The module that ``import_module("x")`` imports."""
    by_name = ast.unparse(call.func) in ("importlib.import_module", "import_module", "__import__")
    return str(call.args[0].value) if by_name and call.args and isinstance(call.args[0], ast.Constant) else None


def from_name(module: str, name: str) -> str:
    """``from media import types`` imports the module ``media.types``; ``from media.types import X`` does not."""
    path = ROOT.joinpath(*module.split("."), name)
    return f"{module}.{name}" if path.with_suffix(".py").exists() or (path / "__init__.py").exists() else module


def fits(module: str, patterns: tuple[str, ...]) -> bool:
    """Whether ``module`` is one of the named modules, lies below one, or begins as a pattern with ``*`` does."""
    return any(
        module.startswith(p[:-1]) if p.endswith("*") else module == p or module.startswith(f"{p}.") for p in patterns
    )


def violations(module: str, source: str) -> list[str]:
    """What is wrong with the imports of ``module``, for people."""
    package = module.partition(".")[0]
    found = []
    for imported in imports_of(source):
        problem = _project_problem(package, imported) or _library_problem(module, package, imported)
        if problem:
            found.append(f"{module}, line {imported.line}: imports {imported.name}; {problem}")
    return found


def _project_problem(package: str, imported: Import) -> str | None:
    allowed = MAY_IMPORT[package]
    if imported.top in (*MAY_IMPORT, "tests") and not fits(imported.name, allowed):
        return f"{package} may import {', '.join(allowed)}"
    return None


def _library_problem(module: str, package: str, imported: Import) -> str | None:
    top = imported.top
    if top in MAY_IMPORT or top == "tests" or top in sys.stdlib_module_names:
        return None
    if top in ONLY_IN and not fits(module, ONLY_IN[top]):
        return f"{top} belongs into {', '.join(ONLY_IN[top]) or 'nothing here'}"
    if package == "schema" and top not in SCHEMA_LIBRARIES:
        return f"schema may import {', '.join(SCHEMA_LIBRARIES)} and the standard library"
    if top in MODEL_LIBRARIES and package not in ("analyzers", "benchmarks"):
        return f"{top} belongs into an analyzer's load()"
    if package in ("analyzers", "reducer") and top not in LIGHT and not (imported.deferred or imported.typing_only):
        return "import it inside load() or the function that needs it, so that importing the catalogue stays light"
    return None


def video_readers(source: str) -> list[int]:
    """Lines that name a class that decodes video; OpenCV is everywhere, its video reader must not be."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Attribute) and node.attr in ("VideoCapture", "VideoReader"))
        or (isinstance(node, ast.alias) and node.name in ("VideoCapture", "VideoReader"))
    ]


def module_files() -> dict[str, Path]:
    """Dotted name to file, for all of the project but its tests."""
    files = [ROOT / f"{name}.py" for name in ("cli", "graph")]
    for package in MAY_IMPORT:
        files += sorted((ROOT / package).rglob("*.py"))
    return {".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f for f in files}


MODULES = module_files()


@pytest.mark.parametrize("module", MODULES)
def test_imports_keep_to_the_layers(module: str) -> None:
    assert not violations(module, MODULES[module].read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", [m for m in MODULES if not fits(m, ("media", "benchmarks"))])
def test_only_media_decodes_video(module: str) -> None:
    assert not video_readers(MODULES[module].read_text(encoding="utf-8"))


def test_every_package_has_a_rule() -> None:
    apart = {"conftest", "tests", "docs", "web", "build", "dist", "data"}
    packages = {d.name for d in ROOT.iterdir() if d.is_dir() and d.name.isidentifier() and any(d.glob("*.py"))}
    modules = {f.stem for f in ROOT.glob("*.py")}
    assert packages | modules <= set(MAY_IMPORT) | apart


def test_the_graph_is_composition_only() -> None:
    lines = (ROOT / "graph.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 80


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("schema.base", "import numpy", "schema may import"),
        ("schema.base", "from media.types import FrameBatch", "schema may import schema"),
        ("schema.base", "from pydantic import BaseModel\nimport json", None),
        ("media.plan", "from analyzers.base import Context", "media may import"),
        ("media.decode", "import av, cv2", None),
        ("media.decode", "import ray", "ray belongs into"),
        ("analyzers.a", "from media.types import FrameBatch", None),
        ("analyzers.a", "from media import types", None),
        ("analyzers.a", "from media import plan", "analyzers may import"),
        ("analyzers.a", "def f():\n    from media.decode import decode_video", "analyzers may import"),
        ("analyzers.a", "def f():\n    import ray", "ray belongs into"),
        ("analyzers.a", "import cv2", "stays light"),
        ("analyzers.a", "class A:\n    import scipy.signal", "stays light"),
        ("analyzers.a", "try:\n    import torch\nexcept ImportError:\n    torch = None", "stays light"),
        ("analyzers.a", "def load(self):\n    import cv2, torch", None),
        ("analyzers.a", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch", None),
        ("analyzers.a", "import importlib\ncv2 = importlib.import_module('cv2')", "stays light"),
        ("analyzers.a", "def f():\n    __import__('fastapi')", "fastapi belongs into"),
        ("reducer.document", "from analyzers.base import Context\nfrom media.types import DecodeReport", None),
        ("reducer.document", "from jobs.results import new_id", "reducer may import"),
        ("reducer.document", "import ray", "ray belongs into"),
        ("jobs.worker", "from deployments.settings import GraphArgs", "jobs may import"),
        ("jobs.callbacks", "from media.fetch.addresses import check_url", None),
        ("jobs.callbacks", "from media.fetch.run import fetch", "jobs may import"),
        ("media.fetch.site", "import yt_dlp, requests", None),
        ("media.probe", "import yt_dlp", "yt_dlp belongs into"),
        ("ops.client", "import requests", "requests belongs into"),
        ("deployments.ingress", "from fastapi import FastAPI", None),
        ("deployments.ingress_upload", "from starlette.datastructures import UploadFile", None),
        ("deployments.pipeline", "from fastapi import FastAPI", "fastapi belongs into deployments.ingress"),
        ("deployments.pipeline", "from ops.doctor import run_doctor", "deployments may import"),
        ("deployments.analyzer", "def f():\n    import torch", "load()"),
        ("graph", "from deployments.analyzer import AnalyzerDeployment\nimport ray", None),
        ("graph", "from media.decode import decode_video", "graph may import"),
        ("ops.clips", "import av", None),
        ("ops.demo", "import av", "av belongs into"),
        ("cli", "from tests.run import make_analyzer", "cli may import"),
        ("cli", "import ray, ops.demo, graph", None),
    ],
)
def test_the_check_itself_tells_right_from_wrong(module: str, source: str, expected: str | None) -> None:
    found = violations(module, source)
    if expected is None:
        assert not found
    else:
        assert len(found) == 1
        assert expected in found[0]


def test_the_check_itself_finds_video_readers() -> None:
    assert video_readers("import cv2\nc = cv2.VideoCapture(p)") == [2]
    assert video_readers("from decord import VideoReader") == [1]
    assert video_readers("import cv2\nc = cv2.cvtColor(p, 1)") == []
    with pytest.raises(ValueError, match="line 1: relative import"):
        violations("analyzers.a", "from .base import Context")
