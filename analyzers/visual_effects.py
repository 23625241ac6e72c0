"""Visual effects: what editing added to the picture, each with its span, its score and the measures it rests on.

Method and rule of each kind
    * ``fade_in``, ``fade_out``, ``dissolve``: taken over from ``cut_analysis``;
    * ``flash``, ``black_flash``, ``strobe``: narrow peaks of brightness (top-hat transform, Serra, "Image Analysis and
      Mathematical Morphology", 1982); strobes as counted in WCAG 2.2, guideline 2.3 (``signal/light_effects.py``);
    * ``freeze``: motion that stops from one frame to the next and leaves exact repeats;
    * ``repeated_frames``: every picture held for the same number of frames: slowed, or of a lower frame rate;
    * ``slow_motion``, ``fast_motion``, ``speed_ramp``: against the same shot only, by held pictures beside full rate or
      by steady movement in one direction at another speed (``motion_effects.py``); without such a reference silent;
    * ``letterbox``, ``pillarbox``, ``split_screen``, ``vignette``: what stays with the frame (``frame_effects.py``);
    * ``blur``, ``filter``: against the same shot, or what no camera gives (``look_effects.py``);
    * ``overlay``: boxes that appear at once, and corners (Shi and Tomasi, "Good features to track", CVPR 1994) that
      stay while the picture behind changes (``overlay_effects.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import Analyzer, AnalyzerConfig, AnalyzerResult, Context, NotApplicable
from analyzers.cut_analysis import CutAnalysisResult
from analyzers.signal.effect_findings import BoolArray, Finding, end_s
from analyzers.signal.effect_measures import EffectMeasures, EffectMeter
from analyzers.signal.frame_effects import FrameSettings, bars, split_screens, vignettes
from analyzers.signal.light_effects import FlashSettings, flashes, strobes
from analyzers.signal.look_effects import LookSettings, blurs, filters
from analyzers.signal.motion_effects import MotionSettings, freezes, repeated_pictures, speed_changes
from analyzers.signal.overlay_effects import OverlaySettings, overlays
from media.needs import EveryFrame, FrameNeed, Needs
from media.types import FrameChunk
from schema.base import BoundingBox, Finite, Model, TimedSpan, UnitScore
from schema.document import TimelineItem

EffectKind = Literal[
    "fade_in",
    "fade_out",
    "dissolve",
    "flash",
    "black_flash",
    "strobe",
    "freeze",
    "repeated_frames",
    "slow_motion",
    "fast_motion",
    "speed_ramp",
    "overlay",
    "split_screen",
    "blur",
    "vignette",
    "letterbox",
    "pillarbox",
    "filter",
]

_ELSEWHERE = frozenset({"fade_in", "fade_out", "dissolve", "overlay"})
"""Kinds that other analyzers put on the time line already."""

_CUT_LEVELS, _CUT_MATCH = 90.0, 0.5
"""Mean change, in levels over three channels, and correlation after motion of a border between shots where
``cut_analysis`` has none to give."""


class VisualEffectsConfig(AnalyzerConfig):
    """Settings of ``visual_effects``."""

    short_side_px: Annotated[int, Field(ge=48, le=360)] = 96
    """Shorter side of the frames asked for; the same stream as ``cut_analysis``. Blur finer than a hundredth of it
    cannot be seen. Higher costs time."""
    flash_s: Annotated[float, Field(gt=0.0, le=2.0)] = 0.35
    """Longest flash; as in ``cut_analysis``. Higher takes bright shots for flashes."""
    flash_rise: Annotated[float, Field(gt=0.0, le=255.0)] = 20.0
    """Smallest rise of mean luma of a flash, in levels: a twelfth of the range. Higher misses weak flashes."""
    strobe_flashes: Annotated[int, Field(ge=1, le=30)] = 3
    """More flashes than this within a second are a strobe: WCAG 2.2, success criterion 2.3.1."""
    freeze_s: Annotated[float, Field(gt=0.0, le=10.0)] = 0.4
    """Shortest freeze. Pictures held by a low frame rate stay below 0.2 s. Higher misses short freezes."""
    speed_ratio: Annotated[float, Field(gt=1.0, le=20.0)] = 1.9
    """Smallest change of speed inside a shot: editors' usual steps are 2 and 4. Higher misses some, lower takes a
    camera that slows down for an effect."""
    plateau_s: Annotated[float, Field(gt=0.0, le=10.0)] = 0.5
    """Shortest stretch of one speed. Lower takes the swing of a handheld camera for one. Not yet tuned."""
    ramp_s: Annotated[float, Field(gt=0.0, le=10.0)] = 2.0
    """Longest change from one speed to the next. Higher takes a natural brake for a ramp. Not yet tuned."""
    bar_share: Annotated[float, Field(gt=0.0, le=0.45)] = 0.03
    """Smallest bar, as a share of the picture's height or width. Lower takes coding borders for bars."""
    frame_s: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    """Shortest stretch with bars or a split screen. Lower takes dark moments for bars."""
    seam: Annotated[float, Field(gt=0.0, le=1.0)] = 0.6
    """Smallest share of a line along which both sides of a split screen differ. Random pairs of real clips have 0.5 to
    1.0; edges in real pictures up to 0.57, a wall's or a table's up to 0.78. Higher misses pairs that are alike."""
    vignette: Annotated[float, Field(gt=0.0, le=1.0)] = 0.25
    """Smallest fall of light from the middle to the corners; lenses alone have up to 0.2. Higher misses weak ones."""
    blur: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.4
    """Largest share of fine detail that a blurred frame keeps against a sharp one beside it. An autofocus that hunts
    stays above 0.43. Higher takes that for blur."""
    blur_s: Annotated[float, Field(gt=0.0, le=10.0)] = 0.2
    """Shortest blur. Lower takes a swing of the camera for one."""
    monochrome: Annotated[float, Field(gt=0.0, le=30.0)] = 2.0
    """Largest distance from grey of the most colourful hundredth of a black-and-white picture, in levels. Coded black
    and white has 0 to 1, a grey road 3. Higher takes grey scenes for filtered."""
    toned: Annotated[float, Field(gt=0.0, le=30.0)] = 1.5
    """Largest deviation of a toned picture's colours from one line through light and shade, in levels. Higher takes
    scenes in one light for toned."""
    tone: Annotated[float, Field(gt=0.0, le=100.0)] = 6.0
    """Smallest mean distance from grey of a toned picture, in levels. Lower takes a cast for toning."""
    grading: Annotated[float, Field(gt=0.0, le=100.0)] = 6.0
    """Smallest step of mean colour of a picture that otherwise goes on, in levels. Higher misses soft filters."""
    look_s: Annotated[float, Field(gt=0.0, le=10.0)] = 0.4
    """Shortest stretch of a filter. Lower takes a flash of coloured light for one."""
    overlay_proof: Annotated[float, Field(gt=0.0, le=10000.0)] = 120.0
    """Change of the picture behind, in levels over three channels and at most 60 per frame, that an overlay outlasts:
    two cuts, or ten frames of a pan. Lower takes parts of the scene that happen to stay for overlays."""
    overlay_s: Annotated[float, Field(gt=0.0, le=10.0)] = 0.4
    """Shortest overlay. Lower takes quick movements for boxes."""
    overlay_min_area: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.005
    """Smallest overlay, as a share of the picture: one or two blocks. Higher misses small logos."""
    overlay_max_area: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """Largest overlay, as a share of the picture. Higher takes cuts in letterboxed pictures for overlays."""

    def motion(self) -> MotionSettings:
        """Those of freezes and speeds."""
        return MotionSettings(self.freeze_s, self.speed_ratio, self.plateau_s, self.ramp_s)

    def frame(self) -> FrameSettings:
        """Those of bars, split screens and vignettes."""
        return FrameSettings(self.bar_share, self.frame_s, self.seam, self.vignette)

    def look(self) -> LookSettings:
        """Those of blur and filters."""
        return LookSettings(
            blur=self.blur,
            blur_s=self.blur_s,
            monochrome=self.monochrome,
            toned=self.toned,
            tone=self.tone,
            grading=self.grading,
            look_s=self.look_s,
        )

    def flash(self) -> FlashSettings:
        """Those of flashes and strobes."""
        return FlashSettings(self.flash_s, self.flash_rise, self.strobe_flashes)

    def overlay(self) -> OverlaySettings:
        """Those of overlays."""
        return OverlaySettings(self.overlay_proof, self.overlay_s, (self.overlay_min_area, self.overlay_max_area))


