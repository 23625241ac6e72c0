"""Result of ``composition_analysis``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyzers.base import AnalyzerResult
from schema.base import BoundingBox, Model, Seconds, TimedSpan, UnitScore

ShotSize = Literal["close", "medium", "wide"]
Layout = Literal["centred", "thirds", "symmetric", "leading_lines", "diagonal", "fills_frame", "negative_space", "none"]
Scores = dict[str, UnitScore]


class SubjectRegion(Model):
    """The region that stands out."""

    bounding_box: BoundingBox
    """In px of the upright source picture."""
    x: UnitScore
    """Centre of mass, as a share of the width of the picture without its black bars."""
    y: UnitScore
    """The same of the height, downwards."""
    area_share: UnitScore
    """Share of the picture that it covers."""
    clarity: UnitScore
    """Share of all saliency inside its box, less the box's share of the picture."""


class FrameComposition(Model):
    """Composition of one frame. A measure is null where it has no meaning: no subject, no pattern, no lines."""

    timestamp: Seconds
    subject: SubjectRegion | None
    thirds: UnitScore | None
    """1 with the subject on a power point, 0.15 with it in the middle."""
    centred: UnitScore | None
    """1 with the subject in the middle, 0.6 a tenth of the picture beside it."""
    symmetry_left_right: UnitScore | None
    symmetry_top_bottom: UnitScore | None
    leading_lines: UnitScore | None
    """Share of the length of all lines that points at the subject from outside."""
    diagonal_lines: UnitScore | None
    """Share of the length of all lines that is oblique."""
    line_length: Annotated[float, Field(ge=0.0)]
    """Length of all prominent straight lines, in picture diagonals."""
    negative_space: UnitScore
    """Share of the picture that is plain and not the subject."""
    layout: Layout
    layout_scores: Scores
    """Score of each layout that has one."""
    shot_size: ShotSize | None
    """By the subject's area; null without a clear subject."""
    clip_scores: Scores | None = None
    """Shares of sentences on shot size and layout by ``clip_encoder`` (``shot_size.close_up``, ``layout.centered``,
    ...); each set sums to 1. Null where it was not run or saw another frame."""


class ShotSizeSpan(TimedSpan):
    """A stretch of one shot size."""

    shot_size: ShotSize
    area_share: UnitScore
    """Mean share of the picture that the subject covers."""
    score: UnitScore
    """Mean clarity of the subject."""


class DistanceChange(TimedSpan):
    """A shot in which the subject comes nearer or goes away (or the camera does)."""

    direction: Literal["nearer", "farther"]
    area_ratio: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    """Area at the end over area at the start, on the fitted line."""
    score: UnitScore
    """Kendall's tau of area against time, without its sign."""


class CompositionSummary(Model):
    """Means over the sampled frames that have the measure."""

    thirds: UnitScore | None
    centred: UnitScore | None
    symmetry_left_right: UnitScore | None
    symmetry_top_bottom: UnitScore | None
    leading_lines: UnitScore | None
    diagonal_lines: UnitScore | None
    negative_space: UnitScore
    subject_area_share: UnitScore | None
    subject_x: UnitScore | None
    subject_y: UnitScore | None


class CompositionResult(AnalyzerResult):
    """Composition over the clip."""

    frames: tuple[FrameComposition, ...]
    summary: CompositionSummary
    dominant_layout: Layout
    layout_share: dict[str, UnitScore]
    """Share of the frames for each layout that occurs."""
    subject_share: UnitScore
    """Share of the frames with a clear subject."""
    shot_sizes: tuple[ShotSizeSpan, ...]
    distance_changes: tuple[DistanceChange, ...]
    clip_scores: Scores | None = None
    """Means of those of the frames; null where no frame has them."""
