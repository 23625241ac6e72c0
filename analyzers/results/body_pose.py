"""Result of ``body_pose``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyzers.base import AnalyzerResult
from schema.base import BoundingBox, Finite, Model, Seconds, TimedSpan, UnitScore

Count = Annotated[int, Field(ge=0)]
Ratio = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Nearness = Literal["very_close", "close", "medium", "far"]
Side = Literal["left", "right", "both"]


class Keypoint(Model):
    """One joint."""

    name: str
    """One of COCO's 17; left and right are the person's own."""
    x: Finite | None
    """In px of the upright source picture; null where the network could not place the joint."""
    y: Finite | None
    confidence: UnitScore
    """The network's own; below ``min_joint`` no rule reads the joint."""


class PersonPose(Model):
    """One person in one frame."""

    track_id: Count | None
    """The same for the same person within a shot, see ``people``; null where seen in this frame only."""
    confidence: UnitScore
    """Of the box."""
    bounding_box: BoundingBox
    keypoints: tuple[Keypoint, ...]
    size_ratio: Ratio | None
    """Length of the trunk over the picture's height; null without two neighbouring joints."""
    nearness: Nearness | None
    """``size_ratio`` in classes."""
    gestures: tuple[str, ...]
    """Rules that hold in this frame."""


class FramePeople(Model):
    """Everybody in one sampled frame, from high to low confidence."""

    timestamp: Seconds
    people: tuple[PersonPose, ...]


class GestureSpan(TimedSpan):
    """A stretch in which one rule holds for one person."""

    gesture: str
    kind: Literal["gesture", "posture"]
    side: Side | None
    """The person's own side; null where sides have no meaning."""
    track_id: Count
    score: UnitScore
    """Mean over the samples of the lowest confidence of the joints that the rule read."""
    samples: Annotated[int, Field(ge=1)]


class NearnessSpan(TimedSpan):
    """A stretch in which a person is equally near."""

    track_id: Count
    nearness: Nearness
    size_ratio: Ratio
    """Mean."""


class PersonTrack(Model):
    """One person followed through one shot. Somebody who comes back in a later shot is another track."""

    track_id: Count
    object_track_id: Count | None
    """The same person in ``object_detection``; null where it has none, or did not run."""
    spans: tuple[TimedSpan, ...]
    samples: Annotated[int, Field(ge=1)]
    time_share: UnitScore
    """Length of the spans over the video's length."""
    mean_confidence: UnitScore
    area_share: UnitScore
    """Mean share of the picture that the box covers."""
    size_ratio: Ratio | None
    """Median; see ``PersonPose``."""
    nearness: Nearness | None
    hand_speed: Ratio | None
    """Median speed of the wrists in trunks per second, between neighbouring samples; null without two."""
    body_speed: Ratio | None
    """The same of shoulders and hips."""
    gestures: dict[str, UnitScore]
    """Share of the person's samples in which each rule holds."""


class GestureRule(Model):
    """A rule as it was applied."""

    gesture: str
    kind: Literal["gesture", "posture"]
    rule: str


class BodyPoseResult(AnalyzerResult):
    """People, how they stand, and what their arms do."""

    frames: tuple[FramePeople, ...]
    people: tuple[PersonTrack, ...]
    """In the order in which they appear."""
    main_track_id: Count | None
    """Person of the largest box and longest time: the product of ``area_share`` and ``time_share``."""
    max_people: Count
    """Most people in one frame."""
    mean_people: Ratio
    """Mean over the sampled frames."""
    gestures: tuple[GestureSpan, ...]
    nearness: tuple[NearnessSpan, ...]
    rules: tuple[GestureRule, ...]
    """All rules that were applied, with their thresholds."""
