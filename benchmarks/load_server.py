"""Serves the CPU profile over a data folder until it is killed: ``python -m benchmarks.load_server FOLDER NAMES``.

``NAMES`` are analyzers, separated by commas; ``all`` is all of the profile. Prints its address once it is ready.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from ops.profiles import PROFILE_FILES, load_profile
from ops.server import free_port, local_service

MAX_QUEUED = 20
"""Jobs that may wait. Fewer than the load test sends, so that some are told to come again."""


def config_for(folder: Path, names: str) -> dict[str, Any]:
    """The profile with the folder's data and videos; all else as it is in the file."""
    args: dict[str, Any] = {"data_dir": str(folder / "data"), "video_roots": [str(folder / "videos")]}
    if names != "all":
        args["analyzers"] = names.split(",")
    config = load_profile(PROFILE_FILES["cpu"], port=free_port(0), args=args)
    application = config["applications"][0]
    application["args"]["jobs"] = {**application["args"]["jobs"], "max_queued": MAX_QUEUED}
    if names != "all":
        wanted = ("Ingress", *names.split(","))
        application["deployments"] = [block for block in application["deployments"] if block["name"] in wanted]
    return config


def main() -> None:
    with local_service(config_for(Path(sys.argv[1]), sys.argv[2])) as service:
        print(service.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
