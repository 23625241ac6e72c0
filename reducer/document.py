"""Puts the document together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from reducer.breakdown import breakdown_of
from reducer.checklist import checklist_of
from reducer.describe import describe_video
from reducer.quality import quality_of
from reducer.sections import Outcome
from reducer.timeline import fuse
from schema.document import AnalysisDocument, Performance, Section, SourceFacts, Summary, VideoFacts

HARMLESS: frozenset[str] = frozenset({"ok", "not_applicable", "unavailable"})
"""Statuses that leave a document ``ok``: nothing went wrong that sending the video again could mend."""


def build_document(
    *,
    id: str,
    created_at: datetime,
    source: SourceFacts,
    video: VideoFacts,
    outcomes: Mapping[str, Outcome],
    performance: Performance,
) -> AnalysisDocument:
    """The document over all outcomes, which come in document order.

    Args:
        id: Of the job.
        created_at: When the request was admitted, with time zone.
        source: Where the bytes came from.
        video: The facts after decoding.
        outcomes: Per analyzer.
        performance: Where the time went.
    """
    sections = {name: outcome.section for name, outcome in outcomes.items()}
    items = sorted(
        (item for outcome in outcomes.values() for item in outcome.timeline),
        key=lambda item: (item.start_time, item.end_time, item.analyzer),
    )
    breakdown = breakdown_of(items, video.duration_s, outcomes)
    return AnalysisDocument(
        id=id,
        created_at=created_at,
        status=_status(sections, video),
        source=source,
        video=video,
        summary=_summary(sections, video),
        timeline=fuse(items, video.duration_s, _cut_times(sections)),
        breakdown=breakdown,
        checklist=checklist_of(sections, breakdown, video),
        sections=sections,
        quality=quality_of(sections, items, video),
        performance=performance,
    )


def _status(sections: Mapping[str, Section], video: VideoFacts) -> Literal["ok", "partial", "failed"]:
    if not any(section.result is not None for section in sections.values()) and any(
        section.status == "failed" for section in sections.values()
    ):
        return "failed"
    harmless = all(section.status in HARMLESS for section in sections.values())
    return "ok" if harmless and not (video.truncated or video.decode_error) else "partial"


def _cut_times(sections: Mapping[str, Section]) -> list[float] | None:
    """Borders between shots, from the one section that publishes shots; None where it has no result."""
    section = sections.get("cut_analysis")
    if section is None or section.result is None:
        return None
    shots: list[dict[str, Any]] = section.result["shots"]
    return [float(shot["start_time"]) for shot in shots[1:]]


def _summary(sections: Mapping[str, Section], video: VideoFacts) -> Summary:
    points = tuple(section.headline for section in sections.values() if section.headline)
    missing = tuple(
        f"{name}: {section.status.replace('_', ' ')} - {section.error.reason}"
        for name, section in sections.items()
        if section.result is None and section.error
    )
    return Summary(text=" ".join((describe_video(video), *points)), points=points, missing=missing)
