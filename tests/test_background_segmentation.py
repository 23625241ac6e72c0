"""Background: label maps against the library itself, through the real decoder; settings and changes of made shares."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzers.background_segmentation import BackgroundSegmentation, BackgroundSegmentationConfig
from analyzers.base import AnalysisFailed, AnalyzerResult, Context, NotApplicable, Unavailable
from analyzers.results.background_segmentation import Segmented
from analyzers.runtime import Runtime
from analyzers.vision.ade20k import CLASSES, FOREGROUND, INDOOR, OUTDOOR, PLACES, SettingRule, class_name, setting_of
from analyzers.vision.backgrounds import run_lengths
from analyzers.vision.segmenter import LabelMap
from media.types import UInt8Array
from schema.document import VideoFacts
from tests.model_runs import HOST, chunk_of, cuts, decoded_chunks, modules_after
from tests.tiny_weights import TinyWeights
from tests.upright_clip import ORIENTATIONS, patches, upright_pictures, write_clip

SAME_PLACES = 0.93
"""Share of a label map that is the same where pixels differ by rounding: a random network has many near ties."""


def make(runtime: Runtime, **config: Any) -> BackgroundSegmentation:
    analyzer = BackgroundSegmentation(BackgroundSegmentationConfig.model_validate({"model": "segformer-b0", **config}))
    analyzer.runtime = runtime
    analyzer.load()
    return analyzer


@pytest.fixture(scope="module", params=["any", "permissive"])
def network(request: Any, tiny_weights: TinyWeights) -> tuple[str, BackgroundSegmentation]:
    """SegFormer, and what serves in its place under a permissive policy."""
    pin = "segformer-b0" if request.param == "any" else "upernet-convnext-tiny"
    return pin, make(tiny_weights.runtime(pin, licence_policy=request.param), masks=True)


@pytest.fixture(scope="module")
def segformer(tiny_weights: TinyWeights) -> BackgroundSegmentation:
    return make(tiny_weights.runtime("segformer-b0"), masks=True)


def library_maps(folder: Path, pictures: Sequence[UInt8Array], size: tuple[int, int]) -> list[Any]:
    """As the model's documentation does it: processor, model, ``post_process_semantic_segmentation``."""
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation

    processor = AutoImageProcessor.from_pretrained(folder)
    model = AutoModelForSemanticSegmentation.from_pretrained(folder)
    with torch.no_grad():
        outputs = model(**processor(images=[Image.fromarray(p) for p in pictures], return_tensors="pt"))
    return [
        m.numpy() for m in processor.post_process_semantic_segmentation(outputs, target_sizes=[size] * len(pictures))
    ]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_maps_are_the_librarys_own_through_the_real_decoder(
    network: tuple[str, BackgroundSegmentation], tiny_weights: TinyWeights, tmp_path: Path, orientation: str
) -> None:
    pin, analyzer = network
    path = write_clip(tmp_path, orientation)
    (observed,) = analyzer.observe(decoded_chunks(path))
    size = (128, 213) if orientation == "landscape" else (213, 128)
    assert observed.size == size
    maps = observed.maps()
    assert maps is not None
    expected = library_maps(tiny_weights.path(pin), upright_pictures(path), size)
    for mine, theirs in zip(maps, expected, strict=True):
        assert len(np.unique(theirs)) >= 4
        assert np.mean(mine == theirs) >= SAME_PLACES
        # A mirrored picture would not pass.
        assert np.mean(mine[:, ::-1] == theirs) < SAME_PLACES - 0.2
    for shares, m in zip(observed.shares, maps, strict=True):
        assert shares == pytest.approx(np.bincount(m.ravel(), minlength=150) / m.size, abs=1e-6)


