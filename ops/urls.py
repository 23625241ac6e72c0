"""URLs on the command line: told from files, and analysed in this process."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from media.fetch import FetchPolicy, fetch
from ops.local import LocalRunner, OnProgress
from schema.document import AnalysisDocument


def is_url(text: str) -> bool:
    """Whether the argument names a page or file on the net. No file's path begins like this by chance."""
    return text.lower().startswith(("http://", "https://"))


def analyze_url(
    runner: LocalRunner,
    url: str,
    policy: FetchPolicy,
    requested: Sequence[str] | None,
    on_progress: OnProgress,
    fresh: bool = False,
) -> AnalysisDocument:
    """Downloads a video into a folder that is gone afterwards, and analyses it here.

    Raises:
        AnalyzerSystemError: As ``media.fetch.fetch`` and ``LocalRunner.analyze``.
    """
    with tempfile.TemporaryDirectory(prefix="analyze-url-") as folder:
        found = fetch(url, Path(folder), policy)
        document = runner.analyze(found.path, requested, on_progress, fresh)
    source = document.source.model_copy(
        update={"kind": "url", "name": found.name, "url": found.url, "post": found.post}
    )
    return document.model_copy(update={"source": source})
