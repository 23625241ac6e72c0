"""Time: frame times, chunks, carried frames, sampling, joined and shifted clocks, spread frames."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from media.needs import FrameNeed, Rate, Spread
from tests.decoded import EVERY, STEADY, decode, facts_of
from tests.made_media import TICK, Sound, clicks, make_video, read_number


@pytest.mark.parametrize(
    "times",
    [
        [0.0, 0.04, 0.5, 0.54, 3.2, 3.24, 7.9],  # two chunks of one second and more without any frame
        [0.0, 1.0, 2.0, 3.0],
        [0.0, 0.999, 1.0, 1.001, 1.999, 2.0],  # at the borders
        [0.0],
    ],
)
def test_variable_frame_rate_and_empty_chunks(tmp_path: Path, times: list[float]) -> None:
    path = make_video(tmp_path / "v.mp4", times, last_s=0.5, options={"bf": "0", "crf": "8"})
    out = decode(path, EVERY, FrameNeed(Rate(1), 64), chunk_s=1.0)
    assert out.times() == pytest.approx(times, abs=float(TICK))
    assert out.numbers() == list(range(len(times)))
    headers = [header for header, _ in out.chunks]
    assert [h.index for h in headers] == list(range(int(np.ceil(times[-1] + 0.5 - 1e-6))))
    for header, batches in out.chunks:
        expected = [i for i, t in enumerate(times) if header.index <= t < header.index + 1]
        assert [int(i) for i in batches[0].own_index] == expected
        assert header.counts == tuple(len(b) for b in batches)
    assert out.report.variable_frame_rate is (len({round(b - a, 3) for a, b in itertools.pairwise(times)}) > 1)
    assert out.report.end_s == pytest.approx(times[-1] + 0.5, abs=1e-3)


def test_chunks_tile_the_time_line(tmp_path: Path) -> None:
    out = decode(make_video(tmp_path / "a.mp4", STEADY), EVERY, chunk_s=0.7)
    spans = [(h.start_s, h.end_s) for h, _ in out.chunks]
    assert spans[0][0] == 0.0
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    assert spans[-1][1] == pytest.approx(out.report.end_s)
    assert all(h.kind == "chunk" and h.renditions == out.plan.running for h, _ in out.chunks)


@pytest.mark.parametrize("chunk_s", [0.1, 0.5, 1.0, 10.0])
def test_carried_frame_is_the_last_one_delivered_before(tmp_path: Path, chunk_s: float) -> None:
    times = [*STEADY[:20], *[3.0 + t for t in STEADY[:20]]]  # a gap of over two seconds
    needs = (EVERY, FrameNeed(Rate(3), 64), FrameNeed(Rate(0.6), 48, "gray"))
    out = decode(make_video(tmp_path / "a.mp4", times), *needs, chunk_s=chunk_s)
    for rendition in range(3):
        seen: list[int] = []
        for batch in out.batches(rendition):
            assert batch.carried == (1 if len(batch) and seen else 0)
            numbers = [read_number(picture) for picture in batch.frames]
            assert numbers == (seen[-1:] if batch.carried else []) + numbers[batch.carried :]
            assert [int(i) for i in batch.index] == numbers
            assert np.all(np.diff(batch.pts_s) > 0)
            seen += numbers[batch.carried :]
            if len(batch) == 0:
                assert batch.frames.shape[0] == 0
                assert batch.frames.ndim == (3 if rendition == 2 else 4)


@pytest.mark.parametrize("fps", [0.5, 1.0, 2.0, 3.0, 6.0, 12.5, 24.0, 25.0, 60.0])
def test_rate_takes_the_first_frame_at_or_after_each_multiple(tmp_path: Path, fps: float) -> None:
    times = sorted({round(t * 90_000) / 90_000 for t in [*STEADY, 2.41, 2.43, 2.46, 5.0, 5.001, 6.3]})
    out = decode(make_video(tmp_path / "a.mp4", times), FrameNeed(Rate(fps), 64), chunk_s=0.9)
    expected = []
    slot = 0
    while slot / fps <= times[-1]:
        at_or_after = [i for i, t in enumerate(times) if t >= slot / fps - 1e-6]
        first = at_or_after[0]
        if times[first] < (slot + 1) / fps - 1e-6:  # else it is the next slot's frame
            expected.append(first)
        slot += 1
    assert out.index() == sorted(set(expected))
    assert out.numbers() == out.index()


@pytest.mark.parametrize("start_s", [0.0, 8.333, 1000.0])
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_time_starts_at_the_containers_start(tmp_path: Path, name: str, start_s: float) -> None:
    path = make_video(tmp_path / name, [start_s + t for t in STEADY[:20]])
    out = decode(path, EVERY)
    assert out.times() == pytest.approx(STEADY[:20], abs=0.0011)
    assert out.numbers() == list(range(20))
    assert out.facts.duration_s == pytest.approx(0.8, abs=0.05)


def test_pictures_that_start_behind_the_sound_keep_their_distance(tmp_path: Path) -> None:
    sound = Sound(clicks([0.5], 3.0, 48_000), 48_000, codec="pcm_s16le")
    path = make_video(tmp_path / "late.mkv", [1.5 + t for t in STEADY[:20]], sound=sound)
    out = decode(path, EVERY, chunk_s=1.0)
    assert out.times()[0] == pytest.approx(1.5, abs=0.0011)
    assert [len(b) for b in out.batches()] == [0, 13, 7]  # 1.5 ... 1.98 and 2.02 ... 2.26


def test_streams_joined_end_to_end_go_on_in_time(tmp_path: Path) -> None:
    first = make_video(tmp_path / "1.ts", STEADY[:25])
    second = make_video(tmp_path / "2.ts", STEADY[:25], first_number=25)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    out = decode(joined, EVERY, facts=facts_of(first))
    assert out.numbers() == list(range(50))
    assert np.all(np.diff(out.times()) > 0)
    assert out.report.end_s == pytest.approx(2.0, abs=0.1)


def test_edit_list_hides_the_frames_before_it(tmp_path: Path) -> None:
    times = [t - 0.4 for t in STEADY[:40]]
    path = make_video(tmp_path / "e.mp4", times, container_options={"avoid_negative_ts": "disabled"})
    out = decode(path, EVERY)
    assert out.numbers() == list(range(10, 40))
    assert out.times() == pytest.approx(STEADY[:30], abs=1e-3)


@pytest.mark.parametrize("count", [1, 3, 8, 16, 100])
@pytest.mark.parametrize(
    "times", [STEADY, [0.0, 0.1, 0.2, 1.9, 2.0, 4.0, 4.04, 9.0], [0.0]], ids=["steady", "vfr", "one"]
)
def test_spread_takes_the_frames_nearest_to_the_middles(tmp_path: Path, times: list[float], count: int) -> None:
    out = decode(make_video(tmp_path / "s.mp4", times), FrameNeed(Spread(count), 64), EVERY)
    end_s = out.report.end_s
    middles = [(i + 0.5) / count * end_s for i in range(count)]
    nearest = {int(np.argmin([round(abs(t - middle), 5) for t in times])) for middle in middles}
    header, (batch,) = out.spread
    assert sorted(nearest) == [int(i) for i in batch.index] == [read_number(p) for p in batch.frames]
    assert header.counts == (len(nearest),)
    assert (header.start_s, header.end_s) == (0.0, end_s)
    assert batch.carried == 0
    assert out.index(1) == list(range(len(times)))


def test_spread_covers_what_is_there_when_the_file_is_cut_short(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "w.mkv", [i / 25 for i in range(250)], options={"crf": "8", "g": "5"})
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    out = decode(cut, FrameNeed(Spread(8), 64))
    assert out.facts.declared_duration_s == pytest.approx(10.0, abs=0.01)
    assert out.report.truncated
    numbers = [read_number(p) for p in out.spread[1][0].frames]
    end = out.report.frames_decoded
    assert numbers == pytest.approx([(i + 0.5) / 8 * end for i in range(8)], abs=1.0)
