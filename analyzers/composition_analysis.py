"""Composition of the pictures: subject, its size and place, thirds, symmetry, leading lines, empty space, layout.

Method, on two frames per second
    * subject: the region that is most salient (``analyzers/signal/saliency.py``, sources there). It is found by
      contrast alone: it may be a thing, a face or a caption, and in a busy picture there is none;
    * measures of the layout: ``analyzers/signal/layout.py``, sources there;
    * shot size: from the share of the picture that the subject covers, in three classes only. A person's shot size in
      the sense of film grammar (Thompson and Bowen, "Grammar of the Shot", 2009) needs to know what the subject is;
    * layout: the measure that comes out highest.

``clip_scores`` are those of ``clip_encoder`` for the same frame, null where it was not run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from analyzers.base import Analyzer, AnalyzerConfig, Context, NotApplicable
from analyzers.results.clip_encoder import clip_of
from analyzers.results.composition_analysis import (
    CompositionResult,
    CompositionSummary,
    DistanceChange,
    FrameComposition,
    Layout,
    ShotSize,
    ShotSizeSpan,
    SubjectRegion,
)
from analyzers.results.known_shots import known_shots
from analyzers.signal import layout
from analyzers.signal.saliency import MAP_SHORT_SIDE, Subject, find_subject, saliency_map
from analyzers.signal.similarity import without_bars
from analyzers.vision.clip_questions import LAYOUT, SHOT_SIZE
from media.needs import FrameNeed, Needs, Rate
from media.types import FrameChunk, UInt8Array
from schema.base import BoundingBox, TimedSpan
from schema.document import TimelineItem

_EMPTY_CELLS = 18
_TREND_SAMPLES = 5
_TREND_PRESENT = 0.8
_TREND_AGREES = 0.6
"""Share by which more pairs of samples must grow than shrink (Kendall's tau) before a change of distance is named."""


class CompositionConfig(AnalyzerConfig):
    """Settings of ``composition_analysis``."""

    fps: Annotated[float, Field(ge=0.1, le=30.0)] = 2.0
    """Frames per second. Changes are placed to one sample, so to half a second at 2. Higher costs in proportion."""
    short_side_px: Annotated[int, Field(ge=96, le=720)] = 192
    """Size of the pictures; saliency works at 64 px, lines at this size. Higher finds finer lines and costs with the
    square."""
    min_clarity: Annotated[float, Field(ge=0.0, le=1.0)] = 0.12
    """How much more saliency than area the subject's box must hold. Pure noise and clouds give at most 0.02, a busy
    kitchen 0.06, a speaker before a wall 0.29. Higher says "no subject" more often."""
    close_area: Annotated[float, Field(gt=0.0, le=1.0)] = 0.25
    """Share of the picture covered by the subject from which on the shot is close: a head and shoulders cover 0.36.
    Higher calls fewer shots close. Not yet tuned."""
    medium_area: Annotated[float, Field(gt=0.0, le=1.0)] = 0.15
    """The same for medium: a person to the knees covers 0.19, a whole person 0.1. Higher calls more of them wide. Not
    yet tuned."""
    min_line: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Shortest line that counts, in picture diagonals. Higher keeps fewer, longer lines. Not yet tuned."""
    plain_levels: Annotated[float, Field(gt=0.0, le=64.0)] = 4.0
    """Standard deviation within a cell, in grey levels, below which it is plain: twice a phone's noise in daylight.
    Higher calls more of the picture empty."""
    min_layout: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    """Score from which on a layout is named. Higher says "none" more often. Not yet tuned."""
    distance_ratio: Annotated[float, Field(gt=1.0, le=10.0)] = 1.5
    """Growth or shrinking of the subject's area within a shot from which on it comes nearer or goes away. Higher
    reports fewer. Not yet tuned."""


@dataclass(frozen=True)
class FrameMeasures:
    """What was measured in one frame, in shares of the picture without its black bars.

    Attributes:
        picture: (left, top, width, height) of the picture within the frame, in shares of the frame.
    """

    time_s: float
    picture: tuple[float, float, float, float]
    subject: Subject | None
    symmetry_left_right: float | None
    symmetry_top_bottom: float | None
    lines: layout.Lines
    negative_space: float


class CompositionAnalysis(Analyzer[CompositionConfig, FrameChunk, tuple[FrameMeasures, ...], CompositionResult]):
    """Composition by measures."""

    name = "composition_analysis"
    version = "4"
    title = "Composition: subject, layout, shot size"
    Config = CompositionConfig
    Result = CompositionResult
    after = ("cut_analysis",)
    uses = ("clip_encoder",)

    def load(self) -> None:
        """Imports OpenCV."""
        import cv2  # noqa: F401

    def needs(self) -> Needs:
        """Colour frames, two per second."""
        return Needs(frames=(FrameNeed(Rate(self.config.fps), self.config.short_side_px, "rgb"),))

    def observe(self, chunks: Sequence[FrameChunk]) -> list[tuple[FrameMeasures, ...]]:
        """Measures of each frame."""
        return [
            tuple(
                _measures(frame, float(time_s), self.config)
                for frame, time_s in zip(chunk.batch.own, chunk.batch.own_pts_s, strict=True)
            )
            for chunk in chunks
        ]

    def conclude(self, observations: Sequence[tuple[FrameMeasures, ...]], context: Context) -> CompositionResult:
        """Verdicts per frame, spans and means."""
        measures = [frame for observation in observations for frame in observation]
        if not measures:
            raise NotApplicable("no_frames", "composition needs at least one frame")
        clip = clip_scores(context)
        frames = [
            _frame(m, self.config, context).model_copy(update={"clip_scores": clip.get(round(m.time_s, 3))})
            for m in measures
        ]
        shots = known_shots(context) or [(0.0, context.video.duration_s)]
        names = [frame.layout for frame in frames]
        return CompositionResult(
            frames=tuple(frames),
            summary=_summary(frames),
            dominant_layout=max(dict.fromkeys(names), key=names.count),
            layout_share={name: names.count(name) / len(names) for name in dict.fromkeys(names)},
            subject_share=sum(frame.subject is not None for frame in frames) / len(frames),
            shot_sizes=tuple(_shot_sizes(frames, shots, self.config, context)),
            distance_changes=tuple(_distance_changes(frames, shots, self.config)),
            clip_scores=_mean_scores([frame.clip_scores for frame in frames if frame.clip_scores]),
        )

    def timeline(self, result: CompositionResult) -> list[TimelineItem]:
        """Shot sizes and changes of distance."""
        sizes = [_item(self.name, span, f"{span.shot_size} shot", span.score) for span in result.shot_sizes]
        ways = [
            _item(self.name, change, f"subject {'comes nearer' if change.direction == 'nearer' else 'goes away'}")
            for change in result.distance_changes
        ]
        return sorted([*sizes, *ways], key=lambda item: (item.start_time, item.end_time))

    def headline(self, result: CompositionResult) -> str | None:
        """Dominant layout, subject, empty space."""
        share = f"{result.layout_share[result.dominant_layout]:.0%} of frames"
        none = result.dominant_layout == "none"
        parts = [f"no layout stands out in {share}" if none else f"{result.dominant_layout.replace('_', ' ')} {share}"]
        if result.summary.subject_area_share is None:
            parts.append("no clear subject")
        else:
            covering = f"covering {result.summary.subject_area_share:.0%} of the picture"
            parts += [f"clear subject in {result.subject_share:.0%} of frames", covering]
        return f"Composition: {', '.join(parts)}; empty space {result.summary.negative_space:.0%}."


def clip_scores(context: Context) -> dict[float, dict[str, float]]:
    """CLIP's shares of the sentences on shot size and layout, by the time of the frame: seconds to three decimals."""
    clip = clip_of(context)
    if clip is None:
        return {}
    asked = [clip.question(question.name) for question in (SHOT_SIZE, LAYOUT)]
    return {
        round(time_s, 3): {
            f"{found.question}.{label}": share
            for found in asked
            for label, share in zip(found.labels, found.frames[k], strict=True)
        }
        for k, time_s in enumerate(clip.timestamps)
    }


def _mean_scores(scores: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
    if not scores:
        return None
    return {label: min(1.0, sum(s[label] for s in scores) / len(scores)) for label in scores[0]}


def _item(name: str, span: TimedSpan, label: str, score: float | None = None) -> TimelineItem:
    return TimelineItem.of(span, "seen", name, label, score)


def _measures(frame: UInt8Array, time_s: float, config: CompositionConfig) -> FrameMeasures:
    import cv2

    levels = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)
    picture = without_bars(levels)
    top, bottom, left, right = picture
    frame = np.ascontiguousarray(frame[top:bottom, left:right])
    grey = levels[top:bottom, left:right].astype(np.float32)
    height, width = grey.shape
    factor = min(1.0, MAP_SHORT_SIDE / min(height, width))
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255.0)
    saliency = saliency_map(np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2Lab), np.float32))
    subject = None if saliency is None else find_subject(saliency)
    if subject is not None and subject.clarity < config.min_clarity:
        subject = None
    left_right, top_bottom = layout.symmetry(grey)
    return FrameMeasures(
        time_s,
        (left / levels.shape[1], top / levels.shape[0], width / levels.shape[1], height / levels.shape[0]),
        subject,
        left_right,
        top_bottom,
        layout.lines(grey, subject, config.min_line),
        layout.negative_space(grey, subject, config.plain_levels, _EMPTY_CELLS),
    )


