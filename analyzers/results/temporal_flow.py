"""Result of ``temporal_flow``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyzers.base import AnalyzerResult
from analyzers.signal.calls_to_action import CallKind
from analyzers.signal.pacing import Arc, LoopKind, PartName, Trend
from analyzers.story.energy import EnergyPoint
from analyzers.story.hook import Hook
from schema.base import Finite, Model, Seconds, TimedSpan, UnitScore

NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class PacePoint(TimedSpan):
    """Cut rate in one window."""

    cuts_per_minute: NotNegative


class Pacing(Model):
    """Shots and cuts."""

    cuts: Annotated[int, Field(ge=0)]
    cuts_per_minute: NotNegative
    shot_lengths_s: tuple[Positive, ...]
    """In order."""
    mean_shot_length_s: Positive
    median_shot_length_s: Positive
    shortest_shot_length_s: Positive
    longest_shot_length_s: Positive
    trend: Trend | None
    """Whether shots get shorter; null below four shots."""
    curve: tuple[PacePoint, ...]


class Part(TimedSpan):
    """A part of the story with the evidence for it."""

    name: PartName
    energy: UnitScore | None
    motion: UnitScore | None
    cuts: Annotated[int, Field(ge=0)] | None
    loudness_lufs: Finite | None
    speech_share: UnitScore | None
    text_share: UnitScore | None


class StoryArc(Model):
    """Beginning, build, peak and end by energy."""

    arc: Arc
    energy_range: UnitScore
    """Highest less lowest smoothed energy; below ``flat_range`` there is no peak."""
    peak_timestamp: Seconds
    """Of the highest smoothed energy."""
    parts: tuple[Part, ...]
    """Without gaps over the clip; empty for a flat one. A part that would be empty is left out."""


class CallToAction(TimedSpan):
    """Something that asks the viewer to act."""

    kind: CallKind
    channel: Literal["said", "written"]
    text: str
    phrase: str
    """Of the list, that was found."""
    language: str
    """Of that list (ISO 639-1)."""


class Loop(Model):
    """Whether the last frame leads into the first."""

    kind: LoopKind
    similarity: UnitScore
    """Structural similarity of last and first frame."""
    jump: NotNegative
    """Mean difference of their grey levels, of 255."""
    usual_jump: NotNegative
    """Median of the same between neighbouring frames in the first and the last half second."""
    loudness_jump_lu: NotNegative | None
    """Between the last and the first half second; null without sound there."""


class BeatCuts(Model):
    """Cuts against the beats of the music."""

    cuts: Annotated[int, Field(ge=1)]
    """Where there are beats."""
    on_beat: Annotated[int, Field(ge=0)]
    share: UnitScore
    expected_share: UnitScore
    """That cuts at random times would reach."""
    p_value: UnitScore
    """Probability that chance gives as many."""
    follows_beat: bool


class TemporalFlowResult(AnalyzerResult):
    """How the video runs. Lists are sorted by time; null is what could not be known, ``missing`` says why."""

    hook: Hook
    pacing: Pacing | None
    text_share: UnitScore | None
    """Share of the clip with text on screen that the maker added (no watermarks, no signs in the scene)."""
    speech_share: UnitScore | None
    words_per_minute: NotNegative | None
    """Null without a transcript."""
    syllables_per_s: NotNegative | None
    """While speaking."""
    energy: tuple[EnergyPoint, ...]
    mean_energy: UnitScore | None
    story: StoryArc | None
    calls_to_action: tuple[CallToAction, ...] | None
    """Null when neither words nor text are known."""
    loop: Loop
    beat_cuts: BeatCuts | None
    missing: tuple[str, ...]
    """Inputs that were not there, with the reason."""
