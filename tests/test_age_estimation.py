"""Ages: both networks against their libraries' own path; looks, tracks and ranges of made faces."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzers.age_estimation import (
    AgeEstimation,
    AgeEstimationConfig,
    AgesSeen,
    FaceJudged,
    likely_range,
    middle_range,
)
from analyzers.base import AnalysisFailed, Context, NotApplicable, Unavailable
from analyzers.eye_tracking import EyeTracking, EyeTrackingConfig
from analyzers.host import AnalyzerHost
from analyzers.inference.age import AgeLook, FaceCrop, InsightAge, age_range
from analyzers.inference.device import open_device
from analyzers.results.age_estimation import AgeEstimationResult
from analyzers.results.eye_tracking import FaceSeen, FacesSeen
from analyzers.runtime import Runtime
from media.types import FrameBatch, FrameChunk
from schema.document import VideoFacts
from tests.model_runs import decoded_chunks
from tests.tiny.ages import RANGES
from tests.tiny_weights import TinyWeights
from tests.upright_clip import ORIENTATIONS, TIMES_S, patches, upright_pictures, write_clip

VIDEO = VideoFacts(container="mp4", duration_s=4.0, width=360, height=640, frame_rate=30.0)
BOX = (80.0, 100.0, 240.0, 300.0)
"""In px of the source, which is twice the decoded picture."""

pytestmark = pytest.mark.slow


def make(runtime: Runtime, **config: Any) -> AgeEstimation:
    analyzer = AgeEstimation(AgeEstimationConfig.model_validate(config))
    analyzer.runtime = runtime
    analyzer.load()
    return analyzer


@pytest.fixture(scope="module")
def years(tiny_weights: TinyWeights) -> AgeEstimation:
    return make(tiny_weights.runtime("buffalo-l"))


@pytest.fixture(scope="module")
def classes(tiny_weights: TinyWeights) -> AgeEstimation:
    """The permissive policy swaps the network."""
    return make(tiny_weights.runtime("age-vit", licence_policy="permissive"), faces_per_batch=2)


def face(box: tuple[float, float, float, float] = BOX) -> FaceSeen:
    return FaceSeen(box, (0.0, 0.0, -1.0), (0.0, 0.0, -1.0), 0.0, 0.3, 40.0)


def chunk_of(pictures: list[Any], *faces: FaceSeen, shift_s: float = 0.0) -> FrameChunk:
    """One picture per second, its faces by ``eye_tracking``; the source has twice the size."""
    pts = np.arange(len(pictures), dtype=float)
    high, wide = pictures[0].shape[:2]
    batch = FrameBatch(np.stack(pictures), pts, np.arange(len(pictures)), 0, 2 * wide, 2 * high)
    seen = FacesSeen(tuple((float(t) + shift_s, faces) for t in pts))
    return FrameChunk(0, 0.0, float(len(pictures)), (batch,), {"eye_tracking": seen})


SHAPES = {"portrait": (180, 320), "landscape": (320, 180)}
"""Width and height."""


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_years_are_insightfaces_own(years: AgeEstimation, tiny_weights: TinyWeights, shape: tuple[int, int]) -> None:
    from insightface.app.common import Face
    from insightface.model_zoo import get_model

    network = get_model(str(tiny_weights.path("buffalo-l") / "genderage.onnx"), providers=["CPUExecutionProvider"])
    pictures = patches(3, *shape)
    (seen,) = years.observe([chunk_of(pictures, face())])
    assert len(seen.faces) == 3
    for found, picture in zip(seen.faces, pictures, strict=True):
        theirs = Face(bbox=np.array(BOX) / 2.0)
        gender, age = network.get(np.ascontiguousarray(picture[..., ::-1]), theirs)
        assert round(found.look.years) == age
        assert found.look.masculine is not None
        assert (found.look.masculine >= 0.5) == bool(gender)
    assert len({round(found.look.years, 3) for found in seen.faces}) == 3


Piped = Callable[[Any], list[float]]


@pytest.fixture(scope="module")
def piped(tiny_weights: TinyWeights) -> Piped:
    """The shares that transformers' own pipeline gives a picture, in the order of ``RANGES``."""
    from PIL import Image
    from transformers import ViTForImageClassification, ViTImageProcessor, pipeline

    path = tiny_weights.path("age-vit")
    ask = pipeline(
        "image-classification",
        model=ViTForImageClassification.from_pretrained(path, local_files_only=True),
        image_processor=ViTImageProcessor.from_pretrained(path, local_files_only=True),
        device="cpu",
    )

    def shares(picture: Any) -> list[float]:
        answers = ask(Image.fromarray(np.ascontiguousarray(picture)), top_k=len(RANGES))
        theirs = {answer["label"]: answer["score"] for answer in answers}
        return [theirs[label] for label in RANGES]

    return shares


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_shares_are_the_pipelines_own(classes: AgeEstimation, piped: Piped, shape: tuple[int, int]) -> None:
    pictures = patches(3, *shape)
    (seen,) = classes.observe([chunk_of(pictures, face())])
    # The box, and a quarter of its sides around it, in px of the decoded picture.
    left, top, right, bottom = 40 - 20, 50 - 25, 120 + 20, min(shape[1], 150 + 25)
    for found, picture in zip(seen.faces, pictures, strict=True):
        assert found.look.shares == pytest.approx(piped(picture[top:bottom, left:right]), abs=1e-4)