def _frame(measures: FrameMeasures, config: CompositionConfig, context: Context) -> FrameComposition:
    subject, found = measures.subject, measures.lines
    scores = _layout_scores(measures)
    best = max(scores, key=lambda name: scores[name], default=None)
    name: Layout = "none" if best is None or scores[best] < config.min_layout else best
    return FrameComposition(
        timestamp=measures.time_s,
        subject=None if subject is None else _region(subject, measures.picture, context),
        thirds=scores.get("thirds"),
        centred=scores.get("centred"),
        symmetry_left_right=measures.symmetry_left_right,
        symmetry_top_bottom=measures.symmetry_top_bottom,
        leading_lines=found.leading,
        diagonal_lines=found.diagonal,
        line_length=found.length,
        negative_space=measures.negative_space,
        layout=name,
        layout_scores={str(key): score for key, score in scores.items()},
        shot_size=None if subject is None else _shot_size(subject.area, config),
    )


def _layout_scores(measures: FrameMeasures) -> dict[Layout, float]:
    """Score in [0, 1] of each layout that the frame can have."""
    scores: dict[Layout, float] = {}
    subject, found = measures.subject, measures.lines
    if subject is not None:
        scores["thirds"] = layout.thirds(subject.x, subject.y)
        scores["centred"] = layout.centred(subject.x, subject.y)
        scores["fills_frame"] = float(np.clip((subject.area - 0.3) / 0.4, 0.0, 1.0))
        # Empty space is a layout of its own only around a small subject.
        scores["negative_space"] = measures.negative_space * float(np.clip((0.25 - subject.area) / 0.2, 0.0, 1.0))
    mirrors = [s for s in (measures.symmetry_left_right, measures.symmetry_top_bottom) if s is not None]
    if mirrors:
        scores["symmetric"] = max(mirrors)
    # A few short lines say nothing about a picture: the scores of lines rise with their length up to one diagonal.
    enough = min(1.0, found.length)
    if found.leading is not None:
        scores["leading_lines"] = found.leading * enough
    if found.diagonal is not None:
        scores["diagonal"] = found.diagonal * enough
    return scores


