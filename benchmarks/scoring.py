"""How answers are scored against truth: pure functions of numbers and texts.

* cuts and beats: one-to-one matches within a tolerance;
* gradual transitions, overlays, pauses: one-to-one matches of spans, as TRECVID's shot boundary task counted gradual
  transitions (one frame in common is a match; Smeaton, Over and Doherty 2010), and their intersection over union;
* text: Levenshtein's edit distance over the length of the truth (character error rate);
* tempo: right within a tolerance, or right but for a factor of 2 or 3 (MIREX's second accuracy; Gouyon et al. 2006).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Span = tuple[float, float]
"""Half-open, start before end."""

OCTAVES = (2.0, 0.5, 3.0, 1.0 / 3.0)
"""Factors by which an estimator of tempo is off when it follows another level of the metre."""


@dataclass(frozen=True)
class Score:
    """Counts of a detection task; sums over clips by ``+``.

    Attributes:
        right: Found ones that match a true one, each used once.
        found: All found ones.
        truth: All true ones.
    """

    right: int = 0
    found: int = 0
    truth: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.right <= min(self.found, self.truth):
            raise ValueError(f"Score: {self.right} right of {self.found} found and {self.truth} true ones")

    def __add__(self, other: Score) -> Score:
        return Score(self.right + other.right, self.found + other.found, self.truth + other.truth)

    @property
    def precision(self) -> float | None:
        """Share of the found ones that are right; None when nothing was found."""
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        """Share of the true ones that were found; None when there are none."""
        return self.right / self.truth if self.truth else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of both; None when there was nothing to find and nothing was found."""
        return 2 * self.right / (self.found + self.truth) if self.found + self.truth else None


@dataclass(frozen=True)
class Matches:
    """Pairs of indices into found and truth, and what is left on both sides."""

    pairs: tuple[tuple[int, int], ...]
    extra: tuple[int, ...]
    """Found, not true."""
    missed: tuple[int, ...]
    """True, not found."""

    @property
    def score(self) -> Score:
        """As counts."""
        pairs = len(self.pairs)
        return Score(pairs, pairs + len(self.extra), pairs + len(self.missed))


def match_points(found: Sequence[float], truth: Sequence[float], tolerance: float) -> Matches:
    """The largest one-to-one match of points on a line at most ``tolerance`` apart.

    Points closer than the tolerance to two others go to the earlier one, which on a line never costs a match.
    """
    by_found = sorted(range(len(found)), key=lambda i: found[i])
    by_truth = sorted(range(len(truth)), key=lambda j: truth[j])
    pairs, i, j = [], 0, 0
    while i < len(by_found) and j < len(by_truth):
        f, t = found[by_found[i]], truth[by_truth[j]]
        if abs(f - t) <= tolerance:
            pairs.append((by_found[i], by_truth[j]))
            i, j = i + 1, j + 1
        elif f < t:
            i += 1
        else:
            j += 1
    return _matches(pairs, len(found), len(truth))


def match_spans(found: Sequence[Span], truth: Sequence[Span], min_iou: float = 0.0) -> Matches:
    """One-to-one match of spans that have something in common, and at least ``min_iou``; best pairs first."""
    candidates = sorted(
        ((iou(f, t), i, j) for i, f in enumerate(found) for j, t in enumerate(truth)), key=lambda c: (-c[0], c[1], c[2])
    )
    pairs: list[tuple[int, int]] = []
    used_found, used_truth = set[int](), set[int]()
    for share, i, j in candidates:
        if share > 0.0 and share >= min_iou and i not in used_found and j not in used_truth:
            pairs.append((i, j))
            used_found.add(i)
            used_truth.add(j)
    return _matches(pairs, len(found), len(truth))


def _matches(pairs: list[tuple[int, int]], found: int, truth: int) -> Matches:
    matched_found, matched_truth = {i for i, _ in pairs}, {j for _, j in pairs}
    return Matches(
        tuple(sorted(pairs)),
        tuple(i for i in range(found) if i not in matched_found),
        tuple(j for j in range(truth) if j not in matched_truth),
    )


def iou(a: Span, b: Span) -> float:
    """Intersection over union of two spans, in [0, 1]."""
    common = min(a[1], b[1]) - max(a[0], b[0])
    return common / (max(a[1], b[1]) - min(a[0], b[0])) if common > 0.0 else 0.0


