"""What Ray says about the replicas."""

from __future__ import annotations

import ray
from ray.util.state import list_actors


def replica_pids() -> dict[str, set[int]]:
    """Living replica processes per deployment."""
    pids: dict[str, set[int]] = {}
    for actor in list_actors(
        address=ray.get_runtime_context().gcs_address, filters=[("state", "=", "ALIVE")], limit=1000
    ):
        name = actor.name or ""
        if name.startswith("SERVE_REPLICA::") and actor.pid:
            deployment = name.split("::")[1].split("#")[1]
            pids.setdefault(deployment, set()).add(int(actor.pid))
    return pids
