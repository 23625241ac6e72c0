"""Technical quality: sharpness, noise, exposure, contrast, blocks, bands, resolution, steadiness.

Method
    * measures of single pictures at the source's own resolution, once per second
      (``analyzers/signal/picture_quality.py``, sources there); the clip's value is the median over its pictures, plain
      ones (black, white, titles without texture) left out;
    * well-exposed: a Gaussian of the mean grey level, as Mertens, Kautz and Van Reeth weigh pixels ("Exposure Fusion",
      Pacific Graphics 2007), times the share of pixels that are not clipped;
    * steadiness: the stability that ``camera_analysis`` measures;
    * each raw measure is mapped to a score by a fixed curve that never rises as the picture gets worse. The curves are
      this project's own and say nothing about taste: a dark or grainy look may be meant.

The ``aesthetic_*`` fields stay null until an image encoder gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
from pydantic import Field

from analyzers.base import Analyzer, AnalyzerConfig, Context, NotApplicable
from analyzers.camera_analysis import CameraResult
from analyzers.results.clip_encoder import clip_of
from analyzers.results.content_quality import Exposure, Fault, FrameQuality, Measure, QualityFault, QualityResult
from analyzers.signal.picture_quality import PictureQuality, measure
from analyzers.signal.similarity import without_bars
from analyzers.vision.clip_questions import BEAUTY, QUALITY
from media.needs import FrameNeed, Needs, Rate
from media.types import FrameBatch, FrameChunk
from schema.document import TimelineItem

_PLAIN_CONTRAST = 0.01
"""A picture with less contrast shows nothing: black, white, one colour."""
_LEAST_SCORE = 1e-6
_WEIGHTS = {"sharpness": 3.0, "exposure": 2.0, "noise": 2.0}
"""Blur takes noise and blocks away, noise hides blocks and bands, and light adds contrast: those three must outweigh
what they seem to mend."""


class QualityConfig(AnalyzerConfig):
    """Settings of ``content_quality``."""

    fps: Annotated[float, Field(ge=0.05, le=10.0)] = 1.0
    """Frames per second. Higher places faults finer and costs in proportion."""
    short_side_px: Annotated[int, Field(ge=240, le=2160)] = 1080
    """Largest size looked at. Pictures that are larger are scaled down, and blocks can't be measured in them."""
    sharp_blur: Annotated[float, Field(ge=0.0, le=0.5)] = 0.2
    """Blur effect b scores (1 - b) / (1 - this). Photographs measure 0.25 to 0.5, a crowd full of detail 0.2, a
    Gaussian of 2 px makes it 0.6, one of 8 px 0.9. Lower asks for more."""
    noise_half: Annotated[float, Field(gt=0.0, le=64.0)] = 3.0
    """Noise in grey levels that scores one half: a phone in dim light. At 4, noise of 3 levels costs less than the
    coding blocks that it hides. Lower is stricter."""
    mid_level: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.47
    """Mean grey level, as a share of white, that scores 1; 18 % grey in sRGB is 0.46."""
    level_spread: Annotated[float, Field(gt=0.0, le=1.0)] = 0.22
    """Standard deviation of the curve around it; Mertens takes 0.2 for single pixels. Lower is stricter."""
    contrast_scale: Annotated[float, Field(gt=0.0, le=1.0)] = 0.07
    """Root-mean-square contrast c scores 1 - exp(-c / this): photographs have 0.15 to 0.3. Lower is more lenient. Not
    yet tuned."""
    blocks_free: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    """Blockiness up to this is chance: uncoded photographs give 0.02 to 0.1."""
    blocks_scale: Annotated[float, Field(gt=0.0, le=10.0)] = 0.5
    """Blockiness b scores exp(-(b - blocks_free) / this); JPEG gives 0.3 at quality 50, 1 at 10. Lower is stricter."""
    bands_scale: Annotated[float, Field(gt=0.0, le=10.0)] = 0.5
    """Banding b scores exp(-b / this); a slope over half the range in steps of 4 levels gives 0.5. Lower is stricter.
    Not yet tuned."""
    full_px: Annotated[int, Field(ge=240, le=4320)] = 1080
    """Shorter side of the source that scores 1: what TikTok shows at most. Smaller ones score in proportion."""
    fault_score: Annotated[float, Field(ge=0.0, le=1.0)] = 0.35
    """A stretch whose score stays below is a fault. Higher reports more."""
    min_fault_s: Annotated[float, Field(ge=0.0, le=60.0)] = 2.0
    """Shorter faults are not reported. Higher reports fewer."""


@dataclass(frozen=True)
class FrameMeasures:
    """One frame's time and measures; None for a plain picture."""

    time_s: float
    quality: PictureQuality | None


