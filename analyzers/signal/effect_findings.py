"""What every search for an effect returns, and the small tools they share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analyzers.signal.spans import runs
from media.types import Float64Array

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Evidence:
    """One measured value.

    Attributes:
        name: What was measured, with its unit.
        value: The measure.
        threshold: What it was compared with; None for a value that only describes.
    """

    name: str
    value: float
    threshold: float | None = None


@dataclass(frozen=True)
class Finding:
    """One effect; frames are positions in the clip.

    Attributes:
        kind: Its kind.
        start: First frame.
        end: First frame after it.
        score: In [0, 1].
        evidence: What it rests on.
        region: (x, y, width, height) in shares of the picture; None for the whole picture.
        detail: Which variety of the kind.
    """

    kind: str
    start: int
    end: int
    score: float
    evidence: tuple[Evidence, ...]
    region: tuple[float, float, float, float] | None = None
    detail: str | None = None


def lasting(mask: BoolArray, pts_s: Float64Array, min_s: float, bridge_s: float = 0.0) -> list[tuple[int, int]]:
    """Stretches of True of at least ``min_s``, after closing gaps of up to ``bridge_s``."""
    stretches: list[tuple[int, int]] = []
    for start, end in runs(mask):
        if stretches and pts_s[start] - pts_s[stretches[-1][1] - 1] <= bridge_s:
            stretches[-1] = (stretches[-1][0], end)
        else:
            stretches.append((start, end))
    return [(a, b) for a, b in stretches if end_s(pts_s, b) - pts_s[a] >= min_s - 1e-6]


def end_s(pts_s: Float64Array, frame: int) -> float:
    """Time of a frame, or of the end of the last one."""
    if frame < len(pts_s):
        return float(pts_s[frame])
    return float(pts_s[-1] + (pts_s[-1] - pts_s[-2] if len(pts_s) > 1 else 0.0))


def unit(value: float) -> float:
    """``value`` held inside [0, 1]."""
    return float(min(max(value, 0.0), 1.0))
