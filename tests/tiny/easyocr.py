"""EasyOCR's own networks with random weights. They come in one size: 83 MB the detector, 15 to 22 a recogniser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.tiny import Sizes
from weights.manifest import pin


def _entry(script: str) -> Any:
    """The library's own row of this script's recogniser."""
    from easyocr import config

    names = [name for name, _ in pin(f"easyocr-{script}").digests]
    (entry,) = (found for found in config.recognition_models["gen2"].values() if found["filename"] in names)
    return entry


def _attentive(recogniser: Any) -> None:
    """Weights under which the answer depends on the picture: torch's own let it fade on the way through the layers."""
    import torch

    for name, weight in recogniser.named_parameters():
        with torch.no_grad():
            if weight.ndim == 4:
                torch.nn.init.kaiming_normal_(weight)
            elif "rnn.weight" in name:
                weight.mul_(4.0)
            elif name == "Prediction.weight":
                weight.mul_(50.0)


def _maker(script: str) -> tuple[Callable[[Sizes], Any], Callable[..., None]]:
    def network(sizes: Sizes) -> Any:
        import torch
        from easyocr.craft import CRAFT
        from easyocr.model.vgg_model import Model

        classes = len(_entry(script)["characters"]) + 1
        return torch.nn.ModuleDict({"detector": CRAFT(pretrained=False), "recogniser": Model(1, 256, 256, classes)})

    def make(folder: Path, sizes: Sizes | None = None) -> None:
        import torch

        torch.manual_seed(5)
        both = network(sizes or {})
        _attentive(both["recogniser"])
        for file, net in (("craft_mlt_25k.pth", both["detector"]), (_entry(script)["filename"], both["recogniser"])):
            torch.save({f"module.{key}": value for key, value in net.state_dict().items()}, folder / file)

    return network, make


network_latin, make_latin = _maker("latin")
network_english, make_english = _maker("english")
network_cyrillic, make_cyrillic = _maker("cyrillic")
network_chinese, make_chinese = _maker("chinese")
network_japanese, make_japanese = _maker("japanese")
network_korean, make_korean = _maker("korean")
