"""What each model takes of a GPU's memory: one table, and where its numbers come from.

Weights and activations are counted: ``benchmarks/model_memory.py`` builds each full-size architecture, counts its
weights (they agree with the sizes of the published files) and adds up the tensors that are alive at once during one
pass in float16. What the card itself adds is from the sources named below. None of it was measured on a GPU of this
project.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MB = 1_000_000

CONTEXT_BYTES = 500 * MB
"""CUDA context of one process with torch: kernels and driver, outside of what torch counts and caps. About 300 MB since
CUDA 11.7 loads kernels when they are first needed (PyTorch issue 107667, 2023); the rest is for the kernels loaded on
the way and the libraries' handles."""

WORKSPACE_BYTES = 200 * MB
"""Scratch memory of cuBLAS and cuDNN, which torch's allocator hands out."""

ACTIVATION_FACTOR = 1.5
"""Activations are counted to the byte; an allocator rounds up and leaves holes."""

NF4_BITS = 4.127
"""Per quantised weight, with doubly quantised scales (QLoRA, 2023, section 3)."""


@dataclass(frozen=True)
class ModelMemory:
    """One pin's needs.

    Attributes:
        parameters: Number of weights.
        item_bytes: Activations of one item in float16 at the default picture or window size.
        item: What an item is.
        batch_fields: Settings that say how many items are in work at once; the first that the analyzer has counts.
        base_bytes: Activations that do not grow with the items.
        linear: Of ``parameters``, those in linear layers that quantisation reaches.
        published: Whole process, context included, as its authors measured it: per setting of ``compute_type`` the
            bytes with one item and those that each further one adds. In place of all that is counted.
    """

    parameters: int
    item_bytes: int
    item: str
    batch_fields: tuple[str, ...]
    base_bytes: int = 0
    linear: int = 0
    published: Mapping[str, tuple[int, int]] | None = None


FRAMES = ("frames_per_batch",)
FACES = ("faces_per_batch",)
WINDOWS = ("windows_per_batch",)

WHISPER_LARGE = {"float16": (4525 * MB, 224 * MB), "int8": (2926 * MB, 225 * MB)}
"""faster-whisper's README (2025), large-v2 with beam size 5 on an RTX 3070 Ti: 4525 MB by itself and 6090 MB in batches
of 8 in float16, 2926 and 4500 MB in int8. large-v3 has the same architecture with 128 mel bands in place of 80."""

PUBLISHED_BEAMS = 5
"""Of these figures."""

MEMORY: dict[str, ModelMemory] = {
    # Keys and values of 1,560 tokens (8 frames of 144, question, 256 answered) at 524,288 bytes.
    "llava-next-video-7b": ModelMemory(
        7_063_427_072, 818 * MB, "question", ("answers_per_batch",), 1_180 * MB, linear=6_798_966_784
    ),
    # Keys and values of 1,450 tokens at 57,344 bytes, and a quarter of a pass over four prompts.
    "qwen2-vl-7b": ModelMemory(
        8_291_375_616, 345 * MB, "clip", ("answers_per_batch", "chunks_per_batch"), 400 * MB, linear=7_198_998_528
    ),
    # Keys and values of 80 tokens at 327,680 bytes, and one picture in the vision tower.
    "blip2-opt-2.7b": ModelMemory(
        3_744_761_856, 36 * MB, "picture", ("chunks_per_batch",), 100 * MB, linear=3_607_560_192
    ),
    "blip2-flan-t5-xl": ModelMemory(
        3_942_446_592, 40 * MB, "picture", ("chunks_per_batch",), 100 * MB, linear=3_808_493_568
    ),
    "yolov8x": ModelMemory(68_200_000, 68 * MB, "frame of 640 x 640", FRAMES),
    "yolov8n": ModelMemory(3_150_000, 12 * MB, "frame of 640 x 640", FRAMES),
    "rtdetr-v2-r50": ModelMemory(42_890_000, 62 * MB, "frame of 640 x 640", FRAMES),
    "rtdetr-v2-r18": ModelMemory(20_170_000, 49 * MB, "frame of 640 x 640", FRAMES),
    "yolov8x-pose": ModelMemory(69_460_000, 68 * MB, "frame of 640 x 640", FRAMES),
    "yolov8n-pose": ModelMemory(3_290_000, 12 * MB, "frame of 640 x 640", FRAMES),
    "vitpose-base": ModelMemory(85_910_000, 8 * MB, "person", FRAMES),
    "segformer-b2": ModelMemory(27_460_000, 232 * MB, "frame of 512 x 512", FRAMES),
    "segformer-b0": ModelMemory(3_750_000, 79 * MB, "frame of 512 x 512", FRAMES),
    "upernet-convnext-small": ModelMemory(81_880_000, 165 * MB, "frame of 512 x 512", FRAMES),
    "upernet-convnext-tiny": ModelMemory(60_240_000, 165 * MB, "frame of 512 x 512", FRAMES),
    "clip-l14": ModelMemory(427_620_000, 9 * MB, "frame of 224 x 224", FRAMES),
    "clip-b32": ModelMemory(151_280_000, 2 * MB, "frame of 224 x 224", FRAMES),
    "age-vit": ModelMemory(85_810_000, 4 * MB, "face", FACES),
    # Its file of 1.3 MB in float32. Without onnxruntime's CUDA build it runs on the CPU and takes nothing.
    "buffalo-l": ModelMemory(660_000, 2 * MB, "face", FACES),
    "whisper-large-v3": ModelMemory(1_543_490_000, 224 * MB, "window of 30 s", WINDOWS, published=WHISPER_LARGE),
    "wav2vec2-emotion": ModelMemory(94_570_000, 40 * MB, "span of 6 s", ("spans_per_batch",)),
    "ast-audioset": ModelMemory(86_590_000, 23 * MB, "window of 10 s", WINDOWS),
}
"""Pins that have no row run on the CPU, or their need is not known; ``weights.budget`` says so."""
CRAFT_WEIGHTS = 20_770_466
"""Of EasyOCR's detector; its recognisers differ in the number of characters."""
for _script, _weights in {
    "latin": 3_846_880,
    "english": 3_781_345,
    "cyrillic": 3_809_872,
    "chinese": 5_483_199,
    "japanese": 4_325_671,
    "korean": 4_015_729,
}.items():
    MEMORY[f"easyocr-{_script}"] = ModelMemory(CRAFT_WEIGHTS + _weights, 273 * MB, "frame of 1280 x 736", FRAMES)


