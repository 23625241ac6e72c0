"""Technical quality: damage of known size must be measured, and must lower the score step by step."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest

from analyzers.base import Context, NotApplicable
from analyzers.camera_analysis import CameraResult
from analyzers.content_quality import ContentQuality, QualityConfig
from analyzers.results.content_quality import QualityResult
from analyzers.signal import picture_quality
from schema.document import VideoFacts
from tests.made_camera import window
from tests.made_results import only
from tests.media_folder import media
from tests.run import frame_chunks, run_on_file, run_on_frames

Grey = np.ndarray[Any, Any]
FPS = 1.0


def analyzer(**config: Any) -> ContentQuality:
    made = ContentQuality(QualityConfig(**config))
    made.load()
    return made


def analyse(*pictures: Grey, **config: Any) -> QualityResult:
    frames = np.repeat(np.stack(pictures)[..., None], 3, axis=3)
    result = run_on_frames(analyzer(**config), frames, FPS)
    assert isinstance(result, QualityResult)
    return result


def photograph(seed: int = 0) -> Grey:
    """Blocks and clouds with fine detail and a plain part, (288, 512), mean about mid grey, little of it clipped."""
    picture = cv2.cvtColor(window(size=(512, 288), seed=seed), cv2.COLOR_RGB2GRAY).astype(np.float32)
    rng = np.random.default_rng(seed)
    picture[:, :380] += cv2.GaussianBlur(rng.normal(0.0, 18.0, (288, 380)).astype(np.float32), (0, 0), 0.7)
    picture[:, 380:] = np.linspace(90, 150, 132)
    return np.asarray(np.clip(120.0 + 1.5 * (picture - picture.mean()), 12, 243), np.uint8)


def damaged(kind: str) -> tuple[list[Grey], str]:
    """The picture in growing steps of one damage, and the measure that must notice."""
    picture, rng = photograph(), np.random.default_rng(1)

    def levels(values: Grey) -> Grey:
        return np.asarray(np.clip(np.round(values), 0, 255), np.uint8)

    def jpeg(quality: int) -> Grey:
        return np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0))

    steps: dict[str, tuple[Callable[[float], Grey], Sequence[float], str]] = {
        "blur": (lambda s: np.asarray(cv2.GaussianBlur(picture, (0, 0), s)), (0.5, 1.0, 1.5, 2.5, 4.0), "sharpness"),
        "noise": (lambda s: levels(picture + rng.normal(0.0, s, picture.shape)), (2, 4, 8, 16, 32), "noise"),
        "over-exposure": (lambda g: levels(picture * g), (1.15, 1.3, 1.6, 2.0, 2.5), "exposure"),
        "under-exposure": (lambda g: levels(picture * g), (0.8, 0.6, 0.4, 0.2), "exposure"),
        "haze": (lambda g: levels(120.0 + (picture - 120.0) * g), (0.8, 0.6, 0.4, 0.2), "contrast"),
        "blocks": (lambda q: jpeg(int(q)), (60, 40, 25, 15, 8), "blockiness"),
    }
    make, sizes, measure = steps[kind]
    return [picture, *(make(size) for size in sizes)], measure


@pytest.mark.parametrize("kind", ["blur", "noise", "over-exposure", "under-exposure", "haze", "blocks"])
def test_more_damage_lowers_the_score_at_each_step(kind: str) -> None:
    pictures, name = damaged(kind)
    results = [analyse(picture) for picture in pictures]
    scores = [getattr(result, name).score for result in results]
    assert all(before > after for before, after in pairwise(scores)), scores
    assert scores[0] > 0.75
    assert scores[-1] < 0.5
    overall = [result.technical_score for result in results]
    assert all(a is not None and b is not None and a > b for a, b in pairwise(overall)), overall
    assert results[-1].weakest in {name, "resolution"}


def test_blur_is_the_published_formula() -> None:
    """Crete-Roffet's steps 1 to 5, in floating point, for steps of the 3 px median from three grey levels on."""
    padded = np.pad(photograph(), 1, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    picture = np.median(around, axis=(2, 3)).astype(np.float64)
    found = []
    for grey in (picture, picture.T):
        padded = np.pad(grey, ((0, 0), (5, 5)), mode="reflect")
        smooth = np.stack([padded[:, k : k + grey.shape[1]] for k in range(11)]).mean(axis=0)
        own, after = np.abs(np.diff(grey, axis=1)), np.abs(np.diff(smooth, axis=1))
        own[own < 3.0] = 0.0
        lost = np.maximum(0.0, own - after)
        found.append((own.sum() - lost.sum()) / own.sum())
    assert analyse(photograph()).sharpness.value == pytest.approx(max(found), abs=0.003)


@pytest.mark.parametrize("sigma", [1.5, 3.0])
def test_mild_noise_passes_for_no_sharpness(sigma: float) -> None:
    """A picture softened by 1.5 px stays as soft when noise is added, to a tenth of the scale."""
    soft = cv2.GaussianBlur(photograph(), (0, 0), 1.5)
    noisy = np.clip(np.round(soft + np.random.default_rng(2).normal(0.0, sigma, soft.shape)), 0, 255).astype(np.uint8)
    before, after = analyse(soft), analyse(noisy)
    assert after.sharpness.value == pytest.approx(before.sharpness.value, abs=0.1)
    assert before.technical_score is not None
    assert after.technical_score is not None
    assert after.technical_score < before.technical_score


@pytest.mark.parametrize("sigma", [0.8, 2.0, 5.0, 12.0])
def test_noise_is_measured_in_grey_levels(sigma: float) -> None:
    picture = np.full((288, 512), 128.0)
    picture[:, 256:] = window(size=(256, 288))[..., 0]
    noisy = picture + np.random.default_rng(0).normal(0.0, sigma, picture.shape)
    # Rounding to whole levels adds a twelfth of a squared level.
    true = float(np.hypot(sigma, np.sqrt(1 / 12)))
    assert analyse(np.clip(np.round(noisy), 0, 255).astype(np.uint8)).noise.value == pytest.approx(true, rel=0.12)


def test_noise_at_the_ends_of_the_range_does_not_count() -> None:
    """Clipping hides noise: half the picture is black, and would measure half the noise."""
    rng = np.random.default_rng(0)
    picture = np.full((288, 512), 128.0)
    picture[:, :300] = 0.0
    noisy = np.clip(np.round(picture + rng.normal(0.0, 6.0, picture.shape)), 0, 255).astype(np.uint8)
    assert analyse(noisy).noise.value == pytest.approx(6.0, rel=0.12)


def test_clipped_shares_are_exact() -> None:
    picture = np.full((200, 400), 128, np.uint8)
    picture[:, :100] = 255
    picture[150:, 100:] = 0
    picture[0, 100:] = 40
    exposure = analyse(picture).exposure
    assert exposure.white_share == pytest.approx(0.25)
    assert exposure.black_share == pytest.approx(0.75 * 0.25)
    assert exposure.value == pytest.approx(picture.mean() / 255.0)
    off = (picture.mean() / 255.0 - 0.47) / 0.22
    assert exposure.score == pytest.approx(np.exp(-0.5 * off**2) * 0.75 * (1 - 0.1875))


def test_contrast_is_the_standard_deviation() -> None:
    picture = photograph()
    contrast = analyse(picture).contrast
    assert contrast.value == pytest.approx(picture.std() / 255.0, abs=1e-6)
    assert contrast.score == pytest.approx(1.0 - np.exp(-picture.std() / 255.0 / 0.07), abs=1e-6)


def test_blocks_are_found_wherever_the_grid_lies() -> None:
    coded = np.asarray(cv2.imdecode(cv2.imencode(".jpg", photograph(), [cv2.IMWRITE_JPEG_QUALITY, 15])[1], 0))
    whole = analyse(coded).blockiness.value
    moved = analyse(np.ascontiguousarray(coded[3:, 5:])).blockiness.value
    assert whole is not None
    assert whole > 0.4
    assert moved == pytest.approx(whole, rel=0.1)


def test_blocks_are_steps_of_known_height() -> None:
    """Ramps of one level per px with a further step of three at every eighth: (4 + 0.5) / (1 + 0.5) - 1."""
    along = np.cumsum(np.where(np.arange(320) % 8 == 7, 4, 1)) % 97
    picture = np.tile(along + 60, (160, 1)).astype(np.uint8)
    folds = np.abs(np.diff(along)) > 24
    assert folds.sum() < 8
    assert picture_quality.blockiness(picture) == pytest.approx(2.0, abs=0.01)


def test_blocks_are_not_measured_in_scaled_pictures() -> None:
    result = analyse(cv2.resize(photograph(), (1024, 576)), short_side_px=288)
    assert result.blockiness.value is None
    assert result.blockiness.score is None
    assert result.sharpness.score is not None


@pytest.mark.parametrize("step", [2, 4, 8])
def test_bands_are_steps_between_plateaus(step: int) -> None:
    """A slope over R levels in steps of s has R / s steps of s squared in each row: R * s / W per px."""
    slope = 60.0 + 110.0 * np.arange(512) / 512
    picture = np.tile((np.floor(slope / step) * step).astype(np.uint8), (288, 1))
    steps = int((np.diff(picture[0]) > 0).sum())
    assert analyse(picture).banding.value == pytest.approx(steps * step**2 / 512, rel=0.02)


def test_coarser_steps_score_lower_and_noise_hides_them() -> None:
    slope = np.tile(60.0 + 110.0 * np.arange(512) / 512, (288, 1))
    scores = [analyse((np.floor(slope / step) * step).astype(np.uint8)).banding.score for step in (1, 2, 4, 8, 16)]
    assert scores[0] == 1.0
    assert all(a is not None and b is not None and a > b for a, b in pairwise(scores))
    rough = np.floor(slope / 8) * 8 + np.random.default_rng(0).normal(0.0, 2.0, slope.shape)
    assert analyse(np.round(rough).astype(np.uint8)).banding.score == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("size", "score"), [((1080, 1920), 1.0), ((3840, 2160), 1.0), ((540, 960), 0.5), ((426, 240), 240 / 1080)]
)
def test_resolution_scores_the_source(size: tuple[int, int], score: float) -> None:
    facts = VideoFacts(container="arrays", duration_s=1.0, width=size[0], height=size[1])
    result = analyzer().conclude([seen(photograph())], Context(facts))
    assert result.resolution.value == min(size)
    assert result.resolution.score == pytest.approx(score)


