"""Stretches of time as pairs of seconds, and of samples as pairs of indices: where a mask holds, joined, shared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Span = tuple[float, float]
"""Half-open, in seconds."""


def runs(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open index ranges where ``mask`` (bool (N,)) holds."""
    steps = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in steps.reshape(-1, 2)]


def join(spans: Sequence[Span], max_gap_s: float) -> list[Span]:
    """Union of the spans, sorted; gaps up to ``max_gap_s`` are closed."""
    joined: list[Span] = []
    for a, b in sorted(spans):
        if joined and a - joined[-1][1] <= max_gap_s:
            joined[-1] = (joined[-1][0], max(b, joined[-1][1]))
        else:
            joined.append((a, b))
    return joined


def overlap_s(span: Span, others: Sequence[Span]) -> float:
    """Seconds of ``span`` that lie in ``others``, which are disjoint."""
    return sum(max(0.0, min(span[1], b) - max(span[0], a)) for a, b in others)
