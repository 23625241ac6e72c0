"""Pictures with exactly known camera motion: a window moved over a big textured picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

Frames = np.ndarray[Any, Any]
SIZE = 1500
FPS = 25.0


@lru_cache(maxsize=4)
def scenery(seed: int = 0) -> Frames:
    """uint8 (SIZE, SIZE, 3): cloudy ground with sharp-edged blocks, seeded."""
    rng = np.random.default_rng(seed)
    picture = np.full((SIZE, SIZE, 3), 110.0, np.float32)
    for step, strength in ((6, 8), (16, 12), (40, 20), (120, 30)):
        noise = rng.normal(size=(SIZE // step + 2, SIZE // step + 2, 3)).astype(np.float32)
        picture += strength * cv2.resize(noise, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    for _ in range(150):
        x, y = (int(v) for v in rng.integers(0, SIZE, 2))
        w, h = (int(v) for v in rng.integers(15, 100, 2))
        cv2.rectangle(picture, (x, y), (x + w, y + h), tuple(float(v) for v in rng.integers(20, 235, 3)), -1)
    return np.clip(picture, 0, 255).astype(np.uint8)


def window(
    dx: float = 0.0,
    dy: float = 0.0,
    zoom: float = 1.0,
    roll_deg: float = 0.0,
    size: tuple[int, int] = (320, 180),
    seed: int = 0,
) -> Frames:
    """What a camera sees that stands ``dx, dy`` px right and down of the middle, ``zoom`` times closer, rolled
    clockwise: uint8 (height, width, 3)."""
    width, height = size
    turn = np.radians(roll_deg)
    cos, sin = np.cos(turn) / zoom, np.sin(turn) / zoom
    cx, cy, mx, my = SIZE / 2 + dx, SIZE / 2 + dy, (width - 1) / 2, (height - 1) / 2
    matrix = np.array([[cos, -sin, cx - cos * mx + sin * my], [sin, cos, cy - sin * mx - cos * my]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(scenery(seed), matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT), dtype=np.uint8
    )


def film(
    place: Callable[[float], dict[str, float]],
    seconds: float,
    fps: float = FPS,
    size: tuple[int, int] = (320, 180),
    seed: int = 0,
) -> Frames:
    """Frames whose window is ``place(t)`` at each frame's time."""
    return np.stack([window(**place(i / fps), size=size, seed=seed) for i in range(round(seconds * fps))])


def between(t: float, start: float, end: float) -> float:
    """Seconds of ``[start, end]`` that have passed at ``t``."""
    return float(np.clip(t - start, 0.0, end - start))


def sway(seed: int, amplitude: float, low_hz: float = 0.7, high_hz: float = 3.0) -> Callable[[float], float]:
    """A hand's sway: sum of seeded sines with a root mean square of ``amplitude``."""
    rng = np.random.default_rng(seed)
    hz = rng.uniform(low_hz, high_hz, 8)
    phase = rng.uniform(0.0, 2.0 * np.pi, 8)
    weight = rng.uniform(0.5, 1.0, 8) / hz
    weight *= amplitude * np.sqrt(2.0 / np.sum(weight**2))
    return lambda t: float(np.sum(weight * np.sin(2.0 * np.pi * hz * t + phase)))
