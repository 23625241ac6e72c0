"""Products from made findings of the others: grouping, naming, evidence, brands, and what is missing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from analyzers.base import Context, Unavailable
from analyzers.product_detection import ProductDetection, ProductDetectionConfig
from analyzers.results.clip_encoder import ClipEncoderResult, LabelShare, ProductCrop
from analyzers.results.object_detection import DetectedObject, FrameObjects, ObjectDetectionResult, ObjectInstance
from analyzers.results.product_detection import ProductDetectionResult
from analyzers.vision.products import (
    ProductSettings,
    brands_alone,
    follow,
    matches,
    products_of,
)
from schema.base import BoundingBox, TimedSpan
from schema.document import VideoFacts

VIDEO = VideoFacts(container="mp4", duration_s=10.0, width=1080, height=1920, frame_rate=30.0)
BOTTLE = BoundingBox(x=400.0, y=800.0, width=200.0, height=400.0)
PERSON_HOLDING = BoundingBox(x=500.0, y=200.0, width=400.0, height=1500.0)
PERSON_AWAY = BoundingBox(x=0.0, y=200.0, width=300.0, height=1500.0)


def seen(name: str, track_id: int | None, box: BoundingBox) -> DetectedObject:
    return DetectedObject(
        object_class=name, confidence_score=0.8, bounding_box=box, position="center", track_id=track_id
    )


def instance(track_id: int, name: str, start_s: float, end_s: float, prominence: float = 0.3) -> ObjectInstance:
    return ObjectInstance(
        track_id=track_id,
        object_class=name,
        spans=(TimedSpan(start_time=start_s, end_time=end_s),),
        samples=3,
        mean_confidence=0.8,
        best_confidence=0.9,
        time_share=(end_s - start_s) / VIDEO.duration_s,
        area_share=0.1,
        centrality=0.5,
        prominence=prominence,
        first_box=BOTTLE,
        last_box=BOTTLE,
    )


def objects(instances: list[ObjectInstance], frames: list[FrameObjects]) -> ObjectDetectionResult:
    return ObjectDetectionResult(
        frames=tuple(frames), instances=tuple(instances), classes=(), counts=(), main_track_id=None
    )


def crop(time_s: float, shares: dict[str, float], name: str = "bottle", box: BoundingBox = BOTTLE) -> ProductCrop:
    labels = tuple(LabelShare(label=label, share=share) for label, share in shares.items())
    return ProductCrop(timestamp=time_s, object_class=name, bounding_box=box, labels=labels)


def clip(crops: list[ProductCrop]) -> ClipEncoderResult:
    return ClipEncoderResult(timestamps=(0.0,), embeddings=None, questions=(), crops=tuple(crops), temperature=100.0)


def frames_with(track_id: int, times_s: list[float], *persons: BoundingBox) -> list[FrameObjects]:
    others = [seen("person", None, box) for box in persons]
    return [FrameObjects(timestamp=t, objects=(seen("bottle", track_id, BOTTLE), *others)) for t in times_s]


def run(results: dict[str, Any], missing: dict[str, str] | None = None, **config: Any) -> ProductDetectionResult:
    analyzer = ProductDetection(ProductDetectionConfig.model_validate(config))
    return analyzer.conclude([], Context(VIDEO, results, missing or {}))


def test_a_product_has_its_time_name_and_prominence() -> None:
    found = objects([instance(1, "bottle", 2.0, 5.0, 0.4)], frames_with(1, [2.0, 3.0, 4.0]))
    looks = clip([crop(2.0, {"bottle of perfume": 0.9, "vase": 0.1}), crop(3.0, {"bottle of perfume": 0.7})])
    (product,) = run({"object_detection": found, "clip_encoder": looks}).products
    assert (product.name, product.named_by, product.object_class) == ("bottle of perfume", "clip", "bottle")
    assert (product.looks, product.track_ids) == (2, (1,))
    assert {n.label: n.share for n in product.names} == pytest.approx({"bottle of perfume": 0.8, "vase": 0.05})
    assert product.time_on_screen_s == pytest.approx(3.0)
    assert product.prominence == 0.4
    assert product.largest_box == BOTTLE
    assert [(e.kind, e.text, e.matched) for e in product.evidence] == [("seen", "bottle", "bottle of perfume")]


@pytest.mark.parametrize(("share", "name", "by"), [(0.5, "vase", "clip"), (0.49, "bottle", "detector")])
def test_an_unclear_label_leaves_the_detectors_class(share: float, name: str, by: str) -> None:
    found = objects([instance(1, "bottle", 2.0, 5.0)], frames_with(1, [2.0]))
    (product,) = run({"object_detection": found, "clip_encoder": clip([crop(2.0, {"vase": share})])}).products
    assert (product.name, product.named_by) == (name, by)


def test_without_clip_the_class_stands_and_the_reason_is_told() -> None:
    found = objects([instance(1, "bottle", 2.0, 5.0)], frames_with(1, [2.0]))
    result = run({"object_detection": found}, {"clip_encoder": "unavailable: no weights"})
    (product,) = result.products
    assert (product.name, product.named_by, product.names, product.looks) == ("bottle", "detector", (), 0)
    assert result.not_consulted == {"clip_encoder": "unavailable: no weights"}


def test_the_same_thing_after_a_cut_is_one_product_and_another_name_another() -> None:
    instances = [instance(i, "bottle", 2.0 * i, 2.0 * i + 1.0, 0.1 * i) for i in (1, 2, 3)]
    frames = [frame for i in (1, 2, 3) for frame in frames_with(i, [2.0 * i])]
    looks = clip([crop(2.0, {"vase": 0.9}), crop(4.0, {"vase": 0.8}), crop(6.0, {"sports bottle": 0.9})])
    products = run({"object_detection": objects(instances, frames), "clip_encoder": looks}).products
    assert [(p.name, p.track_ids) for p in products] == [("sports bottle", (3,)), ("vase", (1, 2))]
    assert [(s.start_time, s.end_time) for s in products[1].spans] == [(2.0, 3.0), (4.0, 5.0)]


@pytest.mark.parametrize(("end_s", "count"), [(2.6, 1), (2.59, 0)])
def test_what_is_seen_too_shortly_is_left_out(end_s: float, count: int) -> None:
    found = objects([instance(1, "bottle", 2.0, end_s)], frames_with(1, [2.0]))
    assert len(run({"object_detection": found}).products) == count


def test_people_and_animals_are_no_products() -> None:
    found = objects([instance(1, "person", 0.0, 9.0), instance(2, "dog", 0.0, 9.0)], [])
    result = run({"object_detection": found})
    assert result.products == ()
    assert result.product_time_share == 0.0


@pytest.mark.parametrize(
    ("persons", "share"),
    [([PERSON_HOLDING], 1.0), ([PERSON_AWAY], 0.0), ([], 0.0), ([PERSON_AWAY, PERSON_HOLDING], 1.0)],
)
def test_in_hand_is_touching_a_person(persons: list[BoundingBox], share: float) -> None:
    found = objects([instance(1, "bottle", 2.0, 5.0)], frames_with(1, [2.0, 3.0], *persons))
    (product,) = run({"object_detection": found}).products
    assert product.in_hand == share


def test_touching_allows_for_a_gap() -> None:
    found = objects([instance(1, "bottle", 2.0, 5.0)], frames_with(1, [2.0], PERSON_AWAY))  # 100 px apart
    assert run({"object_detection": found}, touch_px=101.0).products[0].in_hand == 1.0
    assert run({"object_detection": found}, touch_px=99.0).products[0].in_hand == 0.0


def test_the_share_of_time_counts_overlaps_once() -> None:
    found = objects(
        [instance(1, "bottle", 2.0, 5.0), instance(2, "cup", 4.0, 6.0)],
        frames_with(1, [2.0]),
    )
    assert run({"object_detection": found}).product_time_share == pytest.approx(0.4)


def test_without_objects_it_is_unavailable_and_says_why() -> None:
    with pytest.raises(Unavailable) as caught:
        run({}, {"object_detection": "unavailable: yolov8n is not in data/weights"})
    assert "yolov8n is not in data/weights" in caught.value.reason


# -------------------------------------------------------------------------------------------------------------- words


def overlay(text: str, start_s: float, end_s: float, box: BoundingBox) -> Any:
    return SimpleNamespace(
        start_time=start_s, end_time=end_s, text=text, bounding_box=box, confidence=0.95, kind="scene"
    )


def segment(text: str, start_s: float, end_s: float) -> Any:
    return SimpleNamespace(start_time=start_s, end_time=end_s, text=text, confidence=0.9)


ON_BOTTLE = BoundingBox(x=420.0, y=900.0, width=160.0, height=60.0)
BESIDE = BoundingBox(x=600.0, y=900.0, width=160.0, height=60.0)
SETTINGS = ProductSettings(0.6, 0.5, 0.0, 0.6, ("Acme",))


def with_words(overlays: list[Any], segments: list[Any]) -> Any:
    found = follow([instance(1, "bottle", 2.0, 5.0)], frames_with(1, [2.0, 3.0, 4.0]), [], 0.6)
    (product,) = products_of(found, overlays, segments, SETTINGS)
    return product


def test_text_on_the_product_is_evidence_whatever_it_says() -> None:
    product = with_words([overlay("FRESH", 2.0, 4.0, ON_BOTTLE)], [])
    assert [(e.kind, e.text, e.score) for e in product.evidence if e.kind == "read"] == [("read", "FRESH", 0.95)]
    assert product.brands == ()


def test_a_brand_on_the_product_is_its_brand() -> None:
    product = with_words([overlay("ACME fresh", 2.0, 4.0, ON_BOTTLE)], [])
    assert product.brands == ("Acme",)


@pytest.mark.parametrize(
    ("box", "start_s", "end_s"), [(BESIDE, 2.0, 4.0), (ON_BOTTLE, 4.5, 6.0)], ids=["elsewhere", "not while it is seen"]
)
def test_text_elsewhere_is_none(box: BoundingBox, start_s: float, end_s: float) -> None:
    assert [e.kind for e in with_words([overlay("ACME", start_s, end_s, box)], []).evidence] == ["seen"]


@pytest.mark.parametrize(
    ("text", "start_s", "matched"),
    [
        ("look at this bottle", 3.0, ["bottle"]),
        ("from acme, of course", 3.0, ["Acme"]),
        ("hello", 3.0, []),
        ("a bottle", 6.0, []),
    ],
)
def test_words_said_while_it_is_seen(text: str, start_s: float, matched: list[str]) -> None:
    product = with_words([], [segment(text, start_s, start_s + 1.0)])
    assert [e.matched for e in product.evidence if e.kind == "said"] == matched


def test_a_brand_that_is_only_named_stands_by_itself() -> None:
    alone = brands_alone(
        [overlay("Acme sale", 7.0, 8.0, BESIDE)], [segment("buy acme", 6.0, 7.0)], ["Acme", "Other"], []
    )
    (product,) = alone
    assert (product.name, product.named_by, product.prominence, product.spans) == ("Acme", "brand", None, ())
    assert [(e.kind, e.start_time) for e in product.evidence] == [("said", 6.0), ("read", 7.0)]
    shown = with_words([overlay("ACME", 2.0, 4.0, ON_BOTTLE)], [])
    assert brands_alone([overlay("Acme sale", 7.0, 8.0, BESIDE)], [], ["Acme"], [shown]) == []


@pytest.mark.parametrize(
    ("text", "word", "found"),
    [
        ("My AC/DC shirt", "ac/dc", True),
        ("acmes", "Acme", False),
        ("(Acme)", "acme", True),
        ("Straße", "STRASSE", True),
    ],
)
def test_words_match_whole(text: str, word: str, found: bool) -> None:
    assert bool(matches(text, [word])) is found


def test_headline_and_time_line_hold_values_of_the_result() -> None:
    found = objects([instance(1, "bottle", 2.0, 5.0)], frames_with(1, [2.0]))
    analyzer = ProductDetection(ProductDetectionConfig())
    result = analyzer.conclude([], Context(VIDEO, {"object_detection": found}))
    assert analyzer.headline(result) == "Products: bottle for 3.0 s."
    assert [(i.label, i.start_time, i.end_time) for i in analyzer.timeline(result)] == [("product: bottle", 2.0, 5.0)]
    assert analyzer.headline(analyzer.conclude([], Context(VIDEO, {"object_detection": objects([], [])}))) == (
        "Products: none of the known kinds."
    )
