"""The public models: closed, frozen, and the same after JSON and pickle."""

from __future__ import annotations

import importlib
import json
import pickle
import pkgutil
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

import schema.document
from schema.base import BoundingBox, Model, TimedSpan
from schema.checklist import AnswerPlace, Checklist, ChecklistPoint, Lack, Question
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
)
from schema.errors import ALL_ERRORS, AnalyzerSystemError, ErrorBody
from tests.model_values import model_values

seconds = st.floats(min_value=0.0, max_value=7200.0)
documents = model_values(AnalysisDocument)
PUBLISHED = jsonschema.Draft202012Validator(AnalysisDocument.model_json_schema(mode="serialization"))


def small_document() -> AnalysisDocument:
    """One of everything that can nest."""
    item = TimelineItem(start_time=0.0, end_time=1.0, channel="seen", analyzer="a", label="x", score=0.5)
    error = SectionError(code="c", reason="r", remedy="m")
    question = Question(
        key="a.b",
        asks="q",
        status="unanswered",
        found_at=(AnswerPlace(pointer="/video/audio"),),
        lacking=("a.c",),
    )
    return AnalysisDocument(
        id="1",
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        status="partial",
        source=SourceFacts(kind="upload", name="a.mp4", sha256="0", size_bytes=1),
        video=VideoFacts(
            container="mp4", duration_s=1.0, audio=AudioFacts(codec="aac", sample_rate_hz=44100, channels=2)
        ),
        summary=Summary(text="t"),
        checklist=Checklist(
            points=(ChecklistPoint(number=1, topic="t", questions=(question,)),),
            lacks={"a.c": Lack(analyzer="a", status="not_run", error=error)},
        ),
        timeline=(TimelineEntry(start_time=0.0, end_time=1.0, index=0, basis="shot", seen=(item,), said=(item,)),),
        sections={
            "a": Section(
                analyzer="a",
                status="failed",
                error=error,
                provenance=Provenance(
                    analyzer_version="1", coverage=Coverage(chunks_planned=1, chunks_observed=1, share=1.0)
                ),
            )
        },
        quality=Quality(sections_with_result=0, sections_total=1, timeline_coverage=1.0, time_monotone=True),
        performance=Performance(processing_time=1.0, realtime_factor=1.0),
    )


def schema_models() -> list[type[BaseModel]]:
    """Every model defined under ``schema/``."""
    found: dict[str, type[BaseModel]] = {}
    for info in pkgutil.iter_modules(schema.__path__):
        module = importlib.import_module(f"schema.{info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__:
                found[value.__name__] = value
    return list(found.values())


@pytest.mark.parametrize("model", schema_models(), ids=lambda model: model.__name__)
def test_a_model_is_frozen_and_closed(model: type[BaseModel]) -> None:
    assert issubclass(model, Model)
    assert model.model_config["frozen"] is True
    assert model.model_config["extra"] == "forbid"
    assert model.model_config["allow_inf_nan"] is False


class Numbers(Model):
    """A number by itself, in a list and in a mapping, without a bound of its own."""

    one: float = 0.0
    many: tuple[float, ...] = ()
    named: dict[str, float] = {}


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_cannot_hold_is_refused(bad: float) -> None:
    assert Numbers(one=-1e300, many=(1.0,), named={"a": 0.0}).many == (1.0,)
    for field in ({"one": bad}, {"many": (0.0, bad)}, {"named": {"a": bad}}):
        with pytest.raises(ValidationError, match="finite number"):
            Numbers.model_validate(field)


@pytest.mark.parametrize("model", schema_models(), ids=lambda model: model.__name__)
@given(data=st.data())
def test_a_model_survives_json_and_pickle(model: type[BaseModel], data: st.DataObject) -> None:
    value = data.draw(model_values(model))
    assert model.model_validate_json(value.model_dump_json()) == value
    assert pickle.loads(pickle.dumps(value)) == value


@settings(max_examples=20)
@given(documents)
def test_a_document_obeys_its_published_json_schema(document: AnalysisDocument) -> None:
    PUBLISHED.validate(json.loads(document.model_dump_json()))


def objects(value: Any, where: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every JSON object of a document that is a model, and not a free mapping."""
    free = {"config", "result", "stages_ms", "analyzers_ms", "sections", "lacks"}
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
    # Document, source, video, sound, summary, entry, two items, breakdown, checklist, point, question, place, lack and
    # its error, section, error, provenance, coverage, quality, times.
    assert len(places) == 21
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
