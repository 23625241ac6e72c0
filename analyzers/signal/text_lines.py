"""Lines of text through one chunk: where, from when to when, and what they say, each read once.

The whole frame is looked at once in a while (a *look*). Between two looks nothing is searched: each line is followed
by its pixels to the frame where it appears or vanishes, and only where the pixels show neither the line before nor the
one after is the strip around it looked at again, half-way, until every frame is explained. A line whose strokes are
those of the look before is not read again.

A look is the last frame of its time slot, so that the carried frame of the next chunk is a look too. It is searched
there once more (the detector is pure, so it finds the same lines), and a line that goes on is only named by its number
in that list; joining the chunks is left to the whole-clip part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from analyzers.signal.text_compare import same_text
from analyzers.signal.text_flash import flashes
from analyzers.signal.text_pixels import (
    Box,
    Strokes,
    box_around,
    find_near,
    ground_moves,
    is_seen,
    overlap,
    same_ground,
    same_strokes,
    share_of_smaller,
    strokes_in,
    union,
)
from analyzers.signal.text_reader import Found, Quad, Reading, TextReader
from media.types import Float64Array, UInt8Array

SLOT_EPSILON = 1e-6
"""Slack when a time is put into its slot, in slots: time stamps are rounded to their time base."""

PAIR_OVERLAP = 0.5
"""Boxes of two looks are the same place from this intersection over union on."""

MOVED_OVERLAP = 0.1
"""Below this overlap a line with the same text has moved, and its stay between is taken for granted."""

RIVAL_SHARE = 0.15
"""Two texts contend for one place when their boxes share this much of the smaller one."""

ONE_SIDED_RUN = 2
"""Unexplained frames in a row, beside a line that comes or goes over a moving picture, that are worth a look. Between
two texts at one place a single frame is."""

CROP_HEIGHT_PX = 48
"""Height of the picture of a line that is kept where its reading lies in another chunk: what the recogniser sees."""


@dataclass(frozen=True)
class LookSettings:
    """How to look. The fields are those of the analyzer's config; see there.

    Attributes:
        look_every_s: Length of a slot in seconds.
        shrink: Factor from the frame to what the detector sees.
        min_line_px: Lines lower than this are left out, in px of the frame.
        max_line_share: Lines higher than this share of the frame are left out.
        max_lines: Most lines of one look, by detector score.
        strip_looks: Most extra looks between two looks.
        flash_looks: Most of these for text that came and went in between.
        accept: Whether a line with this detector score says something, by its reading.
    """

    look_every_s: float
    shrink: float
    min_line_px: float
    max_line_share: float
    max_lines: int
    strip_looks: int
    flash_looks: int
    accept: Callable[[float, Reading], bool]


@dataclass(frozen=True)
class Sight:
    """A line at one look.

    Attributes:
        time_s: Of the frame.
        quad: Corners in px of the upright source picture, (x, y) clockwise from the top left one.
        found_score: The detector's.
        whole: Found in a look at the whole frame, not at a strip of it.
    """

    time_s: float
    quad: tuple[tuple[float, float], ...]
    found_score: float
    whole: bool


@dataclass(frozen=True, eq=False)
class LinePiece:
    """A line's stay in one chunk; never empty.

    Attributes:
        start_s: Its first frame.
        end_s: The first frame without it, or the chunk's end.
        before: Number of the line in the carried frame whose text it has; -1 for none.
        after: Its number in the chunk's last frame; -1 where it has ended.
        sights: Looks that found it, without the carried frame's.
        reading: None where the text is that of ``before``.
        crop: The line's pixels as a gray JPEG where ``reading`` is None: to read them if that chunk is lost.
        anchor: Where it was when it was read; the carried frame's for a line from there.
    """

    start_s: float
    end_s: float
    before: int
    after: int
    sights: tuple[Sight, ...]
    reading: Reading | None
    crop: bytes | None
    anchor: Sight


@dataclass
class Counts:
    """What was done for a chunk; see the analyzer's result for the meaning."""

    looks: int = 0
    strip_looks: int = 0
    border_looks: int = 0
    found: int = 0
    read: int = 0
    reused: int = 0