class Measured(Model):
    """One measure that a verdict rests on."""

    name: str
    """What was measured, with its unit."""
    value: Finite
    threshold: Finite | None = None
    """What it was compared with; null for a measure that only describes."""


class Effect(TimedSpan):
    """One effect."""

    kind: EffectKind
    score: UnitScore
    detail: str | None = None
    """Variety: ``black and white``, ``toned``, ``side by side``, ``appears at once``, ..."""
    bounding_box: BoundingBox | None = None
    """Where in the picture: the overlay, the picture between bars, the first part of a split screen. Null for all."""
    evidence: tuple[Measured, ...]


class VisualEffectsResult(AnalyzerResult):
    """All effects, sorted by start."""

    effects: tuple[Effect, ...]
    effects_by_kind: dict[EffectKind, int]
    seconds_by_kind: dict[EffectKind, Annotated[float, Field(ge=0.0)]]
    """Summed length of each kind."""
    shots_from: Literal["cut_analysis", "own"]
    """Where borders between shots come from; ``own`` ones are coarse."""
    not_judged: tuple[str, ...] = ()
    """Kinds that could not be looked for, and why."""


class VisualEffects(Analyzer[VisualEffectsConfig, FrameChunk, EffectMeasures, VisualEffectsResult]):
    """Finds effects that editing added."""

    name = "visual_effects"
    version = "4"
    title = "Flashes, freezes, speed changes, overlays, split screens, bars, blur, vignettes and filters"
    Config = VisualEffectsConfig
    Result = VisualEffectsResult
    after = ("cut_analysis",)

    def __init__(self, config: VisualEffectsConfig) -> None:
        super().__init__(config)
        self._meter: EffectMeter | None = None

    def needs(self) -> Needs:
        """Every frame, small, in colour."""
        return Needs(frames=(FrameNeed(EveryFrame(), self.config.short_side_px),))

    def load(self) -> None:
        """Imports OpenCV and makes the flow method."""
        self._meter = EffectMeter()

    def observe(self, chunks: Sequence[FrameChunk]) -> list[EffectMeasures]:
        """Measures each chunk's frames."""
        if self._meter is None:
            self._meter = EffectMeter()
        return [self._meter.measure(chunk.batch) for chunk in chunks]

    def conclude(self, observations: Sequence[EffectMeasures], context: Context) -> VisualEffectsResult:
        """Finds the effects over the whole clip.

        Raises:
            NotApplicable: The video has too few pictures for anything to last.
        """
        seen = [part for part in observations if len(part)]
        if sum(len(part) for part in seen) < 2:
            raise NotApplicable("single_frame", "effects over time need at least two pictures")
        measures = EffectMeasures.joined(seen)
        cuts = context.results.get("cut_analysis")
        known = cuts if isinstance(cuts, CutAnalysisResult) else None
        effects = [_taken_over(t.kind, t.start_time, t.end_time, t.score) for t in known.transitions] if known else []
        for run in _runs(measures):
            for finding in self._findings(run, known):
                span = context.span(float(run.pts_s[finding.start]), end_s(run.pts_s, finding.end))
                if span is not None:
                    effects.append(_effect(finding, span, context))
        effects.sort(key=lambda e: (e.start_time, e.end_time, e.kind))
        kinds = list(dict.fromkeys(e.kind for e in effects))
        return VisualEffectsResult(
            effects=tuple(effects),
            effects_by_kind={kind: sum(e.kind == kind for e in effects) for kind in kinds},
            seconds_by_kind={kind: sum(e.duration_s for e in effects if e.kind == kind) for kind in kinds},
            shots_from="own" if known is None else "cut_analysis",
            not_judged=() if known else (f"fades and dissolves: {_why_missing(context)}",),
        )

    def _findings(self, run: EffectMeasures, known: CutAnalysisResult | None) -> list[Finding]:
        """All findings in one uninterrupted run of frames."""
        borders = _borders(run, known)
        shots = list(pairwise([0, *borders, len(run)]))
        fading = _fading(run, known)
        config = self.config
        strobed = strobes(run.thumbs, run.pts_s, config.flash())
        single = [
            flash
            for flash in flashes(run.thumbs, run.pts_s, config.flash())
            if not any(flash.start < s.end and flash.end > s.start for s in strobed)
        ]
        for flash in (*strobed, *single):
            fading[max(0, flash.start - 1) : flash.end + 1] = True
        searches: tuple[Callable[[], list[Finding]], ...] = (
            lambda: freezes(run, shots, fading, config.motion()),
            lambda: repeated_pictures(run, shots, config.motion()),
            lambda: speed_changes(run, shots, config.motion()),
            lambda: bars(run, config.frame()),
            lambda: split_screens(run, config.frame()),
            lambda: vignettes(run, shots, config.frame()),
            lambda: blurs(run, shots, fading, config.look()),
            lambda: filters(run, shots, fading, config.look()),
            lambda: overlays(run, borders, config.overlay()),
        )
        return [*strobed, *single, *(finding for search in searches for finding in search())]

    def timeline(self, result: VisualEffectsResult) -> list[TimelineItem]:
        """Each effect that no other analyzer places already."""
        return [
            TimelineItem.of(effect, "seen", self.name, _label(effect), effect.score)
            for effect in result.effects
            if effect.kind not in _ELSEWHERE
        ]

    def headline(self, result: VisualEffectsResult) -> str:
        """Which kinds, how often and how long."""
        if not result.effects:
            return "No visual effects found."
        parts = [
            f"{kind.replace('_', ' ')} {count}x ({result.seconds_by_kind[kind]:.1f} s)"
            for kind, count in result.effects_by_kind.items()
        ]
        return f"Effects: {', '.join(parts)}."


