"""Effects in the picture, each against clips made to hold just it, and its negatives: bars, splits, looks, overlays."""

from __future__ import annotations

import numpy as np
import pytest

from tests.effect_runs import effects_of, measure, only, only_kinds, spans
from tests.made_edits import (
    FPS,
    HEIGHT,
    WIDTH,
    barred,
    blurred,
    boxed,
    join,
    pan,
    picture,
    still,
    zoom,
)


@pytest.mark.parametrize("px", [6, 14, 30])
def test_letterbox(px):
    effect = only(effects_of(barred(pan(1, 50, 1.0), px)), "letterbox")
    assert (effect.start_time, effect.end_time) == (0.0, pytest.approx(2.0))
    assert effect.bounding_box.y == pytest.approx(px, abs=1)
    assert effect.bounding_box.height == pytest.approx(HEIGHT - 2 * px, abs=2)
    assert measure(effect, "bar_luma") == 0.0


def test_pillarbox_of_any_colour():
    frames = pan(1, 50, 1.0)
    frames[:, :, :20] = frames[:, :, -20:] = (240, 240, 240)
    effect = only(effects_of(frames), "pillarbox")
    assert effect.bounding_box.x == pytest.approx(20, abs=1)


def test_bars_that_come_later():
    frames = pan(1, 100, 1.0)
    frames[40:] = barred(frames[40:], 14)
    assert spans(effects_of(frames), "letterbox") == [(40, 100)]


def test_dark_edges_of_a_scene_are_no_bars():
    light = np.clip(np.minimum(np.arange(WIDTH), np.arange(WIDTH)[::-1]) / 50.0 - 0.3, 0, 1).reshape(1, 1, WIDTH, 1)
    frames = (pan(1, 60, 1.0) * light).astype(np.uint8)
    assert not only_kinds(effects_of(frames)) & {"letterbox", "pillarbox"}
    one = pan(1, 60, 1.0)
    one[:, :20] = 0
    assert spans(effects_of(one), "letterbox") == []


@pytest.mark.parametrize("detail", ["side by side", "stacked"])
def test_split_screen(detail):
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


