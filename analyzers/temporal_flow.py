"""Temporal flow: hook, pacing, energy, story, calls to action, loop, cuts on beats - what holds its viewer.

Nearly all of it is read from other analyzers' results; what one of them could not give is left null and named in
``missing``. Own pictures are looked at only to see whether the last frame leads into the first.

Method
    * hook: the first three seconds, the span over which platforms count a view as held (TikTok Ads Manager reports
      2- and 6-second views, Meta "3-second video plays"); strength is the share of its known elements that are there;
    * energy: mean of motion, cut rate and loudness, each on a fixed scale (``Scale``), so that videos can be compared;
      the three are the arousal features of Hanjalic and Xu, "Affective video content representation and modeling",
      IEEE Transactions on Multimedia 7 (2005);
    * story: the stretch around the highest smoothed energy is the peak; the parts before and behind follow from it;
    * calls to action: lists of phrases in nine languages (``analyzers/signal/calls_to_action.py``, sources there);
    * cuts on beats: share within 70 ms of a beat, the window of beat-tracking evaluation (Davies, Degara and Plumbley
      2009), beside the share that random times would reach and the binomial probability of chance;
    * loop: jump from the last to the first frame against the motion at both ends, and SSIM (Wang et al. 2004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from analyzers.base import Analyzer, AnalyzerConfig, Context, NotApplicable
from analyzers.results.temporal_flow import (
    BeatCuts,
    CallToAction,
    Loop,
    PacePoint,
    Pacing,
    Part,
    StoryArc,
    TemporalFlowResult,
)
from analyzers.signal.calls_to_action import find_calls
from analyzers.signal.pacing import (
    JoinSettings,
    Scale,
    beat_alignment,
    join,
    length_trend,
    share,
    shot_lengths,
    smoothed,
    story,
    windows,
)
from analyzers.story.energy import STEP_S, EnergyCurve
from analyzers.story.hook import HookSettings, build_hook
from analyzers.story.inputs import DESCRIBED, EFFECTS, FACES, INPUTS, TRANSCRIPT, Inputs, read_inputs
from media.needs import EveryFrame, FrameNeed, Needs
from media.types import Float64Array, FrameBatch, FrameChunk
from schema.base import TimedSpan
from schema.document import Channel, TimelineItem

NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
END_S = 0.5
"""Stretch at both ends whose motion a seamless join may go on with."""

THUMB_PX = 48
"""Shorter side of the pictures that are compared for the loop: composition and colour without texture."""


class TemporalFlowConfig(AnalyzerConfig):
    """Settings of ``temporal_flow``."""

    hook_s: Annotated[float, Field(ge=0.5, le=10.0)] = 3.0
    """Length of the hook. Three seconds is what platforms count as a held view."""
    soon_s: Annotated[float, Field(ge=0.1, le=10.0)] = 1.0
    """Speech, text and a face count as elements of the hook when they are there by then. Not yet tuned. Higher counts
    more."""
    hook_loudness_lu: Annotated[float, Field(ge=-30.0, le=30.0)] = -1.0
    """The hook is loud when it is at least so much louder than the whole clip: 1 LU below is the least difference that
    is heard. Not yet tuned."""
    window_s: Annotated[float, Field(ge=1.0, le=60.0)] = 5.0
    """Window of the pacing curve. Higher is smoother."""
    window_step_s: Annotated[float, Field(ge=0.25, le=60.0)] = 1.0
    """Step of the pacing curve: one value a second."""
    trend_factor: Annotated[float, Field(gt=1.0, le=10.0)] = 1.25
    """Shots of the second half against those of the first: from this factor on the pace changes. Not yet tuned."""
    motion_half: Annotated[float, Field(gt=0.0, le=10.0)] = 0.25
    """Speed of camera and subject together, in picture units per second, that counts as half of the highest motion:
    the picture is replaced every four seconds. Not yet tuned. Higher lowers the motion part of the energy."""
    cuts_half_per_s: Annotated[float, Field(gt=0.0, le=30.0)] = 0.5
    """Cuts per second that count as half of the highest cut rate: a shot of two seconds. Not yet tuned."""
    cuts_reach_s: Annotated[float, Field(ge=0.25, le=10.0)] = 1.5
    """Cuts within this time around a moment make its cut rate. Higher is smoother."""
    min_known_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.6
    """A component of the energy that is known for less of the time is left out, and named in ``missing``. Higher leaves
    gaps in the curve less often and leaves out more."""
    quiet_lufs: Annotated[float, Field(ge=-70.0, le=-20.0)] = -40.0
    """Loudness that counts as none: a whisper in a recording that is otherwise at -14 LUFS. Not yet tuned."""
    loud_lufs: Annotated[float, Field(ge=-19.0, le=0.0)] = -10.0
    """Loudness that counts as the highest: above the -14 LUFS that platforms level to. Not yet tuned."""
    smooth_s: Annotated[float, Field(ge=0.5, le=30.0)] = 2.5
    """Window of the running mean before the story's parts are found. Higher gives fewer, broader peaks."""
    flat_range: Annotated[float, Field(gt=0.0, le=1.0)] = 0.12
    """A smaller range of the smoothed energy has no peak. Not yet tuned. Higher calls more clips flat."""
    peak_depth: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.25
    """The peak reaches down this far into the range. Higher makes it longer. Not yet tuned."""
    beat_tolerance_s: Annotated[float, Field(ge=0.01, le=0.5)] = 0.07
    """A cut this near to a beat is on it; the window of beat-tracking evaluation. Higher raises both shares."""
    beat_p_value: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    """Cuts follow the beat when chance gives so many on beats less often than this. Lower is stricter."""
    loop_least_jump: Annotated[float, Field(ge=0.0, le=50.0)] = 2.0
    """Mean grey-level difference (of 255) of the last and the first frame that is no jump: compression alone gives
    about 1. Higher finds more loops."""
    loop_jump_factor: Annotated[float, Field(ge=1.0, le=20.0)] = 2.0
    """A jump up to this multiple of the usual one at the clip's ends is their motion going on. Not yet tuned."""
    loop_similar: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    """Structural similarity of last and first frame from which on they are alike. Not yet tuned."""
    short_side_px: Annotated[int, Field(ge=32, le=360)] = 96
    """Size of the frames asked for: that of ``cut_analysis``, whose pictures are then shared."""

    def scale(self) -> Scale:
        """How motion, cuts and loudness become numbers in [0, 1]."""
        return Scale(self.motion_half, self.cuts_half_per_s, self.quiet_lufs, self.loud_lufs)

    def hook_settings(self) -> HookSettings:
        """Those of the hook."""
        return HookSettings(self.hook_s, self.soon_s, self.motion_half, self.hook_loudness_lu, self.quiet_lufs)

    def join_settings(self) -> JoinSettings:
        """Those of the loop."""
        return JoinSettings(self.loop_least_jump, self.loop_jump_factor, self.loop_similar, black=24.0)