class ContentQuality(Analyzer[QualityConfig, FrameChunk, tuple[FrameMeasures, ...], QualityResult]):
    """Technical quality by measures."""

    name = "content_quality"
    version = "3"
    title = "Technical quality of the pictures"
    Config = QualityConfig
    Result = QualityResult
    after = ("camera_analysis",)
    uses = ("clip_encoder",)

    def load(self) -> None:
        """Imports OpenCV."""
        import cv2  # noqa: F401

    def needs(self) -> Needs:
        """Gray frames at the source's own size, up to a bound."""
        return Needs(frames=(FrameNeed(Rate(self.config.fps), self.config.short_side_px, "gray"),))

    def observe(self, chunks: Sequence[FrameChunk]) -> list[tuple[FrameMeasures, ...]]:
        """Measures of each frame."""
        return [_observe(chunk.batch) for chunk in chunks]

    def conclude(self, observations: Sequence[tuple[FrameMeasures, ...]], context: Context) -> QualityResult:
        """Medians over the clip, their scores, and stretches of low quality."""
        frames = [frame for observation in observations for frame in observation]
        if not frames:
            raise NotApplicable("no_frames", "quality needs at least one frame")
        seen = [frame.quality for frame in frames if frame.quality is not None]
        measures = _measures(seen, self.config, context)
        scores = {name: m.score for name, m in measures.items() if m.score is not None}
        clip = clip_of(context)
        return QualityResult.model_validate(
            {
                **measures,
                "technical_score": _together(scores),
                "weakest": min(scores, key=lambda name: scores[name], default=None),
                "faults": tuple(_faults(frames, self.config, context)),
                "frames": tuple(_frame(frame) for frame in frames),
                "plain_share": 1.0 - len(seen) / len(frames),
                "aesthetic_score": clip.question(BEAUTY.name).mean_of(BEAUTY.labels[0]) if clip else None,
                "perceived_score": clip.question(QUALITY.name).mean_of(QUALITY.labels[0]) if clip else None,
            }
        )

    def timeline(self, result: QualityResult) -> list[TimelineItem]:
        """Faults."""
        return [
            TimelineItem.of(fault, "seen", self.name, fault.kind.replace("_", " "), 1.0 - fault.score)
            for fault in result.faults
        ]

    def headline(self, result: QualityResult) -> str | None:
        """The technical score and the weakest measure."""
        if result.technical_score is None or result.weakest is None:
            return None
        weakest: Measure = getattr(result, result.weakest)
        return f"Technical quality {result.technical_score:.2f}; weakest: {result.weakest} {weakest.score:.2f}."


def _observe(batch: FrameBatch) -> tuple[FrameMeasures, ...]:
    native = batch.width == batch.source_width
    found = []
    for frame, time_s in zip(batch.own, batch.own_pts_s, strict=True):
        top, bottom, left, right = without_bars(frame)
        quality = measure(np.ascontiguousarray(frame[top:bottom, left:right]), native)
        found.append(FrameMeasures(float(time_s), quality if quality.contrast >= _PLAIN_CONTRAST else None))
    return tuple(found)


def _measures(seen: Sequence[PictureQuality], config: QualityConfig, context: Context) -> dict[str, Measure]:
    """The clip's measures by name."""

    def of(
        unit: str,
        method: str,
        value: Callable[[PictureQuality], float | None],
        score: Callable[[float, QualityConfig], float],
    ) -> Measure:
        median = _median(seen, value)
        found = None if median is None else score(median, config)
        return Measure(value=median, unit=unit, score=found, method=method)

    level = _median(seen, lambda q: q.level / 255.0)
    white, black = _median(seen, lambda q: q.white), _median(seen, lambda q: q.black)
    camera = context.results.get("camera_analysis")
    shake = camera.shake if isinstance(camera, CameraResult) else None
    sides = (context.video.width, context.video.height)
    short = float(min(side for side in sides if side is not None)) if None not in sides else None
    exposure = None if level is None else _exposure(level, white or 0.0, black or 0.0, config)
    return {
        "sharpness": of("blur effect, 0 to 1", "Crete-Roffet 2007", lambda q: q.blur, _sharpness),
        "noise": of("grey levels", "Immerkaer 1996, smoothest cells", lambda q: q.noise, _noise),
        "exposure": Exposure(
            value=level,
            unit="mean grey level over white",
            score=exposure,
            method="well-exposedness after Mertens 2007, times the share not clipped",
            white_share=white,
            black_share=black,
        ),
        "contrast": of("standard deviation over white", "Peli 1990", lambda q: q.contrast, _contrast),
        "blockiness": of(
            "step over the 8 px grid over other steps, less 1", "after Wang 2000", lambda q: q.blockiness, _blocks
        ),
        "banding": of(
            "squared grey levels of steps between plateaus per px", "after Tu 2020", lambda q: q.banding, _bands
        ),
        "resolution": Measure(
            value=short,
            unit="px of the shorter side",
            score=None if short is None else _resolution(short, config),
            method="size of the source",
        ),
        "steadiness": Measure(
            value=shake,
            unit="shake in picture units per second",
            score=camera.stability if isinstance(camera, CameraResult) else None,
            method="camera_analysis",
        ),
    }


