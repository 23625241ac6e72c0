"""Sections for the tests of the section cache, without anything that is slow to import: writers of their own use it."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from pathlib import Path

from jobs.cache import CacheSettings, SectionCache, _packed
from schema.document import Provenance, Section, TimelineItem, VideoFacts
from schema.stored import StoredSection

WHEN = datetime(2026, 3, 1, 12, 30, tzinfo=timezone.utc)


def stored(seed: int, length: int = 50) -> StoredSection:
    """A section whose size grows with ``length``: its text is random, so that compression gains little."""
    text = "".join(random.Random(seed).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))
    return StoredSection(
        section=Section(
            analyzer="color_analysis",
            status="ok",
            headline=text,
            result={"seed": seed, "ü": [0.1, 1e-9]},
            provenance=Provenance(analyzer_version="1"),
        ),
        timeline=(TimelineItem(start_time=0.0, end_time=1.0, channel="seen", analyzer="color_analysis", label=text),),
        video=VideoFacts(container="mp4", duration_s=2.0, width=96, height=64, frames_decoded=50),
        computed_at=WHEN,
    )


def size_of(section: StoredSection) -> int:
    return len(_packed(section)[0])


def cache_of(path: Path, bytes: int | None = None, kept_share: float = 0.5) -> SectionCache:
    """A cache that waits for its turn as long as a busy machine takes."""
    settings = CacheSettings(kept_share=kept_share, busy_timeout_s=60.0)
    return SectionCache(path, settings.model_copy(update={"megabytes": bytes / 1_000_000}) if bytes else settings)


def database_of(path: Path) -> Path:
    return path / "cache" / "sections.sqlite"
