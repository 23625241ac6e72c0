"""Analyzers with real weights, for the golden tests; skipped where there are none, unless REQUIRE_WEIGHTS=1."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pytest

from analyzers.base import AnyAnalyzer, Unavailable
from analyzers.catalogue import analyzer_class
from analyzers.runtime import LicencePolicy, Runtime
from analyzers.threads import limit_threads
from tests.weights.conftest import FOLDER

GPU_SHARE = float(os.environ.get("TIKTOK_ANALYZER_GPU_SHARE", "0"))
"""Share of a GPU for each model; 0 runs on the CPU."""


def loaded(name: str, config: Mapping[str, Any] | None = None, licence_policy: LicencePolicy = "any") -> AnyAnalyzer:
    """The analyzer with its weights; skips the test where they are missing, and fails it under REQUIRE_WEIGHTS=1."""
    cls = analyzer_class(name)
    analyzer = cls(cls.Config.model_validate(dict(config or {})))
    threads = os.cpu_count() or 1
    analyzer.runtime = Runtime(FOLDER, licence_policy, GPU_SHARE, threads)
    try:
        analyzer.load()
    except Unavailable as error:
        if os.environ.get("REQUIRE_WEIGHTS") == "1":
            pytest.fail(f"{error.reason}; {error.remedy}")
        pytest.skip(f"{error.reason}; {error.remedy}")
    # Importing a model library may have changed the budget.
    limit_threads(threads)
    return analyzer
