"""Composition against pictures drawn to measure, and against the published joints of a pose clip."""

from __future__ import annotations

import json
import pickle
from typing import Any

import cv2
import numpy as np
import pytest

from analyzers.base import NotApplicable
from analyzers.composition_analysis import CompositionAnalysis, CompositionConfig
from analyzers.results.composition_analysis import CompositionResult, FrameComposition
from tests.made_camera import Frames, window
from tests.made_results import cut_result
from tests.media_folder import MEDIA, media
from tests.run import frame_chunks, run_on_file, run_on_frames

FPS = 2.0
SIZE = (480, 270)


def analyzer(**config: Any) -> CompositionAnalysis:
    made = CompositionAnalysis(CompositionConfig(**config))
    made.load()
    return made


def analyse(*frames: Frames, **config: Any) -> CompositionResult:
    result = run_on_frames(analyzer(**config), np.stack(frames), FPS)
    assert isinstance(result, CompositionResult)
    return result


def one(picture: Frames, **config: Any) -> FrameComposition:
    (frame,) = analyse(picture, **config).frames
    return frame


def disc(x: float, y: float, radius: float, size: tuple[int, int] = SIZE, noise: float = 0.0) -> Frames:
    """A red disc on blue-grey; ``radius`` in shares of the height."""
    width, height = size
    picture = np.full((height, width, 3), (90, 110, 130), np.uint8)
    cv2.circle(picture, (round(x * width), round(y * height)), round(radius * height), (220, 60, 40), -1, cv2.LINE_AA)
    if noise:
        picture = np.clip(picture + np.random.default_rng(0).normal(0.0, noise, picture.shape), 0, 255).astype(np.uint8)
    return picture


@pytest.mark.parametrize("size", [(480, 270), (270, 480)], ids=["landscape", "portrait"])
@pytest.mark.parametrize("noise", [0.0, 6.0])
@pytest.mark.parametrize(("x", "y"), [(0.33, 0.33), (0.5, 0.5), (0.7, 0.4), (0.25, 0.75)])
def test_the_subject_is_found_where_it_is(x: float, y: float, noise: float, size: tuple[int, int]) -> None:
    radius = 0.12 * min(size) / size[1]
    frame = one(disc(x, y, radius, size, noise))
    assert frame.subject is not None
    assert frame.subject.x == pytest.approx(x, abs=0.02)
    assert frame.subject.y == pytest.approx(y, abs=0.02)
    box, side = frame.subject.bounding_box, 2.0 * radius * size[1]
    assert box.x + box.width / 2 == pytest.approx(x * size[0], abs=0.03 * size[0])
    assert box.y + box.height / 2 == pytest.approx(y * size[1], abs=0.03 * size[1])
    # Saliency maps are coarse: a 64th of the picture on each side, and their blur.
    assert side * 0.8 <= box.width <= side + 0.1 * min(size)
    assert side * 0.8 <= box.height <= side + 0.1 * min(size)


@pytest.mark.parametrize("radius", [0.15, 0.25, 0.35])
def test_the_subject_covers_what_it_covers(radius: float) -> None:
    frame = one(disc(0.5, 0.5, radius))
    assert frame.subject is not None
    true = np.pi * radius**2 * 270 / 480
    # The map's blur adds about one of its px all around.
    assert 0.9 * true <= frame.subject.area_share <= np.pi * (radius + 0.035) ** 2 * 270 / 480


