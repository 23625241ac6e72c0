"""How much each change looks like a cut: large, wide and alone in time.

A block's change counts where it exceeds what the same place and its neighbours show in the frames just before and just
after (an adaptive threshold over the time line, after Yeo and Liu, "Rapid scene analysis on compressed video", IEEE
Transactions on Circuits and Systems for Video Technology 5 (1995), here per block). The share of such blocks is the
score. Motion, however strong, changes several frames in a row and so sets its own threshold; captions and stickers
stay below in share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analyzers.signal.frame_change import DRAWN_LEVELS
from analyzers.signal.frame_sketch import FAR, NEAR, REPEAT_FRAMES, REPEAT_SHARE, THUMB_PX
from analyzers.signal.pair_changes import PairChanges
from media.types import Float32Array, Float64Array, Int64Array

BoolArray = npt.NDArray[np.bool_]

BAR_LUMA = 24.0
"""A row or column that never exceeds this level in the whole clip is a black bar."""

MAX_GAP_FACTOR = 4.0
"""Where time stamps jump (variable frame rate), expected changes grow with the gap, up to this."""

UNCHANGED, UNCHANGED_LEVELS = 0.985, 15.0
"""Correlation and mean difference of two pictures that are the same one, coded better or worse: key frames of low bit
rates change every block a little. A picture with enough drawn in it may take any colours: a filter is switched on."""

COARSE_PX, COARSE_LIKENESS, COARSE_LEVELS, COARSE_SPREAD = 2, 0.98, 8.0, 6.0
"""Thumbnail pixels per coarse one, correlation of each channel and mean difference up to which two coarse pictures are
one, and deviation that a channel needs to be compared. A jump cut that can be seen has up to 0.95."""

ALIKE = 0.8
"""Correlation after motion compensation from which on two pictures may be neighbours in one movement."""

SHORT_HOLD, LONG_HOLD = 4, 6
"""Frames that one picture may be held for in motion of a low rate; the longer only between like pictures, since a slide
show may change as fast."""

WHOLE_EXTENT = 0.6
"""Share of the picture that the changed blocks' bounding box takes at a cut; below it the score is lowered."""


@dataclass(frozen=True)
class CutSettings:
    """Thresholds of ``hard_cuts``; ``CutAnalysisConfig`` says where each comes from.

    Attributes:
        threshold: Share of blocks that must change.
        floor: Smallest change of a block, in levels over three channels.
        contrast: Factor over the changes around it.
        flash_s: A picture that returns within this time after a change of light was a flash.
    """

    threshold: float
    floor: float
    contrast: float
    flash_s: float


@dataclass(frozen=True)
class Area:
    """The part of the picture that is no black bar, in thumbnail pixels."""

    rows: slice
    columns: slice

    def of_thumbs(self, thumbs: npt.NDArray[np.uint8]) -> Float32Array:
        """float32 (N, h, w, 3) of this area."""
        return thumbs[:, self.rows, self.columns].astype(np.float32, order="C")

    def of_blocks(self, blocks: Float32Array) -> Float32Array:
        """float32 (N, r, c): the blocks whose middle lies inside, as a view."""
        _, rows, columns = blocks.shape
        return blocks[:, _scaled(self.rows, rows), _scaled(self.columns, columns)]


def active_area(thumbs: npt.NDArray[np.uint8]) -> Area:
    """The picture without bars; one thumbnail pixel is left out beside a bar, since it mixes both."""
    bright = thumbs.max(axis=0)[..., 0] > BAR_LUMA
    return Area(_inside(bright.any(axis=1)), _inside(bright.any(axis=0)))


def _inside(bright: BoolArray) -> slice:
    lit = np.flatnonzero(bright)
    if len(lit) < 4:
        return slice(0, THUMB_PX)
    first, last = int(lit[0]), int(lit[-1])
    return slice(first + (first > 0), last + 1 - (last < THUMB_PX - 1))


def _scaled(part: slice, blocks: int) -> slice:
    middles = (np.arange(blocks) + 0.5) * THUMB_PX / blocks
    inside = np.flatnonzero((middles >= part.start) & (middles <= part.stop))
    return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, blocks)


