"""One process that works on the jobs of a store until none is left: what ``bulk process --workers`` starts.

``python -m ops.bulk_worker PROFILE.yaml [DATA]``. It holds its own analyzers and works on one video at a time. It ends
by itself when nothing waits any more, and when its standard input closes, as it does when its parent dies; then it
gives its job back.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path

from jobs.cache import SectionCache
from jobs.callbacks import Callbacks
from jobs.opening import open_store
from ops.job_worker import local_worker
from ops.local import LocalRunner
from ops.profiles import analyzer_configs, graph_args


async def work(profile: Path, data_dir: str | None) -> None:
    """Works until there is nothing to do, or until standard input closes."""
    settings = graph_args(profile, data_dir)
    cache = SectionCache(settings.data_path, settings.cache) if settings.cache.enabled else None
    runner = LocalRunner(settings, analyzer_configs(profile), cache)
    store = open_store(settings.jobs, settings.data_path)
    closed = asyncio.Event()
    loop, standard_input = asyncio.get_running_loop(), sys.stdin.fileno()

    def close() -> None:
        loop.remove_reader(standard_input)  # a closed pipe can be read at any time: the loop would spin
        closed.set()

    loop.add_reader(standard_input, close)
    worker = local_worker(settings, store, runner, Callbacks(settings.callbacks, settings.data_path).tell)
    working = asyncio.create_task(worker.run(until_empty=True))
    waiting = asyncio.create_task(closed.wait())
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    for task in (working, waiting):
        task.cancel()
    await asyncio.gather(working, waiting, return_exceptions=True)
    store.close()
    if not working.cancelled():
        working.result()


def main() -> None:
    """Runs the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears of Ctrl-C, and closes standard input
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))


if __name__ == "__main__":
    main()
