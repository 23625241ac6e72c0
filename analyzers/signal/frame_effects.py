"""Bars, split screens and vignettes: effects that belong to the frame and not to what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analyzers.signal.effect_findings import Evidence, Finding, end_s, lasting, unit
from analyzers.signal.effect_measures import EffectMeasures
from media.types import Float64Array

MIN_PICTURE_LEVELS = 8.0
"""Deviation of the picture between the bars; below it the frame is plain and says nothing about bars."""

BAR_MATCH_LEVELS = 10.0
"""Largest difference of the colours of two opposite bars."""

BAR_EVEN = 0.02
"""Largest difference of their widths, as a share of the picture: two lines of the rendition."""

BAR_STEP_LEVELS, BAR_STEP_SHARE = 6.0, 0.2
"""Mean step of luma from a bar to the picture, in levels and as a share of the frame's mean luma; where a scene falls
off into the dark there is no bar."""

BAR_MOVES = 0.02
"""Range of a bar's width over its time, as a share of the picture: more is a dark part of the scene."""

SEAM_EDGE_SHARE = 0.15
"""A seam lies at least this share of the picture away from its edges."""

CORNER_SHARE = 0.75
"""Radius, over half the diagonal, from which on the corners of a vignette are measured; its middle is inside 0.35."""

RING_SPREAD = 0.35
"""Largest difference of the four corners of a vignette, over the fall of light to them."""

FIT_SHARE = 0.6
"""Smallest share of the variance of mean light that a fall with the radius alone explains."""


@dataclass(frozen=True)
class FrameSettings:
    """Thresholds; ``VisualEffectsConfig`` says where each comes from.

    Attributes:
        bar_share: Smallest bar, as a share of the picture's height or width.
        min_s: Shortest stretch with bars or a split screen.
        seam: Smallest share of a line along which both sides of a seam differ.
        vignette: Smallest fall of light from the middle to the corners, as a share.
    """

    bar_share: float
    min_s: float
    seam: float
    vignette: float


def bars(measures: EffectMeasures, settings: FrameSettings) -> list[Finding]:
    """Bars at the top and bottom (letterbox) or left and right (pillarbox), of one plain colour and nearly equal."""
    out: list[Finding] = []
    luma = measures.thumbs[..., 0].astype(np.float64)
    shows = luma.std(axis=(1, 2)) >= MIN_PICTURE_LEVELS
    for kind, a, b in (("letterbox", 0, 1), ("pillarbox", 2, 3)):
        first, second = measures.bars[:, a], measures.bars[:, b]
        colours = np.abs(measures.bar_levels[:, a] - measures.bar_levels[:, b]).max(axis=1)
        wide = np.minimum(first, second) >= settings.bar_share
        even = np.abs(first - second) <= BAR_EVEN
        barred = wide & even & (colours <= BAR_MATCH_LEVELS) & (first + second < 0.9) & shows
        step = np.minimum(measures.bar_steps[:, a], measures.bar_steps[:, b])
        barred &= step >= np.maximum(BAR_STEP_LEVELS, BAR_STEP_SHARE * luma.mean(axis=(1, 2)))
        absent = np.minimum(first, second) < settings.bar_share
        seen_bars, seen_none = barred & shows, absent & shows
        # A frame that shows nothing, or is dark beside the bars, keeps the state of the one before.
        barred = _held(barred, seen_bars | seen_none)
        for start, end in lasting(barred, measures.pts_s, settings.min_s):
            seen = slice(start, end)
            inside = seen_bars[seen]
            sizes = float(np.median(first[seen][inside])), float(np.median(second[seen][inside]))
            moves = max(float(np.ptp(np.percentile(side[seen][inside], (10, 90)))) for side in (first, second))
            if moves > BAR_MOVES:
                continue
            level = measures.bar_levels[seen][inside][:, (a, b)].mean(axis=(0, 1))
            evidence = (
                Evidence("top_share" if a == 0 else "left_share", sizes[0], settings.bar_share),
                Evidence("bottom_share" if a == 0 else "right_share", sizes[1], settings.bar_share),
                Evidence("bar_luma", float(level @ (0.299, 0.587, 0.114))),
            )
            picture = (0.0, sizes[0], 1.0, 1.0 - sum(sizes)) if a == 0 else (sizes[0], 0.0, 1.0 - sum(sizes), 1.0)
            score = unit(float(inside.sum()) / float(inside.sum() + seen_none[seen].sum()))
            out.append(Finding(kind, start, end, score, evidence, region=picture))
    return out