def change_scores(changes: PairChanges, area: Area, settings: CutSettings) -> Float64Array:
    """float64 (N,) in [0, 1]: how wide and sudden the change to each frame is, with and without motion compensation.

    Both are averaged: after compensation strong motion disappears, but so does a re-framing of the same scene. Frames
    that cannot reach the threshold, because too few blocks change at all or because they show the same picture, have 0.
    """
    thumbs = changes.sketches.thumbs
    scores = np.zeros(len(thumbs))
    changes.measure(changes.suspects)
    still, moved = area.of_blocks(changes.still), area.of_blocks(changes.moved)
    at = np.array([i for i in changes.suspects if _may_be_a_cut(changes, still, moved, area, int(i), settings)], int)
    if not len(at):
        return scores
    changes.measure_around(at)
    gap = gap_factors(changes.sketches.pts_s)
    scores[at] = _mean_share(still, moved, at, gap, settings)
    for frame in np.flatnonzero(scores >= settings.threshold):
        held = LONG_HOLD if changes.moved_likeness[frame] > ALIKE else SHORT_HOLD
        again = _without_repeats(changes.sizes, still, moved, gap, int(frame), held, settings)
        scores[frame] = min(scores[frame], again)
    return scores


def _may_be_a_cut(
    changes: PairChanges, still: Float32Array, moved: Float32Array, area: Area, frame: int, settings: CutSettings
) -> bool:
    """Whether enough blocks change between this frame and the one before, and the two are not one picture."""
    most = np.mean([(blocks[frame] > settings.floor).mean() for blocks in (still, moved)])
    if most < settings.threshold:
        return False
    pair = changes.sketches.thumbs[frame - 1 : frame + 1]
    if changes.likeness[frame] > UNCHANGED:
        drawn = pair[..., 0].std(axis=(1, 2)).min() > DRAWN_LEVELS
        if drawn or changes.moved_change[frame] < UNCHANGED_LEVELS:
            return False
    return not _is_same_but_for_detail(area.of_thumbs(pair))


def _is_same_but_for_detail(pair: Float32Array) -> bool:
    """Whether two thumbnails agree when looked at coarsely: a blur that comes or goes at once, a key frame."""
    _, height, width, channels = pair.shape
    rows, columns = max(1, height // COARSE_PX), max(1, width // COARSE_PX)
    part = pair[:, : rows * COARSE_PX, : columns * COARSE_PX]
    if part.shape[1] < COARSE_PX or part.shape[2] < COARSE_PX:
        return False
    coarse = part.reshape(2, rows, COARSE_PX, columns, COARSE_PX, channels).mean(axis=(2, 4)).reshape(2, -1, channels)
    if float(np.abs(coarse[0] - coarse[1]).mean()) > COARSE_LEVELS:
        return False
    away = coarse - coarse.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.square(away).mean(axis=1))
    drawn = spread.min(axis=0) >= COARSE_SPREAD
    shared = (away[0] * away[1]).mean(axis=0)
    return bool(drawn[0] and np.all(shared[drawn] >= COARSE_LIKENESS * (spread[0] * spread[1])[drawn]))


def _mean_share(
    still: Float32Array, moved: Float32Array, at: Int64Array, gap: Float64Array, settings: CutSettings
) -> Float64Array:
    shares = [_share(blocks, at, gap, settings.floor, settings.contrast) for blocks in (still, moved)]
    return np.asarray(np.mean(shares, axis=0), np.float64)


def _without_repeats(
    sizes: Float64Array,
    still: Float32Array,
    moved: Float32Array,
    gap: Float64Array,
    frame: int,
    held: int,
    settings: CutSettings,
) -> float:
    """Score of one frame when repeated pictures around it are left out; 1 where none are.

    Material of 10 frames per second in a file of 30 holds each picture for three frames; its motion then stands alone
    between changes of nothing, as a cut does, but in a rhythm of at most ``held`` frames.
    """
    window = np.arange(max(1, frame - REPEAT_FRAMES), min(len(still), frame + REPEAT_FRAMES + 1))
    kept = window[sizes[window] >= REPEAT_SHARE * sizes[frame]]
    place = int(np.searchsorted(kept, frame))
    if not _is_rhythm(frame - kept[:place][::-1], kept[place + 1 :] - frame, held):
        return 1.0
    # Entry 0 of a series is no change, so the first one kept is doubled.
    kept = np.concatenate([kept[:1], kept])
    return float(_mean_share(still[kept], moved[kept], np.array([place + 1]), gap[kept], settings)[0])


