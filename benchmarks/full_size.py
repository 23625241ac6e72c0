"""Models in their published size with random weights: for speed and memory, never for results.

The makers are those of the tests (``tests/tiny``), with the sizes of the models' own config.json, written down here: no
hub is asked. Prompts are longer than with the real tokenizers, as these read bytes: about 4 tokens for each of theirs,
of the text around the pictures only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny import MAKERS, Sizes, maker, network

NOT_MADE: dict[str, str] = {
    "face-landmarker": "the layers of its two networks are published as a file only",
    "buffalo-l": "the layers of its network are published as a file only; no described one has as many weights",
}
"""Pins that cannot be made in full size, and why; the tests' makers give their inputs and outputs, not their work.

``genderage.onnx`` of buffalo-l has 1.32 MB, 330,000 numbers in float32. What InsightFace's training code describes for
such a network, a MobileNet of a quarter of the width with three outputs, has 219,000 with all its normalisation: a
model made so would not be this one, and its speed not this one's."""

YOLO_X, YOLO_N = {"scale": [1.0, 1.25, 512]}, {"scale": [0.33, 0.25, 1024]}
"""Depth, width and most channels, as in the tables of ultralytics' yolov8.yaml."""

BASE = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
"""ViT-B's layers (Dosovitskiy et al., ICLR 2021), and BERT base's."""

LARGE = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
"""ViT-L's."""

CLIP_TEXT = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8}

RT_DETR: Sizes = {
    "encoder_hidden_dim": 256,
    "encoder_ffn_dim": 1024,
    "encoder_layers": 1,
    "encoder_attention_heads": 8,
    "d_model": 256,
    "decoder_in_channels": [256] * 3,
    "decoder_ffn_dim": 1024,
    "decoder_attention_heads": 8,
    "num_queries": 300,
    "picture_px": 640,
}

CONVNEXT = [96, 192, 384, 768]
UPERNET: Sizes = {
    "network": {"hidden_size": 512, "auxiliary_in_channels": 384, "auxiliary_channels": 256},
    "picture_px": 512,
}

BLIP: Sizes = {
    "vision": {
        "hidden_size": 1408,
        "intermediate_size": 6144,
        "num_hidden_layers": 39,
        "num_attention_heads": 16,
        "image_size": 224,
        "patch_size": 14,
    },
    "queries": {**BASE, "encoder_hidden_size": 1408, "cross_attention_frequency": 2, "vocab_size": 30522},
    "num_query_tokens": 32,
    "picture_px": 224,
}
"""ViT-g/14 and the Q-Former (Li et al., "BLIP-2", ICML 2023)."""


def _whisper(width: int, layers: int, heads: int, mel_bands: int, languages: int) -> Sizes:
    """Radford et al. 2022, table 1: encoder and decoder are alike."""
    sides = ("encoder", "decoder")
    return {
        "network": {
            "d_model": width,
            **{f"{side}_layers": layers for side in sides},
            **{f"{side}_attention_heads": heads for side in sides},
            **{f"{side}_ffn_dim": 4 * width for side in sides},
        },
        "mel_bands": mel_bands,
        "languages": languages,
        # Without the empty entry, which tells CTranslate2 that it is multilingual and here comes on top.
        "vocabulary": 51_766 + languages,
        "stored": "float16",
    }


