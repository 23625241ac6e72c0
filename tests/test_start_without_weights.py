"""A replica without weights: no model library is imported, and the section names the command. With weights: the
switches that keep libraries off the network are set before the first of them is imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analyzers.catalogue import CATALOGUE
from analyzers.inference.offline import OFFLINE
from tests.child_processes import run_python
from tests.test_weights_store import pulled
from weights.manifest import pin

ROOT = Path(__file__).resolve().parents[1]

HEAVY: tuple[str, ...] = (
    "torch",
    "torchvision",
    "transformers",
    "ultralytics",
    "ctranslate2",
    "bitsandbytes",
    "easyocr",
    "mediapipe",
)
HEAVY += ("insightface", "onnxruntime", "faster_whisper", "huggingface_hub")

WANTING = sorted(cls.name for cls in CATALOGUE if cls.models and cls(cls.Config()).wanted_models())
"""Analyzers whose defaults load a model from the weights folder."""

START = """
import json, sys
from pathlib import Path
from analyzers.host import AnalyzerHost
from analyzers.runtime import Runtime
found = {}
for name in json.loads(sys.argv[2]):
    told = AnalyzerHost(name, runtime=Runtime(weights_path=Path(sys.argv[1]), gpu_share=0.05)).describe()
    heavy = sorted({m.partition(".")[0] for m in sys.modules} & set(json.loads(sys.argv[3])))
    found[name] = [told.state, told.code, told.remedy, heavy]
print(json.dumps(found))
"""

FIRST_IMPORT = """
import json, os, sys
from pathlib import Path
from analyzers.host import AnalyzerHost
from analyzers.runtime import Runtime
heavy, seen = set(json.loads(sys.argv[3])), {}

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in heavy:
            seen.setdefault(current, [name, dict(os.environ)])
            raise ImportError("stopped here")

sys.meta_path.insert(0, Watch())
for current in json.loads(sys.argv[2]):
    for name in json.loads(sys.argv[4]):
        os.environ.pop(name, None)
    try:
        AnalyzerHost(current, runtime=Runtime(weights_path=Path(sys.argv[1])))
    except ImportError:
        pass
print(json.dumps({k: [n, {e: v.get(e) for e in json.loads(sys.argv[4])}] for k, (n, v) in seen.items()}))
"""


def run(code: str, weights: Path, *more: object) -> dict[str, Any]:
    arguments = [str(weights), *(json.dumps(value) for value in more)]
    said = run_python("-c", code, *arguments)
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


@pytest.mark.skipif(not WANTING, reason="no analyzer loads a model")
def test_a_start_without_weights_imports_no_model_library(tmp_path: Path) -> None:
    found = run(START, tmp_path, WANTING, HEAVY)
    for name in WANTING:
        state, code, remedy, heavy = found[name]
        assert (name, state, code, heavy) == (name, "unavailable", "weights_missing", [])
        assert remedy.removeprefix("tiktok-analyzer models pull ") in {p for cls in CATALOGUE for p in cls.models}


@pytest.mark.skipif(not WANTING, reason="no analyzer loads a model")
def test_the_switches_are_set_before_the_first_library(tmp_path: Path) -> None:
    for name in {model for cls in CATALOGUE for model in cls.models}:
        if not (tmp_path / pin(name).name).exists():
            pulled(tmp_path, name)
    found = run(FIRST_IMPORT, tmp_path, WANTING, HEAVY, list(OFFLINE))
    assert sorted(found) == WANTING
    for name in WANTING:
        library, environment = found[name]
        assert (name, library, environment) == (name, library, OFFLINE)
