"""Joints of people whose boxes ``object_detection`` found in the same chunk."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from analyzers.results.detections import Detections, FrameDetections
from analyzers.results.poses import FramePoses, Poses, pack_poses
from media.types import Float32Array, FrameChunk, UInt8Array

PERSON = frozenset({"person"})

SAME_TIME_S = 1e-3
"""Two times of one frame differ by rounding only."""

GivenBoxes = list[tuple[int, FrameDetections]]
"""Own frames of a chunk by number, with the people that were seen at their time."""


def given_boxes(chunk: FrameChunk, min_score: float, most: int) -> GivenBoxes | None:
    """The people of each frame that ``object_detection`` sampled too; None where it gave nothing for this chunk.

    Args:
        chunk: With its ``upstream``.
        min_score: Score from which a box counts.
        most: Most people of one frame, those of the best score.
    """
    detections = chunk.upstream.get("object_detection")
    if not isinstance(detections, Detections):
        return None
    found = []
    for frame in detections.frames():
        near = np.flatnonzero(np.abs(chunk.batch.own_pts_s - frame.time_s) <= SAME_TIME_S)
        if len(near):
            people = frame.of(PERSON)
            kept = np.flatnonzero(people.scores >= min_score)[:most]
            names = tuple(people.class_names[i] for i in kept)
            found.append((int(near[0]), FrameDetections(frame.time_s, people.boxes[kept], people.scores[kept], names)))
    return found


def pose_in_boxes(
    run: Callable[[Sequence[tuple[UInt8Array, Float32Array]]], Sequence[Float32Array]],
    chunks: Sequence[FrameChunk],
    boxes: Sequence[GivenBoxes | None],
    most: int,
) -> list[Poses]:
    """One observation for each chunk, in px of the source; frames that were not sampled upstream are left out.

    Args:
        run: From people (a frame and a box in its px) to as many joints, float32 (17, 3) in px of the frame.
        chunks: Of one video or several.
        boxes: Of each chunk, see ``given_boxes``; in px of the source.
        most: Most people of one call.
    """
    places = [(c, k, seen) for c, given in enumerate(boxes) for k, seen in given or ()]
    people = [
        (chunks[c].batch.own[k], seen.boxes[i] / to_source(chunks[c]))
        for c, k, seen in places
        for i in range(len(seen))
    ]
    joints = [j for first in range(0, len(people), most) for j in run(people[first : first + most])]
    frames: list[list[FramePoses]] = [[] for _ in chunks]
    taken = 0
    for c, _, seen in places:
        own = np.array(joints[taken : taken + len(seen)], np.float32).reshape(-1, 17, 3)
        taken += len(seen)
        own[..., :2] *= to_source(chunks[c])[:2]
        frames[c].append(FramePoses(seen.time_s, seen.boxes, seen.scores, own))
    return [pack_poses(own, boxes_missing=given is None) for own, given in zip(frames, boxes, strict=True)]


def to_source(chunk: FrameChunk) -> Float32Array:
    """float32 (4,): factors for x, y, x, y from pixels of the rendition to pixels of the source."""
    x, y = chunk.batch.to_source
    return np.array([x, y, x, y], np.float32)
