"""From instances of product classes to products, and the words that speak for them. Pure functions over results."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzers.results.clip_encoder import SAME_FRAME_S, ProductCrop
from analyzers.results.object_detection import FrameObjects, ObjectInstance
from analyzers.results.product_detection import Evidence, NameVote, Product
from analyzers.results.speech_transcription import Segment
from analyzers.results.text_overlay import TextOverlay
from analyzers.signal.boxes import intersection_over_union, shared_area
from analyzers.vision.presence import presence
from schema.base import BoundingBox, TimedSpan

SAME_BOX = 0.9
"""Intersection over union from which a crop's box is that of an instance in the same frame: they come from one
detection, and only rounding lies between them."""

PERSON = "person"


@dataclass(frozen=True)
class ProductSettings:
    """Attributes as in the analyzer's settings: min_seen_s, min_label_share, touch_px, text_inside, brands."""

    min_seen_s: float
    min_label_share: float
    touch_px: float
    text_inside: float
    brands: tuple[str, ...]


@dataclass(frozen=True)
class Sight:
    """One instance in one frame: its time in seconds, its box and the boxes of the persons there."""

    time_s: float
    box: BoundingBox
    persons: tuple[BoundingBox, ...]


@dataclass(frozen=True)
class Followed:
    """One instance with what is known about it: where it was seen, and the mean share of each label over its looks."""

    instance: ObjectInstance
    sights: tuple[Sight, ...]
    looks: int
    votes: Mapping[str, float]


def follow(
    instances: Iterable[ObjectInstance], frames: Sequence[FrameObjects], crops: Sequence[ProductCrop], min_seen_s: float
) -> list[Followed]:
    """The instances that are seen long enough, with their boxes and looks."""
    found = []
    for instance in instances:
        if sum(span.duration_s for span in instance.spans) < min_seen_s:
            continue
        sights = tuple(_sights(instance.track_id, frames))
        looks = [crop for crop in crops if any(_same(crop, instance, sight) for sight in sights)]
        sums: dict[str, float] = {}
        for crop in looks:
            for label in crop.labels:
                sums[label.label] = sums.get(label.label, 0.0) + label.share
        votes = {label: share / len(looks) for label, share in sums.items()}
        found.append(Followed(instance, sights, len(looks), votes))
    return found


def _sights(track_id: int, frames: Sequence[FrameObjects]) -> Iterator[Sight]:
    for frame in frames:
        persons = tuple(o.bounding_box for o in frame.objects if o.object_class == PERSON)
        for seen in frame.objects:
            if seen.track_id == track_id:
                yield Sight(frame.timestamp, seen.bounding_box, persons)


def _same(crop: ProductCrop, instance: ObjectInstance, sight: Sight) -> bool:
    return (
        crop.object_class == instance.object_class
        and abs(crop.timestamp - sight.time_s) <= SAME_FRAME_S
        and intersection_over_union(_corners(crop.bounding_box), _corners(sight.box)) >= SAME_BOX
    )


def products_of(
    followed: Sequence[Followed],
    overlays: Sequence[TextOverlay],
    segments: Sequence[Segment],
    settings: ProductSettings,
) -> list[Product]:
    """Instances of one class and one name as one product, with their evidence, the most prominent first."""
    groups: dict[tuple[str, str], list[Followed]] = {}
    for one in followed:
        groups.setdefault((one.instance.object_class, _name(one, settings)), []).append(one)
    found = [_product(name, group, overlays, segments, settings) for (_, name), group in groups.items()]
    return sorted(found, key=lambda product: -(product.prominence or 0.0))


def _name(one: Followed, settings: ProductSettings) -> str:
    best = max(one.votes.items(), key=lambda vote: vote[1], default=("", 0.0))
    return best[0] if one.looks and best[1] >= settings.min_label_share else one.instance.object_class


def _product(
    name: str,
    group: Sequence[Followed],
    overlays: Sequence[TextOverlay],
    segments: Sequence[Segment],
    settings: ProductSettings,
) -> Product:
    object_class = group[0].instance.object_class
    sights = [sight for one in group for sight in one.sights]
    spans = presence(sorted((s.start_time, s.end_time) for one in group for s in one.instance.spans), 0.0)
    looks = sum(one.looks for one in group)
    labels = {label for one in group for label in one.votes}
    means = {label: sum(one.votes.get(label, 0.0) * one.looks for one in group) / looks for label in labels}
    words = tuple(dict.fromkeys([name, object_class, *settings.brands]))
    evidence = [_seen(one, name) for one in group]
    evidence += _read_on(sights, overlays, words, settings.text_inside)
    evidence += _said_while(spans, segments, words)
    brands = {brand.casefold(): brand for brand in settings.brands}
    held = [sight for sight in sights if sight.persons]
    return Product(
        name=name,
        named_by="detector" if name == object_class and means.get(name, 0.0) < settings.min_label_share else "clip",
        object_class=object_class,
        track_ids=tuple(sorted(one.instance.track_id for one in group)),
        names=tuple(NameVote(label=la, share=min(1.0, m)) for la, m in sorted(means.items(), key=lambda v: -v[1])[:5]),
        looks=looks,
        spans=spans,
        time_on_screen_s=sum(span.duration_s for span in spans),
        prominence=max(one.instance.prominence for one in group),
        largest_box=max((s.box for s in sights), key=lambda b: b.width * b.height, default=None),
        in_hand=sum(_touches(s, settings.touch_px) for s in held) / len(sights) if sights else None,
        brands=tuple(dict.fromkeys(brands[e.matched.casefold()] for e in evidence if e.matched.casefold() in brands)),
        evidence=tuple(sorted(evidence, key=lambda e: (e.start_time, e.end_time, e.kind, e.text))),
    )


