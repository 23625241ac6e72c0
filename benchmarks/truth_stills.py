"""Short clips of one picture: with its faults in steps, and with a subject at known places."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from benchmarks.truth_media import shared_path
from media.types import UInt8Array
from ops import scenery
from ops.clips import Encoding, write_clip

WIDTH, HEIGHT = 360, 640
FRAMES, FPS = 5, 25

FAULTS: dict[str, tuple[float, ...]] = {
    "blur": (1.0, 2.5, 6.0),
    "noise": (4.0, 12.0, 32.0),
    "blocks": (30.0, 12.0, 4.0),
    "overexposure": (0.3, 0.5, 0.8),
}
"""From mild to strong: Gaussian blur in px, Gaussian noise in grey levels, JPEG quality, share of the
pixels with a channel at white."""

PHOTOS = {"crowd": "rfi/crowd.jpg", "dogs": "rfi/dogs.jpg", "people": "tfjs/three_people.jpg"}
"""Photographs of the shared clips."""
BASES = ("drawn", *PHOTOS)

PLACES: dict[str, tuple[float, float]] = {
    "centred": (0.5, 0.5),
    "top left third": (1 / 3, 1 / 3),
    "top right third": (2 / 3, 1 / 3),
    "bottom left third": (1 / 3, 2 / 3),
    "bottom right third": (2 / 3, 2 / 3),
}
"""Centre of the subject, as shares of width and height from the top left corner."""
PLACE_S = 1.0
"""Each place is held so long."""

_SUBJECT_SHARE = 0.1
"""Radius of the subject over the picture's width."""


def still(base: str) -> UInt8Array | None:
    """A drawn landscape or a photograph, (H, W, 3), even sizes; None for a photograph that is absent."""
    import cv2
    from PIL import Image

    if base in PHOTOS:
        path = shared_path(PHOTOS[base])
        photo = np.asarray(Image.open(path).convert("RGB"), np.uint8) if path else None
        return None if photo is None else photo[: photo.shape[0] // 2 * 2, : photo.shape[1] // 2 * 2]
    return np.asarray(cv2.resize(scenery.mountains(0, 1)(0), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def faulty(picture: UInt8Array, fault: str, strength: float) -> UInt8Array:
    """The picture with one fault."""
    import cv2
    from PIL import Image

    if fault == "blur":
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), strength), np.uint8)
    if fault == "noise":
        noisy = picture + np.random.default_rng(1).normal(0.0, strength, picture.shape)
        return np.clip(np.round(noisy), 0, 255).astype(np.uint8)
    if fault == "blocks":
        packed = io.BytesIO()
        Image.fromarray(picture).save(packed, "JPEG", quality=int(strength))
        return np.asarray(Image.open(packed).convert("RGB"), np.uint8)
    if fault == "overexposure":
        gain = 255.0 / max(1.0, float(np.quantile(picture.max(axis=-1), 1.0 - strength)))
        return np.clip(np.round(picture * gain), 0, 255).astype(np.uint8)
    raise ValueError(f"fault must be one of {', '.join(FAULTS)}, got {fault!r}")


def write_still(path: Path, base: str, fault: str, strength: float) -> None:
    """A clip of one picture, with a fault unless ``strength`` is 0, hardly compressed so that its faults survive."""
    picture = still(base)
    if picture is not None:
        faulted = faulty(picture, fault, strength) if strength else picture
        write_clip(path, [faulted] * FRAMES, FPS, encoding=Encoding(crf=5))


def write_places(path: Path) -> None:
    """A patterned ball before a plain sky, at each of ``PLACES`` in turn."""
    frames = [ball(x, y) for x, y in PLACES.values() for _ in range(round(PLACE_S * FPS))]
    write_clip(path, frames, FPS)


def ball(x: float, y: float) -> UInt8Array:
    """One picture of it: (HEIGHT, WIDTH, 3)."""
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH]
    sky = np.stack([150 + 40 * down / HEIGHT, 170 + 30 * down / HEIGHT, 200 + 10 * down / HEIGHT], axis=-1)
    radius = _SUBJECT_SHARE * WIDTH
    inside = (across - x * WIDTH) ** 2 + (down - y * HEIGHT) ** 2 <= radius**2
    stripes = ((across + down) // 8 % 2).astype(bool)
    sky[inside & stripes] = (220, 40, 30)
    sky[inside & ~stripes] = (250, 220, 60)
    return np.asarray(np.round(sky), np.uint8)
