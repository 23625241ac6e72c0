"""Full-size models with random weights: as many weights as published, and the real loaders take what is made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from analyzers.base import AnyAnalyzer
from analyzers.catalogue import analyzer_class
from analyzers.inference.offline import go_offline
from benchmarks.full_size import NOT_MADE, SIZES, build
from benchmarks.model_work import clip_chunks
from benchmarks.models_bench import Case, fill, measure
from media.limits import MediaLimits
from media.probe import probe
from media.types import AudioChunk, FrameChunk
from tests.made_media import Sound, make_video
from tests.tiny_weights import TinyWeights
from tests.upright_clip import patches
from weights.manifest import PINS
from weights.memory import MEMORY

PUBLISHED_MILLIONS: dict[str, tuple[float, str]] = {
    "llava-next-video-7b": (7063, "Vicuna 7B 6738, CLIP ViT-L/14 at 336 px 304, projector 21"),
    "qwen2-vl-7b": (8291, "Wang et al. 2024, table 1: 7.6 B and 675 M; the hub's 8.29 B"),
    "blip2-opt-2.7b": (3745, "Li et al. 2023, table 2: 3.8 B with ViT-g and OPT 2.7B"),
    "blip2-flan-t5-xl": (3942, "Flan-T5 XL 2850, ViT-g 986, Q-Former 105"),
    "yolov8x": (68.2, "ultralytics' table of YOLOv8"),
    "yolov8n": (3.2, "ultralytics' table of YOLOv8"),
    "yolov8x-pose": (69.4, "ultralytics' table of YOLOv8-pose"),
    "yolov8n-pose": (3.3, "ultralytics' table of YOLOv8-pose"),
    "rtdetr-v2-r50": (42, "Lv et al. 2024, table 2"),
    "rtdetr-v2-r18": (20, "Lv et al. 2024, table 2"),
    "segformer-b2": (27.5, "Xie et al. 2021, table 1"),
    "segformer-b0": (3.8, "Xie et al. 2021, table 1"),
    "upernet-convnext-small": (82, "Liu et al. 2022, table 4"),
    "upernet-convnext-tiny": (60, "Liu et al. 2022, table 4"),
    "clip-l14": (427.6, "OpenAI's file of 1,710,540,580 bytes in float32"),
    "clip-b32": (151.3, "OpenAI's file of 605,247,071 bytes in float32"),
    "vitpose-base": (86, "Xu et al. 2022, table 1"),
    "age-vit": (86, "Dosovitskiy et al. 2021, table 1"),
    "whisper-large-v3": (1550, "Radford et al. 2022, table 1"),
    "whisper-small": (244, "Radford et al. 2022, table 1"),
    "wav2vec2-emotion": (95, "Baevski et al. 2020, section 4.2"),
    "ast-audioset": (87, "Gong et al. 2021, section 2"),
    "easyocr-latin": (24.6, "its two files of 83,152,330 and 15,406,141 bytes in float32"),
    "easyocr-english": (24.6, "83,152,330 and 15,143,997 bytes"),
    "easyocr-chinese": (26.3, "83,152,330 and 21,951,421 bytes"),
    "easyocr-korean": (24.8, "83,152,330 and 16,081,533 bytes"),
}
"""Number of weights and who states it."""

ROUNDED = 0.025
"""Papers round to a million, and differ by a layer of normalisation or the words of a vocabulary."""

SIZED_BY_COUNT = {"easyocr-cyrillic", "easyocr-japanese"}
"""No source states the size of their files."""


@pytest.fixture(scope="module", autouse=True)
def offline() -> None:
    go_offline()


def test_every_pin_is_made_or_it_is_said_why_not() -> None:
    assert set(SIZES) | set(NOT_MADE) == {p.name for p in PINS}
    assert not set(SIZES) & set(NOT_MADE)
    assert set(PUBLISHED_MILLIONS) | SIZED_BY_COUNT == set(SIZES)


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_it_has_as_many_weights_as_published(name: str) -> None:
    """Built without memory for its weights, but for YOLO, which asks a tensor for its value while it is built."""
    with torch.device("cpu" if name.startswith("yolo") else "meta"):
        weights = sum(p.numel() for p in build(name).parameters())
    if name in PUBLISHED_MILLIONS:
        assert weights / 1e6 == pytest.approx(PUBLISHED_MILLIONS[name][0], rel=ROUNDED)
    if name in MEMORY:
        # Its rows are rounded, and those of YOLO are of networks with folded normalisation.
        assert weights == pytest.approx(MEMORY[name].parameters, rel=0.003)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("analyzer", "model"),
    [
        ("object_detection", "yolov8n"),
        ("object_detection", "rtdetr-v2-r18"),
        ("background_segmentation", "segformer-b0"),
    ],
)
def test_the_real_loader_takes_it_and_the_analyzer_works(analyzer: str, model: str, tmp_path: Path) -> None:
    fill(tmp_path, model, "full")
    stored = sum(file.stat().st_size for file in (tmp_path / model).iterdir() if file.suffix != ".json")
    assert stored > 2e6 * PUBLISHED_MILLIONS[model][0]
    clip = make_video(tmp_path / "clip.mp4", (0.0,), size=(64, 96), last_s=1.0, pictures=patches(1, 64, 96))
    found = measure(Case(analyzer, {"model": model}), tmp_path, clip, gpu_share=0.0)
    assert found.clip_s > 0.0
    # No pass over a picture or a face takes less than one multiplication by each weight of its layers.
    assert found.gflops * 1e9 > PUBLISHED_MILLIONS[model][0] * 1e6


@pytest.mark.parametrize(
    ("analyzer", "model"),
    [("body_pose", "vitpose-base"), ("age_estimation", "age-vit"), ("speech_emotion", "wav2vec2-emotion")],
)
def test_analyzers_that_read_others_have_work(
    analyzer: str, model: str, tiny_weights: TinyWeights, tmp_path: Path
) -> None:
    tiny_weights.path(model)
    sound = Sound(np.zeros((32_000, 1), np.float32), 16_000)
    clip = make_video(
        tmp_path / "clip.mp4", (0.0, 1.0), size=(128, 192), last_s=1.0, pictures=patches(2, 128, 192), sound=sound
    )
    config = {} if analyzer == "speech_emotion" else {"model": model}
    assert measure(Case(analyzer, config), tiny_weights.folder, clip, gpu_share=0.0).gflops > 0.0


def unloaded(name: str) -> AnyAnalyzer:
    return analyzer_class(name)(analyzer_class(name).Config())


def test_what_other_analyzers_would_see_is_made(tmp_path: Path) -> None:
    clip = make_video(tmp_path / "clip.mp4", (0.0, 0.5), size=(64, 96), last_s=1.0, pictures=patches(2, 64, 96))
    facts = probe(clip, MediaLimits())
    (pose,) = clip_chunks(unloaded("body_pose"), clip, facts)
    assert isinstance(pose, FrameChunk)
    assert pose.upstream["object_detection"].counts.tolist() == [2] * len(pose.batch.own)
    (age,) = clip_chunks(unloaded("age_estimation"), clip, facts)
    assert isinstance(age, FrameChunk)
    times = [time for time, faces in age.upstream["eye_tracking"].frames if faces]
    assert times == [float(t) for t in age.batch.own_pts_s]


def test_whisper_and_emotions_hear_a_voice() -> None:
    from faster_whisper.vad import get_speech_timestamps

    from benchmarks.model_work import _speech, _spoken
    from media.types import AudioClip

    heard = _spoken(AudioClip(np.zeros(16_000 * 13, np.float32), 16_000, 0.0))
    assert len(heard.samples) == 16_000 * 13
    assert sum(s["end"] - s["start"] for s in get_speech_timestamps(heard.samples)) > 16_000 * 6
    spans = _speech(AudioChunk((heard,))).spans
    assert [(s.span.start_s, s.span.end_s) for s in spans] == [(0.0, 6.0), (6.0, 12.0)]
