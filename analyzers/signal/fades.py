"""Fades from small thumbnails, by the model that made them.

A fade shows ``(1 - a) A + a C`` with a plain colour C and ``a`` between 0 and 1: the distance of all pixels from that
colour grows or falls together, and smoothly. Lienhart, "Comparison of automatic shot boundary detection
algorithms", SPIE 3656 (1999), finds fades by the deviation of pixels in the same way; here any colour may be C, and
the deviation is measured from it, so that brightness ramps of a plain picture are fades too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeVar

import numpy as np

from analyzers.signal.moments import moments
from media.types import Float32Array, Float64Array

FloatArray = TypeVar("FloatArray", Float32Array, Float64Array)
Direction = Literal["in", "out"]

PLAIN_LEVELS = 6.0
"""Deviation of pixels from their mean below which a picture is one plain colour; a small caption may stand on it."""

STEADY_LEVELS = 2.0
"""Largest change of a plain colour from frame to frame while it stands still."""

MAX_STEP = 0.5
"""A single frame may bring at most this share of a fade: more is a cut."""

FLOOR_SHARE = 0.35
"""What stays at the plain end (a watermark) is at most this share of the fade's range."""

FLAT_SLOPE = 0.12
"""A fade has ended where its slope falls below this share of its steepest."""

MIN_EVENNESS = 0.77
"""Evenness of the pictures on the way over that of the full one, both as mean over root mean square of the pixels'
distances: in a fade all pixels go together, so it stays (0.90 to 1.12 over 250 fades, moving ones among them). An
object, a wipe or a pan that leaves a plain wall shows a few pixels in full and the others not at all (at most 0.64)."""

WIDE_SHARE = 0.1
"""Share of the picture that a fade changes at least: less is a caption."""

OPEN_SHARE = 0.6
"""A fade that the clip's end or a cut breaks off counts when it has lost this share."""


@dataclass(frozen=True)
class FadeSettings:
    """Thresholds of ``fades``; ``CutAnalysisConfig`` says where each comes from.

    Attributes:
        min_s: Shortest fade.
        max_s: Longest fade.
        min_range: Smallest distance from the plain colour at the full end, in levels.
    """

    min_s: float
    max_s: float
    min_range: float


@dataclass(frozen=True)
class Fade:
    """One fade; frames are positions in the clip.

    Attributes:
        direction: ``out`` towards the plain colour, ``in`` away from it.
        start: First frame that differs from the full picture (out) or from the plain colour (in).
        end: First frame after it.
        plain: Frame that shows the plain colour best.
        colour: Y', Cb, Cr of the plain colour.
        range: Distance from the colour that the fade covers, in levels.
        score: ``range`` over the full picture's distance, times the fade's evenness, in [0, 1].
        complete: Whether it reaches the plain colour.
    """

    direction: Direction
    start: int
    end: int
    plain: int
    colour: tuple[float, float, float]
    range: float
    score: float
    complete: bool


@dataclass(frozen=True, eq=False)
class Levels:
    """What tells how far pictures are from a colour.

    Attributes:
        means: float64 (N, 3), of each channel.
        squares: float64 (N,), mean over the pixels of the sum of squares over the channels.
    """

    means: Float64Array
    squares: Float64Array

    @staticmethod
    def of(thumbs: Float32Array) -> Levels:
        """Of float32 (N, h, w, 3)."""
        return Levels(*moments(thumbs))

    def contrast(self) -> Float64Array:
        """float64 (N,): root mean square deviation of each picture's pixels from their mean colour, in levels."""
        return np.asarray(np.sqrt(np.maximum(self.squares - np.square(self.means).sum(axis=1), 0.0)), np.float64)

    def distance(self, colour: Float32Array) -> Float64Array:
        """float64 (N,): root mean square distance of each picture's pixels from a colour, in levels."""
        wanted = colour.astype(np.float64)
        apart = self.squares - 2.0 * (self.means @ wanted) + float(wanted @ wanted)
        return np.asarray(np.sqrt(np.maximum(apart, 0.0)), np.float64)


def contrast(thumbs: Float32Array) -> Float64Array:
    """float64 (N,): root mean square deviation of each picture's pixels from their mean colour, in levels."""
    return Levels.of(thumbs).contrast()


