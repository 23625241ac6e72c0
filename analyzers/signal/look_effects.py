"""Blur and colour filters, judged against the rest of the same shot or by what no camera gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analyzers.signal.effect_findings import BoolArray, Evidence, Finding, end_s, lasting, unit
from analyzers.signal.effect_measures import EffectMeasures
from media.types import Float64Array, UInt8Array

MIN_CONTRAST_LEVELS = 10.0
"""Deviation of luma below which a picture (a fade, a card) has no look to judge."""

MOTION_SHARE = 0.02
"""Mean displacement per frame, in shorter sides, from which on softness may be motion blur."""

SHARP_PERCENTILE = 75.0
"""A shot's own sharpness: that of its sharper frames."""

BRIDGE_S = 0.15
"""Gaps of this length inside a stretch are closed."""


@dataclass(frozen=True)
class LookSettings:
    """Thresholds; ``VisualEffectsConfig`` says where each comes from.

    Attributes:
        blur: Largest share of its shot's sharpness that a blurred frame has.
        blur_s: Shortest blur.
        monochrome: Largest distance from grey of the most colourful hundredth of a black-and-white picture, in levels.
        toned: Largest deviation of colours from one line through light and shade, in levels.
        tone: Smallest mean distance from grey of a toned picture, in levels.
        grading: Smallest change of mean colour of an unchanged picture, in levels.
        look_s: Shortest stretch of a filter.
    """

    blur: float
    blur_s: float
    monochrome: float
    toned: float
    tone: float
    grading: float
    look_s: float


def blurs(
    measures: EffectMeasures, shots: Sequence[tuple[int, int]], fading: BoolArray, settings: LookSettings
) -> list[Finding]:
    """Stretches much softer than the rest of their shot that neither motion nor a fade explains.

    Each block is compared with itself: a caption that comes and goes changes few of them.
    """
    out: list[Finding] = []
    contrast = measures.thumbs[..., 0].std(axis=(1, 2))
    speed = np.abs(measures.flow.astype(np.float64)).sum(axis=-1).mean(axis=(1, 2))
    for first, last in shots:
        part = slice(first, last)
        usable = (contrast[part] >= MIN_CONTRAST_LEVELS) & ~fading[part]
        if usable.sum() < 4:
            continue
        detail = measures.detail[part].astype(np.float64).reshape(last - first, -1)
        own = np.percentile(detail[usable], SHARP_PERCENTILE, axis=0)
        fine = own >= DETAIL_LEVELS
        if fine.mean() < FINE_SHARE:
            continue
        softness = np.median(detail[:, fine] / own[fine], axis=1)
        soft = usable & (softness <= settings.blur) & (speed[part] < MOTION_SHARE)
        for start, end in lasting(soft, measures.pts_s[part], settings.blur_s, BRIDGE_S):
            ratio = _against_sharp(measures.thumbs[part], detail, softness, start, end)
            if ratio is None or ratio > settings.blur:
                continue
            evidence = (
                Evidence("detail_of_sharp_frame_share", ratio, settings.blur),
                Evidence("motion_sides_per_frame", float(speed[part][start:end].mean()), MOTION_SHARE),
            )
            out.append(Finding("blur", first + start, first + end, unit(1.0 - ratio), evidence))
    return out


def _against_sharp(
    thumbs: UInt8Array, detail: Float64Array, softness: Float64Array, start: int, end: int
) -> float | None:
    """Detail of a soft stretch over that of the nearest sharp frame that shows the same; None without one.

    A part of the scene without detail is soft as well, but then nothing sharp beside it shows the same.
    """
    softest = start + int(softness[start:end].argmin())
    best: float | None = None
    for order, nearest in ((range(start - 1, -1, -1), start), (range(end, len(softness)), end - 1)):
        sharp = next((k for k in order[:NEAR_FRAMES] if softness[k] >= SHARP_AGAIN), None)
        if sharp is None:
            continue
        pair = thumbs[[sharp, nearest], ..., 0].astype(np.float64)
        fine = detail[sharp] >= DETAIL_LEVELS
        if _same_picture(pair[0], pair[1]) and fine.mean() >= FINE_SHARE:
            ratio = float(np.median(detail[softest, fine] / detail[sharp, fine]))
            best = ratio if best is None else min(best, ratio)
    return best


NEAR_FRAMES, SHARP_AGAIN = 20, 0.8
"""How far a sharp frame is looked for beside a blur (it may come on over some frames), and how sharp that one is."""

DETAIL_LEVELS, FINE_SHARE = 4.0, 0.2
"""Mean Laplacian from which on a block has detail that blur would take away, and share of blocks that must have."""


