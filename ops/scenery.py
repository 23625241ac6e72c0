"""Six procedural landscapes for the sample video: textured pictures, drawn in code from a fixed seed.

Each function paints its world once and returns a painter: frame number since the shot's start → picture. Camera
moves are exact: whole pixels for pans and tilts, a similarity transform for the zoom.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from media.types import UInt8Array

WIDTH, HEIGHT = 720, 1280
"""Size of every picture in px."""

Painter = Callable[[int], UInt8Array]
"""Frame number from 0 → uint8 (HEIGHT, WIDTH, 3) RGB; a fresh array each time."""

Colour = tuple[int, int, int]
FloatArray = npt.NDArray[np.float32]


def mountains(pan_px: int, frames: int) -> Painter:
    """Ridges at sunrise; the camera pans right by ``pan_px`` pixels per frame over ``frames`` frames."""
    rng = np.random.default_rng(11)
    width = WIDTH + pan_px * frames
    world = _sky(width, ((46, 49, 114), (146, 92, 150), (246, 140, 118), (255, 204, 142)), 0.72)
    _glow(world, (width * 0.44, 575.0), 115.0, (255, 233, 176), 330.0)
    _clouds(world, rng, top=150, bottom=520, colour=(255, 190, 170), strength=0.45)
    layers: Sequence[tuple[float, float, Colour]] = (
        (640.0, 150.0, (176, 120, 156)),
        (740.0, 140.0, (128, 88, 140)),
        (850.0, 150.0, (84, 64, 120)),
        (980.0, 120.0, (48, 46, 92)),
        (1130.0, 80.0, (24, 30, 58)),
    )
    for base, height, colour in layers:
        _ridge(world, rng, base, height, colour, grain=0.22)
    for x in np.sort(rng.uniform(0, width, 46)):
        _pine(world, float(x), 1150 + float(rng.uniform(-20, 70)), float(rng.uniform(70, 170)), (14, 20, 40))

    def paint(frame: int) -> UInt8Array:
        left = pan_px * frame
        return np.array(world[:, left : left + WIDTH], dtype=np.uint8)

    return paint


def city() -> Painter:
    """A skyline at night, camera still: windows go on and off, cars pass."""
    rng = np.random.default_rng(12)
    world = _sky(WIDTH, ((8, 12, 40), (22, 28, 78), (60, 48, 116), (116, 74, 138)), 0.8)
    _stars(world, rng, 160, 520)
    _glow(world, (556.0, 250.0), 62.0, (244, 240, 214), 170.0)
    windows: list[tuple[int, int]] = []
    for depth, colour in enumerate(((52, 46, 104), (34, 32, 78), (18, 20, 50))):
        x = -30
        while x < WIDTH:
            w = int(rng.integers(80, 150))
            top = int(rng.integers(430, 700)) + 110 * depth
            _block(world, rng, x, top, w, 1130, colour)
            for wy in range(top + 24, 1100, 34):
                for wx in range(x + 14, x + w - 22, 28):
                    if rng.random() < 0.42:
                        _window(world, wx, wy, (255, 214, 122) if rng.random() < 0.75 else (150, 214, 255))
                        if depth == 2:
                            windows.append((wx, wy))
            x += w + int(rng.integers(-8, 14))
    world[1130:] = (26, 24, 44)
    world[1138:1142] = (96, 90, 120)
    for x in range(0, WIDTH, 90):
        world[1204:1210, x : x + 44] = (150, 140, 120)
    blink = [windows[i] for i in rng.choice(len(windows), 10, replace=False)]

    def paint(frame: int) -> UInt8Array:
        picture: UInt8Array = world.copy()
        for i, (x, y) in enumerate(blink):
            if (frame + 4 * i) // 22 % 2:
                _window(picture, x, y, (30, 32, 66))
        for car in range(2):
            _car(picture, (460 * car + 120 + 9 * frame) % 920 - 150, 1152, (214, 66, 62), +1)
            _car(picture, 770 - (460 * car + 300 + 13 * frame) % 920, 1222, (70, 122, 206), -1)
        return picture

    return paint


def balloons(zoom_per_frame: float, frames: int) -> Painter:
    """Hot-air balloons over dunes; the camera zooms in by ``zoom_per_frame``, about the picture's centre."""
    rng = np.random.default_rng(13)
    world = _sky(WIDTH, ((30, 120, 190), (92, 182, 214), (196, 226, 214), (250, 226, 180)), 0.72)
    _clouds(world, rng, top=60, bottom=520, colour=(255, 255, 255), strength=0.7)
    for base, height, colour in (
        (760.0, 60.0, (222, 168, 112)),
        (850.0, 90.0, (206, 138, 84)),
        (990.0, 110.0, (180, 106, 66)),
        (1150.0, 90.0, (140, 76, 54)),
    ):
        _ridge(world, rng, base, height, colour, grain=0.28)
    for x, y, r, a, b in (
        (196, 330, 96, (226, 62, 74), (255, 214, 96)),
        (520, 470, 74, (44, 96, 190), (240, 240, 250)),
        (330, 620, 52, (40, 160, 130), (252, 228, 120)),
        (610, 250, 40, (160, 70, 170), (255, 190, 120)),
        (120, 640, 30, (240, 130, 50), (250, 250, 250)),
    ):
        _balloon(world, x, y, r, a, b)
    centre = ((WIDTH - 1) / 2.0, (HEIGHT - 1) / 2.0)

    def paint(frame: int) -> UInt8Array:
        zoom = zoom_per_frame ** min(frame, frames - 1)
        matrix = cv2.getRotationMatrix2D(centre, 0.0, zoom)
        return np.asarray(cv2.warpAffine(world, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR), dtype=np.uint8)

    return paint


