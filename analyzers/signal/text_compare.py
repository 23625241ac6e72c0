"""Comparing readings loosely: a recogniser takes O for 0 and l for 1 without a doubt in its score."""

from __future__ import annotations

import unicodedata
from difflib import SequenceMatcher

LOOK_ALIKE = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "5": "s", "β": "ß"})
"""Characters that PP-OCR was seen to mix up, folded to one of them; applied to lower case."""

SAME_RATIO = 0.85
"""Ratcliff-Obershelp similarity (difflib) from which two readings are one text. One wrong letter in seven still is;
one wrong letter in a word of six is another word."""


def plain(text: str) -> str:
    """Lower-case letters and digits only, compatibility forms unified (NFKC)."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def same_text(first: str, second: str) -> bool:
    """Whether two readings are the same text, up to look-alikes and a wrong letter.

    A digit counts in full: ``Part 1`` and ``Part 2`` are two texts, however long the rest is.
    """
    a, b = plain(first), plain(second)
    if a.translate(LOOK_ALIKE) == b.translate(LOOK_ALIKE):
        return True
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    for kind, a0, a1, b0, b1 in matcher.get_opcodes():
        gone, come = a[a0:a1], b[b0:b1]
        if kind == "equal" or gone.translate(LOOK_ALIKE) == come.translate(LOOK_ALIKE):
            continue
        if any(c.isdigit() for c in gone + come):
            return False
    return matcher.ratio() >= SAME_RATIO


def place_within(part: str, whole: str) -> tuple[float, float] | None:
    """Where ``part`` stands in ``whole``, as whole words: start and end as shares of its length; None if nowhere."""
    words, wanted = whole.casefold().split(), part.casefold().split()
    if not wanted or len(wanted) >= len(words):
        return None
    for k in range(len(words) - len(wanted) + 1):
        if all(same_text(a, b) for a, b in zip(words[k : k + len(wanted)], wanted, strict=True)):
            before = len(" ".join(words[:k])) + (1 if k else 0)
            length = len(" ".join(words))
            return before / length, (before + len(" ".join(words[k : k + len(wanted)]))) / length
    return None
