"""What a replica counts, for Ray's metrics (Prometheus): loading, run times, chunks, faults."""

from __future__ import annotations

from collections.abc import Sequence

from ray.util.metrics import Counter, Gauge, Histogram

from analyzers.host import Concluded, Description, Fault, Observed, Refused

RUN_BOUNDARIES_S = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]
"""From a measure on a small chunk to a video language model on a CPU."""

STATE_VALUES = {"ready": 1.0, "loading": 0.5, "unavailable": 0.0}


class ReplicaMetrics:
    """The metrics of one replica. Ray adds its own prefix and the replica's node and process.

    Args:
        analyzer: Tag of every metric.
    """

    def __init__(self, analyzer: str) -> None:
        self._analyzer = {"analyzer": analyzer}
        self._load_s = Gauge(
            "tiktok_analyzer_load_seconds", "Wall seconds of the last load of models with its warm-up.", ("analyzer",)
        )
        self._state = Gauge("tiktok_analyzer_state", "1 ready, 0.5 loading, 0 unavailable.", ("analyzer",))
        self._run_s = Histogram(
            "tiktok_analyzer_run_seconds",
            "Wall seconds of one computation, a chunk's part of its batch.",
            RUN_BOUNDARIES_S,
            ("analyzer", "step"),
        )
        self._chunks = Counter("tiktok_analyzer_chunks", "Chunks observed.", ("analyzer",))
        self._faults = Counter("tiktok_analyzer_faults", "Computations that failed, by code.", ("analyzer", "code"))

    def loading(self) -> None:
        """Before a load: the first one, or one that new settings ask for."""
        self._state.set(STATE_VALUES["loading"], self._analyzer)

    def loaded(self, description: Description) -> None:
        """After a load, whatever came of it."""
        self._load_s.set(description.load_s, self._analyzer)
        self._state.set(STATE_VALUES[description.state], self._analyzer)

    def observed(self, answers: Sequence[Observed | Fault]) -> None:
        """After a batch of chunks."""
        for answer in answers:
            self._run_s.observe(answer.cost.run_ms / 1000.0, {**self._analyzer, "step": "observe"})
            if isinstance(answer, Fault):
                self._faults.inc(1.0, {**self._analyzer, "code": answer.code})
        if answers:
            self._chunks.inc(float(len(answers)), self._analyzer)

    def concluded(self, answer: Concluded | Refused | Fault) -> None:
        """After a conclusion."""
        self._run_s.observe(answer.cost.run_ms / 1000.0, {**self._analyzer, "step": "conclude"})
        if isinstance(answer, Fault):
            self._faults.inc(1.0, {**self._analyzer, "code": answer.code})
