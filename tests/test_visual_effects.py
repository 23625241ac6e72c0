"""Each effect against clips made to hold exactly it, its negatives, and real clips."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pytest

from analyzers.base import Context, NotApplicable
from analyzers.visual_effects import VisualEffectsResult
from schema.document import VideoFacts
from tests.made_edits import (
    BLACK,
    FPS,
    HEIGHT,
    WIDTH,
    barred,
    boxed,
    brighter,
    dissolve,
    faded,
    grain,
    join,
    pan,
    picture,
    plain,
    still,
    zoom,
)
from tests.media_folder import media
from tests.run import frame_chunks, make_analyzer, run_on_file, run_on_frames


@pytest.fixture(scope="module")
def analyzer():
    return make_analyzer("visual_effects")


@pytest.fixture(scope="module")
def cutter():
    return make_analyzer("cut_analysis")


@pytest.fixture
def effects_of(analyzer, cutter):
    """Runs cut_analysis and visual_effects over frames; gives the effects' result."""

    def run(frames, fps=FPS, chunk_s=2.0):
        cuts = run_on_frames(cutter, frames, fps)
        return run_on_frames(analyzer, frames, fps, chunk_s, results={"cut_analysis": cuts})

    return run


def spans(result, kind):
    return [(round(e.start_time * FPS), round(e.end_time * FPS)) for e in result.effects if e.kind == kind]


def only(result, kind):
    """The one effect there is."""
    assert [effect.kind for effect in result.effects] == [kind]
    return result.effects[0]


def measure(effect, name):
    return next(m.value for m in effect.evidence if m.name == name)


def about(first, end, tolerance=2):
    return [(pytest.approx(first, abs=tolerance), pytest.approx(end, abs=tolerance))]


# Taken over


def test_fades_and_dissolves_come_from_cut_analysis(effects_of, analyzer):
    mixed, _ = dissolve(still(2, 40), still(3, 40), 15)
    frames = faded(join(mixed, still(4, 40)), 90, 105, BLACK, into=True)
    result = effects_of(frames)
    assert list(result.count) == ["dissolve", "fade_out"]
    assert spans(result, "dissolve") == about(25, 40)
    alone = run_on_frames(analyzer, frames, FPS)
    assert "fade_out" not in alone.count
    assert alone.shots_from == "own"
    assert alone.not_judged == ("fades and dissolves: cut_analysis has no result",)


# Light


@pytest.mark.parametrize(("length", "strength"), [(1, 0.5), (2, 0.9), (5, 0.7)])
def test_flash(effects_of, length, strength):
    frames = brighter(pan(1, 60, 1.0), range(30, 30 + length), strength)
    effect = only(effects_of(frames), "flash")
    assert (round(effect.start_time * FPS), round(effect.end_time * FPS)) == (30, 30 + length)
    # A mixture with white brings every pixel this share of its way to white.
    assert effect.score == pytest.approx(strength, abs=0.1)
    assert measure(effect, "brightened_share") > 0.9


def test_flash_between_two_shots(effects_of):
    frames = brighter(join(still(1, 30), still(2, 30)), [29, 30], 0.9)
    assert spans(effects_of(frames), "flash") == about(29, 31, 1)


def test_black_frames_are_a_black_flash(effects_of):
    frames = still(1, 60).copy()
    frames[30:33] = 5
    assert spans(effects_of(frames), "black_flash") == [(30, 33)]


def test_a_bright_object_is_no_flash(effects_of):
    frames = still(1, 60).copy()
    frames[30:34, 20:80, 20:100] = 255
    assert spans(effects_of(frames), "flash") == []


def test_weak_brightening_is_no_flash(effects_of):
    assert spans(effects_of(brighter(still(1, 60), [30, 31], 0.1)), "flash") == []


@pytest.mark.parametrize(("every", "is_strobe"), [(4, True), (6, True), (12, False)])
def test_strobe_is_more_than_three_flashes_in_a_second(effects_of, every, is_strobe):
    """At 25 frames per second a flash every 6 frames is 4.2 in a second, every 12 frames 2.1."""
    frames = brighter(still(1, 75), [k for k in range(10, 65) if k % every == 0], 0.9)
    result = effects_of(frames)
    assert ("strobe" in result.count) == is_strobe
    assert ("flash" in result.count) != is_strobe


# Motion


def test_freeze(effects_of):
    frames = pan(1, 80, 3.0)
    frames[30:55] = frames[30]
    effect = only(effects_of(frames), "freeze")
    assert (round(effect.start_time * FPS), round(effect.end_time * FPS)) == (30, 55)
    assert effect.score > 0.9
    assert measure(effect, "difference_inside_levels") == pytest.approx(0.0, abs=0.05)


