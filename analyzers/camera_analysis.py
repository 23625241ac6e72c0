"""What the camera does: static, pans, tilts, zooms, rolls, whip pans, handheld; how fast, and how steady.

Method
    * motion between frames: DIS flow, RANSAC, sub-pixel refinement and a vote against rest
      (``analyzers/signal/global_motion.py``, sources there);
    * spans: direction, duration and distance of the motion (``analyzers/signal/camera_path.py``, ``camera_moves.py``);
    * stability: root-mean-square speed against the smooth motion, mapped to (0, 1]. The high-frequency part of the
      camera's path is what video stabilisation removes (Liu et al., "Bundled Camera Paths for Video Stabilization",
      SIGGRAPH 2013); the mapping is this project's own.

What one view can't tell stays open: a zoom and a dolly look alike ("zoom"), a pan and a truck too ("pan").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from analyzers.base import Analyzer, AnalyzerConfig, AnalyzerResult, Context, NotApplicable
from analyzers.results.known_shots import known_shots
from analyzers.signal.camera_moves import stretches
from analyzers.signal.camera_path import STATUS_CODES, Kind, Path, PathSettings, Reason, Stretch, settled
from analyzers.signal.global_motion import GlobalMotion, MotionSettings
from media.needs import FrameNeed, Needs, Rate
from media.types import Float64Array, FrameBatch, FrameChunk
from schema.base import Finite, TimedSpan, UnitScore
from schema.document import TimelineItem, VideoFacts

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]

_HALF_STABLE = 0.03
"""Shake, in picture units per second, at which stability is one half: 1/400 of the picture's side back and forth twice
a second, a phone held in one hand. Not yet tuned."""

_CURVE_S = 0.5
"""Length of one point of the curve."""

_ALSO_SHARE = 0.35
"""A second motion is named from this share of the main one on."""


class CameraConfig(AnalyzerConfig):
    """Settings of ``camera_analysis``. Picture unit: the square root of width times height."""

    fps: Annotated[float, Field(ge=2.0, le=60.0)] = 10.0
    """Frames per second. Shift per sample = speed / fps; up to a third of the picture is found, so 10 reaches three
    widths per second. Higher follows faster whips and costs in proportion."""
    short_side_px: Annotated[int, Field(ge=64, le=480)] = 96
    """Size of the pictures: that of ``cut_analysis``, so they are scaled once. On made clips 90, 120 and 180 px give
    zoom to 0.02, 0.01 and 0.006 % per sample. Higher sees finer texture and costs with the square."""
    min_structure: Annotated[float, Field(gt=0.0, le=100.0)] = 2.0
    """Smaller eigenvalue of the structure tensor (squared grey levels per px) of a cell that takes part: a slope of
    1.4 levels per px in both directions. Higher trusts fewer places. Not yet tuned."""
    min_texture_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.02
    """Share of such cells below which the motion is unknown. Higher answers less often."""
    min_match_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.4
    """Share of the picture that the motion must explain; across real cuts it is at most 0.15 (a jump cut: 0.34), within
    shots mostly above 0.7, in fights and explosions 0.1 to 0.5. Higher gives more ``unknown``."""
    still_speed: Annotated[float, Field(gt=0.0, le=0.2)] = 0.006
    """Slower motion (picture units per second) is rest: 0.1 px per sample. Static coded clips measure up to
    0.003. Higher misses slow pushes."""
    min_move_s: Annotated[float, Field(ge=0.1, le=5.0)] = 0.3
    """A move lasts at least so long; half a sway of a hand at 2 Hz is shorter. Higher reports fewer moves."""
    min_move: Annotated[float, Field(gt=0.0, le=1.0)] = 0.04
    """A move gets at least so far (picture units). Higher reports fewer moves. Not yet tuned."""
    slow_move_s: Annotated[float, Field(ge=0.2, le=10.0)] = 1.0
    """A move that stays under ``min_move`` must last so long and be smooth (slow push-in). Not yet tuned."""
    slow_move: Annotated[float, Field(gt=0.0, le=1.0)] = 0.012
    """How far such a slow move must get: a zoom of 3 %. Higher reports fewer. Not yet tuned."""
    whip_speed: Annotated[float, Field(gt=0.1, le=10.0)] = 1.5
    """Peak speed of a whip pan in picture widths (tilt: heights) per second: the picture is replaced within two thirds
    of a second. Higher calls more of them plain pans. Not yet tuned."""
    shake_speed: Annotated[float, Field(gt=0.0, le=1.0)] = 0.02
    """Root mean square speed over one second from which a camera that goes nowhere is handheld. Static clips measure
    below 0.01, a speaker's head that fills a picture without background up to 0.02, a phone in the hand 0.1. Higher
    calls more of them static."""

    def motion_settings(self) -> MotionSettings:
        """Those of the estimate between two frames."""
        return MotionSettings(
            min_structure=self.min_structure,
            min_texture_share=self.min_texture_share,
            min_match_share=self.min_match_share,
        )

    def path_settings(self) -> PathSettings:
        """Those of the segmentation."""
        return PathSettings(
            still_speed=self.still_speed,
            min_move_s=self.min_move_s,
            min_move=self.min_move,
            slow_move_s=self.slow_move_s,
            slow_move=self.slow_move,
            whip_speed=self.whip_speed,
            shake_speed=self.shake_speed,
        )


class CameraSpan(TimedSpan):
    """A stretch in which the camera does one thing. Directions are the camera's; the picture moves the other way."""

    kind: Kind
    also: tuple[Kind, ...] = ()
    """Further motions of at least a third of the main one's strength, strongest first."""
    pan_widths_per_s: Finite | None
    """Picture widths per second, to the right positive; null where unknown (a whip too fast to follow, too)."""
    tilt_heights_per_s: Finite | None
    """Picture heights per second, upwards positive; null where unknown."""
    zoom_factor_per_s: Positive | None
    """Growth of the picture per second: above 1 zooms in; null where unknown."""
    roll_deg_per_s: Finite | None
    """Turn of the camera in degrees per second, clockwise positive; null where unknown."""
    speed_px_per_s: NotNegative | None
    """Pan and tilt together, in px of the upright source; null where unknown."""
    shake: NotNegative | None
    """Root mean square speed against the span's own smooth motion, picture units (square root of width times height)
    per second; null where unknown."""
    stability: UnitScore | None
    """1 / (1 + shake / 0.03); null where unknown."""
    score: UnitScore | None
    """Mean share of the picture that the motion explains; null where unknown."""
    reason: Reason | None = None
    """Why the kind is unknown."""


