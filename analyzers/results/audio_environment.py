"""Result of ``audio_environment``, and the name of a sound at a moment for those that read it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from analyzers.base import AnalyzerResult, Context
from analyzers.signal.audioset import CARRIERS, NO_SOUND, Setting, SoundKind
from schema.base import Model, TimedSpan, UnitScore


class SoundEvent(TimedSpan):
    """A stretch in which a class is heard, to the step of the windows."""

    sound_class: str
    """As AudioSet names it."""
    kind: SoundKind
    """Branch of the ontology."""
    confidence: UnitScore
    """Highest probability in the stretch."""
    mean_probability: UnitScore


class SoundWindow(TimedSpan):
    """One step: the most probable classes in the window around it."""

    classes: dict[str, UnitScore]
    """Class to probability, most probable first. Classes do not exclude each other."""
    kinds: dict[str, SoundKind]
    """Class to branch."""


class PlaceScore(Model):
    """How much speaks for one kind of place."""

    place: str
    setting: Setting | None
    """Null for places that may be under a roof or not."""
    score: UnitScore
    """Mean over time of the most probable of its classes."""
    evidence: dict[str, UnitScore]
    """Its three classes with the highest mean probability."""


class AudioEnvironmentResult(AnalyzerResult):
    """What is heard, and where that may be. Events and windows are sorted by time."""

    events: tuple[SoundEvent, ...]
    windows: tuple[SoundWindow, ...]
    """They tile the sound."""
    window_s: Annotated[float, Field(gt=0.0)]
    """Length of sound that each step was judged by; a step is its middle."""
    mean_probabilities: dict[str, UnitScore]
    """The most probable classes of the whole sound, most probable first."""
    environment: str | None
    """The place with the highest score; null where none reaches ``place_from``."""
    environment_score: UnitScore | None
    setting: Setting | None
    """Indoor or outdoor, by the best place of each; null where neither reaches ``place_from`` or both are close."""
    setting_score: UnitScore | None
    places: tuple[PlaceScore, ...]
    """Every place, highest score first."""


def environment_of(context: Context) -> AudioEnvironmentResult | None:
    """The result, where there is one."""
    found = context.results.get("audio_environment")
    return found if isinstance(found, AudioEnvironmentResult) else None


def name_at(environment: AudioEnvironmentResult, time_s: float, least: float) -> tuple[str, float] | None:
    """The most probable class that names a single sound at this moment; None where none is probable enough.

    Args:
        environment: With windows.
        time_s: On the video's time line.
        least: Lowest probability.

    Returns:
        The class and its probability.
    """
    window = next((w for w in environment.windows if w.start_time <= time_s < w.end_time), None)
    if window is None:
        return None
    found = [
        (name, score)
        for name, score in window.classes.items()
        if window.kinds[name] not in CARRIERS and name not in NO_SOUND and score >= least
    ]
    return max(found, key=lambda entry: entry[1], default=None)
