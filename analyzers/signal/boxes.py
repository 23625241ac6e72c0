"""Upright boxes as the places of their corners: what two of them share."""

from __future__ import annotations

from collections.abc import Sequence

Corners = Sequence[float]
"""x0, y0, x1, y1; whole px have the last two exclusive."""


def area(box: Corners) -> float:
    """Area in px."""
    return (box[2] - box[0]) * (box[3] - box[1])


def shared_area(first: Corners, second: Corners) -> float:
    """Area in px that lies in both."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(0.0, width) * max(0.0, height)


def intersection_over_union(first: Corners, second: Corners) -> float:
    """Shared area over joint area, in [0, 1]; 0 for two boxes without any area."""
    shared = shared_area(first, second)
    joint = area(first) + area(second) - shared
    return shared / joint if joint > 0.0 else 0.0


def share_of_smaller(first: Corners, second: Corners) -> float:
    """Shared area over the area of the smaller box, in [0, 1]. Both have an area."""
    return shared_area(first, second) / min(area(first), area(second))