def fades(
    thumbs: Float32Array,
    levels: Levels,
    pts_s: Float64Array,
    cuts: Sequence[int],
    settings: FadeSettings,
    period_s: float,
) -> list[Fade]:
    """All fades, sorted; no two overlap by more than a fifth of the shorter.

    Args:
        thumbs: float32 (N, h, w, 3), Y'CbCr.
        levels: Of the thumbs.
        pts_s: float64 (N,).
        cuts: First frames of hard cuts, which no fade crosses.
        settings: Thresholds.
        period_s: Usual time from frame to frame.
    """
    found: list[Fade] = []
    for plain, direction in _plain_frames(levels):
        colour = levels.means[plain].astype(np.float32)
        order = _outward(plain, direction, pts_s, cuts, settings.max_s)
        fade = _fade(thumbs, levels.distance(colour), order, colour, direction, plain, settings, period_s)
        if fade is not None:
            found.append(fade)
    found.extend(_broken_off(thumbs, levels, pts_s, cuts, settings, period_s))
    return _without_doubles(found)


def _plain_frames(levels: Levels) -> list[tuple[int, Direction]]:
    """Frames that may end a fade: of the plainest in each stretch of a steady plain colour the first for fades out and
    the last for fades in."""
    level, means = levels.contrast(), levels.means
    n = len(level)
    out: list[tuple[int, Direction]] = []
    start = 0
    while start < n:
        if level[start] > PLAIN_LEVELS:
            start += 1
            continue
        end = start + 1
        while end < n and level[end] <= PLAIN_LEVELS and np.abs(means[end] - means[end - 1]).max() <= STEADY_LEVELS:
            end += 1
        stretch = level[start:end]
        best = np.flatnonzero(stretch <= stretch.min() + 0.5) + start
        if end - start > 1 or _is_turn(level, means[:, 0], start):
            out += [(int(best[0]), "out"), (int(best[-1]), "in")]
        start = end
    return out


def _is_turn(level: Float64Array, luma: Float64Array, frame: int) -> bool:
    """Whether a lone plain frame is where a fade ends: contrast is lowest here, or brightness turns, or the clip ends.

    The plain frames on the way of a fade to black are none of these.
    """
    if frame in (0, len(level) - 1):
        return True
    before, after = luma[frame] - luma[frame - 1], luma[frame + 1] - luma[frame]
    return bool(min(level[frame - 1], level[frame + 1]) > level[frame] or before * after < 0.0)


def _outward(plain: int, direction: Direction, pts_s: Float64Array, cuts: Sequence[int], max_s: float) -> range:
    """Frames from the plain one on, away from it in time, up to the next cut or ``max_s``."""
    if direction == "in":
        stop = min([c for c in cuts if c > plain] + [len(pts_s)])
        stop = min(stop, int(np.searchsorted(pts_s, pts_s[plain] + max_s, side="right")))
        return range(plain, stop)
    first = max([c for c in cuts if c <= plain] + [0])
    first = max(first, int(np.searchsorted(pts_s, pts_s[plain] - max_s, side="left")))
    return range(plain, first - 1, -1)


def _fade(
    thumbs: Float32Array,
    distances: Float64Array,
    order: range,
    colour: Float32Array,
    direction: Direction,
    plain: int,
    settings: FadeSettings,
    period_s: float,
) -> Fade | None:
    """The fade that leads outward along ``order``, if there is one."""
    steps = max(3, round(settings.min_s / period_s))
    if len(order) <= steps:
        return None
    total = _along(distances, order)
    if np.ptp(total) < settings.min_range:
        return None
    top = _end_of_rise(total)
    floor, peak = float(total[: top + 1].min()), float(total[top])
    reach = peak - floor
    if reach < settings.min_range or floor > FLOOR_SHARE * peak:
        return None
    rise = (total[: top + 1] - floor) / reach
    first = int(np.flatnonzero(rise <= 0.03)[-1])
    last = first + int(np.argmax(rise[first:] >= 0.97))
    if last - first < steps or np.max(np.diff(rise[first : last + 1])) > MAX_STEP:
        return None
    path = _along(thumbs, order[first : last + 1])
    if not _is_even(path, path[0], rise[first : last + 1]):
        return None
    smooth = _steady_share(path, colour)
    inner, outer = order[first], order[last]
    # The frame at the full end still is the picture itself, the one at the plain end the plain colour.
    start, end = (outer + 1, inner) if direction == "out" else (inner + 1, outer)
    shown = (float(colour[0]), float(colour[1]), float(colour[2]))
    return Fade(direction, start, end, plain, shown, reach, float(np.clip(reach / peak * smooth, 0.0, 1.0)), True)


def _along(values: FloatArray, order: range) -> FloatArray:
    """The entries of consecutive frames in this order, as a view."""
    return values[order[0] : order[-1] + 1] if order.step > 0 else values[order[-1] : order[0] + 1][::-1]


