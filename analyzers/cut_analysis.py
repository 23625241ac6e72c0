"""Cuts and shots: hard cuts, jump cuts, fades and dissolves, each with its score, and the shots between them.

Method
    * thumbnails of all frames tell which of them may begin a shot (``analyzers/signal/frame_sketch.py``); these and
      their neighbours are compared with the frame before, block by block, with and without motion compensation
      (``frame_change.py``); a hard cut is a change that is large, wide and alone in time
      (``sudden_change.py``, adaptive threshold after Yeo and Liu 1995; ``hard_cuts.py``);
    * fades and dissolves are fitted to the model that made them, on thumbnails (``fades.py`` after Lienhart 1999,
      ``dissolves.py`` after Hampapur, Jain and Weymouth 1995 and Alattar 1993);
    * a hard cut whose two sides show one scene, moved or re-framed, is a jump cut.

A change of light after which the picture returns is a flash and no cut. A cut is placed at the first frame of the new
shot; a shot has at least two frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import Analyzer, AnalyzerConfig, AnalyzerResult, Context, NotApplicable
from analyzers.signal.dissolves import Dissolve, DissolveSettings
from analyzers.signal.edit_points import Border, EditPoints, EditSettings, edit_points
from analyzers.signal.fades import Fade, FadeSettings
from analyzers.signal.frame_change import ChangeMeter
from analyzers.signal.frame_sketch import Sketches, sketched
from analyzers.signal.sudden_change import CutSettings
from media.needs import EveryFrame, FrameNeed, Needs
from media.types import FrameChunk
from schema.base import Model, Seconds, TimedSpan, UnitScore
from schema.document import TimelineItem

CutType = Literal["hard", "jump", "fade", "dissolve"]
TransitionKind = Literal["fade_in", "fade_out", "dissolve"]
PlainColour = Literal["black", "white", "other"]

BLACK_LUMA, WHITE_LUMA, NEUTRAL_CHROMA = 40.0, 215.0, 14.0
"""Plain colours up to this luma are called black, from that luma on white, each only this close to grey."""


class CutAnalysisConfig(AnalyzerConfig):
    """Settings of ``cut_analysis``."""

    short_side_px: Annotated[int, Field(ge=32, le=360)] = 96
    """Shorter side of the frames asked for. Pairs are compared at 64 px; 96 px is what other analyzers ask for too.
    Higher costs decode time and gains nothing measurable."""
    threshold: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.25
    """Share of the picture that must change suddenly for a hard cut. Over random edits of real clips F1 is flat (0.98)
    from 0.22 to 0.38; a jump cut of a talking head has about 0.5. Higher misses jump cuts, lower takes large stickers
    and strong motion for cuts."""
    block_floor: Annotated[float, Field(ge=0.0, le=100.0)] = 6.0
    """Smallest change of a block that counts, in levels summed over Y', Cb and Cr: twice the noise of a phone clip.
    Higher misses cuts between dark pictures."""
    block_contrast: Annotated[float, Field(ge=1.0, le=10.0)] = 1.3
    """Factor by which a block's change must exceed those just before and after it. Higher misses cuts in motion."""
    flash_s: Annotated[float, Field(ge=0.0, le=2.0)] = 0.35
    """A brightening after which the picture returns within this time is a flash and no cut. Photo flashes in news
    footage last one to five frames. Higher takes bright inserted shots for flashes."""
    jump_likeness: Annotated[float, Field(gt=0.0, le=1.0)] = 0.85
    """Correlation of both sides, after moving and re-framing, from which on a hard cut is a jump cut. Different people
    before one background reach 0.82, the same person after a cut 0.94. Higher calls fewer cuts jump cuts."""
    jump_colours: Annotated[float, Field(gt=0.0, le=200.0)] = 25.0
    """Largest distance of the colours of both sides of a jump cut, in levels over three channels. Higher calls more
    cuts jump cuts."""
    min_fade_s: Annotated[float, Field(ge=0.0, le=2.0)] = 0.12
    """Shortest fade, and at least three frames. Shorter ones are cuts."""
    max_fade_s: Annotated[float, Field(gt=0.0, le=30.0)] = 4.0
    """Longest fade followed from its plain colour. Higher takes slow changes of light for fades."""
    min_fade_range: Annotated[float, Field(gt=0.0, le=255.0)] = 12.0
    """Smallest distance of the full picture from the plain colour, in levels. Dark scenes reach 14. Lower finds fades
    of captions on black."""
    min_dissolve_s: Annotated[float, Field(ge=0.0, le=2.0)] = 0.16
    """Shortest dissolve, and at least five frames. Shorter blends are hard cuts."""
    max_dissolve_s: Annotated[float, Field(gt=0.0, le=30.0)] = 2.5
    """Longest dissolve looked for; editors' defaults are 0.5 to 1 s. Higher costs time."""
    dissolve_residual: Annotated[float, Field(gt=0.0, le=1.0)] = 0.3
    """Largest distance of mixed frames from the line between both shots, over the shots' distance. Still shots have
    0.02, moving ones up to 0.2. Higher takes motion for dissolves."""
    dissolve_likeness: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    """Shots that correlate more are one shot in changing light. Lower misses dissolves between like pictures."""
    min_dissolve_distance: Annotated[float, Field(gt=0.0, le=255.0)] = 10.0
    """Smallest distance of both shots, in levels. Higher misses dissolves between dark shots."""
    join_fades_s: Annotated[float, Field(ge=0.0, le=10.0)] = 1.0
    """A fade out and a fade in with no longer a plain stretch between them are one transition, else the plain stretch
    (a title card) is a shot of its own. Not yet tuned."""

    def settings(self) -> EditSettings:
        """Those that the search uses."""
        return EditSettings(
            cuts=CutSettings(self.threshold, self.block_floor, self.block_contrast, self.flash_s),
            fades=FadeSettings(self.min_fade_s, self.max_fade_s, self.min_fade_range),
            dissolves=DissolveSettings(
                self.min_dissolve_s,
                self.max_dissolve_s,
                self.dissolve_residual,
                self.dissolve_likeness,
                self.min_dissolve_distance,
            ),
            jump_likeness=self.jump_likeness,
            jump_colours=self.jump_colours,
            join_s=self.join_fades_s,
        )


