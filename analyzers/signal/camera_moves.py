"""What the camera does in a measured piece of a shot: moves, and between them static or handheld.

A move is a stretch of motion in one direction that lasts and gets somewhere. Units as in ``camera_path.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from analyzers.signal.camera_path import (
    KINDS,
    Doubles,
    Kind,
    Path,
    PathSettings,
    Piece,
    Stretch,
    is_smeared,
    pieces,
    runs,
)

Indices = npt.NDArray[np.int64]

_MIN_REST_S = 0.2
"""A shorter rest beside a move belongs to the move."""
_WHIP_DISTANCE = 0.25
_CLEAR_MOVE = 0.2
"""A move that gets so far is one, however much the camera sways besides."""
_SWAY_S = 2.0
_SWAYS = 3
_ABOVE_SWAY = 2.5
"""Among at least three sways within two seconds, a small move must get this much farther than they."""
_TURN_COSINE = 0.5
"""A run ends where the motion turns by more than 60 degrees."""
_SHAKE_WINDOW_S = 1.0
_MIN_SHAKE_S = 0.5
"""Shorter changes between static and handheld are not reported."""


def stretches(path: Path, cuts_s: Sequence[float] | None, end_s: float, settings: PathSettings) -> list[Stretch]:
    """Stretches of one kind, in order, without gaps; arguments as in ``camera_path.pieces``."""
    parts = pieces(path, cuts_s, end_s, settings)
    found: list[Stretch] = []
    for i, part in enumerate(parts):
        if part.known:
            found += _segment(part, settings)
        elif is_smeared(parts[i - 1] if i else None, part, parts[i + 1] if i + 1 < len(parts) else None):
            found.append(Stretch("whip_pan", part.start_s, part.end_s))
        else:
            found.append(part.unknown())
    return _merge_unknown(found, cuts_s or ())


@dataclass(frozen=True)
class _Run:
    """Pairs ``first..last`` (inclusive) in one direction.

    Attributes:
        total: (4,) displacement in picture units.
        whip: Whether it reaches the speed of a whip.
        start_s, end_s: Its ends, found within the pairs.
    """

    first: int
    last: int
    total: Doubles
    whip: bool
    start_s: float = 0.0
    end_s: float = 0.0

    @property
    def distance(self) -> float:
        return float(np.linalg.norm(self.total))

    @property
    def kind(self) -> Kind:
        return _name(self.total, self.whip)


def _segment(piece: Piece, settings: PathSettings) -> list[Stretch]:
    """Stretches of a measured piece."""
    moves = _join(_moves(piece, settings))
    found: list[Stretch] = []
    at, next_pair = piece.start_s, 0
    for number, move in enumerate(moves):
        start = max(move.start_s, at)
        if number == 0 and start - at < _MIN_REST_S:
            start = at
        if start > at:
            found += _rest(piece, next_pair, move.first - 1, at, start, settings)
        end = min(move.end_s, piece.end_s)
        if number == len(moves) - 1 and piece.end_s - end < _MIN_REST_S:
            end = piece.end_s
        end = max(end, start + 1e-3)
        found.append(_move(piece, move, start, end))
        at, next_pair = end, move.last + 1
    if piece.end_s - at > 1e-6:
        found += _rest(piece, next_pair, len(piece.speeds) - 1, at, piece.end_s, settings)
    return found


def _moves(piece: Piece, settings: PathSettings) -> list[_Run]:
    """The runs that count as moves, in order: first the plain ones, then slow ones in what is left."""
    smooth = _median3(piece.speeds)
    candidates = _grow(piece, smooth, 0, len(smooth), settings)
    moves = [_ends(piece, run) for run in candidates if _counts(piece, run, candidates, settings)]
    mean = _mean(piece)
    at = 0
    slow: list[_Run] = []
    for stop, following in [*((m.first, m.last + 1) for m in moves), (len(smooth), 0)]:
        found = [_trimmed(piece, run) for run in _grow(piece, mean, at, stop, settings)]
        slow += [_ends(piece, run) for run in found if _creeps(piece, run, settings)]
        at = following
    return sorted([*moves, *slow], key=lambda run: run.first)


def _grow(piece: Piece, smooth: Doubles, first: int, stop: int, settings: PathSettings) -> list[_Run]:
    """Runs of pairs ``first..stop - 1`` that move in one direction."""
    size = np.linalg.norm(smooth, axis=1)
    seconds = piece.path.end_s - piece.path.start_s
    found: list[_Run] = []
    i = first
    while i < stop:
        if size[i] < settings.still_speed:
            i += 1
            continue
        mean, j = smooth[i] * seconds[i], i
        while j + 1 < stop and size[j + 1] >= settings.still_speed:
            if mean @ smooth[j + 1] < _TURN_COSINE * np.linalg.norm(mean) * size[j + 1]:
                break
            j += 1
            mean = mean + smooth[j] * seconds[j]
        total = (piece.speeds[i : j + 1] * seconds[i : j + 1, None]).sum(axis=0)
        per_side = np.abs(smooth[i : j + 1, :2] / piece.path.scale[:2]).max()
        found.append(_Run(i, j, total, bool(per_side >= settings.whip_speed)))
        i = j + 1
    return found


def _trimmed(piece: Piece, run: _Run) -> _Run:
    """The run without the still pairs at its ends, which a mean over a second draws in."""
    along = piece.speeds @ (run.total / max(run.distance, 1e-9))
    own = along[run.first : run.last + 1]
    moving = np.flatnonzero(own > 0.3 * max(float(own.mean()), 1e-9))
    if not len(moving):
        return run
    return replace(run, first=run.first + int(moving[0]), last=run.first + int(moving[-1]))


def _creeps(piece: Piece, run: _Run, settings: PathSettings) -> bool:
    """Whether a run is a slow move: long, far enough, and not merely the drift of an unsteady hand."""
    part = slice(run.first, run.last + 1)
    lasts = float(piece.path.end_s[run.last] - piece.path.start_s[run.first])
    if lasts < settings.slow_move_s or run.distance < settings.slow_move:
        return False
    drift = run.total / lasts
    unsteady = float(np.sqrt(((piece.speeds[part] - drift) ** 2).sum(axis=1).mean()))
    return unsteady <= float(np.linalg.norm(drift))


def _mean(piece: Piece) -> Doubles:
    """Mean speed within one second of each pair."""
    middle = 0.5 * (piece.path.start_s + piece.path.end_s)
    sums = np.concatenate([np.zeros((1, 4)), np.cumsum(piece.speeds, axis=0)])
    low = np.searchsorted(middle, middle - 0.5 * _SHAKE_WINDOW_S, side="left")
    high = np.searchsorted(middle, middle + 0.5 * _SHAKE_WINDOW_S, side="right")
    return np.asarray((sums[high] - sums[low]) / (high - low)[:, None])


def _counts(piece: Piece, run: _Run, others: list[_Run], settings: PathSettings) -> bool:
    """Whether a run is a move and not a wobble."""
    path = piece.path
    start, end = path.start_s[run.first], path.end_s[run.last]
    if run.whip and run.last > run.first and run.distance >= _WHIP_DISTANCE:
        return True
    if end - start < settings.min_move_s:
        return False
    if run.distance < settings.min_move:
        return _creeps(piece, run, settings)
    if run.distance >= _CLEAR_MOVE:
        return True
    near = [
        other.distance
        for other in others
        if other is not run and path.start_s[other.first] < end + _SWAY_S and path.end_s[other.last] > start - _SWAY_S
    ]
    return len(near) < _SWAYS or run.distance >= _ABOVE_SWAY * float(np.median(near))


def _ends(piece: Piece, run: _Run) -> _Run:
    """Ends of the run within the pairs: a pair with a third of the run's speed moved for a third of its time."""
    path = piece.path
    along = piece.speeds @ (run.total / max(run.distance, 1e-9))
    typical = float(np.median(along[run.first : run.last + 1]))
    share = np.clip(along / max(typical, 1e-9), 0.0, 1.0)
    seconds = path.end_s - path.start_s
    start = float(path.end_s[run.first] - share[run.first] * seconds[run.first])
    end = float(path.start_s[run.last] + share[run.last] * seconds[run.last])
    if run.first > 0 and share[run.first] > 0.9 and share[run.first - 1] > 0.1:
        start = float(path.start_s[run.first] - share[run.first - 1] * seconds[run.first - 1])
    if run.last + 1 < len(share) and share[run.last] > 0.9 and share[run.last + 1] > 0.1:
        end = float(path.end_s[run.last] + share[run.last + 1] * seconds[run.last + 1])
    if end <= start:
        start, end = float(path.start_s[run.first]), float(path.end_s[run.last])
    return replace(run, start_s=start, end_s=end)


