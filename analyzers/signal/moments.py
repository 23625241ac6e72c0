"""Means and mean squares of many small pictures at once, as matrix products: numpy sums three columns slowly.

Pictures of whole levels come out exact: no partial sum of a row reaches 2^24, up to which float32 counts one by one.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from media.types import Float32Array, Float64Array


def moments(pictures: Float32Array) -> tuple[Float64Array, Float64Array]:
    """float64 (N, C), mean of each channel, and float64 (N,), mean over the pixels of the channels' summed squares.

    Args:
        pictures: float32 (N, h, w, C), contiguous, at most 256 in size and 80 px wide.
    """
    n, height, width, channels = pictures.shape
    flat, pixels = pictures.reshape(n, -1), height * width
    means = (flat @ _selector(pixels, channels)).astype(np.float64) / pixels
    rows = np.square(flat).reshape(n * height, width * channels) @ np.ones(width * channels, np.float32)
    return means, rows.reshape(n, height).sum(axis=1, dtype=np.float64) / pixels


@lru_cache(maxsize=64)
def _selector(pixels: int, channels: int) -> Float32Array:
    """float32 (pixels * channels, channels): the matrix that sums each channel."""
    return np.tile(np.eye(channels, dtype=np.float32), (pixels, 1))