class Cut(Model):
    """A border between two shots."""

    timestamp: Seconds
    """Time of the first frame of the new shot. Of a dissolve: of the first frame that shows more of the new shot than
    of the old one; of a fade: of the first frame that comes out of the plain colour."""
    frame: Annotated[int, Field(ge=0)]
    """Number of that frame among all decoded ones, from 0."""
    type: CutType
    score: UnitScore
    """Hard and jump: share of the picture that changed suddenly. Fade: share of the picture's contrast that it takes
    away. Dissolve: 1 - distance of its frames from a pure mixture of both shots."""
    likeness: UnitScore
    """Correlation of both shots, the later one moved and re-framed to fit the earlier."""
    start_time: Seconds | None = None
    """Start of a gradual transition; null for hard and jump cuts."""
    end_time: Seconds | None = None
    """End of a gradual transition; null for hard and jump cuts."""
    through: PlainColour | None = None
    """The plain colour between both shots of a fade."""


class Transition(TimedSpan):
    """A gradual transition; fades at the clip's start and end, and beside a hard cut, are here and no ``Cut``."""

    kind: TransitionKind
    score: UnitScore
    plain: PlainColour | None = None
    """Of a fade: the colour it comes from or goes to."""
    complete: bool = True
    """False for a fade that the clip's start, its end or a cut breaks off before the plain colour."""
    first_frame: Annotated[int, Field(ge=0)]
    end_frame: Annotated[int, Field(ge=0)]
    """First frame after it."""


