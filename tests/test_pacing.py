"""The measures of pacing, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analyzers.signal.pacing import (
    JoinSettings,
    Scale,
    beat_alignment,
    covered_s,
    cut_density,
    join,
    length_trend,
    share,
    shot_lengths,
    smoothed,
    story,
    structural_similarity,
    windows,
)

SCALE = Scale(motion_half=0.25, cuts_half_per_s=0.5, quiet_lufs=-40.0, loud_lufs=-10.0)
JOIN = JoinSettings(least_jump=2.0, jump_factor=2.0, similar=0.7, black=24.0)


def test_windows_stay_inside_the_clip():
    assert windows(8.0, 5.0, 1.0) == [(0.0, 5.0), (1.0, 6.0), (2.0, 7.0), (3.0, 8.0)]
    assert windows(2.0, 5.0, 1.0) == [(0.0, 2.0)]
    assert windows(0.0, 5.0, 1.0) == []


def test_covered_time_counts_overlaps_once():
    spans = [(4.0, 6.0), (0.0, 2.0), (1.0, 3.0)]
    assert covered_s(spans, 0.0, 10.0) == 5.0
    assert covered_s(spans, 2.5, 5.0) == 1.5
    assert share(spans, 0.0, 10.0) == 0.5
    assert share([], 0.0, 10.0) == 0.0
    assert share(None, 0.0, 10.0) is None


def test_shots_between_cuts():
    assert shot_lengths([7.0, 2.0, 12.0, 0.0], 10.0) == [2.0, 5.0, 3.0]
    assert shot_lengths([], 4.0) == [4.0]


@pytest.mark.parametrize(
    ("lengths", "trend"),
    [
        ([2.0, 2.0, 2.0], None),
        ([2.0, 2.0, 2.0, 2.0], "steady"),
        # Mean of the halves: 2.4 and 2.0, a factor of 1.2; 2.6 and 2.0, one of 1.3.
        ([2.4, 2.4, 2.0, 2.0], "steady"),
        ([2.6, 2.6, 2.0, 2.0], "accelerating"),
        ([2.0, 2.0, 9.0, 2.6, 2.6], "slowing"),
    ],
)
def test_trend_of_shot_lengths(lengths, trend):
    assert length_trend(lengths, 1.25) == trend


def test_scales_by_hand():
    assert SCALE.motion(np.array([0.0, 0.25, 0.75])) == pytest.approx([0.0, 0.5, 0.75])
    assert SCALE.cuts(np.array([0.0, 0.5, 1.5])) == pytest.approx([0.0, 0.5, 0.75])
    assert SCALE.loudness(np.array([-70.0, -40.0, -25.0, -10.0, -3.0])) == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.0])
    assert np.isnan(SCALE.loudness(np.array([np.nan]))).all()


def test_cut_density_counts_only_the_clip():
    # Around 0.5 s the window is [0, 2): one cut in 2 s; around 5 s it is [3.5, 6.5): two in 3 s.
    found = cut_density([1.0, 4.0, 6.0], np.array([0.5, 5.0]), 1.5, 10.0)
    assert found == pytest.approx([0.5, 2 / 3])


def test_smoothing_leaves_out_what_is_unknown():
    assert smoothed(np.array([0.0, 3.0, np.nan, 6.0]), 3)[:3] == pytest.approx([1.5, 1.5, 4.5])


def energy_with_peak(at, width=4, count=40):
    values = np.full(count, 0.2)
    values[at : at + width] = 0.8
    return values


@pytest.mark.parametrize(("at", "arc"), [(2, "early_peak"), (18, "middle_peak"), (32, "late_peak")])
def test_story_has_its_peak_where_the_energy_is(at, arc):
    found = story(energy_with_peak(at), 0.5, 20.0, flat_range=0.1, peak_depth=0.25, beginning_s=3.0)
    assert found is not None
    assert found.arc == arc
    assert found.range == pytest.approx(0.6)
    parts = {name: (start, end) for name, start, end in found.parts}
    assert parts["peak"] == (0.5 * at, 0.5 * at + 2.0)
    assert parts["beginning"] == (0.0, min(3.0, 0.5 * at))
    edges = [t for _, start, end in found.parts for t in (start, end)]
    assert edges[0] == 0.0
    assert edges[-1] == 20.0
    assert edges[1:-1:2] == edges[2::2]


@pytest.mark.parametrize(("height", "flat"), [(0.29, True), (0.31, False)])
def test_story_of_a_flat_clip_has_no_peak(height, flat):
    values = np.full(20, 0.2)
    values[8:12] = height
    found = story(values, 0.5, 10.0, flat_range=0.1, peak_depth=0.25, beginning_s=3.0)
    assert found is not None
    assert (found.arc == "flat") == flat
    assert bool(found.parts) != flat


def test_story_leaves_out_empty_parts():
    found = story(energy_with_peak(0, 40, 40) * np.linspace(1.0, 0.99, 40), 0.5, 20.0, 0.001, 0.99, 3.0)
    assert found is not None
    assert found.parts[0][0] == "peak"
    assert story(np.full(4, np.nan), 0.5, 2.0, 0.1, 0.25, 3.0) is None


def test_cuts_on_every_beat():
    beats = np.arange(0.5, 10.0, 0.5)
    found = beat_alignment(list(beats[::2]), list(beats), 0.07, 10.0)
    assert found is not None
    assert (found.cuts, found.on_beat) == (10, 10)
    # 0.14 s of each half second lie within the tolerance.
    assert found.expected_share == pytest.approx(0.28)
    assert found.p_value == pytest.approx(0.28**10)


def test_cuts_between_beats_are_off():
    beats = np.arange(0.5, 10.0, 0.5)
    found = beat_alignment(list(beats + 0.25)[:8], list(beats), 0.07, 10.0)
    assert found is not None
    assert (found.on_beat, found.p_value) == (0, 1.0)


@pytest.mark.parametrize(("offset", "hits"), [(0.069, 1), (0.071, 0)])
def test_beat_tolerance_on_both_sides(offset, hits):
    found = beat_alignment([5.0 + offset], list(np.arange(0.5, 10.0, 0.5)), 0.07, 10.0)
    assert found is not None
    assert found.on_beat == hits


def test_cuts_away_from_the_music_do_not_count():
    beats = list(np.arange(5.0, 10.0, 0.5))
    found = beat_alignment([1.0, 2.0, 6.0, 11.0], beats, 0.07, 20.0)
    assert found is not None
    assert (found.cuts, found.on_beat) == (1, 1)
    assert beat_alignment([1.0], beats, 0.07, 20.0) is None
    assert beat_alignment([6.0], [5.0], 0.07, 20.0) is None


def test_random_cuts_reach_what_is_expected():
    """The expected share is that of cuts at random times: 4000 of them, so within 0.03."""
    rng = np.random.default_rng(0)
    found = beat_alignment(list(rng.uniform(0.0, 60.0, 4000)), list(np.arange(0.3, 60.0, 0.44)), 0.07, 60.0)
    assert found is not None
    assert found.on_beat / found.cuts == pytest.approx(found.expected_share, abs=0.03)


def picture(seed, height=48, width=27):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 216, (6, 4))
    return np.kron(coarse, np.ones((8, 7)))[:height, :width].astype(np.uint8)


@pytest.mark.parametrize(
    ("first", "last", "jumps", "kind"),
    [
        (picture(1), picture(1), [0.0, 0.0], "seamless"),
        (picture(1), np.roll(picture(1), 1, axis=1), [20.0] * 20, "seamless"),
        (picture(1), (picture(1) * 0.9).astype(np.uint8), [0.5] * 20, "similar"),
        (picture(1), picture(2), [0.5] * 20, "none"),
        (np.full((48, 27), 10, np.uint8), np.full((48, 27), 16, np.uint8), [5.0] * 20, "through_black"),
    ],
)
def test_how_the_last_picture_meets_the_first(first, last, jumps, kind):
    assert join(first, last, np.array(jumps), JOIN).kind == kind


@pytest.mark.parametrize(("jump", "kind"), [(8, "seamless"), (12, "none")])
def test_seamless_on_both_sides_of_the_usual_jump(jump, kind):
    first = np.full((48, 27), 100, np.uint8)
    rng = np.random.default_rng(0)
    signs = rng.choice([-1, 1], first.shape)
    found = join(first, (first + jump * signs).astype(np.uint8), np.full(50, 5.0), JOIN)
    assert found.jump == jump
    assert found.kind == kind


def test_structural_similarity_agrees_with_scikit_image():
    """Reference implementation, where it is installed."""
    metrics = pytest.importorskip("skimage.metrics")
    for a, b in ((picture(1), picture(2)), (picture(1), (picture(1) * 0.8).astype(np.uint8))):
        theirs = metrics.structural_similarity(a, b, data_range=255)
        assert structural_similarity(a, b) == pytest.approx(max(0.0, theirs), abs=1e-6)
    assert structural_similarity(picture(1), picture(1)) == pytest.approx(1.0)