def test_a_freeze_at_the_end(effects_of):
    frames = pan(1, 60, 3.0)
    frames[40:] = frames[40]
    assert spans(effects_of(frames), "freeze") == [(40, 60)]


def test_a_still_picture_that_is_blurred_at_once_does_not_freeze(effects_of):
    frames = blurred(still(1, 60, noise=0.0), (20, 60), 3.0)
    assert spans(effects_of(frames), "freeze") == []


def test_a_short_hold_is_no_freeze(effects_of):
    frames = pan(1, 60, 3.0)
    frames[30:38] = frames[30]
    assert spans(effects_of(frames), "freeze") == []


def test_a_still_shot_is_no_freeze(effects_of):
    """Nothing moved before, so nothing froze; with and without a camera's noise."""
    assert only_kinds(effects_of(join(pan(1, 40, 2.0), still(2, 50, noise=0.0)))) == set()
    assert only_kinds(effects_of(still(2, 60))) == set()


def only_kinds(result):
    return set(result.count)


@pytest.mark.parametrize("held", [2, 3])
def test_slow_motion_by_held_pictures(effects_of, held):
    """Half of the shot at full rate, then each picture of the same movement held for some frames."""
    moving = pan(1, 60, 3.0)
    frames = join(moving[:30], np.repeat(moving[30:50], held, axis=0))
    result = effects_of(frames)
    assert spans(result, "slow_motion")
    start, end = spans(result, "slow_motion")[0]
    assert start == pytest.approx(30, abs=4)
    assert end == pytest.approx(len(frames), abs=4)
    slow = next(e for e in result.effects if e.detail == f"each picture {held} frames")
    assert measure(slow, "frames_per_picture") == held


def test_held_pictures_alone_are_repeated_frames(effects_of):
    """Without full rate in the same shot it may be slowed or only of a lower rate: that is what is said."""
    result = effects_of(np.repeat(pan(1, 25, 4.0), 3, axis=0))
    effect = only(result, "repeated_frames")
    assert measure(effect, "pictures_per_s") == pytest.approx(FPS / 3, rel=0.05)


def along(wide, at):
    """A window at each position in px, between pixels by interpolation."""
    whole = at.astype(int)
    share = (at - whole).reshape(-1, 1, 1, 1)
    first = np.stack([wide[:, x : x + WIDTH] for x in whole])
    second = np.stack([wide[:, x + 1 : x + 1 + WIDTH] for x in whole])
    return np.round((1 - share) * first + share * second).astype(np.uint8)


@pytest.mark.parametrize(("second", "kind"), [(4.0, "fast_motion"), (0.6, "slow_motion")])
def test_another_steady_speed_in_one_shot(effects_of, second, kind):
    wide = picture(1, WIDTH + 260)
    speeds = np.r_[np.full(50, 1.5), np.full(30, second)]
    result = effects_of(along(wide, np.cumsum(speeds)))
    assert spans(result, kind) == about(50, 80, 8)
    effect = next(e for e in result.effects if e.kind == kind)
    assert measure(effect, "speed_ratio") == pytest.approx(second / 1.5, rel=0.2)


def test_speed_ramp(effects_of):
    speeds = np.r_[np.full(30, 1.0), np.linspace(1.0, 4.0, 20), np.full(30, 4.0)]
    wide = picture(2, WIDTH + int(speeds.sum()) + 2)
    result = effects_of(along(wide, np.cumsum(speeds)))
    assert spans(result, "speed_ramp") == about(30, 50, 8)
    ramp = next(e for e in result.effects if e.kind == "speed_ramp")
    assert ramp.detail == "faster"
    assert measure(ramp, "speed_ratio") == pytest.approx(4.0, rel=0.2)


def test_a_pan_that_starts_and_stops_is_no_change_of_speed(effects_of):
    speeds = np.r_[np.zeros(20), np.linspace(0, 3, 15), np.full(20, 3.0), np.linspace(3, 0, 15), np.zeros(20)]
    wide = picture(3, WIDTH + int(speeds.sum()) + 2)
    assert only_kinds(effects_of(grain(along(wide, np.cumsum(speeds)), 3, 2.0))) == set()


def test_a_turn_of_the_camera_is_no_change_of_speed(effects_of):
    frames = join(pan(4, 40, 1.0), pan(4, 40, -3.0))
    assert not only_kinds(effects_of(frames)) & {"fast_motion", "slow_motion", "speed_ramp"}


