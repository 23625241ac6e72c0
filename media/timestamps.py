"""Presentation times on the video's own time line: from zero, strictly increasing, whatever the container says."""

from __future__ import annotations

import numpy as np

from media.types import Float64Array

JUMP_BACK_S = 0.5
"""A step back by more than this is a clock that starts anew (streams joined end to end), not a frame out of order."""


class FrameClock:
    """Gives each decoded frame its time.

    Args:
        start_s: The container's time of the moment called 0.
        tick_s: One unit of the stream's time base.
        frame_s: Expected distance of two frames, for files without time stamps.
    """

    def __init__(self, start_s: float, tick_s: float, frame_s: float) -> None:
        self._shift_s = -start_s
        self._tick_s = tick_s
        self._frame_s = frame_s
        self._times: list[float] = []
        self._last_duration_s: float | None = None

    def place(self, pts_s: float | None, duration_s: float | None) -> float:
        """The time of the next frame in presentation order.

        Args:
            pts_s: The container's time; None where it gives none.
            duration_s: How long the frame is shown; None where unknown.
        """
        last = self._times[-1] if self._times else None
        time = self._next(last) if pts_s is None else pts_s + self._shift_s
        if last is None:
            time = max(0.0, time)
        elif time < last - JUMP_BACK_S:
            again = self._next(last)
            self._shift_s += again - time
            time = again
        elif time <= last:
            time = last + self._tick_s
        self._times.append(time)
        self._last_duration_s = duration_s
        return time

    def _next(self, last: float | None) -> float:
        return 0.0 if last is None else last + (self._last_duration_s or self._frame_s)

    @property
    def times_s(self) -> Float64Array:
        """(N,) times of all frames so far."""
        return np.asarray(self._times, dtype=np.float64)

    @property
    def end_s(self) -> float:
        """Last frame's time plus its duration, or plus the median gap where the container gives no duration."""
        if not self._times:
            return 0.0
        gaps = np.diff(self.times_s)
        usual = float(np.median(gaps)) if len(gaps) else self._frame_s
        return self._times[-1] + (self._last_duration_s or usual)

    @property
    def variable(self) -> bool:
        """Whether gaps differ by more than the rounding of two time stamps to whole ticks."""
        gaps = np.diff(self.times_s)
        if len(gaps) < 2:
            return False
        low, high = float(gaps.min()), float(gaps.max())
        return high - low > 1.5 * self._tick_s or high > 1.5 * low
