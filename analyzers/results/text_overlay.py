"""The result of ``text_overlay``: its models, and how overlays are made from blocks of lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from analyzers.base import AnalyzerResult, Context, merge_spans
from analyzers.signal.colour import name_of, to_lab
from analyzers.signal.function_words import language_by_words
from analyzers.signal.text_ink import Ink, Rgb
from analyzers.signal.text_kinds import (
    KindSettings,
    Position,
    TextFunction,
    TextKind,
    Traits,
    function_of,
    is_upper,
    kind_of,
    language_of,
    position_of,
    script_of,
)
from analyzers.signal.text_overlays import FloatBox, Line, joined_text
from schema.base import BoundingBox, Finite, Model, TimedSpan, UnitScore

Count = Annotated[int, Field(ge=0)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]

TILT_ASPECT = 3.0
"""A line's tilt is measured when its box is so many times longer than high; that of a short word is not exact."""

JUMP_HEIGHTS = 3.0
"""A text that is found more than so many line heights away has jumped, if it rests before or after."""


class TextLine(Model):
    """One line of an overlay."""

    text: str
    bounding_box: BoundingBox
    confidence: UnitScore
    """The recogniser's mean probability over the characters."""


class TextLook(Model):
    """How a text is drawn. Colours are sRGB; null where the letters are too small, or there too short, to tell."""

    color: str | None
    """Of the letters, ``#rrggbb``."""
    color_name: str | None
    """The nearest named CSS colour."""
    ground_color: str | None
    """Median colour between and around the letters."""
    boxed: bool | None
    """On a plain box or band that ends near the text."""
    outlined: bool | None
    """With a rim in a third colour."""
    upper_case: bool | None
    """All letters are capitals; null where the script has none."""
    line_height: UnitScore
    """Height of a line's box as a share of the picture's height. The letters are about 0.6 of it."""


class KindEvidence(Model):
    """What the kind was decided by."""

    rule: str
    time_share: UnitScore
    """Of the clip's length."""
    center_x: UnitScore
    center_y: UnitScore
    """Middle of the text, from the top left corner, as shares of width and height."""
    line_height: NotNegative
    """In picture units."""
    tilt_deg: NotNegative
    """Angle of the lines against the horizontal."""
    travel: NotNegative
    """Largest distance between two places of the text, in picture units."""


class TextOverlay(TimedSpan):
    """One text on screen."""

    text: str
    """Its lines in reading order with a space between them."""
    bounding_box: BoundingBox
    """In px of the upright source picture. Around all its places where it moves."""
    confidence: UnitScore
    """The recogniser's score, the mean over the lines weighted by their length."""
    kind: TextKind
    position: Position
    area_share: UnitScore
    """Of the box in the picture."""
    lines: tuple[TextLine, ...]
    moves: bool
    """Its place changed by more than a line's height."""
    built_up: bool
    """It was written out word by word; ``text`` is the whole."""
    look: TextLook
    script: str | None
    """``latin``, ``han``, ``kana``, ``greek``; null for numbers."""
    language: str | None
    """ISO 639-1, only where the script decides it; of Latin letters see ``latin_language``."""
    function: TextFunction
    calls_to_action: tuple[str, ...]
    """Phrases of the word lists that it holds."""
    evidence: KindEvidence


class TextLanguage(Model):
    """The language of all texts in Latin letters together, by its function words: articles, pronouns, prepositions."""

    language: str
    """ISO 639-1: en, de, es, fr, it, nl or pt. One of another language is not found."""
    function_words: Count
    """Its different ones in the texts: at least ``language_words``."""
    next_best: Count
    """How many of the language with the second most."""
    words: Count
    """Different words of the texts."""


class ReadingCounts(Model):
    """How the overlays' lines were come by."""

    frames_seen: Count
    frames_searched: Count
    """Whole frames searched for text; in the others lines are only followed."""
    regions_detected: Count
    """Lines found in them, each time counted; for a line that none of them shows, in the strips searched between."""
    regions_read: Count
    """How many of these were read."""
    regions_reused: Count
    """The others: their pixels were those of a line read before."""


