"""Truncated, damaged and hostile files while decoding, and the limits."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import cv2
import numpy as np
import pytest

from media.decode import decode_video
from media.limits import MediaLimits
from media.needs import FrameNeed, Needs, Rate, Spread
from media.plan import plan_decode
from schema.errors import AnalyzerSystemError, DecodeFailed, NotAVideo
from tests.decoded import EVERY, EVERY_GRAY, STEADY, decode, facts_of
from tests.made_media import Sound, clicks, make_sound, make_video, mux_png, number_picture, zero_png


@pytest.mark.parametrize("name", ["t.mkv", "t.ts", "t.mp4"])
def test_truncated_file_gives_its_frames_and_says_so(tmp_path: Path, name: str) -> None:
    options = {"movflags": "+faststart"} if name == "t.mp4" else None
    whole = make_video(tmp_path / name, [i / 25 for i in range(250)], container_options=options)
    facts = facts_of(whole)
    cut = tmp_path / f"cut_{name}"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    out = decode(cut, EVERY, FrameNeed(Rate(2), 64), facts=facts)
    assert out.report.truncated
    assert 50 < out.report.frames_decoded < 200
    good = out.report.frames_decoded - 2  # the last ones may be damaged
    assert out.numbers()[:good] == list(range(good))
    assert out.report.end_s == pytest.approx(out.report.frames_decoded / 25, abs=0.15)
    assert out.chunks[-1][0].end_s == pytest.approx(out.report.end_s)


def test_a_whole_file_is_not_called_truncated_when_its_sound_goes_on(tmp_path: Path) -> None:
    sound = Sound(clicks([0.5], 4.0, 48_000), 48_000, codec="libopus")
    path = make_video(tmp_path / "long_sound.webm", STEADY[:50], codec="libvpx", sound=sound)
    data = path.read_bytes()
    assert b"DURATION" in data  # of the streams; without them only the container's length is known
    path.write_bytes(data.replace(b"DURATION", b"DURATIOX"))
    out = decode(path, EVERY)
    assert out.facts.declared_duration_s == pytest.approx(4.0, abs=0.1)
    assert out.report.end_s == pytest.approx(2.0, abs=0.01)
    assert not out.report.truncated


def test_damage_in_the_middle_is_told_and_the_rest_decoded(tmp_path: Path) -> None:
    packets = [_png(i) for i in range(20)]
    packets[7] = packets[7][:40] + b"\xff" * 60
    packets[8] = b"nothing"
    out = decode(mux_png(tmp_path / "d.mov", (96, 64), packets), EVERY)
    assert out.report.error
    assert not out.report.truncated
    assert out.numbers() == [i for i in range(20) if i not in (7, 8)]
    assert out.times()[-1] == pytest.approx(19 / 25, abs=1e-3)


def _png(number: int) -> bytes:

    return bytes(cv2.imencode(".png", number_picture(number, 96, 64)[..., ::-1])[1])


def test_nothing_decodable_is_an_error(tmp_path: Path) -> None:
    path = mux_png(tmp_path / "n.mov", (96, 64), [b"nothing"] * 5)
    with pytest.raises(DecodeFailed, match="no picture"):
        decode(path, EVERY)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = make_sound(tmp_path / "s.wav", Sound(clicks([0.1], 1.0, 8000), 8000, codec="pcm_s16le"))
    facts = facts_of(path)
    assert not facts.has_video
    plan = plan_decode({"a": Needs(frames=(EVERY,))}, facts, 2.0)
    assert plan.renditions == ()
    with pytest.raises(NotAVideo, match="sound without pictures"):
        list(decode_video(path, plan, facts, MediaLimits()))


@pytest.mark.parametrize(("width", "height"), [(48, 32), (192, 128), (64, 96)])
def test_a_change_of_size_is_scaled_to_the_first_size(tmp_path: Path, width: int, height: int) -> None:
    packets = [_png(i) for i in range(5)]

    packets += [bytes(cv2.imencode(".png", number_picture(i, width, height)[..., ::-1])[1]) for i in range(5, 10)]
    out = decode(mux_png(tmp_path / "s.mov", (96, 64), packets), EVERY, FrameNeed(Spread(4), 64))
    assert out.numbers() == list(range(10))
    assert {p.shape for p in out.pictures()} == {(64, 96, 3)}
    assert (out.batches()[0].source_width, out.batches()[0].source_height) == (96, 64)


def test_joined_streams_of_different_size_are_scaled_to_the_first(tmp_path: Path) -> None:
    first = make_video(tmp_path / "1.ts", STEADY[:12])
    second = make_video(tmp_path / "2.ts", STEADY[:12], size=(192, 128), first_number=12)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    out = decode(joined, EVERY, EVERY_GRAY, facts=facts_of(first), threads=2)
    assert out.numbers(0) == out.numbers(1) == list(range(24))
    assert {p.shape for p in out.pictures()} == {(64, 96, 3)}


def test_limits_hold_while_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY)
    facts = facts_of(path)
    frames = decode(path, EVERY, limits=MediaLimits(max_frames=17), facts=facts)
    assert frames.report.frames_decoded == 17
    assert frames.numbers() == list(range(17))
    assert frames.report.truncated
    assert "17 pictures" in frames.report.error
    seconds = decode(path, EVERY, limits=MediaLimits(max_duration_s=1.0), facts=facts)
    assert seconds.report.frames_decoded == 26
    assert seconds.report.truncated
    assert "1 s" in seconds.report.error
    clock = itertools.count()
    monkeypatch.setattr("media.assemble.time.process_time", lambda: float(next(clock)))  # one second for each frame
    time = decode(path, EVERY, limits=MediaLimits(decode_timeout_s=10.0), facts=facts)
    assert time.numbers() == list(range(10))
    assert time.report.truncated
    assert "10 s of processor time" in time.report.error


def test_a_picture_over_the_limit_behind_an_honest_header_is_not_decoded(tmp_path: Path) -> None:
    path = mux_png(tmp_path / "p.mov", (96, 64), [_png(0), zero_png(12_000, 12_000), _png(2)])
    out = decode(path, EVERY)
    assert out.numbers() == [0, 2]
    assert out.report.error


def test_a_jump_far_ahead_ends_the_pass(tmp_path: Path) -> None:
    path = make_video(tmp_path / "j.mkv", [*STEADY[:10], 4000.0])
    facts = facts_of(make_video(tmp_path / "k.mkv", STEADY))
    out = decode(path, EVERY, facts=facts)
    assert out.numbers() == list(range(10))
    assert out.report.truncated
    assert out.report.end_s <= 300.04


def test_a_chunk_that_grows_too_large_is_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY)
    whole = decode(path, EVERY, FrameNeed(Rate(5), 32), chunk_s=1.0)
    monkeypatch.setattr("media.assemble.MAX_CHUNK_BYTES", 8 * 96 * 64 * 3)
    split = decode(path, EVERY, FrameNeed(Rate(5), 32), chunk_s=1.0)
    assert max(len(b) for b in split.batches()) <= 9
    assert split.numbers(0) == whole.numbers(0)
    assert split.numbers(1) == whole.numbers(1)
    headers = [h for h, _ in split.chunks]
    assert [h.index for h in headers] == list(range(len(headers)))
    assert all(a.end_s == b.start_s for a, b in itertools.pairwise(headers))
    assert {1.0, 2.0} <= {h.start_s for h in headers}


@pytest.mark.parametrize("seed", range(6))
def test_damaged_files_give_items_or_a_typed_error(tmp_path: Path, seed: int) -> None:
    """Bytes flipped, cut out, added or cut off: whatever comes out keeps the protocol, and nothing else is raised."""
    chance = random.Random(seed)
    name, codec = [("a.mp4", "libx264"), ("a.ts", "libx264"), ("v.webm", "libvpx"), ("h.mkv", "libx265")][seed % 4]
    sound = Sound(clicks([0.3], 1.0, 48_000), 48_000, codec="libopus" if name.endswith("webm") else "aac")
    whole = make_video(tmp_path / name, STEADY[:25], sound=sound, codec=codec).read_bytes()
    outcomes = set()
    for _ in range(25):
        path = tmp_path / f"damaged{Path(name).suffix}"
        path.write_bytes(_damaged(bytearray(whole), chance))
        try:
            out = decode(path, EVERY, FrameNeed(Rate(5), 32, "gray"), FrameNeed(Spread(3), 64), chunk_s=0.4)
        except AnalyzerSystemError as error:
            outcomes.add(error.code)
            continue
        outcomes.add("decoded")
        headers = [header for header, _ in out.chunks]
        assert [h.index for h in headers] == list(range(len(headers)))
        assert headers[0].start_s == 0.0
        assert all(a.end_s == b.start_s and a.end_s > a.start_s for a, b in itertools.pairwise(headers))
        assert headers[-1].end_s == pytest.approx(out.report.end_s)
        times = out.times()
        assert len(times) == out.report.frames_decoded
        assert np.all(np.diff(times) > 0)
        assert times[0] >= 0.0
        assert times[-1] < out.report.end_s
    assert "decoded" in outcomes
    assert outcomes <= {"decoded", "decode_failed", "not_a_video", "too_long", "too_large", "unsupported_codec"}


def _damaged(data: bytearray, chance: random.Random) -> bytes:
    kind = chance.randrange(4)
    if kind == 0:
        for _ in range(chance.randrange(1, 40)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif kind == 1:  # in the header
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(min(len(data), 3000))] = chance.randrange(256)
    elif kind == 2:
        del data[chance.randrange(len(data)) :]
    else:
        at, length = chance.randrange(len(data)), chance.randrange(1, 400)
        data[at : at + length] = chance.randbytes(length) if chance.random() < 0.5 else b""
    return bytes(data)
