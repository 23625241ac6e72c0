"""RT-DETR v2 checkpoints of the real format, with 80 classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny import Sizes

WIDTHS = [32, 64, 96, 128]
HIDDEN = 64
TINY = {
    "backbone": {
        "embedding_size": 16,
        "hidden_sizes": WIDTHS,
        "depths": [1, 1, 1, 1],
        "layer_type": "bottleneck",
    },
    "encoder_in_channels": WIDTHS[1:],
    "encoder_hidden_dim": HIDDEN,
    "encoder_ffn_dim": 64,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "d_model": HIDDEN,
    "decoder_in_channels": [HIDDEN] * 3,
    "decoder_ffn_dim": 64,
    "decoder_layers": 2,
    "decoder_attention_heads": 2,
    "num_queries": 50,
    "num_denoising": 0,
    "picture_px": 320,
}

LABELS = {0: "person", 3: "motorbike", 39: "bottle", 41: "cup", 57: "sofa"}
"""As the published checkpoints spell them; the other classes are numbered here."""

PERSON = 3.0
"""How much more than the other classes' the head's bias for people is: in every picture there are some."""


def network(sizes: Sizes) -> Any:
    from transformers import RTDetrResNetConfig, RTDetrV2Config, RTDetrV2ForObjectDetection

    rest = {key: value for key, value in sizes.items() if key not in ("backbone", "picture_px")}
    config = RTDetrV2Config(
        backbone_config=RTDetrResNetConfig(**sizes["backbone"], out_features=["stage2", "stage3", "stage4"]),
        **rest,
        id2label={i: LABELS.get(i, f"class {i}") for i in range(80)},
    )
    return RTDetrV2ForObjectDetection(config)


def make(folder: Path, sizes: Sizes = TINY) -> None:
    """Writes config, tensors and image processor; tiny: a ResNet of four thin stages."""
    import torch
    from transformers import RTDetrImageProcessor

    side = sizes["picture_px"]
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = network(sizes).eval()
        _let_through(model, side)
        # The heads begin at scores of 0.01 everywhere.
        for head in (model.model.enc_score_head, *model.model.decoder.class_embed):
            torch.nn.init.normal_(head.weight, std=0.1)
            torch.nn.init.constant_(head.bias, -2.5)
            head.bias.data[0] += PERSON
        for head in (*model.model.enc_bbox_head.layers, *(h.layers[-1] for h in model.model.decoder.bbox_embed)):
            torch.nn.init.normal_(head.weight, std=0.1)
        model.save_pretrained(folder)
    RTDetrImageProcessor(size={"height": side, "width": side}).save_pretrained(folder)


def _let_through(model: Any, side: int) -> None:
    """Fits the neck's normalisation to pictures: untrained, hardly anything of them passes."""
    import torch

    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None
    coarse = torch.rand(4, 3, 16, 9)
    pictures = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)
    with torch.no_grad():
        model.train()
        model(pictures)
    model.eval()
