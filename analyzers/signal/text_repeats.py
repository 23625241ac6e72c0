"""Repetition in generated text: inside one text, and between a text and the one before it.

Greedy decoding tends to fall into loops, and a model that sees nothing new says the same again. Neither is visible in
a confidence: loops are what a language model is surest of. So both are measured here and published beside the text.

Sources
    * ``repeated_share`` is seq-rep-n of Welleck et al., "Neural text generation with unlikelihood training" (ICLR
      2020): one less the share of distinct n-grams, n = 4;
    * ``similarity`` is Dice's coefficient (1945) over the bags of word trigrams.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

LOOP_GRAM = 4
"""Words in an n-gram of ``repeated_share``, as in the source."""

SIMILARITY_GRAM = 3
"""Words in an n-gram of ``similarity``; fewer where a text has fewer."""

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+(?:['\u2019][^\W_]+)*")
"""A word, or one character of a script without spaces between words."""

TextProblem = Literal["empty", "unreadable", "loop"]
"""Why a text is no answer: no words; mostly characters that are none; one phrase over and over."""


@dataclass(frozen=True)
class TextLimits:
    """From where on a generated text counts as what.

    Attributes:
        loop_share: ``repeated_share`` from which a text is marked as looping.
        degenerate_share: ``repeated_share`` from which it is no answer any more.
        unreadable_share: Share of unreadable characters from which it is none.
    """

    loop_share: float
    degenerate_share: float
    unreadable_share: float


def words_of(text: str) -> list[str]:
    """Words of the text in lower case without punctuation, compatibility forms unified (NFKC)."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def repeated_share(text: str) -> float:
    """Share of the text's n-grams that stood in it before, in [0, 1); 0 for up to ``LOOP_GRAM`` words."""
    grams = _grams(words_of(text), LOOP_GRAM)
    return 1.0 - len(grams) / total if (total := grams.total()) else 0.0


def similarity(first: str, second: str) -> float:
    """How much two texts are the same, in [0, 1]; 1 where they differ in case and punctuation only."""
    a, b = words_of(first), words_of(second)
    if not a or not b:
        return float(a == b)
    if a == b:
        return 1.0
    size = min(SIMILARITY_GRAM, len(a), len(b))
    left, right = _grams(a, size), _grams(b, size)
    return 2.0 * (left & right).total() / (left.total() + right.total())


def unreadable_share(text: str) -> float:
    """Share of characters that no reader can read: replacement, control, private and unassigned ones."""
    unreadable = sum(c == "\ufffd" or (unicodedata.category(c)[0] == "C" and c not in "\n\t\r") for c in text)
    return unreadable / len(text) if text else 0.0


def problem_of(text: str, limits: TextLimits) -> TextProblem | None:
    """Why ``text`` is no answer; None when it is one."""
    if unreadable_share(text) >= limits.unreadable_share:
        return "unreadable"
    if not words_of(text):
        return "empty"
    return "loop" if repeated_share(text) >= limits.degenerate_share else None


def _grams(words: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