def _join(moves: list[_Run]) -> list[_Run]:
    """Joins neighbouring moves of the same kind and closes gaps too short to be a rest."""
    joined: list[_Run] = []
    for move in moves:
        last = joined[-1] if joined else None
        if last is None or move.start_s - last.end_s >= _MIN_REST_S:
            joined.append(move)
        elif last.kind == move.kind:
            joined[-1] = replace(last, last=move.last, end_s=move.end_s, total=last.total + move.total)
        else:
            middle = 0.5 * (move.start_s + last.end_s)
            joined[-1] = replace(last, end_s=middle)
            joined.append(replace(move, start_s=middle))
    return joined


def _move(piece: Piece, run: _Run, start_s: float, end_s: float) -> Stretch:
    """The stretch of a run; its rates from the pairs that lie wholly inside it."""
    path = piece.path
    pairs = np.arange(run.first, run.last + 1)
    inside = pairs[(path.start_s[pairs] >= start_s - 1e-6) & (path.end_s[pairs] <= end_s + 1e-6)]
    pairs = inside if len(inside) >= 2 else pairs
    # Smoothed, so that one pair that followed something else does not count.
    rates, shares = _rates(replace(piece, speeds=_median3(piece.speeds)), pairs)
    shake = _shake(piece, pairs)
    return Stretch(_name(shares, run.whip), start_s, end_s, rates, shares, shake, float(path.match[pairs].mean()))