# Frame


@pytest.mark.parametrize("px", [6, 14, 30])
def test_letterbox(effects_of, px):
    effect = only(effects_of(barred(pan(1, 50, 1.0), px)), "letterbox")
    assert (effect.start_time, effect.end_time) == (0.0, pytest.approx(2.0))
    assert effect.region.y == pytest.approx(px, abs=1)
    assert effect.region.height == pytest.approx(HEIGHT - 2 * px, abs=2)
    assert measure(effect, "bar_luma") == 0.0


def test_pillarbox_of_any_colour(effects_of):
    frames = pan(1, 50, 1.0)
    frames[:, :, :20] = frames[:, :, -20:] = (240, 240, 240)
    effect = only(effects_of(frames), "pillarbox")
    assert effect.region.x == pytest.approx(20, abs=1)


def test_bars_that_come_later(effects_of):
    frames = pan(1, 100, 1.0)
    frames[40:] = barred(frames[40:], 14)
    assert spans(effects_of(frames), "letterbox") == [(40, 100)]


def test_dark_edges_of_a_scene_are_no_bars(effects_of):
    light = np.clip(np.minimum(np.arange(WIDTH), np.arange(WIDTH)[::-1]) / 50.0 - 0.3, 0, 1).reshape(1, 1, WIDTH, 1)
    frames = (pan(1, 60, 1.0) * light).astype(np.uint8)
    assert not only_kinds(effects_of(frames)) & {"letterbox", "pillarbox"}
    one = pan(1, 60, 1.0)
    one[:, :20] = 0
    assert spans(effects_of(one), "letterbox") == []