def _is_rhythm(before: npt.NDArray[np.int64], after: npt.NDArray[np.int64], held: int) -> bool:
    """Whether changes at these distances in frames (rising) come in even steps of at most ``held`` frames."""
    steps = [side[:1].tolist() + np.diff(side[:2]).tolist() for side in (before, after)]
    pairs = [*steps, [side[0] for side in steps if side]]
    return any(len(p) == 2 and min(p) >= NEAR and NEAR < max(p) <= held and abs(p[0] - p[1]) <= 1 for p in pairs)


def gap_factors(pts_s: Float64Array) -> Float64Array:
    """float64 (N,) in [1, 4]: gap before each frame over the median gap of the clip."""
    gaps = np.diff(pts_s)
    usual = float(np.median(gaps)) if len(gaps) else 1.0
    return np.asarray(np.clip(np.concatenate([[1.0], gaps / max(usual, 1e-6)]), 1.0, MAX_GAP_FACTOR), np.float64)


def _share(blocks: Float32Array, at: Int64Array, gap: Float64Array, floor: float, contrast: float) -> Float64Array:
    level = around(blocks, at, 1, NEAR, FAR)
    level = np.maximum(dilated(level), around(blocks.mean(axis=(1, 2)), at, 1, NEAR, FAR)[:, None, None])
    level *= gap[at, None, None].astype(np.float32)
    return _spread(blocks[at] > np.maximum(contrast * level, floor))


def _spread(changed: BoolArray) -> Float64Array:
    """Share of changed blocks, lowered where they lie in a part of the picture: a caption, a sticker, a passer-by."""
    rows, columns = (_extent(np.any(changed, axis=axis)) for axis in (2, 1))
    return np.asarray(changed.mean(axis=(1, 2)) * np.minimum(rows * columns / WHOLE_EXTENT, 1.0), dtype=np.float64)


def _extent(touched: BoolArray) -> Float64Array:
    """Share of the side between the first and the last touched row (or column) of each frame."""
    _, size = touched.shape
    first = touched.argmax(axis=1)
    last = size - touched[:, ::-1].argmax(axis=1)
    return np.asarray(np.where(touched.any(axis=1), last - first, 0) / size, dtype=np.float64)


def around(values: Float32Array, at: Int64Array, length: int, near: int, far: int) -> Float32Array:
    """What is usual around changes of ``length`` pairs: the largest of ``near`` pairs on both sides, and on either
    side the second largest of ``far``.

    Args:
        values: float32 (N, ...), one change per pair; entry i is from frame i - 1 to i, entry 0 is none.
        at: int64 (K,), the changes asked for.
        length: The change at i covers entries ``[i, i + length)``.
        near: Pairs on each side.
        far: Pairs on each side, > near.

    Returns:
        float32 (K, ...).
    """
    level = np.zeros((len(at), *values.shape[1:]), np.float32)
    for first, step in ((at - 1, -1), (at + length, 1)):
        largest = second = np.zeros_like(level)
        for k in range(far):
            value = _entries(values, first + step * k)
            second = np.maximum(second, np.minimum(largest, value))
            largest = np.maximum(largest, value)
            if k == near - 1:
                level = np.maximum(level, largest)
        level = np.maximum(level, second)
    return level


def _entries(values: Float32Array, at: Int64Array) -> Float32Array:
    """``values[at]``, 0 where there is none. Entry 0 of ``values`` is no change and counts as 0."""
    known = (at >= 1) & (at < len(values))
    found = values[np.where(known, at, 0)]
    found[~known] = 0.0
    return found


def dilated(level: Float32Array) -> Float32Array:
    """Maximum over each block and its eight neighbours: what moves, moves into the next block."""
    for axis in (1, 2):
        padded = np.concatenate([level.take([0], axis), level, level.take([-1], axis)], axis)
        size = level.shape[axis]
        level = np.maximum.reduce([padded.take(range(k, k + size), axis) for k in range(3)])
    return level
