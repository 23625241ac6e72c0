"""A card that is full, by injection: the batch is halved, then the chunk fails by name, and the replica goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

import analyzers.host
from analyzers.base import Analyzer, AnalyzerConfig, AnalyzerResult, Context
from analyzers.host import AnalyzerHost, Concluded, Fault, Observed
from analyzers.inference.oom import in_halves
from media.needs import FrameNeed, Needs, Rate
from media.types import FrameBatch, FrameChunk
from reducer.sections import fault_error
from schema.document import VideoFacts
from tests.tiny_weights import TinyWeights

FULL = "CUDA out of memory. Tried to allocate 1.00 GiB. GPU 0 has a total capacity of 48.00 GiB"


class _Result(AnalyzerResult):
    total: int


class _Card:
    """What the fake analyzer's model takes at once; an item heavier than that never fits."""

    room = 8
    calls: list[int] = []


class _OnCard(Analyzer[AnalyzerConfig, FrameChunk, int, _Result]):
    name, version, title = "on_card", "1", "loads a card"
    Config, Result = AnalyzerConfig, _Result

    def needs(self) -> Needs:
        return Needs(frames=(FrameNeed(Rate(1.0), 64),))

    def observe(self, chunks: Sequence[Any]) -> list[int]:
        def model(weights: Sequence[int]) -> list[int]:
            _Card.calls.append(len(weights))
            if sum(weights) > _Card.room:
                raise torch.OutOfMemoryError(FULL)
            return [10 * weight for weight in weights]

        return in_halves(model, chunks)

    def conclude(self, observations: Sequence[int], context: Context) -> _Result:
        return _Result(total=sum(observations))


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> AnalyzerHost:
    monkeypatch.setattr(analyzers.host, "import_analyzer", lambda name: _OnCard)
    monkeypatch.setattr(_Card, "calls", [])
    return AnalyzerHost("on_card")


def test_a_batch_of_several_videos_is_halved_until_it_fits(host: AnalyzerHost) -> None:
    answers = host.observe_each([3, 3, 3, 3])
    assert [a.observations for a in answers if isinstance(a, Observed)] == [[30], [30], [30], [30]]
    assert _Card.calls == [4, 2, 2]


def test_one_chunk_too_large_fails_alone_and_the_replica_goes_on(host: AnalyzerHost) -> None:
    small, large, other = host.observe_each([2, 20, 2])
    assert isinstance(small, Observed)
    assert isinstance(other, Observed)
    assert isinstance(large, Fault)
    assert (large.code, large.retry_possible, large.reason) == ("gpu_out_of_memory", True, FULL)
    assert host.stuck_for_s() is None
    assert host.describe().state == "ready"
    again = host.observe([2, 2])
    assert isinstance(again, Observed)
    concluded = host.conclude(again.observations, Context(VideoFacts(container="mp4", duration_s=1.0)))
    assert isinstance(concluded, Concluded)
    assert concluded.result == {"total": 40}


def test_the_section_says_so(host: AnalyzerHost) -> None:
    fault = host.observe([20])
    assert isinstance(fault, Fault)
    error = fault_error(fault)
    assert (error.code, error.retry_possible) == ("gpu_out_of_memory", True)
    assert "num_gpus" in error.remedy


class _Careless(_OnCard):
    """Halves nothing."""

    def load(self) -> None:
        if _Card.room == 0:
            raise torch.OutOfMemoryError(FULL + "\nmore lines")

    def observe(self, chunks: Sequence[Any]) -> list[int]:
        raise torch.OutOfMemoryError(FULL + "\nmore lines")


@pytest.mark.error_logs
def test_an_analyzer_that_does_not_see_to_it_itself_fails_by_name_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyzers.host, "import_analyzer", lambda name: _Careless)
    host = AnalyzerHost("on_card")
    fault = host.observe([1])
    assert isinstance(fault, Fault)
    assert (fault.code, fault.reason, fault.retry_possible) == ("gpu_out_of_memory", FULL, True)
    monkeypatch.setattr(_Card, "room", 0)
    full = AnalyzerHost("on_card").describe()
    assert (full.state, full.code, full.reason) == ("unavailable", "gpu_out_of_memory", FULL)


# ------------------------------------------------------------------------------------------- through real analyzers


def frames_chunk(count: int = 4) -> FrameChunk:
    pictures = np.random.default_rng(3).integers(0, 256, (count, 192, 128, 3), np.uint8)
    batch = FrameBatch(pictures, np.arange(count) / 3.0, np.arange(count), 0, 128, 192)
    return FrameChunk(0, 0.0, count / 3.0, (batch,))


def limit_batches(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Every network refuses more than ``most`` items in its first tensor, as a full card would."""
    seen: list[int] = []
    call: Callable[..., Any] = torch.nn.Module.__call__

    def limited(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        tensor = next((v for v in (*args, *kwargs.values()) if isinstance(v, torch.Tensor)), None)
        if tensor is not None and tensor.ndim == 4:
            seen.append(len(tensor))
            if len(tensor) > most:
                raise torch.OutOfMemoryError(FULL)
        return call(module, *args, **kwargs)

    monkeypatch.setattr(torch.nn.Module, "__call__", limited)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "pin"), [("object_detection", "yolov8n"), ("background_segmentation", "segformer-b0")]
)
def test_a_real_analyzer_halves_fails_and_goes_on(
    name: str, pin: str, tiny_weights: TinyWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = AnalyzerHost(name, {"model": pin, "short_side_px": 128}, tiny_weights.runtime(pin))
    assert host.describe().state == "ready"
    with monkeypatch.context() as inside:
        seen = limit_batches(inside, 1)
        assert isinstance(host.observe([frames_chunk()]), Observed)
        assert (seen[0], min(seen)) == (4, 1)
    with monkeypatch.context() as inside:
        limit_batches(inside, 0)
        lost = host.observe([frames_chunk()])
        assert isinstance(lost, Fault)
        assert (lost.code, lost.retry_possible) == ("gpu_out_of_memory", True)
    assert isinstance(host.observe([frames_chunk()]), Observed)
