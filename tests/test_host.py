"""The host checks list in against list out, measures, and turns whatever an analyzer raises into a value."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

import analyzers.host
from analyzers.base import AnalysisFailed, Analyzer, AnalyzerConfig, AnalyzerResult, Context, NotApplicable, Unavailable
from analyzers.host import AnalyzerHost, Concluded, Fault, Observed, Refused
from analyzers.stop import stop_if_nobody_waits, wanted_while
from media.needs import FrameNeed, Needs, Rate
from media.types import FrameChunk
from schema.document import TimelineItem, VideoFacts

CONTEXT = Context(VideoFacts(container="mp4", duration_s=4.0))


class _Config(AnalyzerConfig):
    fps: float = 2.0
    model: str = "small"


class _Result(AnalyzerResult):
    total: int


class _Counting(Analyzer[_Config, FrameChunk, int, _Result]):
    name, version, title = "counting", "1", "counts"
    Config, Result = _Config, _Result
    load_fields = frozenset({"model"})
    loads = 0
    spoil: Exception | None = None
    missing: Unavailable | None = None

    def load(self) -> None:
        type(self).loads += 1
        if self.missing:
            raise self.missing

    def needs(self) -> Needs:
        return Needs(frames=(FrameNeed(Rate(self.config.fps), 64),))

    def observe(self, chunks: Sequence[Any]) -> list[int]:
        if self.spoil:
            raise self.spoil
        return [c for c in chunks if c >= 0]

    def conclude(self, observations: Sequence[int], context: Context) -> _Result:
        if self.spoil:
            raise self.spoil
        return _Result(total=sum(observations))

    def timeline(self, result: _Result) -> list[TimelineItem]:
        return [
            TimelineItem(start_time=t, end_time=t + 1.0, channel="seen", analyzer=self.name, label="x")
            for t in (2.0, 0.0)
        ]


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> type[_Counting]:
    monkeypatch.setattr(analyzers.host, "import_analyzer", lambda name: _Counting)
    monkeypatch.setattr(_Counting, "loads", 0)
    return _Counting


def test_observe_and_conclude(counting: type[_Counting]) -> None:
    host = AnalyzerHost("counting")
    observed = host.observe([3, 4])
    assert isinstance(observed, Observed)
    assert observed.observations == [3, 4]
    concluded = host.conclude(observed.observations, CONTEXT)
    assert isinstance(concluded, Concluded)
    assert concluded.result == {"total": 7}
    assert [item.start_time for item in concluded.timeline] == [0.0, 2.0]  # sorted by the host


def test_a_wrong_number_of_observations_is_a_fault(counting: type[_Counting], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL, "tiktok_analyzer.analyzers"):
        answer = AnalyzerHost("counting").observe([3, -1])
    assert isinstance(answer, Fault)
    assert "got 2 chunks and gave 1" in answer.reason


def test_an_exception_is_a_fault_without_its_stack_trace(
    counting: type[_Counting], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(counting, "spoil", ValueError("first line\nlast line"))
    with caplog.at_level(logging.CRITICAL, "tiktok_analyzer.analyzers"):
        for answer in (AnalyzerHost("counting").observe([1]), AnalyzerHost("counting").conclude([1], CONTEXT)):
            assert isinstance(answer, Fault)
            assert (answer.code, answer.reason) == ("analyzer_error", "ValueError: last line")


def test_not_applicable_is_no_fault(counting: type[_Counting], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "spoil", NotApplicable("no_speech", "nobody speaks"))
    answer = AnalyzerHost("counting").conclude([], CONTEXT)
    assert isinstance(answer, Refused)
    assert (answer.status, answer.code, answer.reason) == ("not_applicable", "no_speech", "nobody speaks")


def test_missing_weights_are_told_with_their_remedy(counting: type[_Counting], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "missing", Unavailable("weights_missing", "no weights", "run this"))
    host = AnalyzerHost("counting")
    description = host.describe()
    assert (description.state, description.code, description.remedy) == ("unavailable", "weights_missing", "run this")
    answer = host.conclude([], CONTEXT)
    assert isinstance(answer, Refused)
    assert answer.status == "unavailable"


def test_settings_change_needs_and_load_only_what_must_be_loaded(counting: type[_Counting]) -> None:
    host = AnalyzerHost("counting", {"fps": 5.0})
    assert host.describe().needs == Needs(frames=(FrameNeed(Rate(5.0), 64),))
    host.configure({"fps": 1.0})
    assert host.describe().config["fps"] == 1.0
    assert counting.loads == 1
    host.configure({"fps": 1.0, "model": "large"})
    assert counting.loads == 2
    host.configure(None)
    assert host.describe().config == {**_Config().model_dump(), "fps": 2.0, "model": "small"}
    assert _Config().deadline_s == 300.0


def test_a_batch_is_answered_chunk_by_chunk(counting: type[_Counting]) -> None:
    answers = AnalyzerHost("counting").observe_each([3, 4])
    assert [a.observations for a in answers if isinstance(a, Observed)] == [[3], [4]]


def test_one_bad_chunk_leaves_the_others_of_its_batch_their_observations(
    counting: type[_Counting], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL, "tiktok_analyzer.analyzers"):
        first, bad, last = AnalyzerHost("counting").observe_each([3, -1, 4])
    assert isinstance(bad, Fault)
    assert isinstance(first, Observed)
    assert isinstance(last, Observed)
    assert (first.observations, last.observations) == ([3], [4])


def test_a_computation_that_nobody_waits_for_ends_quietly(
    counting: type[_Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No ERROR in the log, and no second try for each chunk of its batch."""
    asked: list[int] = []

    def observe(self: _Counting, chunks: Sequence[int]) -> list[int]:
        asked.append(len(chunks))
        stop_if_nobody_waits()
        return list(chunks)

    monkeypatch.setattr(counting, "observe", observe)
    host = AnalyzerHost("counting")
    with wanted_while(lambda: False):
        answers = host.observe_each([1, 2, 3])
    assert [answer.code for answer in answers if isinstance(answer, Fault)] == ["stopped"] * 3
    assert asked == [3]
    assert all(isinstance(answer, Observed) for answer in host.observe_each([1, 2]))