def seen(*pictures: Grey) -> Any:
    """The observation of these pictures, one per second."""
    made = analyzer()
    frames = np.repeat(np.stack(pictures)[..., None], 3, axis=3)
    (chunk,) = frame_chunks(frames, FPS, made.needs().frames, 100.0)
    (observation,) = made.observe([chunk])
    return observation


def test_steadiness_comes_from_the_camera() -> None:
    camera = only(CameraResult, shake=0.06, stability=1 / 3)
    frames = np.repeat(photograph()[None, ..., None], 3, axis=3)
    result = run_on_frames(analyzer(), frames, FPS, results={"camera_analysis": camera})
    assert (result.steadiness.value, result.steadiness.score) == (0.06, pytest.approx(1 / 3))
    without = analyse(photograph())
    assert (without.steadiness.value, without.steadiness.score) == (None, None)
    assert without.technical_score is not None
    assert result.technical_score < without.technical_score


def test_technical_score_is_the_weighted_geometric_mean() -> None:
    result = analyse(photograph())
    names = ("sharpness", "noise", "exposure", "contrast", "blockiness", "banding", "resolution")
    scores = [getattr(result, name).score for name in (*names, "sharpness", "sharpness", "exposure", "noise")]
    assert result.technical_score == pytest.approx(np.prod(scores) ** (1 / len(scores)))
    assert getattr(result, str(result.weakest)).score == min(getattr(result, name).score for name in names)