def _rates(piece: Piece, pairs: Indices) -> tuple[Doubles, Doubles]:
    seconds = (piece.path.end_s - piece.path.start_s)[pairs]
    shares = (piece.speeds[pairs] * seconds[:, None]).sum(axis=0) / seconds.sum()
    return shares / piece.path.scale, shares


def _name(shares: Doubles, whip: bool) -> Kind:
    main = int(np.abs(shares).argmax())
    if whip and main < 2:
        return "whip_pan"
    return KINDS[main][bool(shares[main] > 0)]


def _rest(piece: Piece, first: int, last: int, start_s: float, end_s: float, settings: PathSettings) -> list[Stretch]:
    """Static and handheld stretches of ``[start_s, end_s)``, from the pairs ``first..last``."""
    if last < first:
        return [Stretch("static", start_s, end_s, np.zeros(4), np.zeros(4), 0.0)]
    pairs = np.arange(first, last + 1)
    path = piece.path
    spans = _shaky(piece, pairs, settings)
    found: list[Stretch] = []
    for number, (a, b, shaky) in enumerate(spans):
        begin = start_s if number == 0 else float(path.start_s[first + a])
        finish = end_s if number == len(spans) - 1 else float(path.end_s[first + b])
        part = pairs[a : b + 1]
        rates, shares = _rates(piece, part)
        shake = float(np.sqrt((piece.speeds[part] ** 2).sum(axis=1).mean()))
        match = float(path.match[part].mean())
        if finish > begin:
            found.append(Stretch("handheld" if shaky else "static", begin, finish, rates, shares, shake, match))
    return found


