"""Background: what covers the picture, indoors or outdoors and which place, when the background changes.

Method
    * semantic segmentation of two frames per second into ADE20K's 150 classes (``analyzers/vision/segmenter.py``,
      sources there): SegFormer, or UPerNet with ConvNeXt where the licence policy is ``permissive``;
    * a background changes where the shares of classes that are not in front (persons, animals, what is held) differ
      before and after, by half the sum of absolute differences (total variation distance);
    * each background's mean shares say indoors or outdoors, and which place, by the tables and the rule in
      ``analyzers/vision/ade20k.py`` (noisy-or, Pearl 1988); the classes that spoke for it stand beside the verdict.

The tables are set by hand. A place that ADE20K has no class for (a car's inside, a gym) is not named; a plain wall
alone says little and comes out as ``uncertain`` or as indoors without a place.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import AnalyzerConfig, Context, NotApplicable
from analyzers.inference.device import open_device
from analyzers.inference.model_analyzer import ModelAnalyzer
from analyzers.inference.oom import in_halves
from analyzers.results.background_segmentation import (
    BackgroundSegmentationResult,
    FrameSegments,
    MainSetting,
    SegmentClass,
    Segmented,
    SettingSpan,
)
from analyzers.results.known_shots import known_shots
from analyzers.vision.ade20k import CLASSES, FOREGROUND, SettingRule
from analyzers.vision.backgrounds import (
    ChangeRule,
    change_at,
    change_points,
    named_shares,
    run_lengths,
    setting_span,
)
from analyzers.vision.batches import each_frame
from analyzers.vision.presence import presence, sample_spans
from analyzers.vision.segmenter import LabelMap, Segmenter, map_size
from media.needs import FrameNeed, Needs, Rate
from media.types import Float32Array, FrameChunk, UInt8Array
from schema.document import TimelineItem


class BackgroundSegmentationConfig(AnalyzerConfig):
    """Settings of ``background_segmentation``."""

    model: Literal["segformer-b2", "segformer-b0", "upernet-convnext-small", "upernet-convnext-tiny"] = "segformer-b2"
    """Pin in the weights manifest. On ADE20K the paper gives a mean IoU of 46.5 for segformer-b2 and 37.4 for b0, which
    is seven times cheaper; a pin that the licence policy refuses is replaced by the manifest's alternative."""
    fps: Annotated[float, Field(ge=0.1, le=30.0)] = 2.0
    """Frames per second. Changes are placed to a cut or else to one sample: half a second at 2. Higher costs in
    proportion."""
    short_side_px: Annotated[int, Field(ge=128, le=1440)] = 512
    """Shorter side of the decoded pictures; the networks were trained at 512 and scale to it themselves."""
    map_px: Annotated[int, Field(ge=16, le=512)] = 128
    """Shorter side of the label maps: the networks' own scores have 128. Higher gives smoother masks and costs memory
    with the square, 150 numbers for each place."""
    frames_per_batch: Annotated[int, Field(ge=1, le=256)] = 8
    """Most pictures of one forward pass. Higher fills a GPU better; memory grows in proportion."""
    masks: bool = False
    """Whether run-length masks go into the result: some kilobytes for each sampled picture."""
    min_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.01
    """Share of the picture from which a class is listed. Smaller ones are mostly borders taken for something."""
    min_evidence: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    """Weighted share of the picture that must speak for indoors or outdoors at all. A face that fills the picture
    leaves less. Not yet tuned."""
    sure: Annotated[float, Field(ge=0.5, le=1.0)] = 0.65
    """Share of that evidence from which indoors or outdoors is named: a window with a view gives up to a third to the
    other side. Higher says "uncertain" more often. Not yet tuned."""
    enough: Annotated[float, Field(gt=0.0, le=1.0)] = 0.02
    """Share of the picture from which a class counts in full for a place: a stove in the background covers 0.02 to
    0.05. Higher names fewer places. Not yet tuned."""
    min_place: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    """Score from which a place is named: one strong mark, or two weak ones. Not yet tuned."""
    min_change: Annotated[float, Field(ge=0.0, le=1.0)] = 0.35
    """Difference of the shares from which a background is another: a camera that turns in a room changes up to a third
    of them. Higher reports fewer. Not yet tuned."""
    apart_s: Annotated[float, Field(ge=0.0, le=30.0)] = 1.0
    """Seconds between two changes; of nearer ones the larger counts. Two samples at 2 per second."""
    bridge_s: Annotated[float, Field(ge=0.0, le=30.0)] = 1.0
    """Gap in a class's presence that is no interruption: two missed samples at 2 per second."""

    def setting_rule(self) -> SettingRule:
        """Thresholds of the setting."""
        return SettingRule(self.min_evidence, self.sure, self.enough, self.min_place)

    def change_rule(self) -> ChangeRule:
        """Thresholds of changes."""
        return ChangeRule(self.min_change, self.apart_s)


