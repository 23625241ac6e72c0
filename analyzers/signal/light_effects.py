"""Flashes and strobes from the brightness of each frame.

A flash is a narrow peak of brightness: what the morphological top-hat transform (Serra 1982) leaves when all peaks
longer than a flash are taken for steady light. A strobe is counted as in WCAG 2.2, guideline 2.3: a flash is a pair of
opposing changes in relative luminance of 10 % or more where the darker state is below 0.80; more than three within one
second may cause seizures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analyzers.signal.effect_findings import Evidence, Finding, unit
from analyzers.signal.spans import runs
from media.types import Float64Array

STROBE_CHANGE, STROBE_DARK = 0.10, 0.80
"""WCAG 2.2: smallest change of relative luminance, and largest luminance of the darker state."""

WIDE_SHARE = 0.7
"""Share of the picture (of what is not white already) that a flash brightens; a lamp or an object brightens less."""

PIXEL_RISE, SATURATED = 8.0, 220.0
"""Levels by which a pixel has to rise to count as brightened, and level from which on it cannot."""

SAME, PLAIN_LEVELS = 0.5, 12.0
"""A flashed picture still correlates with its neighbours this much, or is plain white: else it is another shot."""

TAIL_SHARE = 0.3
"""A flash lasts while its brightness is above this share of its peak."""


@dataclass(frozen=True)
class FlashSettings:
    """Thresholds; ``VisualEffectsConfig`` says where each comes from.

    Attributes:
        max_s: Longest flash.
        rise: Smallest rise of mean luma, in levels.
        strobe_flashes: More flashes than this within one second are a strobe.
    """

    max_s: float
    rise: float
    strobe_flashes: int


def flashes(thumbs: npt.NDArray[np.uint8], pts_s: Float64Array, settings: FlashSettings) -> list[Finding]:
    """Bright flashes and black blinks.

    Args:
        thumbs: uint8 (N, h, w, 3), Y'CbCr.
        pts_s: float64 (N,).
        settings: Thresholds.
    """
    luma = thumbs[..., 0].astype(np.float64)
    mean = luma.mean(axis=(1, 2))
    period_s = float(np.median(np.diff(pts_s)))
    width = max(2, round(settings.max_s / period_s) + 1)
    out: list[Finding] = []
    for kind, sign in (("flash", 1.0), ("black_flash", -1.0)):
        signed = sign * mean
        peak = signed - _opening(signed, width)
        for start, end in runs(peak >= settings.rise):
            top = start + int(peak[start:end].argmax())
            while start > 0 and peak[start - 1] >= TAIL_SHARE * peak[top]:
                start -= 1
            while end < len(peak) and peak[end] >= TAIL_SHARE * peak[top]:
                end += 1
            if start == 0 or end == len(peak) or (out and out[-1].kind == kind and start < out[-1].end):
                continue
            share = _brightened(luma, start, top, end, sign)
            if share < WIDE_SHARE or not _is_washed(luma, start, top, end):
                continue
            room = 255.0 - mean[[start - 1, end]].max() if sign > 0 else mean[[start - 1, end]].min()
            evidence = (
                Evidence("rise_levels" if sign > 0 else "fall_levels", float(peak[top]), settings.rise),
                Evidence("brightened_share" if sign > 0 else "darkened_share", share, WIDE_SHARE),
            )
            out.append(Finding(kind, start, end, unit(float(peak[top]) / max(room, 1.0)), evidence))
    return sorted(out, key=lambda f: f.start)


def _opening(values: Float64Array, width: int) -> Float64Array:
    """Morphological opening: peaks of fewer than ``width`` frames are cut off."""
    padded = np.concatenate([np.full(width - 1, values[0]), values, np.full(width - 1, values[-1])])
    lowest = np.lib.stride_tricks.sliding_window_view(padded, width).min(axis=1)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(lowest, width).max(axis=1), np.float64)


def _brightened(luma: Float64Array, start: int, top: int, end: int, sign: float) -> float:
    """Share of the pixels that could change whose light changed."""
    around = np.maximum(sign * luma[start - 1], sign * luma[end])
    can = around < SATURATED if sign > 0 else around < -(255.0 - SATURATED)
    return float((sign * luma[top] - around >= PIXEL_RISE)[can].mean()) if can.any() else 0.0


def _is_washed(luma: Float64Array, start: int, top: int, end: int) -> bool:
    shown = luma[top] - luma[top].mean()
    if shown.std() <= PLAIN_LEVELS:
        return True
    for other in (luma[start - 1], luma[end]):
        away = other - other.mean()
        if float((shown * away).mean()) > SAME * shown.std() * away.std():
            return True
    return False


def strobes(thumbs: npt.NDArray[np.uint8], pts_s: Float64Array, settings: FlashSettings) -> list[Finding]:
    """Stretches with more than the allowed number of flashes within one second."""
    light = np.power(thumbs[..., 0] / 255.0, 2.2).mean(axis=(1, 2))
    swings = _swings(light)
    found: list[tuple[int, int, float]] = []
    need = 2 * settings.strobe_flashes + 1
    for k in range(len(swings) - need + 1):
        first, last = swings[k][0], swings[k + need - 1][1]
        if pts_s[last] - pts_s[first] <= 1.0:
            size = min(swings[j][2] for j in range(k, k + need))
            if found and first <= found[-1][1]:
                found[-1] = (found[-1][0], last, max(found[-1][2], size))
            else:
                found.append((first, last, size))
    out: list[Finding] = []
    for first, last, size in found:
        inside = sum(1 for a, b, _ in swings if a >= first and b <= last)
        seconds = max(float(pts_s[last] - pts_s[first]), 1e-3)
        evidence = (
            Evidence("flashes_per_s", inside / 2 / max(seconds, 1.0), float(settings.strobe_flashes)),
            Evidence("luminance_change", size, STROBE_CHANGE),
        )
        end = _end_of_flash(light, pts_s, last, settings.max_s)
        # The same, seen from the other end.
        start = len(light) - _end_of_flash(light[::-1], -pts_s[::-1], len(light) - 1 - first, settings.max_s)
        out.append(Finding("strobe", start, end, unit(size / 0.5), evidence))
    return out


def _end_of_flash(light: Float64Array, pts_s: Float64Array, last: int, max_s: float) -> int:
    """First frame after the last flash, whether ``last`` lies in it or in the steady light behind it."""
    alike = np.abs(light - light[last]) < STROBE_CHANGE
    behind = np.flatnonzero(~alike[last:])
    if len(behind) and pts_s[last + behind[0]] - pts_s[last] <= max_s:
        return last + int(behind[0])
    return int(np.flatnonzero(~alike[:last])[-1]) + 1


def _swings(light: Float64Array) -> list[tuple[int, int, float]]:
    """(from, to, size) of the alternating changes of at least ``STROBE_CHANGE``, in order."""
    out: list[tuple[int, int, float]] = []
    anchor = best = 0
    direction = 0
    for i in range(1, len(light)):
        if direction == 0:
            if abs(light[i] - light[anchor]) >= STROBE_CHANGE:
                direction, best = (1 if light[i] > light[anchor] else -1), i
        elif direction * (light[i] - light[best]) > 0:
            best = i
        elif direction * (light[best] - light[i]) >= STROBE_CHANGE:
            _add_swing(out, light, anchor, best)
            anchor, best, direction = best, i, -direction
    if direction != 0:
        _add_swing(out, light, anchor, best)
    return out


def _add_swing(out: list[tuple[int, int, float]], light: Float64Array, a: int, b: int) -> None:
    if min(light[a], light[b]) < STROBE_DARK:
        out.append((a, b, abs(float(light[b] - light[a]))))
