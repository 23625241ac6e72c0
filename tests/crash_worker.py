"""Makes processes that work on the jobs of a data folder until they are killed.

``python -m tests.crash_worker FOLDER STORE`` loads all once, prints ``ready``, and for each line on its standard input
forks a worker and prints its process number: a start then costs milliseconds in place of seconds. With a third
argument, ``alone``, it works itself. STORE is a URL, or empty for the one in the folder.

A worker leads a process group, holds none of the pipes of whoever started it, and dies with the process it was forked
from.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import jobs.postgres
from deployments.settings import GraphArgs
from jobs.cache import CacheSettings
from jobs.opening import open_store
from jobs.settings import JobSettings
from ops.job_worker import local_worker
from ops.local import LocalRunner
from tests.postgres_server import CONNECT_S

ANALYZER = "color_analysis"

PR_SET_PDEATHSIG = 1
"""Of Linux: the signal that a process gets when its parent dies."""


def settings_for(folder: Path, store_url: str) -> GraphArgs:
    """Short leases and pauses; no cache, so that each job is work."""
    return GraphArgs(
        data_dir=str(folder / "data"),
        video_roots=(str(folder / "videos"),),
        analyzers=(ANALYZER,),
        chunk_s=0.5,
        decode_threads=1,
        cache=CacheSettings(enabled=False),
        # Killed up to 20 times: a job may be met often, and none of these kills is its fault.
        jobs=JobSettings(store_url=store_url or None, heartbeat_s=0.1, poll_s=0.05, lease_s=30.0, max_attempts=100),
    )


async def work(settings: GraphArgs, runner: LocalRunner) -> None:
    """Works until it is killed."""
    store = open_store(settings.jobs, settings.data_path)
    await local_worker(settings, store, runner).run()


def nurse(settings: GraphArgs, runner: LocalRunner) -> None:
    """Forks a worker for each line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system removes killed workers at once
    print("ready", flush=True)
    nurse_pid = os.getpid()
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            grow_up(nurse_pid, settings, runner)
        with suppress(ProcessLookupError):  # it may have ended by now
            os.setpgid(pid, pid)
        print(pid, flush=True)


def grow_up(parent: int, settings: GraphArgs, runner: LocalRunner) -> NoReturn:
    """The life of a forked worker."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # workers wait for children of their own
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 0)
        os.dup2(nowhere, 1)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            asyncio.run(work(settings, runner))
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(1)


def main(folder: Path, store_url: str, alone: bool) -> None:
    """Works, or has others work."""
    jobs.postgres.CONNECT_TIMEOUT_S = CONNECT_S
    settings = settings_for(folder, store_url)
    runner = LocalRunner(settings)
    if alone:
        asyncio.run(work(settings, runner))
    else:
        nurse(settings, runner)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:] == ["alone"])