def test_a_wall_that_runs_through_the_picture_is_no_split_screen():
    """Two halves that differ all along a straight edge but move as one."""
    wide = np.concatenate([picture(1), picture(2)], axis=1)
    swing = (WIDTH // 2 + 3 * np.sin(np.arange(60) / 4)).astype(int)
    assert spans(effects_of(np.stack([wide[:, x : x + WIDTH] for x in swing])), "split_screen") == []


def test_stripes_are_no_split_screen():
    frames = pan(1, 60, 1.0)
    for k in range(7):
        frames[:, :, k * 23 : k * 23 + 11] = frames[:, :, k * 23 : k * 23 + 11] // 4
    assert spans(effects_of(frames), "split_screen") == []


def shade(frames, strength):
    y, x = np.meshgrid(np.linspace(-1, 1, HEIGHT), np.linspace(-1, 1, WIDTH), indexing="ij")
    mask = 1.0 - strength * (np.square(x) + np.square(y)) / 2.0
    return np.round(frames * mask[None, ..., None]).astype(np.uint8)


def test_vignette():
    scenes = join(*(pan(seed, 20, 2.0) for seed in range(1, 7)))
    effect = [e for e in effects_of(shade(scenes, 0.7)).effects if e.kind == "vignette"]
    assert effect
    # Corners are measured over a region: on average their light is 0.7 * mean(r^2) lower, about 0.5.
    assert measure(effect[0], "fall_to_corners") == pytest.approx(0.5, abs=0.15)
    assert effect[0].start_time == 0.0
    assert effect[-1].end_time == pytest.approx(120 / FPS)
    assert spans(effects_of(shade(scenes, 0.15)), "vignette") == []
    assert spans(effects_of(scenes), "vignette") == []


def test_light_from_one_side_is_no_vignette():
    scenes = join(*(pan(seed, 20, 2.0) for seed in range(1, 7)))
    ramp = np.linspace(1.0, 0.2, WIDTH).reshape(1, 1, WIDTH, 1)
    assert spans(effects_of(np.round(scenes * ramp).astype(np.uint8)), "vignette") == []


def test_blur():
    effect = only(effects_of(blurred(pan(1, 60, 0.5), (20, 40), 3.0)), "blur")
    assert (round(effect.start_time * FPS), round(effect.end_time * FPS)) == (
        pytest.approx(20, abs=1),
        pytest.approx(40, abs=1),
    )
    assert measure(effect, "detail_of_sharp_frame_share") < 0.4


@pytest.mark.parametrize("radius", [0.3])
def test_slight_softness_is_no_blur(radius):
    assert only_kinds(effects_of(blurred(pan(1, 60, 0.5), (20, 40), radius))) == set()


def test_a_plain_part_of_the_scene_is_no_blur():
    wide = np.concatenate([picture(1, 2 * WIDTH), np.full((HEIGHT, 2 * WIDTH, 3), 128, np.uint8)], axis=1)
    wide[40:60] = np.clip(wide[40:60].astype(int) // 2 + 60, 0, 255)
    frames = np.stack([wide[:, x : x + WIDTH] for x in range(0, 2 * WIDTH, 4)])
    assert spans(effects_of(frames), "blur") == []


def test_black_and_white():
    frames = pan(1, 75, 1.0)
    grey = frames @ np.array([0.299, 0.587, 0.114])
    frames[25:] = np.round(grey[25:, ..., None]).astype(np.uint8)
    found = [e for e in effects_of(frames).effects if e.kind == "filter" and e.detail == "black and white"]
    assert [(round(e.start_time * FPS), round(e.end_time * FPS)) for e in found] == [(25, 75)]
    assert found[0].score > 0.7


def test_sepia_is_toned():
    grey = (pan(1, 50, 1.0) @ np.array([0.299, 0.587, 0.114]))[..., None]
    frames = np.clip(grey * (1.05, 0.9, 0.7), 0, 255).astype(np.uint8)
    effect = only(effects_of(frames), "filter")
    assert effect.detail == "toned"
    assert (effect.start_time, effect.end_time) == (0.0, pytest.approx(2.0))


def test_a_filter_that_is_switched_on():
    frames = pan(1, 75, 1.0).astype(np.float32)
    frames[30:55] *= (1.15, 1.0, 0.7)
    result = effects_of(np.clip(frames, 0, 255).astype(np.uint8))
    effect = only(result, "filter")
    assert effect.detail == "colour change"
    assert spans(result, "filter") == [(30, 55)]


def test_colourful_and_pale_scenes_have_no_filter():
    frames = join(pan(1, 40, 1.0), pan(2, 40, 1.0))
    grey = (frames @ np.array([0.299, 0.587, 0.114]))[..., None]
    pale = np.round(0.75 * grey + 0.25 * frames).astype(np.uint8)
    assert only_kinds(effects_of(frames)) == set()
    assert only_kinds(effects_of(pale)) == set()


def test_a_box_that_appears_and_goes():
    frames = boxed(pan(1, 75, 0.5), 20, 55, 40, 56, 80, 24)
    effect = only(effects_of(frames), "overlay")
    assert (round(effect.start_time * FPS), round(effect.end_time * FPS)) == (20, 55)
    box = effect.bounding_box
    # Found to whole blocks of 8 px.
    assert box.x == pytest.approx(40, abs=8)
    assert box.y == pytest.approx(56, abs=8)
    assert box.width == pytest.approx(80, abs=16)
    assert box.height == pytest.approx(24, abs=16)


def test_a_logo_that_stays_over_cuts():
    scenes = join(*(pan(seed, 25, 1.0) for seed in range(1, 5)))
    effect = only(effects_of(boxed(scenes, 0, 100, 112, 8, 40, 16)), "overlay")
    assert (effect.start_time, effect.end_time) == (0.0, pytest.approx(4.0))
    assert effect.bounding_box.x >= 100
    assert effect.detail == "stays while the picture changes"


def test_things_in_the_scene_are_no_overlays():
    walker = still(1, 60).copy()
    for k in range(60):
        walker[k, 30:80, 2 * k : 2 * k + 30] = picture(9)[30:80, :30]
    assert spans(effects_of(walker), "overlay") == []
    assert spans(effects_of(join(still(1, 30), still(2, 30), still(3, 30))), "overlay") == []
