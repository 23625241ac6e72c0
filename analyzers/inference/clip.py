"""CLIP: pictures and sentences as vectors that can be compared (Radford et al., ICML 2021).

What a picture shows is asked by comparing it with sentences: the share of each in a softmax of the similarities, at the
temperature that was trained with the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analyzers.inference.device import Device
from analyzers.inference.hub_models import load_pretrained, load_processor
from analyzers.inference.oom import in_halves
from media.types import Float32Array, UInt8Array


class Clip:
    """A loaded CLIP.

    Args:
        path: Folder of the weights.
        device: Where to.

    Raises:
        Unavailable: ``weights_broken``: files are missing or do not fit.
    """

    def __init__(self, path: Path, device: Device) -> None:
        from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel

        self._model = load_pretrained(CLIPModel, path, device)
        self._pictures = load_processor(CLIPImageProcessor, path)
        self._tokenizer = load_processor(AutoTokenizer, path)
        self._device = device
        self.dimension: int = self._model.config.projection_dim
        """Length of a vector."""
        self.temperature = float(self._model.logit_scale.detach().exp())
        """What similarities are multiplied by before the softmax; 100 in the published models."""

    def embed_pictures(self, pictures: Sequence[UInt8Array], most: int) -> Float32Array:
        """float32 (N, dimension), rows of length 1, in order.

        Args:
            pictures: Each uint8 (H, W, 3) RGB, of any sizes: each is scaled to the model's size by its shorter side
                and cut to a square in its middle, as in training.
            most: Most pictures of one forward pass; halved where memory is short.

        Raises:
            AnalysisFailed: ``gpu_out_of_memory``: one picture by itself does not fit.
        """
        rows: list[Float32Array] = []
        for first in range(0, len(pictures), most):
            rows += in_halves(self._embed, pictures[first : first + most])
        return np.stack(rows) if rows else np.zeros((0, self.dimension), np.float32)

    def embed_texts(self, texts: Sequence[str]) -> Float32Array:
        """float32 (N, dimension), rows of length 1, in order; a text longer than the model's 77 tokens is cut."""
        import torch

        longest = self._model.config.text_config.max_position_embeddings
        tokens = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt"
        ).to(self._device.name)
        with torch.inference_mode():
            return _unit(self._model.get_text_features(**tokens).pooler_output)

    def _embed(self, pictures: Sequence[UInt8Array]) -> list[Float32Array]:
        import torch

        own = [np.array(picture) for picture in pictures]  # torch wants arrays that it may write to
        pixels = self._pictures(own, return_tensors="pt").pixel_values
        with torch.inference_mode():
            features = self._model.get_image_features(pixel_values=pixels.to(self._device.name, self._device.dtype))
            return list(_unit(features.pooler_output))


def _unit(vectors: Any) -> Float32Array:
    vectors = vectors.float()
    return np.asarray((vectors / vectors.norm(dim=-1, keepdim=True)).cpu().numpy(), np.float32)


def shares(pictures: Float32Array, texts: Float32Array, temperature: float) -> Float32Array:
    """Softmax over the texts for each picture.

    Args:
        pictures: float32 (N, D), rows of length 1.
        texts: float32 (K, D), rows of length 1.
        temperature: Of the model.

    Returns:
        float32 (N, K), each row sums to 1.
    """
    logits = temperature * pictures.astype(np.float64) @ texts.astype(np.float64).T
    powers = np.exp(logits - logits.max(axis=1, keepdims=True)) if logits.size else logits
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
