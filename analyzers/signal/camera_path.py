"""The camera's motion over a clip, and its parting into stretches of one kind.

Film grammar's own terms (Thompson and Bowen, "Grammar of the Shot"; Bordwell and Thompson, "Film Art"). All speeds are
compared in one unit: root-mean-square displacement of the picture's points, in units of sqrt(width * height), per
second. The kinds themselves are in ``camera_moves.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

Kind = Literal[
    "static",
    "pan_left",
    "pan_right",
    "tilt_up",
    "tilt_down",
    "zoom_in",
    "zoom_out",
    "roll",
    "whip_pan",
    "handheld",
    "unknown",
]
"""Motion of the camera, not of the picture's content."""

Reason = Literal["low_texture", "no_match", "ambiguous", "not_observed"]

STATUS_CODES: tuple[str, ...] = ("ok", "low_texture", "no_match", "ambiguous", "leaning")

KINDS: tuple[tuple[Kind, Kind], ...] = (
    ("pan_left", "pan_right"),
    ("tilt_down", "tilt_up"),
    ("zoom_out", "zoom_in"),
    ("roll", "roll"),
)
"""For each of the four motions: its name where negative and where positive."""

_JUMP_SPEED = 0.3
_JUMP_RATIO = 5.0
_SETTLE_S = 0.4
_SETTLE_SHARE = 0.5
_SMEAR = 1.2
"""Rise of the streak (natural logarithm of a ratio of energies) that shows a picture smeared to one side."""
_LONGEST_SMEAR_S = 0.6


@dataclass(frozen=True)
class PathSettings:
    """Thresholds. Speeds in picture units per second, displacements in picture units.

    Attributes:
        still_speed: Slower motion is rest.
        min_move_s: A move lasts at least so long.
        min_move: A move gets at least so far.
        slow_move_s: A move that gets less far must last so long and be steady.
        slow_move: How far such a move must get.
        whip_speed: From this peak speed, in widths or heights per second, a pan or tilt is a whip.
        shake_speed: Root mean square speed above which a camera that goes nowhere is handheld.
        bridge_s: Longest stretch without a measurement that is filled from its neighbours.
        bridge_still_s: The same for stretches where only part of the picture moves, between two at rest.
    """

    still_speed: float = 0.006
    min_move_s: float = 0.3
    min_move: float = 0.04
    slow_move_s: float = 1.0
    slow_move: float = 0.012
    whip_speed: float = 1.5
    shake_speed: float = 0.02
    bridge_s: float = 0.25
    bridge_still_s: float = 1.5


@dataclass(frozen=True)
class Path:
    """The camera's motion over time, pair of frames by pair.

    Attributes:
        start_s, end_s: (N,) times of the two frames of each pair.
        motion: (N, 4): pan in widths, tilt in heights, zoom as natural logarithm, roll in degrees.
        status: (N,) index into ``STATUS_CODES``.
        match: (N,) share of the picture that the motion explains.
        streak: (N,) of each pair's second frame: natural logarithm of vertical over horizontal gradient energy.
        width, height: Of the picture, in any unit.
    """

    start_s: Doubles
    end_s: Doubles
    motion: Doubles
    status: npt.NDArray[np.int8]
    match: Doubles
    streak: Doubles
    width: float
    height: float

    def part(self, first: int, stop: int) -> Path:
        """Pairs ``first..stop - 1``."""
        return replace(
            self,
            start_s=self.start_s[first:stop],
            end_s=self.end_s[first:stop],
            motion=self.motion[first:stop],
            status=self.status[first:stop],
            match=self.match[first:stop],
            streak=self.streak[first:stop],
        )

    @property
    def scale(self) -> Doubles:
        """(4,): picture units per width, per height, per natural logarithm of zoom, per degree."""
        unit = float(np.sqrt(self.width * self.height))
        radius = float(np.sqrt((self.width**2 + self.height**2) / 12.0))
        return np.array([self.width, self.height, radius, np.radians(radius)], dtype=np.float64) / unit

    def speeds(self) -> Doubles:
        """(N, 4): the four motions in picture units per second."""
        seconds = np.maximum(self.end_s - self.start_s, 1e-6)
        scaled: Doubles = self.motion * self.scale / seconds[:, None]
        return scaled