SHOWN = (40.0, 30.0, 150.0, 160.0)
"""A face's box in px of the clips below, in each orientation inside the picture."""


def decoded(path: Path) -> tuple[list[FrameChunk], list[Any]]:
    """What the real decoder delivers of the file, with a face in each picture; and its pictures, read otherwise."""
    seen = FacesSeen(tuple((time_s, (face(SHOWN),)) for time_s in TIMES_S))
    return [replace(chunk, upstream={"eye_tracking": seen}) for chunk in decoded_chunks(path)], upright_pictures(path)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_years_are_insightfaces_own_through_the_real_decoder(
    years: AgeEstimation, tiny_weights: TinyWeights, tmp_path: Path, orientation: str
) -> None:
    from insightface.app.common import Face
    from insightface.model_zoo import get_model

    network = get_model(str(tiny_weights.path("buffalo-l") / "genderage.onnx"), providers=["CPUExecutionProvider"])
    chunks, pictures = decoded(write_clip(tmp_path, orientation))
    found = [one.look.years for seen in years.observe(chunks) for one in seen.faces]
    assert len(found) == len(pictures) == 3

    def theirs(picture: Any) -> int:
        return int(network.get(np.ascontiguousarray(picture[..., ::-1]), Face(bbox=np.array(SHOWN)))[1])

    def distance(shown: list[Any]) -> float:
        return float(np.abs(np.array(found) - [theirs(picture) for picture in shown]).sum())

    assert distance(pictures) < 2.0  # three roundings to whole years, and what two ways of scaling differ by
    assert max(distance([np.flip(p, axis) for p in pictures]) for axis in (0, 1)) > 3.0


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_shares_are_the_pipelines_own_through_the_real_decoder(
    classes: AgeEstimation, piped: Piped, tmp_path: Path, orientation: str
) -> None:
    chunks, pictures = decoded(write_clip(tmp_path, orientation))
    found = [one.look.shares for seen in classes.observe(chunks) for one in seen.faces]

    def theirs(picture: Any) -> list[float]:
        high, wide = picture.shape[:2]
        margin_x, margin_y = (SHOWN[2] - SHOWN[0]) / 4, (SHOWN[3] - SHOWN[1]) / 4
        left, top = max(0, round(SHOWN[0] - margin_x)), max(0, round(SHOWN[1] - margin_y))
        right, bottom = min(wide, round(SHOWN[2] + margin_x)), min(high, round(SHOWN[3] + margin_y))
        return piped(picture[top:bottom, left:right])

    def distance(shown: list[Any]) -> float:
        return float(np.abs(np.array(found) - [theirs(picture) for picture in shown]).max(axis=1).sum())

    assert len(found) == len(pictures) == 3
    assert distance(pictures) < 0.03
    assert distance([np.flip(p, 1) for p in pictures]) > 0.09


def test_classes_are_put_in_the_order_of_years(classes: AgeEstimation) -> None:
    assert classes._network().ranges == (
        (0.0, 3.0),
        (3.0, 10.0),
        (10.0, 20.0),
        (20.0, 30.0),
        (30.0, 40.0),
        (40.0, 50.0),
        (50.0, 60.0),
        (60.0, 70.0),
        (70.0, 100.0),
    )


