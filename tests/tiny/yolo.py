"""YOLOv8 checkpoints of the real format and of the published layout."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tests.tiny import Sizes

TINY = {"scale": [0.33, 0.0625, 1024]}
"""Depth, width and most channels; the published layout with a sixteenth of the full width, 1.4 MB. YOLOv8n has a
quarter."""


def network_detect(sizes: Sizes) -> Any:
    """80 classes."""
    return _network(sizes, "detect", "yolov8.yaml").model


def make_detect(folder: Path, sizes: Sizes = TINY) -> None:
    """80 classes; the file is named as the pin."""
    _make(folder, sizes, "detect", "yolov8.yaml")


def network_pose(sizes: Sizes) -> Any:
    """One class with 17 joints."""
    return _network(sizes, "pose", "yolov8-pose.yaml").model


def make_pose(folder: Path, sizes: Sizes = TINY) -> None:
    """One class with 17 joints."""
    _make(folder, sizes, "pose", "yolov8-pose.yaml")


def _network(sizes: Sizes, task: str, layout: str) -> Any:
    """Its description is a file whose name ends in a letter of the table of scales."""
    from analyzers.vision.yolo import import_ultralytics

    ultralytics = import_ultralytics()
    from ultralytics.utils import ROOT, YAML

    description = YAML.load(ROOT / "cfg" / "models" / "v8" / layout)
    description["scales"] = {"n": sizes["scale"]}
    names = {0: "person"} if task == "pose" else YAML.load(ROOT / "cfg" / "datasets" / "coco.yaml")["names"]
    with tempfile.TemporaryDirectory() as scratch:
        YAML.save(Path(scratch) / "yolov8n-made.yaml", description)
        model = ultralytics.YOLO(Path(scratch) / "yolov8n-made.yaml", task=task)
    model.model.names = names
    return model


def _make(folder: Path, sizes: Sizes, task: str, layout: str) -> None:
    import torch

    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = _network(sizes, task, layout)
        _spread(model.model)
        model.save(folder / f"{folder.name}.pt")
    torch.set_num_threads(threads)


def _spread(network: Any) -> None:
    """Makes the random network's answers depend on the picture, with a handful of scores above 0.25.

    Untrained normalisation lets hardly anything through, and the head begins at scores of 0.0001.
    """
    import torch

    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None
        elif isinstance(layer, torch.nn.Conv2d) and layer.weight.requires_grad:
            # Kernels without detail: random ones would answer to the rounding of single pixels.
            layer.weight.data = layer.weight.data.mean(dim=(2, 3), keepdim=True).expand_as(layer.weight).clone()
    coarse = torch.rand(4, 3, 16, 9)
    pictures = torch.nn.functional.interpolate(coarse, size=(640, 384), mode="bicubic").clamp(0, 1)
    heads = [branch[-1] for branch in network.model[-1].cv3]
    with torch.no_grad():
        network.train()
        network(pictures)
        network.eval()
        for head in heads:
            torch.nn.init.normal_(head.weight, std=0.01)
            torch.nn.init.zeros_(head.bias)
        # Three places in a hundred score above 0.25.
        best = network(pictures)[0][:, 4 : 4 + network.model[-1].nc].amax(dim=1).double()
        logits = torch.logit(best, eps=1e-9)
        for head in heads:
            head.bias.fill_(-1.1 - float(logits.quantile(0.97)))
