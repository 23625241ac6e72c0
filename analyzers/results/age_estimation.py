"""Result of ``age_estimation``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyzers.base import AnalyzerResult
from schema.base import Model, Seconds, UnitScore

Years = Annotated[float, Field(ge=0.0, le=120.0)]
Presentation = Literal["feminine", "masculine"]


class RangeShare(Model):
    """One of the classifier's age ranges, its upper bound exclusive."""

    low_years: Years
    high_years: Years
    share: UnitScore
    """Mean probability over the looks."""


class AgeAtMoment(Model):
    """One look."""

    timestamp: Seconds
    years: Years


class PersonAge(Model):
    """How old one face looks."""

    track_id: Annotated[int, Field(ge=0)]
    """Of ``eye_tracking``: one face in one shot."""
    years: Years
    """Median over the looks."""
    low_years: Years
    high_years: Years
    """Between these lie at least 80 % of the looks (a network that gives years) or of the classes' probability."""
    spread_years: Annotated[float, Field(ge=0.0)]
    """Standard deviation over the looks: how far one face is judged differently from frame to frame."""
    looks: tuple[AgeAtMoment, ...]
    """Sorted by time."""
    ranges: tuple[RangeShare, ...]
    """Rising; empty for a network that gives years."""
    gender_presentation: Presentation | None
    """Null unless the settings ask for it, and for a network without these classes."""
    gender_presentation_share: UnitScore | None
    """Mean share of that class over the looks."""


class AgeEstimationResult(AnalyzerResult):
    """Apparent ages of the faces in the clip. Appearances, not facts about persons."""

    persons: tuple[PersonAge, ...]
    """In the order of their tracks."""
    youngest_years: Years | None
    oldest_years: Years | None
    """Of the persons' medians; null without any."""
    faces_too_small: Annotated[int, Field(ge=0)]
    """Faces in sampled frames that were left out because they are smaller than ``min_face_px``."""
