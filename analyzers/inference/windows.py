"""Cuts a chunk into the parts that a model describes one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from media.types import FrameChunk, UInt8Array


@dataclass(frozen=True, eq=False)
class Window:
    """One part.

    Attributes:
        start_s: Of its span, inside the chunk.
        end_s: Exclusive.
        frames: uint8 (N, H, W, 3) RGB, N at least 1.
    """

    start_s: float
    end_s: float
    frames: UInt8Array


def windows_of(chunk: FrameChunk, length_s: float, most_frames: int) -> list[Window]:
    """The chunk's own frames by cells of a grid of ``length_s``, evenly thinned to ``most_frames``; in order of time.

    The grid begins at zero, so that parts do not depend on the length of chunks as long as that is a multiple of
    ``length_s``. A cell that a chunk's border divides gives a part on either side: no replica sees both.
    """
    times = chunk.batch.own_pts_s
    cells = np.floor(times / length_s + 1e-9).astype(np.int64)
    windows = []
    for cell in np.unique(cells):
        own = np.flatnonzero(cells == cell)
        if len(own) > most_frames:
            own = own[((np.arange(most_frames) + 0.5) * len(own) / most_frames).astype(np.int64)]
        start = max(chunk.start_s, float(cell) * length_s)
        end = min(chunk.end_s, float(cell + 1) * length_s)
        windows.append(Window(start, end, chunk.batch.own[own]))
    return windows
