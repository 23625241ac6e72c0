"""Clips with text drawn on them: exact text, span and box, over a ground that moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Frames = np.ndarray[Any, Any]
Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Written:
    """One line in the frames ``[first, end)``.

    Attributes:
        text: What is written.
        first: First frame that shows it.
        end: First frame that does not.
        middle: Middle of the line in px.
        size: Font size in px; the letters' height with ascenders and descenders.
        fill: Colour of the letters.
        outline: Colour of their rim, or None.
        plate: Colour of the box behind, or None.
        shift: Way in px (x, y) from ``middle`` at a frame.
        opacity: In [0, 1] at a frame.
        angle: Turn in degrees, counter-clockwise.
    """

    text: str
    first: int
    end: int
    middle: tuple[int, int]
    size: int = 40
    fill: Rgb = (255, 255, 255)
    outline: Rgb | None = (0, 0, 0)
    plate: Rgb | None = None
    shift: Callable[[int], tuple[int, int]] = lambda _: (0, 0)
    opacity: Callable[[int], float] = lambda _: 1.0
    angle: float = 0.0


def texture(frames: int, width: int = 360, height: int = 640, speed_px: int = 3, seed: int = 1) -> Frames:
    """uint8 RGB (N, H, W, 3): soft coloured blotches of several sizes that drift to the left; no thin strokes."""
    import cv2

    rng = np.random.default_rng(seed)
    wide = width + speed_px * frames
    world = np.zeros((height, wide, 3), np.float32)
    for cell, weight in ((80, 60.0), (30, 30.0), (12, 12.0)):
        noise = rng.standard_normal((height // cell + 2, wide // cell + 2, 3)).astype(np.float32)
        world += weight * cv2.resize(noise, (wide, height), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(110.0 + world, 0, 255).astype(np.uint8)
    return np.asarray([picture[:, speed_px * i : speed_px * i + width] for i in range(frames)], np.uint8)


def plain(frames: int, width: int = 360, height: int = 640, rgb: Rgb = (90, 110, 130)) -> Frames:
    """One colour."""
    return np.full((frames, height, width, 3), rgb, np.uint8)


def write(frames: Frames, lines: Sequence[Written]) -> Frames:
    """The lines drawn over the frames, in place."""
    for line in lines:
        drawn = _drawn(line)
        half = drawn.shape[1] // 2, drawn.shape[0] // 2
        for i in range(max(0, line.first), min(len(frames), line.end)):
            x0 = line.middle[0] + line.shift(i)[0] - half[0]
            y0 = line.middle[1] + line.shift(i)[1] - half[1]
            part = frames[i, max(0, y0) : max(0, y0 + drawn.shape[0]), max(0, x0) : max(0, x0 + drawn.shape[1])]
            top, left = max(0, -y0), max(0, -x0)
            over = drawn[top : top + part.shape[0], left : left + part.shape[1]]
            cover = over[..., 3:] / 255.0 * line.opacity(i)
            part[:] = np.clip(part * (1.0 - cover) + over[..., :3] * cover + 0.5, 0, 255).astype(np.uint8)
    return frames


def _drawn(line: Written) -> Frames:
    """float32 RGBA in [0, 255] around the line, its middle in the middle."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(line.size)
    rim = _rim_px(line)
    length = ImageDraw.Draw(Image.new("L", (8, 8))).textlength(line.text, font)
    side = 2 * (round(length) // 2 + 2 * line.size)
    layer = Image.new("RGBA", (side, side if line.angle else 4 * line.size), (0, 0, 0, 0))
    at = layer.width // 2, layer.height // 2
    draw = ImageDraw.Draw(layer)
    if line.plate:
        x0, y0, x1, y1 = draw.textbbox(at, line.text, font=font, anchor="mm")
        pad = line.size // 3
        draw.rectangle((x0 - pad, y0 - pad, x1 + pad, y1 + pad), fill=(*line.plate, 255))
    draw.text(at, line.text, (*line.fill, 255), font, anchor="mm", stroke_width=rim, stroke_fill=line.outline)
    if line.angle:
        layer = layer.rotate(line.angle, Image.Resampling.BICUBIC, center=at)
    return np.asarray(layer, np.float32)


def _rim_px(line: Written) -> int:
    return max(2, line.size // 12) if line.outline else 0


def ink_box(line: Written, frame: int) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 of the drawn letters with their rim, for an upright line."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(line.size)
    rim = _rim_px(line)
    at = line.middle[0] + line.shift(frame)[0], line.middle[1] + line.shift(frame)[1]
    draw = ImageDraw.Draw(Image.new("L", (8, 8)))
    box = draw.textbbox(at, line.text, font=font, anchor="mm", stroke_width=rim)
    return float(box[0]), float(box[1]), float(box[2]), float(box[3])


def errors(wrong: str, right: str) -> int:
    """Levenshtein distance: fewest characters to insert, delete or replace."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(wrong, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]
