"""From the lines of all chunks to overlays: chains across chunks, one text once, lines that stand together together."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from analyzers.signal.text_compare import place_within, plain, same_text
from analyzers.signal.text_ink import Ink
from analyzers.signal.text_reader import Reading
from analyzers.signal.text_types import Counts, LinePiece, Sight, slot_of

FloatBox = tuple[float, float, float, float]
"""x0, y0, x1, y1 in px of the source picture."""

NEAR_HEIGHTS = 1.0
"""A line is in an old place when its middle is less than this many line heights away."""

PART_SHARE = 0.35
"""Where a part of a text stands is reckoned from its share of the characters; box and reckoning share this much."""

LIKE_HEIGHT = 0.6
"""A text that has moved may have become so much smaller, or larger, by a zoom."""

TOGETHER_SHARE = 0.6
"""Lines of one block share at least this much of the longer one's time, so that short ones in a row are not one."""

EDGE_SHARE = 0.03
"""A box this near to the picture's edge, as a share of its width, may be cut off by it."""

ROW_SHARE = 0.5
"""Two boxes are in one row when they share this much of the lower one's height."""


@dataclass(frozen=True)
class JoinSettings:
    """How lines are put together. The fields are those of the analyzer's config; see there."""

    bridge_s: float
    together_s: float
    line_gap: float
    word_gap: float
    accept: Callable[[float, Reading], bool]


@dataclass(frozen=True, eq=False)
class ChunkText:
    """What one chunk shows.

    Attributes:
        start_s: Start of the chunk's span.
        end_s: End of it.
        first_s: Time of its first own frame.
        last_s: Time of its last own frame.
        carried_s: Time of the carried frame; None without one.
        frames: Own frames.
        pieces: The lines.
        inks: For each piece, when its look was measured and what it is; None where it could not be.
        counts: What was done.
    """

    start_s: float
    end_s: float
    first_s: float
    last_s: float
    carried_s: float | None
    frames: int
    pieces: tuple[LinePiece, ...]
    inks: tuple[tuple[float, Ink] | None, ...]
    counts: Counts


@dataclass(eq=False)
class Line:
    """One line of text over the clip.

    Attributes:
        start_s: First frame that shows it.
        end_s: First frame that does not.
        sights: Looks that found it, in order of time.
        readings: What was read, each with the look that it was read at.
        ink: When its look was measured first, and what it is.
        moves: It was found in places further apart than a line's height.
        built_up: It was written out word by word.
    """

    start_s: float
    end_s: float
    sights: list[Sight]
    readings: list[tuple[Reading, Sight]]
    ink: tuple[float, Ink] | None = None
    moves: bool = False
    built_up: bool = False

    @property
    def reading(self) -> Reading:
        """The text with the most score over all readings, with the best score it was read with."""
        total: dict[str, float] = {}
        for reading, _ in self.readings:
            total[reading.text] = total.get(reading.text, 0.0) + reading.score
        text = max(total, key=lambda t: total[t])
        return Reading(text, max(reading.score for reading, _ in self.readings if reading.text == text))

    @property
    def found_score(self) -> float:
        """The detector's best score."""
        return max(sight.found_score for _, sight in self.readings)

    @property
    def box(self) -> FloatBox:
        """Around all its sights."""
        return _around(self.sights)

    def box_near(self, time_s: float) -> FloatBox:
        """Around the sight that is nearest to this time."""
        return _around([min(self.sights, key=lambda sight: abs(sight.time_s - time_s))])

    @property
    def height(self) -> float:
        """Median height of its box across the text, px."""
        return float(np.median([_height(s) for s in self.sights]))


def join_chunks(chunks: Sequence[ChunkText], read_crop: Callable[[bytes], Reading]) -> list[Line]:
    """Lines over the clip from chunks in order of time.

    Args:
        chunks: May have gaps where a chunk was lost.
        read_crop: Reads a line's kept pixels; only called where the chunk that had read it is lost.
    """
    lines: list[Line] = []
    going: dict[int, Line] = {}
    before: ChunkText | None = None
    for chunk in chunks:
        linked = before is not None and chunk.carried_s is not None and abs(chunk.carried_s - before.last_s) < 1e-6
        known = going if linked else {}
        for line in known.values():
            line.end_s = chunk.first_s
        going = {}
        for piece, ink in zip(chunk.pieces, chunk.inks, strict=True):
            old = known.get(piece.before)
            if old is not None and piece.start_s <= chunk.first_s:
                line = old
                line.end_s = piece.end_s
                line.sights += piece.sights
                line.ink = line.ink or ink
            else:
                line = _new_line(piece, old, ink, read_crop)
                lines.append(line)
            if piece.after >= 0:
                going[piece.after] = line
        before = chunk
    return lines


