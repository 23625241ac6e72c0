"""People over time: who is who, what they do and for how long, how near they are. Pure but for the tracker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from analyzers.base import Context
from analyzers.results.body_pose import (
    FramePeople,
    GestureSpan,
    Keypoint,
    Nearness,
    NearnessSpan,
    PersonPose,
    PersonTrack,
)
from analyzers.results.object_detection import ObjectDetectionResult
from analyzers.results.poses import FramePoses
from analyzers.signal.boxes import intersection_over_union
from analyzers.vision.gestures import RULES, gestures_of
from analyzers.vision.object_tracks import box_of
from analyzers.vision.presence import presence, runs, sample_spans
from analyzers.vision.rules import GestureSettings, Hit, Side
from analyzers.vision.skeleton import JOINTS, Skeleton
from analyzers.vision.tracking import UNTRACKED, TimedBoxes, TrackSettings, follow
from media.types import Float32Array
from schema.base import TimedSpan

LEANING_IN = "leaning_in"
HANDS = ("left_wrist", "right_wrist")
BODY = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_SAME_TIME_S = 1e-3
_KINDS = {rule.name: rule.kind for rule in RULES}


@dataclass(frozen=True)
class PeopleSettings:
    """How people are put together over time.

    Attributes:
        track: Of following boxes.
        gestures: Of the rules.
        very_close: Size ratio from which somebody is very close; ``close`` and ``medium`` alike.
        close: See there.
        medium: See there.
        lean_in: Growth of the trunk over its median in the track from which somebody leans in.
        min_gesture_s: Shortest gesture.
        min_posture_s: Shortest posture.
        bridge_s: Gap that is no interruption.
    """

    track: TrackSettings
    gestures: GestureSettings
    very_close: float
    close: float
    medium: float
    lean_in: float
    min_gesture_s: float
    min_posture_s: float
    bridge_s: float


@dataclass(frozen=True)
class _Seen:
    """One person in one frame."""

    frame: int
    box: Float32Array
    score: float
    skeleton: Skeleton
    torso_px: float | None
    hits: tuple[Hit, ...]


class People:
    """What is made of all poses of a clip.

    Args:
        frames: All sampled frames in the order of time; at least one.
        cuts_s: Starts of shots; empty where they are not known.
        settings: See there.
        context: Of the video.
    """

    def __init__(
        self, frames: Sequence[FramePoses], cuts_s: Sequence[float], settings: PeopleSettings, context: Context
    ) -> None:
        self._frames = frames
        self._settings = settings
        self._context = context
        self._size = (context.video.width or 1, context.video.height or 1)
        self._times = [frame.time_s for frame in frames]
        self._spans = sample_spans(self._times, 1.0 / settings.track.rate_hz, context)
        self._ids = follow([TimedBoxes(f.time_s, f.boxes, f.scores) for f in frames], settings.track, cuts_s)
        self._seen = [[self._person(k, i) for i in range(len(frame))] for k, frame in enumerate(frames)]
        self._tracks: dict[int, list[_Seen]] = {}
        for k, ids in enumerate(self._ids):
            for i, track in enumerate(ids.tolist()):
                if track != UNTRACKED:
                    self._tracks.setdefault(track, []).append(self._seen[k][i])
        self._tracks = {track: self._with_leaning_in(self._tracks[track]) for track in sorted(self._tracks)}

    def _person(self, k: int, i: int) -> _Seen:
        frame = self._frames[k]
        skeleton = Skeleton(frame.joints[i], self._settings.gestures.min_joint)
        hits = tuple(gestures_of(skeleton, self._settings.gestures))
        return _Seen(k, frame.boxes[i], float(frame.scores[i]), skeleton, skeleton.torso_px, hits)

    def _with_leaning_in(self, seen: Sequence[_Seen]) -> list[_Seen]:
        """The same person; where the trunk is longer than usual for the track, they lean in (or the camera does)."""
        sizes = [s.torso_px for s in seen if s.torso_px is not None]
        usual = float(np.median(sizes)) if sizes else 0.0
        found = []
        for s in seen:
            near = s.torso_px is not None and usual > 0.0 and s.torso_px >= self._settings.lean_in * usual
            joints = [name for name in JOINTS if s.skeleton.at(name) is not None]
            hits = (*s.hits, Hit(LEANING_IN, None, s.skeleton.confidence(joints))) if near else s.hits
            found.append(_Seen(s.frame, s.box, s.score, s.skeleton, s.torso_px, hits))
        return found

    def nearness_of(self, size_ratio: float | None) -> Nearness | None:
        """The class of a size ratio."""
        if size_ratio is None:
            return None
        s = self._settings
        if size_ratio >= s.close:
            return "very_close" if size_ratio >= s.very_close else "close"
        return "medium" if size_ratio >= s.medium else "far"

    def _ratio(self, seen: _Seen) -> float | None:
        return None if seen.torso_px is None else seen.torso_px / self._size[1]

    def frames(self) -> tuple[FramePeople, ...]:
        """Everybody, frame by frame."""
        by_track = {(track, s.frame): s for track, seen in self._tracks.items() for s in seen}
        return tuple(
            FramePeople(
                timestamp=frame.time_s,
                people=tuple(
                    self._pose(by_track.get((int(track), k), alone), int(track))
                    for alone, track in zip(self._seen[k], ids, strict=True)
                ),
            )
            for k, (frame, ids) in enumerate(zip(self._frames, self._ids, strict=True))
        )

    def _pose(self, seen: _Seen, track: int) -> PersonPose:
        ratio = self._ratio(seen)
        return PersonPose(
            track_id=None if track == UNTRACKED else track,
            confidence=min(1.0, seen.score),
            bounding_box=box_of(seen.box),
            keypoints=tuple(_keypoint(name, joint) for name, joint in zip(JOINTS, seen.skeleton.joints, strict=True)),
            size_ratio=ratio,
            nearness=self.nearness_of(ratio),
            gestures=tuple(dict.fromkeys(hit.name for hit in seen.hits)),
        )

    def tracks(self) -> tuple[PersonTrack, ...]:
        """One for each person and shot."""
        found = (self._track(track, seen) for track, seen in self._tracks.items())
        return tuple(track for track in found if track.spans)

    def _track(self, track: int, seen: Sequence[_Seen]) -> PersonTrack:
        spans = presence([self._spans[s.frame] for s in seen], self._settings.bridge_s)
        boxes = np.stack([s.box for s in seen]).astype(np.float64)
        ratios = [ratio for s in seen if (ratio := self._ratio(s)) is not None]
        ratio = float(np.median(ratios)) if ratios else None
        held = Counter(name for s in seen for name in {hit.name for hit in s.hits})
        return PersonTrack(
            track_id=track,
            object_track_id=self._object_track(seen),
            spans=spans,
            samples=len(seen),
            time_share=self._share(spans),
            mean_confidence=min(1.0, float(np.mean([s.score for s in seen]))),
            area_share=min(1.0, float((boxes[:, 2:] - boxes[:, :2]).prod(axis=1).mean() / np.prod(self._size))),
            size_ratio=ratio,
            nearness=self.nearness_of(ratio),
            hand_speed=self._speed(seen, HANDS),
            body_speed=self._speed(seen, BODY),
            gestures={name: held[name] / len(seen) for name in sorted(held, key=lambda n: (-held[n], n))},
        )

    def _share(self, spans: Sequence[TimedSpan]) -> float:
        duration_s = self._context.video.duration_s
        return min(1.0, sum(s.duration_s for s in spans) / duration_s) if duration_s > 0.0 else 0.0

    def _speed(self, seen: Sequence[_Seen], names: Sequence[str]) -> float | None:
        """Median over neighbouring samples of the mean way of these joints, in trunks per second."""
        speeds = []
        for a, b in pairwise(seen):
            if b.frame - a.frame != 1 or a.torso_px is None:
                continue
            ways = [
                float(np.hypot(*(q - p)))
                for name in names
                if (p := a.skeleton.at(name)) is not None and (q := b.skeleton.at(name)) is not None
            ]
            if ways:
                speeds.append(float(np.mean(ways)) / a.torso_px / (self._times[b.frame] - self._times[a.frame]))
        return float(np.median(speeds)) if speeds else None

    def _object_track(self, seen: Sequence[_Seen]) -> int | None:
        """The track of ``object_detection`` whose person boxes overlap most often by half."""
        objects = self._context.results.get("object_detection")
        if not isinstance(objects, ObjectDetectionResult):
            return None
        by_time = {round(f.timestamp / _SAME_TIME_S): f.objects for f in objects.frames}
        votes: Counter[int] = Counter()
        for s in seen:
            for thing in by_time.get(round(self._times[s.frame] / _SAME_TIME_S), ()):
                box = thing.bounding_box
                theirs = (box.x, box.y, box.x + box.width, box.y + box.height)
                if (
                    thing.object_class == "person"
                    and thing.track_id is not None
                    and intersection_over_union(s.box.tolist(), theirs) >= 0.5
                ):
                    votes[thing.track_id] += 1
        # Of equals the lower number, so that the order of votes does not decide.
        return min(votes, key=lambda track: (-votes[track], track)) if votes else None

    def gestures(self) -> tuple[GestureSpan, ...]:
        """Stretches of each gesture of each person that last long enough, in the order of time."""
        found = []
        for track, seen in self._tracks.items():
            held: dict[tuple[str, Side | None], list[tuple[_Seen, Hit]]] = {}
            for s in seen:
                for hit in s.hits:
                    held.setdefault((hit.name, hit.side), []).append((s, hit))
            for (name, side), times in held.items():
                for span in presence([self._spans[s.frame] for s, _ in times], self._settings.bridge_s):
                    own = [hit for s, hit in times if self._inside(s, span)]
                    if span.duration_s >= self._shortest(name) - 1e-6:
                        found.append(_gesture_span(span, name, side, track, own))
        return tuple(sorted(found, key=lambda g: (g.start_time, g.end_time, g.track_id, g.gesture, g.side or "")))

    def _shortest(self, name: str) -> float:
        posture = _KINDS.get(name) == "posture"
        return self._settings.min_posture_s if posture else self._settings.min_gesture_s

    def _inside(self, seen: _Seen, span: TimedSpan) -> bool:
        own = self._spans[seen.frame]
        return own is not None and span.start_time - 1e-6 <= own[0] < span.end_time

    def nearness(self) -> tuple[NearnessSpan, ...]:
        """Stretches of one class of nearness for each person, in the order of time."""
        found = []
        for track, seen in self._tracks.items():
            known = [(s, ratio) for s in seen if (ratio := self._ratio(s)) is not None]
            keys = [self.nearness_of(ratio) for _, ratio in known]
            for key, (start, end) in runs(keys, [self._spans[s.frame] for s, _ in known]):
                own = [r for s, r in known if start - 1e-6 <= self._times[s.frame] < end]
                if key is not None and own:
                    found.append(
                        NearnessSpan(
                            start_time=start,
                            end_time=end,
                            track_id=track,
                            nearness=key,
                            size_ratio=float(np.mean(own)),
                        )
                    )
        return tuple(sorted(found, key=lambda n: (n.start_time, n.end_time, n.track_id)))


def _gesture_span(span: TimedSpan, name: str, side: Side | None, track: int, hits: Sequence[Hit]) -> GestureSpan:
    return GestureSpan(
        start_time=span.start_time,
        end_time=span.end_time,
        gesture=name,
        kind=_KINDS.get(name, "gesture"),
        side=side,
        track_id=track,
        score=min(1.0, float(np.mean([hit.score for hit in hits]))),
        samples=len(hits),
    )


def _keypoint(name: str, joint: Float32Array) -> Keypoint:
    placed = bool(np.isfinite(joint[:2]).all())
    return Keypoint(
        name=name,
        x=float(joint[0]) if placed else None,
        y=float(joint[1]) if placed else None,
        confidence=float(joint[2]),
    )
