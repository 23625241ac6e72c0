"""Result of ``scene_segmentation``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyzers.base import AnalyzerResult
from analyzers.cut_analysis import CutType
from analyzers.results.scene_evidence import Evidence
from schema.base import Model, Seconds, TimedSpan, UnitScore


class KeyFrame(Model):
    """The frame that stands for a shot or a scene."""

    timestamp: Seconds
    frame: Annotated[int, Field(ge=0)]
    sharpness: Annotated[float, Field(ge=0.0)]
    """Variance of the Laplacian of luma."""
    sharpness_share: UnitScore
    """Over the sharpest frame of the shot."""
    likeness: UnitScore
    """To the mean picture of the shot."""
    score: UnitScore
    """Mean of the two."""


class SceneShot(TimedSpan):
    """A shot of ``cut_analysis`` and where it belongs."""

    shot_id: Annotated[int, Field(ge=0)]
    scene_id: Annotated[int, Field(ge=0)]
    transition_in: CutType | None
    """How it begins: the type of ``cut_analysis``; null for the first."""
    key_frame: KeyFrame | None
    """Null when the shot is so short that no frame of it was sampled."""


class Scene(TimedSpan):
    """Neighbouring shots that belong together."""

    scene_id: Annotated[int, Field(ge=0)]
    shots: tuple[int, ...]
    transition_in: CutType | None
    """How its first shot begins; null for the first scene."""
    key_frame: KeyFrame | None
    separation: UnitScore | None
    """1 - the likeness of the likest shots on both sides of its start; null for the first scene."""
    cohesion: UnitScore | None
    """Least likeness that holds it together over a border inside; null for a single shot."""


class Thumbnail(Model):
    """A small picture of a key frame."""

    frame: Annotated[int, Field(ge=0)]
    timestamp: Seconds
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]
    image: Annotated[
        str, Field(max_length=140_000, pattern=r"^(data:image/jpeg;base64,[A-Za-z0-9+/]+=*|[^:]{1,400}\.jpg)$")
    ]
    """A JPEG, as HTML takes it: in a section that was just concluded the picture itself (``data:``), in a stored
    document a file beside it, which is also its address below ``/jobs/{id}/``."""


class SceneMeasure(Model):
    """A measure that shots were compared by."""

    name: Literal["colour"] | Evidence
    weight: Annotated[float, Field(ge=0.0, le=1.0)]
    """1 for colour, which is always compared; of the others, what their distance from the clip's mean counts."""
    counted: bool
    reason: str | None
    """Why it did not count."""


class SceneResult(AnalyzerResult):
    """Scenes of the clip; they tile the shots."""

    measures: tuple[SceneMeasure, ...]
    """What shots were compared by, and what was not known."""

    scenes: tuple[Scene, ...]
    shots: tuple[SceneShot, ...]
    thumbnails: tuple[Thumbnail, ...]
    """Of key frames, in the order of time; ``frame`` is the key."""
