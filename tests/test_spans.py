"""Stretches of time and of samples, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analyzers.signal.spans import Span, join, overlap_s, runs


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ([], []),
        ([0, 0], []),
        ([1, 1], [(0, 2)]),
        ([0, 1, 1, 0, 1], [(1, 3), (4, 5)]),
    ],
)
def test_runs(mask: list[int], expected: list[tuple[int, int]]) -> None:
    assert runs(np.array(mask, bool)) == expected


@pytest.mark.parametrize(
    ("max_gap_s", "expected"),
    [(0.0, [(0.0, 2.0), (3.0, 4.0)]), (0.99, [(0.0, 2.0), (3.0, 4.0)]), (1.0, [(0.0, 4.0)])],
)
def test_spans_are_joined_over_gaps(max_gap_s: float, expected: list[Span]) -> None:
    assert join([(3.0, 4.0), (0.0, 1.5), (1.0, 2.0), (0.5, 1.0)], max_gap_s) == expected


def test_overlap_counts_the_time_inside() -> None:
    assert overlap_s((1.0, 4.0), [(0.0, 1.5), (2.0, 2.25), (3.5, 9.0), (9.0, 10.0)]) == pytest.approx(0.5 + 0.25 + 0.5)
    assert overlap_s((1.0, 4.0), [(0.0, 1.0), (4.0, 5.0)]) == 0.0