def _median(seen: Sequence[PictureQuality], value: Callable[[PictureQuality], float | None]) -> float | None:
    values = [v for quality in seen if (v := value(quality)) is not None]
    return float(np.median(values)) if values else None


def _sharpness(blur: float, config: QualityConfig) -> float:
    return min(1.0, (1.0 - blur) / (1.0 - config.sharp_blur))


def _noise(sigma: float, config: QualityConfig) -> float:
    return 1.0 / (1.0 + (sigma / config.noise_half) ** 2)


def _exposure(level: float, white: float, black: float, config: QualityConfig) -> float:
    off = (level - config.mid_level) / config.level_spread
    return float(np.exp(-0.5 * off * off)) * (1.0 - white) * (1.0 - black)


def _contrast(contrast: float, config: QualityConfig) -> float:
    return float(1.0 - np.exp(-contrast / config.contrast_scale))


def _blocks(blockiness: float, config: QualityConfig) -> float:
    return float(np.exp(-max(0.0, blockiness - config.blocks_free) / config.blocks_scale))


def _bands(banding: float, config: QualityConfig) -> float:
    return float(np.exp(-banding / config.bands_scale))


def _resolution(short_px: float, config: QualityConfig) -> float:
    return min(1.0, short_px / config.full_px)


def _together(scores: Mapping[str, float]) -> float | None:
    if not scores:
        return None
    weights = [_WEIGHTS.get(name, 1.0) for name in scores]
    logs = np.log(np.maximum(list(scores.values()), _LEAST_SCORE))
    return float(np.exp(np.average(logs, weights=weights)))


def _frame(frame: FrameMeasures) -> FrameQuality:
    q = frame.quality
    return FrameQuality(
        timestamp=frame.time_s,
        blur=q and q.blur,
        noise=q and q.noise,
        level=q and q.level / 255.0,
        white_share=q and q.white,
        black_share=q and q.black,
        contrast=q and q.contrast,
        blockiness=q and q.blockiness,
        banding=q and q.banding,
    )


def _frame_scores(q: PictureQuality, config: QualityConfig) -> dict[Fault, float]:
    """Scores of one picture, by the fault that a low one is."""
    level = q.level / 255.0
    scores: dict[Fault, float] = {
        "too_bright" if level > config.mid_level else "too_dark": _exposure(level, q.white, q.black, config),
        "low_contrast": _contrast(q.contrast, config),
        "banded": _bands(q.banding, config),
    }
    if q.blur is not None:
        scores["blurred"] = _sharpness(q.blur, config)
    if q.noise is not None:
        scores["noisy"] = _noise(q.noise, config)
    if q.blockiness is not None:
        scores["blocky"] = _blocks(q.blockiness, config)
    return scores


def _faults(frames: Sequence[FrameMeasures], config: QualityConfig, context: Context) -> list[QualityFault]:
    """Runs of samples in which one measure stays below the bound; each sample stands for the time up to the next."""
    ends = [b.time_s for _, b in pairwise(frames)] + [context.video.duration_s]
    open_runs: dict[Fault, list[tuple[float, float, float]]] = {}
    found: list[QualityFault] = []

    def close(kind: Fault) -> None:
        run = open_runs.pop(kind)
        inside = context.span(run[0][0], run[-1][1])
        if inside is not None and inside[1] - inside[0] >= config.min_fault_s:
            mean = float(np.mean([score for _, _, score in run]))
            found.append(QualityFault(start_time=inside[0], end_time=inside[1], kind=kind, score=mean))

    for frame, end in zip(frames, ends, strict=True):
        scores = {} if frame.quality is None else _frame_scores(frame.quality, config)
        low = {kind: score for kind, score in scores.items() if score < config.fault_score}
        for kind in [kind for kind in open_runs if kind not in low]:
            close(kind)
        for kind, score in low.items():
            open_runs.setdefault(kind, []).append((frame.time_s, end, score))
    for kind in list(open_runs):
        close(kind)
    return sorted(found, key=lambda fault: (fault.start_time, fault.end_time, fault.kind))
