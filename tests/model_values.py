"""Random valid values of any of the project's models, drawn from its annotations and bounds."""

from __future__ import annotations

import math
import types
from collections.abc import Iterable
from datetime import datetime, timezone
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from schema.api import AnalyzeRequest
from schema.base import TimedSpan

TEXT = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
"""Any value that JSON can hold exactly."""


@cache
def model_values(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Valid instances of ``model``; each field is drawn on its own."""
    fields = {name: _values(field.annotation, field.metadata) for name, field in model.model_fields.items()}
    if issubclass(model, TimedSpan):
        times = st.tuples(st.floats(0.0, 7200.0), st.floats(0.001, 100.0))
        del fields["start_time"], fields["end_time"]
        return st.tuples(times, st.fixed_dictionaries(fields)).map(
            lambda drawn: model(start_time=drawn[0][0], end_time=sum(drawn[0]), **drawn[1])
        )
    if issubclass(model, AnalyzeRequest):  # has one of two
        sources = {name: fields.pop(name) for name in ("video_path", "tiktok_url")}
        given = st.one_of([st.fixed_dictionaries({name: values.filter(bool)}) for name, values in sources.items()])
        return st.tuples(given, st.fixed_dictionaries(fields)).map(lambda drawn: model(**drawn[0], **drawn[1]))
    return st.fixed_dictionaries(fields).map(lambda drawn: model(**drawn))


def _values(annotation: Any, metadata: Iterable[Any] = ()) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        own = [m for entry in arguments[1:] for m in (entry.metadata if isinstance(entry, FieldInfo) else [entry])]
        return _values(arguments[0], [*metadata, *own])
    if origin in (Union, types.UnionType):
        return st.one_of([_values(a, () if a is type(None) else metadata) for a in arguments])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        low = int(_bound(metadata, "min_length", 0))
        return st.lists(_values(arguments[0]), min_size=low, max_size=low + 1).map(tuple)
    if origin is dict:
        return st.dictionaries(_values(arguments[0]), _values(arguments[1]), max_size=2)
    return _scalars(annotation, metadata)


def _scalars(annotation: Any, metadata: Iterable[Any]) -> st.SearchStrategy[Any]:
    if annotation is Any:
        return JSON
    if annotation is type(None):
        return st.none()
    if annotation is bool:
        return st.booleans()
    if annotation is datetime:
        return st.datetimes(timezones=st.just(timezone.utc))
    if annotation is str:
        return st.text(min_size=int(_bound(metadata, "min_length", 0)), max_size=12)
    if annotation in (int, float):
        low = max(_bound(metadata, "ge", -(2.0**53)), _bound(metadata, "gt", -(2.0**53)))
        high = min(_bound(metadata, "le", 2.0**53), _bound(metadata, "lt", 2.0**53))
        if annotation is int:
            return st.integers(math.ceil(low), math.floor(high))
        return st.floats(
            low,
            high,
            exclude_min=_bound(metadata, "gt", -math.inf) == low,
            exclude_max=_bound(metadata, "lt", math.inf) == high,
        )
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return model_values(annotation)
    raise TypeError(f"no values known for {annotation!r}; add them to tests/model_values.py")


def _bound(metadata: Iterable[Any], name: str, default: float) -> float:
    """The bound of this name among the constraints; every constraint of annotated_types is a ``BaseMetadata``."""
    for entry in metadata:
        if isinstance(entry, annotated_types.BaseMetadata) and getattr(entry, name, None) is not None:
            return float(getattr(entry, name))
    return default
