"""SegFormer and UPerNet checkpoints of the real format, with ADE20K's 150 classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.tiny import Sizes

TINY_SEGFORMER = {
    "network": {
        "hidden_sizes": [8, 16, 32, 64],
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 1, 2, 4],
        "decoder_hidden_size": 64,
    },
    "picture_px": 256,
}
TINY_UPERNET = {
    "backbone": {"hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 1, 1]},
    "network": {"hidden_size": 16, "auxiliary_in_channels": 32, "auxiliary_channels": 16},
    "picture_px": 256,
}


def network_segformer(sizes: Sizes) -> Any:
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    return SegformerForSemanticSegmentation(SegformerConfig(**sizes["network"], id2label=_labels()))


def make_segformer(folder: Path, sizes: Sizes = TINY_SEGFORMER) -> None:
    """Tiny: four stages of 8 to 64 channels."""
    _save(folder, network_segformer, sizes)


def network_upernet(sizes: Sizes) -> Any:
    from transformers import ConvNextConfig, UperNetConfig, UperNetForSemanticSegmentation

    stages = ["stage1", "stage2", "stage3", "stage4"]
    backbone = ConvNextConfig(**sizes["backbone"], out_features=stages)
    return UperNetForSemanticSegmentation(
        UperNetConfig(backbone_config=backbone, **sizes["network"], id2label=_labels())
    )


def make_upernet(folder: Path, sizes: Sizes = TINY_UPERNET) -> None:
    """Tiny: on a ConvNeXt of four stages of 8 to 64 channels."""
    _save(folder, network_upernet, sizes)


def _labels() -> dict[int, str]:
    """As the published checkpoints have them, one with its stray space."""
    from analyzers.vision.ade20k import CLASSES

    return {i: "bed " if name == "bed" else name for i, name in enumerate(CLASSES)}


def _save(folder: Path, build: Callable[[Sizes], Any], sizes: Sizes) -> None:
    import torch
    from transformers import SegformerImageProcessor

    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = build(sizes).eval()
        # Untrained heads give every class nearly the same score: spread them.
        for name, tensor in model.named_parameters():
            if name.endswith("classifier.weight"):
                torch.nn.init.normal_(tensor, std=1.0)
        model.save_pretrained(folder)
    side = {"height": sizes["picture_px"], "width": sizes["picture_px"]}
    SegformerImageProcessor(do_reduce_labels=True, size=side).save_pretrained(folder)
