"""One analyzer's outcome as a section of the document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from analyzers.base import AnalyzerResult, Context
from analyzers.catalogue import analyzer_class
from analyzers.host import Concluded, Cost, Description, Fault, Observed, Refused
from schema.document import Coverage, Provenance, Section, SectionError, SectionStatus, TimelineItem, VideoFacts
from schema.jobs import AnalyzerProgress

RESTART_REMEDY = "Send the request again; if it happens again, look for this analyzer's name in the server's log."

UNNAMED_CODES = ("analyzer_error", "replica_lost", "input_lost", "call_failed")
"""Codes of single chunks that say nothing of their own about the section; it is ``chunks_failed`` then."""


@dataclass
class Tally:
    """What is known about one analyzer's run so far; one per analyzer and request.

    Attributes:
        description: The analyzer's declaration.
        planned: Chunks it should see.
        observations: By chunk index.
        failures: Spans in seconds of chunks that failed, with what became of them.
        queued_ms: Time that its calls waited.
        run_ms: Time inside the analyzer.
        cpu_ms: Processor time inside the analyzer.
        timed_out: Whose deadline passed before it had seen all: its own, or the request's.
        unseen: Spans in seconds of chunks that a deadline kept from it.
        input_error: Its input (the sound, the pictures) broke off or never came, and why.
    """

    description: Description
    planned: int = 0
    observations: dict[int, Any] = field(default_factory=dict)
    failures: list[tuple[float, float, SectionError]] = field(default_factory=list)
    queued_ms: float = 0.0
    run_ms: float = 0.0
    cpu_ms: float = 0.0
    timed_out: Literal["analyzer", "request"] | None = None
    unseen: list[tuple[float, float]] = field(default_factory=list)
    input_error: SectionError | None = None

    def add(self, index: int, observed: Observed, wall_ms: float) -> None:
        """Takes the observation of chunk ``index``, which took ``wall_ms`` to come back."""
        self.observations[index] = observed.observations[0]
        self.spend(observed.cost, wall_ms)

    def fail(self, start_s: float, end_s: float, error: SectionError) -> None:
        """Notes that the chunk ``[start_s, end_s)`` has no observation, and why."""
        self.failures.append((start_s, end_s, error))

    def give_up(self, deadline: Literal["analyzer", "request"], chunk_s: float, duration_s: float) -> None:
        """Notes that a deadline passed: what it has not seen by now, it will not see."""
        self.timed_out = deadline
        if self.planned <= 1:  # the whole sound, or pictures spread over the clip
            self.unseen = [] if self.done else [(0.0, duration_s)]
            return
        settled = {*self.observations, *(round(start / chunk_s) for start, _, _ in self.failures)}
        spans = [(index * chunk_s, min((index + 1) * chunk_s, duration_s)) for index in range(self.planned)]
        self.unseen = [span for index, span in enumerate(spans) if index not in settled]

    def spend(self, cost: Cost, wall_ms: float) -> None:
        """Adds a call's time; what it did not run, it waited."""
        self.run_ms += cost.run_ms
        self.cpu_ms += cost.cpu_ms
        self.queued_ms += max(0.0, wall_ms - cost.run_ms)

    @property
    def done(self) -> int:
        """Chunks seen or lost."""
        return len(self.observations) + len(self.failures)

    @property
    def gaps(self) -> tuple[tuple[float, float], ...]:
        """Spans in seconds without an observation, sorted."""
        return tuple(sorted([*((start, end) for start, end, _ in self.failures), *self.unseen]))

    def in_order(self) -> list[Any]:
        """The observations in the order of time."""
        return [self.observations[index] for index in sorted(self.observations)]

    def coverage(self, duration_s: float) -> Coverage | None:
        """Share of the time line seen; None for an analyzer that observes nothing itself."""
        if not self.description.needs.frames and not self.description.needs.audio:
            return None
        lost_s = sum(min(end, duration_s) - min(start, duration_s) for start, end in self.gaps)
        share = 1.0 - lost_s / duration_s if duration_s > 0.0 and self.observations else 0.0
        return Coverage(
            chunks_planned=self.planned,
            chunks_observed=len(self.observations),
            chunks_failed=len(self.failures),
            share=min(1.0, max(0.0, share)),
        )


@dataclass(frozen=True)
class Outcome:
    """A section, what it adds to the time line, and its typed result for those that come after it."""

    section: Section
    timeline: tuple[TimelineItem, ...] = ()
    result: AnalyzerResult | None = None


def spent_ms(outcomes: Mapping[str, Outcome]) -> dict[str, float]:
    """Wall milliseconds of this request inside each analyzer: none for a section from the cache."""
    made = {name: outcome.section.provenance for name, outcome in outcomes.items()}
    return {name: 0.0 if provenance.from_cache else provenance.run_ms for name, provenance in made.items()}


def progress_of(tallies: Mapping[str, Tally], outcomes: Mapping[str, Outcome]) -> dict[str, AnalyzerProgress]:
    """How far each analyzer is; more chunks than planned raise the plan."""
    return {
        name: AnalyzerProgress(
            chunks_done=tally.done,
            chunks_planned=max(tally.planned, tally.done),
            status=outcomes[name].section.status if name in outcomes else None,
        )
        for name, tally in tallies.items()
    }


def context_for(tally: Tally, video: VideoFacts, outcomes: dict[str, Outcome]) -> Context:
    """What an analyzer's ``conclude`` may read: facts, gaps, the results it comes after."""
    cls = analyzer_class(tally.description.name)
    read = (*cls.after, *cls.uses)
    results = {name: outcome.result for name in read if (outcome := outcomes.get(name)) and outcome.result}
    missing = {name: _why_missing(outcomes.get(name)) for name in read if name not in results}
    return Context(video, results, missing, tally.gaps)


