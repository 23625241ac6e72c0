"""One analysis from an accepted file to its document: describe, plan, decode, observe, conclude, reduce.

Nothing here knows any analyzer. Pictures never pass through this process: it handles references.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from ray.exceptions import RayError, RayTaskError

from analyzers.catalogue import analyzer_class, closure
from analyzers.host import Concluded, Description, Fault, Refused
from deployments.calls import Failure, Handles, call, one_line, section_error
from deployments.feeding import Feeding
from deployments.reuse import Recalled, SectionReuse
from deployments.settings import GraphArgs
from deployments.within import end, within
from jobs.work import JobWork
from media.plan import DecodePlan, plan_decode
from reducer.document import build_document
from reducer.facts import facts_after_decode
from reducer.reuse import recalled_outcome
from reducer.sections import (
    Outcome,
    Tally,
    concluded_outcome,
    context_for,
    empty_outcome,
    failed_outcome,
    not_run_outcome,
    overdue_error,
    progress_of,
    spent_ms,
    starved_outcome,
)
from schema.document import AnalysisDocument, Performance, SectionError, SourceFacts, VideoFacts
from schema.errors import AnalyzerSystemError, DecodeFailed
from schema.jobs import AnalyzerProgress

logger = logging.getLogger("tiktok_analyzer.pipeline")

CONCLUDE_S, CONCLUDE_SHARE = 3.0, 0.2
"""Of the time until a client's deadline, so much is kept for concluding what was observed, whichever is less: seconds,
and share. All sections of a 30 s clip conclude in under 3 s on two cores."""


HURRY_S = 0.25
"""Wall seconds that a client with a deadline waits at most for a replica that does not say whether its settings are
still the same. A living one takes 3 ms; the sections of the others are not stored."""


async def describe_all(handles: Handles, names: tuple[str, ...], timeout_s: float) -> dict[str, Description | Failure]:
    """Each analyzer's declaration under its current settings, asked for at once."""

    async def one(name: str) -> Description | Failure:
        try:
            answer: Description | Failure = await within(timeout_s, call(handles[name], "describe", retries=1))
        except asyncio.TimeoutError:
            return Failure("analyzer_unreachable", f"no replica answered within {timeout_s:g} s")
        return answer

    return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))


