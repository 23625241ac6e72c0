"""Objects: which of COCO's 80 classes, where, when, how many, and which box is the same thing as before.

Method
    * a detector on three frames per second (``analyzers/vision/detector.py``, sources there): YOLOv8, or RT-DETR v2
      where the licence policy is ``permissive``. Neighbouring frames of one size, also of several videos, are a batch;
    * ByteTrack (Zhang et al., ECCV 2022) by class and shot (``analyzers/vision/tracking.py``) says which boxes belong
      together;
    * a sample stands for the time up to the next one; spans are unions of these.

A box is an axis-aligned rectangle, not an outline. Things of other classes are not seen, or are taken for one of the
80. A track does not go across a cut, and two tracks may be one thing that was hidden for long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import AnalyzerConfig, Context, NotApplicable
from analyzers.inference.device import open_device
from analyzers.inference.model_analyzer import ModelAnalyzer
from analyzers.inference.oom import in_halves
from analyzers.results.detections import Detections, FrameDetections, pack_detections
from analyzers.results.known_shots import known_shots
from analyzers.results.object_detection import ObjectDetectionResult
from analyzers.vision.batches import each_frame
from analyzers.vision.detector import Detector, RawBoxes, open_detector
from analyzers.vision.object_tracks import ObjectTracks
from analyzers.vision.tracking import TrackSettings, import_tracker
from analyzers.vision.yolo import YoloSettings
from media.needs import FrameNeed, Needs, Rate
from media.types import FrameChunk, UInt8Array
from schema.document import TimelineItem

HEADLINE_CLASSES = 5
"""Most classes that the headline names."""


class ObjectDetectionConfig(AnalyzerConfig):
    """Settings of ``object_detection``."""

    model: Literal["yolov8x", "yolov8n", "rtdetr-v2-r50", "rtdetr-v2-r18"] = "yolov8x"
    """Pin in the weights manifest. On COCO val2017 the publishers give an AP of 53.9 for yolov8x and 37.3 for yolov8n,
    which is 20 times cheaper; a pin that the licence policy refuses is replaced by the manifest's alternative."""
    fps: Annotated[float, Field(ge=0.1, le=30.0)] = 3.0
    """Frames per second. Spans are placed to one sample, a third of a second at 3; people who walk still overlap from
    sample to sample. Higher tracks faster things and costs in proportion."""
    short_side_px: Annotated[int, Field(ge=128, le=1440)] = 640
    """Shorter side of the decoded pictures; the same as of other analyzers, so that they share one rendition."""
    input_px: Annotated[int, Field(ge=64, le=1536, multiple_of=32)] = 640
    """Longer side of the picture that YOLO sees: 640 is what its weights were trained at. Higher finds smaller things
    and costs with the square."""
    min_score: Annotated[float, Field(ge=0.0, le=1.0)] = 0.25
    """Score from which a box counts; Ultralytics' own default. Higher reports fewer false and fewer true ones."""
    max_overlap: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    """Intersection over union from which the weaker of two boxes of a class is taken for the same thing; Ultralytics'
    own default. Lower merges neighbours in a crowd. RT-DETR needs none."""
    max_objects: Annotated[int, Field(ge=1, le=300)] = 100
    """Most boxes of one frame: more are a pattern, not objects. Also bounds the size of the result."""
    frames_per_batch: Annotated[int, Field(ge=1, le=256)] = 16
    """Most pictures of one forward pass. Higher fills a GPU better; memory grows in proportion."""
    sure_score: Annotated[float, Field(ge=0.0, le=1.0)] = 0.4
    """Score from which a box may begin a track; weaker ones only continue one (ByteTrack's two steps). Higher tracks
    fewer false boxes. Not yet tuned."""
    min_track_overlap: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Least overlap of a box with where its track is expected; the tracker's own default. Lower follows faster things
    and confuses neighbours sooner."""
    lost_s: Annotated[float, Field(gt=0.0, le=30.0)] = 1.0
    """Seconds after which an unseen track has ended; ByteTrack's 30 frames. Higher bridges longer hiding and joins
    things that follow each other."""
    bridge_s: Annotated[float, Field(ge=0.0, le=30.0)] = 0.7
    """Gap in an instance's or a class's presence that is no interruption: two missed samples at 3 per second."""

    def yolo_settings(self) -> YoloSettings:
        """Those of one prediction."""
        return YoloSettings(self.input_px, self.min_score, self.max_overlap, self.max_objects)

    def track_settings(self) -> TrackSettings:
        """Those of following boxes."""
        return TrackSettings(self.fps, self.sure_score, self.min_track_overlap, self.lost_s)


class ObjectDetection(ModelAnalyzer[ObjectDetectionConfig, FrameChunk, Detections, ObjectDetectionResult]):
    """Finds objects and follows them."""

    name = "object_detection"
    version = "1"
    title = "Objects: what, where, when, how many"
    Config = ObjectDetectionConfig
    Result = ObjectDetectionResult
    uses = ("cut_analysis",)
    models = ("yolov8x", "yolov8n", "rtdetr-v2-r50", "rtdetr-v2-r18")
    load_fields = frozenset({"model"})

    def __init__(self, config: ObjectDetectionConfig) -> None:
        super().__init__(config)
        self.detector: Detector | None = None

    def needs(self) -> Needs:
        """Colour frames, three per second."""
        return Needs(frames=(FrameNeed(Rate(self.config.fps), self.config.short_side_px, "rgb"),))

    def load(self) -> None:
        """Loads the detector, and the tracker's package."""
        self.detector = None
        weights = self.find_weights(self.config.model)
        self.detector = open_detector(weights, open_device(self.runtime))
        import_tracker()

    def warm_up(self) -> None:
        """One grey picture."""
        self._detect([np.full((self.config.short_side_px, self.config.short_side_px, 3), 114, np.uint8)])

    def observe(self, chunks: Sequence[FrameChunk]) -> list[Detections]:
        """Boxes of each own frame, in px of the source."""
        found = each_frame(chunks, self._detect, self.config.frames_per_batch)
        return [
            pack_detections(
                [_in_source(raw, float(time_s), chunk) for raw, time_s in zip(own, chunk.batch.own_pts_s, strict=True)]
            )
            for chunk, own in zip(chunks, found, strict=True)
        ]

    def _detect(self, frames: Sequence[UInt8Array]) -> list[RawBoxes]:
        detector = self.detector
        if detector is None:
            raise RuntimeError("object_detection: load() has not been called")
        settings = self.config.yolo_settings()
        return in_halves(lambda batch: detector.detect(batch, settings), frames)

    def conclude(self, observations: Sequence[Detections], context: Context) -> ObjectDetectionResult:
        """Tracks, instances, counts."""
        frames = [frame for observation in observations for frame in observation.frames()]
        if not frames:
            raise NotApplicable("no_frames", "object detection needs at least one frame")
        cuts = [start for start, _ in known_shots(context) or []]
        tracks = ObjectTracks(frames, cuts, self.config.track_settings(), self.config.bridge_s, context)
        instances = tracks.instances()
        return ObjectDetectionResult(
            frames=tracks.frames(),
            instances=instances,
            classes=tracks.classes(instances),
            counts=tracks.counts(),
            main_track_id=max(instances, key=lambda i: i.prominence).track_id if instances else None,
        )

    def timeline(self, result: ObjectDetectionResult) -> list[TimelineItem]:
        """Each span of each class, with the most there are at once."""
        items = [
            TimelineItem.of(
                span,
                "seen",
                self.name,
                _counted(found.object_class, _most(result, found.object_class, span.start_time, span.end_time)),
                found.best_confidence,
            )
            for found in result.classes
            for span in found.spans
        ]
        return sorted(items, key=lambda item: (item.start_time, item.end_time))

    def headline(self, result: ObjectDetectionResult) -> str | None:
        """The classes that are seen longest."""
        if not result.classes:
            return "Objects: none of the known classes."
        named = [
            f"{_counted(c.object_class, c.max_at_once)} in {c.time_share:.0%}"
            for c in result.classes[:HEADLINE_CLASSES]
        ]
        rest = len(result.classes) - len(named)
        return f"Objects: {', '.join(named)} of the time{f'; {rest} more classes' if rest > 0 else ''}."


def _in_source(raw: RawBoxes, time_s: float, chunk: FrameChunk) -> FrameDetections:
    """Boxes of a frame of the rendition, in px of the upright source picture."""
    x, y = chunk.batch.to_source
    return FrameDetections(time_s, raw.boxes * np.array([x, y, x, y], np.float32), raw.scores, raw.class_names)


def _counted(name: str, count: int) -> str:
    return name if count == 1 else f"{count} x {name}"


def _most(result: ObjectDetectionResult, name: str, start_s: float, end_s: float) -> int:
    """Most boxes of a class in one frame of a span."""
    inside = [f for f in result.frames if start_s - 1e-6 <= f.timestamp < end_s]
    return max((sum(o.object_class == name for o in f.objects) for f in inside), default=1)