def sea(frames: int) -> Painter:
    """Sunset over water for ``frames`` frames, camera still: waves roll, a sail boat crosses."""
    rng = np.random.default_rng(14)
    world = _sky(WIDTH, ((40, 60, 120), (210, 96, 106), (252, 166, 92), (255, 220, 150)), 0.48)
    _glow(world, (360.0, 560.0), 96.0, (255, 240, 190), 360.0)
    _clouds(world, rng, top=80, bottom=460, colour=(255, 170, 140), strength=0.6)
    horizon = 620
    depth = np.linspace(0.0, 1.0, HEIGHT - horizon, dtype=np.float32)[:, None]
    water = _mix((232, 150, 110), (16, 62, 96), depth**0.55)
    glitter = _fractal(rng, HEIGHT - horizon, WIDTH + 8 + 4 * frames, 5, stretch=7)
    shine = np.exp(-(((np.arange(WIDTH, dtype=np.float32) - 360.0) / (60.0 + 190.0 * depth)) ** 2))

    def paint(frame: int) -> UInt8Array:
        picture: UInt8Array = world.copy()
        rows = np.arange(HEIGHT - horizon)
        shift = np.round(6.0 + frame * (0.5 + 3.0 * depth[:, 0])).astype(int) + np.round(
            6.0 * np.sin(rows / 9.0 + frame / 6.0)
        ).astype(int)
        columns = np.arange(WIDTH)[None, :] + shift[:, None]
        wave = glitter[rows[:, None], columns]
        light = (wave - 0.5) * (0.35 + 0.25 * depth) + np.clip(wave - 0.45, 0.0, 1.0) * 1.5 * shine
        picture[horizon:] = np.clip(water + 255.0 * light[..., None] * np.array([1.0, 0.86, 0.62]), 0, 255)
        _boat(picture, 90 + 4 * frame, 742 + round(5.0 * np.sin(frame / 8.0)))
        return picture

    return paint