class BackgroundSegmentation(
    ModelAnalyzer[BackgroundSegmentationConfig, FrameChunk, Segmented, BackgroundSegmentationResult]
):
    """Segments pictures and says where they were taken."""

    name = "background_segmentation"
    version = "2"
    title = "Background: what surrounds the subject, which place, when it changes"
    Config = BackgroundSegmentationConfig
    Result = BackgroundSegmentationResult
    uses = ("cut_analysis",)
    models = ("segformer-b2", "segformer-b0", "upernet-convnext-small", "upernet-convnext-tiny")
    load_fields = frozenset({"model"})

    def __init__(self, config: BackgroundSegmentationConfig) -> None:
        super().__init__(config)
        self.segmenter: Segmenter | None = None

    def needs(self) -> Needs:
        """Colour frames, two per second."""
        return Needs(frames=(FrameNeed(Rate(self.config.fps), self.config.short_side_px, "rgb"),))

    def load(self) -> None:
        """Loads the network."""
        self.segmenter = None
        weights = self.find_weights(self.config.model)
        self.segmenter = Segmenter(weights, open_device(self.runtime))

    def warm_up(self) -> None:
        """One grey picture."""
        self._segment([np.full((self.config.short_side_px, self.config.short_side_px, 3), 128, np.uint8)])

    def observe(self, chunks: Sequence[FrameChunk]) -> list[Segmented]:
        """Shares of classes, and the maps where masks are asked for."""
        found = each_frame(chunks, self._segment, self.config.frames_per_batch)
        return [self._packed(chunk, own) for chunk, own in zip(chunks, found, strict=True)]

    def _segment(self, frames: Sequence[UInt8Array]) -> list[LabelMap]:
        segmenter = self.segmenter
        if segmenter is None:
            raise RuntimeError("background_segmentation: load() has not been called")
        return in_halves(lambda batch: segmenter.segment(batch, self.config.map_px), frames)

    def _packed(self, chunk: FrameChunk, maps: Sequence[LabelMap]) -> Segmented:
        size = map_size(chunk.batch.frames[0], self.config.map_px) if len(chunk.batch.frames) else (1, 1)
        counts = [np.bincount(m.labels.ravel(), minlength=len(CLASSES)) / m.labels.size for m in maps]
        return Segmented(
            pts_s=np.array(chunk.batch.own_pts_s, np.float64),
            shares=np.array(counts, np.float32).reshape(-1, len(CLASSES)),
            certainty=np.array([m.certainty for m in maps], np.float32),
            size=size,
            packed=zlib.compress(b"".join(m.labels.tobytes() for m in maps)) if self.config.masks else None,
        )

    def conclude(self, observations: Sequence[Segmented], context: Context) -> BackgroundSegmentationResult:
        """Backgrounds, their settings, presence of classes."""
        seen = [o for o in observations if len(o.pts_s)]
        if not seen:
            raise NotApplicable("no_frames", "segmentation needs at least one frame")
        times = [float(t) for o in seen for t in o.pts_s]
        shares = np.concatenate([o.shares for o in seen])
        certainty = np.concatenate([o.certainty for o in seen])
        spans = sample_spans(times, 1.0 / self.config.fps, context)
        rule, cuts = self.config.change_rule(), [start for start, _ in known_shots(context) or []]
        points = change_points(times, shares, rule)
        changes = [change_at(k, times, cuts, shares, rule, self.config.min_share, context) for k in points]
        edges = [times[0], *[change.timestamp for change in changes]]
        ends = [*edges[1:], max((span[1] for span in spans if span), default=times[0])]
        settings = [
            setting_span(inside, shares[a:b], certainty[a:b], self.config.setting_rule(), self.config.min_share)
            for start, end, a, b in zip(edges, ends, [0, *points], [*points, len(times)], strict=True)
            if (inside := context.span(start, end)) is not None
        ]
        if not settings:
            raise NotApplicable("no_duration", "the video has no length to place a background in")
        return BackgroundSegmentationResult(
            frames=tuple(frame for o in seen for frame in _frames(o, self.config.min_share)),
            settings=tuple(settings),
            main_setting=_main(settings),
            changes=tuple(changes),
            classes=_classes(shares, spans, self.config, context),
        )

    def timeline(self, result: BackgroundSegmentationResult) -> list[TimelineItem]:
        """Each background's setting."""
        return [
            TimelineItem.of(
                span,
                "seen",
                self.name,
                span.kind if span.place is None else f"{span.kind}, {span.place}",
                span.place_score,
            )
            for span in result.settings
            if span.kind != "uncertain"
        ]

    def headline(self, result: BackgroundSegmentationResult) -> str | None:
        """The longest setting, the largest classes, the number of changes."""
        main, largest = result.main_setting, [c for c in result.classes if c.role == "background"][:3]
        where = main.kind if main.place is None else f"{main.kind}, {main.place}"
        parts = ", ".join(f"{c.class_name} {c.mean_share:.0%}" for c in largest)
        count = len(result.changes)
        changes = f"{count} change{'s' * (count != 1)} of background"
        return f"Background: {where} in {main.time_share:.0%} of the time; {parts or 'no class listed'}; {changes}."


