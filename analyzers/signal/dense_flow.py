"""Dense optical flow between two small pictures, the same whatever was looked at before."""

from __future__ import annotations

from typing import Any

import numpy as np

from media.types import Float32Array, UInt8Array

LEAST_SIDE_PX = 96
"""Longer side from which on the preset's three scales fit: four patches of 8 px at a quarter of the size. Below, OpenCV
chooses finer scales and takes 13 times as long, so smaller pictures are widened by their borders."""


class DenseFlow:
    """Dense inverse search (Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016), preset
    "ultrafast". One object of OpenCV for each shape: scales chosen for one shape stay for all later ones, and OpenCV
    5.0 may crash when fed with several."""

    def __init__(self) -> None:
        import cv2

        self._cv2 = cv2
        self._by_shape: dict[tuple[int, ...], Any] = {}

    def between(self, first: UInt8Array, second: UInt8Array) -> Float32Array:
        """Where each pixel of ``first`` lies in ``second``, as displacement (x, y) in px: float32 (H, W, 2).

        Args:
            first: uint8 (H, W).
            second: uint8 (H, W).
        """
        cv2 = self._cv2
        height, width = first.shape
        more = max(0, LEAST_SIDE_PX - width) if max(height, width) < LEAST_SIDE_PX else 0
        if more:
            first, second = (cv2.copyMakeBorder(p, 0, 0, 0, more, cv2.BORDER_REPLICATE) for p in (first, second))
        if first.shape not in self._by_shape:
            self._by_shape[first.shape] = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        return np.asarray(self._by_shape[first.shape].calc(first, second, None)[:, :width], np.float32)