def total_s(spans: Sequence[Span]) -> float:
    """Length of the union of spans."""
    return sum(end - start for start, end in merged(spans))


def merged(spans: Sequence[Span]) -> list[Span]:
    """Union of spans as sorted, disjoint spans."""
    out: list[Span] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def common_s(a: Sequence[Span], b: Sequence[Span]) -> float:
    """Length of the intersection of two unions of spans."""
    return sum(max(0.0, min(x[1], y[1]) - max(x[0], y[0])) for x in merged(a) for y in merged(b))


def union_iou(found: Sequence[Span], truth: Sequence[Span]) -> float | None:
    """Time in both over time in either; None when both are empty."""
    common = common_s(found, truth)
    either = total_s(found) + total_s(truth) - common
    return common / either if either > 0.0 else None


def snapped(found: Sequence[Span], truth: Sequence[Span], tolerance: float) -> list[Span]:
    """The found spans, each matched one's ends put on the true ones where they are at most ``tolerance`` away."""

    def near(found_s: float, true_s: float) -> float:
        return true_s if abs(true_s - found_s) <= tolerance + 1e-6 else found_s

    partner = {i: truth[j] for i, j in match_spans(found, truth).pairs}
    pairs = [(span, partner.get(i, span)) for i, span in enumerate(found)]
    return [(near(f[0], t[0]), near(f[1], t[1])) for f, t in pairs]


def rounding_iou(truth: Sequence[Span], exact_to: float, draws: int = 2_000) -> tuple[float, float]:
    """What the exact borders get against truth whose ends were rounded: the worst and the mean of ``union_iou``.

    Args:
        truth: Rounded, disjoint spans.
        exact_to: Half a step: the exact end lies within it, equally likely everywhere.
        draws: For the mean.
    """
    import numpy as np

    low, high = np.array(truth).T
    moves = np.random.default_rng(0).uniform(-exact_to, exact_to, (draws, 2, len(truth)))
    starts, ends = low + moves[:, 0], high + moves[:, 1]
    common = np.maximum(np.minimum(ends, high) - np.maximum(starts, low), 0.0).sum(axis=1)
    either = (ends - starts).sum(axis=1) + (high - low).sum() - common
    total = (high - low).sum()
    wider = total / (total + 2 * exact_to * len(truth))
    narrower = np.maximum(high - low - 2 * exact_to, 0.0).sum() / total
    return float(min(wider, narrower)), float((common / either).mean())


def clipped(spans: Sequence[Span], start: float, end: float) -> list[Span]:
    """What of the spans lies inside ``[start, end)``."""
    return [(max(a, start), min(b, end)) for a, b in spans if min(b, end) > max(a, start)]


def gaps(spans: Sequence[Span]) -> list[Span]:
    """What lies between the first span and the last."""
    parts = merged(spans)
    return [(a[1], b[0]) for a, b in pairwise(parts)]


def edit_distance(a: str, b: str) -> int:
    """Fewest insertions, deletions and replacements of one character that make ``b`` of ``a`` (Levenshtein 1966)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        above = row
        row = [i]
        for j, y in enumerate(b, start=1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y)))
    return row[-1]


def plain_text(text: str) -> str:
    """Compatibility forms (full width, ligatures) and white space made alike; case and punctuation stay."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def character_error_rate(read: str, truth: str) -> float:
    """Edit distance over the length of the truth; above 1 when more was read than there is.

    Raises:
        ValueError: The truth is empty.
    """
    wanted = plain_text(truth)
    if not wanted:
        raise ValueError("character_error_rate: the truth is empty")
    return edit_distance(plain_text(read), wanted) / len(wanted)


def relative_error(found: float, truth: float) -> float:
    """Distance over the truth."""
    return abs(found - truth) / truth


def octave_of(found: float, truth: float, tolerance: float) -> float | None:
    """Factor by which a tempo is off: 1 when right; 2, 1/2, 3 or 1/3 on another level of the metre; None when wrong."""
    for factor in (1.0, *OCTAVES):
        if relative_error(found, factor * truth) <= tolerance:
            return factor
    return None


def mean(values: Sequence[float]) -> float | None:
    """Arithmetic mean; None of nothing."""
    return sum(values) / len(values) if values else None