def _frames(observed: Segmented, min_share: float) -> list[FrameSegments]:
    maps = observed.maps()
    return [
        FrameSegments(
            timestamp=float(observed.pts_s[k]),
            classes=(listed := named_shares(observed.shares[k], min_share)),
            certainty=min(1.0, float(observed.certainty[k])),
            masks=None if maps is None else tuple(run_lengths(maps[k], CLASSES.index(name)) for name in listed),
        )
        for k in range(len(observed.pts_s))
    ]


def _main(settings: Sequence[SettingSpan]) -> MainSetting:
    """The kind and place with the longest time; of equals the first."""
    times: dict[tuple[Literal["indoor", "outdoor", "uncertain"], str | None], float] = {}
    for span in settings:
        times[span.kind, span.place] = times.get((span.kind, span.place), 0.0) + span.duration_s
    kind, place = max(times, key=lambda key: times[key])
    return MainSetting(kind=kind, place=place, time_share=min(1.0, times[kind, place] / sum(times.values())))


def _classes(
    shares: Float32Array,
    spans: Sequence[tuple[float, float] | None],
    config: BackgroundSegmentationConfig,
    context: Context,
) -> tuple[SegmentClass, ...]:
    found = []
    for i, name in enumerate(CLASSES):
        there = (shares[:, i] >= config.min_share) & (shares[:, i] > 0.0)
        stretches = presence([span for span, here in zip(spans, there, strict=True) if here], config.bridge_s)
        if stretches:
            covered_s = sum(stretch.duration_s for stretch in stretches)
            found.append(
                SegmentClass(
                    class_name=name,
                    role="foreground" if name in FOREGROUND else "background",
                    mean_share=min(1.0, float(shares[:, i].mean())),
                    max_share=min(1.0, float(shares[:, i].max())),
                    time_share=min(1.0, covered_s / context.video.duration_s),
                    spans=stretches,
                )
            )
    return tuple(sorted(found, key=lambda c: (-c.mean_share, c.class_name)))