def test_provenance_names_what_the_policy_chose(classes: AgeEstimation, years: AgeEstimation) -> None:
    assert classes.loaded_models()[0].startswith("dima806/fairface_age_image_detection@")
    assert years.loaded_models() == ("buffalo-l@v0.7",)


def test_small_faces_are_left_out_and_counted(years: AgeEstimation) -> None:
    at_bound, below = (0.0, 0.0, 80.0, 100.0), (100.0, 0.0, 179.0, 100.0)  # 40 and 39.5 px of the decoded picture
    (seen,) = years.observe([chunk_of(patches(1, 180, 320), face(at_bound), face(below))])
    assert ([f.box for f in seen.faces], seen.too_small) == ([at_bound], 1)


@pytest.mark.parametrize(("shift_s", "count"), [(0.1, 1), (-0.1, 1), (0.12, 0)])
def test_faces_are_those_of_the_same_moment(years: AgeEstimation, shift_s: float, count: int) -> None:
    (seen,) = years.observe([chunk_of(patches(1, 180, 320), face(), shift_s=shift_s)])
    assert len(seen.faces) == count


def test_without_faces_nothing_is_judged(years: AgeEstimation) -> None:
    chunk = chunk_of(patches(2, 180, 320))
    assert years.observe([chunk])[0].faces == ()
    assert years.observe([FrameChunk(0, 0.0, 2.0, chunk.batches)])[0].faces == ()


# --------------------------------------------------------------------------------------------------------- conclusions


def faces_result(*frames: tuple[FaceSeen, ...]) -> Any:
    seen = FacesSeen(tuple((k * 0.2, faces) for k, faces in enumerate(frames)))
    return EyeTracking(EyeTrackingConfig()).conclude([seen], Context(VIDEO))


def concluded(looks: list[AgeLook], ranges: Any = (), **config: Any) -> AgeEstimationResult:
    """One face that stays, looked at every fifth frame."""
    frames = [(face(),)] * (5 * len(looks))
    judged = tuple(FaceJudged(k * 5 * 0.2, BOX, look) for k, look in enumerate(looks))
    analyzer = AgeEstimation(AgeEstimationConfig.model_validate(config))
    return analyzer.conclude([AgesSeen(judged, 2, ranges)], Context(VIDEO, {"eye_tracking": faces_result(*frames)}))


def test_a_person_has_a_median_a_range_and_a_spread() -> None:
    result = concluded([AgeLook(y) for y in (30.0, 31.0, 33.0, 32.0)])
    (person,) = result.persons
    assert (person.years, person.low_years, person.high_years) == (31.5, 30.0, 33.0)
    assert person.spread_years == pytest.approx(np.std([30, 31, 33, 32]))
    assert [(look.timestamp, look.years) for look in person.looks][:2] == [(0.0, 30.0), (1.0, 31.0)]
    assert (result.youngest_years, result.oldest_years, result.faces_too_small) == (31.5, 31.5, 2)


def test_gender_presentation_is_off_unless_asked_for() -> None:
    looks = [AgeLook(30.0, masculine=0.9), AgeLook(30.0, masculine=0.7)]
    assert concluded(looks).persons[0].gender_presentation is None
    asked = concluded(looks, report_gender_presentation=True).persons[0]
    assert asked.gender_presentation == "masculine"
    assert asked.gender_presentation_share == pytest.approx(0.8)
    other = concluded([AgeLook(30.0, masculine=0.2)], report_gender_presentation=True).persons[0]
    assert other.gender_presentation == "feminine"
    assert other.gender_presentation_share == pytest.approx(0.8)
    assert concluded([AgeLook(30.0)], report_gender_presentation=True).persons[0].gender_presentation is None


