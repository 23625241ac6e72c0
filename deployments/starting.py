"""Analyzers that do not answer: whether Serve is starting them, and what it says where it cannot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

logger = logging.getLogger("tiktok_analyzer.health")

COMING = ("STARTING", "UPDATING", "RECOVERING")
"""States of a replica that will serve: its process starts, or its models are being loaded."""

GIVEN_UP = ("UNHEALTHY", "DEPLOY_FAILED")
"""States of a deployment whose replicas failed again and again."""


async def states_of_silent(names: Sequence[str]) -> dict[str, str]:
    """``loading``, ``unreachable`` or ``unreachable: why`` for analyzers of this application that did not answer.

    Serve's controller is asked only when there are such; it takes some milliseconds.
    """
    if not names:
        return {}
    try:
        application = serve.get_replica_context().app_name
        status = await asyncio.to_thread(serve.status)
    except (RayError, RayServeException) as error:
        logger.warning("Serve does not say how its replicas are: %s", error)
        return {}
    if application not in status.applications:
        return {}
    found = status.applications[application].deployments
    return {
        name: state_of(
            found[name].status.value,
            {str(getattr(state, "value", state)): n for state, n in found[name].replica_states.items()},
            found[name].message,
        )
        for name in names
        if name in found
    }


def state_of(status: str, replicas: Mapping[str, int], message: str) -> str:
    """One deployment's state for people.

    Args:
        status: Of the deployment, as Serve calls it.
        replicas: How many replicas are in each state, as Serve calls them.
        message: Serve's own words.
    """
    if status in GIVEN_UP:
        lines = [line.strip() for line in message.splitlines() if line.strip()]
        return f"unreachable: {lines[-1][:300]}" if lines else "unreachable"
    return "loading" if any(replicas.get(state, 0) for state in COMING) else "unreachable"
