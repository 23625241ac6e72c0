from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.audio import decode_audio, to_stereo
from media.limits import MediaLimits
from media.needs import AudioNeed, Needs
from media.plan import plan_decode
from media.types import AudioClip
from schema.errors import DecodeFailed
from tests.decoded import facts_of
from tests.made_media import TICK, Sound, clicks, make_sound, make_video, onsets

STEADY = [i / 25 for i in range(50)]
AT = [0.25, 0.5, 1.0, 1.75]
CLICK_S = 0.003
"""Tolerance for the onset of a 2 kHz burst: half its rise after a codec's or resampler's filter."""


def sound_of(path: Path, *needs: AudioNeed, limits: MediaLimits | None = None) -> list[AudioClip]:
    facts = facts_of(path, limits)
    plan = plan_decode({"a": Needs(audio=needs)}, facts, 2.0)
    return decode_audio(path, plan, facts, limits or MediaLimits())


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.wav", "pcm_s16le", 44_100),
        ("a.wav", "pcm_s24le", 48_000),
        ("a.wav", "pcm_u8", 16_000),
        ("a.flac", "flac", 44_100),
        ("a.m4a", "aac", 44_100),
        ("a.mp3", "libmp3lame", 44_100),
        ("a.ogg", "libopus", 48_000),
        ("a.mp4", "aac", 48_000),
        ("a.webm", "libopus", 48_000),
        ("a.mkv", "pcm_s16le", 8_000),
        ("a.mpg", "mp2", 44_100),
    ],
)
@pytest.mark.parametrize("wanted", [16_000, 22_050, 48_000])
def test_clicks_stand_where_they_were_put(tmp_path: Path, name: str, codec: str, rate: int, wanted: int) -> None:
    sound = Sound(clicks(AT, 2.0, rate), rate, codec=codec)
    path = tmp_path / name
    if name.endswith(("mp4", "webm", "mkv", "mpg")):
        video = {"webm": "libvpx", "mpg": "mpeg2video"}.get(path.suffix[1:], "libx264")
        tick = Fraction(1, 25) if video == "mpeg2video" else TICK
        make_video(path, STEADY, codec=video, sound=sound, tick=tick)
    else:
        make_sound(path, sound)
    (clip,) = sound_of(path, AudioNeed(wanted))
    assert (clip.rate_hz, clip.start_s, clip.samples.ndim) == (wanted, 0.0, 1)
    # MP2 in a program stream starts one coded block early or late of the pictures; 26 ms.
    slack = 0.03 if codec == "mp2" else CLICK_S
    assert onsets(clip.samples, wanted) == pytest.approx(AT, abs=slack)
    assert clip.duration_s == pytest.approx(2.0, abs=0.06)
    assert clip.samples.dtype == np.float32
    assert clip.samples.flags.c_contiguous
    assert not clip.samples.flags.writeable


def test_late_sound_is_padded(tmp_path: Path) -> None:
    sound = Sound(clicks(AT, 2.0, 48_000), 48_000, start_s=0.7, codec="pcm_s16le")
    (clip,) = sound_of(make_video(tmp_path / "a.mkv", STEADY, sound=sound), AudioNeed(16_000))
    assert onsets(clip.samples, 16_000) == pytest.approx([0.7 + t for t in AT], abs=CLICK_S)
    assert not clip.samples[: int(0.69 * 16_000)].any()
    assert clip.duration_s == pytest.approx(2.7, abs=0.03)


def test_pictures_that_start_later_do_not_move_the_sound(tmp_path: Path) -> None:
    """Time zero is the earliest start of both."""
    sound = Sound(clicks(AT, 2.0, 48_000), 48_000, codec="pcm_s16le")
    (clip,) = sound_of(make_video(tmp_path / "a.mkv", [0.6 + t for t in STEADY], sound=sound), AudioNeed(16_000))
    assert onsets(clip.samples, 16_000) == pytest.approx(AT, abs=CLICK_S)


def test_a_start_far_from_zero_is_zero(tmp_path: Path) -> None:
    sound = Sound(clicks(AT, 2.0, 48_000), 48_000, start_s=500.25, codec="pcm_s16le")
    (clip,) = sound_of(make_video(tmp_path / "a.mkv", [500 + t for t in STEADY], sound=sound), AudioNeed(16_000))
    assert onsets(clip.samples, 16_000) == pytest.approx([0.25 + t for t in AT], abs=CLICK_S)


def test_encoder_delay_is_not_heard_and_moves_nothing(tmp_path: Path) -> None:
    sound = Sound(clicks(AT, 2.0, 48_000), 48_000, codec="libopus")  # starts at -6.5 ms in the container
    path = make_video(tmp_path / "a.mkv", STEADY, sound=sound)
    assert facts_of(path).start_offset_s == pytest.approx(0.0, abs=0.001)
    (clip,) = sound_of(path, AudioNeed(48_000))
    assert onsets(clip.samples, 48_000) == pytest.approx(AT, abs=CLICK_S)


