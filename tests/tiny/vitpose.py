"""A ViTPose checkpoint of the real format with two thin layers."""

from __future__ import annotations

from pathlib import Path


def make(folder: Path) -> None:
    """17 joints, input 192 x 256."""
    import torch
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation, VitPoseImageProcessor

    backbone = VitPoseBackboneConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_experts=1, part_features=0
    )
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=17)).eval()
        # The head begins with heat maps that are flat.
        torch.nn.init.normal_(model.head.conv.weight, std=0.5)
        model.save_pretrained(folder)
    VitPoseImageProcessor().save_pretrained(folder)
