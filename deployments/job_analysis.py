"""A job's document from its video: get the file, probe it, run the graph on it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployments.pipeline import AnalysisRun, Handles
from deployments.reuse import SectionReuse
from deployments.settings import GraphArgs
from deployments.within import end, within
from jobs.cache import SectionCache
from jobs.work import JobWork
from media.fetch import fetch
from media.probe import probe
from media.source import locate, sha256_of
from schema.document import AnalysisDocument, PostFacts, SourceFacts
from schema.errors import RequestTimeout
from schema.jobs import SourceKind

logger = logging.getLogger("tiktok_analyzer.jobs")


@dataclass(frozen=True)
class Acquired:
    """A video on this machine's disk.

    Attributes:
        path: Of the file.
        kind: Where it came from.
        name: As the client called it, without any folder.
        url: Where it was downloaded.
        post: What the site says about it.
    """

    path: Path
    kind: SourceKind
    name: str
    url: str | None = None
    post: PostFacts | None = None

    def facts(self) -> SourceFacts:
        """For the document; reads the whole file for its hash."""
        return SourceFacts(
            kind=self.kind,
            name=self.name,
            sha256=sha256_of(self.path),
            size_bytes=self.path.stat().st_size,
            url=self.url,
            post=self.post,
        )


class JobAnalysis:
    """Analyses jobs with the deployed analyzers.

    Args:
        settings: Of the application.
        handles: The deployed analyzers by name.
        cache: Sections of earlier jobs; None where it is off.
    """

    def __init__(self, settings: GraphArgs, handles: Handles, cache: SectionCache | None) -> None:
        self._settings, self._handles, self._cache = settings, handles, cache

    async def __call__(self, work: JobWork) -> AnalysisDocument:
        """The document.

        Raises:
            AnalyzerSystemError: Why there is none.
        """
        started_s = time.perf_counter()
        video = await self._acquire(work)
        acquired_s = time.perf_counter()
        source = asyncio.create_task(asyncio.to_thread(video.facts))
        try:
            facts = await asyncio.to_thread(probe, video.path, self._settings.limits)
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

    async def _acquire(self, work: JobWork) -> Acquired:
        source = work.record.source
        if source.kind == "path":
            # Again, and not only when it was accepted: it may have gone, or become a link to elsewhere.
            path = await asyncio.to_thread(locate, source.location, self._settings.root_paths)
            return Acquired(path, "path", path.name)
        if source.kind == "upload":
            return Acquired(Path(source.location), "upload", source.name)
        work.enter("downloading")
        try:
            return await within(work.remaining_s, self._download(source.location, work.folder))
        except asyncio.TimeoutError as error:
            raise RequestTimeout("its deadline passed while it was downloaded") from error

    async def _download(self, url: str, folder: Path) -> Acquired:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)  # what a dead worker has left
        stop = threading.Event()
        fetching = asyncio.create_task(asyncio.to_thread(fetch, url, folder, self._settings.fetch, stop.is_set))
        try:
            found = await asyncio.shield(fetching)
        finally:
            stop.set()
            await asyncio.wait({fetching})
            if not fetching.cancelled():
                fetching.exception()  # known, where it is not raised
        return Acquired(found.path, "url", found.name, found.url, found.post)


def _milliseconds(**seconds: float) -> Mapping[str, float]:
    return {stage: 1000.0 * value for stage, value in seconds.items()}
