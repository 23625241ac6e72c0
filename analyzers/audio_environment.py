"""Audio environment: what is heard from second to second, and which place that speaks for.

Method
    * classes: the Audio Spectrogram Transformer (Gong, Chung and Glass, "AST: audio spectrogram transformer",
      Interspeech 2021), trained on the 527 classes of AudioSet, over windows that overlap; each window's probabilities
      stand for the step at its middle. Classes do not exclude each other;
    * events: a class that reaches ``event_from`` and stays over ``event_until`` (hysteresis);
    * place: for every place of a table (``analyzers/signal/audioset.py``) the mean over time of the most probable of
      its classes; the highest is the environment if it reaches ``place_from``.

What it is not good at
    * times are exact to a step, not to the sound: ``sound_effects`` has the moments;
    * music over everything hides the place; then no place is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from typing_extensions import Self

from analyzers.base import AnalyzerConfig, Context, NotApplicable
from analyzers.inference.sound_analyzer import SoundAnalyzer
from analyzers.results.audio_environment import AudioEnvironmentResult, PlaceScore, SoundEvent, SoundWindow
from analyzers.signal.audioset import PLACES, Setting, kinds_of
from analyzers.signal.speech import RATE_HZ, hysteresis
from media.types import AudioChunk, AudioClip, Float32Array, Float64Array
from schema.document import TimelineItem

ModelName = Literal["ast-audioset"]

LEAST_SOUND_S = 0.1
"""Less sound is not judged: the model's first filters need 25 ms, and nothing is recognised in ten frames."""

LISTED, LISTED_FROM = 10, 0.02
"""Classes listed for each window, and the probability that they reach: enough to name a sound, small enough to read."""

EVIDENCE = 3
"""Classes listed for each place."""

UNSHOWN = frozenset({"Speech", "Music", "Musical instrument", "Silence"})
"""Classes that stay off the time line: ``audio_analysis`` says the same with better times."""


class AudioEnvironmentConfig(AnalyzerConfig):
    """Settings of ``audio_environment``."""

    model: ModelName = "ast-audioset"
    """Name of the pinned model; there is one."""
    window_s: Annotated[float, Field(ge=1.0, le=10.24)] = 5.0
    """Sound that is judged at once. The model learned from 10.24 s, its longest; shorter windows place a sound better
    and know less of it. Not yet tuned."""
    hop_s: Annotated[float, Field(ge=0.5, le=10.24)] = 1.25
    """Step of the windows and so of all times: four steps to a window. Higher is cheaper and coarser."""
    windows_per_batch: Annotated[int, Field(ge=1, le=128)] = 16
    """Windows, of one video or several, that are judged at once. Higher fills a GPU and costs memory in proportion."""
    event_from: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.3
    """Probability that opens an event. Not yet tuned. Higher finds fewer, surer events."""
    event_until: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.15
    """Probability below which an event ends: half of the default that opens it. Higher parts more events."""
    place_from: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Score from which on a place is named. Not yet tuned. Higher leaves more clips without a place."""
    setting_factor: Annotated[float, Field(ge=1.0, le=10.0)] = 1.25
    """Indoor and outdoor are told apart where the better score is this many times the other's. Not yet tuned. Higher
    leaves more clips undecided."""
    chunks_per_batch: Annotated[int, Field(ge=1, le=32)] = 4
    """Videos whose windows are batched together when that many wait. Higher fills batches better under load."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.event_until > self.event_from:
            raise ValueError(f"event_until must be at most event_from, got {self.event_until} and {self.event_from}")
        if self.hop_s > self.window_s:
            raise ValueError(f"hop_s must be at most window_s, got {self.hop_s} and {self.window_s}")
        return self


@dataclass(frozen=True, eq=False)
class ClassesHeard:
    """One sound track.

    Attributes:
        edges_s: float64 (W + 1,), borders of the steps on the video's time line; empty for a track that is too short.
        window_s: Length of the windows.
        classes: Names of the columns.
        probabilities: float16 (W, C).
    """

    edges_s: Float64Array
    window_s: float
    classes: tuple[str, ...]
    probabilities: npt.NDArray[np.float16]