@dataclass(eq=False)
class LookMemory:
    """The last whole frame that was searched, so that it is not searched again as the next chunk's carried frame.

    Found lines depend on the frame alone, so this saves time and changes no result.
    """

    frame: UInt8Array | None = None
    shrink: float = 1.0
    found: list[Found] = field(default_factory=list)


@dataclass(eq=False)
class _Line:
    """A found line at frame ``at``, seen from frame ``first`` to frame ``last`` without a break.

    ``same_as`` has the same pixels and so the same text; ``joined`` is the line at an earlier look that it goes on
    from without a break, ``onward`` the one that goes on from it.
    """

    at: int
    quad: Quad
    box: Box
    height_px: float
    found_score: float
    number: int
    same_as: _Line | None = None
    joined: _Line | None = None
    onward: _Line | None = None
    reading: Reading | None = None
    first: int = 0
    last: int = 0
    strokes: Strokes | None = None

    @property
    def root(self) -> _Line:
        """The line that was, or has to be, read for this one."""
        line = self
        while line.same_as is not None:
            line = line.same_as
        return line


@dataclass
class _Doubt:
    """Frames of a place that show neither the line before nor the one after."""

    box: Box
    frames: list[int]
    left: list[_Line] = field(default_factory=list)
    right: list[_Line] = field(default_factory=list)


