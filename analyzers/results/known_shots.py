"""The shots that ``cut_analysis`` found, for analyzers that come after it."""

from __future__ import annotations

from analyzers.base import Context
from analyzers.cut_analysis import CutAnalysisResult


def known_shots(context: Context) -> list[tuple[float, float]] | None:
    """(start, end) of each shot in seconds, in order; None where the cuts are not known."""
    cuts = context.results.get("cut_analysis")
    if not isinstance(cuts, CutAnalysisResult) or not cuts.shots:
        return None
    return [(shot.start_time, shot.end_time) for shot in cuts.shots]
