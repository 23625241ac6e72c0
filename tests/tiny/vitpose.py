"""A ViTPose checkpoint of the real format: 17 joints, input 192 x 256."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny import Sizes

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def network(sizes: Sizes) -> Any:
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

    backbone = VitPoseBackboneConfig(**sizes, num_experts=1, part_features=0)
    return VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=17))


def make(folder: Path, sizes: Sizes = TINY) -> None:
    """Tiny: two thin layers."""
    import torch
    from transformers import VitPoseImageProcessor

    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = network(sizes).eval()
        # The head begins with heat maps that are flat.
        torch.nn.init.normal_(model.head.conv.weight, std=0.5)
        model.save_pretrained(folder)
    VitPoseImageProcessor().save_pretrained(folder)
