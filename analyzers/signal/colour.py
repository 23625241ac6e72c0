"""Colours of pictures: CIELAB, colour difference, a compact histogram, k-means palettes, names.

Sources
    * CIELAB under D65 from sRGB: OpenCV's float conversion (IEC 61966-2-1, CIE 15).
    * CIEDE2000: Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula", Color Res. Appl. 30(1), 2005.
    * k-means++: Arthur and Vassilvitskii, SODA 2007, with weights.
    * Warmth: the warm-cool scale of Ou, Luo, Woodcock and Wright, "A study of colour emotion and colour preference,
      part I", Color Res. Appl. 29(3), 2004: WC = -0.5 + 0.02 C^1.07 cos(h - 50 deg). Here without its -0.5, so that
      gray is 0.
    * Colourfulness: Hasler and Suesstrunk, "Measuring colourfulness in natural images", SPIE 5007, 2003.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from analyzers.signal.colour_names import NAMED_COLOURS
from media.types import Float64Array, UInt8Array

LEVELS = 16
"""Steps per channel of the histogram; 16 keeps a frame's under 20 kB and the mean colour in each cell is exact."""

_RED_GREEN_AND_YELLOW_BLUE = np.array([[1.0, -1.0, 0.0], [0.5, 0.5, -1.0]], np.float32)


@dataclass(frozen=True, eq=False)
class Cells:
    """Colour histogram with the mean colour of each occupied cell.

    Attributes:
        code: uint16 (N,), cell numbers, ascending.
        count: float64 (N,), pixels in each.
        rgb: float64 (N, 3), mean sRGB in [0, 255] of each.
    """

    code: npt.NDArray[np.uint16]
    count: Float64Array
    rgb: Float64Array


@dataclass(frozen=True, eq=False)
class Clusters:
    """Colours and how much there is of each.

    Attributes:
        lab: float64 (K, 3), CIELAB, largest share first.
        share: float64 (K,), sums to 1.
    """

    lab: Float64Array
    share: Float64Array


def cells_of(frame: UInt8Array) -> Cells:
    """Histogram of a picture: uint8 (H, W, 3) RGB."""
    flat = frame.reshape(-1, 3)
    high = (flat >> 4).astype(np.uint16)
    code = (high[:, 0] << 8) | (high[:, 1] << 4) | high[:, 2]
    count = np.bincount(code, minlength=LEVELS**3)
    used = np.flatnonzero(count)
    sums = np.stack([np.bincount(code, weights=flat[:, c], minlength=LEVELS**3)[used] for c in range(3)], axis=1)
    return Cells(used.astype(np.uint16), count[used].astype(np.float64), sums / count[used, None])


def merged(parts: list[Cells]) -> Cells:
    """Sum of histograms in which each picture weighs the same."""
    count, sums = np.zeros(LEVELS**3), np.zeros((LEVELS**3, 3))
    for part in parts:
        weight = part.count / part.count.sum()
        count[part.code] += weight
        sums[part.code] += part.rgb * weight[:, None]
    used = np.flatnonzero(count)
    return Cells(used.astype(np.uint16), count[used], sums[used] / count[used, None])


def to_lab(rgb: npt.NDArray[np.floating]) -> Float64Array:
    """sRGB in [0, 255], (N, 3), to CIELAB under D65: L in [0, 100]."""
    import cv2

    pixels = np.asarray(rgb, np.float32).reshape(1, -1, 3) / 255.0
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab)[0], np.float64)


def to_rgb(lab: Float64Array) -> tuple[int, int, int]:
    """One CIELAB colour to the nearest 8-bit sRGB."""
    import cv2

    pixel = cv2.cvtColor(np.asarray(lab, np.float32).reshape(1, 1, 3), cv2.COLOR_Lab2RGB)[0, 0]
    red, green, blue = (int(v) for v in np.clip(np.rint(pixel * 255.0), 0, 255))
    return red, green, blue


def colourfulness(frame: UInt8Array) -> float:
    """Hasler and Suesstrunk's M, for uint8 RGB: 0 for gray, above 109 "extremely colourful"."""
    import cv2

    mean, deviation = cv2.meanStdDev(cv2.transform(frame.astype(np.float32), _RED_GREEN_AND_YELLOW_BLUE))
    return float(np.hypot(deviation[0, 0], deviation[1, 0]) + 0.3 * np.hypot(mean[0, 0], mean[1, 0]))


def warmth(lab: Float64Array) -> Float64Array:
    """Ou's warm-cool scale less that of gray, (N,): positive is warm; a fire engine's red 1.9, a clear sky -0.8."""
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    hue = np.arctan2(lab[:, 2], lab[:, 1])
    return np.asarray(0.02 * chroma**1.07 * np.cos(hue - np.deg2rad(50.0)), np.float64)


STARTS = 2
"""Of k-means, of which the best is kept: each start may end in another local minimum."""


