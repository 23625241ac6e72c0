"""Ends a test process that hangs where pytest-timeout cannot reach: in C code, in a fixture's end, at the exit.

pytest-timeout raises in the main thread, which a call that does not return never notices. After ``GRACE_S`` more, the
stacks of all threads are printed and the process ends; under xdist the run then names the test and goes on.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator
from typing import TextIO

import pytest

GRACE_S = 90.0
"""Seconds after a test's own limit: what a fixture's end may take after its test was stopped."""

EXIT_S = 120.0
"""Seconds from the last test until the process must have ended: longer than Ray takes to stop."""

STDERR = pytest.StashKey[TextIO]()


def pytest_configure(config: pytest.Config) -> None:
    # A copy: while a test runs, pytest has turned descriptor 2 into a file of its own.
    config.stash[STDERR] = os.fdopen(os.dup(2), "w")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    faulthandler.dump_traceback_later(limit_s(item) + GRACE_S, exit=True, file=item.config.stash[STDERR])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    faulthandler.dump_traceback_later(EXIT_S, exit=True, file=session.config.stash[STDERR])


def limit_s(item: pytest.Item) -> float:
    """Seconds that the test itself may take: its ``timeout`` marker's, else the project's."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0] if marker and marker.args else item.config.getini("timeout"))