def _end_of_rise(total: Float64Array) -> int:
    """Where the distance from the plain colour stops growing: it falls, or its slope has become flat."""
    best = 0
    steepest = 0.0
    values: list[float] = total.tolist()
    for i in range(1, len(values)):
        if values[i] > values[best]:
            best = i
        slope = (values[i] - values[max(0, i - 4)]) / min(i, 4)
        steepest = max(steepest, slope)
        if values[i] < values[best] - max(2.0, 0.08 * values[best]):
            break
        if i >= 4 and steepest > 0.0 and slope < FLAT_SLOPE * steepest and values[best] > PLAIN_LEVELS * 2:
            break
    return best


def _is_even(shown: Float32Array, ground: Float32Array, rise: Float64Array) -> bool:
    """Whether all pixels leave the plain picture together: a fade, and no object on a plain ground.

    Args:
        shown: float32 (N, h, w, 3), from the plain picture to the full one.
        ground: float32 (h, w, 3) or (3,), the plain picture or colour.
        rise: float64 (N,), share of the way.
    """
    inside = np.flatnonzero((rise > 0.15) & (rise < 0.7))
    away = shown[np.append(inside, len(shown) - 1)] - ground
    squares = np.einsum("nhwc,nhwc->nhw", away, away).reshape(len(away), -1)
    sizes = np.sqrt(squares)
    if float((sizes[-1] > STEADY_LEVELS).mean()) < WIDE_SHARE:
        return False
    evenness = sizes.mean(axis=1) / np.sqrt(squares.mean(axis=1) + 1e-6)
    return not len(inside) or float(np.median(evenness[:-1])) >= MIN_EVENNESS * float(evenness[-1])


def _steady_share(shown: Float32Array, colour: Float32Array) -> float:
    """Median cosine of consecutive pictures, seen from the colour: 1 when only their distance from it changes."""
    away = (shown - colour).reshape(len(shown), -1)
    norm = np.sqrt(np.einsum("nf,nf->n", away, away)) + 1e-3
    return float(np.median(np.einsum("nf,nf->n", away[1:], away[:-1]) / (norm[1:] * norm[:-1])))


def _broken_off(
    thumbs: Float32Array,
    levels: Levels,
    pts_s: Float64Array,
    cuts: Sequence[int],
    settings: FadeSettings,
    period_s: float,
) -> Iterator[Fade]:
    """Fades from or to black or white that a cut or the clip's end breaks off before the plain colour."""
    borders = sorted({0, len(thumbs), *cuts})
    for colour in (BLACK, WHITE):
        distances = levels.distance(colour)
        for start, end in pairwise(borders):
            ends: tuple[tuple[Direction, int], ...] = (("out", end - 1), ("in", start))
            for direction, plain in ends:
                order = _outward(plain, direction, pts_s, cuts, settings.max_s)
                total = _along(distances, order)
                if float(total[0]) > (1.0 - OPEN_SHARE) * float(total.max()):
                    continue
                top = _end_of_rise(total)
                lost = 1.0 - float(total[0]) / max(float(total[top]), 1e-3)
                steps = max(3, round(settings.min_s / period_s))
                if top < steps or lost < OPEN_SHARE or float(total[top] - total[0]) < settings.min_range:
                    continue
                if np.max(np.diff(total[: top + 1])) > MAX_STEP * float(total[top] - total[0]):
                    continue
                path = _along(thumbs, order[: top + 1])
                smooth = _steady_share(path, colour)
                if smooth < STEADY_OPEN or not _is_even(path, colour, total[: top + 1] / float(total[top])):
                    continue
                outer = order[top]
                span = (outer + 1, plain + 1) if direction == "out" else (plain, outer)
                shown = (float(colour[0]), float(colour[1]), float(colour[2]))
                reach = float(total[top] - total[0])
                yield Fade(direction, *span, plain, shown, reach, float(np.clip(lost * smooth, 0.0, 1.0)), False)


BLACK = np.array([0.0, 128.0, 128.0], np.float32)
WHITE = np.array([255.0, 128.0, 128.0], np.float32)

STEADY_OPEN = 0.97
"""Cosine of consecutive pictures that a broken-off fade must keep, since no plain colour confirms it."""


MAX_OVERLAP = 0.2
"""Share of the shorter of two fades that may lie in the other: neighbours through one plain colour meet."""


def _without_doubles(found: list[Fade]) -> list[Fade]:
    """Of fades over the same frames the one to the darkest colour, complete before broken off."""
    kept: list[Fade] = []
    for fade in sorted(found, key=lambda f: (not f.complete, f.colour[0], -f.score)):
        if all(_overlap(fade, other) <= MAX_OVERLAP for other in kept):
            kept.append(fade)
    return sorted(kept, key=lambda f: f.start)


def _overlap(a: Fade, b: Fade) -> float:
    shared = min(a.end, b.end) - max(a.start, b.start)
    return max(0, shared) / max(1, min(a.end - a.start, b.end - b.start))
