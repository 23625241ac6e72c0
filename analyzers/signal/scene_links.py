"""From shots to scenes: colour similarity of shots, and links that hold a scene together.

Sources
    * grouping: overlapping links after Hanjalic, Lagendijk and Biemond, "Automated high-level movie segmentation for
      advanced video-retrieval systems", IEEE Trans. Circuits Syst. Video Technol. 9(4), 1999: a shot is linked to
      similar shots shortly after it; a scene ends where no link passes over. So A B A B is one scene.
    * similarity: Bhattacharyya coefficient of smoothed CIELAB histograms, of the whole picture and of its quarters
      (Kailath, IEEE Trans. Commun. Technol. 15(1), 1967).
    * sharpness: variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy",
      ICPR 2000).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from media.types import Float64Array, UInt8Array

BINS = (12, 20, 20)
"""Steps of L, a and b for the whole picture; its quarters have half as many each way. With (6, 10, 10) two dark places
look alike, with (16, 20, 20) two views of one place do not."""
_AB_REACH = 60.0
"""a and b beyond this are counted in the outermost steps; skin, sky and leaves lie within."""
_BLACK_L = 4.0
"""Darker pixels are left out: bars, and the black of fades, are alike in all scenes."""
_WORK_PX = 90
"""Shorter side at which colours are counted."""

Signature = npt.NDArray[np.uint8]
"""(7200,): fourth roots of the histograms of the whole picture and of its quarters, times 255. Most steps hold little;
the root keeps them apart from zero in a byte."""


def signature(frame: UInt8Array) -> tuple[Signature, float]:
    """Colour layout of a picture, uint8 (H, W, 3) RGB, and the share of it that is not black."""
    import cv2

    factor = min(1.0, _WORK_PX / min(frame.shape[:2]))
    small = cv2.resize(frame, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small.astype(np.float32) / 255.0, cv2.COLOR_RGB2Lab)
    scale = np.array([BINS[0] / 100.0, BINS[1] / (2 * _AB_REACH), BINS[2] / (2 * _AB_REACH)], np.float32)
    offset = np.array([0.0, _AB_REACH, _AB_REACH], np.float32)
    steps = np.clip((lab + offset) * scale, 0, np.array(BINS, np.float32) - 1.0).astype(np.int32)
    code = (steps[..., 0] * BINS[1] + steps[..., 1]) * BINS[2] + steps[..., 2]
    lit = lab[..., 0] > _BLACK_L
    height, width = code.shape
    size = BINS[0] * BINS[1] * BINS[2]
    quarter = 2 * (np.arange(height)[:, None] >= height // 2) + (np.arange(width)[None, :] >= width // 2)
    counts = np.bincount((quarter * size + code)[lit], minlength=4 * size).reshape(4, *BINS).astype(np.float32)
    counts = _smooth(counts)
    coarse = counts.reshape(4, BINS[0] // 2, 2, BINS[1] // 2, 2, BINS[2] // 2, 2).sum(axis=(2, 4, 6))
    parts = [counts.sum(axis=0).ravel(), coarse.ravel()]
    roots = (np.concatenate(parts) / max(1.0, float(counts.sum()))) ** 0.25
    return np.rint(255.0 * roots).astype(np.uint8), float(lit.mean())


def similarities(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> Float64Array:
    """Of signatures, (M, B) and (N, B) → (M, N) in [0, 1]: mean of the whole picture's and the quarters' coefficient.

    A product of square roots is the Bhattacharyya coefficient; both histograms have the same weight in the vector.
    """
    a, b = _square_roots(first), _square_roots(second)
    return np.asarray(np.clip(a @ b.T, 0.0, 1.0), np.float64)


def sharpness(frame: UInt8Array) -> float:
    """Variance of the Laplacian of luma: 0 for a plain picture."""
    import cv2

    edges = cv2.Laplacian(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.CV_32F)
    return float(edges.var())


@dataclass(frozen=True)
class LinkSettings:
    """How far apart shots may be for a link.

    Attributes:
        shots: Most shots from one to the other; 1 is the next.
        seconds: Longest time from the end of the one to the start of the other.
    """

    shots: int
    seconds: float


def shot_similarities(frames_of: Sequence[npt.NDArray[Any]], reach: int) -> Float64Array:
    """Likeness of each two shots, (S, S); NaN where a shot has no frame or they are too far apart.

    The frames of the one are matched to the best ones of the other, and the mean of the matches taken; of both
    directions the larger, since a close-up shows a part of what a pan shows.

    Args:
        frames_of: Per shot, signatures (N, B); N may be 0.
        reach: Most shots from one to the other.
    """
    count = len(frames_of)
    like = np.full((count, count), np.nan)
    for i in range(count):
        for j in range(i, min(count, i + reach + 1)):
            if len(frames_of[i]) and len(frames_of[j]):
                match = similarities(frames_of[i], frames_of[j])
                like[i, j] = like[j, i] = max(match.max(axis=0).mean(), match.max(axis=1).mean())
    return like


def coherence(like: Float64Array, spans: Sequence[tuple[float, float]], settings: LinkSettings) -> list[float | None]:
    """For each border between two shots the similarity of the best pair of shots around it, in reach of each other.

    Args:
        like: From ``shot_similarities``.
        spans: Start and end of each shot in seconds.
        settings: The reach.

    Returns:
        One number per border; None where no pair around it could be compared.
    """
    values: list[float | None] = []
    for border in range(1, len(spans)):
        pairs = [
            like[i, j]
            for i in range(max(0, border - settings.shots), border)
            for j in range(border, min(len(spans), i + settings.shots + 1))
            if spans[j][0] - spans[i][1] <= settings.seconds and not np.isnan(like[i, j])
        ]
        values.append(max(pairs) if pairs else None)
    return values


def group(borders: Sequence[float | None], least: float) -> list[range]:
    """Scenes as ranges of shots: a scene ends at each border whose coherence is below ``least``.

    A border at which nothing could be compared (a shot so short that no frame of it was sampled) ends no scene.
    """
    starts = [0, *(i + 1 for i, value in enumerate(borders) if value is not None and value < least)]
    return [range(a, b) for a, b in zip(starts, [*starts[1:], len(borders) + 1], strict=True)]


def representative(signatures: npt.NDArray[Any]) -> Float64Array:
    """How near each frame is to the mean of all, in [0, 1]: (N, B) → (N,)."""
    roots = _square_roots(signatures)
    mean = roots.mean(axis=0)
    return np.asarray(np.clip(roots @ (mean / max(float(np.linalg.norm(mean)), 1e-9)), 0.0, 1.0), np.float64)


def _square_roots(signatures: npt.NDArray[Any]) -> Float64Array:
    """Square roots of the histograms, as vectors of length 1."""
    roots = (signatures.astype(np.float64) / 255.0) ** 2
    return np.asarray(roots / np.maximum(np.linalg.norm(roots, axis=1, keepdims=True), 1e-9), np.float64)


def _smooth(cubes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Spreads each step over its neighbours along L, a and b, so that a small change of light moves little."""
    for axis in (1, 2, 3):
        size = int(cubes.shape[axis])
        left = np.concatenate([cubes.take([0], axis), cubes.take(range(size - 1), axis)], axis)
        right = np.concatenate([cubes.take(range(1, size), axis), cubes.take([-1], axis)], axis)
        cubes = (left + 2.0 * cubes + right) / 4.0
    return cubes
