"""One name for one thing in the results of all analyzers: times, boxes, scores."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import BaseModel

from analyzers.base import AnyAnalyzer
from analyzers.catalogue import CATALOGUE
from reducer.quality import MOMENTS
from schema.base import BoundingBox, Model, Seconds

MOMENT = re.compile(r"(.*_)?timestamp|start_time|end_time|.*_s")
"""A moment: a thing's own time, a span's ends, or what happens then with its unit (``first_speech_s``)."""

CONFIDENCES = {"confidence", "mean_confidence", "best_confidence"}
"""How sure a model is of what it says."""

KEPT = {("object_detection", "confidence_score")}
"""Spellings of the system before this one, which its clients read."""

NO_UNIT = re.compile(r".*(_sec|_secs|_seconds|_second|_millis|_hertz|_pixels|_percent)|duration|length|speed")
"""Units are written ``_s``, ``_ms``, ``_hz``, ``_px``, and shares are in [0, 1]."""


def fields_below(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[tuple[str, str, Any]]:
    """Model, name and annotation of every field, at any depth."""
    if model in seen or model is BoundingBox:
        return
    seen.add(model)
    hints = get_type_hints(model, include_extras=True)
    for name in model.model_fields:
        whole = hints[name]
        yield model.__name__, name, whole
        for inner in parts(whole):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from fields_below(inner, seen)


def parts(annotation: Any) -> Iterator[Any]:
    """The annotation and all that it is made of."""
    yield annotation
    for argument in get_args(annotation):
        yield from parts(argument)


def is_moment(part: Any) -> bool:
    """Whether it is ``Seconds`` itself, and not another number that has the same bounds."""
    made_of, bounds = get_args(part), get_args(Seconds)
    return len(made_of) == len(bounds) and made_of[-1] is bounds[-1]


def problems(cls: type[AnyAnalyzer]) -> list[str]:
    """Fields of an analyzer's result whose names break the rules."""
    found = []
    for model, name, annotation in fields_below(cls.Result, set()):
        made_of = list(parts(annotation))
        where = f"{cls.name}: {model}.{name}"
        if any(map(is_moment, made_of)) and not (MOMENT.fullmatch(name) or name in MOMENTS):
            found.append(f"{where} is a moment")
        if BoundingBox in made_of and not name.endswith(("bounding_box", "_box")):
            found.append(f"{where} is a box")
        if "confidence" in name and name not in CONFIDENCES and (cls.name, name) not in KEPT:
            found.append(f"{where} is a confidence")
        if NO_UNIT.fullmatch(name):
            found.append(f"{where} has no unit, or one that is spelled otherwise elsewhere")
    return found


@pytest.mark.parametrize("cls", CATALOGUE, ids=lambda cls: cls.name)
def test_names_say_what_a_field_is(cls: type[AnyAnalyzer]) -> None:
    assert problems(cls) == []


class Loose(Model):
    """Each field breaks one rule."""

    when: Seconds
    region: BoundingBox | None
    confidence_value: float
    pause_seconds: float
    moments: tuple[Seconds, ...]


def test_the_rules_find_what_breaks_them() -> None:
    class Other:
        name = "other"
        Result = Loose

    assert len(problems(Other)) == len(Loose.model_fields)  # type: ignore[arg-type]