@dataclass(frozen=True)
class Stretch:
    """A span of one kind.

    Attributes:
        kind: What the camera does.
        start_s, end_s: The span.
        rates: (4,) pan widths, tilt heights, log zoom, roll degrees, each per second; None where not measured.
        shares: (4,) the same in picture units per second, for comparison with each other.
        shake: Root mean square of the speed against the span's own smooth motion; None where not measured.
        match: Mean share of the picture that the motion explains; None where not measured.
        reason: Why the kind is unknown.
    """

    kind: Kind
    start_s: float
    end_s: float
    rates: Doubles | None = None
    shares: Doubles | None = None
    shake: float | None = None
    match: float | None = None
    reason: Reason | None = None

    def also(self, share: float) -> tuple[Kind, ...]:
        """Other motions of at least ``share`` of the main one, strongest first; none but in moves."""
        if self.shares is None or self.kind in ("static", "handheld", "unknown"):
            return ()
        size = np.abs(self.shares)
        main = int(size.argmax())
        order = [int(i) for i in np.argsort(-size) if i != main and size[i] >= share * size[main]]
        return tuple(KINDS[i][bool(self.shares[i] > 0)] for i in order)


@dataclass(frozen=True)
class Piece:
    """Part of one shot: measured throughout, or not at all.

    Attributes:
        path: Its pairs.
        speeds: (N, 4) in picture units per second, gaps filled.
        start_s, end_s: Its span; the shot's own ends where it touches them.
        known: Whether it is measured.
    """

    path: Path
    speeds: Doubles
    start_s: float
    end_s: float
    known: bool

    def unknown(self) -> Stretch:
        """The stretch of a piece that is not measured, with the reason."""
        codes = self.path.status
        if not len(codes):
            return Stretch("unknown", self.start_s, self.end_s, reason="not_observed")
        reasons: tuple[Reason, ...] = ("not_observed", "low_texture", "no_match", "ambiguous")
        reason = reasons[int(np.bincount(codes[codes > 0], minlength=1).argmax())]
        return Stretch("unknown", self.start_s, self.end_s, reason=reason)


@dataclass(frozen=True)
class _Edge:
    """Between two shots.

    Attributes:
        stop: Pairs before this number belong to the shot before.
        following: The next shot's first pair.
        end_s, start_s: End of the shot before and start of the next.
    """

    stop: int
    following: int
    end_s: float
    start_s: float


def pieces(path: Path, cuts_s: Sequence[float] | None, end_s: float, settings: PathSettings) -> list[Piece]:
    """Parts of the shots in order, without gaps from the first frame to the last.

    Args:
        path: At least one pair, settled.
        cuts_s: Times of the cuts where another analysis knows them; None to take frames without a match as cuts.
        end_s: End of the video.
        settings: Thresholds.
    """
    speeds = path.speeds()
    path = replace(path, status=_without_jumps(path.status, speeds))
    lead = max(0.5, 1.5 * float(np.median(path.end_s - path.start_s)))
    first, start = 0, float(path.start_s[0])
    start = 0.0 if start <= lead else start
    end = float(path.end_s[-1])
    end = max(end, end_s) if end_s - end <= lead else end
    found: list[Piece] = []
    for edge in [*_edges(path, cuts_s), _Edge(len(path.status), 0, end, end)]:
        if edge.end_s > start:
            part = slice(first, edge.stop)
            found += _parts(path.part(first, edge.stop), speeds[part].copy(), start, edge.end_s, settings)
        if edge.start_s > edge.end_s:
            found.append(Piece(path.part(0, 0), speeds[:0], edge.end_s, edge.start_s, False))
        first, start = edge.following, edge.start_s
    return found


def settled(path: Path) -> Path:
    """Decides the pairs that lean to rest: they move where sure pairs just before and after move alike, else rest."""
    leaning = path.status == STATUS_CODES.index("leaning")
    if not leaning.any():
        return path
    speeds = path.speeds()
    sure = np.flatnonzero(path.status == 0)
    motion = path.motion.copy()
    for i in np.flatnonzero(leaning).tolist():
        k = int(np.searchsorted(sure, i))
        near = [int(n) for n in (*sure[max(0, k - 1) : k], *sure[k : k + 1])]
        close = [n for n in near if max(path.start_s[i] - path.end_s[n], path.start_s[n] - path.end_s[i]) <= _SETTLE_S]
        size = float(np.linalg.norm(speeds[i]))
        alike = [float(np.linalg.norm(speeds[n] - speeds[i])) <= _SETTLE_SHARE * size for n in close]
        if len(alike) < 2 or not all(alike):
            motion[i] = 0.0
    return replace(path, motion=motion, status=np.where(leaning, np.int8(0), path.status))


def runs(flags: Bools) -> list[tuple[int, int]]:
    """Runs of equal flags as (first, last), inclusive."""
    if not len(flags):
        return []
    changes = (np.flatnonzero(np.diff(flags.astype(np.int8))) + 1).tolist()
    return list(zip([0, *changes], [*(c - 1 for c in changes), len(flags) - 1], strict=True))