@pytest.mark.parametrize("detail", ["side by side", "stacked"])
def test_split_screen(effects_of, detail):
    first, second = pan(1, 60, 1.3), zoom(2, 60, 1.4)
    frames = first.copy()
    if detail == "side by side":
        frames[:, :, WIDTH // 2 :] = second[:, :, WIDTH // 2 :]
    else:
        frames[:, HEIGHT // 2 :] = second[:, HEIGHT // 2 :]
    effect = only(effects_of(frames), "split_screen")
    assert effect.detail == detail
    assert (effect.start_time, effect.end_time) == (0.0, pytest.approx(60 / FPS))
    assert measure(effect, "seam_position") == pytest.approx(0.5, abs=0.03)


def test_a_wall_that_runs_through_the_picture_is_no_split_screen(effects_of):
    """Two halves that differ all along a straight edge but move as one."""
    wide = np.concatenate([picture(1), picture(2)], axis=1)
    swing = (WIDTH // 2 + 3 * np.sin(np.arange(60) / 4)).astype(int)
    assert spans(effects_of(np.stack([wide[:, x : x + WIDTH] for x in swing])), "split_screen") == []


def test_stripes_are_no_split_screen(effects_of):
    frames = pan(1, 60, 1.0)
    for k in range(7):
        frames[:, :, k * 23 : k * 23 + 11] = frames[:, :, k * 23 : k * 23 + 11] // 4
    assert spans(effects_of(frames), "split_screen") == []


def shade(frames, strength):
    y, x = np.meshgrid(np.linspace(-1, 1, HEIGHT), np.linspace(-1, 1, WIDTH), indexing="ij")
    mask = 1.0 - strength * (np.square(x) + np.square(y)) / 2.0
    return np.round(frames * mask[None, ..., None]).astype(np.uint8)


def test_vignette(effects_of):
    scenes = join(*(pan(seed, 20, 2.0) for seed in range(1, 7)))
    effect = [e for e in effects_of(shade(scenes, 0.7)).effects if e.kind == "vignette"]
    assert effect
    # Corners are measured over a region: on average their light is 0.7 * mean(r^2) lower, about 0.5.
    assert measure(effect[0], "fall_to_corners") == pytest.approx(0.5, abs=0.15)
    assert effect[0].start_time == 0.0
    assert effect[-1].end_time == pytest.approx(120 / FPS)
    assert spans(effects_of(shade(scenes, 0.15)), "vignette") == []
    assert spans(effects_of(scenes), "vignette") == []


def test_light_from_one_side_is_no_vignette(effects_of):
    scenes = join(*(pan(seed, 20, 2.0) for seed in range(1, 7)))
    ramp = np.linspace(1.0, 0.2, WIDTH).reshape(1, 1, WIDTH, 1)
    assert spans(effects_of(np.round(scenes * ramp).astype(np.uint8)), "vignette") == []


# Look


def blurred(frames, span, radius):
    import cv2

    out = frames.copy()
    for k in range(*span):
        out[k] = cv2.GaussianBlur(frames[k], (0, 0), radius)
    return out


def test_blur(effects_of):
    effect = only(effects_of(blurred(pan(1, 60, 0.5), (20, 40), 3.0)), "blur")
    assert (round(effect.start_time * FPS), round(effect.end_time * FPS)) == (
        pytest.approx(20, abs=1),
        pytest.approx(40, abs=1),
    )
    assert measure(effect, "detail_of_sharp_frame_share") < 0.4


@pytest.mark.parametrize("radius", [0.3])
def test_slight_softness_is_no_blur(effects_of, radius):
    assert only_kinds(effects_of(blurred(pan(1, 60, 0.5), (20, 40), radius))) == set()


def test_a_plain_part_of_the_scene_is_no_blur(effects_of):
    wide = np.concatenate([picture(1, 2 * WIDTH), np.full((HEIGHT, 2 * WIDTH, 3), 128, np.uint8)], axis=1)
    wide[40:60] = np.clip(wide[40:60].astype(int) // 2 + 60, 0, 255)
    frames = np.stack([wide[:, x : x + WIDTH] for x in range(0, 2 * WIDTH, 4)])
    assert spans(effects_of(frames), "blur") == []


def test_black_and_white(effects_of):
    frames = pan(1, 75, 1.0)
    grey = frames @ np.array([0.299, 0.587, 0.114])
    frames[25:] = np.round(grey[25:, ..., None]).astype(np.uint8)
    found = [e for e in effects_of(frames).effects if e.kind == "filter" and e.detail == "black and white"]
    assert [(round(e.start_time * FPS), round(e.end_time * FPS)) for e in found] == [(25, 75)]
    assert found[0].score > 0.7


def test_sepia_is_toned(effects_of):
    grey = (pan(1, 50, 1.0) @ np.array([0.299, 0.587, 0.114]))[..., None]
    frames = np.clip(grey * (1.05, 0.9, 0.7), 0, 255).astype(np.uint8)
    effect = only(effects_of(frames), "filter")
    assert effect.detail == "toned"
    assert (effect.start_time, effect.end_time) == (0.0, pytest.approx(2.0))


def test_a_filter_that_is_switched_on(effects_of):
    frames = pan(1, 75, 1.0).astype(np.float32)
    frames[30:55] *= (1.15, 1.0, 0.7)
    result = effects_of(np.clip(frames, 0, 255).astype(np.uint8))
    effect = only(result, "filter")
    assert effect.detail == "colour change"
    assert spans(result, "filter") == [(30, 55)]


def test_colourful_and_pale_scenes_have_no_filter(effects_of):
    frames = join(pan(1, 40, 1.0), pan(2, 40, 1.0))
    grey = (frames @ np.array([0.299, 0.587, 0.114]))[..., None]
    pale = np.round(0.75 * grey + 0.25 * frames).astype(np.uint8)
    assert only_kinds(effects_of(frames)) == set()
    assert only_kinds(effects_of(pale)) == set()


# Overlays


def test_a_box_that_appears_and_goes(effects_of):
    frames = boxed(pan(1, 75, 0.5), 20, 55, 40, 56, 80, 24)
    effect = only(effects_of(frames), "overlay")
    assert (round(effect.start_time * FPS), round(effect.end_time * FPS)) == (20, 55)
    box = effect.region
    # Found to whole blocks of 8 px.
    assert box.x == pytest.approx(40, abs=8)
    assert box.y == pytest.approx(56, abs=8)
    assert box.width == pytest.approx(80, abs=16)
    assert box.height == pytest.approx(24, abs=16)


def test_a_logo_that_stays_over_cuts(effects_of):
    scenes = join(*(pan(seed, 25, 1.0) for seed in range(1, 5)))
    effect = only(effects_of(boxed(scenes, 0, 100, 112, 8, 40, 16)), "overlay")
    assert (effect.start_time, effect.end_time) == (0.0, pytest.approx(4.0))
    assert effect.region.x >= 100
    assert effect.detail == "stays while the picture changes"


def test_things_in_the_scene_are_no_overlays(effects_of):
    walker = still(1, 60).copy()
    for k in range(60):
        walker[k, 30:80, 2 * k : 2 * k + 30] = picture(9)[30:80, :30]
    assert spans(effects_of(walker), "overlay") == []
    assert spans(effects_of(join(still(1, 30), still(2, 30), still(3, 30))), "overlay") == []


# Form


@pytest.mark.parametrize("chunk_s", [1.0, 2.0, 5.0, 100.0])
def test_result_does_not_depend_on_chunks(effects_of, chunk_s):
    frames = barred(brighter(boxed(pan(1, 100, 1.0), 20, 60, 40, 50, 80, 24), [75, 76], 0.9), 14)
    result = effects_of(frames, chunk_s=chunk_s)
    assert {"overlay", "flash", "letterbox"} <= only_kinds(result)
    assert result == effects_of(frames, chunk_s=3.0)


def test_nothing_is_found_in_plain_footage(effects_of):
    for frames in (pan(1, 60, 2.0), zoom(2, 60, 1.5), still(3, 60), plain((90, 60, 60), 40)):
        assert effects_of(frames).effects == ()


def test_counts_lengths_and_lines_agree(effects_of, analyzer):
    result = effects_of(barred(brighter(pan(1, 75, 1.0), [30, 31], 0.9), 14))
    assert result.count == {"letterbox": 1, "flash": 1}
    assert result.seconds == {"letterbox": pytest.approx(3.0), "flash": pytest.approx(2 / FPS)}
    assert [item.label for item in analyzer.timeline(result)] == ["letterbox", "flash"]
    assert analyzer.headline(result) == "Effects: letterbox 1x (3.0 s), flash 1x (0.1 s)."
    assert VisualEffectsResult.model_validate_json(result.model_dump_json()) == result
    assert analyzer.headline(effects_of(pan(1, 50, 1.0))) == "No visual effects found."


def test_observations_pickle_and_are_small(analyzer):
    chunk = frame_chunks(pan(1, 50, 1.0), FPS, analyzer.needs().frames, 2.0)[0]
    size = len(pickle.dumps(analyzer.observe([chunk])[0]))
    assert size < 0.2 * chunk.batch.frames.nbytes


def test_a_lost_chunk_is_no_effect(analyzer, cutter):
    frames = pan(1, 180, 1.0)
    chunks = frame_chunks(frames, FPS, analyzer.needs().frames, 2.0)
    facts = VideoFacts(container="arrays", duration_s=180 / FPS, width=WIDTH, height=HEIGHT)
    kept = [analyzer.observe([chunk])[0] for k, chunk in enumerate(chunks) if k != 1]
    cuts = run_on_frames(cutter, frames, FPS)
    result = analyzer.conclude(kept, Context(facts, {"cut_analysis": cuts}, gaps=((2.0, 4.0),)))
    assert result.effects == ()


def test_one_picture_has_no_effects(analyzer):
    with pytest.raises(NotApplicable, match="two pictures"):
        run_on_frames(analyzer, still(1, 1), FPS)


# Real clips


@cache
def analysed(name):
    cuts = run_on_file(make_analyzer("cut_analysis"), media(name))
    return run_on_file(make_analyzer("visual_effects"), media(name), results={"cut_analysis": cuts})


def test_bars_and_cards_of_the_trailer():
    """By eye: letterboxed all through; ten fades."""
    result = analysed("cosmos/test_video_30s.mp4")
    assert [(e.start_time, e.end_time) for e in result.effects if e.kind == "letterbox"] == [(0.0, pytest.approx(30.0))]
    assert {kind for kind in result.count if kind not in ("fade_in", "fade_out")} <= {"letterbox", "overlay"}


def test_silent_film():
    """By eye: pillarboxed; and it is black and white."""
    result = analysed("moviepy/chaplin.mp4")
    assert result.count == {"filter": 1, "pillarbox": 1}
    assert all(e.end_time - e.start_time > 9.5 for e in result.effects)


def test_captions_are_overlays_with_their_spans():
    """By construction: burned-in captions at frames 10-64, 85-139, 160-214 and 235-289."""
    result = analysed("derived/vertical_talk_cuts_subs_A.mp4")
    assert spans(result, "overlay") == [(10, 65), (85, 140), (160, 215), (235, 290)]
    assert list(result.count) == ["overlay"]


@pytest.mark.parametrize(
    "name",
    [
        "intel/asl_book.mkv",
        "intel/head-pose-face-detection-female-and-male.gif",
        "lipnet/lbax4n.mpg",
        "lipnet/id2_vcd_swwp2s.mpg",
        "tfjs/pose_squats.mp4",
        "moviepy/fire2.mp4",
    ],
)
def test_plain_recordings_have_no_effects(name):
    assert analysed(name).effects == ()
