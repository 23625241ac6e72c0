"""The decord back end: the same items as PyAV, for comparison.

decord's last release is of 2021 with an FFmpeg of 2018. Known and not mended here:

* It decodes ahead without bound, so the pictures of the whole file must fit into ``MAX_AHEAD_BYTES``; files for which
  they do not are refused. It is asked for the largest wanted picture size, and the smaller ones are scaled from that.
* It cannot read AV1, GIF and files without a declared length; from MPEG program and transport streams it loses the
  first pictures without a word; pictures under ``MIN_WIDTH_PX`` come out as noise: ``UnsupportedCodec``.
* Damage ends the pass, and frames decoded before it may be lost; PyAV goes on behind it.
* Fields of interlaced pictures stay woven, and mirrored pictures stay mirrored.
* It opens whatever a playlist names. Here it gets only files that PyAV has opened under the white lists just before.

Time stamps come from the packets, read by PyAV without decoding: decord rounds them to 32-bit floats.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Union

import av.error
import cv2
import numpy as np
from av.video.stream import VideoStream

from media.decode_source import Losses, Picture
from media.limits import MediaLimits
from media.needs import Colour
from media.plan import FALLBACK_FRAME_RATE, DecodePlan, scaled_size
from media.pyav_open import OpenMedia, open_media
from media.pyav_packets import read_packets
from media.types import UInt8Array
from schema.document import VideoFacts
from schema.errors import InternalError, NotAVideo, TooLarge, UnsupportedCodec

MAX_AHEAD_BYTES = 2_000_000_000
"""Bytes of all pictures of a file at the largest wanted size. 2 GB is a minute at 720x1280 and 30 frames a second."""


MIN_WIDTH_PX = 64
"""decord takes a padded line of a narrower picture for one of four channels."""

USE_PYAV = "Set decoder: pyav in the configuration."

LOSSY_CONTAINERS = ("mpeg", "mpegts", "mpegvideo")
"""After its scan decord seeks to the start, which these cannot do exactly."""

Stamp = tuple[Union[float, None], Union[float, None]]
"""Time and duration of one picture in the container's seconds; None where it gives none."""


class DecordSource:
    """See ``media.decode_source.PictureSource``.

    Args:
        reader: ``decord.VideoReader``.
        version: Of decord.
        media: The same file, opened by PyAV, for what decord does not tell.
        stamps: One per picture, in presentation order.
        source: (width, height) of the upright picture before scaling.
    """

    def __init__(
        self, reader: Any, version: str, media: OpenMedia, stamps: list[Stamp], source: tuple[int, int]
    ) -> None:
        self.name = f"decord {version}"
        self.start_s = media.start_s
        self.losses = Losses()
        stream = media.video
        self.tick_s = float(stream.time_base) if stream is not None and stream.time_base else 1e-3
        self.frame_s = 1.0 / (reader.get_avg_fps() or FALLBACK_FRAME_RATE)
        self._reader = reader
        self._stamps = stamps
        self._source = source

    def pictures(self) -> Iterator[Picture]:
        """Ends at the first damage.

        Raises:
            UnsupportedCodec: decord mistakes the layout of this codec's pictures.
        """
        from decord import DECORDError

        for pts_s, duration_s in self._stamps:
            try:
                pixels: UInt8Array = self._reader.next().asnumpy()
            except StopIteration:
                return
            except DECORDError as error:
                self.losses.error = _short(error)
                return
            if pixels.shape[2] != 3:
                raise UnsupportedCodec(f"decord gives pictures of {pixels.shape[2]} channels", USE_PYAV)
            yield Picture(pts_s, duration_s, *self._source, pixels)

    def render(self, picture: Picture, wanted: list[tuple[tuple[int, int], Colour]]) -> list[UInt8Array]:
        """The upright picture at each (width, height) and colour."""
        out: list[UInt8Array] = []
        for size, colour in wanted:
            pixels: Any = picture.frame
            if pixels.shape[1::-1] != size:
                pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
            if colour == "gray":
                pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
            out.append(np.ascontiguousarray(pixels))
        return out