def fields() -> Painter:
    """Green hills with a windmill that turns, camera still."""
    rng = np.random.default_rng(15)
    world = _sky(WIDTH, ((54, 132, 214), (126, 190, 236), (214, 236, 244), (240, 244, 228)), 0.6)
    _clouds(world, rng, top=60, bottom=560, colour=(255, 255, 255), strength=0.95)
    for base, height, colour in (
        (690.0, 70.0, (134, 176, 96)),
        (790.0, 90.0, (98, 158, 72)),
        (930.0, 100.0, (66, 132, 60)),
    ):
        _ridge(world, rng, base, height, colour, grain=0.25)
    _mill(world, 470, 800)
    _ridge(world, rng, 1090.0, 70.0, (44, 104, 52), grain=0.3)
    for _ in range(420):
        x, y = int(rng.integers(0, WIDTH)), int(rng.integers(1150, HEIGHT))
        colour = ((240, 84, 84), (252, 214, 92), (250, 250, 250))[int(rng.integers(0, 3))]
        cv2.circle(world, (x, y), int(rng.integers(3, 7)), colour, -1, cv2.LINE_AA)

    def paint(frame: int) -> UInt8Array:
        picture: UInt8Array = world.copy()
        for blade in range(4):
            angle = np.pi / 2.0 * blade + frame * 0.06
            _blade(picture, 470.0, 545.0, float(angle))
        return picture

    return paint


def aurora(tilt_px: int, still_frames: int, frames: int) -> Painter:
    """Northern lights over a forest; after ``still_frames`` the camera tilts up by ``tilt_px`` pixels per frame."""
    rng = np.random.default_rng(16)
    rise = tilt_px * (frames - still_frames)
    height = HEIGHT + rise
    world = np.zeros((height, WIDTH, 3), np.uint8)
    ramp = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None]
    world[:] = np.broadcast_to(_mix((6, 8, 32), (24, 66, 92), ramp), world.shape)
    _stars(world, rng, 420, height - 300)
    x = np.arange(WIDTH, dtype=np.float32)[None, :]
    y = np.arange(height, dtype=np.float32)[:, None]
    light = np.zeros((height, WIDTH, 3), np.float32)
    streaks = cv2.GaussianBlur(rng.random((1, WIDTH)).astype(np.float32), (0, 0), 5.0)
    streaks = np.clip((streaks - streaks.min()) / (streaks.max() - streaks.min()), 0.15, 1.0)
    for foot, swing, colour, phase in (
        (900.0, 120.0, (60, 255, 150), 0.0),
        (720.0, 150.0, (90, 200, 255), 1.7),
        (560.0, 110.0, (210, 90, 255), 3.1),
    ):
        lower = foot + swing * np.sin(x / 150.0 + phase) + 46.0 * np.sin(x / 57.0 + 2.0 * phase)
        above = lower - y
        curtain = np.where(above > 0, np.exp(-above / 210.0), np.exp(above / 26.0)) * np.roll(streaks, int(90 * phase))
        light += curtain[..., None] * np.array(colour, np.float32) * 0.72
    world[:] = np.clip(world + light, 0, 255)
    _ridge(world, rng, height - 330.0, 130.0, (14, 30, 48), grain=0.2)
    for px in np.sort(rng.uniform(0, WIDTH, 40)):
        _pine(world, float(px), height - float(rng.uniform(0, 130)), float(rng.uniform(120, 300)), (5, 12, 22))

    def paint(frame: int) -> UInt8Array:
        top = rise - tilt_px * max(0, frame - still_frames + 1) if frame >= still_frames else rise
        return np.array(world[top : top + HEIGHT], dtype=np.uint8)

    return paint