def kmeans(points: Float64Array, weights: Float64Array, k: int, seed: int) -> Clusters:
    """Weighted k-means of colours; the same input and seed give the same output.

    Args:
        points: float64 (N, 3), CIELAB; N >= 1.
        weights: float64 (N,), > 0.
        k: Most clusters; fewer where there are fewer points.
        seed: Of the k-means++ start.
    """
    rng = np.random.default_rng(seed)
    best, best_cost = np.zeros((0, 3)), np.inf
    for _ in range(STARTS):
        centres = _start(points, weights, min(k, len(points)), rng)
        for _ in range(40):
            label, distance = _nearest(points, centres)
            mass = np.bincount(label, weights, len(centres))
            alive = mass > 0
            moved = np.stack([np.bincount(label, weights * points[:, c], len(centres)) for c in range(3)], axis=1)
            new = moved[alive] / mass[alive, None]
            if new.shape == centres.shape and np.abs(new - centres).max() < 0.01:
                break
            centres = new
        label, distance = _nearest(points, centres)
        cost = float((weights * distance).sum())
        if cost < best_cost - 1e-9:
            best, best_cost = centres, cost
    return _sorted(best, shares(points, weights, best))


def shares(points: Float64Array, weights: Float64Array, centres: Float64Array) -> Float64Array:
    """Share of the weight that is nearest to each centre, (K,); sums to 1."""
    label, _ = _nearest(points, centres)
    mass = np.bincount(label, weights, len(centres))
    return np.asarray(mass / mass.sum(), np.float64)


def fuse(clusters: Clusters, distance: float) -> Clusters:
    """Clusters of which no two are nearer than ``distance`` (CIEDE2000); the nearest pair is joined first."""
    lab, share = list(clusters.lab), list(clusters.share)
    while len(lab) > 1:
        pairs = [(float(delta_e(lab[i], np.array(lab[i + 1 :])).min()), i) for i in range(len(lab) - 1)]
        nearest, i = min(pairs)
        if nearest >= distance:
            break
        j = i + 1 + int(delta_e(lab[i], np.array(lab[i + 1 :])).argmin())
        total = share[i] + share[j]
        lab[i], share[i] = (lab[i] * share[i] + lab[j] * share[j]) / total, total
        del lab[j], share[j]
    return _sorted(np.array(lab), np.array(share))


def delta_e(first: Float64Array, second: Float64Array) -> Float64Array:
    """CIEDE2000 between CIELAB colours, element by element: (..., 3) and (..., 3) → (...)."""
    l1, a1, b1 = np.moveaxis(np.asarray(first, np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(second, np.float64), -1, 0)
    c_mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2.0
    g = 0.5 * (1.0 - np.sqrt(c_mean**7 / (c_mean**7 + 25.0**7)))
    a1, a2 = a1 * (1.0 + g), a2 * (1.0 + g)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.arctan2(b1, a1) % (2 * np.pi), np.arctan2(b2, a2) % (2 * np.pi)
    gray = c1 * c2 == 0.0
    turn = np.where(gray, 0.0, (h2 - h1 + np.pi) % (2 * np.pi) - np.pi)
    hue = np.where(gray, h1 + h2, (h1 + h2) / 2.0 + np.where(np.abs(h1 - h2) > np.pi, np.pi, 0.0))
    dl, dc, dh = l2 - l1, c2 - c1, 2.0 * np.sqrt(c1 * c2) * np.sin(turn / 2.0)
    light, chroma = (l1 + l2) / 2.0 - 50.0, (c1 + c2) / 2.0
    t = (
        1.0
        - 0.17 * np.cos(hue - np.deg2rad(30))
        + 0.24 * np.cos(2 * hue)
        + 0.32 * np.cos(3 * hue + np.deg2rad(6))
        - 0.20 * np.cos(4 * hue - np.deg2rad(63))
    )
    bend = np.deg2rad(30) * np.exp(-((((np.rad2deg(hue) % 360.0) - 275.0) / 25.0) ** 2))
    rotation = -2.0 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * np.sin(2 * bend)
    x = dl / (1.0 + 0.015 * light**2 / np.sqrt(20.0 + light**2))
    y = dc / (1.0 + 0.045 * chroma)
    z = dh / (1.0 + 0.015 * chroma * t)
    return np.asarray(np.sqrt(np.maximum(x**2 + y**2 + z**2 + rotation * y * z, 0.0)), np.float64)


def name_of(lab: Float64Array) -> tuple[str, float]:
    """The nearest named CSS colour and its CIEDE2000 distance; 0 is the colour itself."""
    names, table = _named()
    distance = delta_e(lab, table)
    best = int(distance.argmin())
    return names[best], float(distance[best])


@cache
def _named() -> tuple[tuple[str, ...], Float64Array]:
    return tuple(NAMED_COLOURS), to_lab(np.array(list(NAMED_COLOURS.values()), np.float64))


def _start(points: Float64Array, weights: Float64Array, k: int, rng: np.random.Generator) -> Float64Array:
    chosen = [int(rng.choice(len(points), p=weights / weights.sum()))]
    distance = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < k:
        pull = weights * distance
        if pull.sum() <= 0.0:
            break
        chosen.append(int(rng.choice(len(points), p=pull / pull.sum())))
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return np.array(points[chosen], np.float64)


def _nearest(points: Float64Array, centres: Float64Array) -> tuple[npt.NDArray[np.intp], Float64Array]:
    square = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    label = square.argmin(axis=1)
    return label, square[np.arange(len(points)), label]


def _sorted(lab: Float64Array, share: Float64Array) -> Clusters:
    order = np.lexsort((lab[:, 0], -share))
    return Clusters(lab[order], share[order])
