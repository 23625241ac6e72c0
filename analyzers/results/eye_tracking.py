"""Observation and result of ``eye_tracking``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from analyzers.base import AnalyzerResult
from schema.base import BoundingBox, Finite, Model, Seconds, TimedSpan, UnitScore

Count = Annotated[int, Field(ge=0)]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom in px of the upright source picture, inside it."""

Direction = Literal["camera", "left", "right", "up", "down", "closed", "unclear"]
"""Where the eyes look, as the viewer sees it: ``left`` is the picture's left. ``closed``: the lids are shut.
``unclear``: no iris can be seen, the face is too small or turned too far."""

EyeState = Literal["open", "half", "closed"]


@dataclass(frozen=True)
class FaceSeen:
    """One face in one frame.

    Attributes:
        box: Around its points.
        gaze: Unit vector (x to the right, y down, z away from the camera), None where no iris can be seen.
        head: Unit vector of where the face points.
        head_roll_deg: Clockwise turn in the picture.
        openness: Eye aspect ratio.
        eye_width_px: Width of an eye in px of the decoded picture.
    """

    box: Box
    gaze: tuple[float, float, float] | None
    head: tuple[float, float, float]
    head_roll_deg: float
    openness: float
    eye_width_px: float


@dataclass(frozen=True)
class FacesSeen:
    """The observation of one chunk; ``age_estimation`` reads it too.

    Attributes:
        frames: Time in seconds and faces, from the largest to the smallest, of each own frame.
    """

    frames: tuple[tuple[float, tuple[FaceSeen, ...]], ...]


class Look(Model):
    """A direction in space: x to the picture's right, y down, z away from the camera; of length 1."""

    x: Finite
    y: Finite
    z: Finite


class FaceInFrame(Model):
    """One face in one sampled frame."""

    track_id: Count | None
    """The same for the same face within a shot; null where it was seen in this frame only."""
    bounding_box: BoundingBox
    gaze: Look | None
    """Null where no iris can be seen."""
    gaze_yaw_deg: Finite | None
    """To the picture's right is positive, into the camera is 0."""
    gaze_pitch_deg: Finite | None
    """Up is positive. Rougher than yaw: the lids hide part of the iris."""
    off_camera_deg: Annotated[float, Field(ge=0.0, le=180.0)] | None
    """Angle between the look and the way to the camera: the score behind ``looks_into_camera``."""
    direction: Direction
    looks_into_camera: bool | None
    """Null where the direction is ``closed`` or ``unclear``."""
    head_yaw_deg: Finite
    head_pitch_deg: Finite
    head_roll_deg: Finite
    """Clockwise is positive."""
    eye_openness: Annotated[float, Field(ge=0.0)]
    """Eye aspect ratio, height over width of the opening."""
    eye_state: EyeState | None
    """Against this face's own open eyes; null for a face without a track."""


class FrameFaces(Model):
    """The faces of one sampled frame, from the largest to the smallest."""

    timestamp: Seconds
    faces: tuple[FaceInFrame, ...]


class DirectionShare(Model):
    """How much of a face's time goes to a direction."""

    direction: Direction
    share: UnitScore


class FaceTrack(Model):
    """One face followed through one shot."""

    track_id: Count
    spans: tuple[TimedSpan, ...]
    samples: Annotated[int, Field(ge=1)]
    time_share: UnitScore
    """Length of its spans over the video's length."""
    area_share: UnitScore
    """Mean share of the picture that its box covers."""
    camera_share: UnitScore | None
    """Share of the samples with a clear look that goes into the camera; null without any such sample."""
    directions: tuple[DirectionShare, ...]
    """From the most frequent; they sum to 1 over all samples."""
    open_reference: Annotated[float, Field(ge=0.0)]
    """Eye aspect ratio of its open eyes: the 90th percentile over its samples."""
    closed_share: UnitScore
    blinks: Count
    """Closings of at most ``blink_max_s`` between open samples. A blink lasts 0.1 to 0.4 s: at five samples a second
    about every other one falls between two samples, so this is a lower bound."""
    head_yaw_range_deg: Annotated[float, Field(ge=0.0)]
    """From the 5th to the 95th percentile."""


class EyeTrackingResult(AnalyzerResult):
    """Faces and where they look."""

    frames: tuple[FrameFaces, ...]
    tracks: tuple[FaceTrack, ...]
    """In the order in which they appear."""
    main_track_id: Count | None
    """The face with the largest time_share x area_share; null without any track."""
    face_time_share: UnitScore
    """Share of the sampled frames with a face."""
    max_faces: Count
    """Most faces in one frame."""
    eye_contact: tuple[TimedSpan, ...]
    """When any face looks into the camera."""
    eye_contact_share: UnitScore
    """Their length over the video's length."""
