"""The behaviour that every analyzer promises, of those that load models: on tiny checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from analyzers.base import Analyzer, AnyAnalyzer
from analyzers.catalogue import CATALOGUE
from tests import contract_runs
from tests import test_contract_behaviour as contracts
from tests.tiny_weights import TinyWeights

MODEL_BACKED = tuple(cls for cls in CATALOGUE if cls(cls.Config()).wanted_models())

CHECKS: tuple[Callable[[type[AnyAnalyzer]], None], ...] = (
    contracts.test_as_many_observations_as_chunks,
    contracts.test_observing_is_pure_in_each_chunk,
    contracts.test_observations_pickle_and_are_small,
    contracts.test_concluding_again_gives_the_same,
    contracts.test_the_result_does_not_depend_on_where_chunks_end,
    contracts.test_the_result_survives_json_and_pickle,
    contracts.test_times_are_sorted_and_inside_the_video,
    contracts.test_the_timeline_is_readable_and_inside_the_video,
    contracts.test_a_lost_chunk_does_not_stop_the_conclusion,
    contracts.test_nothing_observed_does_not_raise,
    contracts.test_one_black_frame_and_a_moment_of_silence_do_not_raise,
)

ENDS_WITH_ITS_CHUNK = {"qwen2_vl_temporal"}
"""A segment of 2 s ends with its chunk, as its docstring says: chunks of half a second make segments of that length."""


@pytest.fixture(scope="module", autouse=True)
def tiny_runtime(tiny_weights: TinyWeights) -> Iterator[None]:
    """Analyzers that nobody gives a runtime find the tiny checkpoints."""
    names = {name for cls in MODEL_BACKED for name in cls(cls.Config()).wanted_models()}
    caches = (contract_runs.run_on_made_clip, contract_runs.loaded)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Analyzer, "runtime", tiny_weights.runtime(*names))
        for cached in caches:
            getattr(cached, "cache_clear", lambda: None)()
        yield
    for cached in caches:
        getattr(cached, "cache_clear", lambda: None)()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("test_"))
@pytest.mark.parametrize("cls", MODEL_BACKED, ids=lambda cls: cls.name)
def test_with_weights(cls: type[AnyAnalyzer], check: Callable[[type[AnyAnalyzer]], None]) -> None:
    if cls.name in ENDS_WITH_ITS_CHUNK and check is contracts.test_the_result_does_not_depend_on_where_chunks_end:
        pytest.skip("its segments end with their chunk")
    check(cls)
