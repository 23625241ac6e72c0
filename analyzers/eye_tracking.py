"""Faces and gaze: where eyes look, how much goes into the camera, when they are shut.

Method
    * MediaPipe's FaceLandmarker with irises on five frames per second (``analyzers/inference/face_mesh.py``, sources
      there); where it finds none and ``object_detection`` saw persons, their heads are cut out and looked at again,
      because its detector misses faces below a tenth of the picture;
    * head pose, gaze and lids from the points (``analyzers/vision/gaze.py``: Soukupová and Čech 2016 for the lids);
    * ByteTrack (Zhang et al., ECCV 2022) follows faces within a shot; each face's own open eyes are the measure for
      half and shut ones.

The camera is taken to be where a level look straight out of the picture ends; who looks at the phone's screen beside
the lens counts as looking into the camera. Nobody is recognised: a track is a face in one shot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import AnalyzerConfig, Context, NotApplicable
from analyzers.inference.face_mesh import FaceMesh
from analyzers.inference.model_analyzer import ModelAnalyzer
from analyzers.results.detections import Detections
from analyzers.results.eye_tracking import Box, EyeTrackingResult, FaceSeen, FacesSeen
from analyzers.results.known_shots import known_shots
from analyzers.signal.boxes import area
from analyzers.vision.face_tracks import FaceSettings, FaceTracks
from analyzers.vision.gaze import MIN_EYE_PX, measure_face
from analyzers.vision.tracking import import_tracker
from media.needs import FrameNeed, Needs, Rate
from media.types import FrameBatch, FrameChunk, UInt8Array
from schema.document import TimelineItem

HEAD_SHARE = 0.35
"""Upper part of a standing person's box that holds the head; of a portrait's box it holds the face."""


class EyeTrackingConfig(AnalyzerConfig):
    """Settings of ``eye_tracking``."""

    model: Literal["face-landmarker"] = "face-landmarker"
    """Pin in the weights manifest."""
    fps: Annotated[float, Field(ge=0.5, le=30.0)] = 5.0
    """Frames per second. A glance lasts 0.2 s and more; blinks, from 0.1 s, need 15. Costs in proportion."""
    short_side_px: Annotated[int, Field(ge=128, le=1440)] = 640
    """Shorter side of the pictures. An iris spans a fortieth of a face: 4 px where the face fills a quarter of 640."""
    max_faces: Annotated[int, Field(ge=1, le=16)] = 4
    """Most faces of one frame. Each costs one more run of the mesh network."""
    min_detection: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    """Detector score from which there is a face; MediaPipe's own default. Higher misses more."""
    min_presence: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    """Score of the mesh network from which there is a face; MediaPipe's own default."""
    head_crops: Annotated[int, Field(ge=0, le=8)] = 2
    """Most persons whose heads are looked at apart in a frame without a face; 0 looks at none."""
    min_eye_px: Annotated[float, Field(ge=MIN_EYE_PX, le=100.0)] = 8.0
    """Width of an eye in px of the decoded picture below which its look is ``unclear``: the iris then spans under 4 px.
    Higher answers less often. Not yet tuned."""
    camera_deg: Annotated[float, Field(gt=0.0, le=60.0)] = 15.0
    """Angle to the camera below which a look goes into it: about the error of gaze from one picture. Higher counts
    more as eye contact. Not yet tuned."""
    turned_deg: Annotated[float, Field(gt=0.0, le=90.0)] = 55.0
    """Turn of the head from which the look is ``unclear``: the far eye is hidden. Not yet tuned."""
    closed_below: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.45
    """Opening below which eyes are shut, as a share of the same face's open eyes. Higher calls more shut."""
    half_below: Annotated[float, Field(gt=0.0, le=1.0)] = 0.75
    """The same for half open."""
    blink_max_s: Annotated[float, Field(gt=0.0, le=2.0)] = 0.5
    """Longest closing that is a blink: one lasts up to 0.4 s, and a sample's width more is seen."""
    min_overlap: Annotated[float, Field(gt=0.0, le=1.0)] = 0.2
    """Least overlap of a face with where its track is expected. Lower follows faster heads."""
    lost_s: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    """Seconds after which an unseen face's track has ended."""
    bridge_s: Annotated[float, Field(ge=0.0, le=10.0)] = 0.5
    """Gap in a face's presence or in eye contact that is no interruption: two missed samples at 5 per second."""

    def face_settings(self) -> FaceSettings:
        """Those of the conclusion."""
        return FaceSettings(**{name: getattr(self, name) for name in FaceSettings.__dataclass_fields__})


