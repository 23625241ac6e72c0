"""A text reader for tests of everything around the engine: it reads words in a made-up alphabet, and never errs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analyzers.signal.text_reader import Found, Quad, Reading
from media.types import UInt8Array
from tests.made_text import Frames

WORDS = {
    "apple": "0123012",
    "brick": "1302230",
    "cloud": "2031301",
    "drums": "3210123",
    "eagle": "0011223",
    "flute": "1133002",
    "grape": "2200331",
    "house": "3322110",
}
"""What is written, and its letters."""

CELL_PX = 20
STROKE_PX = 5
BRIGHTEST_GROUND = 150
"""Grounds must be darker than the letters (255) and than the threshold between them."""

_THRESHOLD = 200


def _letter(kind: str) -> UInt8Array:
    """uint8 (20, 16) of 0 and 1: a bar, a dash, a ring, a corner."""
    cell = np.zeros((CELL_PX, CELL_PX - 4), np.uint8)
    s = STROKE_PX
    if kind == "0":
        cell[:, 5 : 5 + s] = 1
    elif kind == "1":
        cell[:s] = cell[-s:] = 1
    elif kind == "2":
        cell[:s] = cell[-s:] = cell[:, :s] = cell[:, -s:] = 1
    else:
        cell[:, :s] = cell[-s:] = 1
    return cell


def word_mask(word: str) -> UInt8Array:
    """uint8 (20, W) of 0 and 1, letters up to its edges."""
    gap = np.zeros((CELL_PX, 4), np.uint8)
    mask = np.concatenate([part for kind in WORDS[word] for part in (_letter(kind), gap)], axis=1)
    columns = np.flatnonzero(mask.any(axis=0))
    return mask[:, columns[0] : columns[-1] + 1]


def draw_word(frame: Frames, word: str, left: int, top: int) -> None:
    """Writes a word in white with a black rim on uint8 (H, W, 3), in place."""
    import cv2

    mask = np.pad(word_mask(word), 2)
    part = frame[top - 2 : top - 2 + mask.shape[0], left - 2 : left - 2 + mask.shape[1]]
    part[cv2.dilate(mask, np.ones((3, 3), np.uint8)) > 0] = 0
    part[mask > 0] = 255


class GlyphReader:
    """Finds groups of white letters and compares them with the known words; counts its calls."""

    def __init__(self) -> None:
        self.finds = 0
        self.reads = 0

    def find(self, picture: UInt8Array, shrink: float = 1.0) -> list[Found]:
        """Boxes around words, a quarter of the letters' height wider on each side."""
        import cv2

        self.finds += 1
        white = (picture >= _THRESHOLD).astype(np.uint8)
        groups = cv2.dilate(white, np.ones((5, 21), np.uint8))
        _, _, stats, _ = cv2.connectedComponentsWithStats(groups)
        found = []
        for x, y, width, height, _ in stats[1:]:
            corners = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], np.float32)
            corners += np.array([(5, -3), (-5, -3), (-5, 3), (5, 3)], np.float32)
            found.append(Found(np.clip(corners, 0.0, None), 0.9))
        return found

    def read(self, picture: UInt8Array, quads: Sequence[Quad]) -> list[Reading]:
        """The word whose letters the quad shows; empty where it shows none of them."""
        import cv2

        self.reads += len(quads)
        readings = []
        for quad in quads:
            (x0, y0), (x1, y1) = quad[0].astype(int), quad[2].astype(int)
            shown = (picture[y0:y1, x0:x1] >= _THRESHOLD).astype(np.float32)
            scores = {}
            for word in WORDS:
                mask = np.pad(word_mask(word), 1).astype(np.float32)
                if mask.shape[0] <= shown.shape[0] and mask.shape[1] <= shown.shape[1]:
                    scores[word] = float(cv2.matchTemplate(shown, mask, cv2.TM_CCOEFF_NORMED).max())
            best = max(scores, key=lambda w: scores[w], default="")
            readings.append(Reading(best, scores[best]) if best and scores[best] > 0.85 else Reading("", 0.0))
        return readings