def test_plain_pictures_are_left_out() -> None:
    black = np.zeros((288, 512), np.uint8)
    result = analyse(black, photograph(), photograph(1), black)
    assert result.plain_share == 0.5
    alone = analyse(photograph(), photograph(1))
    assert result.exposure == alone.exposure
    assert result.frames[0].level is None
    assert result.faults == ()


def test_nothing_but_plain_pictures_has_no_measures() -> None:
    result = analyse(*[np.full((288, 512), 77, np.uint8)] * 3)
    assert (result.sharpness.score, result.noise.score, result.exposure.score) == (None, None, None)
    assert result.plain_share == 1.0
    assert result.resolution.score is not None


def test_black_bars_are_not_crushed_shadows() -> None:
    barred = np.pad(photograph(), ((60, 60), (0, 0)))
    exposure, alone = analyse(barred).exposure, analyse(photograph()).exposure
    assert exposure.black_share == pytest.approx(0.0, abs=0.01)
    assert exposure.value == pytest.approx(alone.value, abs=0.01)


def test_one_bad_picture_does_not_spoil_the_clip() -> None:
    bad = np.asarray(cv2.GaussianBlur(photograph(), (0, 0), 6.0))
    good = analyse(*[photograph()] * 5)
    assert analyse(*[photograph()] * 4, bad).sharpness.score == good.sharpness.score


