"""Dissolves from small thumbnails, by the model that made them.

In a dissolve every frame is ``(1 - a) A + a B`` with ``a`` rising evenly from 0 to 1, so it lies on the straight line
between the two shots. For each stretch of time the distance of its frames from that line and the evenness of ``a`` are
measured (the production model of Hampapur, Jain and Weymouth, "Production model based digital video segmentation",
Multimedia Tools and Applications 1, 1995). Pans, zooms and objects leave the line; a slow change of light keeps the
structure of the picture, which two shots do not share.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from analyzers.signal.hard_cuts import correlation
from analyzers.signal.moments import moments
from media.types import Float32Array, Float64Array, Int64Array

POOL_PX = 2
"""Thumbnail pixels per pixel of the search, each way: coarse, so that motion inside the shots matters less."""

SAMPLES = 9
"""Frames looked at inside each candidate."""

STRIDE_SHARE = 8
"""Candidates of one length start every eighth of that length."""

GROWTH = 1.3
"""Ratio of one candidate length to the next."""

MIN_PAIRS = 5
"""Shorter ones are hard cuts over blended frames."""

UNEVEN = 0.22
"""Largest distance of a candidate's ``a`` from an even rise. A cut has 0.5."""

FIT_ERROR = 0.12
"""Largest root mean square distance of ``a`` from the fitted ramp, frames before and after included."""

WIDE_SHARE = 0.6
"""Share of the picture that a dissolve changes at least, beyond a common change of light. A title that fades in, or
something that moves, changes less."""

DIP_RANGE = (0.6, 1.6)
"""Contrast in the middle of a dissolve falls, since two unrelated pictures are averaged (Alattar, "Detecting and
compressing dissolve regions in video sequences with a DVI multimedia image compression algorithm", ISCAS 1993). 1 is
the fall that mixing these two shots gives, 0 the steady course of a moving picture."""

BATCH = 256
"""Candidates measured at once; bounds memory."""


@dataclass(frozen=True)
class DissolveSettings:
    """Thresholds of ``dissolves``; ``CutAnalysisConfig`` says where each comes from.

    Attributes:
        min_s: Shortest dissolve.
        max_s: Longest dissolve.
        residual: Largest distance of the frames in between from the line, over the distance of the two shots.
        likeness: Shots that correlate more are one shot.
        min_distance: Smallest distance of the two shots, in levels.
    """

    min_s: float
    max_s: float
    residual: float
    likeness: float
    min_distance: float


@dataclass(frozen=True)
class Dissolve:
    """One dissolve; frames are positions in the clip.

    Attributes:
        start: First mixed frame.
        end: First frame after the last mixed one.
        middle: First frame that shows more of the new shot than of the old one.
        residual: Distance of the mixed frames from the line over the distance of the shots.
    """

    start: int
    end: int
    middle: int
    residual: float


