"""What ``make run`` does: starts the embedded profile, analyses the sample video, shows the result."""

from __future__ import annotations

import sys

from deployments.settings import GraphArgs
from ops.client import Client
from ops.profiles import PROFILE_FILES, load_profile
from ops.render import console, print_document, progress_lines
from ops.sample import make_sample
from ops.server import free_port, local_service


def main() -> int:
    """Runs the demonstration; 0 when the sample's document is complete."""
    out = console()
    videos = GraphArgs().root_paths[0]
    videos.mkdir(parents=True, exist_ok=True)
    sample = videos / "sample.mp4"
    out.print("making the sample video ...")
    make_sample(sample)
    out.print("starting Ray and the embedded CPU profile ...")
    with local_service(load_profile(PROFILE_FILES["cpu"], port=free_port(8003))) as service:
        out.print(f"ready after {service.start_s:.1f} s at {service.url}, dashboard at {service.dashboard_url}")
        with progress_lines(out) as lines:
            document, job = Client(service.url).analyze(sample, None, lines.show)
    print_document(out, document, job.results_file)
    return 0 if document.status == "ok" else 1


if __name__ == "__main__":
    sys.exit(main())
