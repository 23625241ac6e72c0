"""The public models: closed, frozen, and the same after JSON and pickle."""

from __future__ import annotations

import importlib
import json
import pickle
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

import schema.base
import schema.document
import schema.errors
from schema.base import BoundingBox, Model, TimedSpan
from schema.document import (
    AnalysisDocument,
    AudioFacts,
    Coverage,
    Performance,
    Provenance,
    Quality,
    Section,
    SectionError,
    SourceFacts,
    Summary,
    TimelineEntry,
    TimelineItem,
    VideoFacts,
    clamp_time,
)
from schema.errors import ALL_ERRORS, AnalyzerSystemError, ErrorBody

SCHEMA_MODULES = ("base", "document", "errors")

# ---------------------------------------------------------------------------------------------------- strategies

finite = st.floats(allow_nan=False, allow_infinity=False, width=64)
seconds = st.floats(min_value=0.0, max_value=7200.0)
unit = st.floats(min_value=0.0, max_value=1.0)
milliseconds = st.floats(min_value=0.0, max_value=1e9)
count = st.integers(min_value=0, max_value=10**9)
text = st.text(max_size=30)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | finite | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
spans = st.tuples(seconds, st.floats(min_value=0.001, max_value=100.0)).map(lambda s: (s[0], s[0] + s[1]))


