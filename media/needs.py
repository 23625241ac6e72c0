"""What an analyzer needs to see or hear: frozen values that are themselves the keys of the decode plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Union

Colour = Literal["rgb", "gray"]
"""``rgb``: uint8 (N, H, W, 3) in R, G, B order. ``gray``: uint8 (N, H, W), full-range luma."""


@dataclass(frozen=True)
class EveryFrame:
    """Each decoded frame, in presentation order."""


@dataclass(frozen=True)
class Rate:
    """The first frame at or after each multiple of ``1 / fps`` seconds; every frame where the video has fewer."""

    fps: float

    def __post_init__(self) -> None:
        if not 0.0 < self.fps <= 240.0:
            raise ValueError(f"Rate.fps must be in (0, 240], got {self.fps}")


@dataclass(frozen=True)
class Spread:
    """``count`` frames at the middles of ``count`` equal parts of the clip, delivered as one chunk at the end."""

    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.count <= 512:
            raise ValueError(f"Spread.count must be in [1, 512], got {self.count}")


Sampling = Union[EveryFrame, Rate, Spread]


@dataclass(frozen=True)
class FrameNeed:
    """One stream of pictures.

    Attributes:
        sampling: Which frames.
        short_side_px: Shorter side of the upright picture after scaling down; smaller pictures are never enlarged.
        colour: Channel layout.
    """

    sampling: Sampling
    short_side_px: int
    colour: Colour = "rgb"

    def __post_init__(self) -> None:
        if not 16 <= self.short_side_px <= 4320:
            raise ValueError(f"FrameNeed.short_side_px must be in [16, 4320], got {self.short_side_px}")
        if self.colour not in ("rgb", "gray"):
            raise ValueError(f"FrameNeed.colour must be 'rgb' or 'gray', got {self.colour!r}")


@dataclass(frozen=True)
class AudioNeed:
    """The whole sound track as one array.

    Attributes:
        rate_hz: Sample rate after resampling.
        channels: 1 (mixed down) or 2 (mono is doubled).
    """

    rate_hz: int
    channels: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        if not 4_000 <= self.rate_hz <= 96_000:
            raise ValueError(f"AudioNeed.rate_hz must be in [4000, 96000], got {self.rate_hz}")
        if self.channels not in (1, 2):
            raise ValueError(f"AudioNeed.channels must be 1 or 2, got {self.channels}")


@dataclass(frozen=True)
class Needs:
    """All that one analyzer needs: pictures, or sound, or nothing but other analyzers' results.

    ``frames`` may name several streams; each chunk then holds one batch per stream, in this order. Streams are
    either all spread over the clip or all not.
    """

    frames: tuple[FrameNeed, ...] = field(default=())
    audio: tuple[AudioNeed, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.frames and self.audio:
            raise ValueError("Needs: frames and audio in one analyzer; read the other's results with `after` instead")
        spread = {isinstance(need.sampling, Spread) for need in self.frames}
        if len(spread) > 1:
            raise ValueError("Needs: spread and running frames in one analyzer are not supported")

    @property
    def is_spread(self) -> bool:
        """Whether the pictures come as one chunk, spread over the clip."""
        return bool(self.frames) and isinstance(self.frames[0].sampling, Spread)
