"""What the analyzers that classify the sound track with one model have in common."""

from __future__ import annotations

import numpy as np

from analyzers.base import ConfigT, ObservationT, ResultT
from analyzers.inference.device import open_device
from analyzers.inference.model_analyzer import ModelAnalyzer
from analyzers.inference.sound_classes import Answer, SoundClassifier
from analyzers.signal.speech import RATE_HZ
from media.needs import AudioNeed, Needs
from media.types import AudioChunk


class SoundAnalyzer(ModelAnalyzer[ConfigT, AudioChunk, ObservationT, ResultT]):
    """Base of the analyzers with a sound classifier. Subclasses cut the track into what it hears at once."""

    _classifier: SoundClassifier

    def needs(self) -> Needs:
        """The whole sound track at 16 kHz, mono."""
        return Needs(audio=(AudioNeed(RATE_HZ, 1),))

    def open_classifier(self, name: str, answer: Answer) -> None:
        """Loads the pinned model ``name``.

        Raises:
            Unavailable: ``weights_missing``.
        """
        self._classifier = SoundClassifier(self.find_weights(name).path, open_device(self.runtime), answer)

    def warm_up(self) -> None:
        """One second of soft noise."""
        noise = np.random.default_rng(0).standard_normal(RATE_HZ).astype(np.float32) * 0.01
        self._classifier.probabilities([noise], 1)
