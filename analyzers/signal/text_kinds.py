"""What an overlay is and does, by stated rules over its place, size, stay and words; not yet tuned on real clips.

Kinds, the first that fits:
    watermark: there for most of the clip, small, near an edge (or jumping from place to place there);
    scene: part of the filmed world, since it turns, tilts or drifts with the picture;
    caption: one of a series that follow each other in one place, or, alone, short and centred in the lower half;
    title: on a plain ground in the middle of the picture, or large, or several words near the clip's start in the
        upper half;
    sticker: any other text laid over the picture.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from analyzers.signal.calls_to_action import find_calls

TextKind = Literal["caption", "title", "sticker", "watermark", "scene"]
TextFunction = Literal["call_to_action", "caption", "label", "context"]
Position = Literal[
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

LABEL_WORDS = 3
"""A text of at most so many words that is no caption and calls for nothing is a label."""


@dataclass(frozen=True)
class KindSettings:
    """Thresholds of the rules. The fields are those of the analyzer's config; see there."""

    watermark_share: float
    watermark_min_s: float
    watermark_height: float
    edge_share: float
    tilt_deg: float
    drift: float
    caption_max_s: float
    series_gap_s: float
    title_height: float
    title_start_s: float
    language_words: int
    language_lead: float


@dataclass(frozen=True)
class Traits:
    """What the rules look at; shares are of the upright picture.

    Attributes:
        start_s: First moment.
        end_s: Exclusive end.
        clip_s: Length of the clip.
        x: Middle of the text, 0 left to 1 right.
        y: Middle of the text, 0 top to 1 bottom.
        height: Height of a line's box over the square root of the picture's width times height.
        tilt_deg: Angle of the lines against the horizontal, 0 to 90.
        travel: Way of the text's middle while it is there, over the same square root.
        jumps: The way was made at once, between stays in one place.
        words: Number of words.
        card: On a ground of one colour that goes on around it.
    """

    start_s: float
    end_s: float
    clip_s: float
    x: float
    y: float
    height: float
    tilt_deg: float
    travel: float
    jumps: bool
    words: int
    card: bool


def kind_of(traits: Traits, others: Sequence[Traits], settings: KindSettings) -> tuple[TextKind, str]:
    """Kind of a text among the clip's ``others``, and the rule that decided, in words."""
    stay_s = traits.end_s - traits.start_s
    edge = min(traits.x, 1.0 - traits.x, traits.y, 1.0 - traits.y)
    small = traits.height <= settings.watermark_height
    long = stay_s >= max(settings.watermark_min_s, settings.watermark_share * traits.clip_s)
    if long and small and edge <= settings.edge_share:
        return "watermark", "most of the clip, small, near an edge"
    if traits.tilt_deg >= settings.tilt_deg:
        return "scene", "tilted lines"
    if traits.travel >= settings.drift and not traits.jumps:
        return "scene", "moves with the picture"
    if stay_s <= settings.caption_max_s:
        if any(_in_series(traits, other, settings) for other in others):
            return "caption", "one of a series in one place"
        if traits.card and abs(traits.x - 0.5) <= 0.2 and abs(traits.y - 0.5) <= 0.2:
            return "title", "on a plain ground in the middle"
        if traits.y >= 0.5 and abs(traits.x - 0.5) <= 0.12 and traits.words >= 2 and edge > 0.03:
            return "caption", "short, centred, in the lower half"
    if traits.height >= settings.title_height:
        return "title", "large letters"
    if traits.start_s <= settings.title_start_s and traits.y < 0.5 and traits.words >= 2:
        return "title", "at the start, in the upper half"
    return "sticker", "laid over the picture, no other rule"


def _in_series(one: Traits, other: Traits, settings: KindSettings) -> bool:
    """Whether another text of like size follows or precedes this one in its place."""
    if other.end_s - other.start_s > settings.caption_max_s:
        return False
    apart_s = max(one.start_s - other.end_s, other.start_s - one.end_s)
    same_place = abs(one.y - other.y) <= 0.05 and abs(one.x - other.x) <= 0.15
    return -0.05 <= apart_s <= settings.series_gap_s and same_place and 0.75 <= one.height / other.height <= 1.33


def position_of(x: float, y: float) -> Position:
    """Which of the picture's nine fields holds the point, each a third wide and high."""
    row = ("top", "center", "bottom")[min(2, int(3.0 * y))]
    column = ("left", "center", "right")[min(2, int(3.0 * x))]
    # One of the nine by construction.
    return cast(Position, "center" if row == column == "center" else f"{row}_{column}")


def function_of(text: str, kind: TextKind) -> tuple[TextFunction, tuple[str, ...]]:
    """What the text does, and the phrases that call to action in it."""
    calls = tuple(call.phrase for call in find_calls(text))
    if calls and kind in ("caption", "title", "sticker"):
        return "call_to_action", calls
    if kind == "caption":
        return "caption", ()
    if kind in ("watermark", "scene") or len(text.split()) <= LABEL_WORDS:
        return "label", ()
    return "context", ()


def script_of(text: str) -> str | None:
    """The script of most letters: ``latin``, ``han``, ``kana``, ``greek``; None without letters.

    Any kana make it ``kana``, since Japanese mixes them with han.
    """
    names = [unicodedata.name(c, "").split(" ")[0].split("-")[0] for c in text if c.isalpha()]
    known = {"LATIN": "latin", "CJK": "han", "HIRAGANA": "kana", "KATAKANA": "kana", "GREEK": "greek"}
    scripts = [known.get(name, name.lower()) for name in names]
    if not scripts:
        return None
    return "kana" if "kana" in scripts else max(set(scripts), key=lambda s: (scripts.count(s), s))


def language_of(script: str | None, scripts: Sequence[str | None]) -> str | None:
    """Language (ISO 639-1) where the script decides it; ``scripts`` are those of all texts of the clip."""
    if script == "han":
        return "ja" if "kana" in scripts else "zh"
    return {"kana": "ja", "greek": "el"}.get(script or "")


def is_upper(text: str) -> bool | None:
    """Whether all letters are capitals; None where the script has none, or with a single letter."""
    cased = [c for c in text if c.isupper() or c.islower()]
    return all(c.isupper() for c in cased) if len(cased) > 1 else None
