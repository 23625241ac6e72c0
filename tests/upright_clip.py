"""Clips of soft coloured patches in each orientation, and their upright pictures read by other means than ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation

from media.types import UInt8Array
from tests.made_media import make_video

ORIENTATIONS = ("portrait", "landscape", "rotated")
"""``rotated`` is stored lying and shown standing, as phones write it."""

TIMES_S = (0.0, 0.34, 0.67)
"""One picture for each sample at three per second."""


BT601 = 5
"""AVColorSpace of small pictures without a tag."""


def patches(count: int, width: int, height: int, seed: int = 0) -> list[UInt8Array]:
    """uint8 (H, W, 3) RGB pictures that survive compression and scaling nearly unchanged."""
    cells = (16, 9) if height > width else (9, 16)
    coarse = np.random.default_rng(seed).integers(0, 256, (count, *cells, 3), dtype=np.uint8)
    return [np.asarray(cv2.resize(c, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8) for c in coarse]


def write_clip(folder: Path, orientation: str, long_px: int = 320, short_px: int = 192, still: bool = False) -> Path:
    """Three pictures within one second; ``still``: the same one three times."""
    size = (short_px, long_px) if orientation == "portrait" else (long_px, short_px)
    return make_video(
        folder / f"{orientation}.mp4",
        TIMES_S,
        size=size,
        last_s=0.33,
        rotation_ccw_deg=-90 if orientation == "rotated" else 0,
        pictures=patches(1, *size) * len(TIMES_S) if still else patches(len(TIMES_S), *size),
    )


def upright_pictures(path: Path) -> list[UInt8Array]:
    """Every picture as a player shows it: uint8 (H, W, 3) RGB, by swscale's exact conversion and numpy's rotation."""
    exact = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    with av.open(str(path)) as container:
        frames: list[Any] = list(container.decode(video=0))
    # Small and untagged: BT.601. FFmpeg counts the matrix's turn counter-clockwise, as numpy does.
    full = [f.reformat(format="rgb24", src_colorspace=BT601, interpolation=exact).to_ndarray() for f in frames]
    return [
        np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90)))
        for picture, frame in zip(full, frames, strict=True)
    ]
