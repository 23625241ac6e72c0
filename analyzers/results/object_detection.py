"""Result of ``object_detection``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from analyzers.base import AnalyzerResult
from analyzers.signal.text_kinds import Position
from schema.base import BoundingBox, Model, Seconds, TimedSpan, UnitScore

Count = Annotated[int, Field(ge=0)]


class DetectedObject(Model):
    """One box in one frame."""

    object_class: str
    """One of COCO's 80 names."""
    confidence_score: UnitScore
    """The detector's own score."""
    bounding_box: BoundingBox
    """In px of the upright source picture."""
    position: Position
    """Which of the picture's nine fields holds the middle of the box."""
    track_id: Count | None
    """The same for the same thing within a shot, see ``instances``; null where it was seen in this frame only."""


class FrameObjects(Model):
    """What is in one sampled frame, from high to low score."""

    timestamp: Seconds
    objects: tuple[DetectedObject, ...]


class ObjectInstance(Model):
    """One thing followed through one shot. A thing that comes back in a later shot is another instance."""

    track_id: Count
    object_class: str
    spans: tuple[TimedSpan, ...]
    """When it is seen; a gap of up to ``bridge_s`` is no interruption."""
    samples: Annotated[int, Field(ge=1)]
    """Sampled frames in which it is seen."""
    mean_confidence: UnitScore
    best_confidence: UnitScore
    time_share: UnitScore
    """Length of its spans over the video's length."""
    area_share: UnitScore
    """Mean share of the picture that its box covers."""
    centrality: UnitScore
    """Mean of 1 - distance of the box's middle from the picture's, over half the picture's diagonal."""
    prominence: UnitScore
    """Cube root of ``time_share`` x ``area_share`` x ``centrality``: high only where all three are."""
    first_box: BoundingBox
    last_box: BoundingBox


class ClassPresence(Model):
    """One class over the whole clip."""

    object_class: str
    max_at_once: Annotated[int, Field(ge=1)]
    """Most boxes in one frame: there are at least so many different ones."""
    mean_at_once: Annotated[float, Field(ge=0.0)]
    """Mean number of boxes over all sampled frames."""
    instances: Count
    """Tracks; more than there are things where one is lost and found again, or comes back after a cut."""
    time_share: UnitScore
    """Length of its spans over the video's length."""
    best_confidence: UnitScore
    spans: tuple[TimedSpan, ...]


class CountSpan(TimedSpan):
    """A stretch in which the number of things of each class stays the same."""

    counts: dict[str, Annotated[int, Field(ge=1)]]
    """Boxes with a track by class; a class without any is left out."""


class ObjectDetectionResult(AnalyzerResult):
    """Objects over time."""

    frames: tuple[FrameObjects, ...]
    instances: tuple[ObjectInstance, ...]
    """In the order in which they appear."""
    classes: tuple[ClassPresence, ...]
    """From the longest seen to the shortest."""
    counts: tuple[CountSpan, ...]
    main_track_id: Count | None
    """Instance of the highest prominence; null without any."""
