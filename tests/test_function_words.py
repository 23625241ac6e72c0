"""Languages by their small words: the first article of the Universal Declaration of Human Rights, as published."""

from __future__ import annotations

import pytest

from analyzers.signal.function_words import FUNCTION_WORDS, language_by_words

ARTICLE_1 = {
    "en": "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience "
    "and should act towards one another in a spirit of brotherhood.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt "
    "und sollen einander im Geist der Brüderlichkeit begegnen.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y "
    "conciencia, deben comportarse fraternalmente los unos con los otros.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de "
    "conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
    "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di ragione e di "
    "coscienza e devono agire gli uni verso gli altri in spirito di fratellanza.",
    "nl": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd met verstand en "
    "geweten, en behoren zich jegens elkander in een geest van broederschap te gedragen.",
    "pt": "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de razão e de "
    "consciência, devem agir uns para com os outros em espírito de fraternidade.",
}
WITHOUT_A_LIST = (
    "Alla människor är födda fria och lika i värde och rättigheter. De är utrustade med förnuft och samvete och "
    "bör handla gentemot varandra i en anda av broderskap.",
    "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem i "
    "sumieniem i powinni postępować wobec innych w duchu braterstwa.",
)
"""Swedish and Polish."""


def test_every_list_has_a_text() -> None:
    assert set(ARTICLE_1) == set(FUNCTION_WORDS)


@pytest.mark.parametrize("language", list(ARTICLE_1))
@pytest.mark.parametrize("write", [str, str.upper])
def test_a_language_is_told_by_two_sentences(language: str, write: type[str]) -> None:
    found = language_by_words([write(ARTICLE_1[language])], 3, 2.0)
    assert found is not None
    assert found.language == language


@pytest.mark.parametrize("text", WITHOUT_A_LIST)
def test_a_language_without_a_list_is_none(text: str) -> None:
    assert language_by_words([text], 3, 2.0) is None


def test_words_are_counted_over_all_texts_and_each_once() -> None:
    found = language_by_words(["this is", "this is for you", "THE END"], 3, 2.0)
    assert found is not None
    # this, is, for, you, the; Dutch has "is".
    assert (found.language, found.found, found.next_best, found.words) == ("en", 5, 1, 6)
    assert language_by_words(["is is is is", "is"], 3, 1.0) is None


@pytest.mark.parametrize(("least", "lead", "language"), [(4, 4.0, "en"), (5, 4.0, None), (4, 4.1, None)])
def test_both_thresholds_on_both_sides(least: int, lead: float, language: str | None) -> None:
    # "the", "you", "what" and "is" are English, "is" Dutch.
    found = language_by_words(["what you is the"], least, lead)
    assert (found.language if found else None) == language


@pytest.mark.parametrize("texts", [[], ["6 / 15"], ["NIKE Air Max 90"], [ARTICLE_1["en"] + ARTICLE_1["de"]]])
def test_no_words_names_and_two_languages_are_none(texts: list[str]) -> None:
    assert language_by_words(texts, 3, 2.0) is None
