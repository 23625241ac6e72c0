"""What the analyzers with one pinned model have in common: where its files are, and what the provenance says of it."""

from __future__ import annotations

from analyzers.base import Analyzer, ConfigT, InputT, ObservationT, ResultT
from weights.store import Weights, resolve


class ModelAnalyzer(Analyzer[ConfigT, InputT, ObservationT, ResultT]):
    """Base of the analyzers that load one model of the manifest."""

    _weights: Weights | None = None

    def find_weights(self, name: str) -> Weights:
        """The files of the model that ``load`` opens next; the provenance names it from then on.

        Args:
            name: Of the pin; the licence policy may put another in its place.

        Raises:
            Unavailable: ``weights_missing`` and the like.
        """
        self._weights = None
        self._weights = resolve(name, self.runtime)
        return self._weights

    def loaded_models(self) -> tuple[str, ...]:
        """The one model, with its revision."""
        return (self._weights.label,) if self._weights else ()
