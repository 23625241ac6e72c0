"""The running service tidies up after itself: one replica at a time, every few hours."""

from __future__ import annotations

import asyncio
import logging

from deployments.settings import GraphArgs
from jobs.cache import SectionCache
from jobs.retention import Cleanup, cleanup_turn
from jobs.store import JobStore
from schema.errors import StoreUnavailable

logger = logging.getLogger("tiktok_analyzer.retention")

LOOK_S = 600.0
"""Wall seconds between two looks whether it is time: so another replica takes over where the last one has gone."""


async def keep_tidy(settings: GraphArgs, store: JobStore, cache: SectionCache | None) -> None:
    """Removes what the policy calls too old, again and again; ends only when it is cancelled."""
    if settings.retention.every_hours is None:
        return
    every_s = 3600.0 * settings.retention.every_hours
    while True:
        await asyncio.to_thread(tidy_up, settings, store, cache, every_s)
        await asyncio.sleep(min(LOOK_S, every_s))


def tidy_up(settings: GraphArgs, store: JobStore, cache: SectionCache | None, every_s: float) -> bool:
    """One cleanup, unless somebody else is at it or the last one is less than ``every_s`` ago.

    Returns:
        Whether it was done to the end.
    """
    try:
        with cleanup_turn(settings.data_path, every_s) as mine:
            if mine:
                for kind, tidied in Cleanup(settings.data_path, store, cache, settings.retention).run().items():
                    if tidied.removed:
                        logger.info("%s: %d removed, %.1f MB", kind, tidied.removed, tidied.bytes / 1e6)
            return mine
    except (StoreUnavailable, OSError) as error:
        logger.warning("the cleanup is put off: %s", error)
        return False
