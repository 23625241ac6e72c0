"""Sound classes through the real loader and library, with a tiny AST of random weights and AudioSet's names."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from analyzers.audio_environment import AudioEnvironment, AudioEnvironmentConfig, ClassesHeard, windows_of
from analyzers.base import Context, NotApplicable
from analyzers.host import AnalyzerHost, Concluded, Observed
from analyzers.results.audio_environment import AudioEnvironmentResult, name_at
from analyzers.signal.audioset import BRANCHES, PLACES, kinds_of
from media.types import AudioChunk, AudioClip
from schema.document import VideoFacts
from tests.tiny.sound_classes import audioset_classes
from tests.tiny_weights import TinyWeights, label_of

RATE_HZ = 16_000
CLASSES = tuple(audioset_classes())

PROBABILITY_TOLERANCE = 2e-3
"""Against transformers' pipeline: our rows travel as float16, which is exact to 5e-4 below 1; the rest is float32."""


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise whose colour changes every second."""
    rng = np.random.default_rng(seed)
    parts = []
    for k in range(int(np.ceil(seconds))):
        white = rng.standard_normal(RATE_HZ)
        parts.append(np.convolve(white, np.ones(1 + 3 * (k % 4)) / (1 + 3 * (k % 4)), mode="same") * 0.1)
    return np.concatenate(parts)[: round(seconds * RATE_HZ)].astype(np.float32)


def chunk(samples: np.ndarray, start_s: float = 0.0) -> AudioChunk:
    return AudioChunk((AudioClip(np.ascontiguousarray(samples, np.float32), RATE_HZ, start_s),))


def context(duration_s: float) -> Context:
    return Context(VideoFacts(container="arrays", duration_s=duration_s))


@pytest.fixture(scope="module")
def ast(tiny_weights: TinyWeights) -> AudioEnvironment:
    analyzer = AudioEnvironment(AudioEnvironmentConfig(hop_s=2.5))
    analyzer.runtime = tiny_weights.runtime("ast-audioset")
    analyzer.load()
    analyzer.warm_up()
    return analyzer


# ------------------------------------------------------------------------------------------------------- the tables


def test_the_table_names_classes_of_audioset_only() -> None:
    assert len(CLASSES) == 527
    assert {name for place in PLACES for name in place.classes} <= set(CLASSES)
    assert set(BRANCHES) <= set(CLASSES)
    assert len({place.name for place in PLACES}) == len(PLACES)


def test_no_class_speaks_for_two_places() -> None:
    named = [name for place in PLACES for name in place.classes]
    assert len(named) == len(set(named))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Speech", "speech"),
        ("Whispering", "speech"),
        ("Laughter", "human"),
        ("Rapping", "singing"),
        ("Applause", "human"),
        ("Dog", "animal"),
        ("Guitar", "music"),
        ("Wind chime", "bell"),
        ("Accordion", "music"),
        ("Thunder", "nature"),
        ("Helicopter", "vehicle"),
        ("Toilet flush", "home"),
        ("Camera", "machine"),
        ("Fireworks", "impact"),
        ("Whoosh, swoosh, swish", "material"),
        ("Sound effect", "signal"),
        ("Outside, rural or natural", "place"),
        ("White noise", "noise"),
    ],
)
def test_branches_of_the_ontology(name: str, kind: str) -> None:
    assert kinds_of(CLASSES)[name] == kind


def test_classes_of_another_model_have_no_branch() -> None:
    assert kinds_of(("up", "down")) == {"up": "other", "down": "other"}


# ------------------------------------------------------------------------------------------------------- the windows


def test_windows_cover_the_sound_and_steps_tile_it() -> None:
    clip = AudioClip(np.arange(10 * RATE_HZ, dtype=np.float32) / 1e6, RATE_HZ, 0.5)
    windows, edges_s = windows_of(clip, 5.0, 2.0)
    assert [round(float(w[0]) * 1e6 / RATE_HZ, 3) for w in windows] == [0.0, 2.0, 4.0, 5.0]
    assert {len(w) for w in windows} == {5 * RATE_HZ}
    # Middles at 2.5, 4.5, 6.5 and 7.5 s; the first and the last step reach to the ends.
    assert edges_s == pytest.approx([0.5, 4.0, 6.0, 7.5, 10.5])


def test_a_short_sound_is_one_window_and_a_click_none() -> None:
    windows, edges_s = windows_of(AudioClip(np.ones(RATE_HZ, np.float32), RATE_HZ), 5.0, 2.0)
    assert ([len(w) for w in windows], list(edges_s)) == ([RATE_HZ], [0.0, 1.0])
    windows, edges_s = windows_of(AudioClip(np.ones(800, np.float32), RATE_HZ), 5.0, 2.0)
    assert (windows, list(edges_s)) == ([], [])


# ----------------------------------------------------------------------------------------------------- the real path


@pytest.mark.filterwarnings("ignore:At least one mel filter")
def test_probabilities_equal_the_pipelines(ast: AudioEnvironment, tiny_weights: TinyWeights) -> None:
    from transformers import pipeline

    samples = noise(10.0)
    heard = ast.observe([chunk(samples)])[0]
    assert heard.classes == CLASSES
    reference = pipeline("audio-classification", model=str(tiny_weights.path("ast-audioset")), top_k=None)
    rows = []
    for begin_s, row in zip((0.0, 2.5, 5.0), heard.probabilities, strict=True):
        part = samples[round(begin_s * RATE_HZ) : round((begin_s + 5.0) * RATE_HZ)]
        found = reference({"raw": part, "sampling_rate": RATE_HZ}, function_to_apply="sigmoid")
        theirs = {e["label"]: e["score"] for e in found}
        rows.append(np.array([theirs[name] for name in CLASSES]))
        np.testing.assert_allclose(row.astype(float), rows[-1], atol=PROBABILITY_TOLERANCE)
    assert np.abs(rows[0] - rows[1]).max() > 5 * PROBABILITY_TOLERANCE  # the windows do differ


def test_the_result_is_inside_the_clip_and_readable(ast: AudioEnvironment) -> None:
    result = ast.conclude(ast.observe([chunk(noise(7.3))]), context(7.3))
    assert result.windows[0].start_time == 0.0
    assert result.windows[-1].end_time == pytest.approx(7.3)
    assert all(a.end_time == b.start_time for a, b in zip(result.windows, result.windows[1:], strict=False))
    for window in result.windows:
        assert list(window.classes.values()) == sorted(window.classes.values(), reverse=True)
        assert len(window.classes) <= 10
    assert [p.score for p in result.places] == sorted((p.score for p in result.places), reverse=True)
    assert len(result.places) == len(PLACES)
    assert ast.headline(result)
    assert result == AudioEnvironmentResult.model_validate_json(result.model_dump_json())


def test_videos_of_one_batch_do_not_touch_each_other(ast: AudioEnvironment) -> None:
    chunks = [chunk(noise(6.0, 1)), chunk(np.zeros(0)), chunk(noise(3.0, 2), start_s=1.0)]
    together = ast.observe(chunks)
    for one, both in zip((ast.observe([c])[0] for c in chunks), together, strict=True):
        np.testing.assert_array_equal(one.edges_s, both.edges_s)
        np.testing.assert_allclose(
            one.probabilities.astype(float), both.probabilities.astype(float), atol=PROBABILITY_TOLERANCE
        )
    assert together[2].edges_s[0] == 1.0
    assert ast.observe([]) == []


def test_observations_of_five_minutes_are_small() -> None:
    steps = int(300 / AudioEnvironmentConfig().hop_s)
    heard = ClassesHeard(np.linspace(0.0, 300.0, steps + 1), 5.0, CLASSES, np.zeros((steps, 527), np.float16))
    assert len(pickle.dumps(heard)) < 1_000_000


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(800)])
def test_no_sound_or_a_click_is_no_audio(ast: AudioEnvironment, samples: np.ndarray) -> None:
    with pytest.raises(NotApplicable) as caught:
        ast.conclude(ast.observe([chunk(samples)]), context(5.0))
    assert caught.value.code == "no_audio"


def test_through_the_host_with_provenance(tiny_weights: TinyWeights) -> None:
    host = AnalyzerHost("audio_environment", {"hop_s": 5.0}, tiny_weights.runtime("ast-audioset"))
    assert host.describe().models == (label_of("ast-audioset", "MIT/ast-finetuned-audioset-10-10-0.4593"),)
    observed = host.observe([chunk(noise(6.0))])
    assert isinstance(observed, Observed)
    concluded = host.conclude(observed.observations, context(6.0))
    assert isinstance(concluded, Concluded)
    assert all(item.channel == "heard" for item in concluded.timeline)


# ---------------------------------------------------------------------------------------------------------- the rules


def made(steps: list[dict[str, float]], step_s: float = 1.0) -> ClassesHeard:
    """Probabilities of the named classes in each step; 0 for the others."""
    rows = np.zeros((len(steps), len(CLASSES)), np.float16)
    for k, step in enumerate(steps):
        for name, value in step.items():
            rows[k, CLASSES.index(name)] = value
    return ClassesHeard(np.linspace(0.0, step_s * len(steps), len(steps) + 1), 5.0, CLASSES, rows)


def concluded(steps: list[dict[str, float]]) -> AudioEnvironmentResult:
    return AudioEnvironment(AudioEnvironmentConfig()).conclude([made(steps)], context(float(len(steps))))


def test_an_event_opens_at_one_threshold_and_closes_at_the_other() -> None:
    result = concluded([{"Dog": p} for p in (0.2, 0.5, 0.2, 0.1, 0.2, 0.4)])
    assert [(e.sound_class, e.kind, e.start_time, e.end_time) for e in result.events] == [
        ("Dog", "animal", 1.0, 3.0),
        ("Dog", "animal", 5.0, 6.0),
    ]
    assert result.events[0].confidence == pytest.approx(0.5, abs=1e-3)
    assert result.events[0].mean_probability == pytest.approx(0.35, abs=1e-3)


def test_the_place_is_the_mean_of_its_most_probable_class() -> None:
    result = concluded([{"Traffic noise, roadway noise": 0.5}, {"Car passing by": 0.25}, {}, {"Skateboard": 0.25}])
    assert (result.environment, result.setting) == ("street", "outdoor")
    assert result.environment_score == pytest.approx(0.25, abs=1e-3)
    assert list(result.places[0].evidence) == ["Traffic noise, roadway noise", "Car passing by", "Skateboard"]
    assert result.places[0].evidence["Traffic noise, roadway noise"] == pytest.approx(0.125, abs=1e-3)


def test_below_the_threshold_no_place_is_named() -> None:
    result = concluded([{"Inside, small room": 0.09}])
    assert (result.environment, result.environment_score, result.setting, result.setting_score) == (None,) * 4
    assert result.places[0].place == "room"
    assert AudioEnvironment(AudioEnvironmentConfig()).headline(result).startswith("No place can be told")


def test_indoor_and_outdoor_alike_is_undecided() -> None:
    result = concluded([{"Inside, small room": 0.5, "Outside, urban or manmade": 0.45}])
    assert (result.environment, result.setting) == ("room", None)
    result = concluded([{"Inside, small room": 0.5, "Outside, urban or manmade": 0.3}])
    assert result.setting == "indoor"
    assert result.setting_score == pytest.approx(0.5, abs=1e-3)


def test_a_place_that_may_be_anywhere_decides_no_setting() -> None:
    result = concluded([{"Crowd": 0.9}])
    assert (result.environment, result.setting) == ("crowd", None)


def test_places_are_no_events_and_speech_and_music_stay_off_the_time_line() -> None:
    result = concluded([{"Inside, small room": 0.9, "Speech": 0.9, "Music": 0.8, "Laughter": 0.7}])
    assert [e.sound_class for e in result.events] == ["Speech", "Music", "Laughter"]
    items = AudioEnvironment(AudioEnvironmentConfig()).timeline(result)
    assert [i.label for i in items] == ["Laughter"]


def test_a_sound_gets_the_name_of_the_step_it_is_in() -> None:
    steps = [{"Speech": 0.9, "Whoosh, swoosh, swish": 0.4}, {"Music": 0.8, "Ding": 0.05, "Silence": 0.6}]
    result = concluded(steps)
    found = name_at(result, 0.99, 0.1)
    assert found is not None
    assert (found[0], round(found[1], 2)) == ("Whoosh, swoosh, swish", 0.4)
    assert name_at(result, 1.0, 0.1) is None
    found = name_at(result, 1.0, 0.04)
    assert found is not None
    assert (found[0], round(found[1], 2)) == ("Ding", 0.05)
    assert name_at(result, 2.0, 0.0) is None


def test_the_video_may_end_before_the_sound() -> None:
    analyzer = AudioEnvironment(AudioEnvironmentConfig())
    result = analyzer.conclude([made([{"Dog": 0.9}] * 4)], context(2.5))
    assert [(e.start_time, e.end_time) for e in result.events] == [(0.0, 2.5)]
    assert result.windows[-1].end_time == 2.5
