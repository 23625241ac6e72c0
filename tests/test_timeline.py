"""The fused time line tiles the video and puts each item where it belongs."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reducer.timeline import fuse
from schema.document import TimelineItem


def item(start: float, end: float, label: str = "x", channel: str = "seen") -> TimelineItem:
    return TimelineItem(start_time=start, end_time=end, channel=channel, analyzer="a", label=label)


def test_shots_are_the_entries_where_cuts_are_known() -> None:
    entries = fuse([item(1.0, 2.5, "over the cut"), item(2.5, 2.6, "b", "written")], 4.0, [2.0])
    assert [(e.start_time, e.end_time, e.basis) for e in entries] == [(0.0, 2.0, "shot"), (2.0, 4.0, "shot")]
    assert [[i.label for i in e.seen] for e in entries] == [["over the cut"], ["over the cut"]]
    assert [[i.label for i in e.written] for e in entries] == [[], ["b"]]


def test_seconds_are_the_entries_where_they_are_not() -> None:
    entries = fuse([item(1.0, 2.0)], 2.5, None)
    assert [(e.start_time, e.end_time) for e in entries] == [(0.0, 1.0), (1.0, 2.0), (2.0, 2.5)]
    assert [len(e.seen) for e in entries] == [0, 1, 0]  # half-open: it ends where the third begins


def test_what_lies_behind_the_end_is_dropped() -> None:
    assert [len(e.seen) for e in fuse([item(3.0, 4.0), item(0.5, 9.0)], 2.0, [])] == [1]


def test_nothing_without_length() -> None:
    assert fuse([item(0.0, 1.0)], 0.0, None) == ()


spans = st.tuples(st.floats(0.0, 20.0), st.floats(0.01, 5.0)).map(lambda t: item(t[0], t[0] + t[1]))


@given(st.lists(spans, max_size=8), st.floats(0.1, 20.0), st.lists(st.floats(0.0, 25.0), max_size=6) | st.none())
def test_entries_tile_the_video_and_lose_nothing(
    items: list[TimelineItem], duration_s: float, cuts: list[float] | None
) -> None:
    entries = fuse(items, duration_s, cuts)
    assert entries[0].start_time == 0.0
    assert entries[-1].end_time == duration_s
    assert all(a.end_time == b.start_time for a, b in itertools.pairwise(entries))
    for entry in entries:
        expected = [i for i in items if i.start_time < entry.end_time and i.end_time > entry.start_time]
        assert sorted(map(id, entry.seen)) == sorted(map(id, expected))


@pytest.mark.parametrize("cut", [0.0, 2.0, 1e-4, 2.0 - 1e-4])
def test_a_cut_at_the_very_edge_makes_no_crumb(cut: float) -> None:
    assert len(fuse([], 2.0, [cut])) == 1
