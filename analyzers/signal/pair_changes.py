"""Changes of the frames of one run against the frames before, measured where they are asked for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analyzers.signal.frame_change import ChangeMeter
from analyzers.signal.frame_sketch import Sketches, block_changes, mean_changes, neighbours, suspects
from media.types import Float32Array, Float64Array, Int64Array


class PairChanges:
    """The changes within one uninterrupted run; entry i of each array is that from frame i - 1 to i.

    What was not measured, since it was not asked for or its pictures were not kept, is 0.

    Attributes:
        sketches: The run.
        sizes: float64 (N,), mean change of the thumbnails, in levels summed over Y', Cb, Cr; 0 for the first frame.
        suspects: int64 (K,), frames that may begin a shot.
        still: float32 (N, R, C), change of each block, in levels summed over Y', Cb, Cr.
        moved: float32 (N, R, C), the same after motion compensation; never above ``still``.
        likeness: float32 (N,), correlation of luma, in [-1, 1].
        moved_likeness: float32 (N,), the same after motion compensation.
        moved_change: float32 (N,), mean difference after motion compensation, without any pardon, in levels.
    """

    def __init__(self, sketches: Sketches, meter: ChangeMeter) -> None:
        self.sketches = sketches
        self._meter = meter
        changes = block_changes(sketches.thumbs)
        self.sizes: Float64Array = mean_changes(changes)
        self.suspects: Int64Array = suspects(changes)
        n = len(sketches)
        self.still: Float32Array = np.zeros((n, *meter.blocks(sketches.pictures)), np.float32)
        self.moved: Float32Array = np.zeros_like(self.still)
        self.likeness, self.moved_likeness, self.moved_change = np.zeros((3, n), np.float32)
        self._known: npt.NDArray[np.bool_] = np.zeros(n, bool)
        # The first frame has none before it.
        self._known[0] = True

    def measure(self, frames: Int64Array) -> None:
        """Measures the changes to these frames whose pictures were kept."""
        place = self.sketches.place
        at = np.unique(frames)
        at = at[~self._known[at]]
        at = at[(place[at] >= 0) & (place[at - 1] >= 0)]
        if not len(at):
            return
        self.still[at], self.moved[at], figures = self._meter.measure(self.sketches.pictures, place[at - 1], place[at])
        self.likeness[at], self.moved_likeness[at], self.moved_change[at] = figures.T
        self._known[at] = True

    def measure_around(self, frames: Int64Array) -> None:
        """Measures what the changes to these frames are compared with."""
        sizes: list[float] = self.sizes.tolist()
        wanted = {near for i in frames.tolist() for near in neighbours(sizes, i, sizes[i])}
        if wanted:
            self.measure(np.array(sorted(wanted)))
