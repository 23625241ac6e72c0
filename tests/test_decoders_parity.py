"""decord behind the same interface gives the same items as PyAV, and says plainly where it cannot."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.limits import MediaLimits
from media.needs import EveryFrame, FrameNeed, Rate, Spread
from schema.errors import DecodeFailed, InternalError, NotAVideo, TooLarge, UnsupportedCodec
from tests.decoded import decode, facts_of
from tests.made_media import Sound, clicks, make_video, mux_png, number_picture
from tests.media_folder import media

STEADY = [i / 25 for i in range(50)]
EVERY = FrameNeed(EveryFrame(), 64)

REAL = (4.0, 26.0)
PATTERN = (10.0, 125.0)
"""Levels of 255 between the two back ends' small pictures, mean and 99th percentile. decord scales bicubically, where
we average, takes untagged pictures as BT.601 whatever their size, and repeats chroma where we interpolate it. Test
patterns are made of edges of strong colour, where all three show most."""

CLIPS = [
    ("tc/nasa_13013.mp4", REAL),
    ("tc/nasa_13013_rotated.mp4", REAL),
    ("decord/video_90.mov", REAL),
    ("decord/video_180.mov", REAL),
    ("tc/test_non_zero_start.mp4", PATTERN),
    ("tc/var_fps_video.mp4", PATTERN),
    ("tc/h264_10bits.mp4", PATTERN),
    ("tc/h265_video.mp4", PATTERN),
    ("tc/testsrc2_odd_height_and_width_444.mp4", PATTERN),
    ("tc/discard_first_keyframe.mp4", PATTERN),
    ("intel/asl_yes.mkv", REAL),
    ("moviepy/fire2.mp4", REAL),
    ("tfjs/pose_squats.mp4", REAL),
]


@pytest.fixture(autouse=True)
def _decord() -> Any:
    return pytest.importorskip("decord")


@pytest.mark.parametrize(("name", "tolerance"), CLIPS)
def test_real_clips(name: str, tolerance: tuple[float, float]) -> None:
    needs = (FrameNeed(EveryFrame(), 90), FrameNeed(Rate(5), 48, "gray"), FrameNeed(Spread(3), 90))
    ours, theirs = (decode(media(name), *needs, chunk_s=1.0, decoder=d) for d in ("pyav", "decord"))
    assert theirs.report.decoder.startswith("decord ")
    assert theirs.report.frames_decoded == ours.report.frames_decoded
    assert theirs.report.end_s == pytest.approx(ours.report.end_s, abs=1e-6)
    assert theirs.report.variable_frame_rate is ours.report.variable_frame_rate
    assert [h for h, _ in theirs.items] == [h for h, _ in ours.items]
    for (_, a), (_, b) in zip(ours.items, theirs.items, strict=True):
        for x, y in zip(a, b, strict=True):
            assert x.frames.shape == y.frames.shape
            assert x.pts_s == pytest.approx(y.pts_s, abs=1e-6)
            assert np.array_equal(x.index, y.index)
            assert (x.carried, x.source_width, x.source_height) == (y.carried, y.source_width, y.source_height)
    mine, other = (np.stack(out.pictures()).astype(np.int16) for out in (ours, theirs))
    difference = np.abs(mine - other)
    assert difference.mean() <= tolerance[0]
    assert np.percentile(difference, 99) <= tolerance[1]
    if len(mine) > 8:  # the same picture and not its neighbour
        shifted = [np.abs(mine[3:-3] - other[3 + k : len(other) - 3 + k]).mean() for k in (-3, -2, -1, 0, 1, 2, 3)]
        assert shifted[3] <= min(shifted)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("a.mp4", {}),
        ("a.mkv", {}),
        ("hevc.mp4", {"codec": "libx265"}),
        ("vp8.webm", {"codec": "libvpx"}),
        ("vp9.webm", {"codec": "libvpx-vp9"}),
        ("a.avi", {"codec": "mpeg4", "tick": Fraction(1, 25)}),
        ("10bit.mp4", {"pix_fmt": "yuv420p10le"}),
        ("odd.mp4", {"pix_fmt": "yuv444p", "size": (97, 65)}),
        ("sound.mp4", {"sound": Sound(clicks([0.5], 2.0, 48_000), 48_000)}),
    ],
)
def test_made_clips_give_the_same_numbers(tmp_path: Path, name: str, made: dict[str, Any]) -> None:
    path = make_video(tmp_path / name, STEADY, **made)
    out = decode(path, EVERY, FrameNeed(Rate(5), 48), FrameNeed(Spread(4), 64), chunk_s=0.5, decoder="decord")
    same = decode(path, EVERY, FrameNeed(Rate(5), 48), FrameNeed(Spread(4), 64), chunk_s=0.5)
    assert out.numbers(0) == list(range(50))
    assert out.numbers(1) == same.numbers(1)
    assert out.times(0) == pytest.approx(same.times(0), abs=1e-6)
    assert [h for h, _ in out.items] == [h for h, _ in same.items]


@pytest.mark.parametrize("clockwise", [90, 180, 270])
def test_rotation(tmp_path: Path, clockwise: int) -> None:
    width, height = (64, 96) if clockwise in (90, 270) else (96, 64)
    stored = [np.ascontiguousarray(np.rot90(number_picture(i, width, height), clockwise // 90)) for i in range(6)]
    ccw = {90: -90, 180: 180, 270: 90}[clockwise]
    path = make_video(tmp_path / "r.mp4", STEADY[:6], rotation_ccw_deg=ccw, pictures=stored)
    assert decode(path, EVERY, decoder="decord").numbers() == list(range(6))


def test_variable_frame_rate(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.14, 0.9, 2.5, 2.6]
    path = make_video(tmp_path / "v.mp4", times)
    out = decode(path, EVERY, decoder="decord", chunk_s=1.0)
    assert out.times() == pytest.approx(times, abs=1e-4)
    assert out.numbers() == list(range(6))
    assert [len(b) for b in out.batches()] == [4, 0, 2]


# ---- where decord cannot -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("a.gif", {"codec": "gif", "pix_fmt": "rgb8", "tick": Fraction(1, 100)}),
        ("a.mp4", {"codec": "libsvtav1"}),
        ("a.ts", {}),
        ("a.mpg", {"codec": "mpeg2video", "tick": Fraction(1, 25)}),
        ("narrow.mp4", {"size": (48, 64)}),
    ],
)
def test_what_decord_cannot_read_is_said_with_the_remedy(tmp_path: Path, name: str, made: dict[str, Any]) -> None:
    path = make_video(tmp_path / name, STEADY[:10], **made)
    with pytest.raises(UnsupportedCodec, match="decord cannot read it") as caught:
        decode(path, EVERY, decoder="decord")
    assert "decoder: pyav" in caught.value.action


def test_read_ahead_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY)
    monkeypatch.setattr("media.decord_video.MAX_AHEAD_BYTES", 50 * 96 * 64 * 3 - 1)
    with pytest.raises(TooLarge, match="decode 921600 bytes ahead") as caught:
        decode(path, EVERY, decoder="decord")
    assert "decoder: pyav" in caught.value.action
    monkeypatch.undo()
    assert decode(path, FrameNeed(EveryFrame(), 32), decoder="decord").numbers() == list(range(50))


def test_playlists_do_not_reach_decord(tmp_path: Path) -> None:
    secret = make_video(tmp_path / "secret.ts", STEADY[:5])
    path = tmp_path / "innocent.mp4"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{secret}\n#EXT-X-ENDLIST\n")
    with pytest.raises(NotAVideo):
        decode(path, EVERY, decoder="decord", facts=facts_of(secret))


def test_limits_hold(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY)
    out = decode(path, EVERY, decoder="decord", facts=facts_of(path), limits=MediaLimits(max_frames=7))
    assert out.numbers() == list(range(7))
    assert out.report.truncated


def test_damage_ends_the_pass_with_its_text(tmp_path: Path) -> None:
    path = mux_png(tmp_path / "d.mov", (96, 64), [_png(0), _png(1), b"nothing", _png(3)])
    # decord reads ahead in threads of its own: whether it hands over the pictures before the damage is chance.
    refused = ""
    try:
        report = decode(path, EVERY, decoder="decord").report
    except (UnsupportedCodec, DecodeFailed) as refusal:
        refused = refusal.details
    if refused:
        assert "4 channels" in refused or "no picture could be decoded" in refused
    else:
        assert report.frames_decoded < 4
        assert report.error


def _png(number: int) -> bytes:
    import cv2

    return bytes(cv2.imencode(".png", number_picture(number, 96, 64)[..., ::-1])[1])


def test_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY[:3])
    monkeypatch.setitem(sys.modules, "decord", None)
    with pytest.raises(InternalError, match="not installed") as caught:
        decode(path, EVERY, decoder="decord")
    assert "pip install" in caught.value.action
