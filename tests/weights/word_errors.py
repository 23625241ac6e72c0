"""Word error rate: substitutions, deletions and insertions over the number of words that were said."""

from __future__ import annotations

import re

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGITS = {str(digit): name for digit, name in enumerate(NAMES)}
"""Models write digits where the truth has words."""


def plain(text: str) -> list[str]:
    """Lower case words, digits written out, signs taken away; letters and digits that stand together are parted."""
    parted = re.sub(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z\d])", " ", text.lower())
    return [DIGITS.get(word, word) for word in re.sub(r"[^\w\s]", " ", parted).split()]


def errors(said: str, heard: str) -> int:
    """Fewest single changes from what was said to what was heard (Levenshtein, over words)."""
    truth, found = plain(said), plain(heard)
    row = list(range(len(found) + 1))
    for i, word in enumerate(truth, start=1):
        before, row[0] = row[0], i
        for j, other in enumerate(found, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def word_error_rate(said: str, heard: str) -> float:
    """``errors`` over the number of words said."""
    return errors(said, heard) / len(plain(said))
