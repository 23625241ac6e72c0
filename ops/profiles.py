"""The profiles: Serve yamls, and changes to one for other cards."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from deployments.settings import PROJECT_ROOT, GraphArgs

Profile = Literal["cpu", "gpu", "gpu24", "gpu16"]

PROFILE_FILES: dict[Profile, Path] = {
    "cpu": PROJECT_ROOT / "serve_config.cpu.yaml",
    "gpu": PROJECT_ROOT / "serve_config.yaml",
    # Only what differs from serve_config.yaml, so that a new analyzer or limit is written once.
    "gpu24": PROJECT_ROOT / "profiles" / "gpu24.yaml",
    "gpu16": PROJECT_ROOT / "profiles" / "gpu16.yaml",
}

CARD_MIB: dict[Profile, int] = {"gpu": 46_068, "gpu24": 23_034, "gpu16": 15_360}
"""Memory that nvidia-smi shows of the smallest card that a profile is made for: an RTX 8000 or A40 with error
correction, an L4, a T4."""


def profile_for(memory_mib: int) -> Profile | None:
    """The profile for a card with so much memory; None where it is too small for any."""
    return next((profile for profile, needed in CARD_MIB.items() if memory_mib >= needed), None)


def graph_args(path: Path, data_dir: str | None = None) -> GraphArgs:
    """The application's settings in a Serve configuration.

    Args:
        path: Of the yaml.
        data_dir: In place of the file's, where it is given.

    Raises:
        pydantic.ValidationError: They are out of bounds or unknown.
    """
    config = load_profile(path, args={"data_dir": data_dir} if data_dir else None)
    return GraphArgs.model_validate(config["applications"][0].get("args", {}))


def analyzer_configs(path: Path) -> dict[str, dict[str, Any]]:
    """The analyzers' own settings in a Serve configuration, by name."""
    blocks = load_profile(path)["applications"][0].get("deployments", [])
    return {block["name"]: block["user_config"] for block in blocks if block.get("user_config")}


def load_profile(
    path: Path, *, port: int | None = None, host: str | None = None, args: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A Serve configuration as a dictionary.

    Args:
        path: Of the yaml; one with ``base`` holds changes to that file.
        port: HTTP port in place of the file's.
        host: Address to bind in place of the file's.
        args: Application arguments that win over the file's.

    Raises:
        ValueError: Changes name a deployment that the base does not have, or hold something else than changes.
    """
    config: dict[str, Any] = yaml.safe_load(path.read_text())
    if "base" in config:
        config = with_changes(yaml.safe_load((PROJECT_ROOT / config["base"]).read_text()), config, path.name)
    if port is not None:
        config.setdefault("http_options", {})["port"] = port
    if host is not None:
        config.setdefault("http_options", {})["host"] = host
    if args:
        application = config["applications"][0]
        application["args"] = {**application.get("args", {}), **args}
    return config


def with_changes(base: Mapping[str, Any], changes: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A Serve configuration with other shares and settings for some of its deployments.

    Args:
        base: The Serve configuration; left as it is.
        changes: ``deployments``: per name ``num_gpus`` (0: on the CPU) and ``user_config``, which goes over the base's.
        name: Of the changes, for messages.

    Raises:
        ValueError: A deployment that the base does not have, or an unknown key.
    """
    config = copy.deepcopy(dict(base))
    blocks = {block["name"]: block for block in config["applications"][0]["deployments"]}
    if unknown := set(changes) - {"base", "deployments"}:
        raise ValueError(f"{name}: unknown keys {', '.join(sorted(unknown))}; allowed are base, deployments")
    for deployment, change in changes.get("deployments", {}).items():
        if deployment not in blocks:
            raise ValueError(f"{name}: the base has no deployment {deployment!r}")
        if unknown := set(change) - {"num_gpus", "user_config"}:
            raise ValueError(f"{name}: {deployment}: unknown keys {', '.join(sorted(unknown))}")
        block = blocks[deployment]
        block["user_config"] = {**(block.get("user_config") or {}), **change.get("user_config", {})}
        if "num_gpus" in change:
            options = block.setdefault("ray_actor_options", {})
            options["num_gpus"] = change["num_gpus"]
            if not change["num_gpus"]:
                del options["num_gpus"]
    return config
