"""Colours of the clip: palette, warmth, colourfulness, contrast, brighter side, mood with its rule, changes over time.

Method
    * palette: k-means in CIELAB over a histogram of the sampled frames, near clusters joined, names from the CSS
      colours nearest by CIEDE2000; warmth and colourfulness after Ou and after Hasler and Suesstrunk
      (``analyzers/signal/colour.py``, sources there);
    * contrast: RMS contrast (Peli, "Contrast in complex images", JOSA A 7(10), 1990) of BT.601 luma;
    * brighter side: slope of the plane that fits the grey levels best (``analyzers/signal/brighter_side.py``, sources
      there). It is where the picture is brighter, whether by a lamp or by a white wall;
    * spans: a new span begins where the shares of twelve clip-wide colour clusters differ from the running span's by
      more than ``change_distance`` (total variation) and stay so in the next sample;
    * mood: the rules of ``analyzers/signal/colour_mood.py``, each a conjunction of soft thresholds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from analyzers.base import Analyzer, AnalyzerConfig, Context, NotApplicable
from analyzers.results.color_analysis import (
    BrightnessGradient,
    ColorResult,
    ColourfulnessLabel,
    ColourMeasures,
    ColourSample,
    Mood,
    PaletteColour,
    PaletteSpan,
    Temperature,
)
from analyzers.signal import colour
from analyzers.signal.brighter_side import Gradient, gradient_of, mean_gradient
from analyzers.signal.colour_mood import judge
from media.needs import FrameNeed, Needs, Rate
from media.types import Float64Array, FrameBatch, FrameChunk
from schema.document import TimelineItem

_COLOURFULNESS: tuple[tuple[float, ColourfulnessLabel], ...] = (
    (109.0, "extremely colourful"),
    (82.0, "highly colourful"),
    (59.0, "quite colourful"),
    (45.0, "averagely colourful"),
    (33.0, "moderately colourful"),
    (15.0, "slightly colourful"),
    (0.0, "not colourful"),
)
"""Mean ratings of table 2 of Hasler and Suesstrunk; each is the least M that gets the label."""

_CHANGE_CLUSTERS = 12


class ColorConfig(AnalyzerConfig):
    """Settings of ``color_analysis``."""

    fps: Annotated[float, Field(ge=0.1, le=30.0)] = 2.0
    """Frames per second. Changes are placed to one sample, so to half a second at 2. Higher costs in proportion."""
    short_side_px: Annotated[int, Field(ge=16, le=720)] = 160
    """Size of the pictures. Colour shares of small objects get finer with more; costs with the square."""
    max_colours: Annotated[int, Field(ge=1, le=16)] = 6
    """Most colours of a palette; k of the k-means. Higher splits gradients further."""
    fuse_distance: Annotated[float, Field(ge=0.0, le=50.0)] = 9.0
    """CIEDE2000 under which two palette colours are given as one; about four times what is told apart at a glance.
    Higher gives fewer colours. Not yet tuned."""
    min_share: Annotated[float, Field(ge=0.0, le=0.5)] = 0.02
    """Share of the picture below which a colour is left out of a palette. Higher gives fewer colours."""
    change_distance: Annotated[float, Field(gt=0.0, le=1.0)] = 0.4
    """Total variation distance between colour shares, 0 alike to 1 nothing in common, above which the palette has
    changed. Higher gives fewer, longer spans. Not yet tuned."""
    warm_above: Annotated[float, Field(gt=0.0, le=2.0)] = 0.15
    """Mean warmth above which the picture is warm, below whose negative it is cool. A tenth of the picture in pure
    red alone gives 0.2. Higher calls more pictures neutral. Not yet tuned."""
    side_rise: Annotated[float, Field(gt=0.0, le=1.5)] = 0.1
    """Rise of the plane from edge to edge, in shares of white, from which on a picture has a brighter side: 26 grey
    levels. Higher calls more pictures even. Not yet tuned."""
    side_fit: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Share of the grey levels' variance that the plane must explain. Patterns without a brighter side have below 0.05,
    evenly lit rooms up to 0.1, a window or sky on one side 0.2 to 0.7. Higher calls more pictures even. Not yet
    tuned."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    """Of the k-means. The same seed gives the same palette."""


@dataclass(frozen=True, eq=False)
class FrameColours:
    """One sampled frame.

    Attributes:
        time_s: Presentation time.
        frame: Decoded frame number.
        measures: Brightness, saturation, colourfulness, contrast, warmth.
        gradient: Where it is brighter.
        cells: Its colour histogram.
    """

    time_s: float
    frame: int
    measures: tuple[float, float, float, float, float]
    gradient: Gradient
    cells: colour.Cells


@dataclass(frozen=True)
class ColorObservation:
    """The sampled frames of one chunk."""

    frames: tuple[FrameColours, ...]


class ColorAnalysis(Analyzer[ColorConfig, FrameChunk, ColorObservation, ColorResult]):
    """Palette, warmth, colourfulness, contrast, brighter side and mood."""

    name = "color_analysis"
    version = "2"
    title = "Palette, warmth, colourfulness, contrast, brighter side and mood, and how they change"
    Config = ColorConfig
    Result = ColorResult

    def load(self) -> None:
        """Imports OpenCV."""
        import cv2  # noqa: F401

    def needs(self) -> Needs:
        """Small colour frames, seldom."""
        return Needs(frames=(FrameNeed(Rate(self.config.fps), self.config.short_side_px, "rgb"),))

    def observe(self, chunks: Sequence[FrameChunk]) -> list[ColorObservation]:
        """Measures and histogram of each own frame."""
        return [_observe(chunk.batch) for chunk in chunks]

    def conclude(self, observations: Sequence[ColorObservation], context: Context) -> ColorResult:
        """Palettes of the clip and of the spans between its changes."""
        frames = [frame for observation in observations for frame in observation.frames]
        if not frames:
            raise NotApplicable("no_frames", "colours need at least one picture")
        means = _means(frames)
        gradients = [self._gradient(frame.gradient) for frame in frames]
        sides = Counter(g.brighter_side for g in gradients if g.brighter_side)
        return ColorResult(
            palette=self._palette(frames),
            measures=means,
            gradient=self._mean_gradient(frames),
            brighter_side_share={side: count / len(frames) for side, count in sides.most_common()},
            temperature=self._temperature(means.warmth),
            colourfulness_label=next(label for least, label in _COLOURFULNESS if means.colourfulness >= least),
            mood=_mood(means),
            spans=tuple(self._spans(frames, context)),
            samples=tuple(
                ColourSample(timestamp=f.time_s, frame=f.frame, gradient=g, **_measures(f.measures).model_dump())
                for f, g in zip(frames, gradients, strict=True)
            ),
        )

    def timeline(self, result: ColorResult) -> list[TimelineItem]:
        """One item for each span of one palette."""
        return [
            TimelineItem.of(
                span,
                "seen",
                self.name,
                f"{span.mood.name} colours: {', '.join(list(_by_name(span.palette))[:3])}",
                span.mood.score,
            )
            for span in result.spans
        ]

    def headline(self, result: ColorResult) -> str | None:
        """Largest colours, temperature, colourfulness, mood, brighter side."""
        if not result.palette:
            return None
        named = _by_name(result.palette)
        colours = ", ".join(f"{name} {named[name]:.0%}" for name in list(named)[:3])
        changes = len(result.spans) - 1
        side = result.gradient.brighter_side
        brighter = f"brighter at the {side.replace('_', ' ')}; " if side else ""
        return (
            f"Colours: {colours}; {result.temperature}, {result.colourfulness_label}; mood {result.mood.name}; "
            f"{brighter}{changes} palette change{'' if changes == 1 else 's'}."
        )

    def _temperature(self, warmth: float) -> Temperature:
        if abs(warmth) <= self.config.warm_above:
            return "neutral"
        return "warm" if warmth > 0 else "cool"

    def _gradient(self, found: Gradient) -> BrightnessGradient:
        return BrightnessGradient(
            rise_right=found.right,
            rise_down=found.down,
            fit=found.fit,
            brighter_side=found.side(self.config.side_rise, self.config.side_fit),
        )

    def _mean_gradient(self, frames: Sequence[FrameColours]) -> BrightnessGradient:
        return self._gradient(mean_gradient([frame.gradient for frame in frames]))

    def _palette(self, frames: Sequence[FrameColours]) -> tuple[PaletteColour, ...]:
        cells = colour.merged([f.cells for f in frames])
        found = colour.kmeans(colour.to_lab(cells.rgb), cells.count, self.config.max_colours, self.config.seed)
        found = colour.fuse(found, self.config.fuse_distance)
        kept = [i for i, share in enumerate(found.share) if share >= self.config.min_share]
        return tuple(_named(found.lab[i], float(found.share[i])) for i in kept)

    def _spans(self, frames: Sequence[FrameColours], context: Context) -> list[PaletteSpan]:
        groups = _groups(frames, self.config)
        starts = [0.0, *(group.frames[0].time_s for group in groups[1:]), context.video.duration_s]
        spans = []
        for group, start_s, end_s in zip(groups, starts, starts[1:], strict=False):
            inside = context.span(start_s, end_s)
            if inside is None:
                continue
            means = _means(group.frames)
            spans.append(
                PaletteSpan(
                    start_time=inside[0],
                    end_time=inside[1],
                    palette=self._palette(group.frames),
                    measures=means,
                    gradient=self._mean_gradient(group.frames),
                    temperature=self._temperature(means.warmth),
                    mood=_mood(means),
                    change=group.change,
                )
            )
        return spans


@dataclass(frozen=True)
class _Group:
    frames: list[FrameColours]
    change: float | None


def _observe(batch: FrameBatch) -> ColorObservation:
    import cv2

    frames = []
    for picture, time_s, number in zip(batch.own, batch.own_pts_s, batch.own_index, strict=True):
        cells = colour.cells_of(picture)
        weights = cells.count / cells.count.sum()
        lab = colour.to_lab(cells.rgb)
        levels = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
        _, deviation = cv2.meanStdDev(levels)
        saturation = cv2.extractChannel(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV), 1).mean() / 255.0
        measures = (
            float(weights @ lab[:, 0]) / 100.0,
            float(saturation),
            colour.colourfulness(picture),
            float(deviation[0, 0]) / 255.0,
            float(weights @ colour.warmth(lab)),
        )
        frames.append(FrameColours(float(time_s), int(number), measures, gradient_of(levels), cells))
    return ColorObservation(tuple(frames))


def _groups(frames: Sequence[FrameColours], config: ColorConfig) -> list[_Group]:
    """Runs of frames with like colours. A single odd frame starts no run unless it is the last."""
    whole = colour.merged([f.cells for f in frames])
    centres = colour.kmeans(colour.to_lab(whole.rgb), whole.count, _CHANGE_CLUSTERS, config.seed).lab
    shares = [colour.shares(colour.to_lab(f.cells.rgb), f.cells.count, centres) for f in frames]
    groups = [_Group([frames[0]], None)]
    running = shares[0].copy()
    for i in range(1, len(frames)):
        change = _variation(shares[i], running)
        stays = i + 1 == len(frames) or _variation(shares[i + 1], running) > config.change_distance
        if change > config.change_distance and stays:
            groups.append(_Group([frames[i]], change))
            running = shares[i].copy()
        else:
            groups[-1].frames.append(frames[i])
            running += (shares[i] - running) / len(groups[-1].frames)
    return groups


def _variation(a: Float64Array, b: Float64Array) -> float:
    return min(1.0, float(np.abs(a - b).sum()) / 2.0)


def _means(frames: Sequence[FrameColours]) -> ColourMeasures:
    return _measures(np.mean([f.measures for f in frames], axis=0))


def _measures(values: Sequence[float] | Float64Array) -> ColourMeasures:
    brightness, saturation, colourfulness, contrast, warmth = (float(v) for v in values)
    return ColourMeasures(
        brightness=min(1.0, max(0.0, brightness)),
        saturation=min(1.0, saturation),
        colourfulness=colourfulness,
        contrast=min(1.0, contrast),
        warmth=warmth,
    )


def _mood(measures: ColourMeasures) -> Mood:
    verdict = judge(measures.brightness, measures.colourfulness, measures.contrast, measures.warmth)
    return Mood(name=verdict.name, score=verdict.score, rule=verdict.rule, scores=verdict.scores)


def _by_name(palette: Sequence[PaletteColour]) -> dict[str, float]:
    """Share of each name, largest first; two shades may bear one name."""
    total: dict[str, float] = {}
    for entry in palette:
        total[entry.name] = total.get(entry.name, 0.0) + entry.share
    return dict(sorted(total.items(), key=lambda item: -item[1]))


def _named(lab: Float64Array, share: float) -> PaletteColour:
    red, green, blue = colour.to_rgb(lab)
    name, distance = colour.name_of(lab)
    return PaletteColour(
        name=name,
        name_distance=distance,
        hex=f"#{red:02x}{green:02x}{blue:02x}",
        lab=(float(lab[0]), float(lab[1]), float(lab[2])),
        share=min(1.0, share),
    )
