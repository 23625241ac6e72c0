"""What boxes share, by hand."""

from __future__ import annotations

import pytest

from analyzers.signal.boxes import Corners, area, intersection_over_union, share_of_smaller, shared_area

BOX = (1.0, 2.0, 5.0, 4.0)
"""4 px wide, 2 px high."""


def test_area_by_hand() -> None:
    assert area(BOX) == 8.0
    assert area((3, 3, 3, 9)) == 0


@pytest.mark.parametrize(
    ("other", "shared", "iou", "of_smaller"),
    [
        (BOX, 8.0, 1.0, 1.0),
        ((3.0, 2.0, 7.0, 4.0), 4.0, 4 / 12, 0.5),
        ((3.0, 3.0, 7.0, 5.0), 2.0, 2 / 14, 0.25),
        ((2.0, 2.0, 3.0, 3.0), 1.0, 1 / 8, 1.0),
        ((5.0, 2.0, 9.0, 4.0), 0.0, 0.0, 0.0),
        ((6.0, 5.0, 9.0, 9.0), 0.0, 0.0, 0.0),
    ],
    ids=["itself", "half beside", "a quarter", "inside", "touching", "apart"],
)
def test_two_boxes_by_hand(other: Corners, shared: float, iou: float, of_smaller: float) -> None:
    for first, second in ((BOX, other), (other, BOX)):
        assert shared_area(first, second) == shared
        assert intersection_over_union(first, second) == pytest.approx(iou)
        assert share_of_smaller(first, second) == pytest.approx(of_smaller)


def test_boxes_without_area_share_nothing() -> None:
    assert intersection_over_union((1.0, 1.0, 1.0, 3.0), (1.0, 1.0, 1.0, 3.0)) == 0.0
