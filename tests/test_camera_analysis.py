"""Camera motion against windows moved over a picture (exact truth), and against the clips' published truth."""

from __future__ import annotations

import json
import pickle
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest

from analyzers.base import Context, NotApplicable
from analyzers.camera_analysis import CameraAnalysis, CameraConfig, CameraResult
from analyzers.signal.global_motion import GlobalMotion, MotionSettings
from media.types import FrameBatch, FrameChunk
from schema.document import VideoFacts
from tests.made_camera import FPS, Frames, between, film, scenery, sway, window
from tests.made_results import cut_result
from tests.media_folder import MEDIA, media
from tests.run import frame_chunks, run_on_file, run_on_frames

LANDSCAPE, PORTRAIT = (320, 180), (180, 320)


def analyzer(**config: Any) -> CameraAnalysis:
    made = CameraAnalysis(CameraConfig(**config))
    made.load()
    return made


def analyse(frames: Frames, fps: float = FPS, **config: Any) -> CameraResult:
    result = run_on_frames(analyzer(**config), frames, fps)
    assert isinstance(result, CameraResult)
    tiles(result, len(frames) / fps)
    return result


def tiles(result: CameraResult, duration_s: float) -> None:
    assert result.spans[0].start_time == 0.0
    assert result.spans[-1].end_time == pytest.approx(duration_s)
    assert all(a.end_time == b.start_time for a, b in pairwise(result.spans))


def kind_at(result: CameraResult, time_s: float) -> str:
    return next(span.kind for span in result.spans if span.start_time <= time_s < span.end_time)


def right_share(result: CameraResult, truth: list[str], fps: float = FPS) -> float:
    """Share of the frames whose kind is the true one. A frame shows the motion since the frame before it."""
    return float(np.mean([kind_at(result, (i - 0.5) / fps) == kind for i, kind in enumerate(truth) if i]))


def rest_move_rest(kind: str, seconds: float = 3.0, start: float = 0.8, end: float = 2.2) -> list[str]:
    return [kind if start * FPS < i <= end * FPS + 0.5 else "static" for i in range(round(seconds * FPS))]


MOVES = {
    # kind: (how far after so many seconds of motion, field, its value per second)
    "pan_right": (lambda s, size: {"dx": 0.25 * size[0] * s}, "pan_widths_per_s", 0.25),
    "pan_left": (lambda s, size: {"dx": -0.6 * size[0] * s}, "pan_widths_per_s", -0.6),
    "tilt_up": (lambda s, size: {"dy": -0.3 * size[1] * s}, "tilt_heights_per_s", 0.3),
    "tilt_down": (lambda s, size: {"dy": 0.1 * size[1] * s}, "tilt_heights_per_s", -0.1),
    "zoom_in": (lambda s, size: {"zoom": 1.3**s}, "zoom_factor_per_s", 1.3),
    "zoom_out": (lambda s, size: {"zoom": 0.7**s}, "zoom_factor_per_s", 0.7),
    "roll": (lambda s, size: {"roll_deg": -15.0 * s}, "roll_deg_per_s", -15.0),
}


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT], ids=["landscape", "portrait"])
@pytest.mark.parametrize("kind", list(MOVES))
def test_each_move_has_its_kind_time_and_speed(kind: str, size: tuple[int, int]) -> None:
    place, field, speed = MOVES[kind]
    result = analyse(film(lambda t: place(between(t, 0.8, 2.2), size), 3.0, size=size))
    assert right_share(result, rest_move_rest(kind)) >= 0.95
    (span,) = [s for s in result.spans if s.kind == kind]
    found = getattr(span, field)
    assert found == pytest.approx(speed, rel=0.05)
    assert span.score is not None
    assert span.score > 0.9
    assert span.also == ()


def test_speed_is_also_in_px_of_the_source() -> None:
    result = analyse(film(lambda t: {"dx": 60.0 * t, "dy": 80.0 * t}, 2.0))
    (span,) = result.spans
    assert span.speed_px_per_s == pytest.approx(100.0, rel=0.03)
    # 80 of 180 px is the larger share of its side, 60 of 320 px the smaller: in px both count the same.
    assert span.kind == "tilt_down"
    assert span.also == ("pan_right",)