def test_the_same_pixels_give_the_same_maps_and_shares_of_the_full_picture(
    network: tuple[str, BackgroundSegmentation], tiny_weights: TinyWeights
) -> None:
    pin, analyzer = network
    frames = patches(2, 192, 320)
    (observed,) = analyzer.observe([chunk_of(frames)])
    same = np.stack(library_maps(tiny_weights.path(pin), frames, observed.size))
    assert np.mean(observed.maps() == same) >= 0.999
    for shares, full in zip(observed.shares, library_maps(tiny_weights.path(pin), frames, (320, 192)), strict=True):
        # Counted on a map of 128 px instead of all pixels.
        assert np.abs(shares - np.bincount(full.ravel(), minlength=150) / full.size).max() <= 0.01


def test_half_precision_gives_nearly_the_same_maps(
    network: tuple[str, BackgroundSegmentation], tiny_weights: TinyWeights
) -> None:
    """A GPU computes in float16; here the CPU does, so that a mixed-up format or a lost scale shows."""
    import torch

    from analyzers.inference.device import Device
    from analyzers.vision.segmenter import Segmenter
    from weights.store import resolve

    pin, analyzer = network
    frames = patches(1, 192, 320)
    half = Segmenter(resolve(pin, tiny_weights.runtime(pin)), Device("cpu", torch.float16)).segment(frames, 128)
    single = analyzer.segmenter.segment(frames, 128)  # type: ignore[union-attr]
    assert np.mean(half[0].labels == single[0].labels) >= SAME_PLACES
    assert half[0].certainty == pytest.approx(single[0].certainty, rel=0.02)


def test_chunks_in_one_batch_give_what_each_gives_alone(segformer: BackgroundSegmentation) -> None:
    chunks = [chunk_of(patches(2, 192, 320, 1)), chunk_of(patches(1, 320, 192, 3)), chunk_of(patches(2, 192, 320, 2))]
    for batched, chunk in zip(segformer.observe(chunks), chunks, strict=True):
        (alone,) = segformer.observe([chunk])
        assert np.abs(batched.shares - alone.shares).max() <= 1e-3
        assert batched.pts_s.tolist() == chunk.batch.own_pts_s.tolist()


def test_an_observation_pickles_and_is_small(segformer: BackgroundSegmentation) -> None:
    (observed,) = segformer.observe([chunk_of(patches(4, 192, 320))])
    again: Segmented = pickle.loads(pickle.dumps(observed))
    assert np.array_equal(again.maps(), observed.maps())  # type: ignore[arg-type]
    assert len(pickle.dumps(observed)) < 150_000  # four maps with masks; without them 3 kB
    bare = dataclasses.replace(observed, packed=None)
    assert len(pickle.dumps(bare)) < 5_000
    assert bare.maps() is None


class _Full:
    """A network on a card that holds ``most`` pictures at once."""

    def __init__(self, most: int) -> None:
        self.most = most

    def segment(self, frames: Sequence[UInt8Array], short_side_px: int) -> list[LabelMap]:
        import torch

        if len(frames) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory (made by the test)")
        return [LabelMap(np.full((4, 4), int(f.mean()), np.uint8), 0.5) for f in frames]


def test_out_of_memory_halves_the_batch_and_one_picture_fails_by_name() -> None:
    analyzer = BackgroundSegmentation(BackgroundSegmentationConfig())
    analyzer.segmenter = _Full(2)  # type: ignore[assignment]
    (observed,) = analyzer.observe([chunk_of([np.full((64, 64, 3), k, np.uint8) for k in range(1, 6)])])
    assert observed.shares.argmax(axis=1).tolist() == [1, 2, 3, 4, 5]
    analyzer.segmenter = _Full(0)  # type: ignore[assignment]
    with pytest.raises(AnalysisFailed) as caught:
        analyzer.observe([chunk_of(patches(1, 64, 64))])
    assert (caught.value.code, caught.value.retry_possible) == ("gpu_out_of_memory", True)


# ------------------------------------------------------------------------------------------------------------- loading


