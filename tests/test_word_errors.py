"""The yardstick of the golden tests, by hand."""

from __future__ import annotations

import pytest

from tests.weights.word_errors import errors, plain, word_error_rate


@pytest.mark.parametrize(
    ("said", "heard", "count"),
    [
        ("bin blue at f two now", "Bin blue at F2, now.", 0),
        ("lay blue by c two again", "Lay blue by sea two again", 1),
        ("one two three", "one three", 1),
        ("one two", "one and two", 1),
        ("a b c", "", 3),
        ("a b", "c d e", 3),
    ],
)
def test_errors(said: str, heard: str, count: int) -> None:
    assert errors(said, heard) == count


def test_the_rate_is_over_the_words_said() -> None:
    assert word_error_rate("one two three four", "one two three") == 0.25
    assert plain("It's 10 o'clock!") == ["it", "s", "one", "zero", "o", "clock"]
