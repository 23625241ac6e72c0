"""How every analyzer of the catalogue behaves, on one made clip. Nothing here names an analyzer."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from analyzers.base import AnyAnalyzer, Context
from tests.comparing import differences, same, time_problems
from tests.contract_runs import (
    FPS,
    chunks_for,
    concluded,
    every_analyzer,
    facts,
    moving_picture,
    run_on_made_clip,
    talk_and_clicks,
)
from tests.made_speech import RATE_HZ

OBSERVATION_BYTES = 1_000_000
"""Observations are small: they travel to the ingress and wait there until the end. A picture of 1080 x 1920 has six
times as much."""

ROUNDING = 2e-4
"""Of observations in which shares are rounded to four decimals."""


@every_analyzer
def test_as_many_observations_as_chunks(cls: type[AnyAnalyzer]) -> None:
    run = run_on_made_clip(cls)
    assert len(run.observations) == len(run.chunks)
    if run.chunks:
        assert run.analyzer.observe([]) == []


@every_analyzer
def test_observing_is_pure_in_each_chunk(cls: type[AnyAnalyzer]) -> None:
    run = run_on_made_clip(cls)
    if not run.chunks:
        pytest.skip("observes nothing itself")
    other = cls(cls.Config())
    other.load()
    backwards = [other.observe([chunk])[0] for chunk in reversed(run.chunks)]
    # Networks sum in another order in batches of another size.
    assert same(list(reversed(backwards)), run.observations, ROUNDING if run.analyzer.wanted_models() else 0.0)


@every_analyzer
def test_observations_pickle_and_are_small(cls: type[AnyAnalyzer]) -> None:
    for observation in run_on_made_clip(cls).observations:
        packed = pickle.dumps(observation)
        assert same(pickle.loads(packed), observation)
        assert len(packed) < OBSERVATION_BYTES


@every_analyzer
def test_concluding_again_gives_the_same(cls: type[AnyAnalyzer]) -> None:
    run = run_on_made_clip(cls)
    travelled = pickle.loads(pickle.dumps(run.observations))
    assert concluded(run.analyzer, travelled, run.context) == run.result


@every_analyzer
def test_the_result_does_not_depend_on_where_chunks_end(cls: type[AnyAnalyzer]) -> None:
    run = run_on_made_clip(cls)
    if not run.analyzer.needs().frames:
        pytest.skip("has one chunk only")
    for chunk_s in (0.5, 3.0):
        chunks = chunks_for(run.analyzer, moving_picture(), talk_and_clicks(), chunk_s)
        result = concluded(run.analyzer, run.analyzer.observe(chunks), run.context)
        assert (result is None) == (run.result is None)
        if result is not None and run.result is not None:
            assert differences(result.model_dump(), run.result.model_dump()) == []


@every_analyzer
def test_the_result_survives_json_and_pickle(cls: type[AnyAnalyzer]) -> None:
    result = run_on_made_clip(cls).result
    if result is None:
        pytest.skip("does not apply to the made clip; its own tests cover its results")
    assert cls.Result.model_validate_json(result.model_dump_json()) == result
    assert pickle.loads(pickle.dumps(result)) == result


@every_analyzer
def test_times_are_sorted_and_inside_the_video(cls: type[AnyAnalyzer]) -> None:
    run = run_on_made_clip(cls)
    if run.result is None:
        pytest.skip("does not apply to the made clip; its own tests cover its results")
    assert not time_problems(run.result.model_dump(), run.context.video.duration_s)


@every_analyzer
def test_the_timeline_is_readable_and_inside_the_video(cls: type[AnyAnalyzer]) -> None:
    run = run_on_made_clip(cls)
    if run.result is None:
        pytest.skip("does not apply to the made clip; its own tests cover its results")
    for item in run.analyzer.timeline(run.result):
        assert item.analyzer == cls.name
        assert item.label.strip()
        assert 0.0 <= item.start_time < item.end_time <= run.context.video.duration_s + 1e-6
    headline = run.analyzer.headline(run.result)
    assert headline is None or (headline.strip() == headline != "" and "\n" not in headline)


@every_analyzer
def test_a_lost_chunk_does_not_stop_the_conclusion(cls: type[AnyAnalyzer]) -> None:
    run = run_on_made_clip(cls)
    if len(run.observations) < 3:
        pytest.skip("has one chunk only")
    context = dataclasses.replace(run.context, gaps=((1.0, 2.0),))
    result = concluded(run.analyzer, [run.observations[0], *run.observations[2:]], context)
    assert result is None or not time_problems(result.model_dump(), 3.0)


@every_analyzer
def test_nothing_observed_does_not_raise(cls: type[AnyAnalyzer]) -> None:
    run = run_on_made_clip(cls)
    context = Context(facts(3.0), missing=dict.fromkeys(cls.after, "failed: made to fail"), gaps=((0.0, 3.0),))
    result = concluded(run.analyzer, [], context)
    assert result is None or not time_problems(result.model_dump(), 3.0)


@every_analyzer
def test_one_black_frame_and_a_moment_of_silence_do_not_raise(cls: type[AnyAnalyzer]) -> None:
    analyzer = run_on_made_clip(cls).analyzer
    black, silence = np.zeros((1, 320, 180, 3), np.uint8), np.zeros(round(RATE_HZ / FPS), np.float32)
    chunks = chunks_for(analyzer, black, silence)
    observations = analyzer.observe(chunks) if chunks else []
    context = Context(facts(1 / FPS), missing=dict.fromkeys(cls.after, "not_applicable: too short"))
    result = concluded(analyzer, observations, context)
    assert result is None or not time_problems(result.model_dump(), 1 / FPS)


def test_the_checks_find_wrong_times() -> None:
    span = {"start_time": 0.0, "end_time": 1.0}
    later = {"start_time": 0.5, "end_time": 1.0}
    assert time_problems({"a": [span, later]}, 1.0) == []
    assert time_problems({"a": [later, span]}, 1.0) == ["result.a is not sorted by start_time"]
    assert time_problems({"a": [span]}, 0.9) == ["result.a[0].end_time = 1.0 is outside [0, 0.9]"]
    assert time_problems({"timestamp": -0.1}, 1.0) == ["result.timestamp = -0.1 is outside [0, 1.0]"]


def test_the_comparison_of_results_tells_them_apart() -> None:
    assert differences({"a": [1.0, "x"]}, {"a": [1.0 + 1e-9, "x"]}) == []
    assert differences({"a": [1.0]}, {"a": [1.0001]}) == ["result.a[0]: 1.0 and 1.0001"]
    assert differences({"a": [1.0]}, {"a": []}) == ["result.a: [1.0] and []"]


def test_the_comparison_tells_arrays_apart() -> None:
    a = (np.array([1.0, np.nan]), {"k": [1, float("nan")]})
    assert same(a, pickle.loads(pickle.dumps(a)))
    assert not same(a, (np.array([1.0, 2.0]), {"k": [1, float("nan")]}))
    assert not same(np.zeros(2, np.float32), np.zeros(2, np.float64))
