"""A job's document from its video: get the file, probe it, run the graph on it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from deployments.acquire import acquire
from deployments.calls import Handles
from deployments.pipeline import AnalysisRun
from deployments.reuse import SectionReuse
from deployments.settings import GraphArgs
from deployments.within import end
from jobs.cache import SectionCache
from jobs.work import JobWork
from media.probe import Prober
from schema.document import AnalysisDocument

logger = logging.getLogger("tiktok_analyzer.jobs")


class JobAnalysis:
    """Analyses jobs with the deployed analyzers.

    Args:
        settings: Of the application.
        handles: The deployed analyzers by name.
        cache: Sections of earlier jobs; None where it is off.
    """

    def __init__(self, settings: GraphArgs, handles: Handles, cache: SectionCache | None) -> None:
        self._settings, self._handles, self._cache = settings, handles, cache
        self._probe = Prober(settings.limits)

    def close(self) -> None:
        """Ends the process that waits for the next video."""
        self._probe.close()

    async def __call__(self, work: JobWork) -> AnalysisDocument:
        """The document.

        Raises:
            AnalyzerSystemError: Why there is none.
        """
        started_s = time.perf_counter()
        video = await acquire(work, self._settings)
        acquired_s = time.perf_counter()
        source = asyncio.create_task(asyncio.to_thread(video.facts))
        try:
            facts = await asyncio.to_thread(self._probe, video.path)
            stages_ms = _milliseconds(acquire=acquired_s - started_s, probe=time.perf_counter() - acquired_s)
            record = work.record
            requested = tuple(self._handles) if record.analyzers is None else record.analyzers
            options = record.options
            reuse = SectionReuse(self._cache, self._settings.decoder, fresh=options.fresh, keep=options.keep)
            run = AnalysisRun(work, video.path, facts, requested, self._handles, self._settings, reuse)
            document = await run.run(source, stages_ms)
        finally:
            await end(source)
        logger.info("%s: %s in %.2f s", work.id, document.status, document.performance.processing_time)
        return document


def _milliseconds(**seconds: float) -> Mapping[str, float]:
    return {stage: 1000.0 * value for stage, value in seconds.items()}
