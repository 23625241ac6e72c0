"""Cuts, fades and dissolves against edits made frame by frame."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest

from analyzers.base import Context, NotApplicable
from analyzers.cut_analysis import CutAnalysisResult
from media.types import FrameBatch, FrameChunk
from schema.document import VideoFacts
from tests.made_edits import (
    BLACK,
    FPS,
    HEIGHT,
    WHITE,
    WIDTH,
    barred,
    boxed,
    brighter,
    dissolve,
    faded,
    join,
    pan,
    picture,
    plain,
    still,
    zoom,
)
from tests.run import frame_chunks, make_analyzer, run_on_file, run_on_frames
from tests.sample_file import shared_sample


@pytest.fixture(scope="module")
def analyzer():
    return make_analyzer("cut_analysis")


def found(result):
    return [(cut.frame, cut.type) for cut in result.cuts]


def observed_at(analyzer, frames, pts_s):
    """Runs over frames at any times, as one chunk."""
    pts_s = np.asarray(pts_s, np.float64)
    end_s = float(pts_s[-1] + (pts_s[-1] - pts_s[-2]))
    batch = FrameBatch(frames.copy(), pts_s, np.arange(len(frames)), 0, WIDTH, HEIGHT)
    observations = analyzer.observe([FrameChunk(0, 0.0, end_s, (batch,))])
    facts = VideoFacts(container="arrays", duration_s=end_s, width=WIDTH, height=HEIGHT)
    return analyzer.conclude(observations, Context(facts))


# Hard cuts


@pytest.mark.parametrize("fps", [10.0, 25.0, 60.0])
def test_hard_cuts_at_the_exact_frame(analyzer, fps):
    frames = join(still(1, 30), pan(2, 25, 1.5), zoom(3, 33, 1.2), still(4, 20))
    result = run_on_frames(analyzer, frames, fps)
    assert found(result) == [(30, "hard"), (55, "hard"), (88, "hard")]
    assert [cut.timestamp for cut in result.cuts] == pytest.approx([30 / fps, 55 / fps, 88 / fps])
    assert min(cut.score for cut in result.cuts) > 0.6
    assert result.transitions == ()


@pytest.mark.parametrize("between", [3, 4, 5, 8])
def test_two_cuts_close_together(analyzer, between):
    frames = join(still(1, 30), still(2, between), still(3, 30))
    assert found(run_on_frames(analyzer, frames, FPS)) == [(30, "hard"), (30 + between, "hard")]


@pytest.mark.parametrize("chunk_s", [1.0, 2.0, 5.0, 100.0])
def test_result_does_not_depend_on_chunks(analyzer, chunk_s):
    # Cuts lie on the borders of the chunks of 1 s (frames 25, 50), of 2 s (50) and inside.
    mixed, _ = dissolve(pan(4, 40, 2.0), still(5, 40), 16)
    frames = join(still(1, 25), still(2, 25), still(3, 12), mixed)
    result = run_on_frames(analyzer, frames, FPS, chunk_s)
    assert [frame for frame, _ in found(result)[:3]] == [25, 50, 62]
    assert result == run_on_frames(analyzer, frames, FPS, 3.0)


def test_cut_at_variable_frame_rate(analyzer):
    frames = join(still(1, 20), still(2, 20))
    gaps = np.where(np.arange(39) % 3 == 0, 0.1, 0.033)
    pts_s = np.concatenate([[0.0], np.cumsum(gaps)])
    result = observed_at(analyzer, frames, pts_s)
    assert found(result) == [(20, "hard")]
    assert result.cuts[0].timestamp == pytest.approx(pts_s[20])


def test_skipped_time_in_a_pan_is_no_cut(analyzer):
    moving = pan(6, 60, 3.0)
    kept = np.r_[0:30, 34:60]
    assert found(observed_at(analyzer, moving[kept], kept / FPS)) == []
    # The same jump without a gap in the time stamps is a jump of the camera, or a cut.
    assert len(observed_at(analyzer, moving[kept], np.arange(len(kept)) / FPS).cuts) <= 1


def test_cut_over_a_blended_frame(analyzer):
    first, second = still(1, 25), still(2, 25)
    between = ((first[-1].astype(int) + second[0]) // 2).astype(np.uint8)[None]
    result = run_on_frames(analyzer, join(first, between, second), FPS)
    assert [cut.type for cut in result.cuts] == ["hard"]
    assert result.cuts[0].frame in (25, 26)


def test_cut_under_a_white_flash(analyzer):
    frames = brighter(join(still(1, 25), still(2, 25)), [24, 25], 0.95)
    result = run_on_frames(analyzer, frames, FPS)
    assert len(result.cuts) == 1
    assert abs(result.cuts[0].frame - 25) <= 1


def test_jump_cut_is_the_same_scene_moved_or_reframed(analyzer):
    import cv2

    scene = picture(7, 240, 144)
    views = [scene[20:116, 30:190], scene[34:130, 52:212], cv2.resize(scene[30:107, 40:168], (WIDTH, HEIGHT))]
    frames = join(*(np.repeat(view[None], 20, axis=0) for view in views))
    result = run_on_frames(analyzer, frames, FPS)
    assert found(result) == [(20, "jump"), (40, "jump")]
    assert min(cut.likeness for cut in result.cuts) >= analyzer.config.jump_likeness
    other = run_on_frames(analyzer, join(frames[:20], still(8, 20)), FPS)
    assert found(other) == [(20, "hard")]
    assert other.cuts[0].likeness < analyzer.config.jump_likeness


def test_the_threshold_is_compared_with_the_score(analyzer):
    frames = join(still(1, 20), still(2, 20))
    score = run_on_frames(analyzer, frames, FPS).cuts[0].score
    below = make_analyzer("cut_analysis", {"threshold": score - 0.01})
    above = make_analyzer("cut_analysis", {"threshold": min(0.999, score + 1e-6), "block_floor": 100.0})
    assert len(run_on_frames(below, frames, FPS).cuts) == 1
    dim = (frames // 8).astype(np.uint8)
    assert len(run_on_frames(analyzer, dim, FPS).cuts) == 1
    assert run_on_frames(above, dim, FPS).cuts == ()


def test_cut_between_letterboxed_shots(analyzer):
    frames = barred(join(still(1, 20), still(2, 20)), 30)
    cut = run_on_frames(analyzer, frames, FPS).cuts[0]
    assert (cut.frame, cut.type) == (20, "hard")
    # Bars are left out of the share: a cut changes all of the rest.
    assert cut.score > 0.8


# What is no cut


def whip():
    """A camera that stands, is thrown aside by 3.5 picture widths within twelve frames and stands again."""
    wide = picture(11, 5 * WIDTH)
    at = np.concatenate([np.zeros(20), np.cumsum([0.05, 0.15, 0.3, 0.4, 0.45, 0.45, 0.45, 0.45, 0.4, 0.25, 0.1, 0.05])])
    at = np.concatenate([at, np.full(20, at[-1])]) * WIDTH
    out = []
    for k, x in enumerate(at):
        speed = int(abs(at[min(k + 1, len(at) - 1)] - at[max(k - 1, 0)]) / 4)
        window = wide[:, int(x) : int(x) + WIDTH + speed].astype(np.float32)
        sums = np.cumsum(np.pad(window, ((0, 0), (1, 0), (0, 0))), axis=1)
        out.append((sums[:, speed + 1 :] - sums[:, : -speed - 1]) / (speed + 1))
    return np.stack(out)[:, :, :WIDTH].astype(np.uint8)


def shaken():
    rng = np.random.default_rng(3)
    scene = picture(12, WIDTH + 60, HEIGHT + 60)
    offsets = np.clip(30 + rng.normal(0, 9, (60, 2)), 0, 59).astype(int)
    return np.stack([scene[y : y + HEIGHT, x : x + WIDTH] for y, x in offsets])


def flickering():
    rng = np.random.default_rng(4)
    gains = rng.uniform(0.7, 1.0, (50, 1, 1, 1))
    return np.round(still(13, 50) * gains).astype(np.uint8)


def lights_out(gain):
    frames = still(14, 50).astype(np.float32)
    frames[25:] *= gain
    return np.round(frames).astype(np.uint8)


def recoloured(gains):
    frames = pan(14, 50, 1.0).astype(np.float32)
    grey = np.repeat((frames @ (0.299, 0.587, 0.114))[..., None], 3, axis=-1)
    frames[25:] = (grey if gains is None else frames * gains)[25:]
    return np.clip(frames, 0, 255).astype(np.uint8)


def suddenly_blurred(radius):
    import cv2

    frames = pan(14, 50, 0.5)
    for k in range(20, 35):
        frames[k] = cv2.GaussianBlur(frames[k], (0, 0), radius)
    return frames


def passer_by():
    frames = still(15, 60).copy()
    for k in range(60):
        frames[k, 20:, max(0, 4 * k - 50) : max(0, 4 * k - 10)] = (40, 60, 90)
    return frames


SILENT = {
    "still": lambda: still(9, 60),
    "slow pan": lambda: pan(10, 60, 1.0),
    "fast pan": lambda: pan(10, 60, 16.0),
    "pan that starts at once": lambda: join(np.repeat(pan(10, 40, 9.0)[:1], 20, axis=0), pan(10, 40, 9.0)),
    "whip pan": whip,
    "shaken camera": shaken,
    "pictures held for three frames": lambda: np.repeat(pan(16, 20, 14.0), 3, axis=0),
    "zoom": lambda: zoom(17, 40, 1.8),
    "flash of one frame": lambda: brighter(still(18, 50), [25]),
    "flash of two frames": lambda: brighter(still(18, 50), [25, 26]),
    "flash that decays": lambda: brighter(brighter(brighter(still(18, 50), [25], 0.95), [26, 27], 0.6), [28, 29], 0.3),
    "two flashes": lambda: brighter(pan(18, 50, 2.0), [20, 21, 30]),
    "flicker": flickering,
    "lights dimmed at once": lambda: lights_out(0.55),
    "colours changed by a filter": lambda: recoloured((1.15, 1.0, 0.7)),
    "turned black and white": lambda: recoloured(None),
    "blurred at once": lambda: suddenly_blurred(3.0),
    "caption comes and goes": lambda: boxed(still(19, 60), 20, 45, 10, 70, 140, 18),
    "captions change": lambda: boxed(boxed(still(19, 60), 10, 30, 10, 70, 140, 18, 1), 30, 50, 10, 70, 140, 18, 2),
    "sticker": lambda: boxed(pan(20, 60, 2.0), 25, 60, 90, 10, 60, 40),
    "passer-by": passer_by,
    "plain picture": lambda: plain((120, 40, 40), 40),
    "slow change of light": lambda: np.round(still(21, 80) * np.linspace(1, 0.5, 80).reshape(-1, 1, 1, 1)).astype(
        np.uint8
    ),
}


@pytest.mark.parametrize("name", SILENT)
def test_no_cut_and_no_transition(analyzer, name):
    result = run_on_frames(analyzer, SILENT[name](), FPS)
    assert found(result) == []
    assert [t.kind for t in result.transitions] == []
    assert len(result.shots) == 1
    assert result.cuts_per_minute == 0.0


def test_dimming_nearly_to_black_is_another_picture(analyzer):
    """The other side of ``lights dimmed at once``: what cannot be recognised any more is a new shot."""
    assert len(run_on_frames(analyzer, lights_out(0.02), FPS).cuts) == 1


# Fades


@pytest.mark.parametrize(("colour", "name"), [(BLACK, "black"), (WHITE, "white"), ((30, 60, 160), "other")])
def test_fade_through_a_plain_colour(analyzer, colour, name):
    out = faded(pan(1, 40, 1.0), 25, 40, colour, into=True)
    into = faded(pan(2, 40, 1.0), 0, 12, colour, into=False)
    result = run_on_frames(analyzer, join(out, plain(colour, 6), into), FPS)
    assert [(t.kind, t.plain, t.complete) for t in result.transitions] == [
        ("fade_out", name, True),
        ("fade_in", name, True),
    ]
    away, back = result.transitions
    assert away.first_frame == pytest.approx(25, abs=2)
    assert away.end_frame == pytest.approx(40, abs=2)
    assert back.first_frame == pytest.approx(46, abs=2)
    assert back.end_frame == pytest.approx(58, abs=2)
    assert [(cut.type, cut.through) for cut in result.cuts] == [("fade", name)]
    cut = result.cuts[0]
    assert cut.frame == pytest.approx(46, abs=2)
    assert (cut.start_time, cut.end_time) == (away.start_time, back.end_time)
    assert cut.score > 0.9


def test_fades_at_both_ends_are_transitions_and_no_cuts(analyzer):
    frames = faded(faded(still(3, 75), 5, 20, BLACK, into=False), 55, 70, BLACK, into=True)
    frames[:5] = frames[70:] = 0
    result = run_on_frames(analyzer, frames, FPS)
    assert [t.kind for t in result.transitions] == ["fade_in", "fade_out"]
    assert result.cuts == ()


def test_fade_that_the_end_breaks_off(analyzer):
    frames = still(4, 60)
    gain = np.ones(60)
    gain[40:] = np.linspace(1.0, 0.2, 20)
    result = run_on_frames(analyzer, np.round(frames * gain.reshape(-1, 1, 1, 1)).astype(np.uint8), FPS)
    assert [(t.kind, t.complete) for t in result.transitions] == [("fade_out", False)]
    assert result.transitions[0].first_frame == pytest.approx(41, abs=2)
    assert result.transitions[0].end_time == pytest.approx(60 / FPS)


@pytest.mark.parametrize(("hold", "cuts"), [(15, ["fade"]), (60, ["fade", "fade"])])
def test_a_long_plain_stretch_is_a_shot(analyzer, hold, cuts):
    out = faded(still(1, 40), 25, 40, BLACK, into=True)
    into = faded(still(2, 40), 0, 12, BLACK, into=False)
    result = run_on_frames(analyzer, join(out, plain(BLACK, hold), into), FPS)
    assert [cut.type for cut in result.cuts] == cuts


def test_fade_out_then_a_picture_at_once(analyzer):
    out = faded(still(1, 40), 25, 40, BLACK, into=True)
    result = run_on_frames(analyzer, join(out, plain(BLACK, 5), still(2, 30)), FPS)
    assert found(result) == [(45, "hard")]
    assert [t.kind for t in result.transitions] == ["fade_out"]


def test_fade_under_a_lasting_caption(analyzer):
    out = faded(still(1, 40), 25, 40, BLACK, into=True)
    into = faded(still(2, 40), 0, 15, BLACK, into=False)
    frames = boxed(join(out, plain(BLACK, 5), into), 0, 85, 60, 84, 40, 6)
    result = run_on_frames(analyzer, frames, FPS)
    assert [t.kind for t in result.transitions] == ["fade_out", "fade_in"]
    assert [cut.type for cut in result.cuts] == ["fade"]


def test_fade_inside_letterbox_bars(analyzer):
    out = faded(still(1, 40), 25, 40, (180, 180, 180), into=True)
    into = faded(still(2, 40), 0, 15, (180, 180, 180), into=False)
    result = run_on_frames(analyzer, barred(join(out, into), 14), FPS)
    assert [t.kind for t in result.transitions] == ["fade_out", "fade_in"]


def test_brightness_ramps_of_a_plain_picture_are_fades(analyzer):
    ramp = np.concatenate([np.linspace(0, 255, 30), np.linspace(255, 0, 30), np.linspace(0, 255, 30)])
    frames = np.broadcast_to(ramp.reshape(-1, 1, 1, 1), (90, HEIGHT, WIDTH, 3)).astype(np.uint8)
    result = run_on_frames(analyzer, frames, FPS)
    assert [t.kind for t in result.transitions] == ["fade_in", "fade_out", "fade_in"]
    assert [cut.type for cut in result.cuts] == ["fade"]
    assert result.cuts[0].frame == pytest.approx(60, abs=3)


@pytest.mark.parametrize(
    ("seed", "step", "wall"), [(5, 6, 128), (1, 6, 128), (7, 9, 128), (11, 12, 128), (9, 3, 10), (7, 9, 240)]
)
def test_a_pan_from_a_plain_wall_is_no_fade(analyzer, seed, step, wall):
    wide = np.concatenate([np.full((HEIGHT, 2 * WIDTH, 3), wall, np.uint8), picture(seed, 2 * WIDTH)], axis=1)
    frames = np.stack([wide[:, x : x + WIDTH] for x in range(0, 3 * WIDTH - 10, step)])
    assert run_on_frames(analyzer, frames, FPS).transitions == ()


def wiped(seed, count):
    """A picture that comes in from the left over grey."""
    frames = np.full((count, HEIGHT, WIDTH, 3), 60, np.uint8)
    for k in range(count):
        frames[k, :, : WIDTH * k // count] = picture(seed)[:, : WIDTH * k // count]
    return frames


def grown(seed, count):
    """A picture that grows out of a grey ground."""
    import cv2

    frames = np.full((count, HEIGHT, WIDTH, 3), 60, np.uint8)
    for k in range(count):
        w, h = max(2, WIDTH * (k + 1) // count), max(2, HEIGHT * (k + 1) // count)
        top, left = (HEIGHT - h) // 2, (WIDTH - w) // 2
        frames[k, top : top + h, left : left + w] = cv2.resize(picture(seed), (w, h), interpolation=cv2.INTER_AREA)
    return frames


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("comes", [wiped, grown])
def test_a_picture_that_comes_in_part_by_part_is_no_fade(analyzer, comes, seed):
    frames = join(plain((60, 60, 60), 20), comes(seed, 40), still(seed, 20))
    assert not [t for t in run_on_frames(analyzer, frames, FPS).transitions if t.kind.startswith("fade")]


@pytest.mark.parametrize("colour", [BLACK, WHITE])
def test_fade_in_a_fast_pan(analyzer, colour):
    """The other side: everything moves, and yet all of it goes together."""
    out = faded(pan(1, 60, 8.0), 25, 50, colour, into=True)[:50]
    result = run_on_frames(analyzer, join(out, plain(colour, 10)), FPS)
    assert [t.kind for t in result.transitions] == ["fade_out"]
    assert result.transitions[0].end_frame == pytest.approx(50, abs=2)


# Dissolves


@pytest.mark.parametrize(("length", "speed"), [(8, 0.0), (15, 0.0), (30, 0.0), (8, 1.5), (15, 0.7), (30, 0.3)])
def test_dissolve(analyzer, length, speed):
    frames, span = dissolve(pan(1, 30 + length, speed), pan(2, 30 + length, speed), length)
    result = run_on_frames(analyzer, frames, FPS)
    assert [cut.type for cut in result.cuts] == ["dissolve"]
    assert [t.kind for t in result.transitions] == ["dissolve"]
    cut, change = result.cuts[0], result.transitions[0]
    assert change.first_frame == pytest.approx(span[0], abs=2)
    assert change.end_frame == pytest.approx(span[1], abs=2)
    assert cut.frame == pytest.approx(sum(span) / 2, abs=2)
    assert (cut.start_time, cut.end_time) == (change.start_time, change.end_time)
    assert cut.score > 0.7


def test_dissolve_between_pictures_that_share_light_and_shade_but_no_colours(analyzer):
    first = still(1, 45)
    other = first.astype(np.float32)[..., ::-1] * (0.9, 1.0, 1.1)
    luma = first.astype(np.float32) @ (0.299, 0.587, 0.114)
    other += (luma - other @ (0.299, 0.587, 0.114))[..., None]
    frames, span = dissolve(first, np.clip(other, 0, 255).astype(np.uint8), 15)
    result = run_on_frames(analyzer, frames, FPS)
    assert [cut.type for cut in result.cuts] == ["dissolve"]
    assert result.transitions[0].first_frame == pytest.approx(span[0], abs=2)


def test_a_title_that_fades_in_is_no_dissolve(analyzer):
    frames = still(3, 60).astype(np.float32)
    share = np.clip((np.arange(60) - 20) / 15, 0, 1).reshape(-1, 1, 1, 1)
    frames[:, 30:60, 40:120] = (1 - share) * frames[:, 30:60, 40:120] + share * 250
    result = run_on_frames(analyzer, frames.astype(np.uint8), FPS)
    assert (result.cuts, result.transitions) == ((), ())


# Form


def test_shots_tile_the_video_and_counts_agree(analyzer):
    mixed, _ = dissolve(still(2, 40), still(3, 40), 12)
    result = run_on_frames(analyzer, join(still(1, 25), mixed, still(4, 20)), FPS)
    shots = result.shots
    assert (shots[0].start_time, shots[-1].end_time) == (0.0, pytest.approx(113 / FPS))
    assert all(a.end_time == b.start_time and a.end_frame == b.first_frame for a, b in pairwise(shots))
    assert [shot.entered_by for shot in shots] == [None, "hard", "dissolve", "hard"]
    assert result.cuts_by_type == {"hard": 2, "dissolve": 1}
    assert result.cuts_per_minute == pytest.approx(60 * 3 / (113 / FPS))
    assert result.mean_shot_length_s == pytest.approx(113 / FPS / 4)
    assert CutAnalysisResult.model_validate_json(result.model_dump_json()) == result


def test_timeline_and_headline_say_what_the_result_says(analyzer):
    mixed, _ = dissolve(still(2, 40), still(3, 40), 12)
    result = run_on_frames(analyzer, join(still(1, 25), mixed), FPS)
    assert [item.label for item in analyzer.timeline(result)] == ["hard cut", "dissolve"]
    assert analyzer.headline(result).startswith("2 cuts (1 hard, 1 dissolve), 32.3 per minute")
    assert analyzer.headline(run_on_frames(analyzer, still(1, 50), FPS)) == "No cuts: one shot of 2.0 s."


def test_observations_pickle_and_are_small(analyzer):
    chunk = frame_chunks(still(1, 50), FPS, analyzer.needs().frames, 2.0)[0]
    size = len(pickle.dumps(analyzer.observe([chunk])[0]))
    assert size < 0.2 * chunk.batch.frames.nbytes


def test_a_chunk_that_was_lost_gives_no_cut_of_its_own(analyzer):
    frames = join(still(1, 60), still(2, 60), still(3, 60))
    chunks = frame_chunks(frames, FPS, analyzer.needs().frames, 2.0)
    observations = [analyzer.observe([chunk])[0] for k, chunk in enumerate(chunks) if k != 1]
    facts = VideoFacts(container="arrays", duration_s=180 / FPS, width=WIDTH, height=HEIGHT)
    result = analyzer.conclude(observations, Context(facts, gaps=((2.0, 4.0),)))
    assert found(result) == [(120, "hard")]


def test_one_picture_has_no_cuts(analyzer):
    with pytest.raises(NotApplicable, match="two pictures") as caught:
        run_on_frames(analyzer, still(1, 1), FPS)
    assert caught.value.code == "single_frame"


@pytest.mark.parametrize(("width", "height"), [(16, 16), (33, 500), (500, 20)])
def test_tiny_and_extreme_pictures(analyzer, width, height):
    frames = join(*(np.repeat(picture(seed, width, height)[None], 12, axis=0) for seed in (1, 2)))
    assert found(run_on_frames(analyzer, frames, FPS)) == [(12, "hard")]


@pytest.mark.slow
def test_the_sample_video(analyzer):
    from ops import sample

    truth = sample.truth()
    result = run_on_file(analyzer, shared_sample())
    assert [cut.frame for cut in result.cuts if cut.type == "hard"] == [cut.frame for cut in truth.cuts]
    assert [cut.type for cut in result.cuts] == ["hard", "hard", "hard", "dissolve", "fade"]
    assert [t.kind for t in result.transitions] == [t.kind for t in truth.transitions]
    for mine, true in zip(result.transitions, truth.transitions, strict=True):
        assert mine.start_time == pytest.approx(true.start_time, abs=2 / sample.FPS)
        assert mine.end_time == pytest.approx(true.end_time, abs=2 / sample.FPS)
