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

from benchmarks.full_size import build

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
    for name in ("clip-l14", "clip-b32"):
        yield name, partial(build, name), lambda m: m.get_image_features(empty(32, 3, 224, 224)), 32, True
    yield "ast-audioset", partial(build, "ast-audioset"), lambda m: m(empty(16, 1024, 128)), 16, True
    yield "wav2vec2-emotion", partial(build, "wav2vec2-emotion"), lambda m: m(empty(16, 96_000)), 16, True
    for name in ("segformer-b2", "segformer-b0", "upernet-convnext-small", "upernet-convnext-tiny"):
        yield name, partial(build, name), lambda m: m(empty(12, 3, 512, 512)), 12, True
    yield "vitpose-base", partial(build, "vitpose-base"), lambda m: m(empty(16, 3, 256, 192)), 16, True
    yield "age-vit", partial(build, "age-vit"), lambda m: m(empty(16, 3, 224, 224)), 16, True
    picture = torch.zeros(1, 3, 640, 640)
    for name in ("rtdetr-v2-r50", "rtdetr-v2-r18"):
        yield name, partial(build, name), lambda m: m(picture), 1, False
    for name in ("yolov8x", "yolov8n", "yolov8x-pose", "yolov8n-pose"):
        yield name, partial(fused, name), lambda m: m(picture), 1, False


def fused(name: str) -> Any:
    """A YOLOv8 as it is for inference: batch norms folded into the layers before them."""
    return build(name).fuse(verbose=False)


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