SIZES: dict[str, Sizes] = {
    "llava-next-video-7b": {
        # CLIP ViT-L/14 at 336 px and Vicuna 7B.
        "text": {
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "max_position_embeddings": 4096,
        },
        "vision": {**LARGE, "image_size": 336, "patch_size": 14, "projection_dim": 768, "vocab_size": 32000},
        "network": {},
        "vocabulary": 32_064,
        "picture_px": 336,
    },
    "qwen2-vl-7b": {
        "text": {
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
        },
        "rope": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        "vision": {"depth": 32, "embed_dim": 1280, "hidden_size": 3584, "num_heads": 16, "mlp_ratio": 4},
        "vocabulary": 152_064,
    },
    "blip2-opt-2.7b": {
        **BLIP,
        "text": {
            "hidden_size": 2560,
            "ffn_dim": 10240,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "word_embed_proj_dim": 2560,
        },
        "vocabulary": 50_304,
    },
    "blip2-flan-t5-xl": {
        **BLIP,
        "text": {"d_model": 2048, "d_kv": 64, "d_ff": 5120, "num_layers": 24, "num_heads": 32},
        "vocabulary": 32_128,
    },
    "yolov8x": YOLO_X,
    "yolov8n": YOLO_N,
    "yolov8x-pose": YOLO_X,
    "yolov8n-pose": YOLO_N,
    "rtdetr-v2-r50": {
        **RT_DETR,
        "backbone": {"hidden_sizes": [256, 512, 1024, 2048], "depths": [3, 4, 6, 3], "layer_type": "bottleneck"},
        "encoder_in_channels": [512, 1024, 2048],
        "decoder_layers": 6,
    },
    "rtdetr-v2-r18": {
        **RT_DETR,
        "backbone": {"hidden_sizes": [64, 128, 256, 512], "depths": [2, 2, 2, 2], "layer_type": "basic"},
        "encoder_in_channels": [128, 256, 512],
        "hidden_expansion": 0.5,
        "decoder_layers": 3,
    },
    "segformer-b2": {
        "network": {
            "depths": [3, 4, 6, 3],
            "hidden_sizes": [64, 128, 320, 512],
            "decoder_hidden_size": 768,
        },
        "picture_px": 512,
    },
    "segformer-b0": {"network": {}, "picture_px": 512},
    "upernet-convnext-small": {**UPERNET, "backbone": {"depths": [3, 3, 27, 3], "hidden_sizes": CONVNEXT}},
    "upernet-convnext-tiny": {**UPERNET, "backbone": {"depths": [3, 3, 9, 3], "hidden_sizes": CONVNEXT}},
    "clip-l14": {
        "text": BASE,
        "vision": {**LARGE, "patch_size": 14},
        "projection_dim": 768,
        "vocabulary": 49_408,
    },
    "clip-b32": {
        "text": CLIP_TEXT,
        "vision": {**BASE, "patch_size": 32},
        "projection_dim": 512,
        "vocabulary": 49_408,
    },
    "vitpose-base": {key: BASE[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads")},
    "age-vit": {**BASE, "patch_size": 16},
    "whisper-large-v3": _whisper(1280, 32, 20, mel_bands=128, languages=100),
    "whisper-small": _whisper(768, 12, 12, mel_bands=80, languages=99),
    "wav2vec2-emotion": {**BASE, "conv_dim": (512,) * 7, "use_weighted_layer_sum": True},
    "ast-audioset": BASE,
    # EasyOCR's networks have one size.
    **{name: {} for name in MAKERS if name.startswith("easyocr-")},
}
"""By pin. What a configuration of transformers leaves out has there the value of the published model."""

LANGUAGE_MODELS = ("llava-next-video-7b", "qwen2-vl-7b", "blip2-opt-2.7b", "blip2-flan-t5-xl")
"""Too large to be begun in float32 on a CPU."""


def build(name: str) -> Any:
    """The network alone, on torch's current device.

    Raises:
        KeyError: It is in ``NOT_MADE``, or no pin.
    """
    return network(name)(SIZES[name])


def make(name: str, folder: Path) -> None:
    """Writes the pin's files.

    Raises:
        KeyError: It is in ``NOT_MADE``, or no pin.
    """
    if name in LANGUAGE_MODELS:
        _make_large(name, folder)
    else:
        maker(name)(folder, sizes=SIZES[name])


def _make_large(name: str, folder: Path) -> None:
    """Random weights in float16, made where there is a GPU on it: a CPU takes minutes."""
    import torch

    torch.set_default_dtype(torch.float16)
    try:
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            maker(name)(folder, sizes=SIZES[name])
    finally:
        torch.set_default_dtype(torch.float32)
