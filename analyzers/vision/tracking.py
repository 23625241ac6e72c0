"""Which boxes of neighbouring frames are one thing: ByteTrack (Zhang et al., ECCV 2022).

The implementation is ``ByteTrackTracker`` of the package ``trackers`` (Apache-2.0), which takes real time stamps, so
uneven sampling and lost stretches are no special case. It gives a track its number with the second sighting; here the
first sighting gets that number too. A thing that is seen once only has no track.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from media.types import Float32Array, Int64Array

if TYPE_CHECKING:
    from trackers import ByteTrackTracker

UNTRACKED = -1
"""Stands in arrays for a box without a track."""


@dataclass(frozen=True)
class TimedBoxes:
    """The boxes of one frame that may be one and the same kind of thing.

    Attributes:
        time_s: Of the frame.
        boxes: float32 (N, 4): left, top, right, bottom in px.
        scores: float32 (N,) in [0, 1].
    """

    time_s: float
    boxes: Float32Array
    scores: Float32Array


@dataclass(frozen=True)
class TrackSettings:
    """How boxes become tracks.

    Attributes:
        rate_hz: Frames per second that were asked for; motion is predicted in steps of this.
        sure_score: Score from which a box is matched first, and may begin a track.
        min_iou: Least overlap (intersection over union) of a box with where its track is expected.
        lost_s: Seconds after which a track that no box continues has ended.
    """

    rate_hz: float
    sure_score: float
    min_iou: float
    lost_s: float


def import_tracker() -> None:
    """Imports the package, so that a first video does not pay for it."""
    import trackers  # noqa: F401


def follow(frames: Sequence[TimedBoxes], settings: TrackSettings, cuts_s: Sequence[float] = ()) -> list[Int64Array]:
    """The track of each box.

    Args:
        frames: In the order of time, also those without a box.
        settings: See there.
        cuts_s: Times at which a new shot begins; no track goes across one.

    Returns:
        int64 (N,) for each frame, in the order of its boxes: numbers from 0 in the order in which tracks begin, or
        ``UNTRACKED``.
    """
    numbers = [np.full(len(frame.boxes), UNTRACKED, np.int64) for frame in frames]
    bounds = np.searchsorted([f.time_s for f in frames], np.asarray(sorted(cuts_s), float) - 1e-6)
    first = 0
    for shot in np.split(np.arange(len(frames)), bounds):
        if len(shot):
            _Shot(settings, first).run(frames, numbers, shot)
            first = max([first, *[int(n.max()) + 1 for n in numbers if len(n)]])
    return renumbered(numbers)


def renumbered(numbers: Sequence[Int64Array]) -> list[Int64Array]:
    """The same tracks, numbered from 0 in the order in which they begin (within a frame: of its boxes)."""
    order: dict[int, int] = {}
    for number in chain.from_iterable(frame.tolist() for frame in numbers):
        if number != UNTRACKED:
            order.setdefault(number, len(order))
    return [np.array([order.get(n, UNTRACKED) for n in frame.tolist()], np.int64) for frame in numbers]


class _Shot:
    """Tracks within one shot."""

    def __init__(self, settings: TrackSettings, first: int) -> None:
        from trackers import ByteTrackTracker

        self._settings = settings
        self._first = first
        # Its buffer counts frames at 30 per second whatever the rate; with time stamps it compares seconds.
        self._tracker: ByteTrackTracker = ByteTrackTracker(
            lost_track_buffer=round(30.0 * settings.lost_s),
            frame_rate=settings.rate_hz,
            track_activation_threshold=settings.sure_score,
            minimum_consecutive_frames=1,
            minimum_iou_threshold=settings.min_iou,
            high_conf_det_threshold=settings.sure_score,
        )
        self._born: list[tuple[Any, int, int]] = []

    def run(self, frames: Sequence[TimedBoxes], numbers: list[Int64Array], shot: Int64Array) -> None:
        """Writes the track of each box of the shot's frames into ``numbers``."""
        import supervision as sv

        for k in map(int, shot):
            boxes, scores = frames[k].boxes, frames[k].scores
            rows = np.arange(len(boxes))
            found = self._tracker.update(
                sv.Detections(xyxy=boxes.astype(np.float32), confidence=scores.astype(np.float32), data={"row": rows}),
                timestamp=frames[k].time_s,
            )
            # Rows come back in another order; `row` says which they were.
            order = np.asarray(found.data.get("row", rows[:0]), np.int64)
            given = np.asarray(found.tracker_id, np.int64)
            numbers[k][order[given >= 0]] = self._first + given[given >= 0]
            self._number_first_sightings(numbers)
            # A box that is sure and continues no track begins one; new tracks stand last, in the order of those rows.
            new = [int(r) for r in order[given < 0] if scores[r] >= self._settings.sure_score]
            begun = self._tracker.tracks[len(self._tracker.tracks) - len(new) :]
            self._born += [(tracklet, k, row) for tracklet, row in zip(begun, new, strict=True)]

    def _number_first_sightings(self, numbers: list[Int64Array]) -> None:
        waiting = []
        for tracklet, k, row in self._born:
            if tracklet.tracker_id >= 0:
                numbers[k][row] = self._first + int(tracklet.tracker_id)
            elif any(tracklet is alive for alive in self._tracker.tracks):
                waiting.append((tracklet, k, row))
        self._born = waiting
