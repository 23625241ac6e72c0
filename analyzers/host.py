"""Runs one analyzer: loads it, keeps its settings, checks list in against list out, measures time.

Both the Serve deployment and the local runner hold an analyzer through this class, so both behave alike.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from analyzers.base import AnalysisFailed, Analyzer, AnyAnalyzer, Context, NotApplicable, Unavailable
from analyzers.inference.offline import go_offline
from analyzers.inference.oom import is_card_lost, undivided
from analyzers.lookup import import_analyzer
from analyzers.runtime import Runtime
from analyzers.stop import Stopped
from analyzers.threads import limit_threads
from media.needs import Needs
from schema.document import TimelineItem
from weights.budget import Booking
from weights.store import allowed_pin

logger = logging.getLogger("tiktok_analyzer.analyzers")

T = TypeVar("T")

STOPPED = "stopped"
"""Code of the fault of a computation that ended early because nobody waits for it."""


@dataclass(frozen=True)
class Description:
    """What a host says about its analyzer.

    Attributes:
        name: Of the analyzer.
        version: Of the analyzer.
        state: ``ready``, ``loading`` while new settings make it load again, or ``unavailable`` with code, reason and
            remedy.
        needs: What to decode for it, under its current config.
        config: The current settings, complete.
        deadline_s: Wall seconds it may take.
        models: ``id@revision`` of the models that are loaded.
        device: Where it runs.
        load_s: Wall seconds of the last load with its warm-up.
        chunks_per_batch: Chunks that one call of ``observe`` should get when that many wait.
    """

    name: str
    version: str
    state: Literal["ready", "loading", "unavailable"]
    needs: Needs
    config: dict[str, Any]
    deadline_s: float
    models: tuple[str, ...]
    device: str
    chunks_per_batch: int = 1
    load_s: float = 0.0
    code: str = ""
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Cost:
    """Time inside the analyzer, in milliseconds."""

    run_ms: float
    cpu_ms: float


@dataclass(frozen=True)
class Observed:
    """Observations, one per chunk in order, and what they cost together."""

    observations: list[Any]
    cost: Cost


@dataclass(frozen=True)
class Concluded:
    """A result as JSON types, with what it adds to time line and summary."""

    result: dict[str, Any]
    timeline: list[TimelineItem]
    headline: str | None
    cost: Cost


@dataclass(frozen=True)
class Refused:
    """The analyzer has no result and says why: it is no fault."""

    status: Literal["not_applicable", "unavailable"]
    code: str
    reason: str
    remedy: str
    cost: Cost


@dataclass(frozen=True)
class Fault:
    """The analyzer raised; the stack trace of what it should not have raised is in the log.

    Attributes:
        code: Stable, for programs; ``analyzer_error`` for what it should not have raised.
        reason: One line for the client.
        cost: Time until then.
        remedy: What to do about it, where the analyzer knows.
        retry_possible: Whether the same request may succeed later.
    """

    code: str
    reason: str
    cost: Cost
    remedy: str = ""
    retry_possible: bool = True


CARD_REMEDY = (
    "Send the video again in a minute: the analyzer's process is being replaced. If it comes again: nvidia-smi -q"
)
"""After an error of the GPU; Serve replaces the replica, whose health check says so."""


class AnalyzerHost:
    """Holds one analyzer of the catalogue.

    Args:
        name: Of the analyzer.
        config: Settings; the analyzer's defaults where left out.
        runtime: Where it runs; the CPU with one thread where left out.

    Raises:
        UnknownAnalyzer: No analyzer has this name.
        pydantic.ValidationError: The settings are out of bounds.
    """

    def __init__(self, name: str, config: Mapping[str, Any] | None = None, runtime: Runtime | None = None) -> None:
        # Before any library of a model is imported: they read these switches once.
        go_offline()
        self._cls = import_analyzer(name)
        self._runtime = runtime or Runtime()
        self._unavailable: Unavailable | None = None
        self._busy_since_s: float | None = None
        self._card_error = ""
        self._analyzer: AnyAnalyzer = self._cls(self._cls.Config.model_validate(dict(config or {})))
        self._analyzer.runtime = self._runtime
        self._load()

    def _load(self) -> None:
        limit_threads(self._runtime.threads)
        self._unavailable, self._loading = None, True
        started_s = time.perf_counter()
        try:
            undivided(self._analyzer.load)
            undivided(self._analyzer.warm_up)
        except Unavailable as error:
            self._unavailable = error
        except AnalysisFailed as error:
            # It finds the card full: the others on it go on, and this one says why it does not.
            self._unavailable = Unavailable(error.code, error.reason, error.remedy)
        finally:
            self._loading = False
        self._load_s = time.perf_counter() - started_s
        limit_threads(self._runtime.threads)

    def configure(self, config: Mapping[str, Any] | None) -> None:
        """Takes new settings; loads again only when a field of ``load_fields`` changed."""
        new = self._cls.Config.model_validate(dict(config or {}))
        old = self._analyzer.config
        self._analyzer.config = new
        changed = {f for f in type(new).model_fields if getattr(new, f) != getattr(old, f)}
        if changed & self._cls.load_fields:
            self._load()

    def describe(self) -> Description:
        """The analyzer's declaration under its current settings."""
        lost = self._unavailable
        return Description(
            name=self._cls.name,
            version=self._cls.version,
            state="loading" if self._loading else "unavailable" if lost else "ready",
            needs=self._analyzer.needs(),
            config=self._analyzer.config.model_dump(mode="json"),
            deadline_s=self._analyzer.config.deadline_s,
            models=() if lost else self._analyzer.loaded_models(),
            device=self._runtime.device,
            chunks_per_batch=self._analyzer.config.chunks_per_batch,
            load_s=self._load_s,
            code=lost.code if lost else "",
            reason=lost.reason if lost else "",
            remedy=lost.remedy if lost else "",
        )

    def booking(self) -> Booking:
        """What this replica books of a GPU, and for which models under its current settings."""
        wanted = [allowed_pin(name, self._runtime.licence_policy).name for name in self._analyzer.wanted_models()]
        share, config = self._runtime.gpu_share, self._analyzer.config.model_dump()
        return Booking(self._cls.name, tuple(dict.fromkeys(wanted)), share, 1, config)

    @property
    def card_error(self) -> str:
        """The error after which this process can compute nothing on the GPU any more; empty while it can."""
        return self._card_error

    def stuck_for_s(self) -> float | None:
        """Wall seconds of the computation in progress where they passed ``stuck_after_s``, else None."""
        since_s = self._busy_since_s
        busy_s = time.monotonic() - since_s if since_s is not None else 0.0
        return busy_s if busy_s > self._analyzer.config.stuck_after_s else None

    def observe_each(self, chunks: Sequence[Any]) -> list[Observed | Fault]:
        """One answer per chunk, in order, computed as one batch; where that fails, each chunk by itself.

        So one bad chunk does not take the others of its batch along, which may be of other videos.
        """
        together = self.observe(chunks)
        if isinstance(together, Observed):
            share = Cost(together.cost.run_ms / len(chunks), together.cost.cpu_ms / len(chunks))
            return [Observed([observation], share) for observation in together.observations]
        if len(chunks) == 1 or together.code == STOPPED:
            return [together for _ in chunks]
        return [self.observe([chunk]) for chunk in chunks]

    def observe(self, chunks: Sequence[Any]) -> Observed | Fault:
        """One observation per chunk, in order; a ``Fault`` too where their number is not that of the chunks."""
        watch = _Watch()

        def work() -> Observed:
            observations = self._ready().observe(chunks)
            if len(observations) != len(chunks):
                raise RuntimeError(f"observe got {len(chunks)} chunks and gave {len(observations)} observations")
            return Observed(observations, watch.cost())

        return self._guarded(work, watch)

    def conclude(self, observations: Sequence[Any], context: Context) -> Concluded | Refused | Fault:
        """The analyzer's result over the whole clip, or why there is none."""
        watch = _Watch()

        def work() -> Concluded | Refused:
            try:
                analyzer = self._ready()
                result = analyzer.conclude(observations, context)
            except NotApplicable as error:
                return Refused("not_applicable", error.code, error.reason, "Nothing to mend.", watch.cost())
            except Unavailable as error:
                return Refused("unavailable", error.code, error.reason, error.remedy, watch.cost())
            timeline = sorted(analyzer.timeline(result), key=lambda item: (item.start_time, item.end_time))
            return Concluded(result.model_dump(mode="json"), timeline, analyzer.headline(result), watch.cost())

        return self._guarded(work, watch)

    def _guarded(self, work: Callable[[], T], watch: _Watch) -> T | Fault:
        """The one place that catches everything: whatever an analyzer does, the others go on."""
        self._busy_since_s = time.monotonic()
        try:
            return undivided(work)  # what the analyzer itself can halve, it has
        except Stopped:
            return Fault(STOPPED, "nobody waits for it any more", watch.cost())
        except AnalysisFailed as error:
            logger.warning("%s: %s (%s)", self._cls.name, error.reason, error.code)
            return Fault(error.code, error.reason, watch.cost(), error.remedy, error.retry_possible)
        except Exception as error:
            logger.exception("%s failed", self._cls.name)
            text = str(error).strip().splitlines()
            reason = f"{type(error).__name__}: {text[-1][:300]}" if text else type(error).__name__
            if is_card_lost(error):
                self._card_error = text[0][:300]
                return Fault("gpu_lost", self._card_error, watch.cost(), CARD_REMEDY)
            return Fault("analyzer_error", reason, watch.cost())
        finally:
            self._busy_since_s = None

    def _ready(self) -> Analyzer[Any, Any, Any, Any]:
        if self._unavailable:
            raise self._unavailable
        return self._analyzer


class _Watch:
    """Wall and thread time from its making on."""

    def __init__(self) -> None:
        self._wall_s = time.perf_counter()
        self._cpu_s = time.thread_time()

    def cost(self) -> Cost:
        return Cost(1000.0 * (time.perf_counter() - self._wall_s), 1000.0 * (time.thread_time() - self._cpu_s))
