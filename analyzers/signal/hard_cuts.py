"""Hard cuts: sudden changes that are no flash, and those spread over a few blended or white frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzers.signal.frame_change import SAME_PICTURE
from analyzers.signal.frame_sketch import FAR, NEAR
from analyzers.signal.pair_changes import PairChanges
from analyzers.signal.sudden_change import Area, CutSettings, around, change_scores, dilated
from media.types import Float32Array, Float64Array, Int64Array, UInt8Array

MIN_SHOT_FRAMES = 2
"""A single frame is a flash or a fault, not a shot."""

SHORT_FRAMES = (2, 3, 4)
"""Lengths, in pairs, of transitions too short to be gradual: a blended frame of a frame-rate conversion, a flash."""

POOL_PX = 3
"""Thumbnail pixels per block, each way, in the search for short transitions."""


@dataclass(frozen=True)
class HardCut:
    """A cut at once, or over at most three blended or white frames.

    Attributes:
        frame: Position of the first frame of the new shot.
        score: Share of the blocks that changed, in [0, 1].
    """

    frame: int
    score: float


def hard_cuts(changes: PairChanges, area: Area, settings: CutSettings) -> list[HardCut]:
    """All hard cuts, sorted by frame."""
    scores = change_scores(changes, area, settings)
    thumbs = area.of_thumbs(changes.sketches.thumbs)
    pts_s = changes.sketches.pts_s
    found = [
        HardCut(int(i), float(scores[i]))
        for i in np.flatnonzero(scores >= settings.threshold)
        if not _is_flash(thumbs, pts_s, int(i), settings.flash_s)
    ]
    for cut in _short_transitions(thumbs, settings):
        if all(abs(cut.frame - other.frame) > NEAR for other in found):
            found.append(cut)
    last = len(pts_s) - MIN_SHOT_FRAMES
    found = [cut for cut in found if MIN_SHOT_FRAMES <= cut.frame <= last]
    return sorted(found, key=lambda cut: cut.frame)


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

MIN_BLEND = 0.08
"""Share of the way that each step of a blend takes at least; a smaller one is no blend but a cut beside it."""

SHORT_SHARE = 0.5
"""Share of blocks that a short transition has to change; higher than for a cut, since motion looks alike."""


def correlation(a: Float32Array, b: Float32Array) -> float:
    """Lowest correlation of any channel of two pictures (h, w, 3), in [-1, 1]; 1 where both are flat.

    The lowest, since two landscapes may share where it is light and dark, but not the colours as well.
    """
    channels = a.shape[-1]
    x = (a - a.mean(axis=(0, 1))).reshape(-1, channels)
    y = (b - b.mean(axis=(0, 1))).reshape(-1, channels)
    noise = FLAT_VARIANCE * len(x)
    shared = np.einsum("pc,pc->c", x, y) + noise
    return float(np.min(shared / np.sqrt((np.square(x).sum(axis=0) + noise) * (np.square(y).sum(axis=0) + noise))))


FLAT_VARIANCE = 16.0
"""Added to both variances: below 4 levels there is no structure to compare."""


def distance(a: Float32Array, b: Float32Array) -> float:
    """Root mean square difference of two pictures, in levels per channel."""
    return float(np.sqrt(np.mean(np.square(a - b))))


def _short_transitions(thumbs: Float32Array, settings: CutSettings) -> list[HardCut]:
    """Cuts over one to three frames that are blends of both shots, or brighter than both."""
    whole = _whole_blocks(thumbs)
    flat = whole.astype(np.uint8).reshape(len(whole), -1)
    sizes = np.concatenate([[0.0], _sizes(flat, 1)])
    pairs = _Pairs(whole)
    found: list[HardCut] = []
    for length in SHORT_FRAMES:
        if len(thumbs) <= length + 1:
            break
        at = _standing_out(sizes, _sizes(flat, length), length)
        if not len(at):
            continue
        jump = _pooled(np.abs(whole[at + length - 1] - whole[at - 1]))
        level = dilated(around(pairs.near(at, length), at, length, NEAR, FAR))
        share = (jump > np.maximum(settings.contrast * level, settings.floor)).mean(axis=(1, 2))
        usual = np.maximum(level.mean(axis=(1, 2)), 1.0) * length
        sudden = (share >= SHORT_SHARE) & (usual * SHORT_CONTRAST <= jump.mean(axis=(1, 2)))
        for i, width in zip(at[sudden], share[sudden], strict=True):
            frame = _short_frame(thumbs[i - 1 : i + length])
            if frame is not None and all(abs(i + frame - other.frame) > NEAR for other in found):
                found.append(HardCut(int(i) + frame, float(width)))
    return found


SHORT_CONTRAST = 2.0
"""The two shots must differ by this factor over what the changes around would add up to: a blend is searched for in
calm material only, where it cannot be motion."""


def _sizes(flat: UInt8Array, length: int) -> Float64Array:
    """float64 (N - length,): mean change over ``length`` pairs, from uint8 (N, F)."""
    import cv2

    total = cv2.reduce(cv2.absdiff(flat[length:], flat[:-length]), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32F)
    return np.asarray(total[:, 0] * (3.0 / flat.shape[1]), np.float64)


def _standing_out(sizes: Float64Array, jumps: Float64Array, length: int) -> Int64Array:
    """First pairs of the changes over ``length`` pairs that are large enough on the whole to be looked at by block.

    A block's usual change is at least the largest of the ``NEAR`` pairs on both sides, so its mean is at least theirs.
    """
    first = np.arange(1, len(jumps) + 1)
    padded = np.concatenate([np.zeros(NEAR), sizes, np.zeros(NEAR + 1)])
    usual = np.ones(len(jumps))
    for k in range(1, NEAR + 1):
        for at in (first - k, first + length - 1 + k):
            usual = np.maximum(usual, padded[at + NEAR])
    # A little less, for the rounding of sums.
    return first[jumps >= 0.999 * SHORT_CONTRAST * length * usual]


class _Pairs:
    """Pooled changes from frame to frame, made where they are asked for."""

    def __init__(self, whole: Float32Array) -> None:
        self._whole = whole
        self._changes = np.zeros((len(whole), *_pooled(whole[:1]).shape[1:]), np.float32)
        self._known = np.zeros(len(whole), bool)
        # Entry 0 is no change.
        self._known[0] = True

    def near(self, at: Int64Array, length: int) -> Float32Array:
        """float32 (N, r, c), of which those around the changes ``[i, i + length)`` are filled."""
        reach = np.concatenate([np.arange(-FAR, 0), np.arange(length, length + FAR)])
        wanted = np.unique(np.clip(at[:, None] + reach, 0, len(self._known) - 1))
        new = wanted[~self._known[wanted]]
        if len(new):
            self._changes[new] = _pooled(np.abs(self._whole[new] - self._whole[new - 1]))
            self._known[new] = True
        return self._changes


def _short_frame(stretch: Float32Array) -> int | None:
    """First frame of the new shot, counted from the second frame of the stretch; None when it is no transition."""
    first, last, middle = stretch[0], stretch[-1], stretch[1:-1]
    way = last - first
    length = float(np.sum(way * way))
    if length <= 0.0:
        return None
    away = (middle - first).reshape(len(middle), -1)
    alpha = (away @ way.ravel() / length).astype(np.float64)
    off = away - alpha[:, None] * way.ravel()
    rest = np.sqrt(np.einsum("kf,kf->k", off, off) / length)
    found = None
    if rest.max() <= BLEND_RESIDUAL and np.all(np.diff(alpha, prepend=0.0, append=1.0) > MIN_BLEND):
        found = int(np.searchsorted(alpha, 0.5))
    else:
        light = stretch[..., 0].mean(axis=(1, 2))
        if light[1:-1].min() > max(light[0], light[-1]) + FLASH_LEVELS:
            found = len(middle)
    return None if found is None or correlation(first, last) > SAME_PICTURE else found


def _whole_blocks(thumbs: Float32Array) -> Float32Array:
    """Without the rows and columns left over by whole blocks."""
    rows, columns = (max(1, side // POOL_PX) * POOL_PX for side in thumbs.shape[1:3])
    return thumbs[:, :rows, :columns]


def _pooled(values: Float32Array) -> Float32Array:
    """Mean over blocks of ``POOL_PX``, summed over channels: (N, r, c)."""
    n, height, width, _ = values.shape
    rows, columns = max(1, height // POOL_PX), max(1, width // POOL_PX)
    part = values[:, : rows * POOL_PX, : columns * POOL_PX]
    if height < POOL_PX or width < POOL_PX:
        return np.asarray(values.mean(axis=(1, 2)).sum(axis=-1), np.float32)[:, None, None]
    levels = part[..., 0] + part[..., 1] + part[..., 2]
    blocks = levels.reshape(n, rows, POOL_PX, columns, POOL_PX)
    return np.asarray(np.einsum("nrpcq->nrc", blocks) / POOL_PX**2, np.float32)
