"""From faces in frames to tracks, looks and lids over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from analyzers.base import Context
from analyzers.results.eye_tracking import (
    Direction,
    DirectionShare,
    EyeState,
    EyeTrackingResult,
    FaceInFrame,
    FaceSeen,
    FaceTrack,
    FrameFaces,
    Look,
)
from analyzers.vision.gaze import angles_deg, off_camera_deg
from analyzers.vision.presence import presence, sample_spans
from analyzers.vision.tracking import UNTRACKED, TimedBoxes, TrackSettings, follow
from schema.base import BoundingBox

OPEN_PERCENTILE = 90.0
"""Of a face's eye aspect ratios: its open eyes, unless it shuts them nine tenths of the time."""

CLEAR: frozenset[Direction] = frozenset({"camera", "left", "right", "up", "down"})


@dataclass(frozen=True)
class FaceSettings:
    """Attributes as in the analyzer's settings."""

    fps: float
    min_eye_px: float
    camera_deg: float
    turned_deg: float
    closed_below: float
    half_below: float
    blink_max_s: float
    min_overlap: float
    lost_s: float
    bridge_s: float


def direction_of(face: FaceSeen, state: EyeState | None, settings: FaceSettings) -> Direction:
    """Where a face looks."""
    if state == "closed":
        return "closed"
    if face.gaze is None or face.eye_width_px < settings.min_eye_px:
        return "unclear"
    if off_camera_deg(face.head) >= settings.turned_deg:
        return "unclear"
    if off_camera_deg(face.gaze) < settings.camera_deg:
        return "camera"
    yaw, pitch = angles_deg(face.gaze)
    if abs(yaw) >= abs(pitch):
        return "right" if yaw > 0.0 else "left"
    return "up" if pitch > 0.0 else "down"


def eye_state(openness: float, reference: float, settings: FaceSettings) -> EyeState:
    """How far eyes are open against the same face's open ones."""
    if openness < settings.closed_below * reference:
        return "closed"
    return "half" if openness < settings.half_below * reference else "open"


def count_blinks(states: Sequence[tuple[float, EyeState]], max_s: float) -> int:
    """Runs of ``closed`` between other states that last at most ``max_s``.

    Args:
        states: Times in seconds and states of one face's samples, in order. A closing lasts from its first sample to
            the next that is not closed; one at the start or the end of the track is none.
        max_s: Longest blink.
    """
    runs = [(key, list(group)) for key, group in groupby(states, key=lambda s: s[1] == "closed")]
    found = 0
    for before, (closed, run), after in zip(runs, runs[1:], runs[2:], strict=False):
        del before
        if closed and after[1][0][0] - run[0][0] <= max_s + 1e-6:
            found += 1
    return found


