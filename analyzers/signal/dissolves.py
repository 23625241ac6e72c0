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

import numpy as np

from analyzers.signal.hard_cuts import correlation
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
    small = _pooled(thumbs)
    flat = small.reshape(len(small), -1)
    closed = np.zeros(len(small) + 1, np.int64)
    for start, end in barred:
        closed[start:end] = 1
    closed_before = np.concatenate([[0], np.cumsum(closed)])
    candidates: list[tuple[float, int, int]] = []
    length = max(float(MIN_PAIRS), settings.min_s / period_s)
    while length <= min(settings.max_s / period_s, len(small) - 1):
        span = round(length)
        starts = np.arange(0, len(small) - span, max(1, span // STRIDE_SHARE))
        starts = starts[closed_before[starts + span + 1] == closed_before[starts + 1]]
        candidates.extend(_candidates(flat, starts, span, settings))
        length *= GROWTH
    out: list[Dissolve] = []
    for _, start, span in sorted(candidates, reverse=True):
        if any(start < other.end and start + span > other.start for other in out):
            continue
        dissolve = _refined(small, closed, start, span, settings)
        if dissolve is not None and all(dissolve.start >= o.end or dissolve.end <= o.start for o in out):
            out.append(dissolve)
    return sorted(out, key=lambda d: d.start)


def _pooled(thumbs: Float32Array) -> Float32Array:
    n, height, width, channels = thumbs.shape
    rows, columns = height // POOL_PX, width // POOL_PX
    if not rows or not columns:
        return thumbs
    part = thumbs[:, : rows * POOL_PX, : columns * POOL_PX]
    lines = part.reshape(n, rows, POOL_PX, columns * POOL_PX * channels).sum(axis=2)
    return np.asarray(lines.reshape(n, rows, columns, POOL_PX, channels).sum(axis=3) / POOL_PX**2, np.float32)


def _candidates(
    flat: Float32Array, starts: Int64Array, span: int, settings: DissolveSettings
) -> Iterator[tuple[float, int, int]]:
    """(rank, start, span) of the stretches whose frames lie on the line and rise evenly."""
    middle = span // 2
    steps = np.unique(np.round(np.linspace(0, span, SAMPLES + 2)[1:-1]).astype(np.int64))
    for batch in np.array_split(starts, max(1, -(-len(starts) // BATCH))):
        way = flat[batch + span] - flat[batch]
        distance = np.sqrt(np.mean(np.square(way), axis=1))
        far = distance >= settings.min_distance
        first, way, distance = batch[far], way[far], distance[far]
        between = flat[first[:, None] + steps] - flat[first][:, None]
        alpha = np.einsum("ksf,kf->ks", between, way) / np.square(way).sum(axis=1)[:, None]
        rest = np.sqrt(np.mean(np.square(between - alpha[..., None] * way[:, None]), axis=2)) / distance[:, None]
        off = np.abs(alpha - steps / span).max(axis=1)
        typical = np.median(rest, axis=1)
        fits = np.flatnonzero((typical <= settings.residual) & (off <= UNEVEN))
        dips = _dips(flat, first[fits], middle, span)
        for k in fits[(dips >= DIP_RANGE[0] / 2) & (dips <= DIP_RANGE[1] * 2)]:
            yield float(distance[k] * (1.0 - typical[k]) * (1.0 - off[k])), int(first[k]), span


def _dips(flat: Float32Array, first: Int64Array, middle: int, span: int) -> Float64Array:
    """Measured over expected fall of contrast at one frame of each candidate; coarse, to spare the close look."""
    a, m, b = (flat[first + k] - flat[first + k].mean(axis=1, keepdims=True) for k in (0, middle, span))
    share = middle / span
    variances = [np.einsum("kf,kf->k", x, x, dtype=np.float64) for x in (a, b)]
    steady = (1 - share) * variances[0] + share * variances[1]
    mixed = (1 - share) * a + share * b
    expected = steady - np.einsum("kf,kf->k", mixed, mixed, dtype=np.float64)
    measured = steady - np.einsum("kf,kf->k", m, m, dtype=np.float64)
    return np.asarray(measured / np.maximum(expected, flat.shape[1]), np.float64)


def _refined(
    small: Float32Array, closed: Int64Array, start: int, span: int, settings: DissolveSettings
) -> Dissolve | None:
    """The dissolve around a candidate with its exact ends, or None where a look at what is around refutes it."""
    pad = max(3, span // 2)
    low, high = _reach(closed, start, -pad), _reach(closed, start + span, pad)
    frames = small[low : high + 1].reshape(high + 1 - low, -1)
    way = frames[-1] - frames[0]
    length = float(np.sum(way * way))
    if length <= 0.0:
        return None
    alpha = (frames - frames[0]) @ way / length
    ramp_start, ramp_end, error = _ramp(alpha.astype(np.float64))
    if error > FIT_ERROR or ramp_end - ramp_start < MIN_PAIRS:
        return None
    first, last = frames[ramp_start], frames[ramp_end]
    distance = float(np.sqrt(np.mean(np.square(last - first))))
    likeness = correlation(small[low + ramp_start], small[low + ramp_end])
    if distance < settings.min_distance or likeness > settings.likeness:
        return None
    inner = frames[ramp_start + 1 : ramp_end]
    way = last - first
    share = (inner - first) @ way / float(np.sum(way * way))
    off_line = inner - first - share[:, None] * way
    rest = np.sqrt(np.mean(np.square(off_line), axis=1)) / distance
    residual = float(np.median(rest))
    if residual > settings.residual:
        return None
    shown = small[low + ramp_start : low + ramp_end + 1]
    if not (_is_wide(shown[0], shown[-1]) and DIP_RANGE[0] <= _dip(shown) <= DIP_RANGE[1]):
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


def _dip(shown: Float32Array) -> float:
    """Measured over expected fall of contrast in the middle half of the stretch."""

    def variance(picture: Float32Array) -> float:
        return float(np.square(picture - picture.mean(axis=(0, 1))).sum(axis=-1).mean())

    first, last = shown[0], shown[-1]
    ends = variance(first), variance(last)
    falls: list[float] = []
    for i in range(1, len(shown) - 1):
        a = i / (len(shown) - 1)
        if 0.25 <= a <= 0.75:
            steady = (1 - a) * ends[0] + a * ends[1]
            mixed = variance((1 - a) * first + a * last)
            falls.append((steady - variance(shown[i])) / max(steady - mixed, 1.0))
    return float(np.median(falls)) if falls else 0.0


def _reach(closed: Int64Array, frame: int, by: int) -> int:
    """The frame ``by`` frames away, or the last one before a barred span or the clip's end."""
    step = 1 if by > 0 else -1
    for _ in range(abs(by)):
        following = frame + step
        if not 0 <= following < len(closed) - 1 or closed[following]:
            break
        frame = following
    return frame


def _ramp(alpha: Float64Array) -> tuple[int, int, float]:
    """Last frame at 0, first frame at 1 and root mean square error of the ramp that fits best."""
    n = len(alpha)
    if n <= MIN_PAIRS:
        return 0, n - 1, np.inf
    t = np.arange(n, dtype=np.float64)
    below, above, line, slope = (
        np.concatenate([[0.0], np.cumsum(v)]) for v in (np.square(alpha), np.square(1.0 - alpha), alpha, t * alpha)
    )
    start, end = np.triu_indices(n, MIN_PAIRS)
    length = (end - start).astype(np.float64)
    # Between both, the sum of ((t - start) / length - alpha)^2, by its three parts.
    squares = (length - 1.0) * (2.0 * length - 1.0) / (6.0 * length)
    crossed = slope[end] - slope[start + 1] - start * (line[end] - line[start + 1])
    between = squares - 2.0 * crossed / length + below[end] - below[start + 1]
    errors = (below[start + 1] + between + above[n] - above[end]) / n
    k = int(errors.argmin())
    return int(start[k]), int(end[k]), float(np.sqrt(max(errors[k], 0.0)))
