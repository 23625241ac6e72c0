"""One analysis from an accepted file to its document: describe, plan, decode, observe, conclude, reduce.

Nothing here knows any analyzer. Pictures never pass through this process: it handles references.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Literal

import ray
from ray.exceptions import RayError, RayTaskError
from ray.serve.handle import DeploymentHandle

from analyzers.catalogue import analyzer_class, closure
from analyzers.host import Concluded, Description, Fault, Observed, Refused
from deployments.calls import Failure, call, one_line
from deployments.decode import start_audio_decode, start_video_decode
from deployments.reuse import Recalled, SectionReuse
from deployments.settings import GraphArgs
from deployments.window import ByteWindow
from deployments.within import end, within
from jobs.work import JobWork
from media.plan import DecodePlan, plan_decode, scaled_size
from media.types import ChunkHeader, DecodeReport
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
    fault_error,
    lost_error,
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

Handles = Mapping[str, DeploymentHandle[Any]]

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
        self._observing: dict[str, set[asyncio.Task[None]]] = {}
        self._by_chunk: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._window = ByteWindow(settings.megabytes_in_flight * 1_000_000)
        self._input_over: dict[str, asyncio.Event] = {"frames": asyncio.Event(), "audio": asyncio.Event()}
        self._report: DecodeReport | None = None
        self._audio_refs: list[Any] = []
        self._audio_bytes = 0
        self._observe_until_s: float | None = None
        self._pictures_cut_short = False
        self._stages_ms: dict[str, float] = {}
        self._first_observation_ms: float | None = None

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
            await end(*feeds, *sections.values(), *(t for tasks in self._observing.values() for t in tasks))
            for ref in self._audio_refs:
                ray.cancel(ref, force=False)  # nothing happens where it is over
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
        for over in self._input_over.values():
            over.set()
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
            self._observing[name] = set()
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
        self._hear(plan)
        self._input_over["audio"].set()

    def _hear(self, plan: DecodePlan) -> None:
        """Starts the sound's short decode and hands its references on at once; the replicas wait for the bytes."""
        if plan.audio:
            refs = start_audio_decode(self._path, plan, self._facts, self._settings)
            self._audio_refs += refs
            end_s = self._facts.duration_s
            self._audio_bytes += sum(round(end_s * need.rate_hz) * need.channels * 4 for need in plan.audio)
            for name, route in plan.routes.items():
                if route.audio:
                    args = [refs[i] for i in route.audio]
                    self._start(name, 0, self._observe(name, 0, (0.0, end_s), "observe_audio", args))

    async def _feed_frames(self, plan: DecodePlan) -> None:
        """Takes chunk after chunk from the decoder and hands each to the analyzers that need it."""
        if plan.renditions:
            started_s = time.perf_counter()
            stream = start_video_decode(self._path, plan, self._facts, self._settings)
            try:
                await self._take_all(stream, plan)
            except RayError as error:
                self._broken_off(error, bool(plan.audio))
            finally:
                if self._report is None:
                    ray.cancel(stream, force=False)
            self._stages_ms["decode"] = 1000.0 * (time.perf_counter() - started_s)
            if self._report:
                self._facts = facts_after_decode(self._facts, self._report)
        elif self._known.facts:
            self._facts = self._known.facts
        self._input_over["frames"].set()

    async def _take_all(self, stream: Any, plan: DecodePlan) -> None:
        async for ref in stream:
            item: ChunkHeader | DecodeReport = await ref
            if isinstance(item, DecodeReport):
                self._report = item
                return
            refs = await _batch_refs(stream, item.renditions)
            await self._hand_out(item, refs, plan)

    async def _hand_out(self, header: ChunkHeader, refs: dict[int, Any], plan: DecodePlan) -> None:
        """Starts one observation per analyzer; a rendition's bytes leave the window with its last observer."""
        sizes = {i: self._bytes_of(plan, i, n) for i, n in zip(header.renditions, header.counts, strict=True)}
        counts = dict(zip(header.renditions, header.counts, strict=True))
        await self._window.enter(sum(sizes.values()))
        observers: dict[int, set[asyncio.Task[None]]] = {index: set() for index in refs}
        for name, route in plan.routes.items():
            mine = [index for index in route.frames if index in refs]
            if not mine or not any(counts[index] for index in mine) or self._tallies[name].timed_out:
                continue
            span = (header.start_s, header.end_s)
            args = [header, *(refs[index] for index in mine)]
            task = self._start(name, header.index, self._observe(name, header.index, span, "observe_frames", args))
            for index in mine:
                observers[index].add(task)
        for index, tasks in observers.items():
            self._background(self._leave_after(tasks, sizes[index]))

    async def _leave_after(self, tasks: set[asyncio.Task[None]], amount: int) -> None:
        if tasks:
            await asyncio.wait(tasks)
        await self._window.leave(amount)

    async def _observe(self, name: str, index: int, span: tuple[float, float], method: str, args: list[Any]) -> None:
        upstream = await self._upstream(name, index)
        started_s = time.perf_counter()
        answer: Observed | Fault | Failure = await call(
            self._handles[name], method, self._priority, upstream, *args, retries=self._settings.chunk_retries
        )
        if isinstance(answer, (Fault, Failure)):
            self._tallies[name].fail(*span, _error_of(answer))
            return
        self._tallies[name].add(index, answer, 1000.0 * (time.perf_counter() - started_s))
        if self._first_observation_ms is None:
            self._first_observation_ms = 1000.0 * self._elapsed_s()

    async def _upstream(self, name: str, index: int) -> dict[str, Any]:
        """Observations of this chunk by those the analyzer reads while it observes, as far as there are any."""
        read = [other for other in analyzer_class(name).upstream if (other, index) in self._by_chunk]
        if read:
            await asyncio.wait([self._by_chunk[other, index] for other in read])
        seen = {other: self._tallies[other].observations for other in read}
        return {other: observations[index] for other, observations in seen.items() if index in observations}

    async def _confirm_in_turn(self, name: str) -> None:
        """Takes a section of the sound from the cache if the pictures end where it was told; else it is made anew."""
        await self._input_over["frames"].wait()
        stored = self._known.unsure[name]
        if stored.video.duration_s == self._facts.duration_s:
            self._settle(name, recalled_outcome(stored, name in self._requested))
            return
        plan = plan_decode({name: self._tallies[name].description.needs}, self._facts, self._settings.chunk_s)
        self._tallies[name].planned = plan.chunks_for(name)
        self._hear(plan)
        await self._conclude_in_turn(name)

    async def _conclude_in_turn(self, name: str) -> None:
        """Waits for the analyzer's observations and for those it comes after, then concludes its section."""
        tally, requested = self._tallies[name], name in self._requested
        await self._observed_in_time(name)
        await self._input_over["frames"].wait()  # the facts of the decoded video
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
            self._settle(name, failed_outcome(tally, _error_of(answer), self._facts, requested))
            return
        tally.spend(answer.cost, 1000.0 * (time.perf_counter() - started_s))
        self._settle(name, concluded_outcome(tally, answer, self._facts, requested))

    async def _observed_in_time(self, name: str) -> None:
        """Waits for the analyzer's observations, as long as its deadline and the client's allow."""
        tally = self._tallies[name]
        own_s, clients_s = max(0.0, tally.description.deadline_s - self._elapsed_s()), self._observing_s()
        try:
            await within(own_s if clients_s is None else min(own_s, clients_s), self._all_observed(name))
            if self._pictures_cut_short and tally.description.needs.frames:
                tally.give_up("request", self._settings.chunk_s, self._facts.duration_s)
        except asyncio.TimeoutError:
            await end(*self._observing[name])
            deadline: Literal["analyzer", "request"] = (
                "analyzer" if clients_s is None or own_s < clients_s else "request"
            )
            tally.give_up(deadline, self._settings.chunk_s, self._facts.duration_s)

    async def _all_observed(self, name: str) -> None:
        needs = self._tallies[name].description.needs
        await self._input_over["frames" if needs.frames else "audio"].wait()
        if self._observing[name]:
            await asyncio.wait(self._observing[name])

    def _start(self, name: str, index: int, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._observing[name].add(task)
        self._by_chunk[name, index] = task
        return task

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._observing.setdefault("", set()).add(task)

    def _broken_off(self, error: RayError, has_audio: bool) -> None:
        """The decode ended with an error: of the file when no chunk came, else only the rest is missing."""
        cause = error.cause if isinstance(error, RayTaskError) else error
        logger.warning("decoding %s broke off: %s", self._path.name, error)
        reason = str(cause) if isinstance(cause, AnalyzerSystemError) else f"the decoder broke off ({one_line(error)})"
        if (
            not any(
                t.observations or self._observing[n] for n, t in self._tallies.items() if t.description.needs.frames
            )
            and not has_audio
        ):
            raise cause if isinstance(cause, AnalyzerSystemError) else DecodeFailed(reason)
        lost = SectionError(code="decode_failed", reason=reason, remedy=DecodeFailed.default_action)
        for tally in self._tallies.values():
            if tally.description.needs.frames:
                tally.input_error = lost

    def _timed_out(self, name: str) -> Outcome:
        tally = self._tallies[name]
        tally.timed_out = tally.timed_out or "request"
        return empty_outcome(tally, "failed", overdue_error(tally), self._facts, name in self._requested)

    def _bytes_of(self, plan: DecodePlan, index: int, count: int) -> int:
        need = plan.renditions[index]
        width, height = scaled_size(self._facts.width or 0, self._facts.height or 0, need.short_side_px)
        return (count + 1) * width * height * (3 if need.colour == "rgb" else 1)

    def _elapsed_s(self) -> float:
        return time.perf_counter() - self._started_s

    def _progress(self) -> dict[str, AnalyzerProgress]:
        return progress_of(self._tallies, self._outcomes)

    def _document(self, source: SourceFacts) -> AnalysisDocument:
        started_s = time.perf_counter()
        for name, failure in self._lost.items():
            self._settle(name, _unreachable(name, failure, self._facts, name in self._requested))
        ordered = {name: self._outcomes[name] for name in self._names}
        elapsed_s = self._elapsed_s()
        report, duration_s = self._report, self._facts.duration_s
        performance = Performance(
            processing_time=elapsed_s,
            realtime_factor=elapsed_s / duration_s if duration_s > 0.0 else 0.0,
            stages_ms={stage: round(ms, 3) for stage, ms in self._stages_ms.items()},
            analyzers_ms=spent_ms(ordered),
            first_observation_ms=self._first_observation_ms,
            video_decodes=report.video_decodes if report else 0,
            sections_from_cache=sum(o.section.provenance.from_cache for o in ordered.values()),
            object_store_bytes=self._audio_bytes + (report.bytes_out if report else 0),
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


async def _batch_refs(stream: Any, renditions: tuple[int, ...]) -> dict[int, Any]:
    """The references that follow a header. A task that fails between them puts its error in place of the next one."""
    refs: dict[int, Any] = {}
    async for ref in stream:
        refs[renditions[len(refs)]] = ref
        if len(refs) == len(renditions):
            return refs
    for ref in refs.values():
        await ref
    raise DecodeFailed("the decoder ended in the middle of a chunk")


def _error_of(answer: Fault | Failure) -> SectionError:
    return fault_error(answer) if isinstance(answer, Fault) else lost_error(answer.code, answer.reason)


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