@contextmanager
def decord_source(
    path: Path, plan: DecodePlan, facts: VideoFacts, limits: MediaLimits, threads: int
) -> Iterator[DecordSource]:
    """Opens the file for one pass.

    Raises:
        NotAVideo: No stream of pictures.
        UnsupportedCodec: decord cannot read it.
        TooLarge: It would decode more ahead than ``MAX_AHEAD_BYTES``.
        InternalError: decord is not installed.
    """
    decord = _decord()
    cv2.setNumThreads(1)
    with open_media(path, limits) as media:
        if media.video is None or not facts.width or not facts.height:
            raise NotAVideo(f"{path.name}: sound without pictures")
        packets, stamps = _stamps(media, media.video)
        source = (facts.width, facts.height)
        width, height = _largest(plan, source)
        if width < MIN_WIDTH_PX or facts.container in LOSSY_CONTAINERS:
            raise _unsupported(path, facts.container if width >= MIN_WIDTH_PX else f"{width} px wide pictures")
        ahead = len(stamps) * width * height * 3
        if ahead > MAX_AHEAD_BYTES:
            raise TooLarge(
                f"{path.name}: decord would decode {ahead} bytes ahead; allowed are {MAX_AHEAD_BYTES}",
                USE_PYAV,
            )
        try:
            reader = decord.VideoReader(str(path), decord.cpu(0), width, height, threads)
        except decord.DECORDError as error:
            raise _unsupported(path, _short(error)) from None
        if len(reader) != packets:
            stamps = _own_stamps(reader, media.start_s)
        yield DecordSource(reader, decord.__version__, media, stamps, source)


def _unsupported(path: Path, what: str) -> UnsupportedCodec:
    return UnsupportedCodec(f"{path.name}: decord cannot read it ({what})", USE_PYAV)


def _decord() -> Any:
    try:
        import decord
    except ImportError:
        raise InternalError(
            "decoder 'decord' is not installed",
            "pip install 'tiktok-analyzer[decord]', or set decoder: pyav in the configuration.",
        ) from None
    decord.logging.set_level(decord.logging.QUIET)
    return decord


def _largest(plan: DecodePlan, source: tuple[int, int]) -> tuple[int, int]:
    """The size that all renditions are scaled from."""
    short_side_px = max((need.short_side_px for need in plan.renditions), default=0)
    return scaled_size(*source, max(short_side_px, MIN_WIDTH_PX))


def _stamps(media: OpenMedia, stream: VideoStream) -> tuple[int, list[Stamp]]:
    """Number of packets, and the stamps of those that an edit list does not hide, in presentation order."""
    packets, stamps = 0, []
    try:
        for packet in read_packets(media, stream):
            packets += 1
            if not packet.is_discard:
                stamps.append((_seconds(packet.pts, packet.time_base), _seconds(packet.duration, packet.time_base)))
    except av.error.FFmpegError:  # the file breaks off here, for decord too
        return packets, sorted(stamps, key=_by_time)
    return packets, sorted(stamps, key=_by_time)


def _seconds(ticks: int | None, base: Fraction | None) -> float | None:
    return float(ticks * base) if ticks is not None and base is not None else None


def _by_time(stamp: Stamp) -> float:
    return -math.inf if stamp[0] is None else stamp[0]


def _own_stamps(reader: Any, start_s: float) -> list[Stamp]:
    """decord's own, which count from the stream's start."""
    return [(start_s + float(a), float(b - a)) for a, b in reader.get_frame_timestamp(range(len(reader)))]


def _short(error: Exception) -> str:
    """The last line of decord's text, without its source path and stack."""
    lines = [line for line in str(error).splitlines() if line.strip() and not line.lstrip().startswith("[bt]")]
    return lines[0].rsplit(": ", 1)[-1].strip() if lines else type(error).__name__
