"""Works on the jobs of the store in this process, without Ray and HTTP: the same loop with the local runner behind it.

One video at a time: the analyzers are loaded once and belong to one thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping

from deployments.acquire import acquire
from deployments.settings import GraphArgs
from jobs.results import ResultStore
from jobs.sources import SourceFolder
from jobs.store import JobStore
from jobs.work import JobWork
from jobs.worker import AfterEnd, Worker, nothing
from ops.local import LocalJob, LocalRunner
from schema.document import AnalysisDocument, Section
from schema.jobs import AnalyzerProgress


class LocalAnalysis:
    """Makes the documents of jobs with analyzers in this process.

    Args:
        settings: Of the application.
        runner: The analyzers.
    """

    def __init__(self, settings: GraphArgs, runner: LocalRunner) -> None:
        self._settings, self._runner = settings, runner

    async def __call__(self, work: JobWork) -> AnalysisDocument:
        """The document.

        Raises:
            AnalyzerSystemError: Why there is none.
        """
        video, loop = await acquire(work, self._settings), asyncio.get_running_loop()
        stop, progress = threading.Event(), dict[str, AnalyzerProgress]()

        def on_progress(now: Mapping[str, AnalyzerProgress]) -> None:
            loop.call_soon_threadsafe(progress.update, now)

        def on_section(section: Section) -> None:
            loop.call_soon_threadsafe(work.conclude, section)

        record = work.record
        job = LocalJob(
            work.id,
            record.created_at,
            video,
            on_section,
            stop.is_set,
            work.remaining_s,
            record.options.fresh,
            record.options.keep,
        )
        work.watch(lambda: progress)
        work.enter("decoding")
        running = asyncio.create_task(asyncio.to_thread(self._runner.work_on, job, record.analyzers, on_progress))
        try:
            return await asyncio.shield(running)
        finally:
            stop.set()
            await asyncio.wait({running})
            if not running.cancelled():
                running.exception()  # known, where it is not raised


def local_worker(settings: GraphArgs, store: JobStore, runner: LocalRunner, after_end: AfterEnd = nothing) -> Worker:
    """A loop over the store that works in this process. Made inside the event loop that runs it."""
    results, sources = ResultStore(settings.data_path), SourceFolder(settings.data_path)
    return Worker(store, results, sources, LocalAnalysis(settings, runner), settings.jobs, 1, after_end)
