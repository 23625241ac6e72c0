"""The whole catalogue in one process, without Ray: the command line's ``--local``, and the benchmark's yardstick."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from analyzers.catalogue import analyzer_class, closure, require_deployed
from analyzers.host import AnalyzerHost, Fault
from analyzers.stop import wanted_while
from deployments.acquire import Acquired
from deployments.reuse import Recalled, SectionReuse
from deployments.settings import GraphArgs
from jobs.cache import SectionCache
from jobs.results import new_id
from media.decode import DecodeItem, decode_audio, decode_video
from media.plan import DecodePlan, plan_decode
from media.probe import probe
from media.source import readable
from media.types import AudioChunk, ChunkHeader, DecodeReport, FrameBatch, FrameChunk
from reducer.document import build_document
from reducer.facts import facts_after_decode
from reducer.reuse import recalled_outcome
from reducer.sections import (
    Outcome,
    Tally,
    concluded_outcome,
    context_for,
    failed_outcome,
    fault_error,
    not_run_outcome,
    progress_of,
    spent_ms,
    starved_outcome,
)
from schema.document import AnalysisDocument, Performance, Section
from schema.errors import Cancelled
from schema.jobs import AnalyzerProgress

OnProgress = Callable[[Mapping[str, AnalyzerProgress]], None]


@dataclass(frozen=True)
class LocalJob:
    """What an analysis for a job of the store needs beside the video's path.

    Attributes:
        id: Of the job, and of its document.
        created_at: When it was accepted.
        video: The file and where it came from.
        on_section: Called with each section once it is known.
        is_stopped: Asked after each chunk and conclusion; true ends the analysis.
        deadline_s: Wall seconds from now after which nothing more is observed; none when None.
        fresh: Computes all of it, also what the cache holds.
        keep: What is taken from the cache or put there is kept.
    """

    id: str
    created_at: datetime
    video: Acquired
    on_section: Callable[[Section], None]
    is_stopped: Callable[[], bool]
    deadline_s: float | None = None
    fresh: bool = False
    keep: bool = False


def own_job(path: Path, fresh: bool = False) -> LocalJob:
    """A job of no store."""
    video = Acquired(path, "path", readable(path.name))
    return LocalJob(new_id(), datetime.now(timezone.utc), video, lambda _: None, lambda: False, fresh=fresh)


class LocalRunner:
    """Analyzers loaded once, run one after the other.

    Args:
        settings: Of the application; the parts about replicas have no meaning here.
        configs: Settings per analyzer, as ``user_config`` in the yaml.
        cache: Sections of earlier analyses; every analysis is computed when left out.
    """

    def __init__(
        self,
        settings: GraphArgs,
        configs: Mapping[str, Mapping[str, Any]] | None = None,
        cache: SectionCache | None = None,
    ) -> None:
        self._settings, self._cache = settings, cache
        runtime = settings.runtime
        self._hosts = {
            name: AnalyzerHost(name, (configs or {}).get(name), runtime) for name in settings.active_analyzers
        }

    def analyze(
        self,
        path: Path,
        requested: Iterable[str] | None = None,
        on_progress: OnProgress | None = None,
        fresh: bool = False,
    ) -> AnalysisDocument:
        """The document of one video.

        Args:
            path: The file.
            requested: Analyzers; all when left out. What they come after is run too.
            on_progress: Called after each chunk with the progress of all analyzers.
            fresh: Computes all of it, also what the cache holds.

        Raises:
            AnalyzerSystemError: As over HTTP: no video, too long, unknown analyzer, ...
        """
        return self.work_on(own_job(path, fresh), requested, on_progress)

    def work_on(
        self, job: LocalJob, requested: Iterable[str] | None = None, on_progress: OnProgress | None = None
    ) -> AnalysisDocument:
        """As ``analyze``, for a job.

        Raises:
            Cancelled: ``job.is_stopped`` said so.
        """
        with wanted_while(lambda: not job.is_stopped()):
            return self._work_on(job, requested, on_progress)

    def _work_on(
        self, job: LocalJob, requested: Iterable[str] | None, on_progress: OnProgress | None
    ) -> AnalysisDocument:
        started_s, path = time.perf_counter(), job.video.path
        wanted = tuple(self._hosts) if requested is None else tuple(requested)
        for name in wanted:
            require_deployed(name, self._hosts)
        order = closure(wanted, self._hosts)
        facts, source = probe(path, self._settings.limits), job.video.facts()
        reuse = SectionReuse(self._cache, self._settings.decoder, fresh=job.fresh, keep=job.keep)
        until_s = None if job.deadline_s is None else started_s + job.deadline_s
        run = _LocalRun({name: self._hosts[name] for name in order}, frozenset(wanted), on_progress, job, until_s)
        plan = run.plan(facts, self._settings.chunk_s, run.recall(reuse, source.sha256, facts))
        bytes_out = self._hear(run, path, plan, facts)
        report: DecodeReport | None = None
        if plan.renditions:
            report = run.observe_frames(plan, facts, self._decode(path, plan, facts))
            bytes_out += report.bytes_out if report else 0
        final = facts_after_decode(facts, report) if report else run.known.facts or facts
        again = run.plan(facts, self._settings.chunk_s, run.confirm(final))
        bytes_out += self._hear(run, path, again, facts)
        outcomes = run.conclude(final)
        run.remember(reuse, source.sha256, final)
        elapsed_s = time.perf_counter() - started_s
        return build_document(
            id=job.id,
            created_at=job.created_at,
            source=source,
            video=final,
            outcomes=outcomes,
            performance=Performance(
                processing_time=elapsed_s,
                realtime_factor=elapsed_s / final.duration_s if final.duration_s > 0.0 else 0.0,
                analyzers_ms=spent_ms(outcomes),
                video_decodes=report.video_decodes if report else 0,
                sections_from_cache=sum(o.section.provenance.from_cache for o in outcomes.values()),
                object_store_bytes=bytes_out,
                decoder=report.decoder if report else None,
            ),
        )

    def _hear(self, run: _LocalRun, path: Path, plan: DecodePlan, facts: Any) -> int:
        """Decodes the plan's sound and has it observed; gives its bytes."""
        if not plan.audio:
            return 0
        clips = decode_audio(path, plan, facts, self._settings.limits)
        run.observe_audio(plan, AudioChunk(tuple(clips)))
        return sum(clip.samples.nbytes for clip in clips)

    def _decode(self, path: Path, plan: DecodePlan, facts: Any) -> Iterator[DecodeItem]:
        return decode_video(
            path,
            plan,
            facts,
            self._settings.limits,
            decoder=self._settings.decoder,
            threads=self._settings.decode_threads,
        )


