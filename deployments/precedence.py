"""Who gets a core first when all are busy: what answers people goes before what computes."""

from __future__ import annotations

import os

LEAST = 19
"""Niceness of what computes, the highest there is. Ray starts its processes with 15, the ingress and Serve's proxy
among them; with 19 a thread gets less than half of their share, and loses its core as soon as a request comes in. Where
nobody asks, it gets all there is."""


def behind_the_ingress() -> None:
    """For the calling thread and all that it starts from now on (Linux; elsewhere for the process)."""
    os.setpriority(os.PRIO_PROCESS, 0, LEAST)