@dataclass(frozen=True)
class FlowObservation:
    """One chunk: its first and last picture, and how far its pictures change.

    Attributes:
        start_s: Time of the first own frame.
        end_s: Time of the last.
        first: uint8 (H, W), small.
        last: uint8 (H, W), small.
        jumps: float32 (N,), mean absolute grey difference to the frame before.
        jump_times_s: Time of the later frame of each.
    """

    start_s: float
    end_s: float
    first: npt.NDArray[np.uint8]
    last: npt.NDArray[np.uint8]
    jumps: npt.NDArray[np.float32]
    jump_times_s: Float64Array


class TemporalFlow(Analyzer[TemporalFlowConfig, FrameChunk, FlowObservation | None, TemporalFlowResult]):
    """Hook, pacing, energy, story, calls to action, loop and cuts on beats."""

    name = "temporal_flow"
    version = "4"
    title = "Hook, pacing, energy curve, story arc, calls to action, loop, cuts on beats"
    Config = TemporalFlowConfig
    Result = TemporalFlowResult
    after = INPUTS
    uses = (TRANSCRIPT, *DESCRIBED, FACES, *EFFECTS)

    def needs(self) -> Needs:
        """Every frame, as ``cut_analysis`` has them: the last one counts."""
        return Needs(frames=(FrameNeed(EveryFrame(), self.config.short_side_px, "rgb"),))

    def load(self) -> None:
        """Imports what the conclusion uses."""
        import cv2  # noqa: F401
        import scipy.ndimage
        import scipy.stats  # noqa: F401

    def observe(self, chunks: Sequence[FrameChunk]) -> list[FlowObservation | None]:
        """First and last picture and the changes between, per chunk; None for a chunk without own frames."""
        return [_observed(chunk.batch) for chunk in chunks]

    def conclude(self, observations: Sequence[FlowObservation | None], context: Context) -> TemporalFlowResult:
        """Reads the other results and puts them together.

        Raises:
            NotApplicable: ``too_short``: not even two frames.
        """
        seen = [o for o in observations if o is not None]
        if not seen or seen[0].start_s == seen[-1].end_s or context.video.duration_s <= 0.0:
            raise NotApplicable("too_short", "A flow needs at least two frames.")
        inputs = read_inputs(context)
        duration_s = context.video.duration_s
        energy = EnergyCurve(
            inputs, duration_s, self.config.scale(), self.config.cuts_reach_s, self.config.min_known_share
        )
        return TemporalFlowResult(
            hook=build_hook(inputs, energy, seen[0].first, duration_s, self.config.hook_settings()),
            pacing=self._pacing(inputs, duration_s),
            text_share=share(inputs.text_spans, 0.0, duration_s),
            speech_share=share(inputs.speech, 0.0, duration_s),
            words_per_minute=inputs.words_per_minute,
            syllables_per_s=inputs.syllables_per_s,
            energy=tuple(energy.points()),
            mean_energy=energy.mean(0.0, duration_s),
            story=self._story(inputs, energy, duration_s),
            calls_to_action=_calls(inputs),
            loop=self._loop(seen, energy),
            beat_cuts=self._beat_cuts(inputs, duration_s),
            missing=(*inputs.missing, *energy.left_out),
        )

    def timeline(self, result: TemporalFlowResult) -> list[TimelineItem]:
        """Hook, build, peak and calls to action."""
        items = [self._item(result.hook, "seen", "hook", result.hook.strength)]
        if result.story:
            items += [
                self._item(p, "seen", f"energy {p.name}", p.energy)
                for p in result.story.parts
                if p.name in ("build", "peak")
            ]
        items += [
            self._item(c, c.channel, f"call to action: {c.kind.replace('_', ' ')}", None)
            for c in result.calls_to_action or ()
        ]
        return sorted(items, key=lambda item: (item.start_time, item.end_time))

    def _item(self, span: TimedSpan, channel: Channel, label: str, score: float | None) -> TimelineItem:
        return TimelineItem.of(span, channel, self.name, label, score)

    def headline(self, result: TemporalFlowResult) -> str:
        """Hook, pace, arc, calls and loop, as far as known."""
        parts = []
        if result.hook.strength is not None:
            there = [name for name, present in result.hook.elements.items() if present]
            parts.append(f"hook {result.hook.strength:.0%} ({', '.join(there) or 'none of its elements'})")
        if result.pacing:
            parts.append(f"{result.pacing.cuts_per_minute:.0f} cuts/min")
        if result.story and result.story.arc != "flat":
            parts.append(f"highest energy at {result.story.peak_timestamp:.1f} s")
        if result.calls_to_action:
            kinds = dict.fromkeys(c.kind.replace("_", " ") for c in result.calls_to_action)
            parts.append(f"asks to {', '.join(kinds)}")
        parts.append(f"loop: {result.loop.kind.replace('_', ' ')}")
        return f"Flow: {'; '.join(parts)}."

    def _pacing(self, inputs: Inputs, duration_s: float) -> Pacing | None:
        if inputs.cuts_s is None:
            return None
        lengths = shot_lengths(inputs.cuts_s, duration_s)
        return Pacing(
            cuts=len(lengths) - 1,
            cuts_per_minute=60.0 * (len(lengths) - 1) / duration_s,
            shot_lengths_s=tuple(lengths),
            mean_shot_length_s=float(np.mean(lengths)),
            median_shot_length_s=float(np.median(lengths)),
            shortest_shot_length_s=min(lengths),
            longest_shot_length_s=max(lengths),
            trend=length_trend(lengths, self.config.trend_factor),
            curve=tuple(
                PacePoint(
                    start_time=a,
                    end_time=b,
                    cuts_per_minute=60.0 * sum(a <= c < b for c in inputs.cuts_s) / (b - a),
                )
                for a, b in windows(duration_s, self.config.window_s, self.config.window_step_s)
            ),
        )

    def _story(self, inputs: Inputs, energy: EnergyCurve, duration_s: float) -> StoryArc | None:
        config = self.config
        width = 2 * round(config.smooth_s / STEP_S / 2) + 1
        smooth = smoothed(energy.values, width)
        found = story(smooth, STEP_S, duration_s, config.flat_range, config.peak_depth, config.hook_s)
        if found is None:
            return None
        return StoryArc(
            arc=found.arc,
            energy_range=min(1.0, found.range),
            peak_timestamp=min((int(np.nanargmax(smooth)) + 0.5) * STEP_S, duration_s),
            parts=tuple(
                Part(
                    start_time=a,
                    end_time=b,
                    name=name,
                    energy=energy.mean(a, b),
                    motion=energy.motion_score(a, b),
                    cuts=None if inputs.cuts_s is None else sum(a <= c < b for c in inputs.cuts_s),
                    loudness_lufs=energy.loudness_mean(a, b),
                    speech_share=share(inputs.speech, a, b),
                    text_share=share(inputs.text_spans, a, b),
                )
                for name, a, b in found.parts
            ),
        )

    def _loop(self, seen: Sequence[FlowObservation], energy: EnergyCurve) -> Loop:
        jumps = np.concatenate([o.jumps for o in seen]).astype(np.float64)
        times = np.concatenate([o.jump_times_s for o in seen])
        at_ends = (times <= seen[0].start_s + END_S) | (times > seen[-1].end_s - END_S)
        found = join(seen[0].first, seen[-1].last, jumps[at_ends], self.config.join_settings())
        return Loop(
            kind=found.kind,
            similarity=found.similarity,
            jump=found.jump,
            usual_jump=found.usual_jump,
            loudness_jump_lu=energy.loudness_jump(),
        )

    def _beat_cuts(self, inputs: Inputs, duration_s: float) -> BeatCuts | None:
        if not inputs.cuts_s or not inputs.beats_s:
            return None
        found = beat_alignment(inputs.cuts_s, inputs.beats_s, self.config.beat_tolerance_s, duration_s)
        if found is None:
            return None
        return BeatCuts(
            cuts=found.cuts,
            on_beat=found.on_beat,
            share=found.on_beat / found.cuts,
            expected_share=found.expected_share,
            p_value=found.p_value,
            follows_beat=found.p_value < self.config.beat_p_value,
        )


