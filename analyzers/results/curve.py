"""Curves of results, and the way from a sound track's own time to the video's time line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from analyzers.base import Context
from media.types import Float64Array
from schema.base import Finite, Model, Seconds


class Curve(Model):
    """Values in equal steps: entry k is of ``[start_time + k * step_s, start_time + (k + 1) * step_s)``."""

    start_time: Seconds
    step_s: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    values: tuple[Finite | None, ...]
    """Null where there is nothing to measure (silence, no pitch)."""


class SoundPlace:
    """Puts times that count from the first sample on the video's time line.

    Args:
        start_s: Time of the first sample on the video's time line.
        context: Of the video.
    """

    def __init__(self, start_s: float, context: Context) -> None:
        self._start_s = start_s
        self._context = context
        self.duration_s = context.video.duration_s

    def span(self, start_s: float, end_s: float) -> tuple[float, float] | None:
        """The span cut to the video; None when nothing is left."""
        return self._context.span(start_s + self._start_s, end_s + self._start_s)

    def moments(self, times_s: Sequence[float]) -> list[float]:
        """Those inside the video."""
        return [t for s in times_s if 0.0 <= (t := s + self._start_s) < self.duration_s]

    def curve(self, values: Sequence[float | None], step_s: float) -> Curve:
        """The values of those steps that begin inside the video."""
        skipped = max(0, int(np.ceil(-self._start_s / step_s - 1e-9)))
        start_s = max(0.0, self._start_s + skipped * step_s)
        kept = max(0, int(np.ceil((self.duration_s - start_s) / step_s - 1e-9)))
        return Curve(start_time=start_s, step_s=step_s, values=tuple(values[skipped : skipped + kept]))


def means(values: Float64Array, hop_s: float, step_s: float) -> list[float | None]:
    """Mean of the values that lie in each step, without those that are NaN; None where none is left.

    Args:
        values: float64 (N,), value k at ``k * hop_s``.
        hop_s: Step of the values.
        step_s: Step of the means.
    """
    step = (np.arange(len(values)) * hop_s / step_s + 1e-9).astype(np.int64)
    known = np.isfinite(values)
    count = np.bincount(step[known], minlength=int(step[-1]) + 1 if len(step) else 0)
    total = np.bincount(step[known], values[known], minlength=len(count))
    return [float(t / n) if n else None for t, n in zip(total, count, strict=True)]
