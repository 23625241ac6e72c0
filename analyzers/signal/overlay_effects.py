"""Graphics laid over the picture: boxes that appear at once, and textures that stay when the picture behind moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analyzers.signal.effect_findings import BoolArray, Evidence, Finding, end_s, unit
from analyzers.signal.effect_measures import EffectMeasures
from analyzers.signal.spans import runs
from media.types import Float64Array

CORNERS = 2.0
"""Measure of corners from which on a block would be seen to move in any direction; a plain edge would not along it."""

HELD_LEVELS, HELD_SHARE = 6.0, 0.25
"""A block stays while its change is below these levels (coding noise, over three channels), or this share of what the
picture changes by."""

WORLD_LEVELS, WORLD_CAP = 12.0, 60.0
"""Change of the picture (median of its blocks) from which on staying is remarkable, and up to which it counts."""

POP_LEVELS, POP_CONTRAST = 30.0, 3.0
"""Change of a block at once that may be an overlay's appearance, and factor over what is around it in time."""

SHOWN_DETAIL = 6.0
"""Mean Laplacian that an overlay shows; what is plain may be a wall that somebody steps away from."""

MIN_BLOCKS = 3
"""Blocks that an overlay found by staying has at least: one or two may be a statue's edge."""

CALM_SHARE = 0.1
"""Share of the blocks outside the box that may change with it."""

FILL = 0.6
"""Share of its bounding box that an overlay's blocks fill."""


@dataclass(frozen=True)
class OverlaySettings:
    """Thresholds; ``VisualEffectsConfig`` says where each comes from.

    Attributes:
        proof: Summed change of the picture behind, in levels, that an overlay has to outlast.
        min_s: Shortest overlay.
        area: (smallest, largest) overlay, as shares of the picture.
    """

    proof: float
    min_s: float
    area: tuple[float, float]


def overlays(measures: EffectMeasures, cuts: Sequence[int], settings: OverlaySettings) -> list[Finding]:
    """All overlays that do not move, sorted by start."""
    found = _standing(measures, settings) + _popped(measures, cuts, settings)
    out: list[Finding] = []
    for finding in sorted(found, key=lambda f: -(f.end - f.start)):
        if not any(_same(finding, other) for other in out):
            out.append(finding)
    return sorted(out, key=lambda f: f.start)


def _standing(measures: EffectMeasures, settings: OverlaySettings) -> list[Finding]:
    """Textured blocks that stay as they are while the picture as a whole changes."""
    change = measures.change.astype(np.float64)
    world = np.median(change, axis=(1, 2))
    weight = np.where(world >= WORLD_LEVELS, np.minimum(world, WORLD_CAP), 0.0)
    held = change <= np.maximum(HELD_LEVELS, HELD_SHARE * world[:, None, None])
    held &= measures.corners.astype(np.float64) >= CORNERS
    held[:, ~_between_bars(measures)] = False
    proof = np.concatenate([[0.0], np.cumsum(weight)])
    spans: dict[tuple[int, int], list[tuple[int, int]]] = {}
    rows, columns = change.shape[1:]
    for r in range(rows):
        for c in range(columns):
            for start, end in _block_runs(held[:, r, c]):
                if proof[end] - proof[start + 1] >= settings.proof:
                    spans.setdefault((r, c), []).append((start, end))
    return _boxes(spans, (rows, columns), measures, settings, proof)


def _between_bars(measures: EffectMeasures) -> BoolArray:
    """Blocks (R, C) that no black bar touches: the edge of a bar stays, too."""
    rows, columns = measures.change.shape[1:]
    inside = np.ones((rows, columns), bool)
    top, bottom, left, right = np.median(measures.bars, axis=0)
    inside[: int(np.ceil(top * rows)) if top > 0 else 0] = False
    inside[rows - (int(np.ceil(bottom * rows)) if bottom > 0 else 0) :] = False
    inside[:, : int(np.ceil(left * columns)) if left > 0 else 0] = False
    inside[:, columns - (int(np.ceil(right * columns)) if right > 0 else 0) :] = False
    return inside


def _block_runs(held: BoolArray) -> list[tuple[int, int]]:
    """Stretches in which a block stays: its own first frame is the one before the first that is unchanged."""
    return [(max(0, a - 1), b) for a, b in runs(held) if b - a >= 3]