def dark(picture: Grey) -> Grey:
    return np.asarray(picture * 0.2, np.uint8)


def test_a_dark_stretch_is_a_fault() -> None:
    made = analyzer()
    result = analyse(*[photograph()] * 2, *[dark(photograph())] * 3, *[photograph()] * 2)
    (fault,) = result.faults
    assert (fault.kind, fault.start_time, fault.end_time) == ("too_dark", 2.0, 5.0)
    assert fault.score < 0.35
    (item,) = made.timeline(result)
    assert (item.label, item.start_time, item.end_time) == ("too dark", 2.0, 5.0)


def test_faults_need_their_length_and_depth() -> None:
    pictures = [*[photograph()] * 2, *[dark(photograph())] * 3, *[photograph()] * 2]
    assert analyse(*pictures, min_fault_s=3.5).faults == ()
    score = analyse(dark(photograph())).exposure.score
    assert score is not None
    below, above = (analyse(*pictures, fault_score=score * factor).faults for factor in (0.95, 1.05))
    assert "too_dark" not in {fault.kind for fault in below}
    assert "too_dark" in {fault.kind for fault in above}


@pytest.mark.parametrize("chunk_s", [1.0, 5.0, 100.0])
def test_the_result_does_not_depend_on_the_chunks(chunk_s: float) -> None:
    pictures = [photograph(seed) for seed in range(3)] + [dark(photograph())] * 4
    frames = np.repeat(np.stack(pictures)[..., None], 3, axis=3)
    expected = run_on_frames(analyzer(), frames, FPS, chunk_s=2.0)
    assert run_on_frames(analyzer(), frames, FPS, chunk_s=chunk_s) == expected


def test_result_keeps_its_shape_without_an_encoder() -> None:
    result = analyse(photograph())
    assert (result.aesthetic_score, result.perceived_score) == (None, None)
    assert QualityResult.model_validate_json(result.model_dump_json()) == result


def test_observations_are_small_and_pickle() -> None:
    observation = seen(photograph(), photograph(1))
    data = pickle.dumps(observation)
    assert len(data) < 1500
    assert pickle.loads(data) == observation


def test_headline_names_the_weakest_measure() -> None:
    result = analyse(photograph())
    headline = analyzer().headline(result)
    # 288 of 1080 lines.
    assert headline == f"Technical quality {result.technical_score:.2f}; weakest: resolution 0.27."


def test_no_frames_is_not_applicable() -> None:
    facts = VideoFacts(container="arrays", duration_s=1.0, width=512, height=288)
    with pytest.raises(NotApplicable) as caught:
        analyzer().conclude([()], Context(facts))
    assert caught.value.code == "no_frames"


def test_tiny_pictures_do_not_crash() -> None:
    for shape in ((8, 8), (20, 12), (40, 9)):
        picture = np.random.default_rng(0).integers(60, 190, shape).astype(np.uint8)
        assert analyse(picture).exposure.score is not None


def test_a_coarse_source_scores_below_a_fine_one() -> None:
    """By their published sizes and codecs: 288 lines of MPEG-1 against a phone's full size of a later codec."""
    old = run_on_file(analyzer(), media("lipnet/bbaf2n.mpg"))
    new = run_on_file(analyzer(), media("tfjs/pose_squats.mp4"))
    assert (old.resolution.value, new.resolution.value) == (288.0, 720.0)
    assert old.blockiness.score < new.blockiness.score
    assert old.technical_score < new.technical_score