def dissolves(
    thumbs: Float32Array, barred: Sequence[tuple[int, int]], settings: DissolveSettings, period_s: float
) -> list[Dissolve]:
    """All dissolves, sorted and disjoint.

    Args:
        thumbs: float32 (N, h, w, 3), Y'CbCr.
        barred: Spans of frames that no dissolve may touch: fades, and hard cuts as spans of one frame.
        settings: Thresholds.
        period_s: Usual time from frame to frame.
    """
    shown = _Pictures.of(_pooled(thumbs))
    small = shown.small
    closed = np.zeros(len(small) + 1, np.int64)
    for start, end in barred:
        closed[start:end] = 1
    closed_before = np.concatenate([[0], np.cumsum(closed)])
    off_mean = _off_mean(shown.flat, closed)
    candidates: list[tuple[float, int, int]] = []
    length = max(float(MIN_PAIRS), settings.min_s / period_s)
    while length <= min(settings.max_s / period_s, len(small) - 1):
        span = round(length)
        starts = np.arange(0, len(small) - span, max(1, span // STRIDE_SHARE))
        starts = starts[closed_before[starts + span + 1] == closed_before[starts + 1]]
        # Two pictures are no further apart than both are from a third.
        starts = starts[off_mean[starts] + off_mean[starts + span] >= settings.min_distance]
        length *= GROWTH
        if not len(starts):
            continue
        candidates.extend(_candidates(shown, starts, span, settings))
    out: list[Dissolve] = []
    walls: list[int] = closed.tolist()
    for _, start, span in sorted(candidates, reverse=True):
        if any(start < other.end and start + span > other.start for other in out):
            continue
        dissolve = _refined(shown, walls, start, span, settings)
        if dissolve is not None and all(dissolve.start >= o.end or dissolve.end <= o.start for o in out):
            out.append(dissolve)
    return sorted(out, key=lambda d: d.start)


def _off_mean(flat: Float32Array, closed: Int64Array) -> Float64Array:
    """float64 (N,): root mean square difference of each picture from the mean one of its stretch between barred frames.

    A stretch begins with the barred frame before it: a candidate may begin there, and none ends there.
    """
    out = np.zeros(len(flat))
    begins: list[int] = np.flatnonzero(np.diff(closed[:-1]) < 0).tolist()
    for start, end in pairwise(sorted({0, *begins, len(flat)})):
        away = flat[start:end] - flat[start:end].mean(axis=0)
        out[start:end] = np.sqrt(np.einsum("nf,nf->n", away, away) / flat.shape[1])
    return out


@dataclass(frozen=True, eq=False)
class _Pictures:
    """Pictures with what says how their contrast would fall if two of them were mixed.

    Attributes:
        small: float32 (N, h, w, 3).
        flat: float32 (N, F), the same.
        means: float64 (N, 3), of each channel.
        variance: float64 (N,), mean over the pixels of the squared distance from the mean colour.
    """

    small: Float32Array
    flat: Float32Array
    means: Float64Array
    variance: Float64Array

    @staticmethod
    def of(small: Float32Array) -> _Pictures:
        means, squares = moments(small)
        flat = small.reshape(len(small), -1)
        return _Pictures(small, flat, means, np.maximum(squares - np.square(means).sum(axis=1), 0.0))

    def falls(
        self, first: Int64Array, inner: Int64Array, last: Int64Array, share: Float64Array, distance: Float64Array
    ) -> Float64Array:
        """float64 (K,): measured over expected fall of contrast.

        A mixture of A and B has ``(1-a) VA + a VB - a (1-a) |A - B|^2``, with the common change of colour left out.

        Args:
            first: int64 (K,) or (1,), frames that show A.
            inner: int64 (K,), frames between.
            last: int64 (K,) or (1,), frames that show B.
            share: float64 (K,), a of the frames between.
            distance: float64 (K,) or (1,), root mean square difference of A and B, in levels per channel.
        """
        apart = 3.0 * np.square(distance) - np.square(self.means[last] - self.means[first]).sum(axis=1)
        expected = share * (1.0 - share) * apart
        steady = (1.0 - share) * self.variance[first] + share * self.variance[last]
        return np.asarray((steady - self.variance[inner]) / np.maximum(expected, 1.0), np.float64)


def _pooled(thumbs: Float32Array) -> Float32Array:
    import cv2

    n, height, width, channels = thumbs.shape
    rows, columns = height // POOL_PX, width // POOL_PX
    if not rows or not columns:
        return thumbs
    part = np.ascontiguousarray(thumbs[:, : rows * POOL_PX, : columns * POOL_PX])
    tall = part.reshape(n * rows * POOL_PX, columns * POOL_PX, channels)
    small = cv2.resize(tall, (columns, n * rows), interpolation=cv2.INTER_AREA)
    return np.asarray(small.reshape(n, rows, columns, channels), np.float32)


def _candidates(
    shown: _Pictures, starts: Int64Array, span: int, settings: DissolveSettings
) -> Iterator[tuple[float, int, int]]:
    """(rank, start, span) of the stretches whose frames lie on the line and rise evenly."""
    flat = shown.flat
    steps = np.unique(np.round(np.linspace(0, span, SAMPLES + 2)[1:-1]).astype(np.int64))
    for batch in np.array_split(starts, max(1, -(-len(starts) // BATCH))):
        first, way, distance = _worth_a_look(shown, batch, span, settings)
        if not len(first):
            continue
        between = flat[first[:, None] + steps] - flat[first][:, None]
        alpha = np.matmul(between, way[..., None])[..., 0] / (np.square(distance) * way.shape[1])[:, None]
        rest = np.sqrt(np.mean(np.square(between - alpha[..., None] * way[:, None]), axis=2)) / distance[:, None]
        off = np.abs(alpha - steps / span).max(axis=1)
        typical = _median(rest)
        for k in np.flatnonzero((typical <= settings.residual) & (off <= UNEVEN)):
            yield float(distance[k] * (1.0 - typical[k]) * (1.0 - off[k])), int(first[k]), span


def _worth_a_look(
    shown: _Pictures, starts: Int64Array, span: int, settings: DissolveSettings
) -> tuple[Int64Array, Float32Array, Float32Array]:
    """(start, way to the end, distance of the ends) of stretches whose ends differ and whose middle fits: a few."""
    flat, middle = shown.flat, span // 2
    way = flat[starts + span] - flat[starts]
    distance = np.sqrt(np.einsum("kf,kf->k", way, way) / way.shape[1])
    at = np.flatnonzero(distance >= settings.min_distance)
    first, share = starts[at], np.full(len(at), middle / span)
    dips = shown.falls(first, first + middle, first + span, share, distance[at].astype(np.float64))
    at = at[(dips >= DIP_RANGE[0] / 2) & (dips <= DIP_RANGE[1] * 2)]
    half = flat[starts[at] + middle] - flat[starts[at]]
    alpha = np.einsum("kf,kf->k", half, way[at]) / (np.square(distance[at]) * flat.shape[1])
    at = at[np.abs(alpha - middle / span) <= UNEVEN]
    return starts[at], way[at], distance[at]


def _refined(
    shown: _Pictures, closed: Sequence[int], start: int, span: int, settings: DissolveSettings
) -> Dissolve | None:
    """The dissolve around a candidate with its exact ends, or None where a look at what is around refutes it."""
    pad = max(3, span // 2)
    low, high = _reach(closed, start, -pad), _reach(closed, start + span, pad)
    frames = shown.flat[low : high + 1]
    way = frames[-1] - frames[0]
    length = float(way @ way)
    if length <= 0.0:
        return None
    along = (frames @ way).astype(np.float64)
    ramp_start, ramp_end, error = _ramp((along - along[0]) / length)
    if error > FIT_ERROR or ramp_end - ramp_start < MIN_PAIRS:
        return None
    first, last = frames[ramp_start], frames[ramp_end]
    way = last - first
    length = float(way @ way)
    distance = float(np.sqrt(length / way.size))
    if distance < settings.min_distance:
        return None
    # The cheapest look that refutes the most comes first.
    if not DIP_RANGE[0] <= _dip(shown, low + ramp_start, low + ramp_end, distance) <= DIP_RANGE[1]:
        return None
    before, after = shown.small[low + ramp_start], shown.small[low + ramp_end]
    if correlation(before, after) > settings.likeness or not _is_wide(before, after):
        return None
    away = frames[ramp_start + 1 : ramp_end] - first
    share = away @ way / length
    away -= share[:, None] * way
    residual = float(_median(np.sqrt(np.einsum("kf,kf->k", away, away) / way.size))) / distance
    if residual > settings.residual:
        return None
    begin, end = low + ramp_start + 1, low + ramp_end
    return Dissolve(begin, end, min(begin + int(np.argmax(share >= 0.5)), end - 1), residual)


def _is_wide(first: Float32Array, last: Float32Array) -> bool:
    """Whether most of the picture changes, apart from a change that all of it has in common."""
    way = last - first
    way -= np.median(way, axis=(0, 1))
    size = np.sqrt(np.square(way).sum(axis=-1))
    usual = float(np.sqrt(np.mean(np.square(size))))
    return float((size > max(8.0, 0.3 * usual)).mean()) >= WIDE_SHARE


def _dip(shown: _Pictures, first: int, last: int, distance: float) -> float:
    """Measured over expected fall of contrast in the middle half of the stretch."""
    inner = np.arange(first + 1, last)
    share = (inner - first) / (last - first)
    middle = (share >= 0.25) & (share <= 0.75)
    inner, share = inner[middle], share[middle]
    if not len(inner):
        return 0.0
    falls = shown.falls(np.array([first]), inner, np.array([last]), share, np.array([distance]))
    return float(_median(falls))


def _median(values: Float64Array | Float32Array) -> Float64Array:
    """Along the last axis; numpy's own spends longer on its checks than on a few numbers."""
    n = values.shape[-1]
    ordered: Float64Array = np.sort(values, axis=-1).astype(np.float64)
    return np.asarray((ordered[..., (n - 1) // 2] + ordered[..., n // 2]) / 2.0, np.float64)


def _reach(closed: Sequence[int], frame: int, by: int) -> int:
    """The frame ``by`` frames away, or the last one before a barred span or the clip's end."""
    step = 1 if by > 0 else -1
    for _ in range(abs(by)):
        following = frame + step
        if not 0 <= following < len(closed) - 1 or closed[following]:
            break
        frame = following
    return frame


@lru_cache(maxsize=64)
def _ramps(n: int) -> tuple[Float64Array, Int64Array, Int64Array, Float64Array, Float64Array]:
    """Positions, and of all ramps within n of them: start, end, length, sum of the squares of ``(t - start) / length``
    between both."""
    start, end = np.triu_indices(n, MIN_PAIRS)
    length = (end - start).astype(np.float64)
    return np.arange(n, dtype=np.float64), start, end, length, (length - 1.0) * (2.0 * length - 1.0) / (6.0 * length)


def _ramp(alpha: Float64Array) -> tuple[int, int, float]:
    """Last frame at 0, first frame at 1 and root mean square error of the ramp that fits best."""
    n = len(alpha)
    if n <= MIN_PAIRS:
        return 0, n - 1, np.inf
    t, start, end, length, squares = _ramps(n)
    sums = np.zeros((4, n + 1))
    np.cumsum([np.square(alpha), np.square(1.0 - alpha), alpha, t * alpha], axis=1, out=sums[:, 1:])
    below, above, line, slope = sums
    # Between both, the sum of ((t - start) / length - alpha)^2, by its three parts.
    crossed = slope[end] - slope[start + 1] - start * (line[end] - line[start + 1])
    between = squares - 2.0 * crossed / length + below[end] - below[start + 1]
    errors = (below[start + 1] + between + above[n] - above[end]) / n
    k = int(errors.argmin())
    return int(start[k]), int(end[k]), float(np.sqrt(max(errors[k], 0.0)))