def _boxes(
    spans: dict[tuple[int, int], list[tuple[int, int]]],
    size: tuple[int, int],
    measures: EffectMeasures,
    settings: OverlaySettings,
    proof: Float64Array,
) -> list[Finding]:
    """Neighbouring blocks that stay over the same time, as one box each."""
    items = [(block, span) for block, list_ in spans.items() for span in list_]
    parent = list(range(len(items)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    by_block: dict[tuple[int, int], list[int]] = {}
    for i, (block, _) in enumerate(items):
        by_block.setdefault(block, []).append(i)
    for i, ((r, c), span) in enumerate(items):
        for dr in range(0, 2):
            for dc in range(-2, 3):
                for j in by_block.get((r + dr, c + dc), []):
                    if j != i and _overlap(span, items[j][1]) >= 0.8:
                        parent[root(i)] = root(j)
    groups: dict[int, list[int]] = {}
    for i in range(len(items)):
        groups.setdefault(root(i), []).append(i)
    out: list[Finding] = []
    for members in groups.values():
        blocks = [items[i][0] for i in members]
        start = int(np.median([items[i][1][0] for i in members]))
        end = int(np.median([items[i][1][1] for i in members]))
        region, area = _region(blocks, size)
        seconds = end_s(measures.pts_s, end) - measures.pts_s[start]
        if not settings.area[0] <= area <= settings.area[1] or seconds < settings.min_s or len(blocks) < MIN_BLOCKS:
            continue
        outlasted = float(proof[end] - proof[start + 1])
        evidence = (
            Evidence("outlasted_change_levels", outlasted, settings.proof),
            Evidence("area_share", area, settings.area[0]),
        )
        score = unit(1.0 - settings.proof / (2 * outlasted))
        out.append(Finding("overlay", start, end, score, evidence, region, "stays while the picture changes"))
    return out


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> float:
    return max(0, min(a[1], b[1]) - max(a[0], b[0])) / max(1, max(a[1], b[1]) - min(a[0], b[0]))


def _region(
    blocks: Sequence[tuple[int, int]], size: tuple[int, int]
) -> tuple[tuple[float, float, float, float], float]:
    """Bounding box in shares of the picture, and its area."""
    rows, columns = size
    r = [b[0] for b in blocks]
    c = [b[1] for b in blocks]
    box = (min(c) / columns, min(r) / rows, (max(c) + 1 - min(c)) / columns, (max(r) + 1 - min(r)) / rows)
    return box, box[2] * box[3]


def _popped(measures: EffectMeasures, cuts: Sequence[int], settings: OverlaySettings) -> list[Finding]:
    """Boxes that appear from one frame to the next while the rest goes on, and stay as they are."""
    change = measures.change.astype(np.float64)
    n, rows, columns = change.shape
    out: list[Finding] = []
    barred = {c + d for c in cuts for d in (-1, 0, 1)}
    for i in range(1, n):
        if i in barred:
            continue
        beside = [change[k] for k in (i - 2, i - 1, i + 1, i + 2) if 0 < k < n]
        usual = np.maximum.reduce(beside) if beside else np.zeros((rows, columns))
        jumped = change[i] > np.maximum(POP_LEVELS, POP_CONTRAST * usual)
        share = float(jumped.mean())
        if not settings.area[0] * FILL <= share <= settings.area[1]:
            continue
        at = np.argwhere(jumped)
        (r0, c0), (r1, c1) = at.min(axis=0), at.max(axis=0) + 1
        box = (slice(int(r0), int(r1)), slice(int(c0), int(c1)))
        area = (r1 - r0) * (c1 - c0) / (rows * columns)
        outside = np.ones((rows, columns), bool)
        outside[box] = False
        disturbed = float((change[i] > np.maximum(POP_LEVELS, 2 * usual))[outside].mean()) if outside.any() else 1.0
        if jumped[box].mean() < FILL or disturbed > CALM_SHARE or not settings.area[0] <= area <= settings.area[1]:
            continue
        shown = float(measures.detail[i].astype(np.float64)[jumped].mean())
        before = float(measures.detail[i - 1].astype(np.float64)[jumped].mean())
        # Appearing and going away look alike in one frame; an overlay has more detail than what it covers.
        if max(shown, before) < SHOWN_DETAIL:
            continue
        start, end = (_still_since(change, jumped, i), i) if before > shown else (i, _stays_until(change, jumped, i))
        if end_s(measures.pts_s, end) - measures.pts_s[start] < settings.min_s:
            continue
        region = (float(c0 / columns), float(r0 / rows), float((c1 - c0) / columns), float((r1 - r0) / rows))
        evidence = (
            Evidence("box_change_levels", float(change[i][jumped].mean()), POP_LEVELS),
            Evidence("filled_share", float(jumped[box].mean()), FILL),
            Evidence("outside_changed_share", disturbed, CALM_SHARE),
            Evidence("detail_levels", max(shown, before), SHOWN_DETAIL),
            Evidence("detail_without_levels", min(shown, before)),
        )
        score = unit(float(jumped[box].mean()) * (1 - disturbed))
        detail = "goes away at once" if before > shown else "appears at once"
        out.append(Finding("overlay", start, end, score, evidence, region, detail))
    return out


def _stays_until(change: Float64Array, jumped: BoolArray, frame: int) -> int:
    """First frame from which on the blocks of the box no longer stay as they are."""
    inside = np.median(change[frame + 1 :][:, jumped], axis=1)
    moved = np.flatnonzero(inside > HELD_LEVELS)
    return frame + 1 + int(moved[0]) if len(moved) else len(change)


def _still_since(change: Float64Array, jumped: BoolArray, frame: int) -> int:
    """First frame since which the blocks of the box stay as they are, up to ``frame``."""
    inside = np.median(change[:frame][:, jumped], axis=1)
    moved = np.flatnonzero(inside > HELD_LEVELS)
    return int(moved[-1]) if len(moved) else 0


def _same(a: Finding, b: Finding) -> bool:
    """Whether two findings are one overlay: most of the shorter lies in the other, in place and in time."""
    if a.region is None or b.region is None:
        return False
    shared = max(0, min(a.end, b.end) - max(a.start, b.start)) / max(1, min(a.end - a.start, b.end - b.start))
    ax, ay, aw, ah = a.region
    bx, by, bw, bh = b.region
    width = max(0.0, min(ax + aw, bx + bw) - max(ax, bx))
    height = max(0.0, min(ay + ah, by + bh) - max(ay, by))
    return shared >= 0.5 and width * height >= 0.5 * min(aw * ah, bw * bh)
