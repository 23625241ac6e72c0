"""What a text looks like, what kind it is and what it does; each rule on both sides of its threshold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analyzers.signal.text_kinds import Traits, function_of, is_upper, kind_of, language_of, position_of, script_of
from analyzers.text_overlay import TextOverlayConfig
from tests.made_text import Written, texture, write
from tests.text_runs import run


def test_colours_boxes_and_outlines() -> None:
    lines = [
        Written("white outlined", 0, 10, (180, 80)),
        Written("yellow on black", 0, 10, (180, 200), 32, (255, 220, 0), None, (0, 0, 0)),
        Written("RED ON WHITE", 0, 10, (180, 320), 32, (220, 0, 0), None, (255, 255, 255)),
        Written("plain blue", 0, 10, (180, 440), 40, (0, 0, 200), None),
        Written("pink with rim", 0, 10, (180, 560), 40, (255, 105, 180), (0, 90, 0)),
    ]
    by_text = {o.text: o.look for o in run(write(texture(10), lines)).overlays}
    assert {t: look.color for t, look in by_text.items()} == {
        "white outlined": "#ffffff",
        "yellow on black": "#ffdc00",
        "RED ON WHITE": "#dc0000",
        "plain blue": "#0000c8",
        "pink with rim": "#ff69b4",
    }
    assert by_text["plain blue"].color_name == "mediumblue"
    assert {t for t, look in by_text.items() if look.boxed} == {"yellow on black", "RED ON WHITE"}
    assert {t for t, look in by_text.items() if look.outlined} == {"white outlined", "pink with rim"}
    assert {t for t, look in by_text.items() if look.upper_case} == {"RED ON WHITE"}
    assert by_text["yellow on black"].ground_color == "#000000"


def test_kinds_of_drawn_texts() -> None:
    lines = [
        Written("@the_account", 0, 60, (90, 30), 18),
        Written("BIG TITLE", 3, 20, (180, 150), 60),
        Written("some first caption", 5, 20, (180, 520), 26),
        Written("then the second one", 22, 40, (180, 520), 26),
        Written("tilted sign here", 5, 50, (180, 300), 26, angle=20.0),
        Written("on the left", 42, 58, (90, 400), 26),
    ]
    result = run(write(texture(60), lines))
    assert {o.text: o.kind for o in result.overlays} == {
        "@the_account": "watermark",
        "BIG TITLE": "title",
        "some first caption": "caption",
        "then the second one": "caption",
        "tilted sign here": "scene",
        "on the left": "sticker",
    }
    # Watermarks and scene text are no text for the viewer's time: 0.3 to 5.8 s without the pause from 4.0 to 4.2.
    assert result.text_share == pytest.approx((2.0 - 0.3 + 4.0 - 2.2 + 5.8 - 4.2) / 6.0, abs=0.02)


def traits(**changed: Any) -> Traits:
    """Small text at rest in the upper left, from 3 s to 5 s of 20 s: a sticker."""
    base = Traits(
        start_s=3.0,
        end_s=5.0,
        clip_s=20.0,
        x=0.3,
        y=0.3,
        height=0.05,
        tilt_deg=0.0,
        travel=0.0,
        jumps=False,
        words=2,
        card=False,
    )
    return replace(base, **changed)


SERIES = traits(start_s=5.5, end_s=7.0)


@pytest.mark.parametrize(
    ("changed", "others", "kind"),
    [
        ({}, (), "sticker"),
        ({"start_s": 0.0, "end_s": 16.0, "y": 0.1}, (), "watermark"),
        ({"start_s": 0.0, "end_s": 15.9, "y": 0.1}, (), "title"),
        ({"start_s": 0.0, "end_s": 16.0, "y": 0.1, "height": 0.061}, (), "title"),
        ({"start_s": 0.0, "end_s": 16.0, "y": 0.21}, (), "title"),
        ({"start_s": 0.0, "end_s": 2.9, "clip_s": 2.9, "y": 0.1, "words": 1}, (), "sticker"),
        ({"start_s": 0.0, "end_s": 3.0, "clip_s": 3.0, "y": 0.1}, (), "watermark"),
        ({"tilt_deg": 6.0}, (), "scene"),
        ({"tilt_deg": 5.9}, (), "sticker"),
        ({"travel": 0.03}, (), "scene"),
        ({"travel": 0.029}, (), "sticker"),
        ({"travel": 0.5, "jumps": True}, (), "sticker"),
        ({}, (SERIES,), "caption"),
        ({}, (replace(SERIES, start_s=9.0, end_s=10.0),), "caption"),
        ({}, (replace(SERIES, start_s=9.1, end_s=10.0),), "sticker"),
        ({}, (replace(SERIES, y=0.36),), "sticker"),
        ({}, (replace(SERIES, height=0.07),), "sticker"),
        ({}, (replace(SERIES, start_s=4.0),), "sticker"),
        ({"end_s": 11.1}, (replace(SERIES, start_s=11.5, end_s=12.0),), "sticker"),
        ({"x": 0.5, "y": 0.5}, (), "caption"),
        ({"x": 0.5, "y": 0.49}, (), "sticker"),
        ({"x": 0.63, "y": 0.8}, (), "sticker"),
        ({"x": 0.5, "y": 0.8, "words": 1}, (), "sticker"),
        ({"x": 0.5, "y": 0.4, "card": True}, (), "title"),
        ({"x": 0.5, "y": 0.29, "card": True}, (), "sticker"),
        ({"height": 0.08}, (), "title"),
        ({"height": 0.079}, (), "sticker"),
        ({"start_s": 1.5}, (), "title"),
        ({"start_s": 1.6}, (), "sticker"),
        ({"start_s": 1.5, "words": 1}, (), "sticker"),
    ],
)
def test_each_rule_of_the_kinds_on_both_sides(changed: dict[str, Any], others: tuple[Traits, ...], kind: str) -> None:
    assert kind_of(traits(**changed), others, TextOverlayConfig().kind_settings())[0] == kind


def test_positions_are_nine() -> None:
    thirds = (0.0, 0.5, 0.99)
    assert [position_of(x, y) for y in thirds for x in thirds] == [
        "top_left",
        "top_center",
        "top_right",
        "center_left",
        "center",
        "center_right",
        "bottom_left",
        "bottom_center",
        "bottom_right",
    ]


@pytest.mark.parametrize(
    ("text", "kind", "function"),
    [
        ("Follow for part two!", "caption", "call_to_action"),
        ("Folge mir für mehr", "sticker", "call_to_action"),
        ("Link in bio", "title", "call_to_action"),
        ("Link in bio", "scene", "label"),
        ("so I follow the road", "caption", "caption"),
        ("Day 3", "title", "label"),
        ("How I saved a thousand", "title", "context"),
    ],
)
def test_what_a_text_does(text: str, kind: Any, function: str) -> None:
    assert function_of(text, kind)[0] == function


def test_scripts_and_the_languages_they_decide() -> None:
    texts = ["plain words", "愚园路", "ポイ捨て禁止!", "Ελληνικά", "12:30"]
    scripts = [script_of(t) for t in texts]
    assert scripts == ["latin", "han", "kana", "greek", None]
    assert [language_of(s, scripts[:2]) for s in scripts] == [None, "zh", "ja", "el", None]
    assert language_of("han", scripts) == "ja"


def test_upper_case() -> None:
    assert is_upper("WAIT 4 IT!")
    assert not is_upper("WAIt")
    assert is_upper("愚园路") is None
    assert is_upper("A") is None
