"""Gets a job's video onto this machine's disk: it is there already, or it is downloaded."""

from __future__ import annotations

import asyncio
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from deployments.settings import GraphArgs
from deployments.within import within
from jobs.work import JobWork
from media.fetch import fetch
from media.source import locate, sha256_of
from schema.document import PostFacts, SourceFacts
from schema.errors import RequestTimeout
from schema.jobs import SourceKind


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


async def acquire(work: JobWork, settings: GraphArgs) -> Acquired:
    """The job's video.

    Raises:
        AnalyzerSystemError: Why there is none.
    """
    source = work.record.source
    if source.kind == "path":
        # Again, and not only when it was accepted: it may have gone, or become a link to elsewhere.
        roots = settings.root_paths if source.root is None else (Path(source.root),)
        path = await asyncio.to_thread(locate, source.location, roots)
        return Acquired(path, "path", path.name)
    if source.kind == "upload":
        return Acquired(Path(source.location), "upload", source.name)
    work.enter("downloading")
    try:
        return await within(work.remaining_s, _downloaded(source.location, work.folder, settings))
    except asyncio.TimeoutError as error:
        raise RequestTimeout("its deadline passed while it was downloaded") from error


async def _downloaded(url: str, folder: Path, settings: GraphArgs) -> Acquired:
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)  # what a dead worker has left
    stop = threading.Event()
    fetching = asyncio.create_task(asyncio.to_thread(fetch, url, folder, settings.fetch, stop.is_set))
    try:
        found = await asyncio.shield(fetching)
    finally:
        stop.set()
        await asyncio.wait({fetching})
        if not fetching.cancelled():
            fetching.exception()  # known, where it is not raised
    return Acquired(found.path, "url", found.name, found.url, found.post)