def keep_regular(lines: Sequence[Line], ends: Set[float]) -> None:
    """Drops looks and readings that are there only because a chunk ended, or a strip was searched, if others remain.

    So place, text and score come from the same frames whatever the length of the chunks.

    Args:
        lines: Complete; changed in place.
        ends: What ``irregular_ends`` says of the chunks.
    """
    for line in lines:
        regular = [sight for sight in line.sights if sight.whole and sight.time_s not in ends]
        read = [(reading, sight) for reading, sight in line.readings if sight.whole and sight.time_s not in ends]
        line.sights = regular or line.sights
        line.readings = read or line.readings


def irregular_ends(chunks: Sequence[ChunkText], look_every_s: float) -> set[float]:
    """Times of last frames that were searched although their slot goes on in the next chunk."""
    return {
        chunk.last_s
        for chunk, after in pairwise(chunks)
        if slot_of(chunk.last_s, look_every_s) == slot_of(after.first_s, look_every_s)
    }


def _new_line(
    piece: LinePiece, old: Line | None, ink: tuple[float, Ink] | None, read_crop: Callable[[bytes], Reading]
) -> Line:
    if old is not None:
        readings = list(old.readings)
    elif piece.reading is not None:
        readings = [(piece.reading, piece.anchor)]
    else:
        readings = [(read_crop(piece.crop or b""), piece.anchor)]
    return Line(piece.start_s, piece.end_s, list(piece.sights) or [piece.anchor], readings, ink)


def merge_lines(lines: Sequence[Line], size: tuple[int, int], settings: JoinSettings) -> list[Line]:
    """The same text that goes on, or comes back at once, is one line; unreadable lines are left out.

    Args:
        lines: Over the clip.
        size: Width and height of the source picture in px.
        settings: When lines belong together.
    """
    merged: list[Line] = []
    readable = [line for line in lines if settings.accept(line.found_score, line.reading)]
    for line in sorted(readable, key=lambda x: (x.start_s, x.sights[0].quad)):
        fits = [old for old in merged if _goes_on(old, line, settings.bridge_s) and not _between(old, line, readable)]
        if fits:
            # The nearest in place, where a text stands twice in the picture.
            _append(min(fits, key=lambda old: _distance(old.sights[-1], line.sights[0])), line)
        else:
            merged.append(line)
    return _absorb_parts(merged, size, settings.bridge_s)


def _goes_on(old: Line, new: Line, bridge_s: float) -> bool:
    if new.start_s > old.end_s + bridge_s or not same_text(old.reading.text, new.reading.text):
        return False
    if any(_distance(sight, new.sights[0]) <= NEAR_HEIGHTS * old.height for sight in old.sights):
        return True
    # Elsewhere it is another copy of the text, unless the first has just gone.
    return abs(new.start_s - old.end_s) <= bridge_s and _like_height(old, new)


def _between(old: Line, new: Line, lines: Sequence[Line]) -> bool:
    """Whether another text stood in the old one's place after it and before the new one."""
    if new.start_s <= old.end_s:
        return False
    text = old.reading.text
    for line in lines:
        inside = line.start_s < new.start_s and line.end_s > old.end_s
        if inside and _shares_place(line.box, old.box):
            other = line.reading.text
            if not (same_text(other, text) or place_within(other, text) or place_within(text, other)):
                return True
    return False


def _shares_place(first: FloatBox, second: FloatBox) -> bool:
    across = min(first[2], second[2]) - max(first[0], second[0])
    down = min(first[3], second[3]) - max(first[1], second[1])
    wide, high = (min(first[k] - first[k - 2], second[k] - second[k - 2]) for k in (2, 3))
    return across >= 0.3 * wide and down >= ROW_SHARE * high


def _like_height(first: Line, second: Line) -> bool:
    return LIKE_HEIGHT < first.height / second.height < 1.0 / LIKE_HEIGHT


def _append(old: Line, new: Line) -> None:
    old.moves = old.moves or _distance(old.sights[-1], new.sights[0]) > NEAR_HEIGHTS * old.height
    old.end_s = max(old.end_s, new.end_s)
    old.sights = sorted([*old.sights, *new.sights], key=lambda s: s.time_s)
    old.readings += new.readings
    old.ink = old.ink or new.ink


def _absorb_parts(lines: Sequence[Line], size: tuple[int, int], bridge_s: float) -> list[Line]:
    """A line that shows some words of another one, in their place and next to it in time, is part of it.

    So a caption that is written out word by word is one line with the whole text, and so is one whose words the
    detector took apart for a while, or one that slides in from the picture's edge.
    """
    kept: list[Line] = []
    for line in sorted(lines, key=lambda x: (-len(plain(x.reading.text)), x.start_s)):
        near = [o for o in kept if line.start_s <= o.end_s + bridge_s and o.start_s <= line.end_s + bridge_s]
        whole = next((other for other in near if _is_part(line, other)), None)
        slid = next((other for other in near if _is_cut_off(line, other, size)), None)
        if whole is not None:
            whole.built_up = whole.built_up or line.start_s < whole.start_s
        elif slid is not None:
            whole = slid
            whole.moves = True
            whole.sights = sorted([*whole.sights, *line.sights], key=lambda s: s.time_s)
        if whole is None:
            kept.append(line)
        else:
            whole.start_s, whole.end_s = min(whole.start_s, line.start_s), max(whole.end_s, line.end_s)
            whole.ink = whole.ink or line.ink
    return sorted(kept, key=lambda x: (x.start_s, x.sights[0].quad))