@pytest.mark.parametrize("speed", [0.012, 0.03, 1.0, 1.4])
def test_slow_and_fast_pans(speed: float) -> None:
    result = analyse(film(lambda t: {"dx": speed * 320 * between(t, 0.8, 2.2)}, 3.0))
    assert right_share(result, rest_move_rest("pan_right")) >= 0.9
    assert result.spans[1].pan_widths_per_s == pytest.approx(speed, rel=0.1, abs=0.002)


def test_slow_push_in() -> None:
    result = analyse(film(lambda t: {"zoom": 1.02**t}, 4.0))
    (span,) = result.spans
    assert span.kind == "zoom_in"
    assert span.zoom_factor_per_s == pytest.approx(1.02, abs=0.004)


@pytest.mark.parametrize(("speed", "kind"), [(1.35, "pan_left"), (1.65, "whip_pan"), (2.8, "whip_pan")])
def test_a_whip_is_a_fast_pan(speed: float, kind: str) -> None:
    result = analyse(film(lambda t: {"dx": -speed * 320 * between(t, 1.0, 1.5)}, 2.5))
    assert [span.kind for span in result.spans] == ["static", kind, "static"]
    assert result.spans[1].pan_widths_per_s == pytest.approx(-speed, rel=0.1)
    assert result.spans[1].start_time == pytest.approx(1.0, abs=0.05)
    assert result.spans[1].end_time == pytest.approx(1.5, abs=0.05)


def test_a_whip_too_fast_to_follow_is_known_by_its_smear() -> None:
    def exposed(i: int) -> Frames:
        open_s = np.linspace(-0.5, 0.5, 9) / FPS
        moments = [window(dx=6.0 * 320 * between(i / FPS + t, 1.0, 1.3)).astype(np.float32) for t in open_s]
        return np.asarray(np.mean(moments, axis=0), np.uint8)

    result = analyse(np.stack([exposed(i) for i in range(55)]))
    (whip,) = [span for span in result.spans if span.kind == "whip_pan"]
    assert whip.start_time == pytest.approx(1.0, abs=0.11)
    assert whip.end_time == pytest.approx(1.3, abs=0.11)


def test_two_moves_in_a_row_are_parted_where_they_change() -> None:
    result = analyse(film(lambda t: {"dx": 80 * between(t, 0.0, 1.0), "dy": -70 * between(t, 1.0, 2.0)}, 2.0))
    assert [span.kind for span in result.spans] == ["pan_right", "tilt_up"]
    assert result.spans[0].end_time == pytest.approx(1.0, abs=0.05)


def test_an_eased_pan_is_one_pan() -> None:
    result = analyse(film(lambda t: {"dx": 50.0 * (1.0 - np.cos(np.pi * between(t, 0.5, 2.5) / 2.0))}, 3.0))
    assert [span.kind for span in result.spans] == ["static", "pan_right", "static"]


def shaking(shake: float, seed: int = 4, seconds: float = 4.0) -> Frames:
    """A swaying camera whose root mean square speed, between frames 0.1 s apart, is ``shake`` picture units."""
    x, y = sway(seed, 1.0), sway(seed + 1, 1.0)
    times = np.arange(0.0, seconds, 0.1)
    steps = np.hypot(np.diff([x(t) for t in times]), np.diff([y(t) for t in times])) / 0.1
    px = shake * np.sqrt(320 * 180) / float(np.sqrt(np.mean(steps**2)))
    return film(lambda t: {"dx": px * x(t), "dy": px * y(t)}, seconds)


@pytest.mark.parametrize(("shake", "kind"), [(0.01, "static"), (0.04, "handheld"), (0.15, "handheld")])
def test_a_swaying_camera_is_handheld_from_the_threshold_on(shake: float, kind: str) -> None:
    result = analyse(shaking(shake))
    assert right_share(result, [kind] * 100) >= 0.95
    assert result.shake == pytest.approx(shake, rel=0.2)
    assert result.moves == 0