class AudioEnvironment(SoundAnalyzer[AudioEnvironmentConfig, ClassesHeard, AudioEnvironmentResult]):
    """Sound events and the place they speak for."""

    name = "audio_environment"
    version = "2"
    title = "Sound events by the classes of AudioSet, and the place they speak for"
    Config = AudioEnvironmentConfig
    Result = AudioEnvironmentResult
    models = ("ast-audioset",)
    load_fields = frozenset({"model"})

    def load(self) -> None:
        """Loads the model.

        Raises:
            Unavailable: ``weights_missing``.
        """
        self.open_classifier(self.config.model, "any")

    def observe(self, chunks: Sequence[AudioChunk]) -> list[ClassesHeard]:
        """Judges the windows of all tracks together."""
        cut = [windows_of(chunk.clip, self.config.window_s, self.config.hop_s) for chunk in chunks]
        rows = self._classifier.probabilities(
            [sound for sounds, _ in cut for sound in sounds], self.config.windows_per_batch
        )
        observed, begin = [], 0
        for sounds, edges_s in cut:
            own = rows[begin : begin + len(sounds)].astype(np.float16)
            length_s = len(sounds[0]) / RATE_HZ if sounds else 0.0
            observed.append(ClassesHeard(edges_s, length_s, self._classifier.classes, own))
            begin += len(sounds)
        return observed

    def conclude(self, observations: Sequence[ClassesHeard], context: Context) -> AudioEnvironmentResult:
        """Events and place.

        Raises:
            NotApplicable: ``no_audio``, also for a track with less than a tenth of a second.
        """
        heard = observations[0] if observations else None
        inside = _inside(heard, context) if heard is not None else None
        if heard is None or inside is None:
            raise NotApplicable("no_audio", f"The file has no sound, or less than {LEAST_SOUND_S:g} s of it.")
        edges_s, scores = inside
        lengths_s = np.diff(edges_s)
        mean = np.average(scores, axis=0, weights=lengths_s)
        places = _places(heard.classes, scores, lengths_s, mean)
        best = places[0]
        named = best.score >= self.config.place_from
        setting, setting_score = self._setting(places)
        order = np.argsort(-mean)[:LISTED]
        return AudioEnvironmentResult(
            events=tuple(self._events(heard.classes, edges_s, scores)),
            windows=tuple(_windows(heard.classes, edges_s, scores)),
            window_s=heard.window_s,
            mean_probabilities={heard.classes[k]: float(mean[k]) for k in order},
            environment=best.place if named else None,
            environment_score=best.score if named else None,
            setting=setting,
            setting_score=setting_score,
            places=tuple(places),
        )

    def _events(self, classes: Sequence[str], edges_s: Float64Array, scores: Float64Array) -> list[SoundEvent]:
        kinds = kinds_of(classes)
        found = []
        for column in map(int, np.flatnonzero(scores.max(axis=0) >= self.config.event_from)):
            name = classes[column]
            if kinds[name] == "place":
                continue
            for begin, end in hysteresis(scores[:, column], self.config.event_from, self.config.event_until):
                part = scores[begin:end, column]
                found.append(
                    SoundEvent(
                        start_time=float(edges_s[begin]),
                        end_time=float(edges_s[end]),
                        sound_class=name,
                        kind=kinds[name],
                        confidence=float(part.max()),
                        mean_probability=float(part.mean()),
                    )
                )
        return sorted(found, key=lambda e: (e.start_time, -e.confidence, e.sound_class))

    def _setting(self, places: Sequence[PlaceScore]) -> tuple[Setting | None, float | None]:
        """Indoor or outdoor with the score of its best place; None where that is not clear."""
        best: dict[Setting, float] = {"indoor": 0.0, "outdoor": 0.0}
        for place in places:
            if place.setting is not None:
                best[place.setting] = max(best[place.setting], place.score)
        setting: Setting = "indoor" if best["indoor"] >= best["outdoor"] else "outdoor"
        high, low = max(best.values()), min(best.values())
        clear = high >= self.config.place_from and high >= self.config.setting_factor * low
        return (setting, high) if clear else (None, None)

    def timeline(self, result: AudioEnvironmentResult) -> list[TimelineItem]:
        """Events, without what ``audio_analysis`` says better."""
        return [
            TimelineItem.of(event, "heard", self.name, event.sound_class, event.confidence)
            for event in result.events
            if event.sound_class not in UNSHOWN
        ]

    def headline(self, result: AudioEnvironmentResult) -> str:
        """Place, setting, and the most probable classes."""
        place = "No place can be told from the sound"
        if result.environment is not None and result.environment_score is not None:
            place = f"Sounds like: {result.environment.replace('_', ' ')} (score {result.environment_score:.2f})"
        classes = ", ".join(f"{name} {score:.2f}" for name, score in list(result.mean_probabilities.items())[:3])
        return f"{place}; most heard: {classes}."


