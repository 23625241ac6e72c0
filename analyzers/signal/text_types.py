"""What is known of a line of text on its way from a chunk's frames to the whole clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from analyzers.signal.text_pixels import Box, Strokes
from analyzers.signal.text_reader import Found, Quad, Reading
from media.types import UInt8Array

SLOT_EPSILON = 1e-6
"""Slack when a time is put into its slot, in slots: time stamps are rounded to their time base."""


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
class FoundLine:
    """A line that was found at frame ``at``, seen from frame ``first`` to frame ``last`` without a break.

    ``same_as`` has the same pixels and so the same text; ``joined`` is the line at an earlier look that it goes on
    from without a break, ``onward`` the one that goes on from it.
    """

    at: int
    quad: Quad
    box: Box
    height_px: float
    found_score: float
    number: int
    same_as: FoundLine | None = None
    joined: FoundLine | None = None
    onward: FoundLine | None = None
    reading: Reading | None = None
    first: int = 0
    last: int = 0
    strokes: Strokes | None = None

    @property
    def root(self) -> FoundLine:
        """The line that was, or has to be, read for this one."""
        line = self
        while line.same_as is not None:
            line = line.same_as
        return line


def slot_of(time_s: float, look_every_s: float) -> int:
    """Number of the slot, ``look_every_s`` long, that a time lies in."""
    return int(np.floor(time_s / look_every_s + SLOT_EPSILON))


def height_of(quad: Quad) -> float:
    """Height of a line's box across its text: the shorter side."""
    return float(min(np.linalg.norm(quad[0] - quad[3]), np.linalg.norm(quad[0] - quad[1])))