class FaceTracks:
    """The faces of a whole clip.

    Args:
        frames: Time in seconds and faces of each sampled frame, in order.
        cuts_s: Starts of shots.
        settings: See there.
        context: Of the video.
    """

    def __init__(
        self,
        frames: Sequence[tuple[float, tuple[FaceSeen, ...]]],
        cuts_s: Sequence[float],
        settings: FaceSettings,
        context: Context,
    ) -> None:
        self._frames, self._settings, self._context = frames, settings, context
        self._spans = sample_spans([time_s for time_s, _ in frames], 1.0 / settings.fps, context)
        # MediaPipe gives no score: all faces count alike for the tracker.
        boxes = [
            TimedBoxes(t, np.array([f.box for f in faces], np.float32).reshape(-1, 4), np.ones(len(faces), np.float32))
            for t, faces in frames
        ]
        track_settings = TrackSettings(settings.fps, 0.5, settings.min_overlap, settings.lost_s)
        numbers = [row.tolist() for row in follow(boxes, track_settings, cuts_s)]
        self._track_of = {(k, i): n for k, row in enumerate(numbers) for i, n in enumerate(row) if n != UNTRACKED}
        self._members: dict[int, list[tuple[int, int]]] = {}
        for place, number in self._track_of.items():
            self._members.setdefault(number, []).append(place)
        self._reference = {
            number: float(np.percentile([self._at(place).openness for place in places], OPEN_PERCENTILE))
            for number, places in self._members.items()
        }

    def result(self) -> EyeTrackingResult:
        """The whole section."""
        frames = tuple(
            FrameFaces(timestamp=t, faces=tuple(self._face(k, i, face) for i, face in enumerate(faces)))
            for k, (t, faces) in enumerate(self._frames)
        )
        tracks = tuple(self._track(number, frames) for number in sorted(self._members))
        contact = presence(
            (
                span
                for span, frame in zip(self._spans, frames, strict=True)
                if any(face.looks_into_camera for face in frame.faces)
            ),
            self._settings.bridge_s,
        )
        duration_s = self._context.video.duration_s
        main = max(tracks, key=lambda t: t.time_share * t.area_share, default=None)
        return EyeTrackingResult(
            frames=frames,
            tracks=tracks,
            main_track_id=main.track_id if main else None,
            face_time_share=sum(bool(frame.faces) for frame in frames) / len(frames),
            max_faces=max(len(frame.faces) for frame in frames),
            eye_contact=contact,
            eye_contact_share=_share(sum(span.duration_s for span in contact), duration_s),
        )

    def _at(self, place: tuple[int, int]) -> FaceSeen:
        return self._frames[place[0]][1][place[1]]

    def _state(self, place: tuple[int, int]) -> EyeState | None:
        number = self._track_of.get(place)
        if number is None:
            return None
        return eye_state(self._at(place).openness, self._reference[number], self._settings)

    def _face(self, k: int, i: int, face: FaceSeen) -> FaceInFrame:
        state = self._state((k, i))
        direction = direction_of(face, state, self._settings)
        yaw, pitch = angles_deg(face.gaze) if face.gaze else (None, None)
        head_yaw, head_pitch = angles_deg(face.head)
        return FaceInFrame(
            track_id=self._track_of.get((k, i)),
            bounding_box=box_of(face),
            gaze=Look(x=face.gaze[0], y=face.gaze[1], z=face.gaze[2]) if face.gaze else None,
            gaze_yaw_deg=yaw,
            gaze_pitch_deg=pitch,
            off_camera_deg=off_camera_deg(face.gaze) if face.gaze else None,
            direction=direction,
            looks_into_camera=direction == "camera" if direction in CLEAR else None,
            head_yaw_deg=head_yaw,
            head_pitch_deg=head_pitch,
            head_roll_deg=face.head_roll_deg,
            eye_openness=face.openness,
            eye_state=state,
        )

    def _track(self, number: int, frames: Sequence[FrameFaces]) -> FaceTrack:
        places = self._members[number]
        own = [frames[k].faces[i] for k, i in places]
        counted = Counter(face.direction for face in own)
        clear = sum(counted[d] for d in CLEAR)
        spans = presence((self._spans[k] for k, _ in places), self._settings.bridge_s)
        states = [(frames[k].timestamp, state) for k, i in places if (state := self._state((k, i))) is not None]
        picture = (self._context.video.width or 1) * (self._context.video.height or 1)
        low, high = np.percentile([face.head_yaw_deg for face in own], [5.0, 95.0])
        return FaceTrack(
            track_id=number,
            spans=spans,
            samples=len(own),
            time_share=_share(sum(span.duration_s for span in spans), self._context.video.duration_s),
            area_share=_share(
                float(np.mean([f.bounding_box.width * f.bounding_box.height for f in own])), float(picture)
            ),
            camera_share=counted["camera"] / clear if clear else None,
            directions=tuple(DirectionShare(direction=d, share=n / len(own)) for d, n in counted.most_common()),
            open_reference=self._reference[number],
            closed_share=counted["closed"] / len(own),
            blinks=count_blinks(states, self._settings.blink_max_s),
            head_yaw_range_deg=float(high - low),
        )


def box_of(face: FaceSeen) -> BoundingBox:
    """The face's box as it is published."""
    left, top, right, bottom = face.box
    return BoundingBox(x=left, y=top, width=right - left, height=bottom - top)


def _share(part: float, whole: float) -> float:
    return min(1.0, max(0.0, part / whole)) if whole > 0.0 else 0.0
