"""A client's deadline ends the feeding of analyzers: none that has not seen all is told that all is well."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest

from analyzers.host import AnalyzerHost, Cost, Observed
from deployments.pipeline import AnalysisRun
from deployments.reuse import SectionReuse
from deployments.settings import GraphArgs
from reducer.sections import Tally
from schema.document import VideoFacts

NAME, CHUNKS, SEEN = "color_analysis", 5, 2

pytestmark = pytest.mark.asyncio


def run_of(settings: GraphArgs, duration_s: float) -> AnalysisRun:
    work: Any = Mock(remaining_s=60.0)
    facts = VideoFacts(container="mp4", duration_s=duration_s, width=96, height=64)
    reuse = SectionReuse(None, "pyav")
    run = AnalysisRun(work, Path("clip.mp4"), facts, (NAME,), cast(Any, {NAME: None}), settings, reuse)
    tally = run._tallies[NAME] = Tally(AnalyzerHost(NAME).describe(), planned=CHUNKS)
    for index in range(SEEN):
        tally.add(index, Observed([index], Cost(1.0, 1.0)), 1.0)
    return run


async def fed(run: AnalysisRun, feeding: asyncio.Task[None]) -> Tally:
    """Feeds the analyzer under a deadline whose timer in the feeds fires first: its own is a minute late."""
    run._observe_until_s = run._elapsed_s() + 60.0
    observing = asyncio.create_task(run._observed_in_time(NAME))
    await asyncio.sleep(0)
    run._observe_until_s = run._elapsed_s() + 0.02
    await run._all([asyncio.create_task(asyncio.sleep(0)), feeding], {NAME: observing})
    return run._tallies[NAME]


async def test_pictures_that_a_deadline_kept_back_are_missing() -> None:
    settings = GraphArgs()
    run = run_of(settings, CHUNKS * settings.chunk_s)
    tally = await fed(run, asyncio.create_task(asyncio.sleep(3600.0)))
    assert tally.timed_out == "request"
    assert tally.unseen == [(index * settings.chunk_s, (index + 1) * settings.chunk_s) for index in range(SEEN, CHUNKS)]


async def test_pictures_that_ended_in_time_are_all_there() -> None:
    settings = GraphArgs()
    run = run_of(settings, CHUNKS * settings.chunk_s)
    tally = await fed(run, asyncio.create_task(asyncio.sleep(0)))
    assert tally.timed_out is None
    assert tally.unseen == []