def test_holes_are_zeros_and_what_follows_keeps_its_time(tmp_path: Path) -> None:
    samples = np.full((96_000, 1), 0.5, np.float32)
    hole = (round(1024 * np.ceil(30_000 / 1024)), 1024 * 60)
    sound = Sound(samples, 48_000, codec="pcm_s16le", holes=(hole,))
    (clip,) = sound_of(make_video(tmp_path / "a.mkv", STEADY, sound=sound), AudioNeed(48_000))
    quiet = np.flatnonzero(clip.samples == 0.0)
    assert (quiet[0], quiet[-1] + 1) == pytest.approx(hole, abs=96)  # Matroska counts milliseconds: 48 samples
    assert len(quiet) == quiet[-1] - quiet[0] + 1
    assert clip.duration_s == pytest.approx(2.0, abs=0.002)


@pytest.mark.parametrize(("channels", "wanted"), [(1, 1), (1, 2), (2, 1), (2, 2), (6, 1), (6, 2)])
def test_channels(tmp_path: Path, channels: int, wanted: int) -> None:
    levels = np.array([0.5, -0.25, 0.4, 0.9, 0.1, -0.1], np.float32)[:channels]
    sound = Sound(np.tile(levels, (48_000, 1)), 48_000, codec="flac")
    (clip,) = sound_of(make_sound(tmp_path / "a.flac", sound), AudioNeed(48_000, wanted))  # type: ignore[arg-type]
    middle = clip.samples[20_000]
    if channels == 6:  # FL FR FC LFE and two surrounds, mixed by ITU-R BS.775 and normalised
        total = 1 + 2 * 0.7071
        stereo = [(0.5 + 0.7071 * (0.4 + 0.1)) / total, (-0.25 + 0.7071 * (0.4 - 0.1)) / total]
    else:
        stereo = [0.5, -0.25] if channels == 2 else [0.5, 0.5]
    expected: Any = stereo if wanted == 2 else sum(stereo) / 2
    assert middle == pytest.approx(expected, abs=1e-3)
    assert clip.samples.shape == ((48_000, 2) if wanted == 2 else (48_000,))


def test_mixing_names() -> None:
    one = np.ones((3, 4), np.float32)
    assert to_stereo(one, ["FL", "FR", "LFE"]) == pytest.approx(np.ones((4, 2)))
    assert to_stereo(one * np.array([[1], [0], [0]], np.float32), ["BC", "FL", "FR"]) == pytest.approx(0.4142, abs=1e-3)


def test_several_needs_come_from_one_pass_in_the_plans_order(tmp_path: Path) -> None:
    path = make_sound(tmp_path / "a.wav", Sound(clicks(AT, 2.0, 44_100, 2), 44_100, codec="pcm_s16le"))
    needs = (AudioNeed(22_050, 2), AudioNeed(16_000), AudioNeed(22_050), AudioNeed(44_100))
    clips = sound_of(path, *needs)
    assert [(c.rate_hz, c.samples.ndim) for c in clips] == [(22_050, 2), (16_000, 1), (22_050, 1), (44_100, 1)]
    for clip in clips:
        assert onsets(clip.samples, clip.rate_hz) == pytest.approx(AT, abs=CLICK_S)
    assert clips[0].samples.mean(axis=1) == pytest.approx(clips[2].samples, abs=1e-6)


def test_a_tone_keeps_level_and_frequency(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(96_000) / 48_000)
    path = make_sound(tmp_path / "t.wav", Sound(tone.astype(np.float32)[:, None], 48_000, codec="pcm_s16le"))
    (clip,) = sound_of(path, AudioNeed(16_000))
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(32_000) / 16_000)
    inner = slice(400, -400)  # the resampler's filter runs in and out
    assert np.abs(clip.samples[inner] - expected[: len(clip.samples)][inner]).max() < 2e-3


def test_loud_sound_stays_in_range(tmp_path: Path) -> None:
    noise = np.sign(np.random.default_rng(1).standard_normal((48_000, 1))).astype(np.float32)
    (clip,) = sound_of(make_sound(tmp_path / "l.m4a", Sound(noise, 48_000)), AudioNeed(44_100))
    assert np.abs(clip.samples).max() <= 1.0


def test_sound_is_cut_at_the_longest_allowed_length(tmp_path: Path) -> None:
    path = make_sound(tmp_path / "l.wav", Sound(clicks(AT, 5.0, 8000), 8000, codec="pcm_s16le"))
    facts = facts_of(path)
    plan = plan_decode({"a": Needs(audio=(AudioNeed(8000), AudioNeed(16_000)))}, facts, 2.0)
    clips = decode_audio(path, plan, facts, MediaLimits(max_duration_s=1.5))
    assert [(clip.rate_hz, clip.duration_s) for clip in clips] == [(8000, 1.5), (16_000, 1.5)]


