"""Result of ``color_analysis``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyzers.base import AnalyzerResult
from analyzers.signal.brighter_side import Side
from analyzers.signal.colour_mood import MoodName
from schema.base import Finite, Model, Seconds, TimedSpan, UnitScore

Temperature = Literal["warm", "neutral", "cool"]
ColourfulnessLabel = Literal[
    "not colourful",
    "slightly colourful",
    "moderately colourful",
    "averagely colourful",
    "quite colourful",
    "highly colourful",
    "extremely colourful",
]


class PaletteColour(Model):
    """One colour of a palette."""

    name: str
    """Nearest CSS colour."""
    name_distance: Annotated[float, Field(ge=0.0)]
    """CIEDE2000 to the named colour: below 2 hardly told apart, above 10 only the family fits."""
    hex: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
    lab: tuple[Finite, Finite, Finite]
    """CIELAB, D65."""
    share: UnitScore
    """Of the picture; those under ``min_share`` are left out, so a palette may sum to less than 1."""


class Mood(Model):
    """A mood word and the rule that gave it."""

    name: MoodName
    score: UnitScore
    """How well the rule is met: 0.5 on its thresholds. For ``neutral``: how far all others are from being met."""
    rule: str
    scores: dict[MoodName, UnitScore]
    """Of every rule."""


class ColourMeasures(Model):
    """The measures of a picture, or their means over pictures."""

    brightness: UnitScore
    """CIELAB lightness over 100."""
    saturation: UnitScore
    """Mean saturation of the HSV model."""
    colourfulness: Annotated[float, Field(ge=0.0)]
    """Hasler and Suesstrunk's M."""
    contrast: UnitScore
    """Standard deviation of luma over 255: 0 flat, 0.5 half black and half white."""
    warmth: Finite
    """Ou's warm-cool scale with gray at 0; positive is warm."""


class BrightnessGradient(Model):
    """Where a picture is brighter, by the plane through its grey levels; a mean of both over pictures. Light from there
    looks so, and so does a bright thing that stands there: it is no place of a lamp."""

    rise_right: Finite
    """Rise of the plane from the left edge to the right one, in shares of white; negative: the left is brighter."""
    rise_down: Finite
    """The same from the top edge to the bottom one."""
    fit: UnitScore
    """Share of the grey levels' variance that the plane explains: the score behind ``brighter_side``."""
    brighter_side: Side | None
    """As the viewer sees it; null where the rise stays below ``side_rise`` or the fit below ``side_fit``."""


class PaletteSpan(TimedSpan):
    """A stretch without a change of the palette."""

    palette: tuple[PaletteColour, ...]
    measures: ColourMeasures
    gradient: BrightnessGradient
    temperature: Temperature
    mood: Mood
    change: UnitScore | None
    """Total variation distance of the first sample from the span before; null for the first span."""


class ColourSample(ColourMeasures):
    """The measures of one sampled frame."""

    timestamp: Seconds
    frame: Annotated[int, Field(ge=0)]
    gradient: BrightnessGradient


class ColorResult(AnalyzerResult):
    """Colours of the clip."""

    palette: tuple[PaletteColour, ...]
    """Of the whole clip, largest share first."""
    measures: ColourMeasures
    """Means over the samples."""
    gradient: BrightnessGradient
    """Mean over the samples: sides that change from shot to shot cancel; ``spans`` and ``samples`` have them apart."""
    brighter_side_share: dict[Side, UnitScore]
    """Share of the samples with each brighter side, largest first; those without one are left out."""
    temperature: Temperature
    colourfulness_label: ColourfulnessLabel
    mood: Mood
    spans: tuple[PaletteSpan, ...]
    """Sorted, touching, from the clip's start to its end."""
    samples: tuple[ColourSample, ...]
