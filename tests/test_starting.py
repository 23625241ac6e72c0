"""What /health says of an analyzer that does not answer, and of one that loads again."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import analyzers.host
from analyzers.base import AnalysisFailed
from analyzers.host import AnalyzerHost
from deployments.calls import Failure
from deployments.ingress_answers import analyzer_states
from deployments.starting import state_of
from tests.test_host import _Counting


@pytest.mark.parametrize(
    ("status", "replicas", "message", "expected"),
    [
        ("UPDATING", {"STARTING": 1}, "", "loading"),
        ("UPSCALING", {"RUNNING": 1, "STARTING": 1}, "", "loading"),
        ("HEALTHY", {"UPDATING": 1}, "", "loading"),
        ("HEALTHY", {"RUNNING": 1}, "", "unreachable"),
        ("UPDATING", {"STOPPING": 1}, "", "unreachable"),
        ("DEPLOY_FAILED", {"STARTING": 1}, "The replica failed\n  ValueError: no\n", "unreachable: ValueError: no"),
        ("UNHEALTHY", {}, "", "unreachable"),
    ],
)
def test_serves_words_become_ours(status: str, replicas: dict[str, int], message: str, expected: str) -> None:
    assert state_of(status, replicas, message) == expected


def test_only_what_said_nothing_is_taken_from_serve() -> None:
    described = {"a": Failure("analyzer_unreachable", "x"), "b": Failure("analyzer_unreachable", "x")}
    assert analyzer_states(described, {"a": "loading"}) == {"a": "loading", "b": "unreachable"}
    assert analyzer_states(described) == {"a": "unreachable", "b": "unreachable"}


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> type[_Counting]:
    monkeypatch.setattr(analyzers.host, "import_analyzer", lambda name: _Counting)
    return _Counting


def test_a_host_that_loads_another_model_says_so(counting: type[_Counting], monkeypatch: pytest.MonkeyPatch) -> None:
    host = AnalyzerHost("counting")
    assert host.describe().state == "ready"
    inside, go_on = threading.Event(), threading.Event()

    def slow(_: Any) -> None:
        inside.set()
        assert go_on.wait(120)

    monkeypatch.setattr(_Counting, "load", slow)
    loader = threading.Thread(target=host.configure, args=({"model": "large"},))
    loader.start()
    assert inside.wait(120)
    assert host.describe().state == "loading"
    go_on.set()
    loader.join()
    assert host.describe().state == "ready"
    assert host.describe().load_s > 0.0


def test_a_warm_up_on_a_full_card_makes_the_analyzer_unavailable(
    counting: type[_Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Any) -> None:
        raise AnalysisFailed("gpu_out_of_memory", "the card is full", "more num_gpus", retry_possible=True)

    monkeypatch.setattr(_Counting, "warm_up", full)
    told = AnalyzerHost("counting").describe()
    assert (told.state, told.code, told.remedy) == ("unavailable", "gpu_out_of_memory", "more num_gpus")


def test_a_warm_up_with_a_fault_of_its_own_raises(counting: type[_Counting], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> None:
        raise ZeroDivisionError("in the warm-up")

    monkeypatch.setattr(_Counting, "warm_up", broken)
    with pytest.raises(ZeroDivisionError):
        AnalyzerHost("counting")