class Shot(TimedSpan):
    """What lies between two cuts; all shots together tile the video."""

    index: Annotated[int, Field(ge=0)]
    first_frame: Annotated[int, Field(ge=0)]
    end_frame: Annotated[int, Field(ge=0)]
    """First frame of the next shot."""
    entered_by: CutType | None = None
    """The cut that begins it; null for the first."""


class CutAnalysisResult(AnalyzerResult):
    """Cuts, gradual transitions and shots, each sorted by time."""

    cuts: tuple[Cut, ...]
    transitions: tuple[Transition, ...]
    shots: tuple[Shot, ...]
    cuts_per_minute: Annotated[float, Field(ge=0.0)]
    cuts_by_type: dict[CutType, int]
    mean_shot_length_s: Annotated[float, Field(gt=0.0)]
    median_shot_length_s: Annotated[float, Field(gt=0.0)]


class CutAnalysis(Analyzer[CutAnalysisConfig, FrameChunk, Sketches, CutAnalysisResult]):
    """Finds cuts, fades, dissolves and the shots between them."""

    name = "cut_analysis"
    version = "4"
    title = "Cuts, fades, dissolves and shots"
    Config = CutAnalysisConfig
    Result = CutAnalysisResult

    def __init__(self, config: CutAnalysisConfig) -> None:
        super().__init__(config)
        self._meter: ChangeMeter | None = None

    def needs(self) -> Needs:
        """Every frame, small, in colour."""
        return Needs(frames=(FrameNeed(EveryFrame(), self.config.short_side_px),))

    def load(self) -> None:
        """Imports OpenCV and makes the flow method."""
        self._meter = ChangeMeter()

    def observe(self, chunks: Sequence[FrameChunk]) -> list[Sketches]:
        """Shrinks each chunk's frames, and keeps those that a cut may lie between."""
        return [sketched(chunk.batch) for chunk in chunks]

    def conclude(self, observations: Sequence[Sketches], context: Context) -> CutAnalysisResult:
        """Finds the borders over the whole clip.

        Raises:
            NotApplicable: The video has one picture only.
        """
        seen = [part for part in observations if len(part)]
        if sum(len(part) for part in seen) < 2:
            raise NotApplicable("single_frame", "cuts need at least two pictures")
        sketches = Sketches.joined(seen)
        meter = self._meter = self._meter or ChangeMeter()
        cuts: list[Cut] = []
        transitions: list[Transition] = []
        for run in _runs(sketches):
            found = edit_points(run, meter, self.config.settings())
            cuts += [_cut(run, border, context) for border in found.borders]
            transitions += _transitions(run, found, context)
        duration_s = context.video.duration_s
        cuts = [cut for cut in cuts if 0.0 < cut.timestamp < duration_s]
        shots = _shots(cuts, int(sketches.index[-1]) + 1, duration_s)
        lengths = [shot.duration_s for shot in shots]
        return CutAnalysisResult(
            cuts=tuple(cuts),
            transitions=tuple(sorted(transitions, key=lambda t: t.start_time)),
            shots=tuple(shots),
            cuts_per_minute=60.0 * len(cuts) / duration_s,
            cuts_by_type={kind: n for kind in _TYPES if (n := sum(cut.type == kind for cut in cuts))},
            mean_shot_length_s=float(np.mean(lengths)),
            median_shot_length_s=float(np.median(lengths)),
        )

    def timeline(self, result: CutAnalysisResult) -> list[TimelineItem]:
        """Each cut at the frame where the new shot begins, each gradual transition with its span."""
        items = [TimelineItem.of(t, "seen", self.name, t.kind.replace("_", " "), t.score) for t in result.transitions]
        for cut, shot in zip(result.cuts, result.shots[1:], strict=True):
            if cut.type in ("hard", "jump"):
                end_s = min(cut.timestamp + _MARK_S, shot.end_time)
                items.append(
                    TimelineItem(
                        start_time=cut.timestamp,
                        end_time=end_s,
                        channel="seen",
                        analyzer=self.name,
                        label=f"{cut.type} cut",
                        score=cut.score,
                    )
                )
        return sorted(items, key=lambda item: item.start_time)

    def headline(self, result: CutAnalysisResult) -> str:
        """How many cuts of which kinds, and how long the shots are."""
        if not result.cuts:
            return f"No cuts: one shot of {result.shots[0].duration_s:.1f} s."
        kinds = ", ".join(f"{count} {kind}" for kind, count in result.cuts_by_type.items())
        plural = "s" if len(result.cuts) > 1 else ""
        return (
            f"{len(result.cuts)} cut{plural} ({kinds}), {result.cuts_per_minute:.1f} per minute; "
            f"shots of {result.mean_shot_length_s:.1f} s on average."
        )


