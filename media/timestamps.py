"""Presentation times on the video's own time line: from zero, strictly increasing, whatever the container says."""

from __future__ import annotations

import numpy as np

JUMP_BACK_S = 0.5
"""A step back by more than this is a clock that starts anew (streams joined end to end), not a frame out of order."""

NUDGE_S = 0.001
"""A frame whose time stamp does not lie behind its predecessor's is placed this much behind it, or one tick."""


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

    def next_time(self, pts_s: float | None) -> float:
        """The time of the next frame in presentation order.

        Args:
            pts_s: The container's time; None where it gives none.
        """
        if not self._times:
            return max(0.0, pts_s + self._shift_s) if pts_s is not None else 0.0
        following = self.last_s + (self._last_duration_s or self._frame_s)
        time = following if pts_s is None else pts_s + self._shift_s
        if time < self.last_s - JUMP_BACK_S:
            self._shift_s += following - time
            return following
        return time if time > self.last_s else self.last_s + min(self._tick_s, NUDGE_S)

    def place(self, time_s: float, duration_s: float | None) -> None:
        """Takes the frame at this time.

        Args:
            time_s: From ``next_time``.
            duration_s: How long the frame is shown; None where unknown.
        """
        self._times.append(time_s)
        self._last_duration_s = duration_s

    @property
    def last_s(self) -> float:
        """Time of the last frame; 0 without any."""
        return self._times[-1] if self._times else 0.0

    @property
    def end_s(self) -> float:
        """Last frame's time plus its duration, or plus the median gap where the container gives no duration."""
        if not self._times:
            return 0.0
        gaps = np.diff(self._times)
        usual = float(np.median(gaps)) if len(gaps) else self._frame_s
        return self.last_s + (self._last_duration_s or usual)

    @property
    def variable(self) -> bool:
        """Whether gaps differ by more than the rounding of two time stamps to whole ticks."""
        gaps = np.diff(self._times)
        if len(gaps) < 2:
            return False
        low, high = float(gaps.min()), float(gaps.max())
        return high - low > 1.5 * self._tick_s or high > 1.5 * low
