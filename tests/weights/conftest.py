"""Golden tests: real weights against published truth. Skipped where either is missing.

``REQUIRE_WEIGHTS=1`` makes missing weights a failure; ``TIKTOK_ANALYZER_WEIGHTS`` names another folder than
``data/weights``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzers.base import Unavailable
from analyzers.runtime import Runtime
from weights.store import resolve

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("TIKTOK_ANALYZER_WEIGHTS", ROOT / "data" / "weights"))

RealWeights = Callable[..., Runtime]
"""A runtime whose weights folder holds the named pins."""


@pytest.fixture(scope="session")
def real_weights() -> RealWeights:
    def runtime(*pins: str) -> Runtime:
        found = Runtime(weights_path=FOLDER, threads=os.cpu_count() or 1)
        for pin in pins:
            try:
                resolve(pin, found)
            except Unavailable as missing:
                if os.environ.get("REQUIRE_WEIGHTS") == "1":
                    pytest.fail(f"{missing.reason}; {missing.remedy}", pytrace=False)
                pytest.skip(missing.reason)
        return found

    return runtime


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.weights)
