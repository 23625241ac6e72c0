"""What holds for every test: no ERROR in the logs; the random generators and the scheduling as they were found."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from tests.tiny_weights import tiny_weights as tiny_weights

WATCHED_LOGGERS = ("", "ray", "ray.serve")
"""The root logger, and those that do not pass their records on to it."""


# No deadline: how busy the machine is must not decide. Derandomized: a failure comes back on the next run.
settings.register_profile(
    "project", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What loads a model library takes seconds before it begins: no part of the fast tests."""
    for item in items:
        if "tiny_weights" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "error_logs: logs at ERROR are what this test provokes")


@pytest.fixture(autouse=True)
def no_error_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test during which this process logged at ERROR or above."""
    collector = _Collector()
    loggers = [logging.getLogger(name) for name in WATCHED_LOGGERS]
    for logger in loggers:
        logger.addHandler(collector)
    yield
    for logger in loggers:
        logger.removeHandler(collector)
    if collector.records and not request.node.get_closest_marker("error_logs"):
        lines = [f"{r.name}: {r.getMessage()}" for r in collector.records]
        pytest.fail("logged at ERROR during the test:\n" + "\n".join(lines), pytrace=False)


@pytest.fixture(autouse=True)
def random_state() -> Iterator[None]:
    """Puts back the global random generators, so that no test depends on those that ran before it."""
    python, legacy_numpy = random.getstate(), np.random.get_state()
    yield
    random.setstate(python)
    np.random.set_state(legacy_numpy)


@pytest.fixture(autouse=True)
def scheduling() -> Iterator[None]:
    """Fails a test that makes this process, and so all children after it, more urgent than others."""
    policy = os.sched_getscheduler(0)
    yield
    assert os.sched_getscheduler(0) == policy
