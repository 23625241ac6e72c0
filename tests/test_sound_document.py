"""All sound analyzers with tiny models on one file, through the production plan, decode and reducer, without Ray."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from deployments.settings import GraphArgs
from ops.local import LocalRunner
from schema.document import AnalysisDocument
from tests.made_speech import RATE_HZ, Syllable, speech
from tests.tiny.whisper import SENTENCE
from tests.tiny_weights import TinyWeights, label_of

PINS = ("whisper-small", "wav2vec2-emotion", "ast-audioset")
REQUESTED = (
    "speech_transcription",
    "speech_flow",
    "speech_rate",
    "speech_emotion",
    "audio_environment",
    "sound_effects",
)


def talk_file(folder: Path) -> Path:
    """6 s: two stretches of made speech with a pause, and a burst of noise at 5 s."""
    starts = [*np.arange(0.3, 2.3, 0.21), *np.arange(3.0, 4.6, 0.21)]
    samples = speech([Syllable(float(s), f0_hz=110.0 + 8.0 * (k % 4)) for k, s in enumerate(starts)], 6.0)
    burst = np.random.default_rng(1).standard_normal(RATE_HZ // 2) * np.exp(-np.arange(RATE_HZ // 2) / 1500.0)
    samples[5 * RATE_HZ : 5 * RATE_HZ + len(burst)] += 0.3 * burst.astype(np.float32)
    path = folder / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes((np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def document(tiny_weights: TinyWeights, tmp_path_factory: pytest.TempPathFactory) -> AnalysisDocument:
    folder = tmp_path_factory.mktemp("talk")
    settings = GraphArgs(
        analyzers=[*REQUESTED, "audio_analysis", "cut_analysis"],
        weights_dir=str(tiny_weights.runtime(*PINS).weights_path),
    )
    configs = {"speech_transcription": {"model": "whisper-small"}}
    return LocalRunner(settings, configs).analyze(talk_file(folder), REQUESTED)


def test_every_section_has_its_result(document: AnalysisDocument) -> None:
    assert {name: document.section(name).status for name in REQUESTED} == dict.fromkeys(REQUESTED, "ok")


def test_the_provenance_names_the_models(document: AnalysisDocument) -> None:
    models = {name: document.section(name).provenance.models for name in REQUESTED}
    assert models["speech_transcription"] == (label_of("whisper-small", "Systran/faster-whisper-small"),)
    assert models["speech_emotion"] == (label_of("wav2vec2-emotion", "superb/wav2vec2-base-superb-er"),)
    assert models["audio_environment"] == (label_of("ast-audioset", "MIT/ast-finetuned-audioset-10-10-0.4593"),)
    assert models["speech_flow"] == ()


def test_what_is_said_stands_on_the_time_line(document: AnalysisDocument) -> None:
    said = [i for entry in document.timeline for i in entry.said if i.analyzer == "speech_transcription"]
    assert " ".join(dict.fromkeys(i.label for i in said)) == SENTENCE
    assert any(i.label.startswith("sounds ") for entry in document.timeline for i in entry.said)


def test_words_reach_rate_and_flow(document: AnalysisDocument) -> None:
    rate = document.section("speech_rate").result
    flow = document.section("speech_flow").result
    assert rate is not None
    assert flow is not None
    assert (rate["basis"], rate["words"]) == ("syllables_and_words", len(SENTENCE.split()))
    assert all(pause["follows"]["text"] is not None for pause in flow["pauses"])


def test_effects_are_named_where_the_model_hears_one(document: AnalysisDocument) -> None:
    effects = document.section("sound_effects").result
    environment = document.section("audio_environment").result
    assert effects is not None
    assert environment is not None
    assert effects["effects"]
    heard = {name for window in environment["windows"] for name in window["classes"]}
    assert all(effect["name"] is None or effect["name"] in heard for effect in effects["effects"])