def _fractal(rng: np.random.Generator, height: int, width: int, octaves: int, stretch: int = 1) -> FloatArray:
    """Value noise in [0, 1], float32 (height, width); ``stretch`` > 1 makes it wider than high."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        rows, columns = max(2, 2 ** (octave + 2) * stretch * height // 1280), 2 ** (octave + 2)
        grid = rng.random((rows + 2, columns + 2)).astype(np.float32)
        total += np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), np.float32) / 1.7**octave
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - low) / (high - low), dtype=np.float32)


def _mix(a: Colour, b: Colour, share: FloatArray) -> FloatArray:
    """``a`` where share is 0, ``b`` where it is 1; adds the colour axis at the end."""
    return np.asarray(
        np.array(a, np.float32) * (1.0 - share[..., None]) + np.array(b, np.float32) * share[..., None], np.float32
    )


def _sky(width: int, stops: Sequence[Colour], reach: float) -> UInt8Array:
    y = np.linspace(0.0, 1.0, HEIGHT) / reach
    at = np.linspace(0.0, 1.0, len(stops))
    column = np.stack([np.interp(y, at, [stop[c] for stop in stops]) for c in range(3)], axis=1)
    dither = np.random.default_rng(1).random((HEIGHT, width, 1)) - 0.5
    return np.asarray(np.clip(column[:, None, :] + 2.0 * dither, 0, 255), np.uint8)


def _glow(world: UInt8Array, centre: tuple[float, float], radius: float, colour: Colour, reach: float) -> None:
    y, x = np.ogrid[: world.shape[0], : world.shape[1]]
    distance = np.hypot(x - centre[0], y - centre[1]).astype(np.float32)
    share = np.clip(radius - distance + 0.5, 0.0, 1.0) + 0.55 * np.exp(
        -np.maximum(distance - radius, 0.0) / reach * 2.2
    )
    world[:] = np.clip(world + (np.array(colour, np.float32) - world) * np.clip(share, 0.0, 1.0)[..., None], 0, 255)


def _clouds(
    world: UInt8Array, rng: np.random.Generator, top: int, bottom: int, colour: Colour, strength: float
) -> None:
    noise = _fractal(rng, bottom - top, world.shape[1], 6, stretch=4)
    fade = np.sin(np.linspace(0.0, np.pi, bottom - top, dtype=np.float32))[:, None]
    share = np.clip((noise - 0.5) * 3.2, 0.0, 1.0) * fade * strength
    part = world[top:bottom]
    part[:] = part + (np.array(colour, np.float32) - part) * share[..., None]


def _stars(world: UInt8Array, rng: np.random.Generator, count: int, bottom: int) -> None:
    for _ in range(count):
        x, y = int(rng.integers(0, world.shape[1])), int(rng.integers(0, bottom))
        light = int(rng.integers(120, 255))
        cv2.circle(world, (x, y), int(rng.integers(1, 3)), (light, light, min(255, light + 20)), -1, cv2.LINE_AA)


def _ridge(
    world: UInt8Array, rng: np.random.Generator, base: float, height: float, colour: Colour, grain: float
) -> None:
    """Fills below a jagged line; brightness noise gives it a texture that motion can be measured on."""
    rows, width = world.shape[:2]
    line = base - height * (_fractal(rng, 2, width, 6)[0] - 0.35) * 1.6
    depth = np.arange(rows, dtype=np.float32)[:, None] - line[None, :].astype(np.float32)
    texture = 1.0 + grain * (_fractal(rng, rows, width, 7) - 0.5) + grain * 0.35 * (rng.random((rows, width)) - 0.5)
    shade = texture * (1.12 - 0.25 * np.clip(depth / 300.0, 0.0, 1.0))
    share = np.clip(depth + 0.5, 0.0, 1.0)[..., None]
    world[:] = np.clip(world * (1.0 - share) + np.array(colour, np.float32) * shade[..., None] * share, 0, 255)


def _poly(picture: UInt8Array, points: Sequence[tuple[float, float]], colour: Colour) -> None:
    fixed = np.round(np.array(points, np.float64) * 16.0).astype(np.int32)
    cv2.fillPoly(picture, [fixed], colour, cv2.LINE_AA, shift=4)


def _pine(world: UInt8Array, x: float, foot: float, height: float, colour: Colour) -> None:
    for part in range(4):
        top, half = foot - height * (1.0 - 0.2 * part), height * (0.09 + 0.05 * part)
        _poly(world, [(x, top), (x + half, top + height * 0.34), (x - half, top + height * 0.34)], colour)
    _poly(world, [(x - 4, foot - 10), (x + 4, foot - 10), (x + 4, foot + 40), (x - 4, foot + 40)], colour)


def _block(world: UInt8Array, rng: np.random.Generator, x: int, top: int, w: int, foot: int, colour: Colour) -> None:
    left, right = max(0, x), min(world.shape[1], x + w)
    if right <= left:
        return
    shade = np.linspace(1.15, 0.8, right - left, dtype=np.float32)[None, :, None]
    grain = 1.0 + 0.12 * (rng.random((foot - top, right - left, 1)) - 0.5)
    world[top:foot, left:right] = np.clip(np.array(colour, np.float32) * shade * grain, 0, 255)


def _window(picture: UInt8Array, x: int, y: int, colour: Colour) -> None:
    cv2.rectangle(picture, (x, y), (x + 12, y + 16), colour, -1)


def _car(picture: UInt8Array, x: int, y: int, colour: Colour, heading: int) -> None:
    body = [(0, 30), (6, 12), (34, 10), (48, -8), (88, -8), (104, 12), (128, 16), (132, 30)]
    points = [(x + (dx if heading > 0 else 132 - dx), y + dy) for dx, dy in body]
    _poly(picture, points, colour)
    for wheel in (30, 102):
        cv2.circle(picture, (x + wheel, y + 30), 12, (16, 16, 22), -1, cv2.LINE_AA)
    lamp = x + (130 if heading > 0 else 2)
    cv2.circle(picture, (lamp, y + 20), 5, (255, 246, 190), -1, cv2.LINE_AA)


def _balloon(world: UInt8Array, x: int, y: int, r: int, a: Colour, b: Colour) -> None:
    for stripe in range(7):
        half = round(r * (1.0 - stripe / 7.0))
        cv2.ellipse(world, (x, y), (half, round(r * 1.12)), 0, 0, 360, a if stripe % 2 == 0 else b, -1, cv2.LINE_AA)
    _poly(
        world,
        [
            (x - r * 0.62, y + r * 0.86),
            (x + r * 0.62, y + r * 0.86),
            (x + r * 0.2, y + r * 1.4),
            (x - r * 0.2, y + r * 1.4),
        ],
        a,
    )
    for side in (-0.2, 0.2):
        cv2.line(
            world,
            (round(x + side * r), round(y + r * 1.4)),
            (round(x + side * r * 0.8), round(y + r * 1.7)),
            (90, 60, 40),
            2,
            cv2.LINE_AA,
        )
    _poly(
        world,
        [
            (x - r * 0.18, y + r * 1.68),
            (x + r * 0.18, y + r * 1.68),
            (x + r * 0.15, y + r * 1.92),
            (x - r * 0.15, y + r * 1.92),
        ],
        (110, 70, 44),
    )


def _boat(picture: UInt8Array, x: int, y: int) -> None:
    _poly(picture, [(x - 78, y), (x + 84, y), (x + 54, y + 36), (x - 56, y + 36)], (70, 40, 44))
    _poly(picture, [(x - 3, y), (x + 3, y), (x + 3, y - 190), (x - 3, y - 190)], (60, 40, 40))
    _poly(picture, [(x + 8, y - 186), (x + 8, y - 14), (x + 92, y - 14)], (250, 244, 232))
    _poly(picture, [(x - 8, y - 170), (x - 8, y - 14), (x - 66, y - 14)], (226, 84, 74))


def _mill(world: UInt8Array, x: int, foot: int) -> None:
    _poly(world, [(x - 34, 540), (x + 34, 540), (x + 58, foot + 60), (x - 58, foot + 60)], (236, 226, 208))
    _poly(world, [(x, 540), (x + 34, 540), (x + 58, foot + 60), (x, foot + 60)], (208, 196, 178))
    _poly(world, [(x - 44, 544), (x + 44, 544), (x, 486)], (150, 62, 54))
    _poly(world, [(x - 14, foot), (x + 14, foot), (x + 14, foot - 54), (x - 14, foot - 54)], (110, 74, 54))


def _blade(picture: UInt8Array, x: float, y: float, angle: float) -> None:
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    corners = [(30.0, 2.0), (200.0, 2.0), (200.0, 36.0), (30.0, 30.0)]
    _poly(
        picture,
        [(float(x + along[0] * u + across[0] * v), float(y + along[1] * u + across[1] * v)) for u, v in corners],
        (250, 246, 236),
    )
    cv2.line(
        picture,
        (round(x), round(y)),
        (round(x + along[0] * 204), round(y + along[1] * 204)),
        (120, 84, 62),
        5,
        cv2.LINE_AA,
    )
