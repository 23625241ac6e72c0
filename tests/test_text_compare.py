"""Readings held against each other, joined, and accepted or not."""

from __future__ import annotations

import pytest

from analyzers.signal.text_compare import place_within, same_text
from analyzers.signal.text_overlays import joined_text
from analyzers.signal.text_reader import Reading
from analyzers.text_overlay import TextOverlayConfig


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Hello World", "hello  world!", True),
        ("GOOD", "G00D", True),
        ("Film", "FiIm", True),
        ("lay blue by c two again", "lay blue by e two again", True),
        ("going to", "going ta", True),
        ("cheese", "cheesy", False),
        ("Frame = 10", "Frame = 11", False),
        ("this is the very long line number 3", "this is the very long line number 4", False),
        ("this is the very long line number 3", "this is the very long line number", False),
        ("愚园路", "愚园路", True),
        ("愚园路", "南京路", False),
        ("...", "!!!", True),
    ],
)
def test_loose_comparison(first: str, second: str, same: bool) -> None:
    assert same_text(first, second) is same
    assert same_text(second, first) is same


def test_words_are_found_in_their_place() -> None:
    assert place_within("two", "one two three") == pytest.approx((4 / 13, 7 / 13))
    assert place_within("one two", "one two three") == pytest.approx((0.0, 7 / 13))
    assert place_within("wo th", "one two three") is None
    assert place_within("one two three", "one two three") is None
    assert place_within("", "one") is None


def test_lines_are_joined_with_spaces_but_not_between_wide_characters() -> None:
    assert joined_text(["two", "lines"]) == "two lines"
    assert joined_text(["清潔できれいな", "港区を"]) == "清潔できれいな港区を"
    assert joined_text(["港区", "MINATO CITY"]) == "港区 MINATO CITY"


@pytest.mark.parametrize(
    ("found", "text", "score", "accepted"),
    [
        (0.4, "abc", 0.85, True),
        (0.4, "abc", 0.84, False),
        (0.6, "ab", 0.95, True),
        (0.6, "ab", 0.94, False),
        (0.59, "ab", 0.99, False),
        (0.9, "...!", 0.99, False),
        (0.9, "", 1.0, False),
    ],
)
def test_what_counts_as_text(found: float, text: str, score: float, accepted: bool) -> None:
    assert TextOverlayConfig().accepts(found, Reading(text, score)) is accepted