def test_missing_weights_say_what_to_pull_and_nothing_is_imported(tmp_path: Path) -> None:
    for policy, name in (("any", "segformer-b2"), ("permissive", "upernet-convnext-small")):
        analyzer = BackgroundSegmentation(BackgroundSegmentationConfig())
        analyzer.runtime = Runtime(weights_path=tmp_path, licence_policy=policy)  # type: ignore[arg-type]
        with pytest.raises(Unavailable) as caught:
            analyzer.load()
        assert (caught.value.code, caught.value.remedy) == ("weights_missing", f"tiktok-analyzer models pull {name}")
    code = HOST.format(
        name="background_segmentation", config={}, folder=str(tmp_path), policy="any", state="unavailable"
    )
    assert modules_after(code) == []


def test_a_checkpoint_with_other_classes_is_refused(tmp_path: Path) -> None:
    from analyzers.inference.device import open_device
    from analyzers.vision.segmenter import Segmenter
    from tests.tiny.segmentation import make_segformer
    from weights.manifest import pin
    from weights.store import Weights

    make_segformer(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"149": "flag"', '"149": "banner"'))
    with pytest.raises(Unavailable) as caught:
        Segmenter(Weights(pin("segformer-b0"), tmp_path, "made"), open_device(Runtime()))
    assert caught.value.code == "weights_broken"


def test_the_provenance_names_what_is_loaded(network: tuple[str, BackgroundSegmentation]) -> None:
    from weights.manifest import pin

    assert network[1].loaded_models()[0].startswith(f"{pin(network[0]).hub_id}@")


# ------------------------------------------------------------------------------------------------------------ settings

RULE = SettingRule(min_evidence=0.1, sure=0.65, enough=0.02, min_place=0.5)


def test_the_tables_name_known_classes_only() -> None:
    assert len(CLASSES) == len(set(CLASSES)) == 150
    known = set(CLASSES)
    for table in (INDOOR, OUTDOOR, *(classes for _, classes in PLACES.values())):
        assert set(table) <= known
        assert all(0.0 < weight <= 1.0 for weight in table.values())
    assert known >= FOREGROUND
    assert not set(INDOOR) & set(OUTDOOR)
    assert class_name("bed ") == "bed"
    assert class_name("microwave, microwave oven") == "microwave"


def test_a_kitchen_and_a_street() -> None:
    kitchen = setting_of({"wall": 0.4, "floor": 0.1, "stove": 0.05, "countertop": 0.05, "person": 0.4}, RULE)
    assert (kitchen.kind, kitchen.place, kitchen.marks) == ("indoor", "kitchen", ("stove", "countertop"))
    assert kitchen.place_score == pytest.approx(1 - (1 - 0.8) * (1 - 0.5))
    assert kitchen.indoor_score == 1.0
    street = setting_of({"sky": 0.3, "building": 0.3, "road": 0.2, "car": 0.01, "door": 0.01}, RULE)
    assert (street.kind, street.place) == ("outdoor", "street")
    # road and building in full, the car by half of `enough`.
    assert street.place_score == pytest.approx(1 - (1 - 0.6) * (1 - 0.2) * (1 - 0.4 * 0.5))


def test_the_score_is_the_weighted_share() -> None:
    found = setting_of({"wall": 0.4, "sky": 0.1}, RULE)
    assert found.indoor_score == pytest.approx(0.5 * 0.4 / (0.5 * 0.4 + 1.0 * 0.1))
    assert found.evidence == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("sky", "kind"), [(0.35, "indoor"), (0.36, "uncertain"), (0.64, "uncertain"), (0.66, "outdoor")]
)
def test_both_sides_of_sure(sky: float, kind: str) -> None:
    assert setting_of({"sky": sky - 1e-9, "ceiling": 1.0 - sky + 1e-9}, RULE).kind == kind


@pytest.mark.parametrize(("share", "kind"), [(0.099, "uncertain"), (0.101, "indoor")])
def test_both_sides_of_the_evidence(share: float, kind: str) -> None:
    found = setting_of({"ceiling": share, "person": 1 - share}, RULE)
    assert found.kind == kind
    assert (found.indoor_score is None) == (kind == "uncertain")