def _region(subject: Subject, picture: tuple[float, float, float, float], context: Context) -> SubjectRegion:
    width, height = context.video.width or 1, context.video.height or 1
    left, top, wide, high = picture
    return SubjectRegion(
        bounding_box=BoundingBox(
            x=(left + subject.left * wide) * width,
            y=(top + subject.top * high) * height,
            width=(subject.right - subject.left) * wide * width,
            height=(subject.bottom - subject.top) * high * height,
        ),
        x=subject.x,
        y=subject.y,
        area_share=subject.area,
        clarity=max(0.0, subject.clarity),
    )


def _shot_size(area: float, config: CompositionConfig) -> ShotSize:
    if area >= config.close_area:
        return "close"
    return "medium" if area >= config.medium_area else "wide"


def _in(frames: Sequence[FrameComposition], shot: tuple[float, float]) -> list[FrameComposition]:
    return [frame for frame in frames if shot[0] - 1e-6 <= frame.timestamp < shot[1] - 1e-6]


def _shot_sizes(
    frames: Sequence[FrameComposition],
    shots: Sequence[tuple[float, float]],
    config: CompositionConfig,
    context: Context,
) -> list[ShotSizeSpan]:
    """Runs of one shot size within each shot, by the median area of five samples."""
    spans: list[ShotSizeSpan] = []
    for shot in shots:
        own = _in(frames, shot)
        sizes = [_steady_size(own, k, config) for k in range(len(own))]
        first = 0
        for k in range(1, len(own) + 1):
            if k < len(own) and sizes[k] == sizes[first]:
                continue
            size, run = sizes[first], [f.subject for f in own[first:k] if f.subject is not None]
            start = shot[0] if first == 0 else own[first].timestamp
            inside = context.span(start, shot[1] if k == len(own) else own[k].timestamp)
            if size is not None and run and inside is not None:
                area = float(np.mean([subject.area_share for subject in run]))
                score = float(np.mean([subject.clarity for subject in run]))
                spans.append(
                    ShotSizeSpan(start_time=inside[0], end_time=inside[1], shot_size=size, area_share=area, score=score)
                )
            first = k
    return spans


