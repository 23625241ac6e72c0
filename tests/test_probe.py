from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from media.limits import MediaLimits
from media.probe import probe
from schema.errors import (
    AnalyzerSystemError,
    FileMissing,
    InternalError,
    NotAVideo,
    TooLarge,
    TooLong,
    UnsupportedCodec,
)
from tests.decoded import facts_of
from tests.made_media import Sound, clicks, make_sound, make_video

ROOT = Path(__file__).resolve().parents[1]
LIMITS = MediaLimits(probe_timeout_s=10.0)
"""Room for a busy machine; the tests of the limits themselves use the default."""

STEADY = [i / 25 for i in range(50)]


# ---- facts -------------------------------------------------------------------------------------------------------


def test_facts_of_a_made_video(tmp_path: Path) -> None:
    sound = Sound(clicks([0.5], 2.0, 48_000, 2), 48_000)
    path = make_video(tmp_path / "a.mp4", STEADY, sound=sound, rotation_ccw_deg=90, size=(128, 64))
    facts = probe(path, LIMITS)
    assert "mp4" in facts.container
    assert facts.duration_s == facts.declared_duration_s == pytest.approx(2.0, abs=0.001)
    assert facts.start_offset_s == 0.0
    assert (facts.width, facts.height, facts.rotation_deg) == (64, 128, 270)
    assert facts.frame_rate == pytest.approx(25.0)
    assert facts.frames_declared == 50
    assert (facts.video_codec, facts.pixel_format) == ("h264", "yuv420p")
    assert (facts.video_streams, facts.audio_streams) == (1, 1)
    assert facts.interlaced is False
    assert facts.pixel_aspect_ratio == 1.0
    assert facts.audio is not None
    assert (facts.audio.codec, facts.audio.sample_rate_hz, facts.audio.channels) == ("aac", 48_000, 2)
    assert facts.audio.duration_s == pytest.approx(2.0, abs=0.05)
    # Only decoding can tell:
    assert facts.frames_decoded is None
    assert facts.variable_frame_rate is None
    assert facts.truncated is False


def test_the_child_says_what_the_function_says(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.webm", STEADY, codec="libvpx")
    assert probe(path, LIMITS) == facts_of(path)


def test_sound_alone(tmp_path: Path) -> None:
    path = make_sound(tmp_path / "s.wav", Sound(clicks([0.1], 1.5, 8000), 8000, codec="pcm_s16le"))
    facts = probe(path, LIMITS)
    assert facts.width is None
    assert not facts.has_video
    assert facts.video_streams == 0
    assert facts.duration_s == pytest.approx(1.5)


def test_no_sound(tmp_path: Path) -> None:
    facts = probe(make_video(tmp_path / "a.mkv", STEADY), LIMITS)
    assert facts.audio is None
    assert facts.audio_streams == 0


def test_a_cover_picture_is_no_video() -> None:
    from tests.media_folder import media

    facts = facts_of(media("moviepy/with-attached-pic.mp3"))
    assert facts.width is None
    assert facts.video_streams == 0
    assert facts.audio is not None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tc/nasa_13013_rotated.mp4", {"width": 270, "height": 480}),  # published
        ("decord/video_90.mov", {"width": 320, "height": 568, "rotation_deg": 90}),
        ("decord/video_180.mov", {"width": 568, "height": 320, "rotation_deg": 180}),
        ("derived/interlaced_tff_1s5.mkv", {"interlaced": True, "pixel_aspect_ratio": 32 / 27}),
        ("tc/test_non_zero_start.mp4", {"start_offset_s": 8.333}),
        ("tc/av1_video.mkv", {"video_codec": "av1"}),
        (
            "tc/testsrc2_odd_height_and_width_vp9_10bit.mp4",
            {"width": 321, "height": 241, "pixel_format": "yuv420p10le"},
        ),
        ("tc/nasa_13013.mp4", {"width": 480, "height": 270, "video_streams": 2, "audio_streams": 2}),
    ],
)
def test_facts_of_published_clips(name: str, expected: dict[str, Any]) -> None:
    from tests.media_folder import media

    facts = facts_of(media(name)).model_dump()
    for key, value in expected.items():
        assert facts[key] == (pytest.approx(value, abs=1e-3) if isinstance(value, float) else value), key


@pytest.mark.parametrize("name", ["50% ?x#y%20z.mp4", "a:b.mp4", "http:--x.mp4", "ünï 漢字.mp4", "-i.mp4", "%03d.mp4"])
def test_a_name_is_a_name_and_nothing_else(tmp_path: Path, name: str) -> None:
    made = make_video(tmp_path / "a.mp4", STEADY[:5])
    assert probe(made.rename(tmp_path / name), LIMITS).width == 96


