"""Repetition of generated texts, on texts whose n-grams are counted by hand; each threshold on both sides."""

from __future__ import annotations

import pytest

from analyzers.signal.text_repeats import (
    TextLimits,
    problem_of,
    repeated_share,
    similarity,
    unreadable_share,
    words_of,
)

LIMITS = TextLimits(loop_share=0.2, degenerate_share=0.5, unreadable_share=0.05)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man, dancing!", ["a", "man", "dancing"]),
        ("It's the man's.", ["it's", "the", "man's"]),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER F}ULL width", ["full", "width"]),
        ("跳舞", ["跳", "舞"]),
        ("...\n\u200b", []),
        ("", []),
    ],
)
def test_words_are_folded_and_without_punctuation(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def letters(text: str) -> str:
    """One word for each letter."""
    return " ".join(text)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        (letters("abcdefgh"), 0.0),
        # 5 n-grams, all the same: 1 of 5 is new.
        (letters("aaaaaaaa"), 4 / 5),
        # abcd bcda cdab dabc, then these again and again: 9 n-grams, 4 of them new.
        (letters("abcdabcdabcd"), 5 / 9),
        # Said twice, with words between: 13 n-grams, abcd comes again.
        (letters("abcdxyzabcduvwop"), 1 / 13),
        # Too short for two n-grams.
        (letters("aaaa"), 0.0),
        ("", 0.0),
    ],
)
def test_the_repeated_share_is_that_of_the_paper(text: str, share: float) -> None:
    assert repeated_share(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("A man dances on a stage.", "a man dances, on a stage", 1.0),
        ("A man dances on a stage.", "Two dogs run over the grass.", 0.0),
        # Of 4 and 4 trigrams "a man dances", "man dances on" and "dances on a" are shared.
        ("a man dances on a stage", "a man dances on a roof", 6 / 8),
        # Too short for trigrams: the bigram "man dances" against "man dances", "dances now".
        ("man dances", "man dances now", 2 / 3),
        ("", "", 1.0),
        ("a man", "", 0.0),
    ],
)
def test_similarity_is_the_share_of_common_trigrams(first: str, second: str, expected: float) -> None:
    assert similarity(first, second) == pytest.approx(expected)
    assert similarity(second, first) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "share"), [("ab\ufffd\ufffd", 0.5), ("a\x00bc", 0.25), ("line\nline\t", 0.0), ("", 0.0)]
)
def test_what_cannot_be_read(text: str, share: float) -> None:
    assert unreadable_share(text) == share


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("... !", "empty"),
        ("none", None),
        # 20 characters with 1 unreadable one: 0.05, and with 21: just below.
        ("abcdefghij klmnopqr\ufffd", "unreadable"),
        ("abcdefghij klmnopqrs\ufffd", None),
        # 4 of 8 n-grams were there before, then 4 of 9.
        (letters("abcdabcdabc"), "loop"),
        (letters("abcdabcdabcx"), None),
        ("A man dances on a stage while people watch him from below and clap their hands.", None),
    ],
)
def test_why_a_text_is_none(text: str, problem: str | None) -> None:
    assert problem_of(text, LIMITS) == problem
