"""Boxes over time as tracks, instances, presence of classes and counts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from analyzers.base import Context, merge_spans
from analyzers.results.detections import FrameDetections
from analyzers.results.object_detection import (
    ClassPresence,
    CountSpan,
    DetectedObject,
    FrameObjects,
    ObjectInstance,
)
from analyzers.signal.text_kinds import position_of
from analyzers.vision.presence import presence, runs, sample_spans
from analyzers.vision.tracking import UNTRACKED, TimedBoxes, TrackSettings, follow, renumbered
from media.types import Float32Array, Int64Array
from schema.base import BoundingBox, TimedSpan


class ObjectTracks:
    """What is made of all boxes of a clip.

    Args:
        frames: All sampled frames in the order of time; at least one.
        cuts_s: Starts of shots; empty where they are not known.
        settings: Of following.
        bridge_s: Gap in seconds that is no interruption of presence.
        context: Of the video.
    """

    def __init__(
        self,
        frames: Sequence[FrameDetections],
        cuts_s: Sequence[float],
        settings: TrackSettings,
        bridge_s: float,
        context: Context,
    ) -> None:
        self._frames = frames
        self._bridge_s = bridge_s
        self._duration_s = context.video.duration_s
        self._size = (context.video.width or 1, context.video.height or 1)
        self._spans = sample_spans([frame.time_s for frame in frames], 1.0 / settings.rate_hz, context)
        self._ids = track_by_class(frames, cuts_s, settings)

    def frames(self) -> tuple[FrameObjects, ...]:
        """All boxes, frame by frame."""
        return tuple(
            FrameObjects(
                timestamp=frame.time_s,
                objects=tuple(self._object(frame, i, int(ids[i])) for i in range(len(frame))),
            )
            for frame, ids in zip(self._frames, self._ids, strict=True)
        )

    def _object(self, frame: FrameDetections, i: int, track: int) -> DetectedObject:
        wide, high = self._size
        left, top, right, bottom = map(float, frame.boxes[i])
        return DetectedObject(
            object_class=frame.class_names[i],
            confidence_score=float(frame.scores[i]),
            bounding_box=box_of(frame.boxes[i]),
            position=position_of((left + right) / 2.0 / wide, (top + bottom) / 2.0 / high),
            track_id=None if track == UNTRACKED else track,
        )

    def instances(self) -> tuple[ObjectInstance, ...]:
        """One for each track, in the order of their numbers."""
        seen: dict[int, list[tuple[int, int]]] = {}
        for k, ids in enumerate(self._ids):
            for i, track in enumerate(ids.tolist()):
                if track != UNTRACKED:
                    seen.setdefault(track, []).append((k, i))
        found = (self._instance(track, places) for track, places in sorted(seen.items()))
        return tuple(instance for instance in found if instance.spans)

    def _instance(self, track: int, places: Sequence[tuple[int, int]]) -> ObjectInstance:
        boxes = np.stack([self._frames[k].boxes[i] for k, i in places]).astype(np.float64)
        scores = [float(self._frames[k].scores[i]) for k, i in places]
        spans = presence([self._spans[k] for k, _ in places], self._bridge_s)
        size = np.array(self._size, np.float64)
        area = float(np.mean((boxes[:, 2:] - boxes[:, :2]).prod(axis=1)) / size.prod())
        away = np.hypot(*((boxes[:, :2] + boxes[:, 2:]) / 2.0 - size / 2.0).T) / np.hypot(*(size / 2.0))
        share, centrality = self._share(spans), float(1.0 - away.mean())
        return ObjectInstance(
            track_id=track,
            object_class=self._frames[places[0][0]].class_names[places[0][1]],
            spans=spans,
            samples=len(places),
            mean_confidence=min(1.0, float(np.mean(scores))),
            best_confidence=max(scores),
            time_share=share,
            area_share=min(1.0, area),
            centrality=min(1.0, max(0.0, centrality)),
            prominence=min(1.0, max(0.0, share * area * centrality)) ** (1.0 / 3.0),
            first_box=box_of(boxes[0]),
            last_box=box_of(boxes[-1]),
        )

    def classes(self, instances: Sequence[ObjectInstance]) -> tuple[ClassPresence, ...]:
        """Each class that occurs, the longest seen first."""
        names = dict.fromkeys(chain.from_iterable(frame.class_names for frame in self._frames))
        found = [self._class(name, sum(i.object_class == name for i in instances)) for name in names]
        return tuple(sorted((c for c in found if c.spans), key=lambda c: (-c.time_share, c.object_class)))

    def _class(self, name: str, instances: int) -> ClassPresence:
        counts = [frame.class_names.count(name) for frame in self._frames]
        spans = presence([s for s, count in zip(self._spans, counts, strict=True) if count], self._bridge_s)
        scores = [float(s) for f in self._frames for s, own in zip(f.scores, f.class_names, strict=True) if own == name]
        return ClassPresence(
            object_class=name,
            max_at_once=max(counts),
            mean_at_once=float(np.mean(counts)),
            instances=instances,
            time_share=self._share(spans),
            best_confidence=max(scores),
            spans=spans,
        )

    def counts(self) -> tuple[CountSpan, ...]:
        """Stretches of equal numbers of tracked things."""
        keys = []
        for frame, ids in zip(self._frames, self._ids, strict=True):
            tracked = [name for name, track in zip(frame.class_names, ids.tolist(), strict=True) if track != UNTRACKED]
            keys.append(tuple((name, tracked.count(name)) for name in sorted(set(tracked))))
        return tuple(CountSpan(start_time=a, end_time=b, counts=dict(key)) for key, (a, b) in runs(keys, self._spans))

    def _share(self, spans: Sequence[TimedSpan]) -> float:
        covered = sum(end - start for start, end in merge_spans(spans))
        return min(1.0, covered / self._duration_s) if self._duration_s > 0.0 else 0.0


def track_by_class(
    frames: Sequence[FrameDetections], cuts_s: Sequence[float], settings: TrackSettings
) -> list[Int64Array]:
    """A track number for each box (see ``follow``); each class is followed by itself, numbers run over all."""
    ids = [np.full(len(frame), UNTRACKED, np.int64) for frame in frames]
    total = 0
    for name in sorted(set(chain.from_iterable(frame.class_names for frame in frames))):
        rows = [np.flatnonzero([own == name for own in frame.class_names]) for frame in frames]
        boxes = [
            TimedBoxes(frame.time_s, frame.boxes[r], frame.scores[r]) for frame, r in zip(frames, rows, strict=True)
        ]
        numbers = follow(boxes, settings, cuts_s)
        for own, r, number in zip(ids, rows, numbers, strict=True):
            own[r] = np.where(number == UNTRACKED, UNTRACKED, number + total)
        total += 1 + max((int(n.max()) for n in numbers if len(n)), default=UNTRACKED)
    return renumbered(ids)


def box_of(box: Float32Array) -> BoundingBox:
    """``left, top, right, bottom`` as the public form."""
    left, top, right, bottom = map(float, box)
    return BoundingBox(x=left, y=top, width=right - left, height=bottom - top)
