"""A sound classifier of transformers: equal-length sounds in, one row of probabilities each."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from analyzers.inference.device import Device
from analyzers.inference.hub_models import load_pretrained, load_processor
from analyzers.inference.oom import in_halves
from media.types import Float32Array

Answer = Literal["one", "any"]
"""``one``: exactly one class holds (softmax). ``any``: each holds or not by itself (sigmoid)."""


class SoundClassifier:
    """A loaded model with its feature extractor.

    Args:
        folder: Of the weights.
        device: Where to.
        answer: How the model was trained to answer.
    """

    def __init__(self, folder: Path, device: Device, answer: Answer) -> None:
        from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

        with warnings.catch_warnings():
            # AST asks for 128 bands from 257 bins, so the lowest are empty: as it was trained.
            warnings.filterwarnings("ignore", "At least one mel filter", UserWarning)
            self._extract: Any = load_processor(AutoFeatureExtractor, folder)
        self._model: Any = load_pretrained(AutoModelForAudioClassification, folder, device)
        self._device, self._answer = device, answer
        names: dict[int, str] = self._model.config.id2label
        self.classes: tuple[str, ...] = tuple(names[k] for k in range(len(names)))
        self.rate_hz: int = int(self._extract.sampling_rate)

    def probabilities(self, sounds: Sequence[Float32Array], per_batch: int) -> Float32Array:
        """One row for each sound, whatever their lengths: only equal ones share a batch.

        A model with group normalisation (wav2vec2 base) hears padding, so nothing is padded.

        Args:
            sounds: float32 (N,) each, at ``rate_hz``, not empty.
            per_batch: Sounds at once; halved where the memory does not reach.

        Returns:
            float32 (len(sounds), len(classes)) in [0, 1].

        Raises:
            AnalysisFailed: ``gpu_out_of_memory`` with a single sound.
        """
        rows = np.zeros((len(sounds), len(self.classes)), np.float32)
        by_length: dict[int, list[int]] = {}
        for number, sound in enumerate(sounds):
            by_length.setdefault(len(sound), []).append(number)
        for numbers in by_length.values():
            for begin in range(0, len(numbers), per_batch):
                batch = numbers[begin : begin + per_batch]
                rows[batch] = in_halves(self._rows, [sounds[k] for k in batch])
        return rows

    def _rows(self, sounds: Sequence[Float32Array]) -> list[Float32Array]:
        import torch

        features = self._extract(list(sounds), sampling_rate=self.rate_hz, return_tensors="pt")
        with torch.inference_mode():
            values = features["input_values"].to(self._device.name, self._device.dtype)
            logits = self._model(values).logits.float()
            scores = logits.softmax(-1) if self._answer == "one" else logits.sigmoid()
        return list(scores.cpu().numpy())