@pytest.mark.parametrize(("stove", "place"), [(0.012, None), (0.013, "kitchen")])
def test_both_sides_of_a_place(stove: float, place: str | None) -> None:
    # 0.8 x share / 0.02 reaches 0.5 at 0.0125.
    assert setting_of({"wall": 0.5, "stove": stove}, RULE).place == place


def test_a_place_must_be_of_its_kind() -> None:
    found = setting_of({"sky": 0.5, "grass": 0.3, "stove": 0.05}, RULE)
    assert found.kind == "outdoor"
    assert found.place != "kitchen"


# ---------------------------------------------------------------------------------------------------------- concluding

STEP_S = 0.5
ROOM = {"wall": 0.5, "floor": 0.2, "sofa": 0.1, "person": 0.2}
STREET = {"sky": 0.3, "building": 0.2, "road": 0.3, "person": 0.2}


def observed(*frames: Mapping[str, float], first_s: float = 0.0) -> Segmented:
    shares = np.array([[frame.get(name, 0.0) for name in CLASSES] for frame in frames], np.float32)
    times = np.array([first_s + STEP_S * k for k in range(len(frames))], np.float64)
    return Segmented(times, shares.reshape(-1, 150), np.full(len(frames), 0.75, np.float32), (1, 1))


def conclude(*observations: Segmented, duration_s: float, cuts_s: Sequence[float] = (), **config: Any) -> Any:
    analyzer = BackgroundSegmentation(BackgroundSegmentationConfig(fps=1 / STEP_S, **config))
    results: dict[str, AnalyzerResult] = {"cut_analysis": cuts([0.0, *cuts_s, duration_s])} if cuts_s else {}
    facts = VideoFacts(container="made", duration_s=duration_s, width=180, height=320)
    return analyzer.conclude(list(observations), Context(facts, results))


def test_one_background_is_one_setting() -> None:
    result = conclude(observed(*[ROOM] * 6), duration_s=3.0)
    (span,) = result.settings
    assert (span.start_time, span.end_time, span.kind, span.place) == (0.0, 3.0, "indoor", "living room")
    assert span.rule == "living room: sofa"
    assert span.certainty == pytest.approx(0.75)
    assert list(span.classes) == ["wall", "floor", "person", "sofa"]
    assert result.changes == ()
    assert result.main_setting.model_dump() == {"kind": "indoor", "place": "living room", "time_share": 1.0}


def test_a_change_of_background_is_placed_at_the_sample_or_the_cut() -> None:
    frames = [ROOM] * 6 + [STREET] * 4
    result = conclude(observed(*frames), duration_s=5.0)
    (change,) = result.changes
    assert (change.timestamp, change.score, change.on_a_cut) == (3.0, pytest.approx(1.0), False)
    assert (change.gone, change.come) == (("wall", "floor", "sofa"), ("sky", "road", "building"))
    assert [(s.start_time, s.end_time, s.kind) for s in result.settings] == [
        (0.0, 3.0, "indoor"),
        (3.0, 5.0, "outdoor"),
    ]
    assert result.main_setting.time_share == pytest.approx(0.6)
    (cut,) = conclude(observed(*frames), duration_s=5.0, cuts_s=[1.0, 2.8]).changes
    assert (cut.timestamp, cut.on_a_cut) == (2.8, True)


@pytest.mark.parametrize(("moved", "found"), [(0.34, 0), (0.36, 1)])
def test_both_sides_of_a_change(moved: float, found: int) -> None:
    before, after = {"wall": 0.5, "floor": 0.5}, {"wall": 0.5 - moved, "floor": 0.5, "tree": moved}
    result = conclude(observed(*[before] * 4, *[after] * 4), duration_s=4.0, min_change=0.35)
    assert len(result.changes) == found
    if found:
        assert result.changes[0].score == pytest.approx(moved, abs=1e-6)


def test_a_person_who_walks_in_changes_no_background() -> None:
    alone, with_person = {"wall": 0.8, "floor": 0.2}, {"wall": 0.32, "floor": 0.08, "person": 0.6}
    assert conclude(observed(*[alone] * 4, *[with_person] * 4), duration_s=4.0).changes == ()