def is_smeared(before: Piece | None, lost: Piece, after: Piece | None) -> bool:
    """Whether frames without a match are smeared to one side against those around them: a whip too fast to follow.

    A cut has no such frames between its shots.
    """
    sides = [piece.path.streak for piece in (before, after) if piece is not None and piece.known]
    if len(sides) < 2 or not len(lost.path.streak) or lost.end_s - lost.start_s > _LONGEST_SMEAR_S:
        return False
    # The frame after the last lost pair is already the next shot's.
    usual = [float(np.median(side)) for side in sides]
    lost_streaks = lost.path.streak[:-1]
    return bool(len(lost_streaks)) and bool(
        lost_streaks.max() > max(usual) + _SMEAR or lost_streaks.min() < min(usual) - _SMEAR
    )


def _without_jumps(status: npt.NDArray[np.int8], speeds: Doubles) -> npt.NDArray[np.int8]:
    """Marks as ``no_match`` what moves for one pair only, five times as fast as before and after: a jump cut.

    No camera starts and stops within a tenth of a second.
    """
    size = np.where(status == 0, np.linalg.norm(speeds, axis=1), 0.0)
    around = np.concatenate([[np.inf], size, [np.inf]])
    alone = (size > _JUMP_SPEED) & (size > _JUMP_RATIO * np.maximum(around[:-2], around[2:]))
    return np.where(alone, np.int8(STATUS_CODES.index("no_match")), status)


def _edges(path: Path, cuts_s: Sequence[float] | None) -> list[_Edge]:
    """Cuts and gaps, in order. A pair over a cut belongs to neither shot: its motion is no camera's."""
    edges: dict[int, _Edge] = {}
    for i in (np.flatnonzero(path.start_s[1:] > path.end_s[:-1] + 1e-6) + 1).tolist():
        edges[i] = _Edge(i, i, float(path.end_s[i - 1]), float(path.start_s[i]))
    if cuts_s is None:
        lost = np.concatenate([[False], path.status == STATUS_CODES.index("no_match"), [False]])
        for i in np.flatnonzero(lost[1:-1] & ~lost[:-2] & ~lost[2:]).tolist():
            if i + 1 < len(path.status):
                edges[i] = _Edge(i, i + 1, float(path.end_s[i]), float(path.end_s[i]))
        return sorted(edges.values(), key=lambda edge: edge.stop)
    for cut in cuts_s:
        if path.start_s[0] < cut < path.end_s[-1]:
            i = int(np.searchsorted(path.end_s, cut - 1e-6))
            crosses = bool(path.start_s[i] < cut - 1e-6)
            if crosses or i not in edges:
                edges[i] = _Edge(i, i + 1 if crosses else i, cut, cut)
    return sorted(edges.values(), key=lambda edge: edge.stop)


def _parts(path: Path, speeds: Doubles, start_s: float, end_s: float, settings: PathSettings) -> list[Piece]:
    """Pieces of one shot, tiling ``[start_s, end_s)``."""
    good = path.status == 0
    if not len(good):
        return [Piece(path, speeds, start_s, end_s, False)]
    _bridge(path, speeds, good, settings)
    spans = runs(good)
    found: list[Piece] = []
    for number, (a, b) in enumerate(spans):
        begin = start_s if number == 0 else float(path.start_s[a])
        finish = end_s if number == len(spans) - 1 else float(path.end_s[b])
        found.append(Piece(path.part(a, b + 1), speeds[a : b + 1], begin, finish, bool(good[a])))
    return found


def _bridge(path: Path, speeds: Doubles, good: Bools, settings: PathSettings) -> None:
    """Fills short stretches without a measurement from their neighbours, in place."""
    still = np.linalg.norm(speeds, axis=1) < settings.still_speed
    ambiguous = STATUS_CODES.index("ambiguous")
    for a, b in runs(good):
        sides = [i for i in (a - 1, b + 1) if 0 <= i < len(good)]
        if good[a] or not sides:
            continue
        lasts = float(path.end_s[b] - path.start_s[a])
        near = speeds[sides]
        rests = bool(still[sides].all()) and bool((path.status[a : b + 1] == ambiguous).all())
        apart = float(np.linalg.norm(near[0] - near[-1]))
        alike = len(sides) == 2 and apart <= max(0.5 * float(np.linalg.norm(near, axis=1).max()), settings.shake_speed)
        if (rests and lasts <= settings.bridge_still_s) or (alike and lasts <= settings.bridge_s):
            speeds[a : b + 1] = 0.0 if rests else near.mean(axis=0)
            good[a : b + 1] = True
