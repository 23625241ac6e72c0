"""From outcomes to the document: statuses, quality figures, summary, and what breaks the rules of time."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from analyzers.base import AnalyzerResult
from analyzers.host import Cost, Description, Observed
from media.needs import FrameNeed, Needs, Rate
from media.types import DecodeReport
from reducer.describe import describe_video
from reducer.document import build_document
from reducer.facts import facts_after_decode
from reducer.quality import disorder, quality_of
from reducer.sections import Outcome, Tally, lost_error, starved_outcome
from schema.document import (
    AudioFacts,
    Performance,
    Provenance,
    Section,
    SectionError,
    SourceFacts,
    TimelineItem,
    VideoFacts,
)

VIDEO = VideoFacts(container="mp4", duration_s=10.0, declared_duration_s=10.0, width=1080, height=1920, frame_rate=30.0)
ERROR = SectionError(code="x", reason="because", remedy="do")
COST = Cost(run_ms=5.0, cpu_ms=4.0)


def section(status: str, result: dict[str, Any] | None = None, headline: str | None = None) -> Outcome:
    return Outcome(
        Section(
            analyzer="a",
            status=status,
            error=None if status == "ok" else ERROR,
            result=result,
            headline=headline,
            provenance=Provenance(analyzer_version="1"),
        ),
        result=AnalyzerResult() if result is not None else None,
    )


def document(outcomes: dict[str, Outcome], video: VideoFacts = VIDEO) -> Any:
    return build_document(
        id="0" * 32,
        created_at=datetime.now(timezone.utc),
        source=SourceFacts(kind="path", name="x.mp4", sha256="0" * 64, size_bytes=1),
        video=video,
        outcomes=outcomes,
        performance=Performance(processing_time=1.0, realtime_factor=0.1),
    )


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["ok", "ok"], "ok"),
        (["ok", "not_applicable", "unavailable"], "ok"),
        (["not_applicable"], "ok"),
        (["ok", "failed"], "partial"),
        (["ok", "partial"], "partial"),
        (["failed", "failed"], "failed"),
        (["failed", "unavailable"], "failed"),
    ],
)
def test_status_follows_the_sections(statuses: list[str], expected: str) -> None:
    outcomes = {f"a{i}": section(s, {} if s in ("ok", "partial") else None) for i, s in enumerate(statuses)}
    assert document(outcomes).status == expected


@pytest.mark.parametrize("damage", [{"truncated": True}, {"decode_error": "Invalid data found"}])
def test_a_truncated_or_damaged_video_is_never_ok(damage: dict[str, Any]) -> None:
    assert document({"a": section("ok", {})}, VIDEO.model_copy(update=damage)).status == "partial"


def test_the_summary_holds_headlines_and_names_what_is_missing() -> None:
    summary = document({"a": section("ok", {}, "Three cuts."), "b": section("failed")}).summary
    assert summary.points == ("Three cuts.",)
    assert summary.missing == ("b: failed - because",)
    assert summary.text.endswith("Three cuts.")


def test_shots_come_from_the_cut_section() -> None:
    shots = [{"start_time": 0.0, "end_time": 4.0}, {"start_time": 4.0, "end_time": 10.0}]
    timeline = document({"cut_analysis": section("ok", {"shots": shots})}).timeline
    assert [(e.start_time, e.end_time) for e in timeline] == [(0.0, 4.0), (4.0, 10.0)]
    assert {e.basis for e in timeline} == {"shot"}


def test_the_video_in_words() -> None:
    assert describe_video(VIDEO) == "A vertical video of 10.0 s, 1080x1920 at 30 frames per second, without sound."
    sound = VideoFacts(
        container="wav", duration_s=4.0, audio=AudioFacts(codec="pcm_s16le", sample_rate_hz=16000, channels=1)
    )
    assert describe_video(sound) == "A sound of 4.0 s without pictures."


@pytest.mark.parametrize(
    "broken",
    [
        {"spans": [{"start_time": 1.0, "end_time": 1.0}]},
        {"spans": [{"start_time": 2.0, "end_time": 1.0}]},
        {"spans": [{"start_time": -0.1, "end_time": 1.0}]},
        {"spans": [{"start_time": 9.0, "end_time": 10.1}]},
        {"spans": [{"start_time": 2.0, "end_time": 3.0}, {"start_time": 1.0, "end_time": 2.0}]},
        {"deep": {"list": [{"timestamp": 10.5}]}},
        {"frames": [{"timestamp": 2.0}, {"timestamp": 1.0}]},
        {"peak_timestamp": 10.5},
        {"beats": [1.0, 10.5]},
        {"timestamps": [2.0, 1.0]},
    ],
)
def test_disorder_is_found(broken: dict[str, Any]) -> None:
    assert disorder(broken, 10.0) is not None
    outcomes = {"a": section("ok", broken)}
    assert not document(outcomes).quality.time_monotone


def test_order_is_not_disorder() -> None:
    fine = {"spans": [{"start_time": 0.0, "end_time": 3.0}, {"start_time": 1.0, "end_time": 10.0}], "n": 3, "t": None}
    fine |= {"timestamp": None, "beats": [0.0, 0.5, 10.0], "timestamps": None, "peak_timestamp": 10.0}
    assert disorder(fine, 10.0) is None


def test_quality_counts_coverage_and_repeats() -> None:
    def said(start: float, label: str) -> TimelineItem:
        return TimelineItem(start_time=start, end_time=start + 1.0, channel="said", analyzer="a", label=label)

    items = [said(0.0, "Hello  you"), said(0.5, "hello you"), said(4.0, "bye"), said(9.5, "late")]
    quality = quality_of({"a": section("ok", {}).section}, items, VIDEO)
    assert quality.timeline_coverage == pytest.approx((1.5 + 1.0 + 0.5) / 10.0)
    assert quality.repeated_text_share == pytest.approx(1 / 4)
    assert quality_of({}, [], VIDEO).repeated_text_share is None


def _tally() -> Tally:
    need = Needs(frames=(FrameNeed(Rate(2.0), 160),))
    return Tally(Description("cut_analysis", "1", "ready", need, {}, 10.0, (), "cpu"), planned=5)


def test_coverage_is_the_share_of_time_seen() -> None:
    tally = _tally()
    for index in range(4):
        tally.add(index, Observed([index], COST), wall_ms=9.0)
    tally.fail(8.0, 12.0, lost_error("replica_lost", "lost"))
    coverage = tally.coverage(10.0)
    assert coverage is not None
    assert (coverage.chunks_observed, coverage.chunks_failed) == (4, 1)
    assert coverage.share == pytest.approx(0.8)
    assert (tally.run_ms, tally.queued_ms) == (20.0, 16.0)


def test_observations_come_back_in_the_order_of_time() -> None:
    tally = _tally()
    for index in (2, 0, 1):
        tally.add(index, Observed([f"o{index}"], COST), wall_ms=5.0)
    assert tally.in_order() == ["o0", "o1", "o2"]


def test_an_analyzer_that_saw_nothing_has_failed() -> None:
    tally = _tally()
    tally.fail(0.0, 10.0, lost_error("replica_lost", "spoilt"))
    outcome = starved_outcome(tally, VIDEO, True)
    assert outcome is not None
    assert (outcome.section.status, outcome.section.result) == ("failed", None)
    assert outcome.section.error is not None
    assert "spoilt" in outcome.section.error.reason
    tally.add(0, Observed([1], COST), 5.0)
    assert starved_outcome(tally, VIDEO, True) is None


def _report(end_s: float, truncated: bool) -> DecodeReport:
    return DecodeReport(
        frames_decoded=7,
        end_s=end_s,
        variable_frame_rate=True,
        truncated=truncated,
        error="",
        corrupt_frames=0,
        video_decodes=1,
        decoder="pyav",
        cpu_s=0.0,
        wall_s=0.0,
        bytes_out=0,
    )


@pytest.mark.parametrize(
    ("end_s", "truncated", "expected"), [(9.97, False, 10.0), (10.4, False, 10.4), (4.0, True, 4.0)]
)
def test_the_duration_after_decoding(end_s: float, truncated: bool, expected: float) -> None:
    facts = facts_after_decode(VIDEO, _report(end_s, truncated))
    assert facts.duration_s == expected
    assert (facts.frames_decoded, facts.variable_frame_rate, facts.truncated) == (7, True, truncated)
    assert facts.declared_duration_s == 10.0