class MotionPoint(TimedSpan):
    """Motion within half a second, in picture units per second."""

    camera: NotNegative | None
    """Mean speed of the camera; null where unknown."""
    subject: NotNegative | None
    """Mean speed of what moves against the camera, over the textured part of the picture; null where unknown."""


class CameraResult(AnalyzerResult):
    """What the camera does over the clip."""

    spans: tuple[CameraSpan, ...]
    """Sorted, without gaps but for parts that were not decoded."""
    dominant: Kind
    """The kind with the most time."""
    share: dict[str, UnitScore]
    """Share of the measured time for each kind that occurs."""
    moves: Annotated[int, Field(ge=0)]
    """Number of pans, tilts, zooms, rolls and whips."""
    shake: NotNegative | None
    """Root mean square over the spans; null when nothing could be measured."""
    stability: UnitScore | None
    """1 / (1 + shake / 0.03); null when nothing could be measured."""
    known_share: UnitScore
    """Share of the time whose kind is known."""
    shots_from: Literal["cut_analysis", "own"]
    """Whose cuts part the spans."""
    curve: tuple[MotionPoint, ...]
    """Motion over time, for pacing."""


@dataclass(frozen=True)
class CameraObservation:
    """Pairs of frames that end in one chunk: arrays of equal length.

    Attributes:
        start_s, end_s: Times of the two frames.
        motion: (N, 4) pan widths, tilt heights, log zoom, roll degrees.
        status: Index into ``STATUS_CODES``.
        match: Share of the picture that the motion explains.
        streak: Natural logarithm of vertical over horizontal gradient energy.
        subject: Motion of the rest against it, in picture units.
        width, height: Of the analysed picture in px.
    """

    start_s: Float64Array
    end_s: Float64Array
    motion: Float64Array
    status: npt.NDArray[np.int8]
    match: Float64Array
    streak: Float64Array
    subject: Float64Array
    width: int
    height: int


