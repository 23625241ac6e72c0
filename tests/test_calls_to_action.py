"""Calls to action: phrases in nine languages are found, everyday sentences are not."""

from __future__ import annotations

from typing import get_args

import pytest

from analyzers.signal.calls_to_action import PHRASES, CallKind, find_calls, plain_text


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Follow for part two!", {"follow"}),
        ("FOLLOW", {"follow"}),
        ("like, comment & share", {"like", "comment", "share"}),
        ("Please like and subscribe", {"like", "subscribe"}),
        ("Link in bio \N{WHITE DOWN POINTING BACKHAND INDEX}", {"link"}),
        ("Shop now - use code SAVE10", {"buy"}),
        ("Sign up today, learn more below", {"sign_up", "learn_more"}),
        ("Double tap if you agree", {"like"}),
        ("wait for it...", {"watch"}),
        ("Save this for later", {"save"}),
        ("Folge mir für mehr!", {"follow"}),
        ("Schreibt es in die Kommentare", {"comment"}),
        ("Jetzt kaufen", {"buy"}),
        ("Link in der Bio", {"link"}),
        ("¡Suscríbete y dale like!", {"subscribe", "like"}),
        ("Más información", {"learn_more"}),
        ("Sígueme para más", {"follow"}),
        ("Abonne-toi !", {"follow"}),
        ("En savoir plus", {"learn_more"}),
        ("Lien en bio", {"link"}),
        ("Seguimi per altri video", {"follow"}),
        ("Scopri di più", {"learn_more"}),
        ("Me siga para mais", {"follow"}),
        ("Saiba mais", {"learn_more"}),
        ("Volg mij voor meer", {"follow"}),
        ("Nu bestellen", {"buy"}),
        ("フォローしてね", {"follow"}),
        ("いいねお願いします", {"like"}),
        ("关注我", {"follow"}),
        ("立即下载", {"download"}),
        ("記得按讚", {"like"}),
    ],
)
def test_calls_are_found(text, kinds):
    assert {call.kind for call in find_calls(text)} == kinds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "!!!",
        "Like a rolling stone",
        "I like it",
        "He followed me home",
        "The share of renewable energy",
        "to save the world",
        "What happens next?",
        "City lights never sleep",
        "6 places in 15 seconds",
        "bin blue at f two now",
        "place white in j three please",
        "Das Kind folgt seinem Vater",
        "Je suis content",
        "La suite est la fin",
        "Il sale e la vita salva",
        "今日は天気がいい",
        "今天天气很好",
        "THE PEACH OPEN MOVIE PROJECT PRESENTS",
    ],
)
def test_everyday_text_asks_for_nothing(text):
    assert find_calls(text) == []


def test_a_call_names_its_list():
    (call,) = find_calls("Jetzt kaufen!")
    assert (call.kind, call.language, call.phrase) == ("buy", "de", "jetzt kaufen")


def test_spaces_lost_by_text_recognition_do_not_matter_in_long_phrases():
    assert [c.kind for c in find_calls("LINKINBIO")] == ["link"]
    # Short ones would be found inside other words.
    assert find_calls("scalluser") == []


def test_accents_and_case_do_not_matter():
    assert plain_text("  ¡Suscríbete,  AHORA!") == "suscribete ahora"
    assert plain_text("Straße_8 @me") == "strasse 8 @me"


@pytest.mark.parametrize("language", list(PHRASES))
def test_each_list_is_in_the_form_that_texts_are_compared_in(language):
    assert set(PHRASES[language]) == set(get_args(CallKind))
    for kind, phrases in PHRASES[language].items():
        names = [p.strip().removeprefix("=") for p in phrases.split(",")]
        assert len(set(names)) == len(names), kind
        for name in names:
            assert name
            assert plain_text(name) == name
            # Each entry finds itself, whatever list comes first.
            assert kind in {call.kind for call in find_calls(name)}