def test_of_two_near_changes_the_larger_counts() -> None:
    between = {"wall": 0.3, "floor": 0.1, "sky": 0.3, "road": 0.1, "person": 0.2}
    frames = [ROOM] * 4 + [between] + [STREET] * 4
    assert len(conclude(observed(*frames), duration_s=4.5, apart_s=1.0).changes) == 1


def test_classes_over_time() -> None:
    result = conclude(observed(*[ROOM] * 2, *[{"wall": 1.0}] * 6), duration_s=4.0)
    by_name = {c.class_name: c for c in result.classes}
    assert result.classes[0].class_name == "wall"
    sofa = by_name["sofa"]
    assert (sofa.mean_share, sofa.max_share, sofa.time_share) == pytest.approx((0.025, 0.1, 0.25))
    assert [(s.start_time, s.end_time) for s in sofa.spans] == [(0.0, 1.0)]
    assert (by_name["person"].role, by_name["wall"].role) == ("foreground", "background")


def test_the_result_does_not_depend_on_where_chunks_end() -> None:
    frames = [ROOM] * 5 + [STREET] * 5
    whole = conclude(observed(*frames), duration_s=5.0)
    assert conclude(observed(*frames[:3]), observed(*frames[3:], first_s=1.5), duration_s=5.0) == whole


def test_time_line_and_headline_say_what_the_result_says() -> None:
    result = conclude(observed(*[ROOM] * 6, *[STREET] * 4), duration_s=5.0)
    analyzer = BackgroundSegmentation(BackgroundSegmentationConfig())
    assert [(i.start_time, i.end_time, i.label) for i in analyzer.timeline(result)] == [
        (0.0, 3.0, "indoor, living room"),
        (3.0, 5.0, "outdoor, street"),
    ]
    assert analyzer.headline(result) == (
        "Background: indoor, living room in 60% of the time; wall 30%, floor 12%, road 12%; 1 change of background."
    )


def test_a_close_face_alone_is_uncertain_and_says_so() -> None:
    result = conclude(observed(*[{"person": 0.95, "wall": 0.05}] * 4), duration_s=2.0)
    (span,) = result.settings
    assert (span.kind, span.indoor_score, span.place) == ("uncertain", None, None)
    assert span.rule == "evidence 0.03 below 0.1"
    assert BackgroundSegmentation(BackgroundSegmentationConfig()).timeline(result) == []


def test_masks_are_cocos_run_lengths() -> None:
    labels = np.array([[12, 0, 0], [12, 12, 0]], np.uint8)
    person, wall = run_lengths(labels, 12), run_lengths(labels, 0)
    # Down the columns: 12 12 | 0 12 | 0 0.
    assert (person.class_name, person.size, person.counts) == ("person", (2, 3), (0, 2, 1, 1, 2))
    assert wall.counts == (2, 1, 1, 2)


def test_masks_only_where_asked_for(segformer: BackgroundSegmentation) -> None:
    frames = patches(2, 192, 320)
    facts = VideoFacts(container="made", duration_s=0.7, width=192, height=320)
    (with_maps,) = segformer.observe([chunk_of(frames)])
    frame = segformer.conclude([with_maps], Context(facts)).frames[0]
    assert frame.masks is not None
    assert [m.class_name for m in frame.masks] == list(frame.classes)
    for mask in frame.masks:
        assert sum(mask.counts) == with_maps.size[0] * with_maps.size[1]
        assert sum(mask.counts[1::2]) / sum(mask.counts) == pytest.approx(frame.classes[mask.class_name], abs=1e-6)
    bare = dataclasses.replace(with_maps, packed=None)
    assert segformer.conclude([bare], Context(facts)).frames[0].masks is None


def test_nothing_sampled_is_no_result() -> None:
    with pytest.raises(NotApplicable):
        conclude(duration_s=1.0)
