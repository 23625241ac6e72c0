"""Result of ``content_quality``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyzers.base import AnalyzerResult
from schema.base import Finite, Model, Seconds, TimedSpan, UnitScore

Fault = Literal["blurred", "noisy", "too_dark", "too_bright", "low_contrast", "blocky", "banded"]


class Measure(Model):
    """One measure of the clip."""

    value: Finite | None
    """The raw measure; null where nothing could be measured."""
    unit: str
    score: UnitScore | None
    """1 is best; null where nothing could be measured."""
    method: str


class Exposure(Measure):
    """Exposure; ``value`` is the mean grey level as a share of white."""

    white_share: UnitScore | None
    """Share of pixels that are clipped to white."""
    black_share: UnitScore | None
    """Share of pixels that are clipped to black."""


class FrameQuality(Model):
    """Raw measures of one frame, units as in the clip's measures; all null in a plain picture."""

    timestamp: Seconds
    blur: UnitScore | None
    noise: Annotated[float, Field(ge=0.0)] | None
    level: UnitScore | None
    white_share: UnitScore | None
    black_share: UnitScore | None
    contrast: UnitScore | None
    blockiness: Annotated[float, Field(ge=0.0)] | None
    banding: Annotated[float, Field(ge=0.0)] | None


class QualityFault(TimedSpan):
    """A stretch of low quality."""

    kind: Fault
    score: UnitScore
    """Mean score of the measure in it."""


class QualityResult(AnalyzerResult):
    """Technical quality over the clip."""

    sharpness: Measure
    noise: Measure
    exposure: Exposure
    contrast: Measure
    blockiness: Measure
    banding: Measure
    resolution: Measure
    steadiness: Measure
    technical_score: UnitScore | None
    """Geometric mean of the scores there are, sharpness and exposure counted twice: one very bad measure can't hide
    behind good ones."""
    weakest: str | None
    """The measure with the lowest score."""
    faults: tuple[QualityFault, ...]
    frames: tuple[FrameQuality, ...]
    plain_share: UnitScore
    """Share of the sampled pictures that show nothing to measure."""
    aesthetic_score: UnitScore | None = None
    """Mean share of "Beautiful photo." against "Ugly photo." by ``clip_encoder`` (CLIP-IQA, AAAI 2023); null where it
    was not run."""
    perceived_score: UnitScore | None = None
    """The same of "Good photo." against "Bad photo.": quality as people see it, beside the measures."""
