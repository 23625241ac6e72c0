"""Assembly of chunks from any sequence of pictures, against brute force and against the arrays that tests use."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.assemble import Assembly
from media.decode_source import Losses, Picture
from media.limits import MediaLimits
from media.needs import EveryFrame, FrameNeed, Needs, Rate, Spread
from media.plan import plan_decode
from media.timestamps import FrameClock
from media.types import ChunkHeader, FrameBatch
from schema.document import VideoFacts
from tests.run import frame_chunks

SIZE = (24, 16)


class FakeSource:
    """Pictures at given container times; each is filled with its number."""

    name = "fake"
    start_s = 0.0
    tick_s = 1e-6
    frame_s = 0.04

    def __init__(self, times: list[float | None], last_s: float | None = 0.04) -> None:
        self.losses = Losses()
        self._times = times
        self._last_s = last_s

    def pictures(self) -> Iterator[Picture]:
        for number, time_s in enumerate(self._times):
            last = number == len(self._times) - 1
            yield Picture(time_s, self._last_s if last else None, *SIZE, number)

    def render(self, picture: Picture, wanted: list[tuple[tuple[int, int], Any]]) -> list[Any]:
        return [
            np.full((size[1], size[0], 3) if colour == "rgb" else size[::-1], picture.frame % 256, np.uint8)
            for size, colour in wanted
        ]


def assemble(
    times: list[float | None], *needs: FrameNeed, chunk_s: float, last_s: float | None = 0.04
) -> tuple[list[tuple[ChunkHeader, list[FrameBatch]]], Assembly]:
    facts = VideoFacts(container="fake", duration_s=1.0, width=SIZE[0], height=SIZE[1])
    plan = plan_decode({str(i): Needs((need,)) for i, need in enumerate(needs)}, facts, chunk_s)
    assembly = Assembly(FakeSource(times, last_s), Path("none"), plan, facts, MediaLimits())
    chunks: list[tuple[ChunkHeader, list[FrameBatch]]] = []
    for item in assembly.items():
        if isinstance(item, ChunkHeader):
            chunks.append((item, []))
        else:
            chunks[-1][1].append(item)
    return chunks, assembly


TIMES = st.lists(st.integers(0, 8_000), min_size=1, max_size=60, unique=True).map(
    lambda ms: [t / 1000 for t in sorted([0, *ms[1:]])]
)
NEED = st.builds(
    FrameNeed,
    st.one_of(st.just(EveryFrame()), st.sampled_from([0.5, 1.0, 3.0, 7.5, 30.0]).map(Rate)),
    st.just(16),
    st.sampled_from(["rgb", "gray"]),
)


@settings(max_examples=150, deadline=None)
@given(TIMES, st.lists(NEED, min_size=1, max_size=3, unique=True), st.sampled_from([0.25, 0.7, 1.0, 2.0, 10.0]))
def test_chunks_hold_exactly_the_sampled_frames(times: list[float], needs: list[FrameNeed], chunk_s: float) -> None:
    times = sorted(set(times))
    chunks, assembly = assemble(list(times), *needs, chunk_s=chunk_s)
    headers = [header for header, _ in chunks]
    assert [h.index for h in headers] == list(range(len(headers)))
    assert headers[0].start_s == 0.0
    assert all(a.end_s == b.start_s and a.end_s > a.start_s for a, b in itertools.pairwise(headers))
    assert headers[-1].end_s == pytest.approx(assembly.end_s)
    for rendition, need in enumerate(needs):
        wanted = _brute_force(times, need)
        got: list[int] = []
        for header, batches in chunks:
            batch = batches[rendition]
            own = [int(i) for i in batch.own_index]
            assert own == [
                i for i in wanted if header.index * chunk_s <= times[i] + 1e-9 < (header.index + 1) * chunk_s
            ]
            assert header.counts[rendition] == len(own)
            assert [int(i) for i in batch.index[: batch.carried]] == (got[-1:] if own and got else [])
            assert list(batch.pts_s) == [times[int(i)] for i in batch.index]
            assert [int(p.flat[0]) for p in batch.frames] == [int(i) % 256 for i in batch.index]
            got += own
        assert got == wanted


def _brute_force(times: list[float], need: FrameNeed) -> list[int]:
    if isinstance(need.sampling, EveryFrame):
        return list(range(len(times)))
    assert isinstance(need.sampling, Rate)
    fps = need.sampling.fps
    slots = [math.floor(t * fps + 1e-6) for t in times]
    return [i for i in range(len(times)) if i == 0 or slots[i] > slots[i - 1]]


@settings(max_examples=100, deadline=None)
@given(TIMES, NEED, st.sampled_from([0.3, 1.0, 4.0]))
def test_the_chunk_length_changes_nothing_but_the_cuts(times: list[float], need: FrameNeed, chunk_s: float) -> None:
    times = sorted(set(times))
    short, long = (
        [int(i) for _, (batch,) in assemble(list(times), need, chunk_s=c)[0] for i in batch.own_index]
        for c in (chunk_s, 100.0)
    )
    assert short == long


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(-5.0, 250.0)), min_size=1, max_size=50))
def test_times_always_rise_from_zero_on(times: list[float | None]) -> None:
    clock = FrameClock(0.0, 1e-3, 0.04)
    placed = []
    for pts_s in times:
        placed.append(clock.next_time(pts_s))
        clock.place(placed[-1], None)
    assert placed[0] >= 0.0
    assert all(b > a for a, b in itertools.pairwise(placed))
    assert clock.end_s > placed[-1]


def test_the_clock() -> None:
    def run(*pts: float | None, start_s: float = 0.0) -> list[float]:
        clock = FrameClock(start_s, 0.001, 0.04)
        out = []
        for p in pts:
            out.append(clock.next_time(p))
            clock.place(out[-1], None)
        return out

    assert run(0.0, 0.04, 0.08) == [0.0, 0.04, 0.08]
    assert run(10.0, 10.5, start_s=10.0) == [0.0, 0.5]
    assert run(None, None, None) == pytest.approx([0.0, 0.04, 0.08])  # no time stamps at all
    assert run(0.0, None, 0.1) == pytest.approx([0.0, 0.04, 0.1])
    assert run(0.0, 0.1, 0.1, 0.2) == pytest.approx([0.0, 0.1, 0.101, 0.2])  # twice the same
    assert run(0.0, 0.1, 0.05, 0.2) == pytest.approx([0.0, 0.1, 0.101, 0.2])  # out of order
    assert run(0.0, 5.0, 0.0, 0.1) == pytest.approx([0.0, 5.0, 5.04, 5.14])  # a clock that starts anew
    assert run(-0.3, 0.04) == [0.0, 0.04]


def test_the_end_is_the_last_frames_duration_or_the_usual_gap() -> None:
    assert assemble([0.0, 0.1, 0.2], FrameNeed(EveryFrame(), 16), chunk_s=1, last_s=0.3)[1].end_s == pytest.approx(0.5)
    assert assemble([0.0, 0.1, 0.2], FrameNeed(EveryFrame(), 16), chunk_s=1, last_s=None)[1].end_s == pytest.approx(0.3)
    assert assemble([0.0], FrameNeed(EveryFrame(), 16), chunk_s=1, last_s=None)[1].end_s == pytest.approx(0.04)


@pytest.mark.parametrize("chunk_s", [0.5, 2.0, 100.0])
@pytest.mark.parametrize("need", [FrameNeed(EveryFrame(), 16), FrameNeed(Rate(6), 16, "gray"), FrameNeed(Rate(2), 16)])
def test_arrays_in_tests_are_cut_as_files_are(need: FrameNeed, chunk_s: float) -> None:
    """``tests.run.frame_chunks`` promises this to every analyzer's tests."""
    fps, n = 25.0, 130
    frames = np.stack([np.full((SIZE[1], SIZE[0], 3), i, np.uint8) for i in range(n)])
    expected = [chunk for chunk in frame_chunks(frames, fps, (need,), chunk_s) if len(chunk.batch)]
    chunks, _ = assemble([i / fps for i in range(n)], need, chunk_s=chunk_s)
    assert len(chunks) == len(expected)
    for (header, (batch,)), chunk in zip(chunks, expected, strict=True):
        assert header.index == chunk.index
        assert header.start_s == pytest.approx(chunk.start_s)
        assert header.end_s == pytest.approx(chunk.end_s)
        assert np.array_equal(batch.index, chunk.batch.index)
        assert batch.carried == chunk.batch.carried
        assert np.array_equal(batch.frames, chunk.batch.frames)
        assert batch.pts_s == pytest.approx(chunk.batch.pts_s)


def test_spread_in_test_arrays_is_that_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    fps, n = 25.0, 130
    frames = np.stack([np.full((SIZE[1], SIZE[0], 3), i, np.uint8) for i in range(n)])
    monkeypatch.setattr(Assembly, "_length_s", lambda self: n / fps)
    for count in (1, 3, 8, 16):
        need = FrameNeed(Spread(count), 16)
        (expected,) = frame_chunks(frames, fps, (need,), 2.0)
        chunks, _ = assemble([i / fps for i in range(n)], need, chunk_s=2.0)
        assert abs(chunks[-1][1][0].index - expected.batch.index).max() <= 1  # ties
