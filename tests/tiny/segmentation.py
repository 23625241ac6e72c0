"""SegFormer and UPerNet checkpoints of the real format, with ADE20K's 150 classes and thin layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def make_segformer(folder: Path) -> None:
    """Four stages of 8 to 64 channels."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(
        hidden_sizes=[8, 16, 32, 64],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 4],
        decoder_hidden_size=64,
        id2label=_labels(),
    )
    _save(folder, lambda: SegformerForSemanticSegmentation(config))


def make_upernet(folder: Path) -> None:
    """On a ConvNeXt of four stages of 8 to 64 channels."""
    from transformers import ConvNextConfig, UperNetConfig, UperNetForSemanticSegmentation

    stages = ["stage1", "stage2", "stage3", "stage4"]
    backbone = ConvNextConfig(hidden_sizes=[8, 16, 32, 64], depths=[1, 1, 1, 1], out_features=stages)
    config = UperNetConfig(
        backbone_config=backbone,
        hidden_size=16,
        auxiliary_in_channels=32,
        auxiliary_channels=16,
        id2label=_labels(),
    )
    _save(folder, lambda: UperNetForSemanticSegmentation(config))


def _labels() -> dict[int, str]:
    """As the published checkpoints have them, one with its stray space."""
    from analyzers.vision.ade20k import CLASSES

    return {i: "bed " if name == "bed" else name for i, name in enumerate(CLASSES)}


def _save(folder: Path, build: Any) -> None:
    import torch
    from transformers import SegformerImageProcessor

    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = build().eval()
        # Untrained heads give every class nearly the same score: spread them.
        for name, tensor in model.named_parameters():
            if name.endswith("classifier.weight"):
                torch.nn.init.normal_(tensor, std=1.0)
        model.save_pretrained(folder)
    SegformerImageProcessor(do_reduce_labels=True, size={"height": 256, "width": 256}).save_pretrained(folder)
