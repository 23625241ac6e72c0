from __future__ import annotations

import itertools
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import Interpolation

from media.decode import decode_video, video_decodes
from media.limits import MediaLimits
from media.needs import EveryFrame, FrameNeed, Needs, Rate, Spread
from media.plan import plan_decode
from media.types import ChunkHeader, DecodeReport
from schema.errors import AnalyzerSystemError, DecodeFailed, NotAVideo
from tests.decoded import Decoded, decode, facts_of
from tests.made_media import (
    TICK,
    Sound,
    clicks,
    make_sound,
    make_video,
    mux_png,
    number_picture,
    read_number,
    zero_png,
)
from tests.media_folder import media

EVERY = FrameNeed(EveryFrame(), 64)
EVERY_GRAY = FrameNeed(EveryFrame(), 64, "gray")
STEADY = [i / 25 for i in range(60)]

# ---- identity: the right picture at the right time --------------------------------------------------------------


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


# ---- colour ------------------------------------------------------------------------------------------------------

PRIMARIES = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 120, 40)]


@pytest.mark.parametrize("matrix", [1, 5, 6], ids=["bt709", "bt470bg", "smpte170m"])
@pytest.mark.parametrize("colour_range", [1, 2], ids=["limited", "full"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_tagged_colours_come_back(tmp_path: Path, matrix: int, colour_range: int, pix_fmt: str) -> None:
    pictures = [np.full((64, 96, 3), rgb, np.uint8) for rgb in PRIMARIES]
    path = tmp_path / "c.mp4"
    make_video(path, STEADY[: len(PRIMARIES)], pictures=pictures, pix_fmt=pix_fmt, colour=(matrix, colour_range))
    out = decode(path, EVERY, FrameNeed(EveryFrame(), 32), EVERY_GRAY)
    for rendition in (0, 1):
        got = [p.mean(axis=(0, 1)) for p in out.pictures(rendition)]
        assert np.abs(np.array(got) - PRIMARIES).max() <= 4  # 8-bit Y'CbCr and the encoder's own quantisation
    kr, kb = (0.2126, 0.0722) if matrix == 1 else (0.299, 0.114)
    luma = [kr * r + (1 - kr - kb) * g + kb * b for r, g, b in PRIMARIES]
    assert [p.mean() for p in out.pictures(2)] == pytest.approx(luma, abs=3)


REAL_P99, PATTERN_P99 = 6.0, 20.0
PARITY_MEAN = 1.5
"""Levels of 255 between our small pictures and swscale's full RGB scaled by OpenCV's INTER_AREA, mean and 99th
percentile. Rounding to 8 bits twice gives 1; the rest stands at edges of strong colour, where swscale interpolates
4:2:0 chroma bicubically before scaling and we average it. Test patterns are made of such edges."""

PARITY_CLIPS = [
    ("tc/nasa_13013.mp4", 160, REAL_P99),
    ("intel/asl_yes.mkv", 180, REAL_P99),  # full range
    ("tfjs/pose_squats.mp4", 320, REAL_P99),
    ("moviepy/fire2.mp4", 180, REAL_P99),  # upside down
    ("lipnet/bbaf2n.mpg", 288, REAL_P99),  # not scaled
    ("tc/h264_10bits.mp4", 100, PATTERN_P99),
    ("tc/testsrc2_odd_height_and_width_444.mp4", 120, PATTERN_P99),
    ("tc/testsrc2_odd_height_and_width_444.mp4", 241, PATTERN_P99),
]


@pytest.mark.parametrize(("name", "short_side", "p99"), PARITY_CLIPS)
def test_small_pictures_match_full_conversion_then_scaling(name: str, short_side: int, p99: float) -> None:
    path = media(name)
    out = decode(path, FrameNeed(EveryFrame(), short_side), FrameNeed(EveryFrame(), short_side, "gray"))
    hd = min(out.facts.width or 0, out.facts.height or 0) >= 720
    matrix, weights = (1, [0.2126, 0.7152, 0.0722]) if hd or name == "tc/nasa_13013.mp4" else (5, [0.299, 0.587, 0.114])
    exact = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    with av.open(str(path)) as container:
        frames = container.decode(container.streams.best("video"))
        for number, frame in itertools.islice(enumerate(frames), 0, 20, 4):
            full = frame.reformat(format="rgb24", src_colorspace=matrix, interpolation=exact).to_ndarray()
            full = np.rot90(full, -out.facts.rotation_deg // 90)
            picture = out.pictures()[number]
            expected = cv2.resize(np.ascontiguousarray(full), picture.shape[1::-1], interpolation=cv2.INTER_AREA)
            difference = np.abs(picture.astype(int) - expected)
            assert difference.mean() <= PARITY_MEAN
            assert np.percentile(difference, 99) <= p99
            assert np.abs(out.pictures(1)[number] - expected @ weights).mean() <= PARITY_MEAN


# ---- time --------------------------------------------------------------------------------------------------------


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


# ---- spread ------------------------------------------------------------------------------------------------------


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


# ---- what is wrong with the file ---------------------------------------------------------------------------------


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


# ---- limits ------------------------------------------------------------------------------------------------------


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


# ---- protocol ----------------------------------------------------------------------------------------------------


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
    before = len(list(Path("/proc/self/fd").iterdir()))
    items.close()  # type: ignore[attr-defined]
    assert len(list(Path("/proc/self/fd").iterdir())) == before - 1


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


@pytest.mark.parametrize("seed", range(6))
def test_damaged_files_give_items_or_a_typed_error(tmp_path: Path, seed: int) -> None:
    """Bytes flipped, cut out, added or cut off: whatever comes out keeps the protocol, and nothing else is raised."""
    chance = random.Random(seed)
    name, made = [("a.mp4", {}), ("a.ts", {}), ("v.webm", {"codec": "libvpx"}), ("h.mkv", {"codec": "libx265"})][
        seed % 4
    ]
    sound = Sound(clicks([0.3], 1.0, 48_000), 48_000, codec="libopus" if name.endswith("webm") else "aac")
    whole = make_video(tmp_path / name, STEADY[:25], sound=sound, **made).read_bytes()
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
