"""A card that is full for every analyzer that computes on one: while its model is loaded and warmed up, and in the
steps that no batch is made of. The libraries' own errors are injected where they would raise them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from analyzers.base import AnalysisFailed, Unavailable
from analyzers.host import AnalyzerHost, Fault, Observed
from analyzers.inference.age import FaceCrop, InsightAge
from analyzers.inference.device import open_device
from analyzers.inference.easyocr_reader import EASYOCR_LANGUAGES, EasyOcrReader
from analyzers.runtime import Runtime
from media.types import AudioChunk, AudioClip
from tests.made_speech import RATE_HZ, Syllable, speech
from tests.tiny_weights import TinyWeights

pytestmark = pytest.mark.slow

TORCH_FULL = "CUDA out of memory. Tried to allocate 1.00 GiB. GPU 0 has a total capacity of 48.00 GiB"
CTRANSLATE2_FULL = "CUDA failed with error out of memory"

ON_TORCH: tuple[tuple[str, str], ...] = (
    ("video_llava", "llava-next-video-7b"),
    ("qwen2_vl_temporal", "qwen2-vl-7b"),
    ("blip2_video_analyzer", "blip2-opt-2.7b"),
    ("object_detection", "yolov8n"),
    ("object_detection", "rtdetr-v2-r18"),
    ("body_pose", "yolov8n-pose"),
    ("body_pose", "vitpose-base"),
    ("background_segmentation", "segformer-b0"),
    ("background_segmentation", "upernet-convnext-tiny"),
    ("clip_encoder", "clip-b32"),
    ("age_estimation", "age-vit"),
    ("text_overlay", "easyocr-english"),
    ("speech_emotion", "wav2vec2-emotion"),
    ("audio_environment", "ast-audioset"),
)
"""Analyzer and a model that it loads."""


def settings_for(analyzer: str, pin: str) -> dict[str, Any]:
    if analyzer == "text_overlay":
        return {"engine": "easyocr", "easyocr_script": pin.partition("-")[2]}
    return {} if analyzer in ("qwen2_vl_temporal", "speech_emotion", "audio_environment") else {"model": pin}


def full(*_: Any, **__: Any) -> Any:
    raise torch.OutOfMemoryError(TORCH_FULL)


def full_for_ctranslate2(*_: Any, **__: Any) -> Any:
    raise RuntimeError(CTRANSLATE2_FULL)


@pytest.mark.parametrize(("analyzer", "pin"), ON_TORCH)
def test_a_model_that_does_not_fit_makes_its_analyzer_unavailable(
    analyzer: str, pin: str, tiny_weights: TinyWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = tiny_weights.runtime(pin)
    monkeypatch.setattr(torch.nn.Module, "__call__", full)
    told = AnalyzerHost(analyzer, settings_for(analyzer, pin), runtime).describe()
    assert (told.state, told.code) == ("unavailable", "gpu_out_of_memory")
    assert "num_gpus" in told.remedy


def test_easyocr_that_does_not_fit_is_not_taken_for_broken(
    tiny_weights: TinyWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("easyocr.Reader", full)
    with pytest.raises(Unavailable) as caught:
        EasyOcrReader(tiny_weights.path("easyocr-english"), EASYOCR_LANGUAGES["english"], 0.0, open_device(Runtime()))
    assert caught.value.code == "gpu_out_of_memory"


def test_easyocr_names_it_at_each_picture_and_goes_on(
    tiny_weights: TinyWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, device = tiny_weights.path("easyocr-english"), open_device(Runtime())
    reader = EasyOcrReader(path, EASYOCR_LANGUAGES["english"], 0.0, device)
    grey = np.full((96, 96), 128, np.uint8)
    line = np.array([[8, 32], [88, 32], [88, 64], [8, 64]], np.float32)
    steps: tuple[Callable[[], Any], ...] = (lambda: reader.find(grey), lambda: reader.read(grey, [line]))
    for step in steps:
        with monkeypatch.context() as inside:
            inside.setattr(torch.nn.Module, "__call__", full)
            with pytest.raises(AnalysisFailed) as caught:
                step()
        assert (caught.value.code, caught.value.retry_possible) == ("gpu_out_of_memory", True)
        step()


@pytest.mark.parametrize(
    "said",
    [
        "bfc_arena.cc:376 AllocateRawInternal Failed to allocate memory for requested buffer of size 3981312",
        "bfc_arena.cc:358 Available memory of 1024 is smaller than requested bytes of 3981312",
        "CUDA failure 2: out of memory ; GPU=0",
    ],
)
def test_onnxruntimes_own_exception_is_understood(
    said: str, tiny_weights: TinyWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

    model = InsightAge(tiny_weights.path("buffalo-l"), open_device(Runtime()))
    face = FaceCrop(np.full((128, 128, 3), 114, np.uint8), (32.0, 32.0, 96.0, 96.0))

    def lost(*_: Any) -> Any:
        raise RuntimeException(said)

    with monkeypatch.context() as inside:
        inside.setattr(model._network, "session", SimpleNamespace(run=lost))
        with pytest.raises(AnalysisFailed) as caught:
            model.judge([face])
    assert (caught.value.code, caught.value.retry_possible) == ("gpu_out_of_memory", True)
    assert len(model.judge([face])) == 1


# ------------------------------------------------------------------------------------------------- Whisper: CTranslate2


@pytest.fixture(scope="module")
def whisper(tiny_weights: TinyWeights) -> AnalyzerHost:
    return AnalyzerHost("speech_transcription", {"model": "whisper-small"}, tiny_weights.runtime("whisper-small"))


def voice() -> AudioChunk:
    said = speech([Syllable(0.2 + 0.21 * i, vowel="aieo"[i % 4]) for i in range(10)], 3.0)
    return AudioChunk((AudioClip(np.ascontiguousarray(said, np.float32), RATE_HZ, 0.0),))


@pytest.mark.parametrize("step", ["detect_language", "encode", "find_alignment"])
def test_every_step_of_whisper_names_it_and_the_next_video_goes_on(
    step: str, whisper: AnalyzerHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as inside:
        inside.setattr(f"faster_whisper.WhisperModel.{step}", full_for_ctranslate2)
        lost = whisper.observe([voice()])
    assert isinstance(lost, Fault)
    assert (lost.code, lost.retry_possible, lost.reason) == ("gpu_out_of_memory", True, CTRANSLATE2_FULL)
    assert (whisper.card_error, whisper.describe().state) == ("", "ready")
    assert isinstance(whisper.observe([voice()]), Observed)


def test_whisper_that_does_not_fit_when_loaded_or_warmed_up(
    tiny_weights: TinyWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = tiny_weights.runtime("whisper-small")
    for place in ("faster_whisper.WhisperModel", "faster_whisper.WhisperModel.encode"):
        with monkeypatch.context() as inside:
            inside.setattr(place, full_for_ctranslate2)
            told = AnalyzerHost("speech_transcription", {"model": "whisper-small"}, runtime).describe()
        assert (told.state, told.code) == ("unavailable", "gpu_out_of_memory")
