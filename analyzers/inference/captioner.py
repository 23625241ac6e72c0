"""BLIP-2: one caption for each picture (Li et al., "BLIP-2: Bootstrapping language-image pre-training", ICML 2023).

A frozen vision transformer, 32 learned queries that read it, and a frozen language model that goes on from them: OPT,
or Flan-T5 where a licence policy asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analyzers.base import Unavailable
from analyzers.inference.device import Device
from analyzers.inference.generation import Bounds, Generated, generate, make_greedy
from analyzers.inference.hub_models import Quantization, load_pretrained, load_processor
from analyzers.inference.oom import in_halves
from media.types import UInt8Array

SMALL_PARTS = ("qformer", "language_projection")
"""Stay unquantised: the queries' transformer computes in float32 by design, and both are small."""


class Captioner:
    """A loaded BLIP-2.

    Args:
        path: Folder of the weights.
        device: Where to.
        quantization: Of the linear layers.

    Raises:
        Unavailable: ``weights_broken``: files are missing, do not fit, or are of a layout without an image token.
    """

    def __init__(self, path: Path, device: Device, quantization: Quantization) -> None:
        from transformers import AutoTokenizer, Blip2ForConditionalGeneration, BlipImageProcessor

        self._tokenizer = load_processor(AutoTokenizer, path, padding_side="left")
        self._pictures = load_processor(BlipImageProcessor, path)
        self.model = load_pretrained(
            Blip2ForConditionalGeneration, path, device, quantization=quantization, unquantized=SMALL_PARTS
        )
        if self.model.config.image_token_index is None:
            raise Unavailable(
                "weights_broken",
                f"{path.name}: config.json names no image token; the files are of an early layout",
                f"tiktok-analyzer models pull {path.name}",
            )
        self._device = device
        make_greedy(self.model, self._tokenizer)

    def caption(self, pictures: Sequence[UInt8Array], prompt: str, bounds: Bounds) -> list[Generated]:
        """One caption for each picture, computed as one batch, or in halves where memory is short.

        Args:
            pictures: Each uint8 (H, W, 3) RGB.
            prompt: What the caption goes on from; empty for none.
            bounds: Of each caption.

        Raises:
            AnalysisFailed: ``gpu_out_of_memory``: one picture by itself does not fit.
        """
        ids = self.prompt_ids(prompt)

        def run(part: Sequence[UInt8Array]) -> list[Generated]:
            import torch

            pixels = self._pictures([np.array(picture) for picture in part], return_tensors="pt").pixel_values
            token_ids = torch.tensor([ids] * len(part), device=self._device.name)
            inputs: dict[str, Any] = {
                "pixel_values": pixels.to(self._device.name, self._device.dtype),
                "input_ids": token_ids,
                "attention_mask": torch.ones_like(token_ids),
            }
            return generate(self.model, self._tokenizer, inputs, bounds)

        return in_halves(run, pictures)

    def prompt_ids(self, prompt: str) -> list[int]:
        """Image tokens, one for each query, and the prompt with what the tokenizer puts around it."""
        config = self.model.config
        own = list(self._tokenizer(prompt).input_ids)
        return [config.image_token_index] * config.num_query_tokens + own
