"""Serves two analyzers over a data folder until it is killed: ``python -m tests.ray.serve_process FOLDER``."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from ops.profiles import PROFILE_FILES, load_profile
from ops.server import local_service
from tests.ray.ports import free_port

ANALYZERS = ("cut_analysis", "color_analysis")


def main(folder: Path) -> None:
    """Prints the service's address once it is ready."""
    args = {
        "data_dir": str(folder / "data"),
        "video_roots": [str(folder)],
        "analyzers": list(ANALYZERS),
        "cache": {"enabled": False},  # each job is work
    }
    config = load_profile(PROFILE_FILES["cpu"], port=free_port(), args=args)
    blocks = config["applications"][0]["deployments"]
    config["applications"][0]["deployments"] = [b for b in blocks if b["name"] in ("Ingress", *ANALYZERS)]
    with local_service(config) as service:
        print(service.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
