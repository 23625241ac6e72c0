"""Colours: exact shares and values by construction, published formulas and test data, verdicts on both sides."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from analyzers.base import Context, NotApplicable
from analyzers.color_analysis import ColorAnalysis, ColorConfig
from analyzers.results.color_analysis import ColorResult
from analyzers.signal import colour
from analyzers.signal.colour_mood import RULES, judge
from analyzers.signal.colour_names import NAMED_COLOURS
from schema.document import VideoFacts
from tests.media_folder import media
from tests.run import run_on_file, run_on_frames

Rgb = tuple[int, int, int]
RED, LIME, BLUE, WHITE, BLACK, GRAY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255,) * 3, (0,) * 3, (128,) * 3


def picture(*parts: tuple[Rgb, int], height: int = 100, width: int = 80) -> np.ndarray:
    """Horizontal bands: each colour fills its number of rows of 100."""
    rows = [np.full((count, width, 3), rgb, np.uint8) for rgb, count in parts]
    out = np.concatenate(rows)
    assert len(out) == height
    return out


def clip(*parts: tuple[np.ndarray, float], fps: float = 10.0) -> np.ndarray:
    """Each picture shown for its seconds."""
    return np.concatenate([np.repeat(p[None], round(seconds * fps), axis=0) for p, seconds in parts])


def run(frames: np.ndarray, chunk_s: float = 2.0, fps: float = 10.0, **config: Any) -> ColorResult:
    analyzer = ColorAnalysis(ColorConfig(**config))
    analyzer.load()
    result = run_on_frames(analyzer, frames, fps, chunk_s)
    assert isinstance(result, ColorResult)
    return result


def still(frame: np.ndarray, **config: Any) -> ColorResult:
    return run(clip((frame, 1.0)), **config)


def test_palette_has_the_exact_shares_and_names() -> None:
    result = still(picture((RED, 50), (LIME, 30), (BLUE, 20)))
    assert [(c.name, c.hex) for c in result.palette] == [("red", "#ff0000"), ("lime", "#00ff00"), ("blue", "#0000ff")]
    assert [c.share for c in result.palette] == pytest.approx([0.5, 0.3, 0.2], abs=1e-9)
    assert all(c.name_distance < 0.1 for c in result.palette)


def test_palette_of_the_clip_weighs_by_time() -> None:
    result = run(clip((picture((RED, 100)), 3.0), (picture((BLUE, 100)), 1.0)))
    assert {c.name: round(c.share, 6) for c in result.palette} == {"red": 0.75, "blue": 0.25}


def test_lab_of_the_primaries() -> None:
    # CIELAB of sRGB's primaries under D65, as published by Lindbloom's calculator, to two digits.
    lab = colour.to_lab(np.array([RED, LIME, BLUE, WHITE, BLACK], np.float64))
    expected = [
        (53.24, 80.09, 67.20),
        (87.73, -86.18, 83.18),
        (32.30, 79.19, -107.86),
        (100.0, 0.0, 0.0),
        (0.0, 0.0, 0.0),
    ]
    np.testing.assert_allclose(lab, expected, atol=0.05)


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [  # Table 1 of Sharma, Wu and Dalal 2005: pairs 1, 4, 7, 9, 11, 13, 14, 17-20, 25, 34
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
        ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
        ((50, -0.001, 2.49), (50, 0.0009, -2.49), 4.8045),
        ((50, -0.001, 2.49), (50, 0.0011, -2.49), 4.7461),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (61, -5, 29), 22.8977),
        ((50, 2.5, 0), (56, -27, -3), 31.9030),
        ((50, 2.5, 0), (58, 24, 15), 19.4535),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_ciede2000_against_its_published_data(
    first: tuple[float, float, float], second: tuple[float, float, float], distance: float
) -> None:
    there = colour.delta_e(np.array(first, float), np.array(second, float))
    back = colour.delta_e(np.array(second, float), np.array(first, float))
    assert (float(there), float(back)) == pytest.approx((distance, distance), abs=5e-5)


def test_named_colours_are_those_of_css() -> None:
    from PIL import ImageColor

    for name, rgb in NAMED_COLOURS.items():
        assert ImageColor.getrgb(name) == rgb
    assert len(NAMED_COLOURS) == len({ImageColor.getrgb(name) for name in ImageColor.colormap})


def test_gray_has_no_colour() -> None:
    result = still(picture((GRAY, 60), ((40, 40, 40), 40)))
    assert result.measures.colourfulness == pytest.approx(0.0, abs=1e-4)
    assert result.measures.saturation == 0.0
    assert result.measures.warmth == pytest.approx(0.0, abs=0.01)
    assert result.temperature == "neutral"
    assert result.colourfulness_label == "not colourful"
    assert result.mood.name == "monochrome"


def test_colourfulness_by_the_papers_formula() -> None:
    # Half red, half blue. rg = R - G: 255, 0. yb = (R + G) / 2 - B: 127.5, -255.
    result = still(picture((RED, 50), (BLUE, 50)))
    expected = math.hypot(127.5, 191.25) + 0.3 * math.hypot(127.5, -63.75)
    assert result.measures.colourfulness == pytest.approx(expected, rel=1e-5)

    noise = np.random.default_rng(5).integers(0, 256, (60, 40, 3)).astype(np.uint8)
    red, green, blue = (noise[..., c].astype(float) for c in range(3))
    rg, yb = red - green, 0.5 * (red + green) - blue
    expected = math.sqrt(rg.var() + yb.var()) + 0.3 * math.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
    assert colour.colourfulness(noise) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("share", "label"), [(14, "not colourful"), (16, "slightly colourful")])
def test_colourfulness_label_on_both_sides_of_15(share: int, label: str) -> None:
    # A plain colour has no deviation: M = 0.3 * |(rg, yb)|. Equal R and G, B lower by x: rg = 0, yb = x, M = 0.3 x.
    x = round(share / 0.3)
    result = still(picture(((200, 200, 200 - x), 100)))
    assert result.measures.colourfulness == pytest.approx(0.3 * x, rel=1e-4)
    assert result.colourfulness_label == label


def test_contrast_is_the_deviation_of_luma() -> None:
    assert still(picture((BLACK, 50), (WHITE, 50))).measures.contrast == pytest.approx(0.5)
    # Shares p and 1 - p of black and white: sqrt(p (1 - p)).
    assert still(picture((BLACK, 90), (WHITE, 10))).measures.contrast == pytest.approx(0.3)
    assert still(picture((GRAY, 100))).measures.contrast == 0.0


def test_brightness_and_saturation() -> None:
    assert still(picture((WHITE, 100))).measures.brightness == pytest.approx(1.0, abs=1e-4)
    assert still(picture((BLACK, 100))).measures.brightness == pytest.approx(0.0, abs=1e-4)
    # L* of sRGB 119 is 50.03.
    assert still(picture(((119, 119, 119), 100))).measures.brightness == pytest.approx(0.50, abs=0.002)
    # HSV: S = (max - min) / max = (200 - 100) / 200.
    assert still(picture(((200, 150, 100), 100))).measures.saturation == pytest.approx(0.5, abs=0.005)


@pytest.mark.parametrize(
    ("rgb", "lab", "temperature"), [(RED, (80.09, 67.20), "warm"), (BLUE, (79.19, -107.86), "cool")]
)
def test_warmth_by_the_published_scale(rgb: Rgb, lab: tuple[float, float], temperature: str) -> None:
    hue, chroma = math.degrees(math.atan2(lab[1], lab[0])), math.hypot(*lab)
    expected = 0.02 * chroma**1.07 * math.cos(math.radians(hue - 50.0))
    result = still(picture((rgb, 100)))
    assert result.measures.warmth == pytest.approx(expected, rel=0.002)
    assert result.temperature == temperature


@pytest.mark.parametrize(("rgb", "word"), [((150, 120, 110), "warm"), ((110, 125, 150), "cool")])
def test_temperature_on_both_sides_of_its_threshold(rgb: Rgb, word: str) -> None:
    size = abs(still(picture((rgb, 100))).measures.warmth)
    assert size > 0.05
    assert still(picture((rgb, 100)), warm_above=size * 0.98).temperature == word
    assert still(picture((rgb, 100)), warm_above=size * 1.02).temperature == "neutral"


def test_near_colours_are_fused_on_one_side_of_the_threshold_only() -> None:
    frame = picture(((200, 60, 60), 60), ((180, 50, 60), 40))
    lab = colour.to_lab(np.array([(200, 60, 60), (180, 50, 60)], float))
    distance = float(colour.delta_e(lab[0], lab[1]))
    assert len(still(frame, fuse_distance=distance * 0.98).palette) == 2
    (only,) = still(frame, fuse_distance=distance * 1.02).palette
    assert only.share == pytest.approx(1.0)
    np.testing.assert_allclose(only.lab, 0.6 * lab[0] + 0.4 * lab[1], atol=1e-3)


def test_small_shares_are_left_out_on_one_side_of_the_threshold_only() -> None:
    frame = picture((BLACK, 95), (RED, 5))
    assert len(still(frame, min_share=0.049).palette) == 2
    assert [c.name for c in still(frame, min_share=0.051).palette] == ["black"]


def test_max_colours_bounds_the_palette() -> None:
    bands = [((255, 0, 0), 20), ((0, 255, 0), 20), ((0, 0, 255), 20), ((255, 255, 0), 20), ((255, 255, 255), 20)]
    assert len(still(picture(*bands)).palette) == 5
    assert len(still(picture(*bands), max_colours=3).palette) == 3


def test_seed_decides() -> None:
    noise = np.random.default_rng(6).integers(0, 256, (60, 40, 3)).astype(np.uint8)
    assert still(noise, seed=3) == still(noise, seed=3)


@pytest.mark.parametrize("name", list(RULES))
def test_every_mood_on_both_sides_of_each_threshold(name: str) -> None:
    rule = RULES[name]  # type: ignore[index]
    reach = {"brightness": 0.06, "colourfulness": 5.0, "contrast": 0.03, "warmth": 0.1}
    # Neutral values that meet no rule, then the rule's own, just inside.
    inside = {"brightness": 0.5, "colourfulness": 40.0, "contrast": 0.15, "warmth": 0.0}
    for part in rule:
        others = [p.threshold for p in rule if p.measure == part.measure and p is not part]
        inside[part.measure] = part.threshold + (1 if part.above else -1) * reach[part.measure]
        if others:  # a measure with a lower and an upper bound: its middle
            inside[part.measure] = (part.threshold + others[0]) / 2.0
    assert judge(**inside).name == name
    assert judge(**inside).score > 0.5
    assert all(str(part) in judge(**inside).rule for part in rule)
    for part in rule:
        outside = dict(inside)
        outside[part.measure] = part.threshold - (1 if part.above else -1) * reach[part.measure]
        assert judge(**outside).scores[name] < 0.5


def test_no_mood_is_neutral() -> None:
    verdict = judge(brightness=0.5, colourfulness=40.0, contrast=0.15, warmth=0.0)
    assert verdict.name == "neutral"
    assert verdict.score == pytest.approx(1.0 - max(verdict.scores.values()))


def test_threshold_itself_is_half_met() -> None:
    part = RULES["vibrant"][0]
    assert part.degree(part.threshold) == 0.5
    assert part.degree(part.threshold + 100.0) == 1.0
    assert part.degree(part.threshold - 100.0) == 0.0


def test_a_change_of_palette_starts_a_span() -> None:
    first, second = picture((RED, 100)), picture((BLUE, 60), (WHITE, 40))
    result = run(clip((first, 3.2), (second, 2.8)))
    # Sampled twice a second: the first sample of the second picture is at 3.5 s.
    assert [(s.start_time, s.end_time) for s in result.spans] == [(0.0, 3.5), (3.5, 6.0)]
    assert [[c.name for c in s.palette] for s in result.spans] == [["red"], ["blue", "white"]]
    assert result.spans[0].change is None
    assert result.spans[1].change == pytest.approx(1.0)
    assert [s.temperature for s in result.spans] == ["warm", "cool"]


@pytest.mark.parametrize(("limit", "spans"), [(0.29, 2), (0.31, 1)])
def test_change_on_both_sides_of_its_threshold(limit: float, spans: int) -> None:
    # Three tenths of the picture change from red to blue: total variation 0.3.
    frames = clip((picture((RED, 100)), 2.0), (picture((RED, 70), (BLUE, 30)), 2.0))
    assert len(run(frames, change_distance=limit).spans) == spans


def test_what_stays_or_flashes_gives_no_change() -> None:
    red, blue = picture((RED, 50), (GRAY, 50)), picture((BLUE, 100))
    assert len(run(clip((red, 5.0))).spans) == 1
    flash = clip((red, 2.0), (blue, 0.3), (red, 2.7))
    assert len(run(flash).spans) == 1
    moved = np.stack([np.roll(red, 3 * i, axis=0) for i in range(50)])
    assert len(run(moved).spans) == 1


def test_samples_carry_their_time() -> None:
    result = run(clip((picture((GRAY, 100)), 2.0)))
    assert [(s.timestamp, s.frame) for s in result.samples] == [(0.0, 0), (0.5, 5), (1.0, 10), (1.5, 15)]


@pytest.mark.parametrize("chunk_s", [1.0, 5.0, 60.0])
def test_chunk_length_changes_nothing(chunk_s: float) -> None:
    rng = np.random.default_rng(7)
    walk = np.cumsum(rng.normal(0, 12, (90, 1, 1, 3)), axis=0) + 128
    frames = np.clip(walk + rng.normal(0, 30, (90, 40, 30, 3)), 0, 255).astype(np.uint8)
    assert run(frames, chunk_s=chunk_s) == run(frames, chunk_s=2.0)


def test_timeline_and_headline_hold_the_results_values() -> None:
    analyzer = ColorAnalysis(ColorConfig())
    result = run(clip((picture((RED, 50), (LIME, 50)), 2.0), (picture((BLUE, 100)), 2.0)))
    items = analyzer.timeline(result)
    assert [(i.start_time, i.end_time) for i in items] == [(s.start_time, s.end_time) for s in result.spans]
    assert items[1].label == f"{result.spans[1].mood.name} colours: blue"
    headline = analyzer.headline(result)
    assert headline is not None
    assert "blue 50%" in headline
    assert "1 palette change." in headline
    assert "brighter at the bottom;" in headline  # lime is brighter than red
    lit, plain = analyzer.headline(still(ramp(-0.5, -0.5))), analyzer.headline(still(picture((GRAY, 100))))
    assert lit is not None
    assert "brighter at the top left;" in lit
    assert plain is not None
    assert "brighter" not in plain


def test_two_shades_of_one_name_are_said_once() -> None:
    result = still(picture(((5, 3, 3), 60), ((54, 41, 32), 40)), fuse_distance=1.0)
    assert [c.name for c in result.palette] == ["black", "black"]
    headline = ColorAnalysis(ColorConfig()).headline(result)
    assert headline is not None
    assert headline.startswith("Colours: black 100%;")


def ramp(right: float, down: float, height: int = 100, width: int = 80) -> np.ndarray:
    """Grey levels that rise by these shares of white from edge to edge, around the middle of the range."""
    x, y = (np.arange(width) + 0.5) / width - 0.5, (np.arange(height) + 0.5) / height - 0.5
    levels = 127.5 + 255.0 * (right * x[None, :] + down * y[:, None])
    return np.repeat(np.rint(levels).astype(np.uint8)[..., None], 3, axis=2)


def pattern(amplitude: int, height: int = 100, width: int = 80) -> np.ndarray:
    """A chessboard of 5 px around zero, (height, width, 1): no side of it is brighter."""
    rows, columns = np.arange(height) // 5, np.arange(width) // 5
    return np.where((rows[:, None] + columns[None, :]) % 2, amplitude, -amplitude)[..., None]


SIDES = ["right", "bottom_right", "bottom", "bottom_left", "left", "top_left", "top", "top_right"]
ROUNDING = 1.0 / 255.0
"""Grey levels are whole numbers: half a level at both ends of the ramp."""


@pytest.mark.parametrize("turn", range(8))
def test_the_brighter_side_of_a_ramp(turn: int) -> None:
    right, down = (0.4 * f(math.radians(45.0 * turn)) for f in (math.cos, math.sin))
    found = still(ramp(right, down)).gradient
    assert (found.rise_right, found.rise_down) == pytest.approx((right, down), abs=ROUNDING)
    assert found.fit == pytest.approx(1.0, abs=0.01)
    assert found.brighter_side == SIDES[turn]


@pytest.mark.parametrize(("degrees", "side"), [(20.0, "right"), (25.0, "bottom_right"), (-25.0, "top_right")])
def test_a_side_reaches_half_way_to_the_next(degrees: float, side: str) -> None:
    right, down = (0.6 * f(math.radians(degrees)) for f in (math.cos, math.sin))
    assert still(ramp(right, down)).gradient.brighter_side == side


@pytest.mark.parametrize(("least", "side"), [(0.38, "left"), (0.42, None)])
def test_the_rise_on_both_sides_of_its_threshold(least: float, side: str | None) -> None:
    assert still(ramp(-0.4, 0.0), side_rise=least).gradient.brighter_side == side


@pytest.mark.parametrize(("scale", "side"), [(0.97, "top"), (1.03, None)])
def test_the_fit_on_both_sides_of_its_threshold(scale: float, side: str | None) -> None:
    # A ramp of rise r has the variance r^2 / 12, a chessboard of amplitude a has a^2, and both are independent.
    rise, amplitude = 0.2, 40
    fit = (rise**2 / 12.0) / (rise**2 / 12.0 + (amplitude / 255.0) ** 2)
    frame = (ramp(0.0, -rise) + pattern(amplitude)).astype(np.uint8)
    found = still(frame, side_fit=fit * scale).gradient
    assert found.fit == pytest.approx(fit, rel=0.02)
    assert found.brighter_side == side


def test_what_is_even_has_no_brighter_side() -> None:
    plain, board = still(picture((GRAY, 100))), still((128 + pattern(100)).repeat(3, axis=2).astype(np.uint8))
    spot = np.full((100, 80, 3), 40, np.uint8)
    spot[40:60, 30:50] = 255
    for result in (plain, board, still(spot)):
        assert result.gradient.fit == pytest.approx(0.0, abs=1e-6)
        assert result.gradient.brighter_side is None
        assert result.brighter_side_share == {}


def test_black_bars_are_no_dark_side() -> None:
    frame = np.concatenate([ramp(0.0, 0.0, height=80, width=80), np.zeros((20, 80, 3), np.uint8)])
    assert still(frame).gradient.brighter_side is None
    # The same dark fifth, too bright for a bar: a plane through a step that falls by h at 0.8 of the way down falls
    # by 6 * 0.8 * 0.2 * h, the least-squares slope of a step.
    frame[80:] = 47
    found = still(frame).gradient
    assert found.rise_down == pytest.approx(-6 * 0.8 * 0.2 * (128 - 47) / 255.0, rel=0.02)
    assert found.brighter_side == "top"


def test_sides_of_shots_are_told_apart() -> None:
    result = run(clip((ramp(0.5, 0.0), 3.0), (ramp(-0.5, 0.0), 1.0)))
    assert [s.gradient.brighter_side for s in result.samples] == ["right"] * 6 + ["left"] * 2
    assert result.brighter_side_share == {"right": 0.75, "left": 0.25}
    assert result.gradient.rise_right == pytest.approx(0.25, abs=ROUNDING)


def test_no_picture_is_not_applicable() -> None:
    analyzer = ColorAnalysis(ColorConfig())
    with pytest.raises(NotApplicable) as error:
        analyzer.conclude([], Context(VideoFacts(container="mp3", duration_s=3.0)))
    assert error.value.code == "no_frames"


def test_real_clip_with_three_backgrounds() -> None:
    # By eye: the background goes from gray-blue to red-brown at frame 10 and to green at frame 20, of 10 per second.
    analyzer = ColorAnalysis(ColorConfig())
    analyzer.load()
    result = run_on_file(analyzer, media("pysd/counter.mp4"))
    assert [s.start_time for s in result.spans] == pytest.approx([0.0, 1.0, 2.0], abs=0.01)
    hues = [math.degrees(math.atan2(s.palette[0].lab[2], s.palette[0].lab[1])) % 360 for s in result.spans]
    assert 220 < hues[0] < 310
    assert 10 < hues[1] < 80
    assert 110 < hues[2] < 180


def test_real_clip_before_a_blue_background() -> None:
    # By eye: one person before a blue background, which is bright on the left and falls into shadow to the right.
    analyzer = ColorAnalysis(ColorConfig())
    analyzer.load()
    result = run_on_file(analyzer, media("lipnet/bbaf2n.mpg"))
    assert len(result.spans) == 1
    assert "blue" in result.palette[0].name
    assert result.temperature == "cool"
    assert set(result.brighter_side_share) <= {"left", "top_left"}
    assert sum(result.brighter_side_share.values()) == 1.0