def _seen(one: Followed, name: str) -> Evidence:
    spans = one.instance.spans
    return Evidence(
        start_time=spans[0].start_time,
        end_time=spans[-1].end_time,
        kind="seen",
        text=one.instance.object_class,
        matched=name,
        score=one.instance.mean_confidence,
        analyzer="object_detection",
    )


def _read_on(
    sights: Sequence[Sight], overlays: Sequence[TextOverlay], words: Sequence[str], inside: float
) -> Iterator[Evidence]:
    """Texts that lie on the product's box while both are seen; whatever they say."""
    for overlay in overlays:
        together = [s for s in sights if overlay.start_time - SAME_FRAME_S <= s.time_s < overlay.end_time]
        if any(_share_inside(overlay.bounding_box, sight.box) >= inside for sight in together):
            yield _read(overlay, next(iter(matches(overlay.text, words)), overlay.text))


def _said_while(spans: Sequence[TimedSpan], segments: Sequence[Segment], words: Sequence[str]) -> Iterator[Evidence]:
    """Segments that name the product, its class or a brand while it is seen."""
    for segment in segments:
        if any(s.start_time < segment.end_time and segment.start_time < s.end_time for s in spans):
            for word in matches(segment.text, words):
                yield _said(segment, word)


def brands_alone(
    overlays: Sequence[TextOverlay], segments: Sequence[Segment], brands: Sequence[str], shown: Sequence[Product]
) -> list[Product]:
    """Brands that are read or said and belong to no product that is seen."""
    taken = {brand.casefold() for product in shown for brand in product.brands}
    found = []
    for brand in brands:
        evidence = [_read(o, brand) for o in overlays if matches(o.text, [brand])]
        evidence += [_said(s, brand) for s in segments if matches(s.text, [brand])]
        if evidence and brand.casefold() not in taken:
            found.append(
                Product(
                    name=brand,
                    named_by="brand",
                    object_class=None,
                    track_ids=(),
                    names=(),
                    looks=0,
                    spans=(),
                    time_on_screen_s=0.0,
                    prominence=None,
                    largest_box=None,
                    in_hand=None,
                    brands=(brand,),
                    evidence=tuple(sorted(evidence, key=lambda e: (e.start_time, e.end_time, e.kind))),
                )
            )
    return sorted(found, key=lambda product: product.evidence[0].start_time)


def matches(text: str, words: Iterable[str]) -> list[str]:
    """Those of ``words`` that stand in ``text`` as whole words, whatever their case; in their order."""
    folded = text.casefold()
    return [w for w in words if re.search(rf"(?<!\w){re.escape(w.casefold())}(?!\w)", folded)]


def _read(overlay: TextOverlay, matched: str) -> Evidence:
    return Evidence(
        start_time=overlay.start_time,
        end_time=overlay.end_time,
        kind="read",
        text=overlay.text,
        matched=matched,
        score=overlay.confidence,
        analyzer="text_overlay",
    )


def _said(segment: Segment, matched: str) -> Evidence:
    return Evidence(
        start_time=segment.start_time,
        end_time=segment.end_time,
        kind="said",
        text=segment.text,
        matched=matched,
        score=segment.confidence,
        analyzer="speech_transcription",
    )


def _touches(sight: Sight, near_px: float) -> bool:
    near = _corners(_grown(sight.box, near_px))
    return any(shared_area(near, _corners(person)) > 0.0 for person in sight.persons)


def _grown(box: BoundingBox, by_px: float) -> BoundingBox:
    left, top = max(0.0, box.x - by_px), max(0.0, box.y - by_px)
    return BoundingBox(x=left, y=top, width=box.x + box.width + by_px - left, height=box.y + box.height + by_px - top)


def _share_inside(inner: BoundingBox, outer: BoundingBox) -> float:
    return shared_area(_corners(inner), _corners(outer)) / (inner.width * inner.height)


def _corners(box: BoundingBox) -> tuple[float, float, float, float]:
    return box.x, box.y, box.x + box.width, box.y + box.height