# ---- refusals ----------------------------------------------------------------------------------------------------


def refused(
    path: Path, kind: type[AnalyzerSystemError], text: str, limits: MediaLimits = LIMITS
) -> AnalyzerSystemError:
    with pytest.raises(kind, match=text) as caught:
        probe(path, limits)
    assert type(caught.value) is kind
    assert caught.value.action
    assert path.name in caught.value.details
    assert str(path.parent) not in caught.value.details  # the server's folders are not the client's business
    return caught.value


def test_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.mp4", FileMissing, "no such file")


def test_folder_has_a_remedy_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "clips.mp4").mkdir()
    assert "inside the folder" in refused(tmp_path / "clips.mp4", NotAVideo, "folder").action


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "e.mp4").write_bytes(b"")
    refused(tmp_path / "e.mp4", NotAVideo, "empty")


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.mp4")
    refused(tmp_path / "p.mp4", NotAVideo, "pipe")


def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "locked.mp4"
    path.write_bytes(b"x" * 100)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    refused(path, FileMissing, "may not be read")


@pytest.mark.parametrize(
    "head", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8 ", b"\0\0\0\x1cftypavif", b"II*\0"]
)
@pytest.mark.parametrize("name", ["still.jpg", "still.mp4"])
def test_still_pictures(tmp_path: Path, head: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(head + bytes(5000))
    refused(tmp_path / name, NotAVideo, "still picture")


@pytest.mark.parametrize(
    "text",
    ["Just some words.\n" * 100, "<html><body>404</body></html>", "x", "\0" * 5000, "#!/bin/sh\nreboot\n"],
)
def test_text_and_noise_called_mp4(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.mp4").write_text(text)
    refused(tmp_path / "t.mp4", NotAVideo, "cannot be opened")


def test_too_many_bytes(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY)
    refused(path, TooLarge, "bytes; allowed are 1000", MediaLimits(max_bytes=1000))


def test_too_long(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", [0.0, 299.0, 301.0])
    refused(path, TooLong, r"301\.\d s; allowed are 300 s")


def test_too_many_frames(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY)
    refused(path, TooLarge, "50 pictures; allowed are 49", LIMITS.model_copy(update={"max_frames": 49}))


def test_too_many_pixels(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY[:3], size=(96, 64))
    refused(path, TooLarge, "96 x 64", LIMITS.model_copy(update={"max_pixels": 96 * 64 - 1}))
    assert probe(path, LIMITS.model_copy(update={"max_pixels": 96 * 64})).width == 96


def test_pictures_of_exactly_the_limit_are_decoded(tmp_path: Path) -> None:
    """Codecs store whole blocks, more than the picture shows; the limit is on what it shows."""
    from media.needs import EveryFrame, FrameNeed
    from tests.decoded import decode

    path = make_video(tmp_path / "a.mp4", STEADY[:3], size=(180, 180))
    out = decode(path, FrameNeed(EveryFrame(), 64), limits=MediaLimits(max_pixels=180 * 180))
    assert out.numbers() == [0, 1, 2]


def test_too_many_streams(tmp_path: Path) -> None:
    import av

    path = tmp_path / "many.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=25) for _ in range(20)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for stream in streams:
            container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
            container.mux(stream.encode(None))
    refused(path, TooLarge, "20 streams; allowed are 16")


def test_unknown_codec(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", STEADY[:5])
    data = path.read_bytes()
    path.write_bytes(data.replace(b"V_MPEG4/ISO/AVC", b"V_MPEG9/ISO/XXX"))
    assert "H.264" in refused(path, UnsupportedCodec, "no decoder").action


def test_the_reader_crashing_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY[:3])
    fake, python = tmp_path / "python", sys.executable
    # Signals as at their start, whatever a library of this process has done to those that children inherit.
    dies = (
        "signal.pthread_sigmask(signal.SIG_SETMASK, [])\nsignal.signal({0}, signal.SIG_DFL)\nos.kill(os.getpid(), {0})"
    )
    for end, kind, text in (
        (dies.format(11), NotAVideo, "crashed"),
        ("os.kill(os.getpid(), 9)", TooLarge, "memory"),
        (dies.format(27), TooLarge, "processor time"),
        ("sys.exit(1)", InternalError, "code 1"),
        ("sys.exit(0)", InternalError, "without an answer"),
    ):
        fake.write_text(f"#!{python} -S\nimport os, signal, sys\n{end}\n")
        fake.chmod(0o755)
        monkeypatch.setattr("media.probe.sys.executable", str(fake))
        refused(path, kind, text)
