"""Where something like text rests between two searches and is gone at both: a cue for one more look, nothing else.

Letters that are shown for half a second are thin, strong and still for that time. So are few other things: what moves
is not still from frame to frame, what stays is there at the searches too. In 30 s of a film there are ten such places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzers.signal.text_pixels import Box
from media.types import UInt8Array

SCALE = 0.5
"""Frames are halved first: letters worth a caption stay thicker than a pixel."""

KERNEL_PX = 9
"""Widest stroke that counts as thin, in px of the halved frame."""

STROKE_LEVELS = 70
"""Least top-hat, in grey levels: captions are drawn with more contrast than things have."""

STILL_LEVELS = 15
"""Most that a still pixel changes in the next ``STILL_FRAMES`` frames: coding noise."""

STILL_FRAMES = 2
"""So a text is found when it is there for three frames."""

GONE_LEVELS = 50
"""Least change against both searches."""

LEAST_STROKE_SHARE = 0.12
"""Least share of such pixels in the box around them; letters fill 0.15 to 0.4 of theirs."""

LEAST_HEIGHT_PX = 9
"""Lowest box, in px of the halved frame."""


@dataclass(frozen=True)
class Flash:
    """A place that may show text for a short time.

    Attributes:
        frame: Position among the given frames.
        box: In px of the given frames.
        pixels: Strength of the cue.
    """

    frame: int
    box: Box
    pixels: int


def flashes(frames: UInt8Array) -> list[Flash]:
    """Candidates among gray frames (N, H, W) whose first and last were searched; strongest first."""
    import cv2

    if len(frames) < STILL_FRAMES + 3:
        return []
    size = max(1, round(frames.shape[2] * SCALE)), max(1, round(frames.shape[1] * SCALE))
    small = [np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8) for frame in frames]
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (KERNEL_PX, KERNEL_PX))
    found: list[Flash] = []
    for f in range(1, len(frames) - 1 - STILL_FRAMES):
        new = (cv2.absdiff(small[f], small[0]) >= GONE_LEVELS) & (cv2.absdiff(small[f], small[-1]) >= GONE_LEVELS)
        if not new.any():
            continue
        for later in range(f + 1, f + 1 + STILL_FRAMES):
            new &= cv2.absdiff(small[f], small[later]) <= STILL_LEVELS
        if int(new.sum()) < LEAST_HEIGHT_PX**2:
            continue
        hats = [cv2.morphologyEx(small[f], kind, kernel) for kind in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)]
        strokes = new & (np.maximum(hats[0], hats[1]) >= STROKE_LEVELS)
        found += [Flash(f, box, count) for box, count in _groups(strokes.astype(np.uint8))]
    return sorted(found, key=lambda flash: (-flash.pixels, flash.frame, flash.box))


def _groups(strokes: UInt8Array) -> list[tuple[Box, int]]:
    """Boxes, in px of the full frame, around pixels that stand in a row, and how many there are."""
    import cv2

    joined = cv2.dilate(strokes, np.ones((3, KERNEL_PX), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    counts = np.bincount(labels[strokes > 0], minlength=len(stats))
    groups = []
    for (x, y, width, height, _), count in zip(stats[1:].tolist(), counts[1:].tolist(), strict=True):
        line = height >= LEAST_HEIGHT_PX and width >= 1.5 * height
        if line and count >= LEAST_STROKE_SHARE * width * height:
            box = tuple(round(v / SCALE) for v in (x, y, x + width, y + height))
            groups.append(((box[0], box[1], box[2], box[3]), count))
    return groups
