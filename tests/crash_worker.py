"""Makes processes that work on the jobs of a data folder until they are killed.

``python -m tests.crash_worker FOLDER`` loads all once, prints ``ready``, and for each line on its standard input forks
a worker and prints its process number: a start then costs milliseconds in place of seconds.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from deployments.settings import GraphArgs
from jobs.cache import CacheSettings
from jobs.opening import open_store
from jobs.settings import JobSettings
from ops.job_worker import local_worker
from ops.local import LocalRunner

ANALYZER = "color_analysis"


def settings_for(folder: Path) -> GraphArgs:
    """Short leases and pauses; no cache, so that each job is work."""
    return GraphArgs(
        data_dir=str(folder / "data"),
        video_roots=(str(folder / "videos"),),
        analyzers=(ANALYZER,),
        chunk_s=0.5,
        decode_threads=1,
        cache=CacheSettings(enabled=False),
        # Killed up to 20 times: a job may be met often, and none of these kills is its fault.
        jobs=JobSettings(heartbeat_s=0.1, poll_s=0.05, lease_s=30.0, max_attempts=100),
    )


async def work(settings: GraphArgs, runner: LocalRunner) -> None:
    """Works until it is killed."""
    store = open_store(settings.jobs, settings.data_path)
    await local_worker(settings, store, runner).run()


def main(folder: Path) -> None:
    """Forks a worker for each line."""
    settings = settings_for(folder)
    runner = LocalRunner(settings)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system removes killed workers at once
    print("ready", flush=True)
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # workers wait for children of their own
            asyncio.run(work(settings, runner))
        print(pid, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
