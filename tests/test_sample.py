"""The sample video against its own truth, measured with means that share no code with what made it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from ops import sample
from ops.captions import Caption, render_caption
from ops.clips import Encoding, loop_clip, write_clip
from ops.perf_clip import make_perf_clip
from tests.sample_file import shared_sample

RED, GREEN, BLUE = (220, 30, 30), (30, 200, 40), (20, 40, 210)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Every frame, halved in size, and some in full."""

    small: list[np.ndarray]
    full: dict[int, np.ndarray]


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    small, full = [], {}
    for number, picture in enumerate(sample.pictures()):
        small.append(picture[::2, ::2].copy())
        if number in (3, 4, 150, 155, 406, 407):
            full[number] = picture
    return Drawn(small, full)


@pytest.fixture(scope="module")
def frames(drawn: Drawn) -> list[np.ndarray]:
    return drawn.small


@pytest.fixture(scope="module")
def known() -> sample.SampleTruth:
    return sample.truth()


def plain(colour: tuple[int, int, int], count: int, width: int = 64, height: int = 96) -> Iterator[np.ndarray]:
    for _ in range(count):
        yield np.full((height, width, 3), colour, np.uint8)


def read(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [(float(f.time or 0.0), f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def read_sound(path: Path) -> tuple[np.ndarray, int]:
    with av.open(str(path)) as container:
        parts = [f.to_ndarray() for f in container.decode(audio=0)]
        return np.concatenate(parts, axis=1), container.streams.audio[0].rate


@pytest.mark.slow
def test_the_largest_changes_are_the_hard_cuts(frames: list[np.ndarray], known: sample.SampleTruth) -> None:
    changes = [float(cv2.absdiff(a, b).mean()) for a, b in pairwise(frames)]
    assert {int(i) + 1 for i in np.argsort(changes)[-3:]} == {c.frame for c in known.cuts}
    assert [c.timestamp for c in known.cuts] == pytest.approx([2.5, 5.0, 8.0])


@pytest.mark.slow
def test_fades_go_through_black_in_their_spans(frames: list[np.ndarray], known: sample.SampleTruth) -> None:
    light = np.array([f.mean() for f in frames])
    out = next(t for t in known.transitions if t.kind == "fade_out")
    into = next(t for t in known.transitions if t.kind == "fade_in")
    assert (np.diff(light[out.first_frame - 1 : out.end_frame]) < 0).all()
    assert (np.diff(light[into.first_frame - 1 : into.end_frame]) > 0).all()
    black = np.flatnonzero(light == 0.0)
    # The last frame of the fade out is black by construction, and nothing else outside the black span is.
    assert black.tolist() == list(range(out.end_frame - 1, into.first_frame))
    assert known.black == (out.end_time, into.start_time)


@pytest.mark.slow
def test_the_dissolve_mixes_two_places(frames: list[np.ndarray], known: sample.SampleTruth) -> None:
    mix = known.transitions[0]
    assert mix.kind == "dissolve"
    # The upper third of both places is sky, where nothing moves.
    sky = {i: frames[i][:200].astype(float) for i in range(mix.first_frame - 1, mix.end_frame + 1)}
    before, after = sky[mix.first_frame - 1], sky[mix.end_frame]
    for frame in range(mix.first_frame, mix.end_frame):
        change = (after - before).ravel()
        share = float((sky[frame] - before).ravel() @ change / (change @ change))
        assert share == pytest.approx((frame - mix.first_frame + 1) / 16, abs=0.02)


@pytest.mark.slow
def test_pan_and_tilt_move_by_whole_pixels(drawn: Drawn, known: sample.SampleTruth) -> None:
    pan, tilt = (next(c for c in known.camera if c.kind == k) for k in ("pan_right", "tilt_up"))
    step = round(pan.speed_px_per_s / known.fps)
    np.testing.assert_array_equal(drawn.full[4][:, :-step], drawn.full[3][:, step:])
    rise = round(tilt.speed_px_per_s / known.fps)
    # Below and above the caption in the middle.
    np.testing.assert_array_equal(drawn.full[407][rise:500], drawn.full[406][: 500 - rise])
    assert step == rise == 4


@pytest.mark.slow
def test_zoom_grows_the_picture_by_its_factor(drawn: Drawn, known: sample.SampleTruth) -> None:
    zoom = next(c for c in known.camera if c.kind == "zoom_in")
    first, last = drawn.full[150], drawn.full[155]
    orb = cv2.ORB.create(1500)
    (ka, da), (kb, db) = (orb.detectAndCompute(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), None) for p in (first, last))
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(da, db)
    source = np.array([ka[m.queryIdx].pt for m in pairs], np.float32)
    target = np.array([kb[m.trainIdx].pt for m in pairs], np.float32)
    matrix, _ = cv2.estimateAffinePartial2D(source, target, ransacReprojThreshold=1.0)
    assert float(np.hypot(matrix[0, 0], matrix[0, 1])) == pytest.approx(zoom.zoom_per_s ** (5 / known.fps), abs=0.002)


@pytest.mark.slow
def test_captions_are_seen_in_their_spans_only(frames: list[np.ndarray], known: sample.SampleTruth) -> None:
    for caption in known.captions:
        box = caption.bounding_box
        part = np.s_[int(box.y) // 2 : int(box.y + box.height) // 2, int(box.x) // 2 : int(box.x + box.width) // 2]
        white = [float((f[part].min(axis=2) > 235).mean()) for f in frames]
        first, end = round(caption.start_time * known.fps), round(caption.end_time * known.fps)
        assert min(white[first:end]) > 0.12, caption.text
        for outside in (first - 1, end):
            if outside < known.frames:
                assert white[outside] < 0.02, (caption.text, outside)


def spectra(samples: np.ndarray, size: int, hop: int) -> np.ndarray:
    """Of windows of ``size`` samples, ``hop`` apart: complex (N, size / 2 + 1)."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    return np.fft.rfft(windows * np.hanning(size), axis=1)


def test_sound_has_the_tempo_and_key_it_says(known: sample.SampleTruth) -> None:
    power = np.abs(spectra(sample.sound().mean(axis=1), size=1024, hop=441)) ** 2
    rises = np.maximum(np.diff(np.log(power + 1e-6), axis=0), 0.0).mean(axis=1)
    rises -= rises.mean()
    # Of the lags from 160 down to 80 beats a minute, at 100 frames a second, the one at which onsets come again.
    lags = np.arange(37, 76)
    again = [float(rises[lag:] @ rises[:-lag]) / (len(rises) - lag) for lag in lags]
    assert 6000.0 / lags[int(np.argmax(again))] == pytest.approx(known.tempo_bpm, rel=0.04)
    # Krumhansl and Kessler (1982), major and minor, correlated with the mean chroma.
    major = [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88]
    minor = [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17]
    levels = np.abs(spectra(sample.sound().mean(axis=1), size=16_384, hop=8_192)).mean(axis=0)
    hz = np.arange(len(levels)) * 44_100 / 16_384
    heard = (hz > 60.0) & (hz < 2_000.0)
    # Pitch classes from C: A4 is 440 Hz and number 69.
    classes = np.round(69.0 + 12.0 * np.log2(hz[heard] / 440.0)).astype(int) % 12
    chroma = np.bincount(classes, levels[heard] ** 2, 12)
    fit = {
        f"{tonic} {mode}": float(np.corrcoef(np.roll(profile, shift), chroma)[0, 1])
        for shift, tonic in enumerate(["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"])
        for mode, profile in (("major", major), ("minor", minor))
    }
    assert max(fit, key=lambda key: fit[key]) == known.key


def test_the_voice_is_taken_for_speech(known: sample.SampleTruth) -> None:
    import librosa
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    samples = librosa.resample(sample.sound().mean(axis=1), orig_sr=44_100, target_sr=16_000)
    options = VadOptions(min_silence_duration_ms=300, speech_pad_ms=0)
    heard = np.zeros(len(samples), bool)
    for span in get_speech_timestamps(samples, options):
        heard[span["start"] : span["end"]] = True
    said = np.zeros(len(samples), bool)
    for voice in known.voice:
        said[int(voice.start_time * 16_000) : int(voice.end_time * 16_000)] = True
    assert (heard & said).sum() / (heard | said).sum() > 0.85


def test_effects_are_loud_where_they_say(known: sample.SampleTruth) -> None:
    mono = sample.sound().mean(axis=1)
    energy = np.array([float((mono[i : i + 4410] ** 2).mean()) for i in range(0, len(mono) - 4410, 4410)])
    impact = next(e for e in known.effects if e.kind == "impact")
    assert int(energy.argmax()) == round(impact.start_time * 10)
    assert impact.start_time in [c.timestamp for c in known.cuts]
    riser = next(e for e in known.effects if e.kind == "riser")
    first, last = round(riser.start_time * 10), round(riser.end_time * 10)
    assert energy[last - 3 : last].mean() > 4 * energy[first : first + 3].mean()


@pytest.mark.slow
def test_the_file_holds_what_the_truth_says(known: sample.SampleTruth) -> None:
    path = shared_sample()
    assert sample.SampleTruth.model_validate_json(sample.truth_path(path).read_text("utf-8")) == known
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (known.width, known.height, known.fps)
        pictures = [f.to_ndarray(format="gray")[::8, ::8].astype(float) for f in container.decode(video=0)]
    assert len(pictures) == known.frames
    changes = [float(np.abs(b - a).mean()) for a, b in pairwise(pictures)]
    assert {int(i) + 1 for i in np.argsort(changes)[-3:]} == {c.frame for c in known.cuts}
    samples, rate = read_sound(path)
    assert samples.shape[1] / rate == pytest.approx(known.duration_s, abs=0.05)


def test_make_sample_writes_once_and_again_when_the_truth_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data" / "sample.mp4"
    monkeypatch.setattr(sample, "sound", lambda: np.zeros((8_820, 2), np.float32))
    monkeypatch.setattr(sample, "pictures", lambda: plain(RED, 5, 720, 1280))
    known = sample.make_sample(path)
    stamp = path.stat().st_mtime_ns
    assert sorted(p.name for p in path.parent.iterdir()) == ["sample.mp4", "sample.truth.json"]
    assert sample.SampleTruth.model_validate_json(sample.truth_path(path).read_text("utf-8")) == known
    assert len(read(path)) == 5

    monkeypatch.setattr(sample, "pictures", lambda: plain(RED, 6, 720, 1280))
    assert sample.make_sample(path) == known
    assert path.stat().st_mtime_ns == stamp
    sample.truth_path(path).write_text(known.model_copy(update={"version": "0"}).model_dump_json(), "utf-8")
    assert sample.make_sample(path) == known
    assert len(read(path)) == 6


def test_a_broken_off_sample_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield np.zeros((1280, 720, 3), np.uint8)
        raise OSError("disk full")

    monkeypatch.setattr(sample, "pictures", broken)
    with pytest.raises(OSError, match="disk full"):
        sample.make_sample(tmp_path / "sample.mp4")
    assert list(tmp_path.iterdir()) == []


def test_caption_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        render_caption(Caption("far too long for this narrow picture", 0, 1, 100, 60, "title"), 300)


@pytest.mark.parametrize("colour", [RED, GREEN, BLUE])
def test_colours_survive_the_encoder(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    path = tmp_path / "plain.mp4"
    assert write_clip(path, plain(colour, 5), 25.0) == 5
    # 4:2:0 with 8 bit and limited range costs at most a few levels; another matrix (BT.601) would cost over 10.
    for _, picture in read(path):
        assert np.abs(picture.reshape(-1, 3).astype(int).mean(axis=0) - colour).max() < 4
    capture = cv2.VideoCapture(str(path))
    ok, seen = capture.read()
    capture.release()
    assert ok
    assert np.abs(seen[48, 32, ::-1].astype(int) - colour).max() < 6


def test_rotation_is_clockwise(tmp_path: Path) -> None:
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, :48] = RED
    picture[:, 48:] = BLUE
    path = tmp_path / "turned.mp4"
    write_clip(path, [picture] * 3, 25.0, encoding=Encoding(rotation_deg=90))
    capture = cv2.VideoCapture(str(path))  # OpenCV turns pictures upright by itself
    ok, seen = capture.read()
    capture.release()
    assert ok
    assert seen.shape == (96, 64, 3)
    assert seen[10, 32, 2] > 150 > seen[10, 32, 0]  # clockwise: what was left is up
    assert seen[86, 32, 0] > 150 > seen[86, 32, 2]


def test_frame_times_of_their_own(tmp_path: Path) -> None:
    times = [0.0, 0.02, 0.1, 0.13, 0.5]
    write_clip(tmp_path / "vfr.mp4", plain(RED, 5), 30.0, times_s=times)
    assert [t for t, _ in read(tmp_path / "vfr.mp4")] == pytest.approx(times, abs=1e-4)
    with pytest.raises(ValueError, match="more frames than the 2 times"):
        write_clip(tmp_path / "bad.mp4", plain(RED, 5), 30.0, times_s=[0.0, 0.1])
    with pytest.raises(ValueError, match="no frames"):
        write_clip(tmp_path / "none.mp4", iter(()), 30.0)


@pytest.mark.parametrize("channels", [1, 2])
def test_sound_is_where_it_was_put(tmp_path: Path, channels: int) -> None:
    rate = 44_100
    samples = np.zeros(rate, np.float32)
    samples[rate // 2 : rate // 2 + 2000] = 0.8 * np.sin(2 * np.pi * 1000 * np.arange(2000) / rate)
    given = samples if channels == 1 else np.stack([samples, np.zeros_like(samples)], axis=1)
    path = tmp_path / "beep.mp4"
    write_clip(path, plain(GREEN, 30), 30.0, given, rate)
    heard, heard_rate = read_sound(path)
    assert heard_rate == rate
    assert len(heard) == channels
    loud = np.flatnonzero(np.abs(heard[0]) > 0.4)
    assert loud[0] / rate == pytest.approx(0.5, abs=0.005)
    if channels == 2:
        assert np.abs(heard[1]).max() < 0.05


@pytest.mark.parametrize(
    ("codec", "suffix", "name"), [("libvpx-vp9", "webm", "vp9"), ("mpeg4", "mp4", "mpeg4"), ("libx265", "mkv", "hevc")]
)
def test_other_codecs(tmp_path: Path, codec: str, suffix: str, name: str) -> None:
    path = tmp_path / f"clip.{suffix}"
    write_clip(path, plain(BLUE, 8), 25.0, encoding=Encoding(codec=codec))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == name
    assert len(read(path)) == 8


def test_looped_clip_repeats_pictures_and_keeps_time(tmp_path: Path) -> None:
    base, looped = tmp_path / "base.mp4", tmp_path / "looped.mp4"
    write_clip(base, [*plain(RED, 10), *plain(BLUE, 10)], 20.0)
    loop_clip(base, looped, 3, np.zeros(3 * 44_100, np.float32), 44_100)
    seen = read(looped)
    assert [t for t, _ in seen] == pytest.approx(np.arange(60) / 20.0, abs=1e-3)
    reds = [int(p[48, 32, 0]) > 120 for _, p in seen]
    assert reds == ([True] * 10 + [False] * 10) * 3
    assert read_sound(looped)[0].shape[1] / 44_100 == pytest.approx(3.0, abs=0.05)
    with pytest.raises(ValueError, match="times must be >= 1"):
        loop_clip(base, looped, 0, None)


@pytest.mark.slow
def test_perf_clip_has_its_shape(tmp_path: Path) -> None:
    path = tmp_path / "perf.mp4"
    make_perf_clip(path, 1.0)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (1080, 1920, 30)
        assert stream.codec_context.name == "h264"
        assert len(list(container.decode(video=0))) == 30
    assert [p.name for p in tmp_path.iterdir()] == ["perf.mp4"]
    with pytest.raises(ValueError, match="must be >= 1"):
        make_perf_clip(path, 0.5)
