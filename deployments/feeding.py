"""Hands what is decoded, while it is being decoded, to the analyzers that need it, and collects what they observe."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import ray

from analyzers.catalogue import analyzer_class
from analyzers.host import Fault, Observed
from deployments.calls import Failure, Handles, call, section_error
from deployments.decode import start_audio_decode, start_video_decode
from deployments.settings import GraphArgs
from deployments.window import ByteWindow
from deployments.within import end
from media.plan import DecodePlan, scaled_size
from media.types import ChunkHeader, DecodeReport
from reducer.sections import Tally
from schema.document import VideoFacts
from schema.errors import DecodeFailed


class Feeding:
    """The input of one analysis. Lives in the event loop of the ingress.

    Args:
        path: The file, on this machine.
        facts: From the probe.
        handles: Of the deployed analyzers.
        settings: Of the application.
        priority: Of the job.
        tallies: By analyzer; filled with what each observes. The owner adds analyzers before they are fed.

    Attributes:
        pictures_over: Set by the owner when no more pictures will come.
        sound_over: The same for the sound.
        report: What came out of the pictures; None until they are through.
        decode_ms: Wall milliseconds until then; None where there were no pictures to decode.
        first_observation_s: ``time.perf_counter()`` of the first observation; None before it.
        audio_bytes: Of the decoded sound.
    """

    def __init__(
        self,
        path: Path,
        facts: VideoFacts,
        handles: Handles,
        settings: GraphArgs,
        priority: int,
        tallies: Mapping[str, Tally],
    ) -> None:
        self._path, self._facts, self._handles = path, facts, handles
        self._settings, self._priority, self._tallies = settings, priority, tallies
        self._window = ByteWindow(settings.megabytes_in_flight * 1_000_000)
        self._observing: dict[str, set[asyncio.Task[None]]] = {}
        self._by_chunk: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._audio_refs: list[Any] = []
        self.pictures_over, self.sound_over = asyncio.Event(), asyncio.Event()
        self.report: DecodeReport | None = None
        self.decode_ms: float | None = None
        self.first_observation_s: float | None = None
        self.audio_bytes = 0

    def hear(self, plan: DecodePlan) -> None:
        """Starts the sound's short decode and hands its references on at once; the replicas wait for the bytes."""
        if plan.audio:
            refs = start_audio_decode(self._path, plan, self._facts, self._settings)
            self._audio_refs += refs
            end_s = self._facts.duration_s
            self.audio_bytes += sum(round(end_s * need.rate_hz) * need.channels * 4 for need in plan.audio)
            for name, route in plan.routes.items():
                if route.audio:
                    args = [refs[i] for i in route.audio]
                    self._start(name, 0, self._observe(name, 0, (0.0, end_s), "observe_audio", args))

    async def see(self, plan: DecodePlan) -> None:
        """Takes chunk after chunk from the decoder and hands each to the analyzers that need it.

        Raises:
            RayError: The decoder broke off; what was handed out stands.
        """
        started_s = time.perf_counter()
        stream = start_video_decode(self._path, plan, self._facts, self._settings)
        try:
            await self._take_all(stream, plan)
        finally:
            if self.report is None:
                ray.cancel(stream, force=False)
            self.decode_ms = 1000.0 * (time.perf_counter() - started_s)

    def has_work(self, name: str) -> bool:
        """Whether the analyzer was given anything."""
        return bool(self._observing.get(name))

    async def observed(self, name: str) -> None:
        """Waits until the analyzer's input is over and all of it is observed."""
        needs = self._tallies[name].description.needs
        await (self.pictures_over if needs.frames else self.sound_over).wait()
        if tasks := self._observing.get(name):
            await asyncio.wait(tasks)

    async def give_up(self, name: str) -> None:
        """Ends the analyzer's observations that are still going on."""
        await end(*self._observing.get(name, ()))

    async def stop(self) -> None:
        """Ends all that is still going on."""
        await end(*(task for tasks in self._observing.values() for task in tasks), *self._leaving)
        for ref in self._audio_refs:
            ray.cancel(ref, force=False)  # nothing happens where it is over

    async def _take_all(self, stream: Any, plan: DecodePlan) -> None:
        async for ref in stream:
            item: ChunkHeader | DecodeReport = await ref
            if isinstance(item, DecodeReport):
                self.report = item
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
            self._leaving.add(asyncio.create_task(self._leave_after(tasks, sizes[index])))

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
            self._tallies[name].fail(*span, section_error(answer))
            return
        self._tallies[name].add(index, answer, 1000.0 * (time.perf_counter() - started_s))
        if self.first_observation_s is None:
            self.first_observation_s = time.perf_counter()

    async def _upstream(self, name: str, index: int) -> dict[str, Any]:
        """Observations of this chunk by those the analyzer reads while it observes, as far as there are any."""
        read = [other for other in analyzer_class(name).upstream if (other, index) in self._by_chunk]
        if read:
            await asyncio.wait([self._by_chunk[other, index] for other in read])
        seen = {other: self._tallies[other].observations for other in read}
        return {other: observations[index] for other, observations in seen.items() if index in observations}

    def _start(self, name: str, index: int, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._observing.setdefault(name, set()).add(task)
        self._by_chunk[name, index] = task
        return task

    def _bytes_of(self, plan: DecodePlan, index: int, count: int) -> int:
        need = plan.renditions[index]
        width, height = scaled_size(self._facts.width or 0, self._facts.height or 0, need.short_side_px)
        return (count + 1) * width * height * (3 if need.colour == "rgb" else 1)


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
