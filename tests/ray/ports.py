"""Ports for services of the tests that nothing else takes between their choice and their use."""

from __future__ import annotations

import random

from ops.server import port_problem

PORTS = range(20_000, 32_000)
"""Ray's worker processes take ports from 10002 to 19999, and Linux gives those from 32768 to whoever asks for any: some
hundred sockets of a starting Ray do."""

TRIES = 100


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens. Drawn anew in each process, whatever its seeds."""
    for port in random.SystemRandom().sample(PORTS, TRIES):
        if port_problem("127.0.0.1", port) is None:
            return port
    raise AssertionError(f"{TRIES} ports between {PORTS.start} and {PORTS.stop} are all taken")
