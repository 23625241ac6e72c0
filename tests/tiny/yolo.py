"""YOLOv8 checkpoints of the real format: the published layout with a sixteenth of the width, 1.4 MB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WIDTH = 0.0625
"""Of the full network's channels; YOLOv8n has 0.25."""


def make_detect(folder: Path) -> None:
    """80 classes; the file is named as the pin."""
    _make(folder, "detect", "yolov8.yaml")


def make_pose(folder: Path) -> None:
    """One class with 17 joints."""
    _make(folder, "pose", "yolov8-pose.yaml")


def _make(folder: Path, task: str, layout: str) -> None:
    from analyzers.vision.yolo import import_ultralytics

    ultralytics = import_ultralytics()
    import torch
    from ultralytics.utils import ROOT, YAML

    description = YAML.load(ROOT / "cfg" / "models" / "v8" / layout)
    description["scales"] = {"n": [0.33, WIDTH, 1024]}
    YAML.save(folder / "yolov8n-tiny.yaml", description)
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = ultralytics.YOLO(folder / "yolov8n-tiny.yaml", task=task)
        model.model.names = (
            {0: "person"} if task == "pose" else YAML.load(ROOT / "cfg" / "datasets" / "coco.yaml")["names"]
        )
        _spread(model.model)
        model.save(folder / f"{folder.name}.pt")
    (folder / "yolov8n-tiny.yaml").unlink()
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
