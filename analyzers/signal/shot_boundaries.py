"""Hard cuts from the changes of blocks: a change that is large, wide and alone in time.

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

from analyzers.signal.frame_change import SAME_PICTURE, THUMB_PX, FrameChanges
from media.types import Float32Array, Float64Array

BoolArray = npt.NDArray[np.bool_]

NEAR, FAR = 2, 4
"""Frames on each side whose largest, and whose second largest, change a block has to exceed. A second cut three or four
frames away is alone on its side and so raises no threshold."""

BAR_LUMA = 24.0
"""A row or column that never exceeds this level in the whole clip is a black bar."""

MAX_GAP_FACTOR = 4.0
"""Where time stamps jump (variable frame rate), expected changes grow with the gap, up to this."""

UNCHANGED, UNCHANGED_LEVELS = 0.985, 15.0
"""Correlation and mean difference of two pictures that are the same one, coded better or worse: key frames of low bit
rates change every block a little."""

ALIKE = 0.8
"""Correlation after motion compensation from which on two pictures may be neighbours in one movement."""

REPEAT_FRAMES, REPEAT_SHARE = 15, 0.25
"""How far repeated pictures are looked for, and how small a change beside the cut's own makes one."""

SHORT_HOLD, LONG_HOLD = 4, 6
"""Frames that one picture may be held for in motion of a low rate; the longer only between like pictures, since a slide
show may change as fast."""

WHOLE_EXTENT = 0.6
"""Share of the picture that the changed blocks' bounding box takes at a cut; below it the score is lowered."""

MIN_SHOT_FRAMES = 2
"""A single frame is a flash or a fault, not a shot."""

SHORT_FRAMES = (2, 3, 4)
"""Lengths, in pairs, of transitions too short to be gradual: a blended frame of a frame-rate conversion, a flash."""

POOL_PX = 3
"""Thumbnail pixels per block, each way, in the search for short transitions."""


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
class HardCut:
    """A cut at once, or over at most three blended or white frames.

    Attributes:
        frame: Position of the first frame of the new shot.
        score: Share of the blocks that changed, in [0, 1].
    """

    frame: int
    score: float


@dataclass(frozen=True)
class Area:
    """The part of the picture that is no black bar, in thumbnail pixels."""

    rows: slice
    columns: slice

    def of_thumbs(self, thumbs: npt.NDArray[np.uint8]) -> Float32Array:
        """float32 (N, h, w, 3) of this area."""
        return thumbs[:, self.rows, self.columns].astype(np.float32)

    def of_blocks(self, blocks: npt.NDArray[np.float16]) -> Float32Array:
        """float32 (N, r, c): the blocks whose middle lies inside."""
        _, rows, columns = blocks.shape
        return blocks[:, _scaled(self.rows, rows), _scaled(self.columns, columns)].astype(np.float32)


def active_area(thumbs: npt.NDArray[np.uint8]) -> Area:
    """The picture without bars; one thumbnail pixel is left out beside a bar, since it mixes both."""
    bright = thumbs[..., 0].max(axis=0) > BAR_LUMA
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


def change_scores(changes: FrameChanges, area: Area, settings: CutSettings) -> Float64Array:
    """float64 (N,) in [0, 1]: how wide and sudden the change to each frame is, with and without motion compensation.

    Both are averaged: after compensation strong motion disappears, but so does a re-framing of the same scene.
    """
    gap = gap_factors(changes.pts_s)
    still, moved = area.of_blocks(changes.still), area.of_blocks(changes.moved)
    scores = _mean_share(still, moved, gap, settings)
    same = (changes.likeness > UNCHANGED) & (changes.moved_change < UNCHANGED_LEVELS)
    scores[same] = 0.0
    for frame in np.flatnonzero(scores >= settings.threshold):
        held = LONG_HOLD if changes.moved_likeness[frame] > ALIKE else SHORT_HOLD
        scores[frame] = min(scores[frame], _without_repeats(still, moved, gap, int(frame), held, settings))
    return scores


def _mean_share(still: Float32Array, moved: Float32Array, gap: Float64Array, settings: CutSettings) -> Float64Array:
    shares = [_share(blocks, gap, settings.floor, settings.contrast) for blocks in (still, moved)]
    return np.asarray(np.mean(shares, axis=0), np.float64)


