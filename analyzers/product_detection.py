"""Products: what is shown, from when to when, how prominently, and what speaks for it.

Method
    * instances of product classes that ``object_detection`` follows (``analyzers/vision/product_classes.py``);
    * ``clip_encoder`` looks at their boxes and compares them with product labels (zero-shot, Radford et al., ICML
      2021); the mean share over the looks names the product where it is clear, else the detector's class does;
    * instances of one class and one name are one product: a thing that comes back after a cut is the same;
    * text on screen that lies on a product's box, and words said while it is seen that hold its name, its class or one
      of the configured brands, are evidence beside it (``analyzers/vision/products.py``);
    * a brand that is only read or heard is listed as such.

Nothing is concluded from what a brand usually sells. A logo without letters is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from analyzers.base import Analyzer, AnalyzerConfig, Context, Unavailable, merge_spans
from analyzers.results.clip_encoder import clip_of
from analyzers.results.object_detection import ObjectDetectionResult
from analyzers.results.product_detection import Product, ProductDetectionResult
from analyzers.results.speech_transcription import transcript_of
from analyzers.results.text_overlay import TextOverlayResult
from analyzers.vision.product_classes import PRODUCT_CLASSES
from analyzers.vision.products import ProductSettings, brands_alone, follow, products_of
from media.needs import Needs
from media.types import FrameChunk
from schema.document import TimelineItem

BrandName = Annotated[str, Field(min_length=2, max_length=60)]

HEADLINE_PRODUCTS = 3


class ProductDetectionConfig(AnalyzerConfig):
    """Settings of ``product_detection``."""

    brands: Annotated[tuple[BrandName, ...], Field(max_length=1000)] = ()
    """Brand and product names to look for in what is read and said: whole words, whatever their case."""
    min_seen_s: Annotated[float, Field(ge=0.0, le=60.0)] = 0.6
    """Seconds an instance must be seen for: two samples at three per second. Higher leaves out more false boxes."""
    min_label_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    """Mean share of the best label from which it names the product: more than all other labels together. Higher keeps
    the detector's class more often. Not yet tuned."""
    touch_px: Annotated[float, Field(ge=0.0, le=200.0)] = 0.0
    """How far, in px of the source, a product's box may be from a person's to count as in hand; at 0 they overlap."""
    text_inside: Annotated[float, Field(gt=0.0, le=1.0)] = 0.6
    """Share of a text's box that must lie on the product's for it to be read on the product. Not yet tuned."""

    def product_settings(self) -> ProductSettings:
        """Those of joining instances and words."""
        return ProductSettings(
            self.min_seen_s, self.min_label_share, self.touch_px, self.text_inside, tuple(dict.fromkeys(self.brands))
        )


class ProductDetection(Analyzer[ProductDetectionConfig, FrameChunk, None, ProductDetectionResult]):
    """Joins what is seen, read and said about products."""

    name = "product_detection"
    version = "1"
    title = "Products: which, when, how prominent, with their evidence"
    Config = ProductDetectionConfig
    Result = ProductDetectionResult
    after = ("object_detection", "clip_encoder")
    uses = ("text_overlay", "speech_transcription")

    def needs(self) -> Needs:
        """Results of others only."""
        return Needs()

    def observe(self, chunks: Sequence[FrameChunk]) -> list[None]:
        """Nothing: it reads results."""
        return [None for _ in chunks]

    def conclude(self, observations: Sequence[None], context: Context) -> ProductDetectionResult:
        """Products from the results of the others."""
        found = context.results.get("object_detection")
        if not isinstance(found, ObjectDetectionResult):
            raise Unavailable(
                "objects_missing",
                f"object_detection has no result: {context.missing.get('object_detection', 'it was not run')}",
                "The section object_detection names the command that mends it.",
            )
        clip, transcript, written = clip_of(context), transcript_of(context), context.results.get("text_overlay")
        overlays = written.overlays if isinstance(written, TextOverlayResult) else ()
        segments = transcript.said if transcript else ()
        settings = self.config.product_settings()
        instances = [i for i in found.instances if i.object_class in PRODUCT_CLASSES]
        followed = follow(instances, found.frames, clip.crops if clip else (), settings.min_seen_s)
        products = products_of(followed, overlays, segments, settings)
        alone = brands_alone(overlays, segments, settings.brands, products)
        seen_s = sum(end - start for start, end in merge_spans([s for p in products for s in p.spans]))
        return ProductDetectionResult(
            products=(*products, *alone),
            product_time_share=min(1.0, seen_s / context.video.duration_s) if context.video.duration_s > 0.0 else 0.0,
            not_consulted=dict(context.missing),
        )

    def timeline(self, result: ProductDetectionResult) -> list[TimelineItem]:
        """Each span of each product that is seen."""
        items = [
            TimelineItem.of(span, "seen", self.name, f"product: {product.name}", product.prominence)
            for product in result.products
            for span in product.spans
        ]
        return sorted(items, key=lambda item: (item.start_time, item.end_time))

    def headline(self, result: ProductDetectionResult) -> str | None:
        """The most prominent products."""
        if not result.products:
            return "Products: none of the known kinds."
        named = ", ".join(_in_words(product) for product in result.products[:HEADLINE_PRODUCTS])
        rest = len(result.products) - HEADLINE_PRODUCTS
        return f"Products: {named}{f'; {rest} more' if rest > 0 else ''}."


def _in_words(product: Product) -> str:
    if product.prominence is None:
        return f"{product.name} (named only)"
    return f"{product.name} for {product.time_on_screen_s:.1f} s"