class CameraAnalysis(Analyzer[CameraConfig, FrameChunk, CameraObservation, CameraResult]):
    """Camera motion from the picture alone."""

    name = "camera_analysis"
    version = "2"
    title = "Camera moves, their speed, and steadiness"
    Config = CameraConfig
    Result = CameraResult
    after = ("cut_analysis",)

    def load(self) -> None:
        """Imports OpenCV."""
        import cv2  # noqa: F401

    def needs(self) -> Needs:
        """Small frames, often enough for fast moves; in colour, because then other analyzers' are used."""
        return Needs(frames=(FrameNeed(Rate(self.config.fps), self.config.short_side_px, "rgb"),))

    def observe(self, chunks: Sequence[FrameChunk]) -> list[CameraObservation]:
        """The motion between neighbouring frames."""
        return [_observe(chunk.batch, self.config.motion_settings()) for chunk in chunks]

    def conclude(self, observations: Sequence[CameraObservation], context: Context) -> CameraResult:
        """Spans over the clip, parted at the cuts."""
        seen = [o for o in observations if len(o.start_s)]
        if not seen:
            raise NotApplicable("too_few_frames", "camera motion needs at least two frames")
        path = Path(
            np.concatenate([o.start_s for o in seen]),
            np.concatenate([o.end_s for o in seen]),
            np.concatenate([o.motion for o in seen]),
            np.concatenate([o.status for o in seen]),
            np.concatenate([o.match for o in seen]),
            np.concatenate([o.streak for o in seen]),
            float(seen[0].width),
            float(seen[0].height),
        )
        path = settled(path)
        cuts = _cuts_s(context)
        spans = [
            span
            for stretch in stretches(path, cuts, context.video.duration_s, self.config.path_settings())
            if (span := _span(stretch, context)) is not None
        ]
        return _result(spans, path, np.concatenate([o.subject for o in seen]), cuts is not None, context.video)

    def timeline(self, result: CameraResult) -> list[TimelineItem]:
        """Moves and handheld stretches."""
        return [
            TimelineItem.of(
                span, "seen", self.name, _words(span.kind) if span.kind != "handheld" else "handheld camera", span.score
            )
            for span in result.spans
            if span.kind not in ("static", "unknown")
        ]

    def headline(self, result: CameraResult) -> str | None:
        """Kinds by time, moves, stability."""
        if result.stability is None:
            return None
        kinds = sorted(((share, kind) for kind, share in result.share.items() if kind != "unknown"), reverse=True)[:3]
        shares = ", ".join(f"{_words(kind)} {share:.0%}" for share, kind in kinds)
        moves = f"{result.moves} move{'' if result.moves == 1 else 's'}"
        return f"Camera: {shares} of the time; {moves}; stability {result.stability:.2f}."


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _observe(batch: FrameBatch, settings: MotionSettings) -> CameraObservation:
    import cv2

    motion = GlobalMotion(settings)
    frames = [np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8) for frame in batch.frames]
    pairs = [motion.between(before, after) for before, after in pairwise(frames)]
    return CameraObservation(
        batch.pts_s[:-1].copy(),
        batch.pts_s[1:].copy(),
        np.array([[p.pan, p.tilt, p.zoom, p.roll] for p in pairs], dtype=np.float64).reshape(-1, 4),
        np.array([STATUS_CODES.index(p.status) for p in pairs], dtype=np.int8),
        np.array([p.match for p in pairs], dtype=np.float64),
        np.array([p.streak for p in pairs], dtype=np.float64),
        np.array([p.subject for p in pairs], dtype=np.float64),
        batch.width,
        batch.height,
    )


