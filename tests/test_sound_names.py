"""Sound effects get the name that ``audio_environment`` hears at their moment."""

from __future__ import annotations

import numpy as np
import pytest

from analyzers.audio_environment import AudioEnvironment, AudioEnvironmentConfig, ClassesHeard
from analyzers.base import AnalyzerResult, Context
from analyzers.results.audio_environment import AudioEnvironmentResult
from schema.document import VideoFacts
from tests.run import make_analyzer, run_on_audio
from tests.tiny.sound_classes import audioset_classes

RATE_HZ = 22_050
SECONDS = 6
MOMENTS_S = (1.5, 4.5)


def hits() -> np.ndarray:
    """Soft steady noise with two bursts that die away."""
    rng = np.random.default_rng(3)
    samples = 0.001 * rng.standard_normal(SECONDS * RATE_HZ)
    for moment_s in MOMENTS_S:
        begin = round(moment_s * RATE_HZ)
        length = round(0.4 * RATE_HZ)
        samples[begin : begin + length] += 0.5 * rng.standard_normal(length) * np.exp(-np.arange(length) / 2000.0)
    return samples.astype(np.float32)


def environment(steps: list[dict[str, float]]) -> AudioEnvironmentResult:
    """One step a second."""
    classes = tuple(audioset_classes())
    rows = np.zeros((len(steps), len(classes)), np.float16)
    for k, step in enumerate(steps):
        for name, score in step.items():
            rows[k, classes.index(name)] = score
    heard = ClassesHeard(np.arange(len(steps) + 1, dtype=np.float64), 1.0, classes, rows)
    facts = VideoFacts(container="arrays", duration_s=float(len(steps)))
    return AudioEnvironment(AudioEnvironmentConfig()).conclude([heard], Context(facts))


@pytest.fixture(scope="module")
def analyzer():
    return make_analyzer("sound_effects")


def found(analyzer, **results: AnalyzerResult):
    result = run_on_audio(analyzer, hits(), RATE_HZ, results)
    assert [e.timestamp for e in result.effects] == pytest.approx(MOMENTS_S, abs=0.06)
    return result


def test_an_effect_is_named_by_the_most_probable_single_sound(analyzer) -> None:
    steps: list[dict[str, float]] = [{} for _ in range(SECONDS)]
    steps[1] = {"Music": 0.9, "Speech": 0.8, "Door": 0.3, "Slam": 0.5, "Inside, small room": 0.6}
    steps[4] = {"Music": 0.9, "Slam": 0.05}
    result = found(analyzer, audio_environment=environment(steps))
    names = [(e.name, None if e.name_score is None else round(e.name_score, 2)) for e in result.effects]
    assert names == [("Slam", 0.5), (None, None)]
    kinds = [e.kind for e in result.effects]
    assert [i.label for i in analyzer.timeline(result)] == [f"{kinds[0]}: Slam", kinds[1]]


def test_without_the_model_effects_have_no_names_and_are_the_same(analyzer) -> None:
    bare = found(analyzer)
    assert [(e.name, e.name_score) for e in bare.effects] == [(None, None)] * 2
    named = found(analyzer, audio_environment=environment([{"Slam": 0.5}] * SECONDS))
    assert [e.model_copy(update={"name": None, "name_score": None}) for e in named.effects] == list(bare.effects)
