"""Counts what full-size models take: weights, and the tensors that are alive at once during one pass in float16.

    python -m benchmarks.model_memory

Where the numbers of ``weights/memory.py`` come from. Architectures are built from their published settings without any
weights: on torch's ``meta`` device, which computes shapes only, or, where a model asks a tensor for its value, on the
CPU in float32 with one picture. Kernels' own scratch memory is not seen.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

HALF = torch.float16

Case = tuple[str, Callable[[], Any], Callable[[Any], Any], int, bool]
"""Name, model, one pass, items in it, and whether it runs on ``meta`` in float16 (else on the CPU in float32)."""


class Alive(TorchDispatchMode):  # type: ignore[misc]  # torch types it as Any
    """Adds up the storages of all tensors that operations give, as long as somebody holds them."""

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[int, int] = {}
        self.now: int = 0
        self.peak: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        for value in tree_iter(given):
            if isinstance(value, torch.Tensor):
                self._hold(value.untyped_storage())
        return given

    def _hold(self, storage: Any) -> None:
        key = storage._cdata
        if key not in self._held:
            self._held[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.now -= self._held.pop(key, 0)


def peak_bytes(model: Any, run: Callable[[Any], Any]) -> int:
    """Most bytes alive at once during the pass, without the weights."""
    with torch.inference_mode(), Alive() as alive:
        run(model)
    return int(alive.peak)


def empty(*shape: int) -> torch.Tensor:
    """A float16 tensor without values."""
    return torch.empty(*shape, dtype=HALF, device="meta")


def cases() -> Iterator[Case]:
    """Every model of the table that can be built this way."""
    import transformers as t

    text = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "projection_dim": 768}
    vision: dict[str, Any] = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24}
    vision |= {"num_attention_heads": 16, "patch_size": 14, "projection_dim": 768}
    large = t.CLIPConfig(vision_config=vision, text_config=text, projection_dim=768)
    for name, config in (("clip-l14", large), ("clip-b32", t.CLIPConfig())):
        yield name, partial(t.CLIPModel, config), lambda m: m.get_image_features(empty(32, 3, 224, 224)), 32, True
    ast = t.ASTConfig(num_labels=527)
    yield "ast-audioset", lambda: t.ASTForAudioClassification(ast), lambda m: m(empty(16, 1024, 128)), 16, True
    wav = t.Wav2Vec2Config(num_labels=4, mask_time_prob=0.0, use_weighted_layer_sum=True)
    spoken = t.Wav2Vec2ForSequenceClassification
    yield "wav2vec2-emotion", lambda: spoken(wav), lambda m: m(empty(16, 96_000)), 16, True
    widths = {"depths": [3, 4, 6, 3], "hidden_sizes": [64, 128, 320, 512], "decoder_hidden_size": 768}
    b2, b0 = t.SegformerConfig(num_labels=150, **widths), t.SegformerConfig(num_labels=150)
    for name, config in (("segformer-b2", b2), ("segformer-b0", b0)):
        yield name, partial(t.SegformerForSemanticSegmentation, config), lambda m: m(empty(12, 3, 512, 512)), 12, True
    stages = ["stage1", "stage2", "stage3", "stage4"]
    convnext = t.ConvNextConfig(depths=[3, 3, 27, 3], hidden_sizes=[96, 192, 384, 768], out_features=stages)
    upernet = t.UperNetConfig(backbone_config=convnext, num_labels=150, hidden_size=512)
    parse = t.UperNetForSemanticSegmentation
    yield "upernet-convnext-small", lambda: parse(upernet), lambda m: m(empty(12, 3, 512, 512)), 12, True
    faces = t.ViTConfig(num_labels=9)
    yield "age-vit", lambda: t.ViTForImageClassification(faces), lambda m: m(empty(16, 3, 224, 224)), 16, True
    detr = t.RTDetrV2Config(num_labels=80, anchor_image_size=None)
    picture = torch.zeros(1, 3, 640, 640)
    yield "rtdetr-v2-r50", lambda: t.RTDetrV2ForObjectDetection(detr), lambda m: m(picture), 1, False
    yield from ultralytics_cases(picture)


def ultralytics_cases(picture: torch.Tensor) -> Iterator[Case]:
    """YOLOv8, fused as it is for inference."""
    from ultralytics.nn.tasks import DetectionModel, PoseModel

    kinds = {"yolov8x": DetectionModel, "yolov8n": DetectionModel, "yolov8x-pose": PoseModel, "yolov8n-pose": PoseModel}
    for name, kind in kinds.items():
        yield name, partial(fused, kind, f"{name}.yaml"), lambda m: m(picture), 1, False


def fused(kind: Any, file: str) -> Any:
    """A network of ultralytics from its description, with batch norms folded into the layers before them."""
    return kind(file, verbose=False).fuse(verbose=False)


def measure(case: Case) -> tuple[int, int]:
    """Weights, and activation bytes per item in float16."""
    _, build, run, items, on_meta = case
    if on_meta:
        with torch.device("meta"):
            model = build().to(HALF).eval()
    else:
        model = build().eval()
    weights = sum(p.numel() for p in model.parameters())
    return weights, peak_bytes(model, run) // items // (1 if on_meta else 2)


def main() -> int:
    """Prints one line per model."""
    from analyzers.inference.offline import go_offline
    from weights.memory import MEMORY

    go_offline()
    print(f"{'model':<24} {'weights':>14} {'MB per item':>12} {'in the table':>12}")
    for case in cases():
        weights, item = measure(case)
        print(f"{case[0]:<24} {weights:>14,} {item / 1e6:>12.1f} {MEMORY[case[0]].item_bytes / 1e6:>12.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
