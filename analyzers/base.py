"""The form of every analyzer: ``observe`` chunk after chunk, then ``conclude`` over the whole clip."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import Field

from media.needs import Needs
from media.types import AudioChunk, FrameChunk
from schema.base import Model, TimedSpan
from schema.document import TimelineItem, VideoFacts


class AnalyzerConfig(Model):
    """Settings of one analyzer; ``user_config`` in the yaml. Each number has a bound and a reason."""

    deadline_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 300.0
    """Wall seconds from the start of the analysis after which what is there is concluded (status ``partial``).
    300 s is ten times the longest CPU run seen for a 30 s clip. Lower ends a slow analyzer sooner."""


class AnalyzerResult(Model):
    """Base of every analyzer's own result model."""


@dataclass(frozen=True)
class Context:
    """What ``conclude`` may read beside its own observations.

    Attributes:
        video: The container's facts, with the decoded duration.
        results: Results of the analyzers named in ``after``, where they have one.
        missing: For the others of ``after``: why there is none.
        gaps: Spans in seconds whose chunk could not be observed, sorted.
    """

    video: VideoFacts
    results: Mapping[str, AnalyzerResult] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    gaps: tuple[tuple[float, float], ...] = ()

    def span(self, start_s: float, end_s: float) -> tuple[float, float] | None:
        """``(start_s, end_s)`` cut to the video; None when nothing is left."""
        start = max(0.0, start_s)
        end = min(self.video.duration_s, end_s)
        return (start, end) if end > start else None


class NotApplicable(Exception):
    """The analysis makes no sense here (no speech, one frame only, ...). Becomes the section's status.

    Args:
        code: Stable, for programs: ``no_audio``, ``no_speech``, ...
        reason: For people.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Unavailable(Exception):
    """Weights or hardware are missing; raised by ``load``. Becomes the section's status.

    Args:
        code: Stable, for programs: ``weights_missing``, ``no_gpu``, ...
        reason: For people.
        remedy: The exact command that mends it.
    """

    def __init__(self, code: str, reason: str, remedy: str) -> None:
        super().__init__(code, reason, remedy)
        self.code = code
        self.reason = reason
        self.remedy = remedy


ConfigT = TypeVar("ConfigT", bound=AnalyzerConfig)
InputT = TypeVar("InputT", FrameChunk, AudioChunk)
ObservationT = TypeVar("ObservationT")
ResultT = TypeVar("ResultT", bound=AnalyzerResult)


class Analyzer(ABC, Generic[ConfigT, InputT, ObservationT, ResultT]):
    """One analysis. Subclasses declare the class attributes and implement the abstract methods.

    An instance is used by one thread at a time. ``observe`` is pure in each chunk: the same chunk gives the same
    observation on any replica, in any order. Observations must pickle and should be small.
    """

    name: ClassVar[str]
    """Key of the section, of the catalogue and of the deployment."""
    version: ClassVar[str]
    """Raised whenever the same input may give another result."""
    title: ClassVar[str]
    """One line for people."""
    Config: ClassVar[type[AnalyzerConfig]]
    Result: ClassVar[type[AnalyzerResult]]
    after: ClassVar[tuple[str, ...]] = ()
    """Analyzers whose results ``conclude`` reads. They are run too when only this one is asked for."""
    models: ClassVar[tuple[str, ...]] = ()
    """Ids in the weights manifest; empty for measures and for models that ship inside an installed package."""
    load_fields: ClassVar[frozenset[str]] = frozenset()
    """Config fields whose change needs ``load`` again."""

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @abstractmethod
    def needs(self) -> Needs:
        """What to decode for it, under the current config."""

    def load(self) -> None:
        """Import heavy libraries and load models, once per replica.

        Raises:
            Unavailable: Weights or hardware are missing.
        """

    @abstractmethod
    def observe(self, chunks: Sequence[InputT]) -> list[ObservationT]:
        """One observation for each chunk, in order."""

    @abstractmethod
    def conclude(self, observations: Sequence[ObservationT], context: Context) -> ResultT:
        """The result over the whole clip from all observations, in the order of time.

        Raises:
            NotApplicable: The analysis makes no sense for this clip.
        """

    def timeline(self, result: ResultT) -> list[TimelineItem]:
        """What of the result belongs on the fused time line; sorted by start."""
        return []

    def headline(self, result: ResultT) -> str | None:
        """One sentence made only of values in the result."""
        return None


AnyAnalyzer = Analyzer[Any, Any, Any, Any]


def merge_spans(spans: Sequence[TimedSpan]) -> list[tuple[float, float]]:
    """Union of spans as sorted, disjoint ``(start_s, end_s)`` pairs."""
    merged: list[tuple[float, float]] = []
    for span in sorted(spans, key=lambda s: s.start_time):
        if merged and span.start_time <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], span.end_time))
        else:
            merged.append((span.start_time, span.end_time))
    return merged