def _observed(batch: FrameBatch) -> FlowObservation | None:
    import cv2

    if not len(batch):
        return None
    factor = max(1.0, min(batch.width, batch.height) / THUMB_PX)
    size = (max(8, round(batch.width / factor)), max(8, round(batch.height / factor)))
    thumbs = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in batch.frames]
    greys = [t if t.ndim == 2 else cv2.cvtColor(t, cv2.COLOR_RGB2GRAY) for t in thumbs]
    jumps = [float(cv2.norm(a, b, cv2.NORM_L1)) / a.size for a, b in pairwise(greys)]
    return FlowObservation(
        start_s=float(batch.own_pts_s[0]),
        end_s=float(batch.own_pts_s[-1]),
        first=greys[batch.carried],
        last=greys[-1],
        jumps=np.array(jumps, np.float32),
        jump_times_s=batch.pts_s[1:].copy(),
    )


def _calls(inputs: Inputs) -> tuple[CallToAction, ...] | None:
    """Calls in what is written and in what is said; None when neither is known."""
    if inputs.written is None and not inputs.words_known:
        return None
    written = [(w.start_s, w.end_s, "written", w.text) for w in inputs.written or ()]
    said = [(s.start_time, s.end_time, "said", s.text) for s in inputs.said or ()]
    found = [
        CallToAction(
            start_time=start_s,
            end_time=end_s,
            kind=call.kind,
            channel="said" if channel == "said" else "written",
            text=text,
            phrase=call.phrase,
            language=call.language,
        )
        for start_s, end_s, channel, text in (*written, *said)
        for call in find_calls(text)
    ]
    return tuple(sorted(found, key=lambda c: (c.start_time, c.end_time, c.kind)))