def test_what_an_analyzer_says_of_its_failure_is_kept(
    counting: type[_Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "spoil", AnalysisFailed("gpu_out_of_memory", "full", "use a smaller batch", True))
    answer = AnalyzerHost("counting").observe([1])
    assert isinstance(answer, Fault)
    assert (answer.code, answer.reason, answer.remedy) == ("gpu_out_of_memory", "full", "use a smaller batch")
    assert answer.retry_possible


@pytest.mark.error_logs
@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with TORCH_USE_CUDA_DSA"), True),
        (RuntimeError("CUDA error: out of memory"), False),
        (RuntimeError("shapes do not fit"), False),
        (ValueError("CUDA error"), False),
    ],
)
def test_an_error_that_the_gpu_does_not_recover_from_is_kept(
    counting: type[_Counting], monkeypatch: pytest.MonkeyPatch, error: Exception, lost: bool
) -> None:
    host = AnalyzerHost("counting")
    monkeypatch.setattr(_Counting, "spoil", error)
    fault = host.observe([1])
    assert isinstance(fault, Fault)
    assert (fault.code == "gpu_lost") == lost
    assert host.card_error == ("CUDA error: an illegal memory access was encountered" if lost else "")
    monkeypatch.setattr(_Counting, "spoil", None)
    assert isinstance(host.observe([1]), Observed)
    assert bool(host.card_error) == lost


def test_a_computation_that_takes_too_long_is_called_stuck(
    counting: type[_Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = AnalyzerHost("counting", {"stuck_after_s": 10.0})
    seen: list[float | None] = [host.stuck_for_s()]
    clock = iter([100.0, 109.0, 112.0])
    # The host's own name for the module: other threads of this process go on with the real one.
    clocks = SimpleNamespace(**{**vars(time), "monotonic": lambda: next(clock)})
    monkeypatch.setattr(analyzers.host, "time", clocks)

    def observe(self: _Counting, chunks: Sequence[Any]) -> list[int]:
        seen.extend([host.stuck_for_s(), host.stuck_for_s()])
        return list(chunks)

    monkeypatch.setattr(_Counting, "observe", observe)
    host.observe([1])
    assert [*seen, host.stuck_for_s()] == [None, None, 12.0, None]