def test_classes_give_the_mean_over_the_looks() -> None:
    ranges = ((0.0, 10.0), (10.0, 20.0), (20.0, 30.0))
    (person,) = concluded([AgeLook(12.0, (0.1, 0.9, 0.0)), AgeLook(14.0, (0.0, 0.8, 0.2))], ranges).persons
    assert [r.share for r in person.ranges] == pytest.approx([0.05, 0.85, 0.1])
    assert (person.low_years, person.high_years) == (10.0, 20.0)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [([0.1, 0.8, 0.1], (10.0, 20.0)), ([0.1, 0.79, 0.11], (10.0, 30.0)), ([0.4, 0.4, 0.2], (0.0, 20.0))],
)
def test_the_likely_range_is_the_narrowest_with_four_fifths(shares: list[float], expected: tuple[float, float]) -> None:
    assert likely_range(shares, ((0.0, 10.0), (10.0, 20.0), (20.0, 30.0))) == expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [([30.0], (30.0, 30.0)), ([30.0, 31.0, 32.0, 33.0, 60.0], (30.0, 33.0)), ([30.0, 60.0], (30.0, 60.0))],
)
def test_the_middle_range_leaves_out_a_fifth(seen: list[float], expected: tuple[float, float]) -> None:
    assert middle_range(seen) == expected


def test_a_face_without_a_track_has_no_age() -> None:
    result = AgeEstimation(AgeEstimationConfig()).conclude(
        [AgesSeen((FaceJudged(0.0, BOX, AgeLook(30.0)),), 0, ())],
        Context(VIDEO, {"eye_tracking": faces_result((face(),), (), (), ())}),
    )
    assert result.persons == ()
    assert result.youngest_years is None
    assert AgeEstimation(AgeEstimationConfig()).headline(result) == "Ages: no face was large enough."


def test_without_faces_it_is_not_applicable_and_without_their_analyzer_unavailable() -> None:
    analyzer = AgeEstimation(AgeEstimationConfig())
    with pytest.raises(NotApplicable):
        analyzer.conclude([], Context(VIDEO, {"eye_tracking": faces_result((), ())}))
    with pytest.raises(Unavailable, match="no weights"):
        analyzer.conclude([], Context(VIDEO, {}, {"eye_tracking": "unavailable: no weights"}))


def test_the_headline_holds_values_of_the_result() -> None:
    result = concluded([AgeLook(y) for y in (30.0, 34.0)])
    assert AgeEstimation(AgeEstimationConfig()).headline(result) == "Apparent ages: 30-34 years."


@pytest.mark.parametrize(
    ("label", "expected"),
    [("20-29", (20.0, 30.0)), ("more than 70", (70.0, 100.0)), ("70+", (70.0, 100.0)), ("adult", None), ("9-3", None)],
)
def test_labels_state_years(label: str, expected: tuple[float, float] | None) -> None:
    assert age_range(label) == expected


# ------------------------------------------------------------------------------------------------------------- faults


def test_observations_pickle(years: AgeEstimation) -> None:
    (seen,) = years.observe([chunk_of(patches(2, 180, 320), face())])
    assert pickle.loads(pickle.dumps(seen)) == seen


def test_out_of_memory_halves_and_then_fails(classes: AgeEstimation, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def full(crops: Any) -> Any:
        raise torch.cuda.OutOfMemoryError("full")

    monkeypatch.setattr(classes._network(), "_judge", full)
    with pytest.raises(AnalysisFailed) as caught:
        classes.observe([chunk_of(patches(2, 180, 320), face())])
    assert caught.value.code == "gpu_out_of_memory"


def test_a_broken_network_is_told(tmp_path: Path) -> None:
    (tmp_path / "genderage.onnx").write_bytes(b"junk")
    with pytest.raises(Unavailable) as caught:
        InsightAge(tmp_path, open_device(Runtime()))
    assert caught.value.code == "weights_broken"


def test_without_weights_the_remedy_is_the_command(tmp_path: Path) -> None:
    for policy, name in (("any", "buffalo-l"), ("permissive", "age-vit")):
        runtime = Runtime(weights_path=tmp_path, licence_policy=policy)  # type: ignore[arg-type]
        description = AnalyzerHost("age_estimation", {}, runtime).describe()
        assert (description.state, description.code) == ("unavailable", "weights_missing")
        assert description.remedy == f"tiktok-analyzer models pull {name}"


def test_a_crop_is_cut_inside_the_picture(classes: AgeEstimation) -> None:
    picture = patches(1, 180, 320)[0]
    (look,) = classes._network().judge([FaceCrop(picture, (-5.0, -5.0, 400.0, 400.0))])
    assert sum(look.shares) == pytest.approx(1.0)