def test_stability_falls_with_the_shake() -> None:
    found = [analyse(shaking(shake, seconds=2.0)).stability for shake in (0.0, 0.02, 0.06, 0.2)]
    assert found[0] is not None
    assert found[0] > 0.99
    assert all(a is not None and b is not None and a > b for a, b in pairwise(found))


def test_handheld_starts_when_the_shaking_starts() -> None:
    x, y = sway(6, 3.0), sway(7, 3.0)
    result = analyse(film(lambda t: {"dx": (x(t) - x(2.0)) * (t > 2.0), "dy": (y(t) - y(2.0)) * (t > 2.0)}, 4.0))
    assert [span.kind for span in result.spans] == ["static", "handheld"]
    assert result.spans[1].start_time == pytest.approx(2.0, abs=0.25)


def test_a_pan_from_the_hand_is_a_pan_and_unsteady() -> None:
    x, y = sway(8, 2.5), sway(9, 2.5)
    place = lambda t: {"dx": x(t) + 110.0 * between(t, 1.5, 3.0), "dy": y(t)}  # noqa: E731
    result = analyse(film(place, 4.5))
    (pan,) = [span for span in result.spans if span.kind == "pan_right"]
    assert pan.start_time == pytest.approx(1.5, abs=0.3)
    assert pan.end_time == pytest.approx(3.0, abs=0.3)
    assert pan.stability is not None
    assert pan.stability < 0.5


def with_ball(frames: Frames) -> Frames:
    """A textured block that crosses the picture."""
    block = scenery(7)[300:400, 100:170]
    for i, frame in enumerate(frames):
        x = int(-60 + 4.4 * i)
        left, right = max(0, x), min(frame.shape[1], x + 70)
        if right > left:
            frame[40:140, left:right] = block[:, left - x : right - x]
    return frames


def with_speaker(frames: Frames, width: int = 160) -> Frames:
    """A textured region that covers 40 % of the picture, touches its lower edge and nods."""
    person = scenery(7)[500:700, 500 : 500 + width]
    for i, frame in enumerate(frames):
        t = i / FPS
        dx = round(5 * np.sin(2 * np.pi * 0.7 * t) + 3 * np.sin(2 * np.pi * 1.9 * t))
        dy = round(4 * np.sin(2 * np.pi * 1.1 * t))
        frame[36 + dy : 180, 80 + dx : 80 + width + dx] = person[: 144 - dy]
    return frames


@pytest.mark.parametrize("actor", [with_ball, with_speaker])
def test_what_moves_in_front_of_a_static_camera_is_not_the_camera(actor: Any) -> None:
    result = analyse(actor(film(lambda t: {}, 3.0)))
    assert {span.kind for span in result.spans} == {"static"}
    assert max(point.subject or 0.0 for point in result.curve) > 0.005
    assert max(point.camera or 0.0 for point in result.curve) < 0.01


def test_a_pan_behind_a_speaker_is_seen_at_the_borders() -> None:
    """Of a quarter of the picture; behind one who covers 40 % the pan is lost for single samples."""
    result = analyse(with_speaker(film(lambda t: {"dx": 90.0 * t}, 2.0), width=100))
    assert result.share.get("pan_right", 0.0) >= 0.9
    assert all(s.speed_px_per_s == pytest.approx(90.0, rel=0.1) for s in result.spans if s.kind == "pan_right")


def test_a_speaker_before_a_plain_wall_is_not_the_camera() -> None:
    wall = np.full((75, 180, 320, 3), (90, 140, 170), np.uint8)
    # A wall's shading, too faint to be tracked.
    wall = (wall + np.linspace(0, 30, 320)[None, None, :, None]).astype(np.uint8)
    result = analyse(with_speaker(wall))
    assert {span.kind for span in result.spans} <= {"static", "unknown"}


def test_a_pan_with_a_ball_crossing() -> None:
    result = analyse(with_ball(film(lambda t: {"dx": -60.0 * between(t, 0.8, 2.2)}, 3.0)))
    assert right_share(result, rest_move_rest("pan_left")) >= 0.95
    assert result.spans[1].speed_px_per_s == pytest.approx(60.0, rel=0.05)