def concluded_outcome(tally: Tally, concluded: Concluded | Refused, video: VideoFacts, requested: bool) -> Outcome:
    """The outcome of an analyzer that answered."""
    provenance = _provenance(tally, video)
    if isinstance(concluded, Refused):
        error = SectionError(code=concluded.code, reason=concluded.reason, remedy=concluded.remedy)
        return Outcome(_section(tally, concluded.status, requested, provenance, error))
    shortfall = _shortfall(tally)
    section = Section(
        analyzer=tally.description.name,
        status="partial" if shortfall else "ok",
        requested=requested,
        error=shortfall,
        headline=concluded.headline,
        result=concluded.result,
        provenance=provenance,
    )
    typed = analyzer_class(tally.description.name).Result.model_validate(concluded.result)
    return Outcome(section, tuple(concluded.timeline), typed)


def empty_outcome(
    tally: Tally, status: SectionStatus, error: SectionError, video: VideoFacts, requested: bool
) -> Outcome:
    """The outcome of an analyzer without a result."""
    return Outcome(_section(tally, status, requested, _provenance(tally, video), error))


def failed_outcome(tally: Tally, error: SectionError, video: VideoFacts, requested: bool) -> Outcome:
    """The outcome of an analyzer whose conclusion failed."""
    return empty_outcome(tally, "failed", error, video, requested)


def fault_error(fault: Fault) -> SectionError:
    """What an analyzer's fault says in its section."""
    return SectionError(
        code=fault.code,
        reason=fault.reason,
        remedy=fault.remedy or RESTART_REMEDY,
        retry_possible=fault.retry_possible,
    )


def lost_error(code: str, reason: str) -> SectionError:
    """What a call that was not answered says in its analyzer's section."""
    return SectionError(code=code, reason=reason, remedy=RESTART_REMEDY, retry_possible=True)


def not_run_outcome(tally: Tally, video: VideoFacts, requested: bool) -> Outcome | None:
    """The outcome of an analyzer that cannot run on this file or machine; None when it can."""
    description = tally.description
    if description.state == "unavailable":
        error = SectionError(code=description.code, reason=description.reason, remedy=description.remedy)
        return empty_outcome(tally, "unavailable", error, video, requested)
    if description.needs.frames and not video.has_video:
        error = SectionError(code="no_video", reason="The file has no pictures.", remedy="Nothing to mend.")
        return empty_outcome(tally, "not_applicable", error, video, requested)
    if description.needs.audio and not video.audio:
        error = SectionError(code="no_audio", reason="The file has no sound track.", remedy="Nothing to mend.")
        return empty_outcome(tally, "not_applicable", error, video, requested)
    return None


def starved_outcome(tally: Tally, video: VideoFacts, requested: bool) -> Outcome | None:
    """The outcome of an analyzer that got not one observation though it needs some; None when it got any."""
    needs = tally.description.needs
    if tally.observations or not (needs.frames or needs.audio):
        return None
    error = _shortfall(tally) or SectionError(
        code="no_input", reason="No picture or sound reached it.", remedy="Play the file to the end in a video player."
    )
    return empty_outcome(tally, "failed", error, video, requested)


def overdue_error(tally: Tally) -> SectionError:
    """That a deadline passed before the analyzer's end: its own, or the request's."""
    seen = f"{len(tally.observations)} of {tally.planned} chunks"
    if tally.timed_out == "analyzer":
        reason = f"Its deadline of {tally.description.deadline_s:g} s passed after {seen}."
        remedy = f"Raise deadline_s of {tally.description.name} in the yaml, or try again when less is in work."
    else:
        reason = f"The deadline of the request passed after {seen}."
        remedy = "Send the request again with a longer deadline_s, or for fewer analyzers."
    return SectionError(code="timeout", reason=reason, remedy=remedy, retry_possible=True)


def _shortfall(tally: Tally) -> SectionError | None:
    if tally.timed_out:
        return overdue_error(tally)
    if tally.failures:
        first = tally.failures[0][2]
        codes = {error.code for _, _, error in tally.failures}
        return SectionError(
            code=first.code if len(codes) == 1 and first.code not in UNNAMED_CODES else "chunks_failed",
            reason=f"{len(tally.failures)} of {tally.planned} chunks failed; first: {first.reason}",
            remedy=first.remedy,
            retry_possible=any(error.retry_possible for _, _, error in tally.failures),
        )
    return tally.input_error


def _why_missing(outcome: Outcome | None) -> str:
    if outcome is None:
        return "not deployed"
    error = outcome.section.error
    return f"{outcome.section.status}: {error.reason}" if error else outcome.section.status


def _section(
    tally: Tally, status: SectionStatus, requested: bool, provenance: Provenance, error: SectionError
) -> Section:
    return Section(
        analyzer=tally.description.name, status=status, requested=requested, error=error, provenance=provenance
    )


def _provenance(tally: Tally, video: VideoFacts) -> Provenance:
    return Provenance(
        analyzer_version=tally.description.version,
        models=tally.description.models,
        config=tally.description.config,
        device=tally.description.device,
        queued_ms=round(tally.queued_ms, 3),
        run_ms=round(tally.run_ms, 3),
        cpu_ms=round(tally.cpu_ms, 3),
        coverage=tally.coverage(video.duration_s),
    )