def _steady_size(own: Sequence[FrameComposition], k: int, config: CompositionConfig) -> ShotSize | None:
    """Size at sample ``k`` from it and its two neighbours on each side; None when most of them have no subject."""
    near = own[max(0, k - 2) : k + 3]
    areas = [frame.subject.area_share for frame in near if frame.subject is not None]
    return _shot_size(float(np.median(areas)), config) if 2 * len(areas) > len(near) else None


def _distance_changes(
    frames: Sequence[FrameComposition], shots: Sequence[tuple[float, float]], config: CompositionConfig
) -> list[DistanceChange]:
    """Shots over which the subject's area grows or shrinks steadily."""
    found: list[DistanceChange] = []
    for shot in shots:
        sampled = _in(frames, shot)
        own = [(f.timestamp, f.subject.area_share) for f in sampled if f.subject is not None]
        if len(own) < max(_TREND_SAMPLES, _TREND_PRESENT * len(sampled)):
            continue
        times, areas = (np.array(column) for column in zip(*own, strict=True))
        logs = np.log(np.maximum(areas, 1e-4))
        above = np.triu_indices(len(times), 1)
        rises = logs[above[1]] - logs[above[0]]
        tau = float(np.sign(rises).mean())
        slope = float(np.median(rises / (times[above[1]] - times[above[0]])))
        ratio = float(np.exp(slope * (times[-1] - times[0])))
        if abs(tau) >= _TREND_AGREES and max(ratio, 1.0 / ratio) >= config.distance_ratio:
            found.append(
                DistanceChange(
                    start_time=float(times[0]),
                    end_time=float(times[-1]),
                    direction="nearer" if ratio > 1.0 else "farther",
                    area_ratio=ratio,
                    score=abs(tau),
                )
            )
    return found


def _summary(frames: Sequence[FrameComposition]) -> CompositionSummary:
    def mean(value: Callable[[FrameComposition], float | None]) -> float | None:
        values = [v for frame in frames if (v := value(frame)) is not None]
        return float(np.mean(values)) if values else None

    return CompositionSummary(
        thirds=mean(lambda f: f.thirds),
        centred=mean(lambda f: f.centred),
        symmetry_left_right=mean(lambda f: f.symmetry_left_right),
        symmetry_top_bottom=mean(lambda f: f.symmetry_top_bottom),
        leading_lines=mean(lambda f: f.leading_lines),
        diagonal_lines=mean(lambda f: f.diagonal_lines),
        negative_space=float(np.mean([f.negative_space for f in frames])),
        subject_area_share=mean(lambda f: f.subject.area_share if f.subject else None),
        subject_x=mean(lambda f: f.subject.x if f.subject else None),
        subject_y=mean(lambda f: f.subject.y if f.subject else None),
    )
