"""Who gets a core first when all are busy: what answers people goes before what computes."""

from __future__ import annotations

import os

LEAST = 19
"""Niceness of what computes, the highest there is: a thread then gets 1/68 of the share of one with 0, and loses its
core as soon as a request comes in. Where nobody asks, it gets all there is. Ray must start its processes, the ingress
and Serve's proxy among them, with 0 (``RAY_worker_niceness``) and not with its own 15, hardly below."""


def behind_the_ingress() -> None:
    """For the calling thread and all that it starts from now on (Linux; elsewhere for the process)."""
    os.setpriority(os.PRIO_PROCESS, 0, LEAST)