def _label(effect: Effect) -> str:
    name = effect.kind.replace("_", " ")
    return f"{name}: {effect.detail}" if effect.detail else name


def _why_missing(context: Context) -> str:
    return context.missing.get("cut_analysis", "cut_analysis has no result")


def _runs(measures: EffectMeasures) -> Iterator[EffectMeasures]:
    """Stretches without a missing frame, of at least two frames."""
    breaks = np.flatnonzero(np.diff(measures.index) != 1) + 1
    for start, end in pairwise([0, *breaks.tolist(), len(measures)]):
        if end - start > 1:
            yield measures.part(start, end)


def _borders(run: EffectMeasures, known: CutAnalysisResult | None) -> list[int]:
    """Positions in the run where shots begin, without its first frame."""
    if known is not None:
        offset = int(run.index[0])
        return [shot.first_frame - offset for shot in known.shots if 0 < shot.first_frame - offset < len(run)]
    sudden = (run.change.mean(axis=(1, 2)) >= _CUT_LEVELS) & (run.match < _CUT_MATCH)
    return [int(i) for i in np.flatnonzero(sudden) if i > 0]


def _fading(run: EffectMeasures, known: CutAnalysisResult | None) -> BoolArray:
    """bool (N,): frames of fades and dissolves, and the one beside each."""
    fading = np.zeros(len(run), np.bool_)
    offset = int(run.index[0])
    for change in known.transitions if known is not None else ():
        fading[max(0, change.first_frame - 1 - offset) : max(0, change.end_frame + 1 - offset)] = True
    return fading


def _taken_over(kind: EffectKind, start_s: float, stop_s: float, score: float) -> Effect:
    evidence = (Measured(name="score_of_cut_analysis", value=score),)
    return Effect(start_time=start_s, end_time=stop_s, kind=kind, score=score, evidence=evidence)


def _effect(finding: Finding, span: tuple[float, float], context: Context) -> Effect:
    width, height = context.video.width, context.video.height
    box = None
    if finding.region is not None and width and height:
        x, y, w, h = finding.region
        box = BoundingBox(x=x * width, y=y * height, width=w * width, height=h * height)
    return Effect.model_validate(
        {
            "start_time": span[0],
            "end_time": span[1],
            "kind": finding.kind,
            "score": finding.score,
            "detail": finding.detail,
            "bounding_box": box,
            "evidence": tuple(Measured(name=e.name, value=e.value, threshold=e.threshold) for e in finding.evidence),
        }
    )
