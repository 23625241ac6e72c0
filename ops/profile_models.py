"""Which models the analyzers of a profile load, under the profile's own settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analyzers.catalogue import analyzer_class
from analyzers.runtime import LicencePolicy
from deployments.settings import GraphArgs
from weights.pin import Pin
from weights.store import allowed_pin


@dataclass(frozen=True)
class Placed:
    """One analyzer of a profile that loads models.

    Attributes:
        analyzer: Its name.
        pins: What it loads, the licence policy applied.
        gpu_share: Share of a GPU that each replica books; 0 runs on the CPU.
        replicas: How many there are.
        config: Its settings, complete.
    """

    analyzer: str
    pins: tuple[Pin, ...]
    gpu_share: float
    replicas: int
    config: Mapping[str, Any]


def graph_args(config: Mapping[str, Any]) -> GraphArgs:
    """The application's settings in a Serve configuration."""
    return GraphArgs.model_validate(config["applications"][0].get("args") or {})


def placed(config: Mapping[str, Any], policy: LicencePolicy | None = None) -> list[Placed]:
    """Every analyzer of a Serve configuration that loads models, in document order.

    Args:
        config: As ``ops.profiles.load_profile`` gives it.
        policy: In place of the configuration's.
    """
    args = graph_args(config)
    blocks = {block["name"]: block for block in config["applications"][0].get("deployments") or ()}
    found = []
    for name in args.active_analyzers:
        block, cls = blocks.get(name, {}), analyzer_class(name)
        analyzer = cls(cls.Config.model_validate(block.get("user_config") or {}))
        if wanted := analyzer.wanted_models():
            pins = tuple(dict.fromkeys(allowed_pin(pin, policy or args.licence_policy) for pin in wanted))
            share = (block.get("ray_actor_options") or {}).get("num_gpus") or 0.0
            replicas = block.get("num_replicas") or 1
            settings = analyzer.config.model_dump()
            found.append(Placed(name, pins, float(share), replicas if isinstance(replicas, int) else 1, settings))
    return found


def profile_pins(config: Mapping[str, Any], policy: LicencePolicy | None = None) -> tuple[Pin, ...]:
    """The pins of a whole configuration, each once, without those too large for a CPU where no GPU is booked."""
    every = [(place, pin) for place in placed(config, policy) for pin in place.pins]
    return tuple(dict.fromkeys(pin for place, pin in every if place.gpu_share > 0.0 or not pin.for_gpu))