@dataclass(frozen=True)
class Need:
    """Bytes of a GPU that one replica takes.

    Attributes:
        weights: Of all its models.
        activations: At the largest batch that its settings allow.
        process: CUDA context and workspaces.
    """

    weights: int
    activations: int
    process: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.activations + self.process

    @property
    def least(self) -> int:
        """Without activations: below this the model cannot even be loaded."""
        return self.weights + self.process


def need_of(pins: tuple[str, ...], config: Mapping[str, Any]) -> Need | None:
    """What a replica with these models needs under these settings; None where a model's need is not known.

    Args:
        pins: Names of what it loads.
        config: Settings of its analyzer, complete.
    """
    if any(name not in MEMORY for name in pins):
        return None
    weights = activations = 0
    process = CONTEXT_BYTES + WORKSPACE_BYTES
    for name in pins:
        memory, items = MEMORY[name], items_at_once(name, config)
        if memory.published is not None:
            own_weights, own_activations = _published(memory, items, process, config)
            weights += own_weights
            activations += own_activations
        else:
            weights += weight_bytes(memory, str(config.get("quantization", "none")))
            activations += round(ACTIVATION_FACTOR * (memory.base_bytes + items * memory.item_bytes))
    return Need(weights, activations, process)


def _published(memory: ModelMemory, items: int, process: int, config: Mapping[str, Any]) -> tuple[int, int]:
    """Weights and the rest of a model whose whole process its authors measured.

    More beams than theirs take more in proportion, though the encoder has none: rather too much than too little. Fewer
    are counted as theirs. In float32, everything is twice as large as in float16.
    """
    compute_type = str(config.get("compute_type", ""))
    kind = "int8" if "int8" in compute_type else "float16"
    first, more = (memory.published or {})[kind]
    weights = memory.parameters * (1 if kind == "int8" else 2)
    rest = max(0, first + (items - 1) * more - weights - process)
    rest = round(rest * max(1.0, float(config.get("beam_size", PUBLISHED_BEAMS)) / PUBLISHED_BEAMS))
    times = 2 if compute_type == "float32" else 1
    return times * weights, times * rest


def items_at_once(pin: str, config: Mapping[str, Any]) -> int:
    """How many items of this model the settings put into one batch; 1 where no setting says."""
    field = batch_field(pin, config)
    return int(config[field]) if field else 1


def batch_field(pin: str, config: Mapping[str, Any]) -> str | None:
    """Name of the setting that says so."""
    return next((name for name in MEMORY[pin].batch_fields if name in config), None)


def weight_bytes(memory: ModelMemory, quantization: str) -> int:
    """Bytes of the weights: float16 but for the linear layers that are quantised."""
    bits = {"int8": 8.0, "nf4": NF4_BITS}.get(quantization, 16.0)
    return round(memory.linear * bits / 8 + (memory.parameters - memory.linear) * 2)
