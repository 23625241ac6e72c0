"""A document at a terminal: its time line by shots, or by parts where shots are long."""

from __future__ import annotations

import io
from datetime import datetime, timezone

import pytest
from rich.console import Console

from ops.render import LABELS_SHOWN, print_document
from reducer.breakdown import breakdown_of
from reducer.timeline import fuse
from schema.document import AnalysisDocument, Performance, Quality, SourceFacts, Summary, TimelineItem, VideoFacts

DURATION_S = 11.0


def printed(items: list[TimelineItem], cuts_s: list[float]) -> str:
    document = AnalysisDocument(
        id="1",
        created_at=datetime(2026, 1, 2, tzinfo=timezone.utc),
        status="ok",
        source=SourceFacts(kind="path", name="a.mp4", sha256="0", size_bytes=1),
        video=VideoFacts(container="mp4", duration_s=DURATION_S, width=540, height=960),
        summary=Summary(text="t"),
        timeline=fuse(items, DURATION_S, cuts_s),
        breakdown=breakdown_of(items, DURATION_S, {}),
        sections={},
        quality=Quality(sections_with_result=0, sections_total=0, timeline_coverage=1.0, time_monotone=True),
        performance=Performance(processing_time=1.0, realtime_factor=1.0),
    )
    out = Console(file=io.StringIO(), width=120)
    print_document(out, document, None)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def item(start_s: float, label: str, analyzer: str = "object_detection") -> TimelineItem:
    return TimelineItem(start_time=start_s, end_time=start_s + 1.0, channel="seen", analyzer=analyzer, label=label)


@pytest.mark.parametrize(
    ("cuts_s", "rows"),
    [
        ([], ["0.00-5.00", "5.00-10.00", "10.00-11.00"]),
        ([4.0], ["0.00-5.00", "5.00-10.00", "10.00-11.00"]),
        ([4.0, 6.0], ["0.00-4.00", "4.00-6.00", "6.00-11.00"]),
    ],
)
def test_long_shots_are_shown_by_parts(cuts_s: list[float], rows: list[str]) -> None:
    text = printed([item(0.0, "cat"), item(7.0, "zoom in", "camera_analysis")], cuts_s)
    lines = [line for line in text.splitlines() if line.startswith("│") and "-" in line.split("│")[1]]
    assert [line.split("│")[1].strip() for line in lines] == rows
    seen = [line.split("│")[2].strip() for line in lines]
    assert seen[0] == "cat"
    assert "zoom in" in seen[1:]


def test_many_labels_are_counted() -> None:
    text = printed([item(0.1 * k, f"thing {k}") for k in range(LABELS_SHOWN + 3)], [])
    assert f"thing {LABELS_SHOWN - 1}; +3" in text
    assert f"thing {LABELS_SHOWN}" not in text