def test_truncated_sound_gives_what_there_is(tmp_path: Path) -> None:
    samples = clicks(AT, 4.0, 44_100)
    samples += np.random.default_rng(1).uniform(-0.1, 0.1, samples.shape).astype(np.float32)
    path = make_sound(tmp_path / "t.flac", Sound(samples, 44_100, codec="flac"))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    (clip,) = sound_of(path, AudioNeed(16_000))
    assert 2.0 < clip.duration_s < 3.0
    assert onsets(clip.samples, 16_000, 0.3) == pytest.approx(AT, abs=CLICK_S)


def test_streams_joined_end_to_end(tmp_path: Path) -> None:
    sound = Sound(clicks(AT, 2.0, 48_000), 48_000, codec="mp2")
    one = make_video(tmp_path / "1.ts", STEADY, sound=sound)
    joined = tmp_path / "j.ts"
    joined.write_bytes(one.read_bytes() * 2)
    facts = facts_of(one)
    plan = plan_decode({"a": Needs(audio=(AudioNeed(16_000),))}, facts, 2.0)
    (clip,) = decode_audio(joined, plan, facts, MediaLimits())
    assert len(onsets(clip.samples, 16_000)) == 2 * len(AT)
    assert clip.duration_s == pytest.approx(4.0, abs=0.2)


def test_a_change_of_rate_and_channels_in_the_middle(tmp_path: Path) -> None:
    one = Sound(clicks(AT, 2.0, 48_000), 48_000, codec="mp2")
    two = Sound(clicks(AT, 2.0, 44_100, 2), 44_100, codec="mp2")
    parts = [make_video(tmp_path / f"{i}.ts", STEADY, sound=sound) for i, sound in enumerate((one, two))]
    joined = tmp_path / "j.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    facts = facts_of(parts[0])
    plan = plan_decode({"a": Needs(audio=(AudioNeed(16_000), AudioNeed(22_050, 2)))}, facts, 2.0)
    clips = decode_audio(joined, plan, facts, MediaLimits())
    assert [clip.rate_hz for clip in clips] == [16_000, 22_050]
    for clip in clips:
        mono = clip.samples if clip.samples.ndim == 1 else clip.samples.mean(axis=1)
        found = onsets(mono, clip.rate_hz)
        assert len(found) == 2 * len(AT)
        assert np.diff(found[:4]) == pytest.approx(np.diff(AT), abs=CLICK_S)
        assert np.diff(found[4:]) == pytest.approx(np.diff(AT), abs=CLICK_S)


def test_an_absurd_rate_is_refused_without_filling_the_memory(tmp_path: Path) -> None:
    path = make_sound(tmp_path / "r.wav", Sound(clicks(AT, 2.0, 8000), 8000, codec="pcm_s16le"))
    data = bytearray(path.read_bytes())
    assert int.from_bytes(data[24:28], "little") == 8000
    data[24:28] = (2_000_000_000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(DecodeFailed, match="no sound"):
        sound_of(path, AudioNeed(16_000))


def test_not_a_number_becomes_silence(tmp_path: Path) -> None:
    samples = clicks(AT, 1.0, 16_000)
    samples[100:200], samples[300], samples[301] = np.nan, np.inf, -np.inf
    (clip,) = sound_of(make_sound(tmp_path / "n.wav", Sound(samples, 16_000, codec="pcm_f32le")), AudioNeed(16_000))
    assert not clip.samples[100:200].any()
    assert list(clip.samples[300:302]) == [1.0, -1.0]


def test_no_sound_and_no_samples(tmp_path: Path) -> None:
    silent = make_video(tmp_path / "a.mp4", STEADY)
    facts = facts_of(silent)
    assert plan_decode({"a": Needs(audio=(AudioNeed(16_000),))}, facts, 2.0).audio == ()
    assert decode_audio(silent, plan_decode({}, facts, 2.0), facts, MediaLimits()) == []
    with_sound = make_video(tmp_path / "b.mp4", STEADY, sound=Sound(clicks(AT, 2.0, 48_000), 48_000))
    plan = plan_decode({"a": Needs(audio=(AudioNeed(16_000),))}, facts_of(with_sound), 2.0)
    with pytest.raises(DecodeFailed, match="no sound"):
        decode_audio(silent, plan, facts, MediaLimits())


def test_a_second_pass_gives_the_same_samples(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY, sound=Sound(clicks(AT, 2.0, 48_000, 2), 48_000))
    one, two = (sound_of(path, AudioNeed(22_050, 2))[0].samples for _ in range(2))
    assert np.array_equal(one, two)
