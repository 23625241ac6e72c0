"""The base of every public model, and the small types that all of them share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

Seconds = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
"""A point on the video's own time line: seconds from its first moment, never negative."""

UnitScore = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
"""A computed score in [0, 1]."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
"""A float that JSON can hold."""


class Model(BaseModel):
    """Frozen and closed: an unknown field is an error, not a silent loss. NaN and infinity are refused: not in JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="constants")


class SpokenModel(Model):
    """A model of requests and answers: what stands under its fields is in OpenAPI too."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class TimedSpan(Model):
    """A half-open span ``[start_time, end_time)`` in seconds; never empty, never negative."""

    start_time: Seconds
    end_time: Seconds

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end_time <= self.start_time:
            raise ValueError(f"span must have end_time > start_time, got [{self.start_time}, {self.end_time})")
        return self

    @property
    def duration_s(self) -> float:
        """Length of the span in seconds."""
        return self.end_time - self.start_time


class BoundingBox(Model):
    """A box in pixels of the upright picture; ``x, y`` is its top left corner."""

    x: Annotated[float, Field(ge=0.0)]
    y: Annotated[float, Field(ge=0.0)]
    width: Annotated[float, Field(gt=0.0)]
    height: Annotated[float, Field(gt=0.0)]
