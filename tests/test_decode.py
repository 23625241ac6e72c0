"""Decoding made files: the right picture, upright, whatever the codec; and the protocol of the items."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.decode import decode_video, video_decodes
from media.limits import MediaLimits
from media.needs import EveryFrame, FrameNeed, Needs, Rate, Spread
from media.plan import plan_decode
from media.types import ChunkHeader, DecodeReport
from tests.decoded import EVERY, EVERY_GRAY, STEADY, Decoded, decode, facts_of
from tests.made_media import TICK, make_video, number_picture, read_number
from tests.media_folder import media


def test_each_frame_comes_once_with_its_number_and_time(tmp_path: Path) -> None:
    out = decode(make_video(tmp_path / "a.mp4", STEADY), EVERY, EVERY_GRAY, chunk_s=1.0)
    for rendition in (0, 1):
        assert out.numbers(rendition) == list(range(60))
        assert out.index(rendition) == list(range(60))
        assert out.times(rendition) == pytest.approx(STEADY, abs=float(TICK))
    assert out.report.frames_decoded == 60
    assert out.report.end_s == pytest.approx(2.4, abs=1e-4)
    assert not out.report.variable_frame_rate
    assert not out.report.truncated
    assert out.report.error == ""
    assert out.report.corrupt_frames == 0


CODECS: list[tuple[str, dict[str, Any]]] = [
    ("h264.mp4", {}),
    ("h264.mkv", {}),
    ("h264.mov", {}),
    ("h264.ts", {}),
    ("h264.flv", {"tick": Fraction(1, 1000)}),
    ("hevc.mp4", {"codec": "libx265"}),
    ("vp8.webm", {"codec": "libvpx"}),
    ("vp9.webm", {"codec": "libvpx-vp9"}),
    ("av1.mp4", {"codec": "libsvtav1"}),
    ("av1.webm", {"codec": "libsvtav1"}),
    ("gif.gif", {"codec": "gif", "pix_fmt": "rgb8", "tick": Fraction(1, 100)}),
    ("mpeg4.avi", {"codec": "mpeg4", "tick": Fraction(1, 25)}),
    ("mpeg2.mpg", {"codec": "mpeg2video", "tick": Fraction(1, 25)}),
    ("wmv.wmv", {"codec": "wmv2", "tick": Fraction(1, 25)}),
    ("mjpeg.mov", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    ("prores.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}),
    ("rgb.mkv", {"codec": "libx264rgb", "pix_fmt": "rgb24"}),
    ("ffv1.mkv", {"codec": "ffv1", "pix_fmt": "bgr0"}),
    ("h264_10bit.mp4", {"pix_fmt": "yuv420p10le"}),
    ("hevc_10bit.mp4", {"codec": "libx265", "pix_fmt": "yuv420p10le"}),
    ("h264_444.mp4", {"pix_fmt": "yuv444p"}),
    ("h264_422.mp4", {"pix_fmt": "yuv422p"}),
    ("h264_full_range.mp4", {"pix_fmt": "yuvj420p"}),
    ("vp9_odd.webm", {"codec": "libvpx-vp9", "size": (97, 65)}),
    ("h264_444_odd.mp4", {"pix_fmt": "yuv444p", "size": (97, 65)}),
    ("h264_no_b.mp4", {"options": {"bf": "0", "crf": "8"}}),
]


@pytest.mark.parametrize(("name", "made"), CODECS, ids=[name for name, _ in CODECS])
def test_every_container_and_codec_gives_the_same_numbers_and_times(
    tmp_path: Path, name: str, made: dict[str, Any]
) -> None:
    out = decode(make_video(tmp_path / name, STEADY[:30], **made), EVERY, FrameNeed(Rate(5), 48, "gray"), chunk_s=0.5)
    assert out.numbers(0) == list(range(30))
    assert out.numbers(1) == list(range(0, 30, 5))
    assert out.times(0) == pytest.approx(STEADY[:30], abs=0.0011)  # Matroska and FLV count whole milliseconds
    assert out.report.end_s == pytest.approx(1.2, abs=0.0011)
    assert out.report.variable_frame_rate is False
    width, height = made.get("size", (96, 64))
    assert (out.facts.width, out.facts.height) == (width, height)
    assert out.batches(0)[0].frames.shape[1:] == (
        min(height, 64),
        width if height <= 64 else round(width * 64 / height),
        3,
    )
    assert (out.batches(0)[0].source_width, out.batches(0)[0].source_height) == (width, height)


@pytest.mark.parametrize(("ccw", "clockwise"), [(0, 0), (90, 270), (-90, 90), (180, 180)])
def test_pictures_are_upright_whatever_the_display_matrix_says(tmp_path: Path, ccw: int, clockwise: int) -> None:
    width, height = (64, 96) if clockwise in (90, 270) else (96, 64)
    stored = [np.ascontiguousarray(np.rot90(number_picture(i, width, height), clockwise // 90)) for i in range(6)]
    path = make_video(tmp_path / "r.mp4", STEADY[:6], rotation_ccw_deg=ccw, pictures=stored)
    out = decode(path, EVERY, EVERY_GRAY, FrameNeed(EveryFrame(), 40), FrameNeed(Spread(2), 64))
    assert out.facts.rotation_deg == clockwise
    assert (out.facts.width, out.facts.height) == (width, height)
    assert [out.numbers(i) for i in (0, 1, 2)] == [list(range(6))] * 3
    assert [read_number(p) for p in out.spread[1][0].own] == [1, 4]
    assert out.pictures(2)[0].shape == ((60, 40, 3) if clockwise in (90, 270) else (40, 60, 3))


def test_a_mirrored_display_matrix_is_undone(tmp_path: Path) -> None:
    stored = [np.ascontiguousarray(number_picture(i, 96, 64)[:, ::-1]) for i in range(4)]
    path = make_video(tmp_path / "m.mp4", STEADY[:4], pictures=stored)
    data = bytearray(path.read_bytes())
    matrix = np.array([0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000], ">i4").tobytes()
    at = data.index(matrix, data.index(b"tkhd"))
    data[at : at + 4] = np.array([-0x10000], ">i4").tobytes()
    path.write_bytes(data)
    out = decode(path, EVERY)
    assert out.numbers() == [0, 1, 2, 3]
    assert out.facts.rotation_deg == 0


def test_interlaced_pictures_show_one_field_without_combing(tmp_path: Path) -> None:
    top, bottom = number_picture(5, 96, 64), number_picture(10, 96, 64)
    woven = top.copy()
    woven[1::2] = bottom[1::2]
    path = make_video(
        tmp_path / "i.mkv",
        STEADY[:5],
        codec="mpeg2video",
        pictures=[woven] * 5,
        tick=Fraction(1, 25),
        options={"flags": "+ilme+ildct", "b": "8M", "qmax": "2"},
    )
    out = decode(path, EVERY, EVERY_GRAY)
    assert out.facts.interlaced is True
    assert out.numbers(0) == out.numbers(1) == [5] * 5
    assert out.pictures(0)[0].shape == (64, 96, 3)


def test_header_batches_spread_report(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY)
    facts = facts_of(path)
    needs = {"a": Needs(frames=(EVERY, FrameNeed(Rate(2), 48, "gray"))), "b": Needs(frames=(FrameNeed(Spread(3), 32),))}
    plan = plan_decode(needs, facts, 1.0)
    before = video_decodes()
    items = list(decode_video(path, plan, facts, MediaLimits()))
    assert video_decodes() == before + 1
    kinds = ["H" if isinstance(i, ChunkHeader) else "R" if isinstance(i, DecodeReport) else "b" for i in items]
    assert "".join(kinds) == "Hbb" * 3 + "Hb" + "R"
    report = items[-1]
    assert isinstance(report, DecodeReport)
    assert report.video_decodes == 1
    assert report.decoder.startswith("pyav ")
    batches = [i for i in items if not isinstance(i, (ChunkHeader, DecodeReport))]
    assert report.bytes_out == sum(b.frames.nbytes for b in batches)
    assert all(b.frames.flags.c_contiguous and not b.frames.flags.writeable for b in batches)
    assert report.cpu_s > 0
    assert report.wall_s > 0


@pytest.mark.parametrize("threads", [1, 2, 0])
def test_a_second_pass_gives_the_same_items(tmp_path: Path, threads: int) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY)
    _assert_same(*(decode(path, EVERY, FrameNeed(Spread(4), 48), threads=t) for t in (1, threads)))


def _assert_same(one: Decoded, two: Decoded) -> None:
    assert [h for h, _ in one.items] == [h for h, _ in two.items]
    for (_, a), (_, b) in zip(one.items, two.items, strict=True):
        for x, y in zip(a, b, strict=True):
            assert np.array_equal(x.frames, y.frames)
            assert np.array_equal(x.pts_s, y.pts_s)
            assert np.array_equal(x.index, y.index)
            assert x.carried == y.carried


def test_a_consumer_that_stops_leaves_nothing_open(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY)
    facts = facts_of(path)
    plan = plan_decode({"a": Needs(frames=(EVERY,))}, facts, 0.5)
    items = decode_video(path, plan, facts, MediaLimits())
    next(items)
    assert times_open(path) == 1
    items.close()  # type: ignore[attr-defined]
    assert times_open(path) == 0


def times_open(path: Path) -> int:
    """Descriptors of this process that lead to the file. Others come and go as Python clears up behind other tests."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one of this listing
            found += descriptor.samefile(path)
    return found


def test_an_unknown_decoder_is_named(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY[:3])
    with pytest.raises(ValueError, match="opencv"):
        decode(path, EVERY, decoder="opencv")  # type: ignore[arg-type]


def test_the_default_stream_of_several_is_decoded() -> None:
    out = decode(media("tc/nasa_13013.mp4"), FrameNeed(Rate(1), 64))
    assert (out.facts.width, out.facts.height) == (480, 270)  # published: stream 3 is the default one
    assert out.report.frames_decoded == 390
    assert out.facts.video_streams == 2
    assert out.facts.audio_streams == 2