def _held(state: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Unknown entries take the state of the last known one before them, or the first known one."""
    at = np.flatnonzero(known)
    if not len(at):
        return np.zeros_like(state)
    place = np.maximum(np.searchsorted(at, np.arange(len(state)), side="right") - 1, 0)
    return state[at[place]]


def split_screens(measures: EffectMeasures, settings: FrameSettings) -> list[Finding]:
    """Straight seams through the whole picture that stay in place between two parts that move on their own.

    A wall's corner or a table's edge may run through the picture as well; only where both sides change, and not
    together, are there two pictures. Two still pictures side by side are therefore not found.
    """
    out: list[Finding] = []
    sampled = np.flatnonzero(~np.isnan(measures.columns[:, 0]))
    if len(sampled) < SEAM_SAMPLES:
        return []
    change = measures.change.astype(np.float64)
    times_s = measures.pts_s[sampled]
    for detail, profile in (("side by side", measures.columns), ("stacked", measures.rows)):
        values = profile[sampled].astype(np.float64)
        size = values.shape[1]
        edge = max(3, round(SEAM_EDGE_SHARE * size))
        for place in _seams(values, edge, settings.seam):
            seen = values[:, max(0, place - 1) : place + 2].max(axis=1)
            for first, last in lasting(seen >= settings.seam, times_s, settings.min_s, bridge_s=BRIDGE_S):
                start = int(sampled[first])
                end = int(sampled[last]) if last < len(sampled) else len(measures)
                share = (place + 0.5) / size
                sides = _side_changes(change[start + 1 : end], detail, share)
                alone = _alone(*sides)
                if alone is None:
                    continue
                level = float(np.mean(seen[first:last]))
                evidence = (
                    Evidence("seam_share_of_line", level, settings.seam),
                    Evidence("correlation_of_changes", alone, TOGETHER),
                    Evidence("seam_position", share),
                )
                region = (0.0, 0.0, share, 1.0) if detail == "side by side" else (0.0, 0.0, 1.0, share)
                out.append(
                    Finding("split_screen", start, end, unit(level * (1.0 - max(alone, 0.0))), evidence, region, detail)
                )
    return sorted(out, key=lambda f: f.start)


BRIDGE_S = 0.6
"""A seam may be invisible for this long where both pictures happen to be alike."""

MOST_SEAMS = 3
"""More parallel seams than four pictures have are a pattern: stripes, a fence, colour bars."""

SEAM_SAMPLES = 4
"""Frames in which a seam must be seen at one line."""

TOGETHER = 0.6
"""Correlation over time of the changes on both sides up to which they are two pictures."""

ALIVE_LEVELS = 20.0
"""Change of a side's most changed block, in levels over three channels, that it reaches in every tenth frame: less is
noise, and says nothing about whether it is a picture of its own."""


def _seams(values: Float64Array, edge: int, threshold: float) -> list[int]:
    """Lines that are the strongest of their frame in several frames, most often first, well apart."""
    size = values.shape[1]
    count = np.zeros(size)
    for line in values:
        inner = line[edge : size - edge]
        for place in np.flatnonzero(inner >= threshold):
            count[edge + int(place)] += inner[place]
    near = np.convolve(count, np.ones(3), "same")
    places: list[int] = []
    for place in np.argsort(-near):
        if near[place] < SEAM_SAMPLES * threshold:
            break
        if all(abs(int(place) - other) > 8 for other in places):
            places.append(int(place))
    return places if len(places) <= MOST_SEAMS else []


def _side_changes(change: Float64Array, detail: str, share: float) -> tuple[Float64Array, Float64Array]:
    """Changes over time (frames, blocks) on each side, without the blocks that the seam runs through."""
    axis = 2 if detail == "side by side" else 1
    count = change.shape[axis]
    border = share * count
    first = np.arange(count)[: max(1, int(np.floor(border - 0.25)))]
    second = np.arange(count)[min(count - 1, int(np.ceil(border + 0.25))) :]
    a, b = (change.take(part, axis=axis).reshape(len(change), -1) for part in (first, second))
    return a, b


def _alone(a: Float64Array, b: Float64Array) -> float | None:
    """Correlation of the changes of both sides; None where a side does not change or both change together."""
    if len(a) < 8 or min(float(np.percentile(side.max(axis=1), 90)) for side in (a, b)) < ALIVE_LEVELS:
        return None
    x, y = (side.mean(axis=1) for side in (a, b))
    x, y = x - x.mean(), y - y.mean()
    together = float((x * y).mean() / max(float(x.std() * y.std()), 1e-6))
    return together if together <= TOGETHER else None


def vignettes(measures: EffectMeasures, shots: Sequence[tuple[int, int]], settings: FrameSettings) -> list[Finding]:
    """Stretches of shots whose light falls evenly towards all four corners, whatever they show.

    Measured where the picture changes: on the mean of frames that differ, and only when there is enough of it that
    the fall cannot be one object lit in the middle.
    """
    luma = measures.thumbs[..., 0].astype(np.float64)
    groups = _similar_looks(luma, measures, shots)
    out: list[Finding] = []
    for spans in groups:
        frames = np.concatenate([np.arange(a, b) for a, b in spans])
        light = luma[frames].mean(axis=0)
        if len(frames) < 2 or light.mean() < 16.0:
            continue
        fall, spread, fit = radial_fall(light)
        variety = float(luma[frames].std(axis=0).mean())
        if fall < settings.vignette or spread > RING_SPREAD * fall or fit < FIT_SHARE or variety < VARIETY_LEVELS:
            continue
        evidence = (
            Evidence("fall_to_corners", fall, settings.vignette),
            Evidence("difference_of_corners", spread, RING_SPREAD * fall),
            Evidence("explained_by_radius", fit, FIT_SHARE),
            Evidence("variety_levels", variety, VARIETY_LEVELS),
        )
        out += [Finding("vignette", a, b, unit(fit), evidence) for a, b in spans]
    return sorted(out, key=lambda f: f.start)


VARIETY_LEVELS = 12.0
"""Mean deviation of each place's luma over time: less, and the light of a still scene is all there is to see."""


def _similar_looks(
    luma: Float64Array, measures: EffectMeasures, shots: Sequence[tuple[int, int]]
) -> list[list[tuple[int, int]]]:
    """All shots together first; when they show no vignette each by itself is looked at as well."""
    whole = [(a, b) for a, b in shots if b - a > 1]
    if len(whole) < 2:
        return [whole] if whole else []
    together = luma[np.concatenate([np.arange(a, b) for a, b in whole])].mean(axis=0)
    alike = [abs(radial_fall(luma[a:b].mean(axis=0))[0] - radial_fall(together)[0]) <= 0.15 for a, b in whole]
    if all(alike):
        return [whole]
    long = [s for s in whole if end_s(measures.pts_s, s[1]) - measures.pts_s[s[0]] >= 1.0]
    return [[s] for s in long]


def radial_fall(light: Float64Array) -> tuple[float, float, float]:
    """(fall, spread, fit) of a mean picture's light.

    Returns:
        The fall from the middle to the corners as a share of the middle; the difference between the brightest and the
        darkest corner as a share of the middle; the share of the variance that a parabola of the radius explains.
    """
    rows, columns = light.shape
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    radius = np.hypot(x, y) / np.sqrt(2.0)
    middle = float(light[radius <= 0.35].mean())
    corner = radius >= CORNER_SHARE
    corners = [
        float(light[corner & (np.sign(x) == sx) & (np.sign(y) == sy)].mean()) for sx in (-1, 1) for sy in (-1, 1)
    ]
    design = np.column_stack([np.ones(light.size), np.square(radius).ravel(), np.square(np.square(radius)).ravel()])
    weights, *_ = np.linalg.lstsq(design, light.ravel(), rcond=None)
    rest = light.ravel() - design @ weights
    total = float(light.var())
    fit = 1.0 - float(np.mean(np.square(rest))) / total if total > 0.0 else 0.0
    scale = max(middle, 1.0)
    return (middle - float(np.mean(corners))) / scale, (max(corners) - min(corners)) / scale, fit
