"""Environment flags of Ray Serve under which this application would lose data or open itself to the network."""

from __future__ import annotations

from collections.abc import Mapping

REFUSED_FLAGS: dict[str, str] = {
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "it turns RAY_SERVE_USE_GRPC_BY_DEFAULT on",
    "RAY_SERVE_USE_GRPC_BY_DEFAULT": "calls with more than 4 MiB fail, and object references inside arguments leak",
    "RAY_SERVE_ENABLE_HA_PROXY": "replicas then listen on all network interfaces, without authentication",
}
"""Flag, and what it does to this application (found with Ray 2.60)."""

_OFF = ("", "0", "false", "no", "off")


def refused_flags(environment: Mapping[str, str]) -> list[str]:
    """One line for each flag that is on and must not be; empty when all is well.

    Ray itself reads only ``1`` as on. Any other word is refused as well, since whoever wrote it meant something.
    """
    return [
        f"{name}={environment[name]} is set: {reason}. Unset it, or set it to 0."
        for name, reason in REFUSED_FLAGS.items()
        if str(environment.get(name, "")).strip().lower() not in _OFF
    ]
