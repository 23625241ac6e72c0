"""Pictures and sound on their way to the analyzers: arrays that carry their time. All arrays are read-only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """Consecutive frames of one rendition.

    Attributes:
        frames: uint8, (N, H, W, 3) RGB or (N, H, W) gray, upright, C-contiguous.
        pts_s: float64 (N,), strictly increasing presentation times in seconds from the video's start.
        index: int64 (N,), position of each frame among all decoded frames, from 0.
        carried: 1 when ``frames[0]`` is the last frame of the chunk before (so that differences and flow over the
            border can be computed), else 0. Results belong to ``own``.
        source_width: Width in px of the upright picture before scaling.
        source_height: Height in px of the upright picture before scaling.
    """

    frames: UInt8Array
    pts_s: Float64Array
    index: Int64Array
    carried: int
    source_width: int
    source_height: int

    def __post_init__(self) -> None:
        n = len(self.frames)
        if self.frames.dtype != np.uint8 or self.frames.ndim not in (3, 4):
            raise ValueError(
                f"FrameBatch.frames must be uint8 with 3 or 4 axes, got {self.frames.dtype} {self.frames.shape}"
            )
        if self.pts_s.shape != (n,) or self.index.shape != (n,):
            raise ValueError(f"FrameBatch: {n} frames, but pts_s {self.pts_s.shape} and index {self.index.shape}")
        if self.carried not in (0, 1) or self.carried > n:
            raise ValueError(f"FrameBatch.carried must be 0 or 1 and at most {n}, got {self.carried}")
        for array in (self.frames, self.pts_s, self.index):
            if array.flags.writeable:
                array.flags.writeable = False

    def __len__(self) -> int:
        """Number of own frames, without the carried one."""
        return len(self.frames) - self.carried

    def __repr__(self) -> str:
        times = f"{self.pts_s[0]:.3f}..{self.pts_s[-1]:.3f} s" if len(self.frames) else "empty"
        return f"FrameBatch({self.frames.shape}, {times}, carried={self.carried})"

    @property
    def own(self) -> UInt8Array:
        """The frames that belong to this chunk: (len(self), ...), a view."""
        return self.frames[self.carried :]

    @property
    def own_pts_s(self) -> Float64Array:
        """Times of ``own``: (len(self),)."""
        return self.pts_s[self.carried :]

    @property
    def own_index(self) -> Int64Array:
        """Decoded frame numbers of ``own``: (len(self),)."""
        return self.index[self.carried :]

    @property
    def width(self) -> int:
        """Width of the scaled picture in px."""
        return int(self.frames.shape[2])

    @property
    def height(self) -> int:
        """Height of the scaled picture in px."""
        return int(self.frames.shape[1])

    @property
    def to_source(self) -> tuple[float, float]:
        """Factors (x, y) from this rendition's pixels to pixels of the upright source picture."""
        return self.source_width / self.width, self.source_height / self.height


@dataclass(frozen=True, eq=False)
class FrameChunk:
    """One stretch of the video as one analyzer sees it.

    Attributes:
        index: Number of the chunk, from 0.
        start_s: Start of its span on the video's time line.
        end_s: End of its span, exclusive.
        batches: One batch per entry of the analyzer's ``Needs.frames``, in that order. A batch may have no own
            frames; at least one of them has some.
        upstream: Observations of the same chunk by the analyzers named in the reader's ``upstream``; those that are
            not run, or lost this chunk, are missing.
    """

    index: int
    start_s: float
    end_s: float
    batches: tuple[FrameBatch, ...]
    upstream: Mapping[str, Any] = field(default_factory=dict)

    @property
    def batch(self) -> FrameBatch:
        """The only batch; ``ValueError`` where the analyzer asked for several."""
        if len(self.batches) != 1:
            raise ValueError(f"chunk holds {len(self.batches)} batches; name the one you mean")
        return self.batches[0]


@dataclass(frozen=True, eq=False)
class AudioClip:
    """The sound track at one rate.

    Attributes:
        samples: float32 in [-1, 1], (N,) for one channel, (N, 2) for two. Gaps in the file are zeros.
        rate_hz: Samples per second.
        start_s: Time of the first sample on the video's time line; usually 0.
    """

    samples: Float32Array
    rate_hz: int
    start_s: float = 0.0

    def __post_init__(self) -> None:
        if self.samples.dtype != np.float32 or self.samples.ndim not in (1, 2):
            raise ValueError(
                f"AudioClip.samples must be float32 (N,) or (N, 2), got {self.samples.dtype} {self.samples.shape}"
            )
        if self.samples.flags.writeable:
            self.samples.flags.writeable = False

    def __repr__(self) -> str:
        return f"AudioClip({self.samples.shape}, {self.rate_hz} Hz, {self.duration_s:.3f} s)"

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz


@dataclass(frozen=True, eq=False)
class AudioChunk:
    """The whole sound track as one analyzer hears it.

    Attributes:
        clips: One clip per entry of the analyzer's ``Needs.audio``, in that order.
        upstream: As in ``FrameChunk``.
    """

    clips: tuple[AudioClip, ...]
    upstream: Mapping[str, Any] = field(default_factory=dict)

    @property
    def clip(self) -> AudioClip:
        """The only clip; ``ValueError`` where the analyzer asked for several."""
        if len(self.clips) != 1:
            raise ValueError(f"chunk holds {len(self.clips)} clips; name the one you mean")
        return self.clips[0]


@dataclass(frozen=True)
class ChunkHeader:
    """Announces what the decoder yields next: one ``FrameBatch`` for each entry of ``renditions``, in that order.

    Attributes:
        kind: ``chunk`` for a stretch of the running renditions, ``spread`` for the spread ones at the end.
        index: Number of the chunk, from 0; 0 for ``spread``.
        start_s: Start of the span on the video's time line.
        end_s: End of the span, exclusive.
        renditions: Indices into ``DecodePlan.renditions``.
        counts: Own frames in each of the batches that follow.
    """

    kind: Literal["chunk", "spread"]
    index: int
    start_s: float
    end_s: float
    renditions: tuple[int, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class DecodeReport:
    """The decoder's last item: what came out of the file.

    Attributes:
        frames_decoded: Pictures that came out, whether or not an analyzer wanted them.
        end_s: End of the last picture (its time plus its duration) on the video's time line.
        variable_frame_rate: Gaps between pictures differ by more than a time-base tick's rounding.
        truncated: Ended well before the declared length, or at a limit.
        error: FFmpeg's first text where packets were damaged (decoding goes on behind them), or the limit that ended
            the pass; empty otherwise.
        corrupt_frames: Pictures the decoder marked as damaged.
        video_decodes: Passes over the video stream; always 1.
        decoder: ``pyav`` or ``decord``, with version.
        cpu_s: Processor time of the decoding process for this pass.
        wall_s: Wall time of this pass, waiting for back-pressure included.
        bytes_out: Bytes of all pictures yielded.
    """

    frames_decoded: int
    end_s: float
    variable_frame_rate: bool
    truncated: bool
    error: str
    corrupt_frames: int
    video_decodes: int
    decoder: str
    cpu_s: float
    wall_s: float
    bytes_out: int
