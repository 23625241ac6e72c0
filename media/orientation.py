"""How a stored picture must be turned to stand upright, from the container's display matrix."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

from av import VideoFrame


@dataclass(frozen=True)
class Orientation:
    """First mirrored left to right where ``mirrored``, then turned.

    Attributes:
        turn_deg: Clockwise, 0, 90, 180 or 270.
        mirrored: Whether the matrix mirrors the picture (selfie cameras).
    """

    turn_deg: int = 0
    mirrored: bool = False

    def upright(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of a stored size after the turn; applied twice it gives the size again."""
        return (height, width) if self.turn_deg in (90, 270) else (width, height)


UPRIGHT = Orientation()


def orientation_of(frame: VideoFrame) -> Orientation:
    """From the frame's display matrix (ISO/IEC 14496-12, 6.2.2), to the nearest quarter turn; upright without one."""
    parts: Any = frame.side_data  # typed as a mapping, iterates over its values
    for side in parts:
        if side.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = struct.unpack("<5i", bytes(side)[:20])
            mirrored = a * d - b * c < 0
            x, y = (-a, -b) if mirrored else (a, b)
            return Orientation(round(math.degrees(math.atan2(y, x)) / 90) * 90 % 360, mirrored)
    return UPRIGHT
