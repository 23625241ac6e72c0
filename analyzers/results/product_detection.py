"""Result of ``product_detection``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyzers.base import AnalyzerResult
from schema.base import BoundingBox, Model, TimedSpan, UnitScore

Count = Annotated[int, Field(ge=0)]


class Evidence(TimedSpan):
    """Why a product is believed to be there."""

    kind: Literal["seen", "read", "said"]
    text: str
    """Seen: the detector's class; read and said: the words, as they stand there."""
    matched: str
    """Seen: the name it was given; read and said: the name, class or brand that the words hold."""
    score: UnitScore
    """Of the detector, the reader, the transcript."""
    analyzer: str
    """Whose finding it is."""


class NameVote(Model):
    """One name that the pictures of a product were compared with."""

    label: str
    share: UnitScore
    """Mean over the looks, missing ones counted as 0."""


class Product(Model):
    """One product, or one brand that is only read or heard."""

    name: str
    named_by: Literal["clip", "detector", "brand"]
    """``clip``: the best label reached ``min_label_share``; else the detector's class; ``brand``: a word of the setting
    ``brands`` without a product in the picture."""
    object_class: str | None
    """The detector's class; null for a brand alone."""
    track_ids: tuple[Count, ...]
    """Instances of ``object_detection`` that it joins."""
    names: tuple[NameVote, ...]
    """The best labels; empty where CLIP did not look."""
    looks: Count
    """Times CLIP looked at it."""
    spans: tuple[TimedSpan, ...]
    """When it is seen; empty for a brand alone."""
    time_on_screen_s: Annotated[float, Field(ge=0.0)]
    prominence: UnitScore | None
    """Highest of its instances; null for a brand alone."""
    largest_box: BoundingBox | None
    """In px of the upright source picture."""
    in_hand: UnitScore | None
    """Share of its looks in which its box touches a person's; null where it was not looked at so."""
    brands: tuple[str, ...]
    """Words of the setting ``brands`` that are read on it or said while it is seen."""
    evidence: tuple[Evidence, ...]
    """Sorted by start."""


class ProductDetectionResult(AnalyzerResult):
    """Products and the evidence for each."""

    products: tuple[Product, ...]
    """Seen ones first, from the most prominent to the least; then brands alone by time."""
    product_time_share: UnitScore
    """Share of the video with a product in the picture."""
    not_consulted: dict[str, str]
    """Analyzers whose findings could not be used, and why."""
