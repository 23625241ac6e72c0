"""What ``body_pose`` found in one chunk: its observation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from media.types import Float32Array, Float64Array


@dataclass(frozen=True, eq=False)
class FramePoses:
    """The people of one frame, best first.

    Attributes:
        time_s: Presentation time of the frame, in seconds from the video's start.
        boxes: float32 (N, 4): left, top, right, bottom in px of the upright source picture.
        scores: float32 (N,) in [0, 1], of the boxes.
        joints: float32 (N, 17, 3): x and y in px of the upright source picture and the network's confidence in [0, 1],
            in COCO's order; NaN and 0 for a joint that the network could not place.
    """

    time_s: float
    boxes: Float32Array
    scores: Float32Array
    joints: Float32Array

    def __len__(self) -> int:
        """Number of people."""
        return len(self.boxes)


@dataclass(frozen=True, eq=False)
class Poses:
    """The people of all frames of one chunk that were looked at, as flat arrays.

    Attributes:
        pts_s: float64 (F,) times of the frames, also of those without anybody.
        counts: int32 (F,) people of each frame; M in all.
        boxes: float32 (M, 4), see ``FramePoses``.
        scores: float32 (M,).
        joints: float32 (M, 17, 3).
        boxes_missing: The network needs the boxes of ``object_detection``, and there were none for this chunk; it then
            has no frames.
    """

    pts_s: Float64Array
    counts: npt.NDArray[np.int32]
    boxes: Float32Array
    scores: Float32Array
    joints: Float32Array
    boxes_missing: bool = False

    def frames(self) -> Iterator[FramePoses]:
        """Frame after frame, in the order of time."""
        ends = np.cumsum(self.counts)
        for time_s, count, end in zip(self.pts_s, self.counts, ends, strict=True):
            part = slice(int(end - count), int(end))
            yield FramePoses(float(time_s), self.boxes[part], self.scores[part], self.joints[part])


def pack_poses(frames: Sequence[FramePoses], boxes_missing: bool = False) -> Poses:
    """The frames of one chunk, in the order of time, as flat arrays."""
    return Poses(
        pts_s=np.array([frame.time_s for frame in frames], np.float64),
        counts=np.array([len(frame) for frame in frames], np.int32),
        boxes=np.concatenate([np.zeros((0, 4), np.float32), *[frame.boxes for frame in frames]]),
        scores=np.concatenate([np.zeros(0, np.float32), *[frame.scores for frame in frames]]),
        joints=np.concatenate([np.zeros((0, 17, 3), np.float32), *[frame.joints for frame in frames]]),
        boxes_missing=boxes_missing,
    )
