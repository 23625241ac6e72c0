"""What ``object_detection`` found in one chunk: its observation, which other analyzers read too.

Readers name ``object_detection`` in ``upstream`` and take ``chunk.upstream["object_detection"]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from media.types import Float32Array, Float64Array


@dataclass(frozen=True, eq=False)
class FrameDetections:
    """The boxes of one frame, best first.

    Attributes:
        time_s: Presentation time of the frame, in seconds from the video's start.
        boxes: float32 (N, 4): left, top, right, bottom in px of the upright source picture, inside it.
        scores: float32 (N,) in [0, 1].
        class_names: N names of classes.
    """

    time_s: float
    boxes: Float32Array
    scores: Float32Array
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        """Number of boxes."""
        return len(self.boxes)

    def of(self, names: frozenset[str]) -> FrameDetections:
        """Those of the named classes, in the same order."""
        kept = [i for i, name in enumerate(self.class_names) if name in names]
        return FrameDetections(
            self.time_s, self.boxes[kept], self.scores[kept], tuple(self.class_names[i] for i in kept)
        )


@dataclass(frozen=True, eq=False)
class Detections:
    """The boxes of all own frames of one chunk, as flat arrays: small to send.

    Attributes:
        pts_s: float64 (F,) times of the chunk's own frames, also of those without a box.
        counts: int32 (F,) number of boxes of each frame; M in all.
        boxes: float32 (M, 4): left, top, right, bottom in px of the upright source picture, frame after frame.
        scores: float32 (M,) in [0, 1]; within a frame from high to low.
        classes: int32 (M,), indices into ``names``.
        names: Names of the classes that occur.
    """

    pts_s: Float64Array
    counts: npt.NDArray[np.int32]
    boxes: Float32Array
    scores: Float32Array
    classes: npt.NDArray[np.int32]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        found = len(self.boxes)
        if self.counts.shape != self.pts_s.shape or int(self.counts.sum()) != found:
            raise ValueError(
                f"Detections: {len(self.pts_s)} frames and {found} boxes, but counts {self.counts.tolist()}"
            )
        if self.scores.shape != (found,) or self.classes.shape != (found,) or self.boxes.shape != (found, 4):
            raise ValueError(
                f"Detections: boxes {self.boxes.shape}, scores {self.scores.shape}, classes {self.classes.shape}"
            )

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.pts_s)

    def frames(self) -> Iterator[FrameDetections]:
        """Frame after frame, in the order of time."""
        ends = np.cumsum(self.counts)
        for time_s, count, end in zip(self.pts_s, self.counts, ends, strict=True):
            part = slice(int(end - count), int(end))
            names = tuple(self.names[c] for c in self.classes[part])
            yield FrameDetections(float(time_s), self.boxes[part], self.scores[part], names)


def pack_detections(frames: Sequence[FrameDetections]) -> Detections:
    """The frames of one chunk, in the order of time, as flat arrays."""
    names = tuple(dict.fromkeys(name for frame in frames for name in frame.class_names))
    place = {name: i for i, name in enumerate(names)}
    return Detections(
        pts_s=np.array([frame.time_s for frame in frames], np.float64),
        counts=np.array([len(frame) for frame in frames], np.int32),
        boxes=np.concatenate([np.zeros((0, 4), np.float32), *[frame.boxes for frame in frames]]),
        scores=np.concatenate([np.zeros(0, np.float32), *[frame.scores for frame in frames]]),
        classes=np.array([place[name] for frame in frames for name in frame.class_names], np.int32),
        names=names,
    )
