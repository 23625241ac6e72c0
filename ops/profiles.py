"""The profiles: one Serve yaml each."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml

from deployments.settings import PROJECT_ROOT, GraphArgs

Profile = Literal["cpu", "gpu"]

PROFILE_FILES: dict[Profile, Path] = {
    "cpu": PROJECT_ROOT / "serve_config.cpu.yaml",
    "gpu": PROJECT_ROOT / "serve_config.yaml",
}


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


def load_profile(
    path: Path, *, port: int | None = None, host: str | None = None, args: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A Serve configuration as a dictionary.

    Args:
        path: Of the yaml.
        port: HTTP port in place of the file's.
        host: Address to bind in place of the file's.
        args: Application arguments that win over the file's.
    """
    config: dict[str, Any] = yaml.safe_load(path.read_text())
    if port is not None:
        config.setdefault("http_options", {})["port"] = port
    if host is not None:
        config.setdefault("http_options", {})["host"] = host
    if args:
        application = config["applications"][0]
        application["args"] = {**application.get("args", {}), **args}
    return config
