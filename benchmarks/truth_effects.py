"""A film of visual effects at known frames, made of the sample video's drawn places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.truth_made import FPS, HEIGHT, STRETCH_FRAMES, WIDTH, drawn_stretches
from media.types import UInt8Array
from ops.clips import Encoding, write_clip

MOUNTAINS, CITY, BALLOONS, SEA, FIELDS, AURORA = range(6)
"""Drawn stretches: a pan, still with cars, a zoom, moving water, still with a mill, a tilt."""


@dataclass(frozen=True)
class EffectTruth:
    """An effect over the frames ``[first, end)``."""

    kind: str
    first: int
    end: int


@dataclass(frozen=True)
class Part:
    """A shot of the film.

    Attributes:
        frames: uint8 (N, HEIGHT, WIDTH, 3).
        kind: Of its effect; None for a shot without any.
        first: First frame with it, in the shot.
        end: First frame after it.
    """

    frames: UInt8Array
    kind: str | None = None
    first: int = 0
    end: int = STRETCH_FRAMES


def make_effects(path: Path) -> tuple[EffectTruth, ...]:
    """Writes the film, hard cuts between its shots; the answer is what is in it."""
    parts = film_parts(drawn_stretches())
    truth, start = [], 0
    for part in parts:
        if part.kind:
            truth.append(EffectTruth(part.kind, start + part.first, start + part.end))
        start += len(part.frames)
    write_clip(path, (picture for part in parts for picture in part.frames), FPS, encoding=Encoding(crf=20))
    return tuple(truth)


def film_parts(stretches: Sequence[UInt8Array]) -> list[Part]:
    """The shots with their effects; some have none."""
    return [
        Part(stretches[MOUNTAINS]),
        Part(_flashed(stretches[CITY], (36,)), "flash", 36, 38),
        Part(_frozen(stretches[MOUNTAINS], 30, 25), "freeze", 30, 55),
        Part(_barred(stretches[SEA], 38, 0), "letterbox"),
        Part(stretches[AURORA]),
        Part(_vignetted(stretches[BALLOONS]), "vignette"),
        Part(_blurred(stretches[FIELDS], 25, 50), "blur", 25, 50),
        Part(_grey(stretches[AURORA]), "filter"),
        Part(_split(stretches[CITY], stretches[BALLOONS]), "split_screen"),
        Part(_sped(stretches[MOUNTAINS]), "fast_motion", 27, 43),
        Part(stretches[SEA]),
        Part(_stickered(stretches[MOUNTAINS], 20, 60), "overlay", 20, 60),
        Part(_flashed(stretches[FIELDS], (30, 35, 40, 45, 50)), "strobe", 30, 52),
        Part(_barred(stretches[CITY], 0, 24), "pillarbox"),
        Part(stretches[FIELDS]),
    ]


def _flashed(frames: UInt8Array, starts: Sequence[int]) -> UInt8Array:
    """Two frames nearly white from each start on."""
    out = frames.astype(np.float32)
    for start in starts:
        out[start : start + 2] = 0.1 * out[start : start + 2] + 0.9 * 255.0
    return np.asarray(out, np.uint8)


def _frozen(frames: UInt8Array, first: int, count: int) -> UInt8Array:
    """The picture before ``first`` held for ``count`` frames; then it goes on."""
    order = [*range(first), *([first - 1] * count), *range(first, STRETCH_FRAMES - count)]
    return np.asarray(frames[order], np.uint8)


def _barred(frames: UInt8Array, rows: int, columns: int) -> UInt8Array:
    """Black bars of so many px at two opposite sides."""
    out: UInt8Array = frames.copy()
    if rows:
        out[:, :rows] = out[:, -rows:] = 0
    if columns:
        out[:, :, :columns] = out[:, :, -columns:] = 0
    return out


def _vignetted(frames: UInt8Array) -> UInt8Array:
    """Light falls with the square of the distance from the middle, to 30 % in the corners."""
    down, across = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    return np.asarray(frames * (1.0 - 0.35 * (down**2 + across**2))[None, :, :, None], np.uint8)


def _blurred(frames: UInt8Array, first: int, end: int) -> UInt8Array:
    import cv2

    out: UInt8Array = frames.copy()
    for k in range(first, end):
        out[k] = cv2.GaussianBlur(frames[k], (0, 0), 4.0)
    return out


def _grey(frames: UInt8Array) -> UInt8Array:
    luma = frames @ np.array([0.2126, 0.7152, 0.0722])
    return np.asarray(np.repeat(luma[..., None], 3, axis=-1), np.uint8)


def _split(left: UInt8Array, right: UInt8Array) -> UInt8Array:
    """The middle halves of two stretches side by side."""
    quarter = WIDTH // 4
    return np.concatenate([left[:, :, quarter : WIDTH - quarter], right[:, :, quarter : WIDTH - quarter]], axis=2)


def _sped(frames: UInt8Array) -> UInt8Array:
    """27 frames at their speed, then 16 at three times it."""
    return np.asarray(frames[[*range(27), *(27 + 3 * k for k in range(16))]], np.uint8)


def _stickered(frames: UInt8Array, first: int, end: int) -> UInt8Array:
    """A checked box that appears at once and stays where it is while the picture pans."""
    out: UInt8Array = frames.copy()
    rows, columns = np.mgrid[0:60, 0:80]
    checks = ((rows // 10 + columns // 10) % 2).astype(bool)
    box = np.where(checks[..., None], np.array([230, 30, 40]), np.array([255, 255, 255])).astype(np.uint8)
    out[first:end, 40:100, 50:130] = box
    return out
