"""Freezes, repeated pictures, and changes of speed inside a shot.

What a picture was shot at cannot be seen, so speed is only judged against the same shot. A freeze is motion that stops
from one frame to the next and leaves exact repeats. Pictures that are each held for the same number of frames are
slowed or of a lower rate; where the same shot also runs at full rate it was slowed. Besides, a shot whose steady
movement (a pan, a drive, a scroll) goes on in the same direction at another steady speed is called slow or fast against
the speed it has longest, and a speed ramp where the speed changes gradually. A vehicle that brakes looks the same:
the evidence holds the speeds, and movement that is not steady gives nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from analyzers.signal.effect_findings import BoolArray, Evidence, Finding, end_s, unit
from analyzers.signal.effect_measures import EffectMeasures
from analyzers.signal.spans import runs
from media.types import Float64Array

STILL_LEVELS = 0.3
"""Mean difference of luma up to which a frame repeats the one before: repeats that were coded again have less than 0.1,
a person who tries to keep still on a tripod 0.3 and more."""

STILL_BLOCK_LEVELS = 6.0
"""Largest change of any block, summed over three channels, in a frame that repeats: a blink is more."""

SHOWN_LEVELS = 8.0
"""Deviation of luma from which on a picture shows something that can freeze."""

MOVING_LEVELS = 1.5
"""Mean difference from which on there is motion that could stop."""

LIVE_LEVELS, FROZEN_SHARE = 0.6, 0.1
"""Mean difference beside a freeze from which on the picture was alive (a camera's noise alone has less), and share of
it that may be left inside."""

STOP_FRAMES = 5
"""Frames beside a freeze in which the motion is looked for; two of them must move, since one may be a change of light
or sharpness."""

REPEAT_SHARE = 0.15
"""A frame repeats the one before when it differs by less than this share of what moving frames differ by."""

EVEN_SHARE = 0.8
"""Share of the pictures in a stretch that are held for the usual number of frames, give or take one."""

LIKE_STEP = 0.5
"""A stretch at full rate shows the same motion as a slowed one when its frames differ by at least this share of what
the slowed one's pictures differ by."""

STEADY = 0.2
"""Largest deviation of speed inside a stretch, over its mean, that is steady."""

SAME_WAY = 0.9
"""Cosine of the flow of two stretches from which on they move the same way."""

MIN_SPEED = 0.1
"""Slowest movement whose speed is judged, in shorter sides per second."""

MIN_PLATEAU = 6
"""Frames that a stretch of steady speed has at least."""

SURE_FLOW = 0.5
"""Correlation after motion from which on the flow of a frame is believed."""


@dataclass(frozen=True)
class MotionSettings:
    """Thresholds; ``VisualEffectsConfig`` says where each comes from.

    Attributes:
        freeze_s: Shortest freeze.
        speed_ratio: Smallest change of speed.
        plateau_s: Shortest stretch of steady speed.
        ramp_s: Longest change from one speed to the next.
    """

    freeze_s: float
    speed_ratio: float
    plateau_s: float
    ramp_s: float


def freezes(
    measures: EffectMeasures, shots: Sequence[tuple[int, int]], fading: BoolArray, settings: MotionSettings
) -> list[Finding]:
    """Stretches of exact repeats into which motion stops, or out of which it starts, at once.

    Args:
        measures: Of the clip.
        shots: ``(start, end)`` of each shot.
        fading: bool (N,), frames of fades and dissolves, whose changes are no motion.
        settings: Thresholds.
    """
    out: list[Finding] = []
    shows = measures.thumbs[..., 0].std(axis=(1, 2)) >= SHOWN_LEVELS
    strongest = measures.change.max(axis=(1, 2)).astype(np.float64)
    for first, last in shots:
        part = slice(first + 1, last)
        moves = np.where(fading, 0.0, measures.difference)[part].astype(np.float64)
        still = (moves <= STILL_LEVELS) & (strongest[part] <= STILL_BLOCK_LEVELS) & ~fading[part]
        for start, end in runs(still & shows[part]):
            # The picture that is held came with the last moving frame.
            held = (first + start, first + 1 + end)
            if end_s(measures.pts_s, held[1]) - measures.pts_s[held[0]] < settings.freeze_s or end - start < 3:
                continue
            before, after = moves[max(0, start - STOP_FRAMES) : start], moves[end : end + STOP_FRAMES]
            motion = max((float(np.sort(side)[-2]) for side in (before, after) if len(side) > 1), default=0.0)
            inside = float(moves[start:end].mean())
            if motion < LIVE_LEVELS or inside > FROZEN_SHARE * motion or _is_softer(measures, held):
                continue
            evidence = (
                Evidence("difference_inside_levels", inside, STILL_LEVELS),
                Evidence("difference_beside_levels", motion, LIVE_LEVELS),
            )
            out.append(Finding("freeze", *held, unit(1.0 - inside / motion), evidence))
    return out


def _is_softer(measures: EffectMeasures, held: tuple[int, int]) -> bool:
    """Whether the held picture has lost its detail: what is blurred moves less, and has not stopped."""
    start, end = held
    beside = [k for k in (start - 1, end) if 0 <= k < len(measures)]
    inside = float(np.median(measures.detail[(start + end) // 2].astype(np.float64)))
    sharp = max((float(np.median(measures.detail[k].astype(np.float64))) for k in beside), default=0.0)
    return inside < SHARP_SHARE * sharp


SHARP_SHARE = 0.6
"""Share of the detail beside it that a frozen picture keeps; coding costs it some."""


def repeated_pictures(
    measures: EffectMeasures, shots: Sequence[tuple[int, int]], settings: MotionSettings
) -> list[Finding]:
    """Stretches in which every picture is held for the same number of frames, at least two."""
    out: list[Finding] = []
    for first, last in shots:
        moves = measures.difference[first:last].astype(np.float64)
        stretches = _held_stretches(moves)
        for start, end, hold in stretches:
            span = (first + start, first + end)
            step = LIKE_STEP * float(np.percentile(moves[start:end], 90))
            full = sum(b - a for a, b, other in stretches if other == 1 and float(np.median(moves[a:b])) >= step)
            seconds = end_s(measures.pts_s, span[1]) - float(measures.pts_s[span[0]])
            if hold < 2 or seconds < settings.plateau_s:
                continue
            rate = (end - start) / seconds
            full_s = full / rate
            evidence = (
                Evidence("frames_per_picture", float(hold), 2.0),
                Evidence("pictures_per_s", rate / hold),
                Evidence("full_rate_in_shot_s", full_s, settings.plateau_s),
            )
            kind = "slow_motion" if full_s >= settings.plateau_s else "repeated_frames"
            out.append(Finding(kind, *span, unit(1.0 - 1.0 / hold), evidence, detail=f"each picture {hold} frames"))
    return out


def _held_stretches(moves: Float64Array) -> list[tuple[int, int, int]]:
    """(start, end, frames per picture) of the parts of a shot that move in an even rhythm; 1 for full rate."""
    if len(moves) < 6:
        return []
    level = float(np.percentile(moves[1:], 90))
    if level < MOVING_LEVELS:
        return []
    # A new picture comes with a change that is large for its surroundings, so that slow parts are judged by themselves.
    reach = 6
    padded = np.pad(moves, reach, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(axis=1)
    new = (moves > REPEAT_SHARE * around) & (around >= MOVING_LEVELS) & (moves > STILL_LEVELS / 2)
    new[0] = True
    at = np.flatnonzero(new)
    holds = np.diff(at)
    out: list[tuple[int, int, int]] = []
    k = 0
    while k < len(holds):
        hold = int(np.median(holds[k : k + 5]))
        if hold > 6 or holds[k] > 6:
            k += 1
            continue
        j = k
        misses = 0
        while j < len(holds) and holds[j] <= 6:
            window = holds[j : j + 3]
            if abs(int(np.median(window)) - hold) > 0:
                break
            misses += abs(int(holds[j]) - hold) > 0
            j += 1
        if j > k and misses <= (1 - EVEN_SHARE) * (j - k):
            out.append((int(at[k]), int(at[j]), hold))
        k = max(j, k + 1)
    return out


def speed_changes(
    measures: EffectMeasures, shots: Sequence[tuple[int, int]], settings: MotionSettings
) -> list[Finding]:
    """Slow and fast stretches and speed ramps of shots that move steadily in one way."""
    out: list[Finding] = []
    period_s = float(np.median(np.diff(measures.pts_s)))
    width = max(MIN_PLATEAU, round(settings.plateau_s / period_s))
    for first, last in shots:
        if last - first >= 2 * width:
            out += _speeds(measures, first + 1, last, width, settings)
    return out


def _speeds(measures: EffectMeasures, first: int, last: int, width: int, settings: MotionSettings) -> list[Finding]:
    flow = measures.flow[first:last].astype(np.float64).reshape(last - first, -1)
    gaps_s = np.diff(measures.pts_s[first - 1 : last])
    sure = measures.match[first:last] >= SURE_FLOW
    plateaus = _plateaus(flow / gaps_s[:, None], sure, width)
    if len(plateaus) < 2:
        return []
    usual = max(plateaus, key=lambda p: p.end - p.start)
    out: list[Finding] = []
    for plateau in plateaus:
        ratio = plateau.speed / usual.speed
        if plateau is usual or max(ratio, 1.0 / ratio) < settings.speed_ratio or plateau.cosine(usual) < SAME_WAY:
            continue
        kind = "fast_motion" if ratio > 1.0 else "slow_motion"
        score = unit(1.0 - 1.0 / max(ratio, 1.0 / ratio))
        out.append(
            Finding(
                kind,
                first + plateau.start,
                first + plateau.end,
                score,
                _speed_evidence(plateau, usual, ratio, settings),
            )
        )
    for a, b in pairwise(plateaus):
        ratio = b.speed / a.speed
        length_s = float(gaps_s[a.end : b.start].sum())
        if (
            b.start - a.end >= 3
            and length_s <= settings.ramp_s
            and max(ratio, 1.0 / ratio) >= settings.speed_ratio
            and a.cosine(b) >= SAME_WAY
        ):
            score = unit(1.0 - 1.0 / max(ratio, 1.0 / ratio))
            detail = "faster" if ratio > 1.0 else "slower"
            out.append(
                Finding(
                    "speed_ramp",
                    first + a.end,
                    first + b.start,
                    score,
                    _speed_evidence(b, a, ratio, settings),
                    detail=detail,
                )
            )
    return out


def _speed_evidence(plateau: _Plateau, usual: _Plateau, ratio: float, settings: MotionSettings) -> tuple[Evidence, ...]:
    return (
        Evidence("speed_ratio", ratio, settings.speed_ratio if ratio > 1.0 else 1.0 / settings.speed_ratio),
        Evidence("sides_per_s", plateau.speed, MIN_SPEED),
        Evidence("compared_sides_per_s", usual.speed, MIN_SPEED),
    )


@dataclass(frozen=True, eq=False)
class _Plateau:
    start: int
    end: int
    speed: float
    way: Float64Array

    def is_like(self, other: _Plateau) -> bool:
        """Whether both are one stretch that a small unsteadiness parted."""
        return abs(self.speed - other.speed) <= STEADY * max(self.speed, other.speed) and self.cosine(other) >= SAME_WAY

    def cosine(self, other: _Plateau) -> float:
        return float(self.way @ other.way / (np.linalg.norm(self.way) * np.linalg.norm(other.way) + 1e-9))


def _plateaus(velocity: Float64Array, sure: BoolArray, width: int) -> list[_Plateau]:
    """Stretches of steady velocity, longest possible, in order.

    Velocities are averaged over a third of the window first, so that pictures held for some frames count as movement
    at their mean speed.
    """
    n, cells = velocity.shape
    smooth = max(1, width // 3)
    kernel = np.ones(smooth) / smooth
    even = np.stack([np.convolve(velocity[:, c], kernel, "same") for c in range(cells)], axis=1)
    speed = np.sqrt(np.mean(np.square(even), axis=1) * 2)
    out: list[_Plateau] = []
    start = 0
    while start + width <= n:
        end = start + width
        if not _is_steady(speed[start:end], sure[start:end]):
            start += 1
            continue
        while end < n and _is_steady(speed[start : end + 1], sure[start : end + 1]):
            end += 1
        plateau = _Plateau(start, end, float(speed[start:end].mean()), even[start:end].mean(axis=0))
        if out and start - out[-1].end <= smooth and out[-1].is_like(plateau):
            begin = out.pop().start
            plateau = _Plateau(begin, end, float(speed[begin:end].mean()), even[begin:end].mean(axis=0))
        out.append(plateau)
        start = end
    return out


def _is_steady(speed: Float64Array, sure: BoolArray) -> bool:
    mean = float(speed.mean())
    return mean >= MIN_SPEED and float(np.abs(speed - mean).max()) <= STEADY * mean and float(sure.mean()) >= 0.9
