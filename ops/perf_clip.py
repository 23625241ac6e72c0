"""A clip of the usual phone shape for benchmarks: 1080x1920, 30 frames per second, H.264 at 5 Mbit/s, with grain."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from media.types import Float32Array, UInt8Array
from ops import scenery, soundtrack
from ops.clips import Encoding, loop_clip, write_clip

WIDTH, HEIGHT, FPS = 1080, 1920, 30
BIT_RATE = 5_000_000
"""bit/s; the clips measured for this project have 4.9 Mbit/s."""
LONGEST_ENCODED_S = 14.5
"""A longer clip repeats the encoded packets of a shorter one, so that 290 s take no twenty times longer to make."""
_GRAIN_LEVELS = 4.0
"""Standard deviation of the grain, of 255: a phone's at indoor light."""


def make_perf_clip(path: Path, duration_s: float) -> None:
    """Writes the clip; its content has no truth, only its shape is promised.

    Args:
        path: Target, ``….mp4``; appears atomically.
        duration_s: Length in seconds, kept to a frame for each 14.5 s.

    Raises:
        ValueError: ``duration_s`` is shorter than a second.
    """
    if duration_s < 1.0:
        raise ValueError(f"make_perf_clip: duration_s must be >= 1, got {duration_s}")
    times = math.ceil(duration_s / LONGEST_ENCODED_S - 1e-9)
    frames = round(duration_s / times * FPS)
    encoding = Encoding(bit_rate=BIT_RATE, gop=250, threads=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    base = path.with_name(f".{path.stem}.base{path.suffix}")
    try:
        if times == 1:
            write_clip(part, _pictures(frames), FPS, _sound(frames / FPS), soundtrack.RATE_HZ, encoding)
        else:
            write_clip(base, _pictures(frames), FPS, encoding=encoding)
            loop_clip(base, part, times, _sound(times * frames / FPS), soundtrack.RATE_HZ)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
        base.unlink(missing_ok=True)


def _pictures(frames: int) -> Iterator[UInt8Array]:
    import cv2

    shot = math.ceil(frames / 6)
    makers: tuple[Callable[[], scenery.Painter], ...] = (
        lambda: scenery.mountains(2, shot),
        scenery.city,
        lambda: scenery.balloons(1.002, shot),
        lambda: scenery.sea(shot),
        scenery.fields,
        lambda: scenery.aurora(2, 0, shot),
    )
    rng = np.random.default_rng(31)
    noise = rng.normal(0.0, _GRAIN_LEVELS, (HEIGHT + 64, WIDTH + 64, 1)).astype(np.int8).repeat(3, axis=2)
    for number, make in enumerate(makers):
        paint = make()
        for frame in range(min(shot, frames - number * shot)):
            top, left = rng.integers(0, 64, 2)
            grain = noise[top : top + HEIGHT, left : left + WIDTH]
            large = cv2.resize(paint(frame), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
            yield np.asarray(cv2.add(large, grain, dtype=cv2.CV_8U), np.uint8)


def _sound(duration_s: float) -> Float32Array:
    """Drum beats at 120 per minute over a quiet chord."""
    rng = np.random.default_rng(32)
    size = round(duration_s * soundtrack.RATE_HZ)
    track = np.zeros(size)
    drums = soundtrack.kick(), soundtrack.snare(rng)
    for number, beat in enumerate(np.arange(0.0, duration_s, 0.5)):
        soundtrack.add(track, drums[number % 2], float(beat), 0.4)
    for start in np.arange(0.0, duration_s, 2.0):
        for note in (55, 59, 62):
            soundtrack.add(track, soundtrack.tone(note, 2.0, (1.0, 0.3), 0.5), float(start), 0.08)
    stereo = np.tanh(np.stack([track, track], axis=1))
    return np.ascontiguousarray(stereo, dtype=np.float32)