def _is_cut_off(part: Line, whole: Line, size: tuple[int, int]) -> bool:
    """Whether a line that touches the picture's left or right edge is the rest of another one in its row."""
    x0, y0, x1, y1 = part.box
    left, right = plain(part.reading.text), plain(whole.reading.text)
    rest = right.endswith(left) if x0 <= EDGE_SHARE * size[0] else right.startswith(left)
    if not (left and rest and (x0 <= EDGE_SHARE * size[0] or x1 >= (1.0 - EDGE_SHARE) * size[0])):
        return False
    rows = min(whole.box[3], y1) - max(whole.box[1], y0)
    return rows >= ROW_SHARE * (y1 - y0) and _like_height(part, whole)


def _is_part(part: Line, whole: Line) -> bool:
    place = place_within(part.reading.text, whole.reading.text)
    if place is None:
        return False
    shown = part.box_near(part.start_s)
    # A title that grows is compared at like times, a caption that is written out with its full width.
    return any(_stands_at(shown, box, place) for box in (whole.box_near(part.start_s), whole.box))


def _stands_at(shown: FloatBox, whole: FloatBox, place: tuple[float, float]) -> bool:
    """Whether a box is where the characters between two shares of a line's length stand."""
    start, end = (whole[0] + share * (whole[2] - whole[0]) for share in place)
    shared = min(end, shown[2]) - max(start, shown[0])
    joint = max(end, shown[2]) - min(start, shown[0])
    rows = min(whole[3], shown[3]) - max(whole[1], shown[1])
    return shared >= PART_SHARE * joint and rows >= ROW_SHARE * min(whole[3] - whole[1], shown[3] - shown[1])


def blocks(lines: Sequence[Line], settings: JoinSettings) -> list[list[Line]]:
    """Lines that come and go together and stand together, each block in reading order."""
    group = list(range(len(lines)))
    for i, first in enumerate(lines):
        for j in range(i):
            if _together(first, lines[j], settings):
                old, new = group[i], group[j]
                group = [new if g == old else g for g in group]
    found = [[line for line, g in zip(lines, group, strict=True) if g == number] for number in dict.fromkeys(group)]
    return [[line for row in rows_of(block) for line in row] for block in found]


def _together(first: Line, second: Line, settings: JoinSettings) -> bool:
    if abs(first.start_s - second.start_s) > settings.together_s:
        return False
    if abs(first.end_s - second.end_s) > settings.together_s:
        return False
    both_s = min(first.end_s, second.end_s) - max(first.start_s, second.start_s)
    if both_s < TOGETHER_SHARE * max(first.end_s - first.start_s, second.end_s - second.start_s):
        return False
    low, high = sorted((first.height, second.height))
    if high > 2.0 * low:
        return False
    a, b = first.box, second.box
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    if down >= ROW_SHARE * min(a[3] - a[1], b[3] - b[1]):
        return -across <= settings.word_gap * low
    return across >= 0.3 * min(a[2] - a[0], b[2] - b[0]) and -down <= settings.line_gap * low


def rows_of(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines as rows from top to bottom, each from left to right."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda x: x.box[1] + x.box[3]):
        box = line.box
        for row in rows:
            other = row[0].box
            shared = min(box[3], other[3]) - max(box[1], other[1])
            if shared >= ROW_SHARE * min(box[3] - box[1], other[3] - other[1]):
                row.append(line)
                break
        else:
            rows.append([line])
    return [sorted(row, key=lambda x: x.box[0]) for row in rows]


def joined_text(texts: Sequence[str]) -> str:
    """Lines as one text: a space between them, none between Chinese or Japanese characters."""
    whole = ""
    for text in texts:
        close = whole and text and _is_wide(whole[-1]) and _is_wide(text[0])
        whole += text if not whole or close else f" {text}"
    return whole


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in ("W", "F")


def _around(sights: Sequence[Sight]) -> FloatBox:
    points = np.array([sight.quad for sight in sights], np.float64).reshape(-1, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _height(sight: Sight) -> float:
    quad = np.array(sight.quad)
    return float(min(np.linalg.norm(quad[0] - quad[3]), np.linalg.norm(quad[0] - quad[1])))


def _distance(first: Sight, second: Sight) -> float:
    """How far a line has moved, px; a box that only grew or shrank at one end has not."""
    a, b = np.array(first.quad), np.array(second.quad)
    across = [a[:, 0].min() - b[:, 0].min(), a[:, 0].mean() - b[:, 0].mean(), a[:, 0].max() - b[:, 0].max()]
    return float(max(np.abs(across).min(), abs(a[:, 1].mean() - b[:, 1].mean())))
