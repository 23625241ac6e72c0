"""Whether anybody still waits for what an analyzer computes.

A computation of many seconds asks now and then, and ends early when nobody does: its job was cancelled, or its time is
over. Python stops no thread from outside. Short computations need not ask.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopped(Exception):
    """Nobody waits for the result any more, so there is none."""


class _Asked(threading.local):
    is_wanted: Callable[[], bool] = staticmethod(lambda: True)


_of_this_thread = _Asked()


@contextmanager
def wanted_while(is_wanted: Callable[[], bool]) -> Iterator[None]:
    """Sets for this thread and block whom ``nobody_waits`` asks.

    Args:
        is_wanted: Cheap; called from this thread.
    """
    before = _of_this_thread.is_wanted
    _of_this_thread.is_wanted = is_wanted
    try:
        yield
    finally:
        _of_this_thread.is_wanted = before


def nobody_waits() -> bool:
    """Whether what this thread computes is wanted by nobody any more; False where nobody said."""
    return not _of_this_thread.is_wanted()


def stop_if_nobody_waits() -> None:
    """Ends a computation that nobody waits for.

    Raises:
        Stopped: Nobody waits. The host takes it for what it is; let it pass.
    """
    if nobody_waits():
        raise Stopped
