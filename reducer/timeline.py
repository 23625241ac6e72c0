"""The fused time line: per shot (or per second) what is seen, said, written and heard."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from schema.document import Channel, TimelineEntry, TimelineItem

MIN_ENTRY_S = 1e-3
"""A stretch shorter than a millisecond is a rounding crumb and joins its neighbour."""


def fuse(
    items: Iterable[TimelineItem], duration_s: float, cut_times_s: Sequence[float] | None
) -> tuple[TimelineEntry, ...]:
    """Entries that tile ``[0, duration_s)``, each with every item that overlaps it.

    Args:
        items: Of all analyzers; what lies outside the video is dropped.
        duration_s: Length of the video.
        cut_times_s: Borders of shots; None where they are not known, then each second is an entry.
    """
    if duration_s <= 0.0:
        return ()
    inside = sorted(
        (i for i in items if i.start_time < duration_s), key=lambda i: (i.start_time, i.end_time, i.analyzer)
    )
    borders = _borders(duration_s, cut_times_s)
    cells: list[dict[Channel, list[TimelineItem]]] = [
        {"seen": [], "said": [], "written": [], "heard": []} for _ in borders[1:]
    ]
    for item in inside:
        first = max(0, bisect_right(borders, item.start_time) - 1)
        last = min(len(cells), bisect_left(borders, item.end_time))
        for cell in cells[first : max(last, first + 1)]:
            cell[item.channel].append(item)
    return tuple(
        TimelineEntry(
            index=index,
            start_time=start,
            end_time=end,
            basis="second" if cut_times_s is None else "shot",
            seen=tuple(cell["seen"]),
            said=tuple(cell["said"]),
            written=tuple(cell["written"]),
            heard=tuple(cell["heard"]),
        )
        for index, (start, end, cell) in enumerate(zip(borders, borders[1:], cells, strict=False))
    )


def _borders(duration_s: float, cut_times_s: Sequence[float] | None) -> list[float]:
    wanted = range(1, math.ceil(duration_s)) if cut_times_s is None else sorted(cut_times_s)
    borders = [0.0]
    for time_s in wanted:
        if time_s - borders[-1] > MIN_ENTRY_S and duration_s - time_s > MIN_ENTRY_S:
            borders.append(float(time_s))
    return [*borders, duration_s]
