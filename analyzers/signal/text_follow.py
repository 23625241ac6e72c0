"""Following lines of text by their pixels between two searched frames, and telling which frames that leaves open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analyzers.signal.boxes import intersection_over_union
from analyzers.signal.text_pixels import (
    Box,
    Strokes,
    find_near,
    ground_moves,
    is_seen,
    same_ground,
    same_strokes,
    strokes_in,
    union,
)
from analyzers.signal.text_types import FoundLine
from media.types import UInt8Array

PAIR_OVERLAP = 0.5
"""Boxes of two looks are the same place from this intersection over union on."""

ONE_SIDED_RUN = 2
"""Unexplained frames in a row, beside a line that comes or goes over a moving picture, that are worth a look. Between
two texts at one place a single frame is."""


@dataclass
class Doubt:
    """Frames of a place that show neither the line before nor the one after."""

    box: Box
    frames: list[int]
    left: list[FoundLine] = field(default_factory=list)
    right: list[FoundLine] = field(default_factory=list)


class Follower:
    """Looks for known lines in the frames of one chunk; reads nothing.

    Args:
        frames: uint8 (N, H, W) gray.
    """

    def __init__(self, frames: UInt8Array) -> None:
        self._frames = frames

    def strokes(self, line: FoundLine) -> Strokes:
        """The line's strokes where it was found; kept with it."""
        if line.strokes is None:
            line.strokes = strokes_in(self._frames[line.at], line.box, line.height_px)
        return line.strokes

    def unchanged(self, old: FoundLine, new: FoundLine) -> bool:
        """Whether two found lines at one place are the same, pixel for pixel."""
        box = union(old.box, new.box)
        before = strokes_in(self._frames[old.at], box, old.height_px)
        after = strokes_in(self._frames[new.at], box, old.height_px)
        return same_strokes(before, after)

    def missing(self, old: FoundLine, new: FoundLine) -> list[int]:
        """The longest run of frames between two sights of a line that does not show it.

        Empty where it is shorter than ``ONE_SIDED_RUN``: a single frame is no break.
        """
        before, after = self.strokes(old), self.strokes(new)
        frames = range(old.at + 1, new.at)
        gone = [f for f in frames if not is_seen(before, self._frames[f]) and not is_seen(after, self._frames[f])]
        run = longest_run(gone)
        return run if len(run) >= ONE_SIDED_RUN else []

    def follow(self, line: FoundLine, frames: range, contested: bool) -> int:
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

    def _clearest(self, line: FoundLine) -> Strokes:
        """The line's strokes where it was clearest; a faint one over a moving ground resembles the ground."""
        same = [line, *(other for other in (line.joined, line.onward) if other is not None)]
        place = [other for other in same if intersection_over_union(other.box, line.box) >= PAIR_OVERLAP]
        return self.strokes(max(place, key=lambda other: (self.strokes(other).contrast, other is line)))

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

    def doubts(
        self, p: int, q: int, left: Sequence[FoundLine], right: Sequence[FoundLine], rivals: dict[int, list[FoundLine]]
    ) -> list[Doubt]:
        """Places with unexplained frames, those in the same rows put together."""
        single: list[Doubt] = []
        for old in left:
            stop = min((new.first for new in rivals.get(id(old), [])), default=None)
            frames = self._unexplained(range(old.last + 1, q if stop is None else stop), q, old, stop is not None)
            single += [Doubt(old.box, frames, [old], [])] if frames else []
        for new in right:
            start = max((old.last for old in rivals.get(id(new), [])), default=None)
            frames = self._unexplained(
                range(p + 1 if start is None else start + 1, new.first), p, new, start is not None
            )
            single += [Doubt(new.box, frames, [], [new])] if frames else []
        return _join_rows(single)

    def _unexplained(self, frames: range, other: int, line: FoundLine, contested: bool) -> list[int]:
        """Those of ``frames``, beside a line's stay, that do not show the ground of frame ``other`` either."""
        if contested:
            return list(frames)
        unlike = [f for f in frames if not same_ground(self._frames[other], self._frames[f], line.box)]
        return unlike if len(longest_run(unlike)) >= ONE_SIDED_RUN else []


def same_places(left: Sequence[FoundLine], right: Sequence[FoundLine]) -> list[tuple[FoundLine, FoundLine]]:
    """Lines at the same place, each used once, best overlap first."""
    scored = [
        (intersection_over_union(old.box, new.box), -i, -j, old, new)
        for i, old in enumerate(left)
        for j, new in enumerate(right)
    ]
    pairs = []
    taken: set[int] = set()
    for share, _, _, old, new in sorted(scored, key=lambda s: s[:3], reverse=True):
        if share >= PAIR_OVERLAP and not taken & {id(old), id(new)}:
            pairs.append((old, new))
            taken |= {id(old), id(new)}
    return pairs


def _join_rows(doubts: Sequence[Doubt]) -> list[Doubt]:
    """Doubts less than half a line apart are one, since a strip is as wide as the frame and higher than its line."""
    joined: list[Doubt] = []
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


def longest_run(frames: Sequence[int]) -> list[int]:
    """The longest run of consecutive numbers."""
    if not frames:
        return []
    runs = np.split(np.asarray(frames), np.flatnonzero(np.diff(frames) > 1) + 1)
    return [int(f) for f in max(runs, key=len)]