@pytest.mark.parametrize("what", ["flat", "noise", "clouds"])
def test_no_subject_where_nothing_stands_out(what: str) -> None:
    rng = np.random.default_rng(3)
    picture = np.full((270, 480, 3), 110.0)
    if what == "noise":
        picture += rng.normal(0.0, 40.0, picture.shape)
    if what == "clouds":
        for step in (4, 16, 48):
            rough = rng.normal(0.0, 18.0, (270 // step + 2, 480 // step + 2, 3)).astype(np.float32)
            picture += cv2.resize(rough, (480, 270), interpolation=cv2.INTER_CUBIC)
    frame = one(np.clip(picture, 0, 255).astype(np.uint8))
    assert frame.subject is None
    assert (frame.thirds, frame.centred, frame.shot_size, frame.leading_lines) == (None, None, None, None)


def test_clarity_threshold_is_a_setting() -> None:
    picture = disc(0.4, 0.4, 0.2, noise=10.0)
    clear = one(picture)
    assert clear.subject is not None
    clarity = clear.subject.clarity
    assert one(picture, min_clarity=clarity - 0.02).subject is not None
    assert one(picture, min_clarity=clarity + 0.02).subject is None


def test_a_subject_on_a_power_point_is_on_thirds() -> None:
    for x, y in ((1 / 3, 1 / 3), (2 / 3, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 2 / 3)):
        frame = one(disc(x, y, 0.08))
        assert frame.thirds is not None
        assert frame.thirds > 0.95
        assert frame.layout == "thirds"


def test_thirds_fall_and_centring_rises_towards_the_middle() -> None:
    frames = [one(disc(x, x, 0.1)) for x in np.linspace(1 / 3, 0.5, 5)]
    thirds = [frame.thirds for frame in frames]
    centred = [frame.centred for frame in frames]
    assert thirds == sorted(thirds, reverse=True)  # type: ignore[type-var]
    assert centred == sorted(centred)  # type: ignore[type-var]
    # exp(-(1/3)^2 / (2 * 0.17^2)) by the definition of Liu et al.
    assert thirds[-1] == pytest.approx(0.146, abs=0.03)
    assert centred[-1] is not None
    assert centred[-1] > 0.95


def texture(seed: int = 0) -> Frames:
    return window(size=SIZE, seed=seed)


def test_a_mirrored_picture_is_symmetric() -> None:
    half = texture()[:, :240]
    frame = one(np.concatenate([half, half[:, ::-1]], axis=1))
    assert frame.symmetry_left_right is not None
    assert frame.symmetry_left_right > 0.95
    assert frame.symmetry_top_bottom is not None
    assert frame.symmetry_top_bottom < 0.4
    assert frame.layout == "symmetric"


def test_a_reflection_in_water_is_symmetric_from_top_to_bottom() -> None:
    half = texture()[:135]
    frame = one(np.concatenate([half, half[::-1]]))
    assert frame.symmetry_top_bottom is not None
    assert frame.symmetry_top_bottom > 0.95
    assert frame.symmetry_left_right is not None
    assert frame.symmetry_left_right < 0.4


@pytest.mark.parametrize("seed", range(4))
def test_an_ordinary_picture_is_not_symmetric(seed: int) -> None:
    frame = one(texture(seed))
    assert frame.symmetry_left_right is not None
    assert frame.symmetry_left_right < 0.5
    assert frame.layout != "symmetric"


def test_light_from_above_alone_is_no_symmetry_of_left_and_right() -> None:
    picture = np.zeros((270, 480, 3), np.uint8)
    picture[:] = np.linspace(220, 40, 270)[:, None, None]
    assert one(picture).symmetry_left_right is None


def rays(to: tuple[float, float], parallel: bool = False) -> Frames:
    """Thin dark lines that run to the disc from all sides, or past it side by side."""
    picture = disc(0.5, 0.45, 0.12)
    middle = np.array([to[0] * 480, to[1] * 270])
    for k in range(12):
        angle = 2.0 * np.pi * (k + 0.5) / 12
        way = np.array([np.cos(angle), np.sin(angle)])
        start, end = middle + 60 * way, middle + 110 * way
        if parallel:
            start, end = np.array([20 + 12.0 * k, 190.0]), np.array([60 + 12.0 * k, 262.0])
        cv2.line(
            picture,
            (round(float(start[0])), round(float(start[1]))),
            (round(float(end[0])), round(float(end[1]))),
            (60, 80, 100),
            2,
            cv2.LINE_AA,
        )
    return picture


def test_lines_that_point_at_the_subject_lead() -> None:
    frame = one(rays((0.5, 0.45)), min_line=0.06)
    assert frame.leading_lines is not None
    assert frame.leading_lines > 0.8
    assert frame.line_length > 1.0


def test_lines_beside_the_subject_do_not_lead() -> None:
    frame = one(rays((0.5, 0.45), parallel=True), min_line=0.06)
    assert frame.line_length > 1.0
    assert frame.leading_lines is not None
    assert frame.leading_lines < 0.3
    assert frame.diagonal_lines is not None
    assert frame.diagonal_lines > 0.9


def test_upright_and_level_lines_are_not_oblique() -> None:
    picture = np.full((270, 480, 3), 120, np.uint8)
    for x in range(60, 440, 50):
        picture[30:240, x : x + 8] = 40
    frame = one(picture)
    assert frame.line_length > 3.0
    assert frame.diagonal_lines == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_negative_space_is_the_plain_part(share: float) -> None:
    picture = texture()
    rng = np.random.default_rng(0)
    picture = np.clip(picture + rng.normal(0.0, 12.0, picture.shape), 0, 255).astype(np.uint8)
    picture[:, : round(share * 480)] = 128
    assert one(picture, min_clarity=1.0).negative_space == pytest.approx(share, abs=0.06)


def test_plainness_is_a_setting() -> None:
    noise = np.random.default_rng(0).normal(0.0, 12.0, (270, 480, 1))
    picture = np.clip(120 + np.repeat(noise, 3, axis=2), 0, 255).astype(np.uint8)
    # Scaled from 270 to 192 px, noise of 12 levels keeps about 8.
    assert one(picture, plain_levels=4.0).negative_space < 0.05
    assert one(picture, plain_levels=16.0).negative_space > 0.95


def test_a_small_subject_in_emptiness() -> None:
    frame = one(disc(0.15, 0.5, 0.06))
    assert frame.negative_space > 0.9
    assert frame.layout == "negative_space"
    assert frame.shot_size == "wide"


@pytest.mark.parametrize(("radius", "size"), [(0.1, "wide"), (0.32, "medium"), (0.48, "close")])
def test_shot_size_follows_the_subject(radius: float, size: str) -> None:
    result = analyse(*[disc(0.5, 0.5, radius)] * 4, min_clarity=0.05)
    assert [(span.shot_size, span.start_time, span.end_time) for span in result.shot_sizes] == [(size, 0.0, 2.0)]


def test_shot_sizes_are_parted_at_known_cuts() -> None:
    frames = np.stack([disc(0.5, 0.5, 0.1)] * 6 + [disc(0.5, 0.5, 0.3)] * 6)
    result = run_on_frames(analyzer(), frames, FPS, results={"cut_analysis": cut_result([3.0], 6.0)})
    assert [(span.shot_size, span.start_time, span.end_time) for span in result.shot_sizes] == [
        ("wide", 0.0, 3.0),
        ("medium", 3.0, 6.0),
    ]
    assert result.distance_changes == ()


def test_a_growing_subject_comes_nearer() -> None:
    radii = np.linspace(0.1, 0.25, 10)
    (change,) = analyse(*[disc(0.5, 0.5, radius) for radius in radii]).distance_changes
    assert change.direction == "nearer"
    assert change.area_ratio == pytest.approx((0.25 / 0.1) ** 2, rel=0.35)
    (back,) = analyse(*[disc(0.5, 0.5, radius) for radius in radii[::-1]]).distance_changes
    assert back.direction == "farther"


def test_a_subject_that_stays_does_not_come_nearer() -> None:
    rng = np.random.default_rng(5)
    discs = [disc(0.5, 0.5, radius) for radius in 0.2 + rng.normal(0.0, 0.005, 10)]
    assert analyse(*discs).distance_changes == ()


def test_black_bars_are_not_part_of_the_picture() -> None:
    inner = disc(1 / 3, 1 / 3, 0.1, (480, 180))
    frame = one(np.pad(inner, ((45, 45), (0, 0), (0, 0))))
    assert frame.layout == "thirds"
    assert frame.subject is not None
    assert frame.subject.y == pytest.approx(1 / 3, abs=0.03)
    box = frame.subject.bounding_box
    assert box.y + box.height / 2 == pytest.approx(45 + 180 / 3, abs=8)


def test_result_keeps_its_shape_without_an_encoder() -> None:
    result = analyse(disc(0.5, 0.5, 0.2))
    assert result.clip_scores is None
    assert result.frames[0].clip_scores is None
    assert CompositionResult.model_validate_json(result.model_dump_json()) == result


def test_summary_and_headline_are_made_of_the_frames() -> None:
    result = analyse(*[disc(1 / 3, 1 / 3, 0.08)] * 3, *[disc(0.5, 0.5, 0.08)])
    assert result.dominant_layout == "thirds"
    assert result.layout_share == {"thirds": 0.75, "centred": 0.25}
    assert result.subject_share == 1.0
    assert result.summary.thirds == pytest.approx(np.mean([frame.thirds for frame in result.frames]))
    headline = analyzer().headline(result)
    assert headline is not None
    assert headline.startswith("Composition: thirds 75% of frames, clear subject in 100% of frames, covering ")
    assert [item.label for item in analyzer().timeline(result)] == ["wide shot"]


def test_a_headline_where_nothing_stands_out() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (192, 108, 3)).astype(np.uint8)
    headline = analyzer().headline(analyse(noise))
    assert headline is not None
    assert headline.startswith("Composition: no layout stands out in 100% of frames, no clear subject; ")


@pytest.mark.parametrize("chunk_s", [1.0, 5.0, 100.0])
def test_the_result_does_not_depend_on_the_chunks(chunk_s: float) -> None:
    frames = np.stack([disc(0.3 + 0.03 * k, 0.5, 0.1 + 0.01 * k, noise=3.0) for k in range(10)])
    expected = run_on_frames(analyzer(), frames, FPS, chunk_s=2.0)
    assert run_on_frames(analyzer(), frames, FPS, chunk_s=chunk_s) == expected


def test_observations_are_small_and_pickle() -> None:
    made = analyzer()
    (chunk,) = frame_chunks(np.stack([disc(0.5, 0.5, 0.2)] * 4), FPS, made.needs().frames, 2.0)
    (observation,) = made.observe([chunk])
    data = pickle.dumps(observation)
    assert len(data) < 3000
    assert pickle.loads(data) == observation


def test_no_frames_is_not_applicable() -> None:
    facts = run_context()
    with pytest.raises(NotApplicable) as caught:
        analyzer().conclude([()], facts)
    assert caught.value.code == "no_frames"


def run_context() -> Any:
    from analyzers.base import Context
    from schema.document import VideoFacts

    return Context(VideoFacts(container="arrays", duration_s=1.0, width=480, height=270))


def test_the_subject_of_a_pose_clip_is_its_person() -> None:
    """Published joints of every frame; their box leaves out hair and soles, the salient region bare walls."""
    result = run_on_file(analyzer(), media("tfjs/pose_squats.mp4"))
    joints = json.loads((MEDIA / "truth" / "pose_squats.full.json").read_text())
    overlaps = []
    for frame in result.frames:
        assert frame.subject is not None
        points = np.array(joints[round(frame.timestamp * 5.0)])[:, :2]
        low, high = points.min(axis=0), points.max(axis=0)
        box = frame.subject.bounding_box
        start, end = np.array([box.x, box.y]), np.array([box.x + box.width, box.y + box.height])
        common = np.prod(np.clip(np.minimum(high, end) - np.maximum(low, start), 0.0, None))
        overlaps.append(common / (np.prod(high - low) + np.prod(end - start) - common))
    assert np.mean(overlaps) >= 0.55
    assert result.dominant_layout == "centred"


def test_a_speaker_who_fills_the_picture_is_close() -> None:
    result = run_on_file(analyzer(), media("lipnet/bbaf2n.mpg"))
    assert [span.shot_size for span in result.shot_sizes] == ["close"]
