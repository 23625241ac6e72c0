"""The energy curve of ``temporal_flow``, and the measures that it is made from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analyzers.signal.pacing import Scale, cut_density
from analyzers.story.inputs import Inputs, Series
from schema.base import TimedSpan, UnitScore

STEP_S = 0.5
"""Step of the energy curve; that of the curves it is made from."""


class EnergyPoint(TimedSpan):
    """Energy in half a second: mean of its components, each in [0, 1]; null where one of them is unknown."""

    energy: UnitScore | None
    motion: UnitScore | None
    cuts: UnitScore | None
    loudness: UnitScore | None


class EnergyCurve:
    """The energy curve of one clip, and what it is made from.

    Args:
        inputs: What is known.
        duration_s: Of the clip.
        scale: How motion, cuts and loudness become numbers in [0, 1].
        cuts_reach_s: Cuts within this time around a moment make its cut rate.
        min_known_share: A component that is known for less of the time is left out.

    Attributes:
        values: float64 (T,), energy of each half second, NaN where unknown.
        left_out: Components that were left out, with the reason.
    """

    def __init__(
        self, inputs: Inputs, duration_s: float, scale: Scale, cuts_reach_s: float, min_known_share: float
    ) -> None:
        self._inputs = inputs
        self._duration_s = duration_s
        count = max(1, int(np.ceil(duration_s / STEP_S - 1e-9)))
        starts = np.arange(count) * STEP_S
        self._edges = [(float(a), min(float(a) + STEP_S, duration_s)) for a in starts]
        middles = np.array([0.5 * (a + b) for a, b in self._edges])
        unknown = np.full(count, np.nan)
        self._motion = scale.motion(inputs.motion.at(middles)) if inputs.motion else unknown
        self._loudness = scale.loudness(inputs.loudness.at(middles)) if inputs.loudness else unknown
        self._cuts = unknown
        if inputs.cuts_s is not None:
            self._cuts = scale.cuts(cut_density(inputs.cuts_s, middles, cuts_reach_s, duration_s))
        known = {
            name: float((~np.isnan(row)).mean())
            for name, row in (("motion", self._motion), ("cuts", self._cuts), ("loudness", self._loudness))
        }
        used = [getattr(self, f"_{name}") for name, share in known.items() if share >= min_known_share]
        # Where a component is unknown the energy is, too: without it the others' mean would be another measure.
        self.values = np.mean(used, axis=0) if used else unknown
        self.left_out = tuple(
            f"energy without {name}: known for {share:.0%} of the time"
            for name, share in known.items()
            if 0.0 < share < min_known_share
        )

    def points(self) -> list[EnergyPoint]:
        """The curve; empty where nothing is known."""
        if np.isnan(self.values).all():
            return []
        return [
            EnergyPoint(
                start_time=a,
                end_time=b,
                energy=_known(energy),
                motion=_known(motion),
                cuts=_known(cuts),
                loudness=_known(loudness),
            )
            for (a, b), energy, motion, cuts, loudness in zip(
                self._edges, self.values, self._motion, self._cuts, self._loudness, strict=True
            )
        ]

    def mean(self, start_s: float, end_s: float) -> float | None:
        """Mean energy over the steps whose middle lies in the span."""
        return Series(0.0, STEP_S, self.values).mean(start_s, end_s)

    def motion_mean(self, start_s: float, end_s: float) -> float | None:
        """Mean speed in picture units per second."""
        return self._inputs.motion.mean(start_s, end_s) if self._inputs.motion else None

    def motion_score(self, start_s: float, end_s: float) -> float | None:
        """Mean motion component."""
        return Series(0.0, STEP_S, self._motion).mean(start_s, end_s)

    def loudness_mean(self, start_s: float, end_s: float) -> float | None:
        """Level of the mean power in LUFS."""
        if self._inputs.loudness is None:
            return None
        series = self._inputs.loudness
        power = replace(series, values=10.0 ** (series.values / 10.0)).mean(start_s, end_s)
        return None if power is None else 10.0 * float(np.log10(power))

    def loudness_jump(self) -> float | None:
        """Between the first and the last half second, in LU."""
        first = self.loudness_mean(0.0, STEP_S)
        last = self.loudness_mean(self._duration_s - STEP_S, self._duration_s)
        return None if first is None or last is None else abs(first - last)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else min(1.0, max(0.0, float(value)))
