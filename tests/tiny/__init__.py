"""Tiny checkpoints of the real architectures and file formats: random weights, for tests only.

One maker per pin: a function of a folder, and of sizes where the architecture has any, that writes the pin's files into
it. ``benchmarks/full_size.py`` calls the same makers with the published sizes. They are named by text, so that looking
at this table imports no model library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

Sizes = Mapping[str, Any]
"""Of a network, as its configuration names them, and of the pictures that it takes."""

MAKERS: dict[str, str] = {
    "age-vit": "tests.tiny.ages:make_vit",
    "buffalo-l": "tests.tiny.ages:make_genderage",
    "clip-b32": "tests.tiny.clip:make",
    "clip-l14": "tests.tiny.clip:make",
    "face-landmarker": "tests.tiny.face_landmarker:make",
    **{
        f"easyocr-{script}": f"tests.tiny.easyocr:make_{script}"
        for script in ("latin", "english", "cyrillic", "chinese", "japanese", "korean")
    },
    "rtdetr-v2-r18": "tests.tiny.rt_detr:make",
    "rtdetr-v2-r50": "tests.tiny.rt_detr:make",
    "llava-next-video-7b": "tests.tiny.video_language:make_llava_next_video",
    "qwen2-vl-7b": "tests.tiny.video_language:make_qwen2_vl",
    "blip2-opt-2.7b": "tests.tiny.video_language:make_blip2_opt",
    "blip2-flan-t5-xl": "tests.tiny.video_language:make_blip2_flan_t5",
    "segformer-b0": "tests.tiny.segmentation:make_segformer",
    "segformer-b2": "tests.tiny.segmentation:make_segformer",
    "upernet-convnext-small": "tests.tiny.segmentation:make_upernet",
    "upernet-convnext-tiny": "tests.tiny.segmentation:make_upernet",
    "vitpose-base": "tests.tiny.vitpose:make",
    "whisper-large-v3": "tests.tiny.whisper:make_large_v3",
    "whisper-small": "tests.tiny.whisper:make_small",
    "yolov8n": "tests.tiny.yolo:make_detect",
    "yolov8x": "tests.tiny.yolo:make_detect",
    "wav2vec2-emotion": "tests.tiny.sound_classes:make_emotion",
    "ast-audioset": "tests.tiny.sound_classes:make_audioset",
    "yolov8n-pose": "tests.tiny.yolo:make_pose",
    "yolov8x-pose": "tests.tiny.yolo:make_pose",
}
"""Pin name to ``module:function``."""


def maker(name: str) -> Callable[..., None]:
    """The function that writes a checkpoint of this pin into a folder: a tiny one where no ``sizes`` are given."""
    module, _, function = MAKERS[name].partition(":")
    found: Callable[..., None] = getattr(import_module(module), function)
    return found


def network(name: str) -> Callable[[Sizes], Any]:
    """The function that builds this pin's network of some sizes, random, without its files.

    It stands beside the maker: ``network_x`` for ``make_x``.
    """
    module, _, function = MAKERS[name].partition(":")
    found: Callable[[Sizes], Any] = getattr(import_module(module), function.replace("make", "network", 1))
    return found
