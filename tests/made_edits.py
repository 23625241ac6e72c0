"""Scenes of random texture and edits of them, as arrays with exact truth."""

from __future__ import annotations

import numpy as np

WIDTH, HEIGHT = 160, 96
FPS = 25.0
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def picture(seed, width=WIDTH, height=HEIGHT, low=20, high=235):
    """uint8 (height, width, 3): smooth random colours with sharp shapes on them, its own for each seed."""
    import cv2

    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 1, (5, 7, 3)).astype(np.float32)
    ground = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    ground = low + (high - low) * np.clip(ground, 0, 1)
    canvas = np.ascontiguousarray(ground)
    for _ in range(14 * width // WIDTH):
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        size = int(rng.integers(4, 18))
        colour = tuple(float(c) for c in rng.uniform(low, high, 3))
        if rng.random() < 0.5:
            cv2.circle(canvas, centre, size, colour, -1)
        else:
            cv2.rectangle(canvas, centre, (centre[0] + 2 * size, centre[1] + size), colour, -1)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def still(seed, frames, noise=1.5):
    """The same picture, with a camera's noise."""
    return grain(np.repeat(picture(seed)[None], frames, axis=0), seed, noise)


def pan(seed, frames, px_per_frame, noise=1.5):
    """A window that moves to the right over a wide picture."""
    wide = picture(seed, WIDTH + int(abs(px_per_frame) * frames) + 1)
    starts = [round(abs(px_per_frame) * k) for k in range(frames)]
    if px_per_frame < 0:
        starts = starts[::-1]
    return grain(np.stack([wide[:, x : x + WIDTH] for x in starts]), seed, noise)


def zoom(seed, frames, factor, noise=1.5):
    """A steady zoom in by ``factor`` over all frames."""
    import cv2

    big = picture(seed, 4 * WIDTH, 4 * HEIGHT)
    out = []
    for k in range(frames):
        share = 1.0 / factor ** (k / max(1, frames - 1))
        w, h = int(4 * WIDTH * share), int(4 * HEIGHT * share)
        x, y = (4 * WIDTH - w) // 2, (4 * HEIGHT - h) // 2
        out.append(cv2.resize(big[y : y + h, x : x + w], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA))
    return grain(np.stack(out), seed, noise)


def grain(frames, seed, deviation):
    rng = np.random.default_rng(1000 + seed)
    return np.clip(frames + rng.normal(0, deviation, frames.shape), 0, 255).astype(np.uint8)


def join(*parts):
    return np.concatenate(parts)


def faded(frames, start, end, colour, into):
    """Mixes frames ``[start, end)`` with a plain colour: ``into`` the colour, else out of it; outer ends are pure."""
    out = frames.astype(np.float32)
    for k in range(start, end):
        share = (k - start + 1) / (end - start + 1)
        share = share if into else 1.0 - share
        out[k] = (1.0 - share) * out[k] + share * np.float32(colour)
    return np.round(out).astype(np.uint8)


def plain(colour, frames):
    return np.full((frames, HEIGHT, WIDTH, 3), colour, np.uint8)


def dissolve(first, second, length):
    """``first`` and ``second`` overlap by ``length`` mixed frames. Returns the frames and the span of mixed ones."""
    share = (np.arange(1, length + 1) / (length + 1)).reshape(-1, 1, 1, 1)
    mixed = (1 - share) * first[-length:] + share * second[:length]
    start = len(first) - length
    return join(first[:-length], np.round(mixed).astype(np.uint8), second[length:]), (start, start + length)


def brighter(frames, at, strength=0.85):
    """Frames ``at`` mixed with white."""
    out = frames.copy()
    for k in at:
        out[k] = np.round((1 - strength) * out[k] + strength * 255.0).astype(np.uint8)
    return out


def boxed(frames, start, end, x, y, width, height, seed=99):
    """A box with pseudo-text laid over frames ``[start, end)``."""
    out = frames.copy()
    label = np.full((height, width, 3), 15, np.uint8)
    rng = np.random.default_rng(seed)
    for left in range(4, width - 8, 9):
        top = int(rng.integers(2, max(3, height // 3)))
        label[top : height - 3, left : left + int(rng.integers(3, 7))] = 245
    out[start:end, y : y + height, x : x + width] = label
    return out


def barred(frames, px):
    """Black bars of ``px`` rows above and below, laid over the frames."""
    out = frames.copy()
    out[:, :px] = 0
    out[:, -px:] = 0
    return out


def blurred(frames, span, radius):
    import cv2

    out = frames.copy()
    for k in range(*span):
        out[k] = cv2.GaussianBlur(frames[k], (0, 0), radius)
    return out