def filters(
    measures: EffectMeasures, shots: Sequence[tuple[int, int]], fading: BoolArray, settings: LookSettings
) -> list[Finding]:
    """Black and white, one-colour toning (sepia, night vision), and changes of colour within a shot."""
    thumbs = measures.thumbs.astype(np.float64)
    usable = (thumbs[..., 0].std(axis=(1, 2)) >= MIN_CONTRAST_LEVELS) & ~fading
    distance = np.sqrt(np.square(thumbs[..., 1:] - 128.0).sum(axis=-1)).reshape(len(thumbs), -1)
    most = np.percentile(distance, 99.0, axis=1)
    evidence = ("most_colourful_distance_from_grey_levels", most, settings.monochrome)
    out = _stretches("black and white", most <= settings.monochrome, usable, evidence, measures.pts_s, settings.look_s)
    off_line = _off_line(thumbs)
    toned = (distance.mean(axis=1) >= settings.tone) & (off_line <= settings.toned)
    evidence = ("colours_off_one_line_levels", off_line, settings.toned)
    out += _stretches("toned", toned, usable, evidence, measures.pts_s, settings.look_s)
    out += _grading(thumbs, measures, shots, fading, settings)
    return sorted(out, key=lambda f: f.start)


def _stretches(
    detail: str,
    mask: BoolArray,
    usable: BoolArray,
    evidence: tuple[str, Float64Array, float],
    pts_s: Float64Array,
    min_s: float,
) -> list[Finding]:
    """Findings where the mask holds; frames that cannot be judged bridge, but do not begin, a stretch."""
    name, values, threshold = evidence
    held = mask.copy()
    last = False
    for i in range(len(held)):
        if usable[i]:
            last = bool(mask[i])
        held[i] = last
    out: list[Finding] = []
    for start, end in lasting(held, pts_s, min_s, BRIDGE_S):
        judged = usable[start:end]
        if judged.mean() < JUDGED_SHARE:
            continue
        level = float(np.median(values[start:end][judged]))
        found = (Evidence(name, level, threshold),)
        out.append(Finding("filter", start, end, unit(1.0 - level / (2.0 * threshold)), found, detail=detail))
    return out


JUDGED_SHARE = 0.5
"""Share of a stretch that has to be judged by itself; the rest may be fades and plain frames."""


def _off_line(thumbs: Float64Array) -> Float64Array:
    """Deviation of each picture's chroma from the straight line through its luma that fits best, in levels.

    Toning maps every shade to a fixed colour, so colours lie on a line; lit scenes spread around it.
    """
    n = len(thumbs)
    flat = thumbs.reshape(n, -1, 3)
    centred = flat - flat.mean(axis=1, keepdims=True)
    luma = centred[..., 0]
    slope = np.einsum("np,npc->nc", luma, centred[..., 1:]) / (np.square(luma).sum(axis=1)[:, None] + 1e-6)
    rest = centred[..., 1:] - luma[..., None] * slope[:, None]
    return np.asarray(np.sqrt(np.mean(np.square(rest).sum(axis=-1), axis=1)), np.float64)


def _grading(
    thumbs: Float64Array,
    measures: EffectMeasures,
    shots: Sequence[tuple[int, int]],
    fading: BoolArray,
    settings: LookSettings,
) -> list[Finding]:
    """Steps of colour inside a shot whose picture otherwise goes on: a filter is switched on or off."""
    out: list[Finding] = []
    means = thumbs.mean(axis=(1, 2))
    for first, last in shots:
        for i in range(first + STEP_FRAMES, last - STEP_FRAMES):
            step = means[i] - means[i - 1]
            size = float(np.hypot(step[1], step[2]))
            if size < settings.grading or fading[i]:
                continue
            around = np.hypot(*np.diff(means[i - STEP_FRAMES : i + STEP_FRAMES, 1:], axis=0).T)
            if size < 0.8 * float(around.max()) or not _same_picture(thumbs[i - 1, ..., 0], thumbs[i, ..., 0]):
                continue
            returns = _until_back(means, i, last, settings.grading)
            if end_s(measures.pts_s, returns) - measures.pts_s[i] < settings.look_s:
                continue
            evidence = (
                Evidence("colour_step_levels", size, settings.grading),
                Evidence("luma_step_levels", float(step[0])),
            )
            out.append(
                Finding("filter", i, returns, unit(size / (2 * settings.grading)), evidence, detail="colour change")
            )
            break
    return out


STEP_FRAMES = 3
"""Frames around a step of colour that must be calmer than it."""

SAME_STRUCTURE = 0.9
"""Correlation of luma on both sides of a step of colour: the picture goes on."""


def _same_picture(a: Float64Array, b: Float64Array) -> bool:
    x, y = a - a.mean(), b - b.mean()
    return float((x * y).mean()) >= SAME_STRUCTURE * float(x.std() * y.std()) > 0.0


def _until_back(means: Float64Array, frame: int, last: int, threshold: float) -> int:
    """First frame whose mean colour is back at that of before the step, else the end of the shot."""
    before = means[frame - 1, 1:]
    away = np.hypot(*(means[frame:last, 1:] - before).T)
    back = np.flatnonzero(away < threshold / 2)
    return frame + int(back[0]) if len(back) else last