class AnalysisRun:
    """The work on one video. Made for one call of ``run``.

    Args:
        work: The job; hears of each state and section.
        path: The file, on this machine.
        facts: From the probe.
        requested: Analyzers asked for; what they come after is run too.
        handles: Of the deployed analyzers.
        settings: Of the application.
        reuse: What this request takes from the section cache.
    """

    def __init__(
        self,
        work: JobWork,
        path: Path,
        facts: VideoFacts,
        requested: tuple[str, ...],
        handles: Handles,
        settings: GraphArgs,
        reuse: SectionReuse,
    ) -> None:
        self._work, self._path, self._facts, self._settings, self._handles = work, path, facts, settings, handles
        self._reuse, self._known = reuse, Recalled()
        self._requested, self._priority = frozenset(requested), work.record.priority
        self._names = closure(requested, handles)
        self._started_s = time.perf_counter()
        self._tallies: dict[str, Tally] = {}
        self._lost: dict[str, Failure] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._feeding = Feeding(path, facts, handles, settings, self._priority, self._tallies)
        self._observe_until_s: float | None = None
        self._pictures_cut_short = False
        self._stages_ms: dict[str, float] = {}

    async def run(self, source: asyncio.Future[SourceFacts], stages_ms: Mapping[str, float]) -> AnalysisDocument:
        """Analyses the video.

        Args:
            source: Facts about the bytes; hashed beside the probe, and beside the work where the cache is empty.
            stages_ms: Time spent before this.

        Raises:
            DecodeFailed: Neither a picture nor a sound came out of the file.
        """
        self._stages_ms.update(stages_ms)
        self._started_s -= sum(stages_ms.values()) / 1000.0
        if (remaining_s := self._work.remaining_s) is not None:
            kept_s = min(CONCLUDE_S, CONCLUDE_SHARE * remaining_s)
            self._observe_until_s = self._elapsed_s() + remaining_s - kept_s
        plan = await self._prepare(source)
        self._work.watch(self._progress)
        self._work.enter("decoding" if plan.renditions else "analyzing")
        feeds = [asyncio.create_task(self._feed_audio(plan)), asyncio.create_task(self._feed_frames(plan))]
        sections = {
            name: asyncio.create_task(
                self._confirm_in_turn(name) if name in self._known.unsure else self._conclude_in_turn(name)
            )
            for name in self._tallies
            if name not in self._outcomes
        }
        self._sections = sections
        try:
            await within(self._limit_s(), self._all(feeds, sections))
        except asyncio.TimeoutError:
            for name in sections:
                if name not in self._outcomes:
                    self._settle(name, self._timed_out(name))
        finally:
            await end(*feeds, *sections.values())
            await self._feeding.stop()
        self._stages_ms["analyse"] = 1000.0 * self._elapsed_s()
        self._work.enter("reducing")
        document = self._document(await source)
        await self._remember(document)
        return document

    async def _all(self, feeds: list[asyncio.Task[None]], sections: Mapping[str, asyncio.Task[None]]) -> None:
        """Feeds the analyzers until the input is over, or the time for it is, and waits for their sections."""
        _, unfinished = await asyncio.wait(feeds, timeout=self._observing_s(), return_when=asyncio.FIRST_EXCEPTION)
        # Noted before the analyzers hear that the input is over: their own timers may fire later than this one.
        self._pictures_cut_short = bool(unfinished)
        await end(*unfinished)
        for feed in feeds:
            if not feed.cancelled():
                feed.result()
        self._feeding.pictures_over.set()
        self._feeding.sound_over.set()
        self._work.enter("analyzing")
        await asyncio.gather(*sections.values())

    def _limit_s(self) -> float:
        """Wall seconds from now after which nothing is waited for: the configuration's, or the client's."""
        remaining_s, limit_s = self._work.remaining_s, self._settings.request_timeout_s - self._elapsed_s()
        return limit_s if remaining_s is None else min(limit_s, remaining_s)

    def _observing_s(self) -> float | None:
        """Wall seconds from now for observing, if the client has a deadline."""
        return None if self._observe_until_s is None else max(0.0, self._observe_until_s - self._elapsed_s())

    def _settle(self, name: str, outcome: Outcome) -> None:
        """The section of ``name`` is known."""
        self._outcomes[name] = outcome
        self._work.conclude(outcome.section)

    async def _prepare(self, source: asyncio.Future[SourceFacts]) -> DecodePlan:
        described = await describe_all(self._handles, self._names, self._settings.describe_timeout_s)
        for name, answer in described.items():
            if isinstance(answer, Failure):
                self._lost[name] = answer
                continue
            self._tallies[name] = Tally(answer)
            if outcome := not_run_outcome(self._tallies[name], self._facts, name in self._requested):
                self._settle(name, outcome)
        if await asyncio.to_thread(self._reuse.may_know):
            await self._recall((await source).sha256)
        settled = {*self._outcomes, *self._known.unsure}
        needs = {n: t.description.needs for n, t in self._tallies.items() if n not in settled}
        plan = plan_decode(needs, self._facts, self._settings.chunk_s)
        for name in plan.routes:
            self._tallies[name].planned = plan.chunks_for(name)
        return plan

    async def _recall(self, sha256: str) -> None:
        described = {name: tally.description for name, tally in self._tallies.items()}
        args = (sha256, self._names, self._requested, described, tuple(self._outcomes))
        self._known = await asyncio.to_thread(self._reuse.recall, *args)
        for name, outcome in self._known.outcomes.items():
            self._settle(name, outcome)

    async def _remember(self, document: AnalysisDocument) -> None:
        """Stores the sections of analyzers whose settings were not changed in the middle of the work."""
        if document.performance.sections_from_cache == len(document.sections):
            return
        hurry = self._work.remaining_s is not None
        limit_s = min(HURRY_S, self._settings.describe_timeout_s) if hurry else self._settings.describe_timeout_s
        now = await describe_all(self._handles, self._names, limit_s)
        same = {n: t.description for n, t in self._tallies.items() if now[n] == t.description}
        args = (document.source.sha256, self._names, same, self._outcomes, document.video)
        await asyncio.to_thread(self._reuse.remember, *args)

    async def _feed_audio(self, plan: DecodePlan) -> None:
        self._feeding.hear(plan)
        self._feeding.sound_over.set()

    async def _feed_frames(self, plan: DecodePlan) -> None:
        if plan.renditions:
            try:
                await self._feeding.see(plan)
            except RayError as error:
                self._broken_off(error, bool(plan.audio))
            finally:
                self._stages_ms["decode"] = self._feeding.decode_ms or 0.0
            if self._feeding.report:
                self._facts = facts_after_decode(self._facts, self._feeding.report)
        elif self._known.facts:
            self._facts = self._known.facts
        self._feeding.pictures_over.set()

    async def _confirm_in_turn(self, name: str) -> None:
        """Takes a section of the sound from the cache if the pictures end where it was told; else it is made anew."""
        await self._feeding.pictures_over.wait()
        stored = self._known.unsure[name]
        if stored.video.duration_s == self._facts.duration_s:
            self._settle(name, recalled_outcome(stored, name in self._requested))
            return
        plan = plan_decode({name: self._tallies[name].description.needs}, self._facts, self._settings.chunk_s)
        self._tallies[name].planned = plan.chunks_for(name)
        self._feeding.hear(plan)
        await self._conclude_in_turn(name)

    async def _conclude_in_turn(self, name: str) -> None:
        """Waits for the analyzer's observations and for those it comes after, then concludes its section."""
        tally, requested = self._tallies[name], name in self._requested
        await self._observed_in_time(name)
        await self._feeding.pictures_over.wait()  # the facts of the decoded video
        cls = analyzer_class(name)
        before = [self._sections[a] for a in (*cls.after, *cls.uses) if a in self._sections]
        if before:
            await asyncio.wait(before)
        if starved := starved_outcome(tally, self._facts, requested):
            self._settle(name, starved)
            return
        started_s = time.perf_counter()
        context = context_for(tally, self._facts, self._outcomes)
        try:
            answer: Concluded | Refused | Fault | Failure = await within(
                tally.description.deadline_s,
                call(
                    self._handles[name],
                    "conclude",
                    self._priority,
                    tally.in_order(),
                    context,
                    retries=self._settings.chunk_retries,
                ),
            )
        except asyncio.TimeoutError:
            tally.timed_out = tally.timed_out or "analyzer"
            self._settle(name, self._timed_out(name))
            return
        if isinstance(answer, (Fault, Failure)):
            self._settle(name, failed_outcome(tally, section_error(answer), self._facts, requested))
            return
        tally.spend(answer.cost, 1000.0 * (time.perf_counter() - started_s))
        self._settle(name, concluded_outcome(tally, answer, self._facts, requested))

    async def _observed_in_time(self, name: str) -> None:
        """Waits for the analyzer's observations, as long as its deadline and the client's allow."""
        tally = self._tallies[name]
        own_s, clients_s = max(0.0, tally.description.deadline_s - self._elapsed_s()), self._observing_s()
        try:
            await within(own_s if clients_s is None else min(own_s, clients_s), self._feeding.observed(name))
            if self._pictures_cut_short and tally.description.needs.frames:
                tally.give_up("request", self._settings.chunk_s, self._facts.duration_s)
        except asyncio.TimeoutError:
            await self._feeding.give_up(name)
            deadline: Literal["analyzer", "request"] = (
                "analyzer" if clients_s is None or own_s < clients_s else "request"
            )
            tally.give_up(deadline, self._settings.chunk_s, self._facts.duration_s)

    def _broken_off(self, error: RayError, has_audio: bool) -> None:
        """The decode ended with an error: of the file when no chunk came, else only the rest is missing."""
        cause = error.cause if isinstance(error, RayTaskError) else error
        logger.warning("decoding %s broke off: %s", self._path.name, error)
        reason = str(cause) if isinstance(cause, AnalyzerSystemError) else f"the decoder broke off ({one_line(error)})"
        watching = [n for n, t in self._tallies.items() if t.description.needs.frames]
        saw_some = any(self._tallies[n].observations or self._feeding.has_work(n) for n in watching)
        if not saw_some and not has_audio:
            raise cause if isinstance(cause, AnalyzerSystemError) else DecodeFailed(reason)
        lost = SectionError(code="decode_failed", reason=reason, remedy=DecodeFailed.default_action)
        for name in watching:
            self._tallies[name].input_error = lost

    def _timed_out(self, name: str) -> Outcome:
        tally = self._tallies[name]
        tally.timed_out = tally.timed_out or "request"
        return empty_outcome(tally, "failed", overdue_error(tally), self._facts, name in self._requested)

    def _elapsed_s(self) -> float:
        return time.perf_counter() - self._started_s

    def _first_observation_ms(self) -> float | None:
        first_s = self._feeding.first_observation_s
        return None if first_s is None else 1000.0 * (first_s - self._started_s)

    def _progress(self) -> dict[str, AnalyzerProgress]:
        return progress_of(self._tallies, self._outcomes)

    def _document(self, source: SourceFacts) -> AnalysisDocument:
        started_s = time.perf_counter()
        for name, failure in self._lost.items():
            self._settle(name, _unreachable(name, failure, self._facts, name in self._requested))
        ordered = {name: self._outcomes[name] for name in self._names}
        elapsed_s = self._elapsed_s()
        report, duration_s = self._feeding.report, self._facts.duration_s
        performance = Performance(
            processing_time=elapsed_s,
            realtime_factor=elapsed_s / duration_s if duration_s > 0.0 else 0.0,
            stages_ms={stage: round(ms, 3) for stage, ms in self._stages_ms.items()},
            analyzers_ms=spent_ms(ordered),
            first_observation_ms=self._first_observation_ms(),
            video_decodes=report.video_decodes if report else 0,
            sections_from_cache=sum(o.section.provenance.from_cache for o in ordered.values()),
            object_store_bytes=self._feeding.audio_bytes + (report.bytes_out if report else 0),
            decoder=report.decoder if report else None,
        )
        document = build_document(
            id=self._work.id,
            created_at=self._work.record.created_at,
            source=source,
            video=self._facts,
            outcomes=ordered,
            performance=performance,
        )
        reduce_ms = round(1000.0 * (time.perf_counter() - started_s), 3)
        stages = {**performance.stages_ms, "reduce": reduce_ms}
        return document.model_copy(update={"performance": performance.model_copy(update={"stages_ms": stages})})


def _unreachable(name: str, failure: Failure, video: VideoFacts, requested: bool) -> Outcome:
    cls = analyzer_class(name)
    default = cls(cls.Config())
    description = Description(
        name=name,
        version=cls.version,
        state="unavailable",
        needs=default.needs(),
        config={},
        deadline_s=default.config.deadline_s,
        models=cls.models,
        device="unknown",
    )
    remedy = "`serve status` shows the state of its deployment; its log says why it does not start."
    error = SectionError(code=failure.code, reason=failure.reason, remedy=remedy, retry_possible=True)
    return empty_outcome(Tally(description), "failed", error, video, requested)
