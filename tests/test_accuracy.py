"""The judges of the accuracy table on answers made up by hand, and the truth that they judge by."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import (
    accuracy_cuts,
    accuracy_pictures,
    accuracy_text,
    truth_effects,
    truth_made,
    truth_pictures,
    truth_stills,
)
from benchmarks.figures import Figure, Outcome, at_least, at_most
from benchmarks.scoring import Score
from benchmarks.truth_media import truth_of
from benchmarks.truth_pictures import CameraTruth, CaptionTruth, EditTruth, Transition
from schema.document import VideoFacts
from tests.media_folder import media

VIDEO = VideoFacts(container="mp4", duration_s=12.0, width=540, height=960, frame_rate=25.0)


class Truth:
    """Stands for the clips: one truth for all."""

    def __init__(self, edits: EditTruth) -> None:
        self._edits = edits

    def edits(self, name: str) -> EditTruth:
        return self._edits


def outcome(**result: Any) -> Outcome:
    return Outcome(SimpleNamespace(**result), "ok", "", VIDEO)


def cut(frame: int, kind: str = "hard") -> SimpleNamespace:
    return SimpleNamespace(frame=frame, type=kind)


def transition(kind: str, first: int, end: int) -> SimpleNamespace:
    return SimpleNamespace(kind=kind, first_frame=first, end_frame=end)


# Films


@pytest.mark.parametrize("seed", range(6))
def test_a_random_film_is_what_its_truth_says(seed: int) -> None:
    plan = truth_made.plan_film(seed, 5, shots=12)
    gradual = plan.truth.gradual or ()
    spans = {frame: t for t in gradual for frame in range(t.first, t.end)}
    assert len(spans) == sum(t.end - t.first for t in gradual), "transitions overlap"
    assert len(plan.truth.hard_cuts) + sum(t.kind in ("dissolve", "fade_out") for t in gradual) == 11
    for frame, parts in enumerate(plan.frames):
        total = sum(weight for _, _, weight in parts)
        kind = spans[frame].kind if frame in spans else None
        if kind == "dissolve":
            assert len({stretch for stretch, _, _ in parts}) == 2
            assert total == pytest.approx(1.0)
            assert min(weight for _, _, weight in parts) > 0.0
        elif kind is not None:
            assert len(parts) == 1
            assert 0.0 <= total <= 1.0
        else:
            assert total in (0.0, 1.0)
    for frame in plan.truth.hard_cuts:
        (before,), (after,) = plan.frames[frame - 1], plan.frames[frame]
        assert before[0] != after[0]
        assert before[2] == after[2] == 1.0
    for t in gradual:
        weights = [sum(w for _, _, w in plan.frames[f]) for f in range(t.first, t.end)]
        if t.kind == "fade_out":
            assert weights[-1] == 0.0
            assert all(a > b for a, b in pairwise(weights))
        if t.kind == "fade_in":
            assert weights[-1] == 1.0
            assert all(a < b for a, b in pairwise(weights))
    for a, b in pairwise(plan.frames):
        if len(a) == len(b) == 1 and a[0][0] == b[0][0]:
            assert b[0][1] == a[0][1] + 1, "a picture is skipped or held inside a shot"
    assert all(0 <= k < truth_made.STRETCH_FRAMES for parts in plan.frames for _, k, _ in parts)


def test_a_film_mixes_its_stretches_by_their_weights() -> None:
    stretches = [
        np.full((truth_made.STRETCH_FRAMES, truth_made.HEIGHT, truth_made.WIDTH, 3), 40 * k, np.uint8) for k in (1, 5)
    ]
    plan = truth_made.FilmPlan((((0, 0, 1.0),), ((0, 1, 0.75), (1, 0, 0.25)), ((1, 1, 0.5),), ()), EditTruth(()))
    # 40; 0.75 x 40 + 0.25 x 200 = 80; 0.5 x 200 = 100; black.
    assert [int(picture[0, 0, 0]) for picture in truth_made.film(stretches, plan)] == [40, 80, 100, 0]


# Effects


def test_the_film_of_effects_has_them_where_it_says() -> None:
    rng = np.random.default_rng(0)
    shape = (truth_made.STRETCH_FRAMES, truth_made.HEIGHT, truth_made.WIDTH, 3)
    plain = rng.integers(20, 200, shape, np.uint8)
    parts = {part.kind: part for part in truth_effects.film_parts([plain] * 6) if part.kind}
    kinds = {"flash", "freeze", "letterbox", "vignette", "blur", "filter"}
    assert set(parts) == kinds | {"split_screen", "fast_motion", "overlay", "strobe", "pillarbox"}

    def changed(kind: str) -> list[int]:
        return [k for k in range(len(plain)) if not np.array_equal(parts[kind].frames[k], plain[k])]

    for kind in ("flash", "blur", "overlay"):
        assert changed(kind) == list(range(parts[kind].first, parts[kind].end)), kind
    for kind in ("letterbox", "pillarbox", "filter", "vignette"):
        assert changed(kind) == list(range(len(plain))), kind
        assert (parts[kind].first, parts[kind].end) == (0, len(plain))
    held = parts["freeze"].frames[parts["freeze"].first - 1 : parts["freeze"].end + 1]
    assert [np.array_equal(a, b) for a, b in pairwise(held)] == [True] * 25 + [False]
    fast = parts["fast_motion"]
    assert [int(np.flatnonzero((plain[:, 0, 0] == f[0, 0]).all(axis=-1))[0]) for f in fast.frames[fast.first :]] == [
        *range(27, 75, 3)
    ]
    assert [k in changed("strobe") for k in (29, 30, 31, 32, 35, 50, 51, 52)] == [False, True, True, False] + [
        True
    ] * 3 + [False]
    assert parts["strobe"].end == 52
    assert not parts["letterbox"].frames[:, :38].any()
    assert not parts["pillarbox"].frames[:, :, -24:].any()
    assert (np.ptp(parts["filter"].frames.astype(int), axis=-1) == 0).all()
    light = parts["vignette"].frames.mean(axis=(0, 3)) / plain.mean(axis=(0, 3))
    assert light[160, 90] == pytest.approx(1.0, abs=0.02)
    assert light[0, 0] == pytest.approx(0.3, abs=0.02)


# Stills


def test_faults_are_what_their_names_say() -> None:
    picture = np.asarray(np.random.default_rng(0).integers(40, 120, (64, 64, 3)), np.uint8)
    white = [(truth_stills.faulty(picture, "overexposure", s).max(axis=-1) == 255).mean() for s in (0.3, 0.5, 0.8)]
    assert white == pytest.approx([0.3, 0.5, 0.8], abs=0.05)
    noise = truth_stills.faulty(picture, "noise", 8.0).astype(float) - picture
    assert noise.std() == pytest.approx(8.0, rel=0.05)
    assert truth_stills.faulty(picture, "blur", 4.0).std() < 0.3 * picture.std()
    assert np.abs(truth_stills.faulty(picture, "blocks", 4.0).astype(float) - picture).mean() > 5.0
    with pytest.raises(ValueError, match="got 'dust'"):
        truth_stills.faulty(picture, "dust", 1.0)


@pytest.mark.parametrize(("x", "y"), truth_stills.PLACES.values())
def test_the_ball_is_where_it_should_be(x: float, y: float) -> None:
    red = truth_stills.ball(x, y)[..., 2] < 100
    rows, columns = np.nonzero(red)
    assert (columns.mean() / truth_stills.WIDTH, rows.mean() / truth_stills.HEIGHT) == pytest.approx((x, y), abs=0.01)


# Judges


def test_cuts_are_judged_within_a_frame_and_where_truth_speaks() -> None:
    truth = EditTruth((75, 150, 225), unjudged=((180, 200),))
    found = accuracy_cuts.hard_cuts(
        outcome(cuts=[cut(76), cut(100, "fade"), cut(152), cut(190), cut(225, "jump")]), truth
    )
    assert found == [76, 152, 225]
    score, misses = accuracy_cuts.judge_cuts(found, truth.hard_cuts, "a.mp4", 25.0)
    assert score == Score(2, 3, 3)
    assert misses == ["a.mp4 6.00 s (frame 150): missed", "a.mp4 6.08 s (frame 152): found, is none"]


def test_gradual_transitions_match_by_kind_and_wholes_take_their_parts() -> None:
    truth = [Transition("any", 70, 96), Transition("fade_out", 155, 178), Transition("dissolve", 300, 310)]
    found = [
        Transition("fade_out", 70, 75),
        Transition("fade_in", 77, 106),
        Transition("fade_in", 150, 170),
        Transition("dissolve", 309, 320),
    ]
    pairs, extra, missed = accuracy_cuts.gradual_matches(found, truth)
    assert pairs == [(Transition("any", 70, 106), truth[0]), (found[3], truth[2])]
    assert extra == [found[2]]
    assert missed == [truth[1]]


def test_false_alarms_in_a_stretch_are_counted() -> None:
    judge = accuracy_cuts._false_cuts("trap", 664, 699)
    clips: Any = Truth(EditTruth(()))
    (figure,) = judge({"a": outcome(cuts=[cut(663), cut(664), cut(699), cut(700)])}, clips)
    assert (figure.value, figure.met) == (2.0, False)
    (figure,) = judge({"a": outcome(cuts=[cut(10)])}, clips)
    assert (figure.value, figure.met) == (0.0, True)


def test_camera_is_judged_frame_by_frame_and_by_speed() -> None:
    def span(kind: str, start: float, end: float, px: float, zoom: float) -> SimpleNamespace:
        return SimpleNamespace(kind=kind, start_time=start, end_time=end, speed_px_per_s=px, zoom_factor_per_s=zoom)

    parts = [CameraTruth("pan_right", 0, 50, 200.0, 1.0), CameraTruth("zoom_in", 50, 100, 0.0, 1.21)]
    judge = accuracy_pictures._camera("made", lambda clips: parts)
    # The pan goes on for 5 frames too long: 95 of 100 right. Pan 5 % too fast; zoom log 1.1 over log 1.21 is one half.
    spans = [span("pan_right", 0.0, 2.2, 210.0, 1.0), span("zoom_in", 2.2, 4.0, 0.0, 1.1)]
    right, speed = judge({"a": outcome(spans=spans)}, None)
    assert right.value == 0.95
    assert right.misses == ("a 2.00-2.20 s (frames 50-54): pan_right, is zoom_in",)
    assert speed.value == pytest.approx(0.5)
    assert (speed.met, len(speed.misses)) == (False, 1)


def overlay(text: str, start: float, end: float) -> SimpleNamespace:
    return SimpleNamespace(text=text, start_time=start, end_time=end, duration_s=end - start, kind="caption")


def test_captions_are_judged_by_text_span_and_number() -> None:
    captions = [CaptionTruth("bin blue", 1.0, 3.0), CaptionTruth("lay red", 4.0, 6.0), CaptionTruth("now", 7.0, 8.0)]
    overlays = [
        overlay("bin b1ue", 1.1, 3.0),
        overlay("lay red", 4.0, 5.0),
        overlay("lay red", 5.0, 5.9),
        overlay("logo", 0.0, 12.0),
    ]
    judge = accuracy_text._captions("made", lambda clips: captions)
    rate, shift, single, stray = judge({"a": outcome(overlays=overlays)}, None)
    # One wrong letter of "bin blue", none of "lay red", all three of "now", of 18 letters.
    assert rate.value == pytest.approx(4 / 18)
    assert [m.split(":")[0] for m in rate.misses] == ['a 1.00 s "bin blue"', 'a 7.00 s "now"']
    # "lay red" ends 1 s early in the first overlay that reads it.
    assert shift.value == pytest.approx(1.0)
    assert single.value == pytest.approx(1 / 3)
    assert (stray.value, stray.cases) == (1.0, 4)


@pytest.mark.parametrize(
    ("value", "target", "met"),
    [
        (0.95, at_least(0.95), True),
        (0.9499, at_least(0.95), False),
        (0.03, at_most(0.03), True),
        (0.031, at_most(0.03), False),
        (None, at_least(0.5), None),
        (0.5, None, None),
    ],
)
def test_targets_are_bounds_that_count_as_met(value: float | None, target: Any, met: bool | None) -> None:
    assert Figure("a", "b", value, "share", 1, target=target).met is met


# Truth of the shared clips


def test_what_was_seen_counts_more_than_what_detectors_published() -> None:
    media("pysd/testvideo.mp4")
    truth = truth_pictures.edit_truth("pysd/testvideo.mp4")
    assert truth is not None
    # Published outputs have 394 and 691 as well, and fades at 15, 198 and 377.
    assert truth.hard_cuts == (30, 180)


def test_hand_read_ramps_hold_the_published_crossings() -> None:
    """Published: a fixed level is crossed at 217 and 400 going up, at 364 and 697 going down."""
    media("pysd/testvideo.mp4")
    truth = truth_pictures.edit_truth("pysd/testvideo.mp4")
    events = truth_of("pysd/testvideo.mp4")["published_fades"]["events"]
    assert truth is not None
    ramps = [t for t in truth.gradual or () if t.kind != "dissolve"]
    assert [t.kind for t in ramps] == [f"fade_{direction}" for direction, _ in events[2:]]
    for ramp, (_, frame) in zip(ramps, events[2:], strict=True):
        assert ramp.first <= frame <= ramp.end + 5


def test_grey_ramps_turn_where_published() -> None:
    media(truth_pictures.FADES_CLIP)
    truth = truth_pictures.edit_truth(truth_pictures.FADES_CLIP)
    assert truth is not None
    assert truth.hard_cuts == ()
    assert [(t.kind, t.first) for t in truth.gradual or ()] == [
        ("fade_in", 0),
        ("fade_out", 42),
        ("fade_in", 84),
        ("fade_out", 126),
        ("fade_in", 167),
        ("fade_out", 209),
    ]