class EyeTracking(ModelAnalyzer[EyeTrackingConfig, FrameChunk, FacesSeen, EyeTrackingResult]):
    """Finds faces and says where they look."""

    name = "eye_tracking"
    version = "1"
    title = "Faces: where they look, eye contact, blinks"
    Config = EyeTrackingConfig
    Result = EyeTrackingResult
    uses = ("cut_analysis", "object_detection")
    upstream = ("object_detection",)
    models = ("face-landmarker",)
    load_fields = frozenset({"model", "max_faces", "min_detection", "min_presence"})

    def __init__(self, config: EyeTrackingConfig) -> None:
        super().__init__(config)
        self.mesh: FaceMesh | None = None

    def needs(self) -> Needs:
        """Colour frames, five per second."""
        return Needs(frames=(FrameNeed(Rate(self.config.fps), self.config.short_side_px, "rgb"),))

    def load(self) -> None:
        """Loads the landmarker, and the tracker's package."""
        self.mesh = None
        weights = self.find_weights(self.config.model)
        c = self.config
        self.mesh = FaceMesh(weights.path, c.max_faces, c.min_detection, c.min_presence)
        import_tracker()

    def warm_up(self) -> None:
        """One grey picture."""
        self._mesh().faces(np.full((256, 256, 3), 114, np.uint8))

    def _mesh(self) -> FaceMesh:
        if self.mesh is None:
            raise RuntimeError("eye_tracking: load() has not been called")
        return self.mesh

    def observe(self, chunks: Sequence[FrameChunk]) -> list[FacesSeen]:
        """Faces of each own frame, with what they do."""
        return [FacesSeen(tuple(self._frames(chunk))) for chunk in chunks]

    def _frames(self, chunk: FrameChunk) -> Iterator[tuple[float, tuple[FaceSeen, ...]]]:
        batch = chunk.batch
        for picture, pts_s in zip(batch.own, batch.own_pts_s, strict=True):
            time_s = float(pts_s)
            faces = self._faces(picture, (0, 0), batch)
            if not faces:
                heads = list(self._heads(chunk, time_s))[: self.config.head_crops]
                faces = [
                    face
                    for left, top, right, bottom in heads
                    for face in self._faces(picture[top:bottom, left:right], (left, top), batch)
                ]
            yield time_s, tuple(sorted(faces, key=lambda f: -area(f.box)))

    def _faces(self, picture: UInt8Array, offset: tuple[int, int], batch: FrameBatch) -> list[FaceSeen]:
        found = []
        for points in self._mesh().faces(picture):
            points[:, :2] += np.array(offset, np.float32)
            measures = measure_face(points)
            box = _in_source(measures.box, batch)
            if box is not None:
                found.append(
                    FaceSeen(
                        box,
                        measures.gaze,
                        measures.head,
                        measures.head_roll_deg,
                        measures.openness,
                        measures.eye_width_px,
                    )
                )
        return found

    def _heads(self, chunk: FrameChunk, time_s: float) -> Iterator[tuple[int, int, int, int]]:
        """Squares around the heads of the largest persons, in px of the decoded picture: left, top, right, bottom."""
        seen, batch = chunk.upstream.get("object_detection"), chunk.batch
        frames = list(seen.frames()) if isinstance(seen, Detections) else []
        if not frames:
            return
        near = min(frames, key=lambda frame: abs(frame.time_s - time_s)).of(frozenset({"person"}))
        x, y = batch.to_source
        boxes = near.boxes / np.array([x, y, x, y], np.float32)
        for left, top, right, bottom in sorted(boxes.tolist(), key=lambda b: (b[0] - b[2]) * (b[3] - b[1])):
            side = max(right - left, HEAD_SHARE * (bottom - top))
            middle = (left + right) / 2.0
            crop = (
                max(0, int(middle - side / 2.0)),
                max(0, int(top - 0.15 * side)),
                min(batch.width, int(np.ceil(middle + side / 2.0))),
                min(batch.height, int(np.ceil(top + 0.85 * side))),
            )
            if crop[2] - crop[0] >= 16 and crop[3] - crop[1] >= 16:
                yield crop

    def conclude(self, observations: Sequence[FacesSeen], context: Context) -> EyeTrackingResult:
        """Tracks, eye contact, lids."""
        frames = [frame for observation in observations for frame in observation.frames]
        if not frames:
            raise NotApplicable("no_frames", "faces need at least one frame")
        cuts = [start for start, _ in known_shots(context) or []]
        return FaceTracks(frames, cuts, self.config.face_settings(), context).result()

    def timeline(self, result: EyeTrackingResult) -> list[TimelineItem]:
        """Eye contact."""
        return [TimelineItem.of(span, "seen", self.name, "looks into the camera") for span in result.eye_contact]

    def headline(self, result: EyeTrackingResult) -> str | None:
        """Share of the time with a face, and with eye contact."""
        if not result.max_faces:
            return "Faces: none."
        parts = [f"Faces in {result.face_time_share:.0%} of frames, at most {result.max_faces} at once"]
        if result.eye_contact:
            parts.append(f"eye contact for {result.eye_contact_share:.0%} of the video")
        if blinks := sum(track.blinks for track in result.tracks):
            parts.append(f"at least {blinks} blinks")
        return "; ".join(parts) + "."


def _in_source(box: Box, batch: FrameBatch) -> Box | None:
    """The box in px of the upright source picture, cut to it; None when nothing is left."""
    x, y = batch.to_source
    left, right = (float(np.clip(v * x, 0.0, batch.source_width)) for v in (box[0], box[2]))
    top, bottom = (float(np.clip(v * y, 0.0, batch.source_height)) for v in (box[1], box[3]))
    return (left, top, right, bottom) if right > left and bottom > top else None
