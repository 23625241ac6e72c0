"""InsightFace's attribute network as a small ONNX file of its shapes, and a ViT over FairFace's age ranges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.tiny import Sizes

TINY = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "patch_size": 32,
}

RANGES = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70")


def make_genderage(folder: Path) -> None:
    """96 x 96 px in, (1, 3) out: two classes and a hundredth of the years, from the means of the three channels."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.array([[0.4, -0.4, 0.0], [-0.2, 0.3, 0.1], [0.1, 0.0, 0.2]], np.float32)
    bias = np.array([0.1, 0.0, 0.35], np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["data"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["fc1"]),
    ]
    graph = helper.make_graph(
        nodes,
        "genderage",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 96, 96])],
        [helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, folder / "genderage.onnx")


def network_vit(sizes: Sizes) -> Any:
    """Its classes are in another order than that of years, as nothing promises that one."""
    from transformers import ViTConfig, ViTForImageClassification

    labels = dict(enumerate((*RANGES[4:], *RANGES[:4])))
    config = ViTConfig(**sizes, id2label=labels, label2id={label: i for i, label in labels.items()})
    return ViTForImageClassification(config)


def make_vit(folder: Path, sizes: Sizes = TINY) -> None:
    """Tiny: two layers of width 64."""
    import torch
    from transformers import ViTImageProcessor

    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = network_vit(sizes)
        torch.nn.init.normal_(model.classifier.weight, std=1.0)
    model.eval().save_pretrained(folder)
    ViTImageProcessor(size={"height": 224, "width": 224}).save_pretrained(folder)