class TextOverlayResult(AnalyzerResult):
    """Text on screen over the clip; empty where there is none."""

    overlays: tuple[TextOverlay, ...]
    text_share: UnitScore
    """Share of the clip with text on screen, watermarks and scene text left out."""
    words: Count
    """Words of all overlays, watermarks and scene text left out."""
    words_per_s: Finite | None
    """Those words over the time in which they are on screen; null without any."""
    latin_language: TextLanguage | None
    """Null where there is too little to tell, too. Other scripts: ``language`` of each overlay."""
    reading: ReadingCounts


def reading_counts(lines: Sequence[Line], frames_seen: int, frames_searched: int) -> ReadingCounts:
    """Counts over the lines of all overlays."""
    found = sum(len(line.sights) for line in lines)
    read = min(found, sum(len(line.readings) for line in lines))
    return ReadingCounts(
        frames_seen=frames_seen,
        frames_searched=frames_searched,
        regions_detected=found,
        regions_read=read,
        regions_reused=found - read,
    )


def result_of(
    found: Sequence[Sequence[Line]], counts: ReadingCounts, context: Context, settings: KindSettings
) -> TextOverlayResult:
    """The result from blocks of lines."""
    drafts = [draft for block in found if (draft := _Draft.of(block, context)) is not None]
    drafts.sort(key=lambda d: (*d.span, d.box[1], d.box[0]))
    scripts = [script_of(draft.text) for draft in drafts]
    overlays = []
    for draft in drafts:
        others = [other.traits for other in drafts if other is not draft]
        overlays.append(_overlay(draft, others, scripts, settings))
    return _result(tuple(overlays), counts, context.video.duration_s, settings)


class _Draft:
    """A block of lines on its way to an overlay."""

    def __init__(self, block: Sequence[Line], span: tuple[float, float], box: FloatBox, context: Context) -> None:
        self.lines = block
        self.span = span
        self.box = box
        self.size = context.video.width or 1, context.video.height or 1
        self.text = joined_text([line.reading.text for line in block])
        self.line_height = float(np.median([line.height for line in block]))
        unit = float((self.size[0] * self.size[1]) ** 0.5)
        self.traits = Traits(
            start_s=span[0],
            end_s=span[1],
            clip_s=context.video.duration_s,
            x=(box[0] + box[2]) / 2 / self.size[0],
            y=(box[1] + box[3]) / 2 / self.size[1],
            height=self.line_height / unit,
            tilt_deg=max(_tilt_deg(line) for line in block),
            travel=max(_travel(line) for line in block) / unit,
            jumps=any(_jumps(line) for line in block),
            words=len(self.text.split()),
            card=any(line.ink is not None and line.ink[1].plain and not line.ink[1].boxed for line in block),
        )

    @classmethod
    def of(cls, block: Sequence[Line], context: Context) -> _Draft | None:
        """None where nothing of it lies inside the video."""
        span = context.span(min(line.start_s for line in block), max(line.end_s for line in block))
        box = _inside(_around([line.box for line in block]), context)
        return None if span is None or box is None else cls(block, span, box, context)


def _overlay(
    draft: _Draft, others: Sequence[Traits], scripts: Sequence[str | None], settings: KindSettings
) -> TextOverlay:
    traits, (width, height), box = draft.traits, draft.size, draft.box
    kind, rule = kind_of(traits, others, settings)
    function, calls = function_of(draft.text, kind)
    script = script_of(draft.text)
    lengths = [max(1, len(line.reading.text)) for line in draft.lines]
    scores = [line.reading.score for line in draft.lines]
    return TextOverlay(
        start_time=draft.span[0],
        end_time=draft.span[1],
        text=draft.text,
        bounding_box=_bounding_box(box),
        confidence=min(1.0, float(np.average(scores, weights=lengths))),
        kind=kind,
        position=position_of(traits.x, traits.y),
        area_share=min(1.0, (box[2] - box[0]) * (box[3] - box[1]) / (width * height)),
        lines=tuple(
            TextLine(
                text=line.reading.text,
                bounding_box=_bounding_box(_cut(line.box, draft.size)),
                confidence=line.reading.score,
            )
            for line in draft.lines
        ),
        moves=any(line.moves for line in draft.lines),
        built_up=any(line.built_up for line in draft.lines),
        look=_look(draft),
        script=script,
        language=language_of(script, scripts),
        function=function,
        calls_to_action=calls,
        evidence=KindEvidence(
            rule=rule,
            time_share=min(1.0, (traits.end_s - traits.start_s) / traits.clip_s),
            center_x=traits.x,
            center_y=traits.y,
            line_height=traits.height,
            tilt_deg=traits.tilt_deg,
            travel=traits.travel,
        ),
    )