def _shaky(piece: Piece, pairs: Indices, settings: PathSettings) -> list[tuple[int, int, bool]]:
    """Runs of static and handheld pairs as (first, last, handheld), positions within ``pairs``."""
    path = piece.path
    size = np.linalg.norm(piece.speeds[pairs], axis=1)
    middle = 0.5 * (path.start_s + path.end_s)[pairs]
    flags = _rms(size, middle) > settings.shake_speed
    for a, b in runs(flags):
        if flags[a]:
            # The window reaches over the border by half its length: the shake begins with its first fast pair.
            fast = a + np.flatnonzero(size[a : b + 1] > 0.5 * settings.shake_speed)
            begin = fast[0] if a > 0 and len(fast) else a
            end = fast[-1] if b + 1 < len(flags) and len(fast) else b
            flags[a:begin] = False
            flags[end + 1 : b + 1] = False
    spans = runs(flags)
    while len(spans) > 1:
        lengths = [float(path.end_s[pairs[b]] - path.start_s[pairs[a]]) for a, b in spans]
        shortest = int(np.argmin(lengths))
        if lengths[shortest] >= _MIN_SHAKE_S:
            break
        a, b = spans[shortest]
        flags[a : b + 1] = ~flags[a : b + 1]
        spans = runs(flags)
    return [(a, b, bool(flags[a])) for a, b in spans]


def _rms(size: Doubles, middle: Doubles) -> Doubles:
    """Root mean square of ``size`` within one second, the highest value left out: one slip is no shake."""
    low = np.searchsorted(middle, middle - 0.5 * _SHAKE_WINDOW_S, side="left")
    high = np.searchsorted(middle, middle + 0.5 * _SHAKE_WINDOW_S, side="right")
    squares = size**2
    sums = [squares[i:j].sum() - (squares[i:j].max() if j - i > 2 else 0.0) for i, j in zip(low, high, strict=True)]
    counts = high - low - (high - low > 2)
    return np.asarray(np.sqrt(np.maximum(sums, 0.0) / np.maximum(counts, 1)))


def _shake(piece: Piece, pairs: Indices) -> float:
    """Root mean square speed of a move against its own smooth course: a straight line through each second."""
    own = piece.speeds[pairs]
    middle = 0.5 * (piece.path.start_s + piece.path.end_s)[pairs]
    residual = np.empty_like(own)
    for k, t in enumerate(middle):
        near = np.abs(middle - t) <= 0.5 * _SHAKE_WINDOW_S
        offset = middle[near] - t
        basis = np.stack([np.ones_like(offset), offset], axis=1)[:, : 1 if near.sum() < 4 else 2]
        residual[k] = own[k] - np.linalg.lstsq(basis, own[near], rcond=None)[0][0]
    return float(np.sqrt((residual**2).sum(axis=1).mean()))


def _median3(values: Doubles) -> Doubles:
    """Running median of three; keeps steps, drops single outliers."""
    if len(values) < 3:
        return values
    padded = np.concatenate([values[:1], values, values[-1:]])
    return np.asarray(np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0))


def _merge_unknown(found: list[Stretch], cuts_s: Sequence[float]) -> list[Stretch]:
    """Joins neighbouring unknown stretches of the same reason inside a shot."""
    merged: list[Stretch] = []
    for stretch in found:
        alike = merged and stretch.kind == merged[-1].kind == "unknown" and stretch.reason == merged[-1].reason
        if alike and not any(abs(cut_s - stretch.start_s) < 1e-6 for cut_s in cuts_s):
            merged[-1] = replace(merged[-1], end_s=stretch.end_s)
        else:
            merged.append(stretch)
    return merged