class ChunkLines:
    """Follows the lines of one chunk.

    Args:
        reader: The engine.
        settings: How to look.
        frames: uint8 (N, H, W) gray, the carried frame first where there is one.
        pts_s: (N,) their times.
        carried: 0 or 1.
        end_s: End of the chunk's span.
        to_source: Factors (x, y) to px of the source picture.
        memory: Shared by the chunks of one caller, or left out.
    """

    def __init__(
        self,
        reader: TextReader,
        settings: LookSettings,
        frames: UInt8Array,
        pts_s: Float64Array,
        carried: int,
        end_s: float,
        to_source: tuple[float, float],
        memory: LookMemory | None = None,
    ) -> None:
        self._reader = reader
        self._settings = settings
        self._frames = frames
        self._pts_s = pts_s
        self._carried = carried
        self._end_s = end_s
        self._to_source = np.array(to_source, np.float32)
        self._lines: list[_Line] = []
        self._strips_left = 0
        self._memory = memory or LookMemory()
        self.counts = Counts()

    def pieces(self) -> list[LinePiece]:
        """All lines of the chunk, in order of time and place."""
        nodes = self._looks()
        left: list[_Line] = []
        for previous, node in zip([None, *nodes], nodes, strict=False):
            same = previous is not None and np.array_equal(self._frames[previous], self._frames[node])
            right = self._copies(left, node) if same else self._look(node)
            if previous is not None:
                self._compare(left, right)
            self._read(right)
            if previous is not None:
                self._strips_left = self._settings.strip_looks
                self._explain(previous, node, left, right)
                self._look_at_flashes(previous, node)
            left = right
        return self._collect(nodes[-1])

    def _looks(self) -> list[int]:
        """Frames that are looked at: the last of each slot, and the very first one."""
        slots = [slot_of(time_s, self._settings.look_every_s) for time_s in self._pts_s.tolist()]
        last = np.flatnonzero(np.append(np.diff(slots) > 0, True))
        return sorted({0, *(int(i) for i in last)})

    def _look(self, node: int) -> list[_Line]:
        """The lines of a whole frame."""
        frame = self._frames[node]
        memory, shrink = self._memory, self._settings.shrink
        if memory.frame is None or memory.shrink != shrink or not np.array_equal(memory.frame, frame):
            memory.found = self._reader.find(frame, shrink)
            # A copy, since the frame is a view into the whole chunk's memory.
            memory.frame, memory.shrink = frame.copy(), shrink
        found = [f for f in memory.found if self._is_line(f)]
        strongest = sorted(range(len(found)), key=lambda i: -found[i].score)[: self._settings.max_lines]
        lines = [self._line(node, found[i], number) for number, i in enumerate(sorted(strongest))]
        self._count_look(node, lines)
        return lines

    def _copies(self, lines: Sequence[_Line], node: int) -> list[_Line]:
        """The lines of a frame that equals the look before, byte for byte."""
        copies = [
            _Line(node, line.quad, line.box, line.height_px, line.found_score, line.number, first=node, last=node)
            for line in lines
        ]
        self._lines += copies
        self._count_look(node, copies)
        return copies

    def _count_look(self, node: int, lines: Sequence[_Line]) -> None:
        if node < self._carried:
            self.counts.border_looks += 1
        else:
            self.counts.looks += 1
            self.counts.found += len(lines)

    def _is_line(self, found: Found) -> bool:
        height = _height(found.quad)
        high = self._settings.max_line_share * self._frames.shape[1]
        return bool(self._settings.min_line_px <= height <= high)

    def _line(self, at: int, found: Found, number: int) -> _Line:
        height, width = self._frames.shape[1:3]
        box = box_around(found.quad, width, height)
        line = _Line(at, found.quad, box, _height(found.quad), found.score, number, first=at, last=at)
        self._lines.append(line)
        return line

    def _strokes(self, line: _Line) -> Strokes:
        if line.strokes is None:
            line.strokes = strokes_in(self._frames[line.at], line.box, line.height_px)
        return line.strokes

    def _compare(self, left: Sequence[_Line], right: Sequence[_Line]) -> None:
        """Notes for each line on the right whether it is, pixel for pixel, one on the left."""
        for old, new in _pairs(left, right, PAIR_OVERLAP):
            box = union(old.box, new.box)
            before = strokes_in(self._frames[old.at], box, old.height_px)
            after = strokes_in(self._frames[new.at], box, old.height_px)
            if same_strokes(before, after):
                new.same_as = old
                self.counts.reused += 1

    def _read(self, lines: Sequence[_Line]) -> None:
        """Reads those that are new; those of the carried frame were read in their own chunk."""
        for line in lines:
            if line.same_as is None and line.reading is None and line.at >= self._carried:
                line.reading = self._reader.read(self._frames[line.at], [line.quad])[0]
                self.counts.read += 1

    def _text(self, line: _Line) -> Reading:
        """What a line says; a line of the carried frame is read for this chunk's own use."""
        root = line.root
        if root.reading is None:
            root.reading = self._reader.read(self._frames[root.at], [root.quad])[0]
            self.counts.read += 1
        return root.reading

    def _accepted(self, line: _Line) -> bool:
        return self._settings.accept(line.root.found_score, self._text(line))

    def _refused(self, line: _Line) -> bool:
        """Whether it is known to say nothing; a line of the carried frame is not read to find that out."""
        return line.root.reading is not None and not self._accepted(line)

    def _explain(self, p: int, q: int, left: Sequence[_Line], right: Sequence[_Line]) -> None:
        """Finds for the lines at frames ``p`` and ``q`` when they end and begin between them."""
        free_left, free_right = list(left), list(right)
        for old, new in [(o, n) for n in right for o in left if n.root is o.root]:
            if old in free_left and new in free_right and self._holds(p, q, old, new):
                new.joined, old.onward = old, new
                free_left.remove(old)
                free_right.remove(new)
        free_left = [line for line in free_left if not self._refused(line)]
        free_right = [line for line in free_right if not self._refused(line)]
        for old, new in self._same_text_pairs(free_left, free_right):
            moved = overlap(old.box, new.box) < MOVED_OVERLAP
            if moved or (old.root is not new.root and self._holds(p, q, old, new)):
                new.joined, old.onward = old, new
                old.last, new.first = new.at - 1, new.at
                free_left.remove(old)
                free_right.remove(new)
        rivals = self._rivals(free_left, free_right)
        for old in free_left:
            against = rivals.get(id(old), [])
            old.last = self._follow(old, range(p + 1, q if against else q + 1), bool(against))
        for new in free_right:
            new.first = self._follow(new, range(q - 1, p, -1), id(new) in rivals)
        for doubt in self._doubts(p, q, free_left, free_right, rivals):
            self._settle(p, q, doubt)

    def _holds(self, p: int, q: int, old: _Line, new: _Line) -> bool:
        """Whether a line at both ends is there all the time between.

        A single frame without it is no break. Where the pixels alone lose it over a moving ground, one look decides.
        """
        before, after = self._strokes(old), self._strokes(new)
        missing = [
            f for f in range(p + 1, q) if not is_seen(before, self._frames[f]) and not is_seen(after, self._frames[f])
        ]
        run = _longest_run(missing)
        if len(run) < ONE_SIDED_RUN:
            return True
        if self._strips_left <= 0:
            return False
        self._strips_left -= 1
        lines = self._strip_look(run[len(run) // 2], union(old.box, new.box))
        self._read(lines)
        for line in lines:
            self._lines.remove(line)
        return any(same_text(self._text(line).text, self._text(new).text) for line in lines)

    def _same_text_pairs(self, left: Sequence[_Line], right: Sequence[_Line]) -> list[tuple[_Line, _Line]]:
        """Pairs of lines with the same text and height, nearest first: one line that moves, or on a moving ground."""
        candidates: list[tuple[float, int, _Line, _Line]] = []
        for old in left:
            for new in right:
                wide = (old.box[2] - old.box[0]) / (new.box[2] - new.box[0])
                if not (0.75 < old.height_px / new.height_px < 1.33 and 0.6 < wide < 1.67):
                    continue
                if same_text(self._text(old).text, self._text(new).text):
                    (x0, y0), (x1, y1) = old.quad.mean(axis=0), new.quad.mean(axis=0)
                    candidates.append((float(abs(x1 - x0) + abs(y1 - y0)), len(candidates), old, new))
        pairs = []
        taken: set[int] = set()
        for _, _, old, new in sorted(candidates, key=lambda c: c[:2]):
            if not taken & {id(old), id(new)}:
                pairs.append((old, new))
                taken |= {id(old), id(new)}
        return pairs

    def _rivals(self, left: Sequence[_Line], right: Sequence[_Line]) -> dict[int, list[_Line]]:
        """For each line, by id, those with another text that stand on the other side where it stands."""
        against: dict[int, list[_Line]] = {}
        for old in left:
            for new in right:
                if share_of_smaller(old.box, new.box) >= RIVAL_SHARE and not same_text(
                    self._text(old).text, self._text(new).text
                ):
                    against.setdefault(id(old), []).append(new)
                    against.setdefault(id(new), []).append(old)
        return against

    def _follow(self, line: _Line, frames: range, contested: bool) -> int:
        """The last of ``frames`` that shows the line without a break since its own."""
        strokes = self._clearest(line)
        seen, shift = line.at, (0, 0)
        reach = max(4, round(0.5 * line.height_px))
        for f in frames:
            place = find_near(strokes, self._frames[f], shift, reach)
            if place is None or not self._shows(f, strokes, place, contested):
                break
            shift, seen = place, f
        return seen

    def _clearest(self, line: _Line) -> Strokes:
        """The line's strokes where it was clearest; a faint one over a moving ground resembles the ground."""
        same = [line, *(other for other in (line.joined, line.onward) if other is not None)]
        place = [other for other in same if overlap(other.box, line.box) >= PAIR_OVERLAP]
        return self._strokes(max(place, key=lambda other: (self._strokes(other).contrast, other is line)))

    def _shows(self, f: int, strokes: Strokes, place: tuple[int, int], contested: bool) -> bool:
        """Whether frame ``f``, which resembles the line at ``place``, shows it and not a text much like it.

        Over a moving ground the pixels cannot tell; then a line whose place another text takes over is looked at.
        """
        x0, y0, x1, y1 = strokes.box
        box = x0 + place[0], y0 + place[1], x1 + place[0], y1 + place[1]
        here = strokes_in(self._frames[f], box, strokes.height_px)
        if same_strokes(strokes, here):
            return True
        if not ground_moves(strokes, here):
            return False
        return not contested

    def _doubts(
        self, p: int, q: int, left: Sequence[_Line], right: Sequence[_Line], rivals: dict[int, list[_Line]]
    ) -> list[_Doubt]:
        """Places with unexplained frames, those in the same rows put together."""
        single: list[_Doubt] = []
        for old in left:
            stop = min((new.first for new in rivals.get(id(old), [])), default=None)
            frames = self._unexplained(range(old.last + 1, q if stop is None else stop), q, old, stop is not None)
            single += [_Doubt(old.box, frames, [old], [])] if frames else []
        for new in right:
            start = max((old.last for old in rivals.get(id(new), [])), default=None)
            frames = self._unexplained(
                range(p + 1 if start is None else start + 1, new.first), p, new, start is not None
            )
            single += [_Doubt(new.box, frames, [], [new])] if frames else []
        return _join_rows(single)

    def _unexplained(self, frames: range, other: int, line: _Line, contested: bool) -> list[int]:
        """Those of ``frames``, beside a line's stay, that do not show the ground of frame ``other`` either."""
        if contested:
            return list(frames)
        unlike = [f for f in frames if not same_ground(self._frames[other], self._frames[f], line.box)]
        return unlike if len(_longest_run(unlike)) >= ONE_SIDED_RUN and self._accepted(line) else []

    def _settle(self, p: int, q: int, doubt: _Doubt) -> None:
        """Looks at the middle of the longest unexplained run, and explains both halves."""
        if self._strips_left <= 0:
            return
        self._strips_left -= 1
        run = _longest_run(doubt.frames)
        m = run[len(run) // 2]
        lines = self._strip_look(m, doubt.box)
        self._compare(doubt.left, lines)
        self._compare(doubt.right, [line for line in lines if line.same_as is None])
        self._read(lines)
        self._explain(p, m, doubt.left, lines)
        self._explain(m, q, lines, doubt.right)

    def _look_at_flashes(self, p: int, q: int) -> None:
        """Looks where something like text came and went between two looks."""
        for flash in flashes(self._frames[p : q + 1])[: self._settings.flash_looks]:
            f = p + flash.frame
            known = [line for line in self._lines if p <= line.first <= f <= line.last <= q]
            if self._strips_left <= 0 or any(share_of_smaller(line.box, flash.box) >= RIVAL_SHARE for line in known):
                continue
            self._strips_left -= 1
            lines = self._strip_look(f, flash.box)
            self._read(lines)
            self._explain(p, f, [], lines)
            self._explain(f, q, lines, [])

    def _strip_look(self, f: int, box: Box) -> list[_Line]:
        """Lines at frame ``f`` that touch ``box``; the whole width is searched, a line's height above and below."""
        high = box[3] - box[1]
        top, bottom = max(0, box[1] - high), min(self._frames.shape[1], box[3] + high)
        strip = np.ascontiguousarray(self._frames[f][top:bottom])
        self.counts.strip_looks += 1
        lines = []
        for found in self._reader.find(strip, self._settings.shrink):
            moved = Found(found.quad + np.array([0.0, top], np.float32), found.score)
            line_box = box_around(moved.quad, self._frames.shape[2], self._frames.shape[1])
            middle = (line_box[1] + line_box[3]) / 2
            if self._is_line(moved) and box[1] <= middle < box[3] and line_box[0] < box[2] and box[0] < line_box[2]:
                lines.append(self._line(f, moved, -1))
        self.counts.found += len(lines)
        return lines

    def _collect(self, last: int) -> list[LinePiece]:
        """Chains of joined lines as pieces."""
        following = {id(line.joined): line for line in self._lines if line.joined and line.root is line.joined.root}
        pieces = []
        for head in self._lines:
            if head.joined is not None and head.root is head.joined.root:
                continue
            chain = [head]
            while id(chain[-1]) in following:
                chain.append(following[id(chain[-1])])
            piece = self._piece(chain, last)
            if piece is not None:
                pieces.append(piece)
        return sorted(pieces, key=lambda piece: (piece.start_s, piece.anchor.quad))

    def _piece(self, chain: Sequence[_Line], last: int) -> LinePiece | None:
        head, tail = chain[0], chain[-1]
        carried = head.root if head.root.at < self._carried else None
        first = max(head.first, self._carried)
        open_end = tail.at == last and tail.number >= 0
        stop = last if open_end else tail.last
        if stop < first or not (carried or open_end or self._accepted(head)):
            return None
        end_s = float(self._pts_s[stop + 1]) if stop + 1 < len(self._pts_s) else self._end_s
        return LinePiece(
            start_s=float(self._pts_s[first]),
            end_s=max(end_s, float(self._pts_s[stop]) + 1e-3),
            before=carried.number if carried else -1,
            after=tail.number if open_end else -1,
            sights=tuple(self._sight(line) for line in chain if line.at >= self._carried),
            reading=None if carried else head.root.reading,
            crop=self._crop(carried) if carried else None,
            anchor=self._sight(head.root),
        )

    def _sight(self, line: _Line) -> Sight:
        quad = tuple((float(x), float(y)) for x, y in line.quad * self._to_source)
        return Sight(float(self._pts_s[line.at]), quad, line.found_score, line.number >= 0)

    def _crop(self, line: _Line) -> bytes:
        import cv2

        x0, y0, x1, y1 = line.box
        factor = min(1.0, CROP_HEIGHT_PX / line.height_px)
        size = max(1, round((x1 - x0) * factor)), max(1, round((y1 - y0) * factor))
        patch = cv2.resize(self._frames[line.at][y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
        return bytes(cv2.imencode(".jpg", patch, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])


def slot_of(time_s: float, look_every_s: float) -> int:
    """Number of the slot, ``look_every_s`` long, that a time lies in."""
    return int(np.floor(time_s / look_every_s + SLOT_EPSILON))


def _height(quad: Quad) -> float:
    """Height of a line's box across its text: the shorter side."""
    return float(min(np.linalg.norm(quad[0] - quad[3]), np.linalg.norm(quad[0] - quad[1])))


def _pairs(left: Sequence[_Line], right: Sequence[_Line], least: float) -> list[tuple[_Line, _Line]]:
    """Lines at the same place, each used once, best overlap first."""
    scored = [
        (overlap(old.box, new.box), -i, -j, old, new) for i, old in enumerate(left) for j, new in enumerate(right)
    ]
    pairs = []
    taken: set[int] = set()
    for share, _, _, old, new in sorted(scored, key=lambda s: s[:3], reverse=True):
        if share >= least and not taken & {id(old), id(new)}:
            pairs.append((old, new))
            taken |= {id(old), id(new)}
    return pairs


def _join_rows(doubts: Sequence[_Doubt]) -> list[_Doubt]:
    """Doubts less than half a line apart are one, since a strip is as wide as the frame and higher than its line."""
    joined: list[_Doubt] = []
    for doubt in sorted(doubts, key=lambda d: (d.box[1], d.box[0])):
        near = joined and 2 * doubt.box[1] < 3 * joined[-1].box[3] - joined[-1].box[1]
        if near and set(doubt.frames) & set(joined[-1].frames):
            last = joined[-1]
            last.box = union(last.box, doubt.box)
            last.frames = sorted(set(last.frames) | set(doubt.frames))
            last.left += [line for line in doubt.left if line not in last.left]
            last.right += [line for line in doubt.right if line not in last.right]
        else:
            joined.append(doubt)
    return joined


def _longest_run(frames: Sequence[int]) -> list[int]:
    """The longest run of consecutive numbers."""
    if not frames:
        return []
    runs = np.split(np.asarray(frames), np.flatnonzero(np.diff(frames) > 1) + 1)
    return [int(f) for f in max(runs, key=len)]