def _look(draft: _Draft) -> TextLook:
    inks = [(line.ink[1], len(line.reading.text)) for line in draft.lines if line.ink is not None]
    ink: Ink | None = max(inks, key=lambda pair: pair[1])[0] if inks else None
    return TextLook(
        color=_hex(ink.letters) if ink else None,
        color_name=name_of(to_lab(np.array([ink.letters], np.float64))[0])[0] if ink else None,
        ground_color=_hex(ink.ground) if ink else None,
        boxed=ink.boxed if ink else None,
        outlined=ink.outlined if ink else None,
        upper_case=is_upper(draft.text),
        line_height=min(1.0, draft.line_height / draft.size[1]),
    )


def _result(
    overlays: tuple[TextOverlay, ...], counts: ReadingCounts, duration_s: float, settings: KindSettings
) -> TextOverlayResult:
    laid_over = [o for o in overlays if o.kind not in ("watermark", "scene")]
    seconds = sum(end - start for start, end in merge_spans(laid_over))
    words = sum(len(o.text.split()) for o in laid_over)
    return TextOverlayResult(
        overlays=overlays,
        text_share=min(1.0, seconds / duration_s) if duration_s > 0.0 else 0.0,
        words=words,
        words_per_s=words / seconds if seconds > 0.0 else None,
        latin_language=_latin_language(laid_over, settings),
        reading=counts,
    )


def _latin_language(overlays: Sequence[TextOverlay], settings: KindSettings) -> TextLanguage | None:
    texts = (overlay.text for overlay in overlays if overlay.script == "latin")
    found = language_by_words(texts, settings.language_words, settings.language_lead)
    if found is None:
        return None
    return TextLanguage(
        language=found.language, function_words=found.found, next_best=found.next_best, words=found.words
    )


def _tilt_deg(line: Line) -> float:
    """Median angle of the line's long side against the nearer of the picture's axes, in [0, 45]."""
    angles = []
    for sight in line.sights:
        quad = np.array(sight.quad)
        sides = [quad[1] - quad[0], quad[3] - quad[0]]
        long, short = sorted(sides, key=lambda side: -float(np.hypot(*side)))
        if np.hypot(*long) >= TILT_ASPECT * np.hypot(*short):
            low, high = sorted(np.abs(long))
            angles.append(float(np.degrees(np.arctan2(low, high))))
    return float(np.median(angles)) if angles else 0.0


def _middles(line: Line) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([np.mean(sight.quad, axis=0) for sight in line.sights], np.float64)


def _travel(line: Line) -> float:
    """Diagonal of the box around the line's middles, px."""
    middles = _middles(line)
    return float(np.hypot(*(middles.max(axis=0) - middles.min(axis=0))))


def _jumps(line: Line) -> bool:
    """Whether the line rests in places that are far apart."""
    steps = np.abs(np.diff(_middles(line), axis=0)).max(axis=1) / line.height if len(line.sights) > 1 else np.zeros(0)
    far, rests = steps > JUMP_HEIGHTS, steps < 1.0
    return bool(far.any() and (far | rests).all() and rests.sum() >= far.sum())


def _around(boxes: Sequence[FloatBox]) -> FloatBox:
    edges = np.array(boxes)
    low, high = edges[:, :2].min(axis=0), edges[:, 2:].max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _inside(box: FloatBox, context: Context) -> FloatBox | None:
    cut = _cut(box, (context.video.width or 1, context.video.height or 1))
    return cut if cut[2] > cut[0] and cut[3] > cut[1] else None


def _cut(box: FloatBox, size: tuple[int, int]) -> FloatBox:
    width, height = size
    return max(0.0, box[0]), max(0.0, box[1]), min(float(width), box[2]), min(float(height), box[3])


def _bounding_box(box: FloatBox) -> BoundingBox:
    return BoundingBox(x=box[0], y=box[1], width=box[2] - box[0], height=box[3] - box[1])


def _hex(rgb: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)