class _LocalRun:
    """The work on one video."""

    def __init__(
        self,
        hosts: Mapping[str, AnalyzerHost],
        requested: frozenset[str],
        on_progress: OnProgress | None,
        job: LocalJob,
        until_s: float | None,
    ) -> None:
        self._hosts, self._requested, self._on_progress = hosts, requested, on_progress
        self._job, self._until_s = job, until_s
        self._tallies = {name: Tally(host.describe()) for name, host in hosts.items()}
        self._described = {name: tally.description for name, tally in self._tallies.items()}
        self._outcomes: dict[str, Outcome] = {}
        self.known = Recalled()

    def recall(self, reuse: SectionReuse, sha256: str, facts: Any) -> list[str]:
        """Takes what the cache holds; gives the names of those that must observe."""
        for name, tally in self._tallies.items():
            if outcome := not_run_outcome(tally, facts, name in self._requested):
                self._settle(name, outcome)
        run, settled = tuple(self._hosts), tuple(self._outcomes)
        self.known = reuse.recall(sha256, run, self._requested, self._described, settled)
        for name, outcome in self.known.outcomes.items():
            self._settle(name, outcome)
        return [name for name in run if name not in self._outcomes and name not in self.known.unsure]

    def confirm(self, facts: Any) -> list[str]:
        """Takes what was unsure and holds under the final facts; gives the names of the others."""
        for name, stored in self.known.unsure.items():
            if stored.video.duration_s == facts.duration_s:
                self._settle(name, recalled_outcome(stored, name in self._requested))
        return [name for name in self.known.unsure if name not in self._outcomes]

    def remember(self, reuse: SectionReuse, sha256: str, facts: Any) -> None:
        reuse.remember(sha256, tuple(self._hosts), self._described, self._outcomes, facts)

    def plan(self, facts: Any, chunk_s: float, observers: Sequence[str]) -> DecodePlan:
        plan = plan_decode({name: self._described[name].needs for name in observers}, facts, chunk_s)
        for name in plan.routes:
            self._tallies[name].planned = plan.chunks_for(name)
        return plan

    def observe_audio(self, plan: DecodePlan, chunk: AudioChunk) -> None:
        for name, route in plan.routes.items():
            if route.audio:
                part = AudioChunk(tuple(chunk.clips[i] for i in route.audio), self._upstream(name, 0))
                self._observe(name, 0, (0.0, chunk.clips[0].duration_s), part)

    def observe_frames(self, plan: DecodePlan, facts: Any, items: Iterator[DecodeItem]) -> DecodeReport | None:
        """Gives the decoder's report; None where the time was over before it ended."""
        for header, batches in grouped(items):
            if isinstance(header, DecodeReport):
                return header
            if self._until_s is not None and time.perf_counter() >= self._until_s:
                for name, route in plan.routes.items():
                    if route.frames:
                        self._tallies[name].give_up("request", plan.chunk_s, facts.duration_s)
                return None
            for name, route in plan.routes.items():
                mine = tuple(batches[i] for i in route.frames if i in batches)
                if any(len(batch) for batch in mine):
                    upstream = self._upstream(name, header.index)
                    chunk = FrameChunk(header.index, header.start_s, header.end_s, mine, upstream)
                    self._observe(name, header.index, (header.start_s, header.end_s), chunk)
        raise RuntimeError("the decoder ended without a report")

    def conclude(self, facts: Any) -> dict[str, Outcome]:
        for name, host in self._hosts.items():
            tally, requested = self._tallies[name], name in self._requested
            if name in self._outcomes:
                continue
            if starved := starved_outcome(tally, facts, requested):
                self._settle(name, starved)
                continue
            context = context_for(tally, facts, self._outcomes)
            answer = host.conclude(tally.in_order(), context)
            if isinstance(answer, Fault):
                self._settle(name, failed_outcome(tally, fault_error(answer), facts, requested))
            else:
                tally.spend(answer.cost, answer.cost.run_ms)
                self._settle(name, concluded_outcome(tally, answer, facts, requested))
            self._tell()
        return {name: self._outcomes[name] for name in self._hosts}

    def _upstream(self, name: str, index: int) -> dict[str, Any]:
        read = [other for other in analyzer_class(name).upstream if other in self._tallies]
        seen = {other: self._tallies[other].observations for other in read}
        return {other: observations[index] for other, observations in seen.items() if index in observations}

    def _observe(self, name: str, index: int, span: tuple[float, float], chunk: Any) -> None:
        answer = self._hosts[name].observe([chunk])
        if isinstance(answer, Fault):
            self._tallies[name].fail(*span, fault_error(answer))
        else:
            self._tallies[name].add(index, answer, answer.cost.run_ms)
        self._tell()

    def _settle(self, name: str, outcome: Outcome) -> None:
        self._outcomes[name] = outcome
        self._job.on_section(outcome.section)

    def _tell(self) -> None:
        if self._job.is_stopped():
            raise Cancelled("it was cancelled while it was in work")
        if self._on_progress:
            self._on_progress(progress_of(self._tallies, self._outcomes))


def grouped(items: Iterator[DecodeItem]) -> Iterator[tuple[ChunkHeader | DecodeReport, dict[int, FrameBatch]]]:
    """Each header with its batches by rendition; last the report, alone."""
    for item in items:
        batches: dict[int, FrameBatch] = {}
        if isinstance(item, ChunkHeader):
            for index in item.renditions:
                batch = next(items)
                if not isinstance(batch, FrameBatch):
                    raise TypeError(f"after a header with {item.renditions} came {batch!r} in place of a batch")
                batches[index] = batch
        elif not isinstance(item, DecodeReport):
            raise TypeError(f"expected a header or the report, got {item!r}")
        yield item, batches
