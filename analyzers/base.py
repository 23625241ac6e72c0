"""The form of every analyzer: ``observe`` chunk after chunk, then ``conclude`` over the whole clip."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import Field

from analyzers.runtime import Runtime
from media.needs import Needs
from media.types import AudioChunk, FrameChunk
from schema.base import Model, TimedSpan
from schema.document import TimelineItem, VideoFacts


class AnalyzerConfig(Model):
    """Settings of one analyzer; ``user_config`` in the yaml. Each number has a bound and a reason."""

    deadline_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 300.0
    """Wall seconds from the start of the analysis after which what is there is concluded (status ``partial``).
    300 s is ten times the longest CPU run seen for a 30 s clip. Lower ends a slow analyzer sooner."""
    chunks_per_batch: Annotated[int, Field(ge=1, le=32)] = 1
    """Chunks, of one video or several, that one call of ``observe`` takes when that many wait. 1 for measures, which
    gain nothing; more fills a GPU and costs memory in proportion."""
    stuck_after_s: Annotated[float, Field(gt=0.0, le=7200.0)] = 600.0
    """Wall seconds of one computation after which the replica calls itself unhealthy and Serve replaces it. 600 s is
    twice the default deadline, so that only a computation nobody waits for any more counts as stuck."""


class AnalyzerResult(Model):
    """Base of every analyzer's own result model."""


@dataclass(frozen=True)
class Context:
    """What ``conclude`` may read beside its own observations.

    Attributes:
        video: The container's facts, with the decoded duration.
        results: Results of the analyzers named in ``after`` and ``uses``, where they have one.
        missing: For the others of ``after`` and ``uses``: why there is none.
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


class AnalysisFailed(Exception):
    """The analyzer ran and has no result it would stand by. Becomes the section's status ``failed``.

    Args:
        code: Stable, for programs: ``gpu_out_of_memory``, ``degenerate_text``, ...
        reason: For people.
        remedy: What to do about it.
        retry_possible: Whether the same request may succeed later.
    """

    def __init__(self, code: str, reason: str, remedy: str, retry_possible: bool = False) -> None:
        super().__init__(code, reason, remedy, retry_possible)
        self.code = code
        self.reason = reason
        self.remedy = remedy
        self.retry_possible = retry_possible


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
    uses: ClassVar[tuple[str, ...]] = ()
    """Analyzers whose results ``conclude`` reads when they are run anyway; they are not brought in."""
    upstream: ClassVar[tuple[str, ...]] = ()
    """Those of ``after`` and ``uses`` whose observation of the same chunk ``observe`` reads: ``chunk.upstream``."""
    models: ClassVar[tuple[str, ...]] = ()
    """Ids in the weights manifest that some setting may load; empty for measures and for models that ship inside an
    installed package."""
    load_fields: ClassVar[frozenset[str]] = frozenset()
    """Config fields whose change needs ``load`` again."""

    runtime: Runtime = Runtime()
    """Where it runs; its host sets it before ``load``."""

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

    def wanted_models(self) -> tuple[str, ...]:
        """Those of ``models`` that ``load`` asks for under the current settings: the ones that a setting names, or all
        where none does. Without loading anything."""
        named = set(map(str, self.config.model_dump().values()))
        return tuple(name for name in self.models if name in named) or self.models

    def warm_up(self) -> None:
        """One small computation after ``load``, so that the first video does not pay for lazy set-up; raises freely."""

    def loaded_models(self) -> tuple[str, ...]:
        """``id@revision`` of each model that is loaded under the current settings; into the provenance."""
        return ()

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
