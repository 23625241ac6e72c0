"""Effects in time, each against clips made to hold just it, and its negatives: light, freezes, speed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.effect_runs import about, effects_of, measure, only, only_kinds, spans
from tests.made_edits import (
    FPS,
    WIDTH,
    blurred,
    brighter,
    grain,
    join,
    pan,
    picture,
    still,
)


@pytest.mark.parametrize(("length", "strength"), [(1, 0.5), (2, 0.9), (5, 0.7)])
def test_flash(length, strength):
    frames = brighter(pan(1, 60, 1.0), range(30, 30 + length), strength)
    effect = only(effects_of(frames), "flash")
    assert (round(effect.start_time * FPS), round(effect.end_time * FPS)) == (30, 30 + length)
    # A mixture with white brings every pixel this share of its way to white.
    assert effect.score == pytest.approx(strength, abs=0.1)
    assert measure(effect, "brightened_share") > 0.9


def test_flash_between_two_shots():
    frames = brighter(join(still(1, 30), still(2, 30)), [29, 30], 0.9)
    assert spans(effects_of(frames), "flash") == about(29, 31, 1)


def test_black_frames_are_a_black_flash():
    frames = still(1, 60).copy()
    frames[30:33] = 5
    assert spans(effects_of(frames), "black_flash") == [(30, 33)]


def test_a_bright_object_is_no_flash():
    frames = still(1, 60).copy()
    frames[30:34, 20:80, 20:100] = 255
    assert spans(effects_of(frames), "flash") == []


def test_weak_brightening_is_no_flash():
    assert spans(effects_of(brighter(still(1, 60), [30, 31], 0.1)), "flash") == []


@pytest.mark.parametrize(("every", "is_strobe"), [(4, True), (6, True), (12, False)])
def test_strobe_is_more_than_three_flashes_in_a_second(every, is_strobe):
    """At 25 frames per second a flash every 6 frames is 4.2 in a second, every 12 frames 2.1."""
    frames = brighter(still(1, 75), [k for k in range(10, 65) if k % every == 0], 0.9)
    result = effects_of(frames)
    assert ("strobe" in result.effects_by_kind) == is_strobe
    assert ("flash" in result.effects_by_kind) != is_strobe


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_strobe_lasts_from_its_first_flash_to_the_end_of_its_last(length):
    """Else its last bright frames would be taken for a change of colour that goes back."""
    starts = (20, 25, 30, 35, 40)
    frames = brighter(still(1, 75), [k + i for k in starts for i in range(length)], 0.9)
    result = effects_of(frames)
    strobe = only(result, "strobe")
    assert (round(strobe.start_time * FPS), round(strobe.end_time * FPS)) == (20, 40 + length)
    assert "filter" not in result.effects_by_kind


def test_freeze():
    frames = pan(1, 80, 3.0)
    frames[30:55] = frames[30]
    effect = only(effects_of(frames), "freeze")
    assert (round(effect.start_time * FPS), round(effect.end_time * FPS)) == (30, 55)
    assert effect.score > 0.9
    assert measure(effect, "difference_inside_levels") == pytest.approx(0.0, abs=0.05)


def test_a_freeze_at_the_end():
    frames = pan(1, 60, 3.0)
    frames[40:] = frames[40]
    assert spans(effects_of(frames), "freeze") == [(40, 60)]


def test_a_still_picture_that_is_blurred_at_once_does_not_freeze():
    frames = blurred(still(1, 60, noise=0.0), (20, 60), 3.0)
    assert spans(effects_of(frames), "freeze") == []


def test_a_short_hold_is_no_freeze():
    frames = pan(1, 60, 3.0)
    frames[30:38] = frames[30]
    assert spans(effects_of(frames), "freeze") == []


def test_a_still_shot_is_no_freeze():
    """Nothing moved before, so nothing froze; with and without a camera's noise."""
    assert only_kinds(effects_of(join(pan(1, 40, 2.0), still(2, 50, noise=0.0)))) == set()
    assert only_kinds(effects_of(still(2, 60))) == set()


@pytest.mark.parametrize("held", [2, 3])
def test_slow_motion_by_held_pictures(held):
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


def test_held_pictures_alone_are_repeated_frames():
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
def test_another_steady_speed_in_one_shot(second, kind):
    wide = picture(1, WIDTH + 260)
    speeds = np.r_[np.full(50, 1.5), np.full(30, second)]
    result = effects_of(along(wide, np.cumsum(speeds)))
    assert spans(result, kind) == about(50, 80, 8)
    effect = next(e for e in result.effects if e.kind == kind)
    assert measure(effect, "speed_ratio") == pytest.approx(second / 1.5, rel=0.2)


def test_speed_ramp():
    speeds = np.r_[np.full(30, 1.0), np.linspace(1.0, 4.0, 20), np.full(30, 4.0)]
    wide = picture(2, WIDTH + int(speeds.sum()) + 2)
    result = effects_of(along(wide, np.cumsum(speeds)))
    assert spans(result, "speed_ramp") == about(30, 50, 8)
    ramp = next(e for e in result.effects if e.kind == "speed_ramp")
    assert ramp.detail == "faster"
    assert measure(ramp, "speed_ratio") == pytest.approx(4.0, rel=0.2)


def test_a_pan_that_starts_and_stops_is_no_change_of_speed():
    speeds = np.r_[np.zeros(20), np.linspace(0, 3, 15), np.full(20, 3.0), np.linspace(3, 0, 15), np.zeros(20)]
    wide = picture(3, WIDTH + int(speeds.sum()) + 2)
    assert only_kinds(effects_of(grain(along(wide, np.cumsum(speeds)), 3, 2.0))) == set()


def test_a_turn_of_the_camera_is_no_change_of_speed():
    frames = join(pan(4, 40, 1.0), pan(4, 40, -3.0))
    assert not only_kinds(effects_of(frames)) & {"fast_motion", "slow_motion", "speed_ramp"}