def timed(model: type[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(spans, st.fixed_dictionaries(fields)).map(
        lambda drawn: model(start_time=drawn[0][0], end_time=drawn[0][1], **drawn[1])
    )


items = timed(
    TimelineItem,
    channel=st.sampled_from(["seen", "said", "written", "heard"]),
    analyzer=text,
    label=text,
    score=st.none() | unit,
)
lanes = st.lists(items, max_size=2).map(tuple)
entries = timed(
    TimelineEntry,
    index=count,
    basis=st.sampled_from(["shot", "second"]),
    seen=lanes,
    said=lanes,
    written=lanes,
    heard=lanes,
)
provenances = st.builds(
    Provenance,
    analyzer_version=text,
    models=st.lists(text, max_size=2).map(tuple),
    config=st.dictionaries(text, json_values, max_size=3),
    device=text,
    queued_ms=milliseconds,
    run_ms=milliseconds,
    cpu_ms=milliseconds,
    coverage=st.none()
    | st.builds(Coverage, chunks_planned=count, chunks_observed=count, chunks_failed=count, share=unit),
)
sections = st.builds(
    Section,
    analyzer=text,
    status=st.sampled_from(["ok", "partial", "unavailable", "not_applicable", "failed", "cancelled"]),
    requested=st.booleans(),
    error=st.none() | st.builds(SectionError, code=text, reason=text, remedy=text, retry_possible=st.booleans()),
    headline=st.none() | text,
    result=st.none() | st.dictionaries(text, json_values, max_size=3),
    provenance=provenances,
)
videos = st.builds(
    VideoFacts,
    container=text,
    duration_s=seconds,
    declared_duration_s=st.none() | seconds,
    start_offset_s=finite,
    width=st.none() | count,
    height=st.none() | count,
    rotation_deg=st.sampled_from([0, 90, 180, 270]),
    frame_rate=st.none() | st.floats(min_value=0.01, max_value=1000.0),
    audio=st.none() | st.builds(AudioFacts, codec=text, sample_rate_hz=count, channels=count, duration_s=seconds),
)
documents = st.builds(
    AnalysisDocument,
    id=text,
    created_at=st.datetimes(timezones=st.just(timezone.utc)),
    status=st.sampled_from(["ok", "partial", "failed"]),
    source=st.builds(
        SourceFacts, kind=st.sampled_from(["path", "upload", "url"]), name=text, sha256=text, size_bytes=count
    ),
    video=videos,
    summary=st.builds(
        Summary, text=text, points=st.lists(text, max_size=2).map(tuple), missing=st.lists(text, max_size=2).map(tuple)
    ),
    timeline=st.lists(entries, max_size=2).map(tuple),
    sections=st.dictionaries(text, sections, max_size=2),
    quality=st.builds(
        Quality,
        sections_with_result=count,
        sections_total=count,
        timeline_coverage=unit,
        time_monotone=st.booleans(),
        repeated_text_share=st.none() | unit,
        frames_decoded_share=st.none() | unit,
    ),
    performance=st.builds(
        Performance,
        processing_time=milliseconds,
        realtime_factor=milliseconds,
        stages_ms=st.dictionaries(text, milliseconds, max_size=2),
        analyzers_ms=st.dictionaries(text, milliseconds, max_size=2),
        first_observation_ms=st.none() | milliseconds,
        decoder=st.none() | text,
    ),
)


def small_document() -> AnalysisDocument:
    """One of everything that can nest."""
    item = TimelineItem(start_time=0.0, end_time=1.0, channel="seen", analyzer="a", label="x", score=0.5)
    return AnalysisDocument(
        id="1",
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        status="partial",
        source=SourceFacts(kind="upload", name="a.mp4", sha256="0", size_bytes=1),
        video=VideoFacts(
            container="mp4", duration_s=1.0, audio=AudioFacts(codec="aac", sample_rate_hz=44100, channels=2)
        ),
        summary=Summary(text="t"),
        timeline=(TimelineEntry(start_time=0.0, end_time=1.0, index=0, basis="shot", seen=(item,), said=(item,)),),
        sections={
            "a": Section(
                analyzer="a",
                status="failed",
                error=SectionError(code="c", reason="r", remedy="m"),
                provenance=Provenance(
                    analyzer_version="1", coverage=Coverage(chunks_planned=1, chunks_observed=1, share=1.0)
                ),
            )
        },
        quality=Quality(sections_with_result=0, sections_total=1, timeline_coverage=1.0, time_monotone=True),
        performance=Performance(processing_time=1.0, realtime_factor=1.0),
    )


# --------------------------------------------------------------------------------------------------------- models


def schema_models() -> list[type[BaseModel]]:
    """Every model defined under ``schema/``."""
    found: dict[str, type[BaseModel]] = {}
    for name in SCHEMA_MODULES:
        module = importlib.import_module(f"schema.{name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__:
                found[value.__name__] = value
    return list(found.values())


@pytest.mark.parametrize("model", schema_models(), ids=lambda model: model.__name__)
def test_a_model_is_frozen_and_closed(model: type[BaseModel]) -> None:
    assert issubclass(model, Model)
    assert model.model_config["frozen"] is True
    assert model.model_config["extra"] == "forbid"


@given(documents)
def test_a_document_survives_json(document: AnalysisDocument) -> None:
    assert AnalysisDocument.model_validate_json(document.model_dump_json()) == document


@given(documents)
def test_a_document_survives_pickle(document: AnalysisDocument) -> None:
    assert pickle.loads(pickle.dumps(document)) == document


@given(sections)
def test_a_section_survives_json_and_pickle(section: Section) -> None:
    assert Section.model_validate_json(section.model_dump_json()) == section
    assert pickle.loads(pickle.dumps(section)) == section


@given(documents)
def test_a_document_obeys_its_published_json_schema(document: AnalysisDocument) -> None:
    published = AnalysisDocument.model_json_schema(mode="serialization")
    jsonschema.validate(json.loads(document.model_dump_json()), published)


def objects(value: Any, where: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every JSON object of a document that is a model, and not a free mapping."""
    free = {"config", "result", "stages_ms", "analyzers_ms", "sections"}
    if isinstance(value, dict):
        if where.rpartition(".")[2] not in free:
            yield where, value
        for key, inner in value.items():
            yield from objects(inner, f"{where}.{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from objects(inner, f"{where}[{i}]")


def test_an_unknown_field_is_refused_wherever_it_stands() -> None:
    plain = small_document().model_dump(mode="json")
    places = [where for where, _ in objects(plain)]
    # Document, source, video, sound, summary, entry, two items, section, error, provenance, coverage, quality, times.
    assert len(places) == 14
    for place in places:
        spoiled = small_document().model_dump(mode="json")
        dict(objects(spoiled))[place]["surprise"] = 1
        with pytest.raises(ValidationError, match="surprise"):
            AnalysisDocument.model_validate(spoiled)


def test_a_document_cannot_be_changed() -> None:
    document = small_document()
    with pytest.raises(ValidationError, match="frozen"):
        document.id = "2"  # type: ignore[misc]
    assert document.id == "1"


def test_the_document_carries_its_schema_version() -> None:
    assert json.loads(small_document().model_dump_json())["schema_version"] == schema.document.SCHEMA_VERSION
    assert re.fullmatch(r"\d+\.\d+", schema.document.SCHEMA_VERSION)


def test_a_missing_section_is_named_with_those_there_are() -> None:
    document = small_document()
    assert document.section("a").status == "failed"
    with pytest.raises(KeyError, match=r"'b'.*\['a'\]"):
        document.section("b")


# ---------------------------------------------------------------------------------------------------------- spans


@given(seconds, seconds)
def test_a_span_is_never_empty_nor_backwards(start: float, end: float) -> None:
    if start < end:
        span = TimedSpan(start_time=start, end_time=end)
        assert span.duration_s == end - start > 0.0
    else:
        with pytest.raises(ValidationError, match="end_time > start_time"):
            TimedSpan(start_time=start, end_time=end)


@pytest.mark.parametrize("bad", [-1e-9, -1.0, float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("field", ["start_time", "end_time"])
def test_a_span_refuses_what_is_no_time(field: str, bad: float) -> None:
    with pytest.raises(ValidationError, match=field):
        TimedSpan(**{"start_time": 1.0, "end_time": 2.0, field: bad})


@given(finite, seconds)
def test_clamped_times_lie_inside_the_video(value: float, duration: float) -> None:
    held = clamp_time(value, duration)
    assert 0.0 <= held <= duration
    if 0.0 <= value <= duration:
        assert held == value


@pytest.mark.parametrize(("field", "bad"), [("x", -0.1), ("y", -0.1), ("width", 0.0), ("height", 0.0)])
def test_a_box_has_an_area_and_lies_in_the_picture(field: str, bad: float) -> None:
    good = {"x": 0.0, "y": 0.0, "width": 0.1, "height": 0.1}
    assert BoundingBox(**good).width == 0.1
    with pytest.raises(ValidationError, match=field):
        BoundingBox(**{**good, field: bad})


@pytest.mark.parametrize("score", [-0.01, 1.01, float("nan")])
def test_a_score_outside_0_to_1_is_refused(score: float) -> None:
    with pytest.raises(ValidationError, match="score"):
        TimelineItem(start_time=0.0, end_time=1.0, channel="seen", analyzer="a", label="x", score=score)


# --------------------------------------------------------------------------------------------------------- errors


def subclasses(cls: type[AnalyzerSystemError]) -> set[type[AnalyzerSystemError]]:
    """All below ``cls`` that the project defines."""
    below = {c for c in cls.__subclasses__() if c.__module__.startswith("schema.")}
    return below.union(*(subclasses(c) for c in below)) if below else below


def test_every_error_is_listed_once() -> None:
    assert set(ALL_ERRORS) == subclasses(AnalyzerSystemError)
    assert len(ALL_ERRORS) == len(set(ALL_ERRORS))


def test_codes_are_unique() -> None:
    codes = [error.code for error in ALL_ERRORS]
    assert sorted(set(codes)) == sorted(codes)


@pytest.mark.parametrize("cls", ALL_ERRORS, ids=lambda cls: cls.code)
def test_an_error_declares_code_status_title_and_remedy(cls: type[AnalyzerSystemError]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", cls.code)
    assert 400 <= cls.http_status < 600
    assert cls.title
    assert cls.default_action.endswith(".")
    assert cls.__doc__


@pytest.mark.parametrize("action", [None, "Do this."])
@pytest.mark.parametrize("cls", ALL_ERRORS, ids=lambda cls: cls.code)
def test_an_error_survives_pickle(cls: type[AnalyzerSystemError], action: str | None) -> None:
    error = cls("got 3, allowed are 1 and 2", action)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert (str(again), again.details, again.action) == (str(error), error.details, error.action)
    assert again.action == (action or cls.default_action)
    assert again.body("7") == error.body("7")


@pytest.mark.parametrize("cls", ALL_ERRORS, ids=lambda cls: cls.code)
def test_the_body_of_an_error_survives_json(cls: type[AnalyzerSystemError]) -> None:
    body = cls("details").body("job-1")
    assert ErrorBody.model_validate_json(body.model_dump_json()) == body
    assert body.model_dump() == {
        "status": "error",
        "code": cls.code,
        "error": cls.title,
        "details": "details",
        "retry_possible": cls.retry_possible,
        "suggested_action": cls.default_action,
        "id": "job-1",
    }