def test_captions_and_bars_do_not_hide_a_pan() -> None:
    frames = film(lambda t: {"dx": 60.0 * between(t, 0.8, 2.2)}, 3.0)
    frames[:, 110:130, 60:260] = scenery(9)[:20, :200]
    frames[:, :30] = 0
    frames[:, 150:] = 0
    result = analyse(frames)
    assert right_share(result, rest_move_rest("pan_right")) >= 0.95
    assert result.spans[1].speed_px_per_s == pytest.approx(60.0, rel=0.05)


def test_a_caption_does_not_slow_down_a_zoom() -> None:
    frames = film(lambda t: {"zoom": 1.13**t}, 2.5)
    frames[:, 135:160, 50:270] = scenery(9)[:25, :220]
    (span,) = analyse(frames).spans
    assert span.kind == "zoom_in"
    assert np.log(span.zoom_factor_per_s or 1.0) == pytest.approx(np.log(1.13), rel=0.06)


def test_noise_and_changing_light_do_not_move_a_static_camera() -> None:
    rng = np.random.default_rng(1)
    frames = film(lambda t: {}, 3.0).astype(np.float32) + rng.normal(0.0, 6.0, (75, 180, 320, 3))
    frames *= (1.0 + 0.2 * np.sin(np.arange(75) * 1.3))[:, None, None, None]
    result = analyse(np.clip(frames, 0, 255).astype(np.uint8))
    assert {span.kind for span in result.spans} == {"static"}


def test_a_pan_through_a_fade_out() -> None:
    frames = film(lambda t: {"dx": 60.0 * t}, 2.0) * np.linspace(1.0, 0.25, 50)[:, None, None, None]
    result = analyse(frames.astype(np.uint8))
    assert result.share["pan_right"] >= 0.95


@pytest.mark.parametrize("what", ["flat", "gradient", "noise"])
def test_without_texture_the_motion_is_unknown(what: str) -> None:
    frames = np.full((40, 180, 320, 3), 120, np.uint8)
    if what == "gradient":
        frames[:] = np.linspace(60, 200, 320)[None, None, :, None]
    if what == "noise":
        frames = np.random.default_rng(0).integers(0, 255, frames.shape).astype(np.uint8)
    result = analyse(frames)
    assert [span.kind for span in result.spans] == ["unknown"]
    (span,) = result.spans
    assert span.reason == ("no_match" if what == "noise" else "low_texture")
    assert (span.pan_widths_per_s, span.speed_px_per_s, span.stability, span.score) == (None, None, None, None)
    assert result.stability is None
    assert result.known_share == 0.0
    assert analyzer().headline(result) is None


def test_a_cut_is_no_motion_and_parts_the_spans() -> None:
    one = film(lambda t: {"dx": 60.0 * t}, 2.0)
    two = film(lambda t: {"dx": -60.0 * t}, 2.0, seed=3)
    result = analyse(np.concatenate([one, two]))
    assert [span.kind for span in result.spans] == ["pan_right", "pan_left"]
    assert result.spans[0].end_time == pytest.approx(2.0, abs=0.11)
    assert result.shots_from == "own"
    assert all(span.speed_px_per_s == pytest.approx(60.0, rel=0.05) for span in result.spans)


def test_a_jump_cut_is_no_motion() -> None:
    frames = np.concatenate([film(lambda t: {}, 1.5), film(lambda t: {"dx": 30.0, "zoom": 1.15}, 1.5)])
    assert {span.kind for span in analyse(frames).spans} == {"static"}


def test_known_cuts_part_the_spans_exactly() -> None:
    frames = np.concatenate([film(lambda t: {}, 1.48), film(lambda t: {"dx": 3.0}, 1.52)])
    result = run_on_frames(analyzer(), frames, FPS, results={"cut_analysis": cut_result([1.48], 3.0)})
    assert [(span.kind, span.start_time, span.end_time) for span in result.spans] == [
        ("static", 0.0, 1.48),
        ("static", 1.48, 3.0),
    ]
    assert result.shots_from == "cut_analysis"