_TYPES: tuple[CutType, ...] = ("hard", "jump", "fade", "dissolve")

_MARK_S = 0.04
"""Length of a cut's mark on the time line: about a frame, since a span is never empty."""


def _runs(sketches: Sketches) -> list[Sketches]:
    """Stretches without a missing frame, of at least two frames."""
    breaks = np.flatnonzero(np.diff(sketches.index) != 1) + 1
    edges = [0, *breaks.tolist(), len(sketches)]
    return [sketches.part(a, b) for a, b in pairwise(edges) if b - a > 1]


def _time_s(run: Sketches, frame: int, context: Context) -> float:
    """Time of a frame of the run; the end of the video after the last one."""
    if frame < len(run):
        return max(0.0, float(run.pts_s[frame]))
    last_gap_s = float(run.pts_s[-1] - run.pts_s[-2])
    return min(float(run.pts_s[-1]) + last_gap_s, context.video.duration_s)


def _plain(colour: tuple[float, float, float]) -> PlainColour:
    luma, *chroma = colour
    if max(abs(c - 128.0) for c in chroma) <= NEUTRAL_CHROMA:
        if luma <= BLACK_LUMA:
            return "black"
        if luma >= WHITE_LUMA:
            return "white"
    return "other"


def _cut(run: Sketches, border: Border, context: Context) -> Cut:
    return Cut(
        timestamp=_time_s(run, border.frame, context),
        frame=int(run.index[border.frame]),
        type=border.kind,
        score=border.score,
        likeness=border.likeness,
        start_time=None if border.start is None else _time_s(run, border.start, context),
        end_time=None if border.end is None else _time_s(run, border.end, context),
        through=None if border.colour is None else _plain(border.colour),
    )


def _transitions(run: Sketches, found: EditPoints, context: Context) -> list[Transition]:
    out: list[Transition] = []
    items: list[Fade | Dissolve] = [*found.fades, *found.dissolves]
    for item in items:
        span = context.span(_time_s(run, item.start, context), _time_s(run, item.end, context))
        if span is not None:
            out.append(_transition(run, item, span))
    return out


def _transition(run: Sketches, item: Fade | Dissolve, span: tuple[float, float]) -> Transition:
    first = int(run.index[item.start])
    end = first + item.end - item.start
    if isinstance(item, Dissolve):
        return Transition(
            start_time=span[0],
            end_time=span[1],
            kind="dissolve",
            score=1.0 - min(item.residual, 1.0),
            first_frame=first,
            end_frame=end,
        )
    return Transition(
        start_time=span[0],
        end_time=span[1],
        kind="fade_in" if item.direction == "in" else "fade_out",
        score=item.score,
        plain=_plain(item.colour),
        complete=item.complete,
        first_frame=first,
        end_frame=end,
    )


def _shots(cuts: Sequence[Cut], frames: int, duration_s: float) -> list[Shot]:
    starts = [0.0, *(cut.timestamp for cut in cuts), duration_s]
    first = [0, *(cut.frame for cut in cuts), frames]
    kinds: list[CutType | None] = [None, *(cut.type for cut in cuts)]
    return [
        Shot(
            index=i,
            start_time=starts[i],
            end_time=starts[i + 1],
            first_frame=first[i],
            end_frame=first[i + 1],
            entered_by=kinds[i],
        )
        for i in range(len(kinds))
    ]
