"""Settings that every analyzer with a language model has."""

from __future__ import annotations

import time
from typing import Annotated

from pydantic import Field

from analyzers.base import AnalyzerConfig
from analyzers.inference.generation import Bounds
from analyzers.signal.text_repeats import TextLimits


class TextConfig(AnalyzerConfig):
    """Bounds on generated texts, and from where on one counts as a loop, a repeat, or no text at all."""

    max_time_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 120.0
    """Wall seconds for all texts of one call; then each ends after its current word. Below ``deadline_s``, so that what
    was written is kept. A 7B model needs about 20 s for eleven answers on a Turing card. Higher waits longer."""
    loop_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.2
    """Share of repeated four-word phrases from which a text is marked as looping. People's texts are near 0, greedy
    language models reach 0.4 on the whole (Welleck et al. 2020, seq-rep-4). Not yet tuned. Higher marks fewer."""
    degenerate_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """Share of repeated four-word phrases from which a text is none: most of it was said before. Not yet tuned."""
    unreadable_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05
    """Share of unreadable characters from which a text is none: sound models write none, broken weights mostly such.
    Higher lets more through."""
    repeat_similarity: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8
    """Overlap of three-word phrases (Dice) from which a segment repeats the one before: two changed words in a
    sentence of twenty give 0.7. Not yet tuned. Higher marks fewer."""

    def text_limits(self) -> TextLimits:
        """From where on a text counts as what."""
        return TextLimits(self.loop_share, self.degenerate_share, self.unreadable_share)

    def bounds(self, max_new_tokens: int, until_s: float | None = None) -> Bounds:
        """Bounds of texts that are begun now, or of a call that must end at ``until_s``."""
        return Bounds(max_new_tokens, time.monotonic() + self.max_time_s if until_s is None else until_s)


class AnswerConfig(TextConfig):
    """Settings of the fixed questions."""

    questions: bool = True
    """Whether the fixed questions are asked beside the description: eleven short texts."""
    answer_tokens: Annotated[int, Field(ge=8, le=512)] = 64
    """Longest answer in tokens, about three quarters of a word each: two sentences. Higher lets a model ramble."""
    answers_per_batch: Annotated[int, Field(ge=1, le=32)] = 6
    """Answers that are written at once. Each keeps half a megabyte per token of prompt in a 7B model: 0.6 GB for eight
    frames. More is faster and needs more memory; where it is short, the batch is halved."""
