"""EasyOCR's own networks with random weights. They come in one size only: 83 MB the detector, 15 MB a recogniser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from weights.manifest import pin


def _maker(script: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        import torch
        from easyocr import config
        from easyocr.craft import CRAFT
        from easyocr.model.vgg_model import Model

        entries = {entry["filename"]: entry for entry in config.recognition_models["gen2"].values()}
        (file,) = (name for name, _ in pin(f"easyocr-{script}").digests if name in entries)
        torch.manual_seed(5)
        recogniser = Model(1, 256, 256, num_class=len(entries[file]["characters"]) + 1)
        for name, net in (("craft_mlt_25k.pth", CRAFT(pretrained=False)), (file, recogniser)):
            torch.save({f"module.{key}": value for key, value in net.state_dict().items()}, folder / name)

    return make


make_latin = _maker("latin")
make_english = _maker("english")
make_korean = _maker("korean")