def test_without_cuts_a_flash_does_not_part_a_shot() -> None:
    frames = film(lambda t: {}, 3.0)
    frames[40:42] = 255
    result = run_on_frames(analyzer(), frames, FPS, results={"cut_analysis": cut_result([], 3.0)})
    assert [span.kind for span in result.spans] == ["static"]


@pytest.mark.parametrize("chunk_s", [0.35, 1.0, 5.0, 100.0])
def test_the_result_does_not_depend_on_the_chunks(chunk_s: float) -> None:
    x = sway(3, 2.0)
    frames = film(lambda t: {"dx": x(t) + 50.0 * between(t, 1.0, 2.0), "zoom": 1.1**t}, 3.0)
    expected = run_on_frames(analyzer(), frames, FPS, chunk_s=2.0)
    assert run_on_frames(analyzer(), frames, FPS, chunk_s=chunk_s) == expected


def test_a_pair_does_not_depend_on_the_pairs_before_it() -> None:
    """OpenCV's flow object starts from its last given start when none is given: a whip must not leak into the next."""
    shifts = [0.0, 0.0, 100.0, 200.0, 203.0, 203.0, 150.0, 152.0]
    frames = [cv2.resize(cv2.cvtColor(window(dx=x), cv2.COLOR_RGB2GRAY), (213, 120)).astype(np.uint8) for x in shifts]
    one = GlobalMotion(MotionSettings())
    for before, after in pairwise(frames):
        assert one.between(before, after) == GlobalMotion(MotionSettings()).between(before, after)


def test_uneven_frame_times_do_not_change_the_speed() -> None:
    rng = np.random.default_rng(2)
    times = np.cumsum(rng.choice([0.02, 0.05, 0.11], 60))
    times -= times[0]
    batch = FrameBatch(np.stack([window(dx=70.0 * t) for t in times]), times.copy(), np.arange(60), 0, 320, 180)
    chunk = FrameChunk(0, 0.0, float(times[-1]) + 0.02, (batch,))
    facts = VideoFacts(container="arrays", duration_s=chunk.end_s, width=320, height=180)
    result = analyzer().conclude(analyzer().observe([chunk]), Context(facts))
    (span,) = result.spans
    assert span.kind == "pan_right"
    assert span.speed_px_per_s == pytest.approx(70.0, rel=0.02)


def test_a_missing_chunk_is_unknown_and_not_bridged() -> None:
    made = analyzer()
    frames = film(lambda t: {"dx": 40.0 * t}, 6.0)
    chunks = frame_chunks(frames, FPS, made.needs().frames, 2.0)
    facts = VideoFacts(container="arrays", duration_s=6.0, width=320, height=180)
    result = made.conclude(made.observe([chunks[0], chunks[2]]), Context(facts, gaps=((2.0, 4.0),)))
    assert [span.kind for span in result.spans] == ["pan_right", "unknown", "pan_right"]
    assert result.spans[1].reason == "not_observed"
    assert result.spans[1].end_time == pytest.approx(4.0, abs=0.11)


def test_one_frame_has_no_motion() -> None:
    with pytest.raises(NotApplicable) as caught:
        run_on_frames(analyzer(), window()[None], FPS)
    assert caught.value.code == "too_few_frames"


def test_tiny_pictures_do_not_crash() -> None:
    for size in ((64, 36), (36, 64), (20, 20), (64, 8), (9, 100)):
        result = run_on_frames(analyzer(), film(lambda t: {"dx": 5.0 * t}, 1.0, size=size), FPS)
        assert result.spans[-1].end_time == pytest.approx(1.0)


def test_smallest_move_is_a_setting() -> None:
    frames = film(lambda t: {"dx": 30.0 * between(t, 0.6, 1.2)}, 2.0)
    # 18 px of sqrt(320 * 180) = 240 px: 0.075 picture units.
    kinds = [[s.kind for s in analyse(frames, min_move=limit).spans] for limit in (0.06, 0.09)]
    assert kinds[0] == ["static", "pan_right", "static"]
    assert "pan_right" not in kinds[1]