def _without_repeats(
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
    size = still[window].mean(axis=(1, 2))
    kept = window[size >= REPEAT_SHARE * still[frame].mean()]
    place = int(np.searchsorted(kept, frame))
    if not _is_rhythm(frame - kept[:place][::-1], kept[place + 1 :] - frame, held):
        return 1.0
    # Entry 0 of a series is no change, so the first one kept is doubled.
    kept = np.concatenate([kept[:1], kept])
    return float(_mean_share(still[kept], moved[kept], gap[kept], settings)[place + 1])


def _is_rhythm(before: npt.NDArray[np.int64], after: npt.NDArray[np.int64], held: int) -> bool:
    """Whether changes at these distances in frames (rising) come in even steps of at most ``held`` frames."""
    steps = [side[:1].tolist() + np.diff(side[:2]).tolist() for side in (before, after)]
    pairs = [*steps, [side[0] for side in steps if side]]
    return any(len(pair) == 2 and abs(pair[0] - pair[1]) <= 1 and max(pair) <= held for pair in pairs)


def gap_factors(pts_s: Float64Array) -> Float64Array:
    """float64 (N,) in [1, 4]: gap before each frame over the median gap of the clip."""
    gaps = np.diff(pts_s)
    usual = float(np.median(gaps)) if len(gaps) else 1.0
    return np.asarray(np.clip(np.concatenate([[1.0], gaps / max(usual, 1e-6)]), 1.0, MAX_GAP_FACTOR), np.float64)


def _share(blocks: Float32Array, gap: Float64Array, floor: float, contrast: float) -> Float64Array:
    level = around(blocks, 1, NEAR, FAR)
    level = np.maximum(_dilated(level), around(blocks.mean(axis=(1, 2)), 1, NEAR, FAR)[:, None, None])
    level *= gap[:, None, None].astype(np.float32)
    return _spread(blocks > np.maximum(contrast * level, floor))


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


def around(values: Float32Array, length: int, near: int, far: int) -> Float32Array:
    """What is usual around each change of ``length`` pairs: the largest of ``near`` pairs on both sides, and on either
    side the second largest of ``far``.

    Args:
        values: float32 (N, ...), one change per pair; entry i is from frame i - 1 to i, entry 0 is none.
        length: The change at i covers entries ``[i, i + length)``.
        near: Pairs on each side.
        far: Pairs on each side, > near.

    Returns:
        float32 (N, ...).
    """
    before = [_shifted(values, k) for k in range(1, far + 1)]
    after = [_shifted(values, -(length - 1) - k) for k in range(1, far + 1)]
    level = np.maximum.reduce([*before[:near], *after[:near]])
    for side in (before, after):
        level = np.maximum(level, np.partition(np.stack(side), far - 2, axis=0)[far - 2])
    return np.asarray(level, np.float32)


def _shifted(values: Float32Array, by: int) -> Float32Array:
    """Entry i holds ``values[i - by]``; 0 where there is none. Entry 0 of ``values`` is no change and counts as 0."""
    out = np.zeros_like(values)
    if by > 0:
        out[by + 1 :] = values[1:-by]
    else:
        out[:by] = values[-by:]
    return out


def _dilated(level: Float32Array) -> Float32Array:
    """Maximum over each block and its eight neighbours: what moves, moves into the next block."""
    for axis in (1, 2):
        padded = np.concatenate([level.take([0], axis), level, level.take([-1], axis)], axis)
        size = level.shape[axis]
        level = np.maximum.reduce([padded.take(range(k, k + size), axis) for k in range(3)])
    return level


def hard_cuts(changes: FrameChanges, area: Area, settings: CutSettings) -> tuple[list[HardCut], Float64Array]:
    """All hard cuts, sorted by frame, and the score of every frame."""
    scores = change_scores(changes, area, settings)
    thumbs = area.of_thumbs(changes.thumbs)
    found = [
        HardCut(int(i), float(scores[i]))
        for i in np.flatnonzero(scores >= settings.threshold)
        if not _is_flash(thumbs, changes.pts_s, int(i), settings.flash_s)
    ]
    for cut in _short_transitions(thumbs, settings):
        if all(abs(cut.frame - other.frame) > NEAR for other in found):
            found.append(cut)
    last = len(changes) - MIN_SHOT_FRAMES
    found = [cut for cut in found if MIN_SHOT_FRAMES <= cut.frame <= last]
    return sorted(found, key=lambda cut: cut.frame), scores


def _is_flash(thumbs: Float32Array, pts_s: Float64Array, frame: int, flash_s: float) -> bool:
    """Whether this change is the start or the end of a flash: light changes, and the earlier picture returns soon.

    A flash may rise or decay over several frames, so both directions of time are looked at.
    """
    if frame == 0:
        return False
    before, after = thumbs[frame - 1], thumbs[frame]
    change = distance(before, after)
    if abs(float(after[..., 0].mean() - before[..., 0].mean())) < FLASH_LEVELS:
        return False
    bright, picture = (after, before) if after[..., 0].mean() > before[..., 0].mean() else (before, after)
    if float(bright[..., 0].std()) > float(picture[..., 0].std()) * WASHED:
        return False
    later = [k for k in range(frame + 1, len(thumbs)) if pts_s[k] - pts_s[frame - 1] <= flash_s]
    earlier = [k for k in range(frame - 2, -1, -1) if pts_s[frame] - pts_s[k] <= flash_s]
    if picture is before:
        return any(distance(before, thumbs[k]) < RETURNED * change for k in later)
    return any(distance(after, thumbs[k]) < RETURNED * change for k in earlier)


FLASH_LEVELS = 20.0
"""Rise of mean luma that a flash has at least; a shot put in between seldom has it together with ``WASHED``."""

WASHED = 0.7
"""A flash lowers the contrast of the picture at least to this share of what it was."""

RETURNED = 0.35
"""The picture is back when it differs by less than this share of the flash's own change."""

BLEND_RESIDUAL = 0.35
"""Largest distance of a blended frame from the line between the two shots, over the distance of the shots."""

SHORT_SHARE = 0.5
"""Share of blocks that a short transition has to change; higher than for a cut, since motion looks alike."""


def correlation(a: Float32Array, b: Float32Array) -> float:
    """Of two luma pictures, in [-1, 1]; 1 for two flat ones, whose difference is light alone."""
    a, b = a - a.mean(), b - b.mean()
    noise = FLAT_VARIANCE * a.size
    return float((np.sum(a * b) + noise) / np.sqrt((np.sum(a * a) + noise) * (np.sum(b * b) + noise)))


FLAT_VARIANCE = 16.0
"""Added to both variances: below 4 levels there is no structure to compare."""


def distance(a: Float32Array, b: Float32Array) -> float:
    """Root mean square difference of two pictures, in levels per channel."""
    return float(np.sqrt(np.mean(np.square(a - b))))


def _short_transitions(thumbs: Float32Array, settings: CutSettings) -> list[HardCut]:
    """Cuts over one to three frames that are blends of both shots, or brighter than both."""
    pairs = np.zeros((len(thumbs), *_pooled(thumbs[:1]).shape[1:]), np.float32)
    pairs[1:] = _pooled(np.abs(np.diff(thumbs, axis=0)))
    found: list[HardCut] = []
    for length in SHORT_FRAMES:
        if len(thumbs) <= length + 1:
            break
        jump = np.zeros_like(pairs)
        jump[1 : len(thumbs) - length + 1] = _pooled(np.abs(thumbs[length:] - thumbs[:-length]))
        level = _dilated(around(pairs, length, NEAR, FAR))
        share = (jump > np.maximum(settings.contrast * level, settings.floor)).mean(axis=(1, 2))
        usual = np.maximum(level.mean(axis=(1, 2)), 1.0) * length
        share[usual * SHORT_CONTRAST > jump.mean(axis=(1, 2))] = 0.0
        for i in np.flatnonzero(share >= SHORT_SHARE):
            if i < 1 or i + length > len(thumbs):
                continue
            frame = _short_frame(thumbs[i - 1 : i + length])
            if frame is not None and all(abs(i + frame - other.frame) > NEAR for other in found):
                found.append(HardCut(int(i) + frame, float(share[i])))
    return found


SHORT_CONTRAST = 2.0
"""The two shots must differ by this factor over what the changes around would add up to: a blend is searched for in
calm material only, where it cannot be motion."""


def _short_frame(stretch: Float32Array) -> int | None:
    """First frame of the new shot, counted from the second frame of the stretch; None when it is no transition."""
    first, last, middle = stretch[0], stretch[-1], stretch[1:-1]
    way = last - first
    length = float(np.sum(way * way))
    if length <= 0.0 or correlation(first[..., 0], last[..., 0]) > SAME_PICTURE:
        return None
    alpha = np.array([float(np.sum((frame - first) * way)) / length for frame in middle])
    rest = [
        distance(frame, first + a * way) / np.sqrt(length / way.size) for frame, a in zip(middle, alpha, strict=True)
    ]
    if max(rest) <= BLEND_RESIDUAL and np.all(np.diff(alpha, prepend=0.0, append=1.0) > -0.1):
        return int(np.searchsorted(alpha, 0.5))
    light = [float(frame[..., 0].mean()) for frame in stretch]
    if min(light[1:-1]) > max(light[0], light[-1]) + FLASH_LEVELS:
        return len(middle)
    return None


def _pooled(values: Float32Array) -> Float32Array:
    """Mean over blocks of ``POOL_PX``, summed over channels: (N, r, c)."""
    n, height, width, _ = values.shape
    rows, columns = max(1, height // POOL_PX), max(1, width // POOL_PX)
    part = values[:, : rows * POOL_PX, : columns * POOL_PX]
    if height < POOL_PX or width < POOL_PX:
        return np.asarray(values.mean(axis=(1, 2)).sum(axis=-1), np.float32)[:, None, None]
    return np.asarray(part.sum(axis=-1).reshape(n, rows, POOL_PX, columns, POOL_PX).mean(axis=(2, 4)), np.float32)
