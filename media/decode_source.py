"""What a decoder back end gives to the assembly of chunks: pictures in presentation order, then what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from media.needs import Colour
from media.types import UInt8Array


@dataclass(frozen=True)
class Picture:
    """One decoded frame, not converted yet.

    Attributes:
        pts_s: The container's time in seconds; None where it gives none.
        duration_s: How long it is shown; None where unknown.
        width: Upright width in px.
        height: Upright height in px.
        frame: The back end's own frame.
    """

    pts_s: float | None
    duration_s: float | None
    width: int
    height: int
    frame: Any


@dataclass
class Losses:
    """Filled while the pictures come.

    Attributes:
        error: FFmpeg's first text where packets were damaged or the file broke off; empty otherwise.
        corrupt_frames: Pictures that the decoder marked as damaged.
        sound_end_s: End of the last packet of sound that was passed over, in the container's time; 0 where none was.
    """

    error: str = ""
    corrupt_frames: int = 0
    sound_end_s: float = 0.0


class PictureSource(Protocol):
    """One pass over the pictures of one file.

    Attributes:
        name: Back end and version.
        start_s: The container's time of the moment called 0.
        tick_s: One unit of the stream's time base, in seconds.
        frame_s: Expected distance of two frames, in seconds.
        losses: What went wrong so far.
    """

    name: str
    start_s: float
    tick_s: float
    frame_s: float
    losses: Losses

    def pictures(self) -> Iterator[Picture]:
        """Each picture once, in presentation order. Ends where the file or the decoder ends; never raises for that."""
        ...

    def render(self, picture: Picture, wanted: list[tuple[tuple[int, int], Colour]]) -> list[UInt8Array]:
        """The upright picture at each (width, height) and colour; views that hold until the next call."""
        ...