def _cuts_s(context: Context) -> list[float] | None:
    """Starts of all shots but the first, where the cuts are known."""
    shots = known_shots(context)
    return None if shots is None else [start for start, _ in shots[1:]]


def _span(stretch: Stretch, context: Context) -> CameraSpan | None:
    inside = context.span(stretch.start_s, stretch.end_s)
    if inside is None:
        return None
    rates = stretch.rates
    width, height = context.video.width or 0, context.video.height or 0
    return CameraSpan(
        start_time=inside[0],
        end_time=inside[1],
        kind=stretch.kind,
        also=stretch.also(_ALSO_SHARE),
        pan_widths_per_s=None if rates is None else float(rates[0]),
        tilt_heights_per_s=None if rates is None else float(rates[1]),
        zoom_factor_per_s=None if rates is None else float(np.exp(np.clip(rates[2], -20.0, 20.0))),
        roll_deg_per_s=None if rates is None else float(rates[3]),
        speed_px_per_s=None if rates is None else float(np.hypot(rates[0] * width, rates[1] * height)),
        shake=stretch.shake,
        stability=_stability(stretch.shake),
        score=stretch.match,
        reason=stretch.reason,
    )


def _stability(shake: float | None) -> float | None:
    return None if shake is None else 1.0 / (1.0 + shake / _HALF_STABLE)


def _result(
    spans: list[CameraSpan], path: Path, subject: Float64Array, cuts_known: bool, video: VideoFacts
) -> CameraResult:
    time_s: dict[Kind, float] = {}
    for span in spans:
        time_s[span.kind] = time_s.get(span.kind, 0.0) + span.duration_s
    total = sum(time_s.values())
    squares = [(span.duration_s, span.shake**2) for span in spans if span.shake is not None]
    shake = float(np.sqrt(np.average([s for _, s in squares], weights=[d for d, _ in squares]))) if squares else None
    still = ("static", "handheld", "unknown")
    return CameraResult(
        spans=tuple(spans),
        dominant=max(time_s, key=lambda kind: time_s[kind]),
        share={kind: min(1.0, seconds / total) for kind, seconds in time_s.items()},
        moves=sum(span.kind not in still for span in spans),
        shake=shake,
        stability=_stability(shake),
        known_share=1.0 - min(1.0, time_s.get("unknown", 0.0) / total),
        shots_from="cut_analysis" if cuts_known else "own",
        curve=tuple(_curve(path, subject, video.duration_s)),
    )


def _curve(path: Path, subject: Float64Array, duration_s: float) -> list[MotionPoint]:
    """Mean speeds per half second, each pair counted where its middle lies."""
    seconds = path.end_s - path.start_s
    camera = np.linalg.norm(path.speeds(), axis=1)
    number = np.floor(0.5 * (path.start_s + path.end_s) / _CURVE_S).astype(np.int64)
    known = path.status == 0
    points: list[MotionPoint] = []
    for k in range(int(np.ceil(duration_s / _CURVE_S - 1e-9))):
        own = known & (number == k)
        weights = seconds[own]
        some = bool(weights.sum() > 0.0)
        points.append(
            MotionPoint(
                start_time=k * _CURVE_S,
                end_time=min((k + 1) * _CURVE_S, duration_s),
                camera=float(np.average(camera[own], weights=weights)) if some else None,
                subject=float(subject[own].sum() / weights.sum()) if some else None,
            )
        )
    return points