def test_observations_are_small_and_pickle() -> None:
    made = analyzer()
    (chunk,) = frame_chunks(film(lambda t: {}, 2.0), FPS, made.needs().frames, 2.0)
    (observation,) = made.observe([chunk])
    data = pickle.dumps(observation)
    assert len(data) < 4000
    assert np.array_equal(pickle.loads(data).motion, observation.motion)


def test_time_line_and_headline_say_what_the_result_says() -> None:
    made = analyzer()
    result = analyse(film(lambda t: {"dx": 80.0 * between(t, 1.0, 2.0)}, 3.0))
    (item,) = made.timeline(result)
    assert (item.label, item.channel, item.analyzer) == ("pan right", "seen", "camera_analysis")
    assert (item.start_time, item.end_time) == (result.spans[1].start_time, result.spans[1].end_time)
    headline = made.headline(result)
    assert headline is not None
    assert "static 67%" in headline
    assert "pan right 33%" in headline
    assert "1 move" in headline


def camera_truth() -> list[dict[str, Any]]:
    entries = json.loads((MEDIA / "MANIFEST.json").read_text())
    (entry,) = [e for e in entries if e["file"] == "derived/camera_pan_zoom_A.mp4"]
    truth: list[dict[str, Any]] = entry["truth"]["by_construction"]["camera_motion"]
    return truth


def test_made_clip_with_published_motion() -> None:
    result = run_on_file(analyzer(), media("derived/camera_pan_zoom_A.mp4"))
    truth = camera_truth()
    kinds = [part["kind"] for part in truth for _ in range(part["first_frame"], part["last_frame"] + 1)]
    right = np.mean([kind_at(result, i / 25.0) == kind for i, kind in enumerate(kinds)])
    assert right >= 0.95
    zoom = 1.0
    for part in truth:
        frames = part["last_frame"] - part["first_frame"] + 1
        middle_s = 0.5 * (part["first_frame"] + part["last_frame"]) / 25.0
        span = next(s for s in result.spans if s.start_time <= middle_s < s.end_time)
        shift = np.hypot(part["window_dx_px_per_frame"], part["window_dy_px_per_frame"]) * zoom * 25.0
        assert span.speed_px_per_s == pytest.approx(shift, rel=0.1, abs=2.0)
        assert span.zoom_factor_per_s == pytest.approx(part["zoom_factor_per_frame"] ** 25.0, rel=0.02)
        zoom *= part["zoom_factor_per_frame"] ** frames


@pytest.mark.parametrize(
    "name",
    [
        "tfjs/pose_squats.mp4",
        "moviepy/chaplin.mp4",
        "intel/head-pose-face-detection-female-and-male.gif",
        pytest.param("intel/bottle-detection.mp4", marks=pytest.mark.slow),
        pytest.param("intel/car-detection.mp4", marks=pytest.mark.slow),
    ],
)
def test_clips_with_a_static_camera_by_eye(name: str) -> None:
    result = run_on_file(analyzer(), media(name))
    assert result.share.get("static", 0.0) >= 0.99
    assert result.moves == 0


def test_phone_clip_with_a_fast_pan_and_shake_by_eye() -> None:
    result = run_on_file(analyzer(), media("moviepy/fire2.mp4"))
    assert result.moves >= 1
    assert any(span.kind in ("pan_left", "pan_right", "whip_pan") for span in result.spans)
    assert result.stability is not None
    assert result.stability < 0.3


@pytest.mark.parametrize(("cuts", "starts"), [([], [0.0]), ([1.0], [0.0, 1.0])])
def test_what_is_unknown_ends_with_its_shot(cuts: list[float], starts: list[float]) -> None:
    """Two seconds of one grey: nothing can be followed, in one shot or in two."""
    frames = np.full((60, 90, 160, 3), 128, np.uint8)
    results = {"cut_analysis": cut_result(cuts, 2.0)}
    result = run_on_frames(CameraAnalysis(CameraConfig()), frames, 30.0, results=results)
    assert [(span.kind, span.start_time) for span in result.spans] == [("unknown", t) for t in starts]
