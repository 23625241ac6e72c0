"""Raw words into a transcript: times, sentences, marks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.signal.direct_address import second_person
from analyzers.signal.transcript import (
    LEAST_WORD_S,
    DoubtSettings,
    RawWord,
    Window,
    doubts_of,
    plain_words,
    sentences,
    with_sound_times,
)

WHISPER = DoubtSettings(no_speech=0.6, improbable=-1.0, looping=2.4)


def window(text: str, avg_logprob: float = -0.2, no_speech_prob: float = 0.0, compression_ratio: float = 1.0) -> Window:
    """Words of half a second, one behind the other."""
    words = tuple(RawWord(f" {w}", 0.5 * k, 0.5 * k + 0.5, 0.9) for k, w in enumerate(text.split()))
    return Window(words, avg_logprob, no_speech_prob, compression_ratio)


def test_sound_times_stay_as_they_are() -> None:
    words = [RawWord(" a", 0.0, 0.4, 0.9), RawWord(" b", 0.4, 0.9, 0.8), RawWord(" c", 0.8, 1.0, 0.7)]
    assert with_sound_times(words, 1.0) == (words, 0)


@pytest.mark.parametrize(
    ("start_s", "end_s", "expected"),
    [
        (-0.02, 0.3, (0.0, 0.3)),
        (0.5, 0.5, (0.5, 0.52)),
        (0.7, 0.4, (0.7, 0.72)),
        (0.9, 1.4, (0.9, 1.0)),
        (1.0, 1.0, (0.98, 1.0)),
        (3.0, 4.0, (0.98, 1.0)),
        (-3.0, -2.0, (0.0, 0.02)),
    ],
)
def test_a_word_outside_the_sound_or_without_length_is_put_right(
    start_s: float, end_s: float, expected: tuple[float, float]
) -> None:
    fixed, repaired = with_sound_times([RawWord(" a", start_s, end_s, 0.9)], 1.0)
    assert [(w.start_s, w.end_s) for w in fixed] == [pytest.approx(expected)]
    assert repaired == 1


def test_words_that_run_backwards_keep_the_order_of_the_text() -> None:
    words = [RawWord(" first", 0.5, 0.8, 0.9), RawWord(" second", 0.1, 0.3, 0.9), RawWord(" third", 0.9, 1.0, 0.9)]
    fixed, repaired = with_sound_times(words, 1.0)
    assert [w.text for w in fixed] == [" first", " second", " third"]
    assert [w.start_s for w in fixed] == [0.5, 0.5, 0.9]
    assert repaired == 1


def test_spaces_are_no_words() -> None:
    assert with_sound_times([RawWord(" ", 0.0, 0.5, 0.9), RawWord("", 0.5, 1.0, 0.9)], 1.0) == ([], 0)


def test_nothing_fits_into_less_than_a_step() -> None:
    assert with_sound_times([RawWord(" a", 0.0, 0.01, 0.9)], 0.01) == ([], 0)


anything = st.floats(-5.0, 40.0, allow_nan=False)


@given(st.lists(st.builds(RawWord, st.just(" w"), anything, anything, st.floats(-1.0, 2.0))), st.floats(0.02, 30.0))
def test_whatever_comes_times_are_sorted_half_open_and_inside(words: list[RawWord], duration_s: float) -> None:
    fixed, _ = with_sound_times(words, duration_s)
    assert len(fixed) == len(words)
    assert [w.start_s for w in fixed] == sorted(w.start_s for w in fixed)
    for word in fixed:
        assert 0.0 <= word.start_s < word.end_s <= duration_s + 1e-9
        assert 0.0 <= word.probability <= 1.0
        assert word.end_s - word.start_s >= min(LEAST_WORD_S, word.end_s - word.start_s)


def test_sentences_end_at_their_sign() -> None:
    found = sentences([window("Hello all. You there? “Quite.” And on")], pause_s=0.7, longest_s=30.0)
    assert [s.text for s in found] == ["Hello all.", "You there?", "“Quite.”", "And on"]


def test_a_full_stop_before_a_small_letter_is_an_abbreviations() -> None:
    found = sentences([window("At 5 p.m. we leave. And then")], pause_s=0.7, longest_s=30.0)
    assert [s.text for s in found] == ["At 5 p.m. we leave.", "And then"]
    found = sentences([window("Really? yes! no.")], pause_s=0.7, longest_s=30.0)
    assert [s.text for s in found] == ["Really?", "yes!", "no."]


def test_a_pause_parts_and_a_shorter_one_does_not() -> None:
    words = (RawWord(" a", 0.0, 0.5, 1.0), RawWord(" b", 1.1, 1.5, 1.0), RawWord(" c", 2.3, 2.5, 1.0))
    found = sentences([Window(words, 0.0, 0.0, 1.0)], pause_s=0.7, longest_s=30.0)
    assert [s.text for s in found] == ["a b", "c"]


def test_a_long_sentence_is_cut_before_it_gets_too_long() -> None:
    found = sentences([window("one two three four five")], pause_s=0.7, longest_s=1.0)
    assert [s.text for s in found] == ["one two", "three four", "five"]


def test_a_script_without_spaces_is_joined_as_it_stands() -> None:
    words = tuple(RawWord(c, 0.2 * k, 0.2 * k + 0.2, 1.0) for k, c in enumerate("你好。再见"))
    assert [s.text for s in sentences([Window(words, 0.0, 0.0, 1.0)], 0.7, 30.0)] == ["你好。", "再见"]


def test_nothing_is_doubted_without_a_reason() -> None:
    assert doubts_of(sentences([window("I say this.")], 0.7, 30.0), WHISPER) == [()]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (window("thanks", avg_logprob=-1.1, no_speech_prob=0.7), ("no_speech", "improbable")),
        (window("thanks", avg_logprob=-0.9, no_speech_prob=0.7), ()),
        (window("thanks", avg_logprob=-1.1, no_speech_prob=0.5), ("improbable",)),
        (window("la la la", compression_ratio=2.5), ("looping",)),
        (window("la la la", compression_ratio=2.3), ()),
    ],
)
def test_doubts_follow_whispers_thresholds(made: Window, expected: tuple[str, ...]) -> None:
    assert doubts_of(sentences([made], 0.7, 30.0), WHISPER) == [expected]


def test_a_segment_that_says_the_same_again_is_marked_and_the_first_is_not() -> None:
    found = sentences([window("Subscribe now. SUBSCRIBE, now! Something else. Subscribe now.")], 0.7, 30.0)
    assert [bool(d) for d in doubts_of(found, WHISPER)] == [False, True, False, False]


def test_only_signs_are_no_repetition() -> None:
    found = sentences([window("Well. ... ... Well.")], 0.7, 30.0)
    assert [s.text for s in found] == ["Well.", "...", "...", "Well."]
    assert doubts_of(found, WHISPER) == [(), (), (), ("repeated",)]


def test_plain_words() -> None:
    assert plain_words("  It\u2019s  A-OK! ") == "it s a ok"


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("If you like it, tell YOUR friends; you\u2019ll see.", "en", [("you", 1), ("you'll", 1), ("your", 1)]),
        ("You know you", "en", [("you", 2)]),
        ("the youth of today", "en", []),
        ("Schreibt mir, was ihr denkt, wenn du magst!", "de", [("du", 1)]),
        ("何か", "ja", None),
    ],
)
def test_second_person(text: str, language: str, expected: list[tuple[str, int]] | None) -> None:
    assert second_person(text.split(), language) == expected