def windows_of(clip: AudioClip, window_s: float, hop_s: float) -> tuple[list[Float32Array], Float64Array]:
    """Windows of equal length that cover the sound, and the borders of the steps that they stand for.

    The last window ends with the sound. A sound shorter than a window is one window; one that is too short is none.

    Args:
        clip: The sound at 16 kHz.
        window_s: Length of a window.
        hop_s: From one to the next.

    Returns:
        W windows, float32; float64 (W + 1,) seconds on the video's time line, empty without windows.
    """
    samples: Float32Array = np.nan_to_num(clip.samples, nan=0.0, posinf=0.0, neginf=0.0)
    width, hop = round(window_s * clip.rate_hz), round(hop_s * clip.rate_hz)
    if clip.duration_s < LEAST_SOUND_S:
        return [], np.zeros(0)
    last = max(0, len(samples) - width)
    begins = [*range(0, last, hop), last]
    middles = (np.array(begins, np.float64) + min(width, len(samples)) / 2.0) / clip.rate_hz
    inner = (middles[1:] + middles[:-1]) / 2.0
    edges_s = np.concatenate([[0.0], inner, [clip.duration_s]]) + clip.start_s
    return [samples[b : b + width] for b in begins], edges_s


def _inside(heard: ClassesHeard, context: Context) -> tuple[Float64Array, Float64Array] | None:
    """Borders and probabilities of those steps that lie in the video; None where none does."""
    if not len(heard.probabilities):
        return None
    edges_s = np.clip(heard.edges_s, 0.0, context.video.duration_s)
    kept = np.flatnonzero(np.diff(edges_s) > 0.0)
    if not len(kept):
        return None
    scores = np.clip(heard.probabilities[kept].astype(np.float64), 0.0, 1.0)
    return np.append(edges_s[kept], edges_s[kept[-1] + 1]), scores


def _windows(classes: Sequence[str], edges_s: Float64Array, scores: Float64Array) -> list[SoundWindow]:
    kinds = kinds_of(classes)
    found = []
    for k, row in enumerate(scores):
        listed = [classes[c] for c in np.argsort(-row, kind="stable")[:LISTED] if row[c] >= LISTED_FROM]
        found.append(
            SoundWindow(
                start_time=float(edges_s[k]),
                end_time=float(edges_s[k + 1]),
                classes={name: float(row[classes.index(name)]) for name in listed},
                kinds={name: kinds[name] for name in listed},
            )
        )
    return found


def _places(
    classes: Sequence[str], scores: Float64Array, lengths_s: Float64Array, mean: Float64Array
) -> list[PlaceScore]:
    """Every place, highest score first."""
    column = {name: k for k, name in enumerate(classes)}
    found = []
    for place in PLACES:
        own = [column[name] for name in place.classes if name in column]
        score = float(np.average(scores[:, own].max(axis=1), weights=lengths_s)) if own else 0.0
        strongest = sorted(own, key=lambda k: -mean[k])[:EVIDENCE]
        found.append(
            PlaceScore(
                place=place.name,
                setting=place.setting,
                score=score,
                evidence={classes[k]: float(mean[k]) for k in strongest},
            )
        )
    return sorted(found, key=lambda p: -p.score)
