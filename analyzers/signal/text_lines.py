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

from collections.abc import Sequence

import numpy as np

from analyzers.signal.boxes import intersection_over_union, share_of_smaller
from analyzers.signal.text_compare import same_text
from analyzers.signal.text_flash import flashes
from analyzers.signal.text_follow import Doubt, Follower, longest_run, same_places
from analyzers.signal.text_pixels import Box, box_around, union
from analyzers.signal.text_reader import Found, Reading, TextReader
from analyzers.signal.text_types import (
    Counts,
    FoundLine,
    LinePiece,
    LookMemory,
    LookSettings,
    Sight,
    height_of,
    slot_of,
)
from media.types import Float64Array, UInt8Array

MOVED_OVERLAP = 0.1
"""Below this overlap a line with the same text has moved, and its stay between is taken for granted."""

RIVAL_SHARE = 0.15
"""Two texts contend for one place when their boxes share this much of the smaller one."""

CROP_HEIGHT_PX = 48
"""Height of the picture of a line that is kept where its reading lies in another chunk: what the recogniser sees."""


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
        self._follower = Follower(frames)
        self._pts_s = pts_s
        self._carried = carried
        self._end_s = end_s
        self._to_source = np.array(to_source, np.float32)
        self._lines: list[FoundLine] = []
        self._strips_left = 0
        self._memory = memory or LookMemory()
        self.counts = Counts()

    def pieces(self) -> list[LinePiece]:
        """All lines of the chunk, in order of time and place."""
        nodes = self._looks()
        left: list[FoundLine] = []
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

    def _look(self, node: int) -> list[FoundLine]:
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

    def _copies(self, lines: Sequence[FoundLine], node: int) -> list[FoundLine]:
        """The lines of a frame that equals the look before, byte for byte."""
        copies = [
            FoundLine(node, line.quad, line.box, line.height_px, line.found_score, line.number, first=node, last=node)
            for line in lines
        ]
        self._lines += copies
        self._count_look(node, copies)
        return copies

    def _count_look(self, node: int, lines: Sequence[FoundLine]) -> None:
        if node < self._carried:
            self.counts.border_looks += 1
        else:
            self.counts.looks += 1
            self.counts.found += len(lines)

    def _is_line(self, found: Found) -> bool:
        height = height_of(found.quad)
        high = self._settings.max_line_share * self._frames.shape[1]
        return bool(self._settings.min_line_px <= height <= high)

    def _line(self, at: int, found: Found, number: int) -> FoundLine:
        height, width = self._frames.shape[1:3]
        box = box_around(found.quad, width, height)
        line = FoundLine(at, found.quad, box, height_of(found.quad), found.score, number, first=at, last=at)
        self._lines.append(line)
        return line

    def _compare(self, left: Sequence[FoundLine], right: Sequence[FoundLine]) -> None:
        """Notes for each line on the right whether it is, pixel for pixel, one on the left."""
        for old, new in same_places(left, right):
            if self._follower.unchanged(old, new):
                new.same_as = old
                self.counts.reused += 1

    def _read(self, lines: Sequence[FoundLine]) -> None:
        """Reads those that are new; those of the carried frame were read in their own chunk."""
        for line in lines:
            if line.same_as is None and line.reading is None and line.at >= self._carried:
                line.reading = self._reader.read(self._frames[line.at], [line.quad])[0]
                self.counts.read += 1

    def _text(self, line: FoundLine) -> Reading:
        """What a line says; a line of the carried frame is read for this chunk's own use."""
        root = line.root
        if root.reading is None:
            root.reading = self._reader.read(self._frames[root.at], [root.quad])[0]
            self.counts.read += 1
        return root.reading

    def _accepted(self, line: FoundLine) -> bool:
        return self._settings.accept(line.root.found_score, self._text(line))

    def _refused(self, line: FoundLine) -> bool:
        """Whether it is known to say nothing; a line of the carried frame is not read to find that out."""
        return line.root.reading is not None and not self._accepted(line)

    def _explain(self, p: int, q: int, left: Sequence[FoundLine], right: Sequence[FoundLine]) -> None:
        """Finds for the lines at frames ``p`` and ``q`` when they end and begin between them."""
        free_left, free_right = list(left), list(right)
        for old, new in [(o, n) for n in right for o in left if n.root is o.root]:
            if old in free_left and new in free_right and self._holds(old, new):
                new.joined, old.onward = old, new
                free_left.remove(old)
                free_right.remove(new)
        free_left = [line for line in free_left if not self._refused(line)]
        free_right = [line for line in free_right if not self._refused(line)]
        for old, new in self._same_text_pairs(free_left, free_right):
            moved = intersection_over_union(old.box, new.box) < MOVED_OVERLAP
            if moved or (old.root is not new.root and self._holds(old, new)):
                new.joined, old.onward = old, new
                old.last, new.first = new.at - 1, new.at
                free_left.remove(old)
                free_right.remove(new)
        rivals = self._rivals(free_left, free_right)
        for old in free_left:
            against = rivals.get(id(old), [])
            old.last = self._follower.follow(old, range(p + 1, q if against else q + 1), bool(against))
        for new in free_right:
            new.first = self._follower.follow(new, range(q - 1, p, -1), id(new) in rivals)
        for doubt in self._follower.doubts(p, q, free_left, free_right, rivals):
            if any(self._accepted(line) for line in (*doubt.left, *doubt.right)):
                self._settle(p, q, doubt)

    def _holds(self, old: FoundLine, new: FoundLine) -> bool:
        """Whether a line at both ends is there all the time between.

        Where the pixels alone lose it over a moving ground, one look decides.
        """
        run = self._follower.missing(old, new)
        if not run or self._strips_left <= 0:
            return not run
        self._strips_left -= 1
        lines = self._strip_look(run[len(run) // 2], union(old.box, new.box))
        self._read(lines)
        for line in lines:
            self._lines.remove(line)
        return any(same_text(self._text(line).text, self._text(new).text) for line in lines)

    def _same_text_pairs(
        self, left: Sequence[FoundLine], right: Sequence[FoundLine]
    ) -> list[tuple[FoundLine, FoundLine]]:
        """Pairs of lines with the same text and height, nearest first: one line that moves, or on a moving ground."""
        candidates: list[tuple[float, int, FoundLine, FoundLine]] = []
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

    def _rivals(self, left: Sequence[FoundLine], right: Sequence[FoundLine]) -> dict[int, list[FoundLine]]:
        """For each line, by id, those with another text that stand on the other side where it stands."""
        against: dict[int, list[FoundLine]] = {}
        for old in left:
            for new in right:
                if share_of_smaller(old.box, new.box) >= RIVAL_SHARE and not same_text(
                    self._text(old).text, self._text(new).text
                ):
                    against.setdefault(id(old), []).append(new)
                    against.setdefault(id(new), []).append(old)
        return against

    def _settle(self, p: int, q: int, doubt: Doubt) -> None:
        """Looks at the middle of the longest unexplained run, and explains both halves."""
        if self._strips_left <= 0:
            return
        self._strips_left -= 1
        run = longest_run(doubt.frames)
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

    def _strip_look(self, f: int, box: Box) -> list[FoundLine]:
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

    def _piece(self, chain: Sequence[FoundLine], last: int) -> LinePiece | None:
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

    def _sight(self, line: FoundLine) -> Sight:
        quad = tuple((float(x), float(y)) for x, y in line.quad * self._to_source)
        return Sight(float(self._pts_s[line.at]), quad, line.found_score, line.number >= 0)

    def _crop(self, line: FoundLine) -> bytes:
        import cv2

        x0, y0, x1, y1 = line.box
        factor = min(1.0, CROP_HEIGHT_PX / line.height_px)
        size = max(1, round((x1 - x0) * factor)), max(1, round((y1 - y0) * factor))
        patch = cv2.resize(self._frames[line.at][y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
        return bytes(cv2.imencode(".jpg", patch, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])
