"""The PyAV back end: one pass over the pictures of one file, opened and closed in one function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import av.error
from av import VideoFrame
from av.video.stream import VideoStream

from media.decode_source import Losses, Picture
from media.limits import MediaLimits
from media.needs import Colour
from media.plan import FALLBACK_FRAME_RATE
from media.pyav_frames import Renderer, upright_size
from media.pyav_open import OpenMedia, error_text, open_media
from media.types import UInt8Array
from schema.errors import NotAVideo

MAX_BAD_PACKETS = 300
"""Undecodable packets in a row after which the rest is given up: 10 s at 30 frames a second."""


class PyAVSource:
    """See ``media.decode_source.PictureSource``."""

    def __init__(self, media: OpenMedia, stream: VideoStream) -> None:
        self.name = f"pyav {av.__version__}"
        self.start_s = media.start_s
        self.tick_s = float(stream.time_base) if stream.time_base else 1e-3
        rate = stream.average_rate or stream.guessed_rate
        self.frame_s = 1.0 / float(rate or FALLBACK_FRAME_RATE)
        self.losses = Losses()
        self._media = media
        self._stream = stream
        self._renderer = Renderer()

    def pictures(self) -> Iterator[Picture]:
        """Goes on behind damaged packets, as players do; the first error's text is kept."""
        bad = 0
        packets = self._media.container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                self._note(error)
                packet = None
            try:
                frames = self._stream.decode(packet)
                bad = 0
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                self._note(error)
                frames = []
                bad += 1
            for frame in frames:
                yield self._picture(frame)
            if packet is None or bad > MAX_BAD_PACKETS:
                return

    def render(self, picture: Picture, wanted: list[tuple[tuple[int, int], Colour]]) -> list[UInt8Array]:
        """See ``Renderer.render``."""
        return self._renderer.render(picture.frame, wanted)

    def _picture(self, frame: VideoFrame) -> Picture:
        self.losses.corrupt_frames += bool(frame.is_corrupt)
        base = frame.time_base or self._stream.time_base
        stamp = frame.pts if frame.pts is not None else frame.dts
        width, height = upright_size(frame)
        return Picture(
            pts_s=float(stamp * base) if stamp is not None and base else None,
            duration_s=float(frame.duration * base) if frame.duration and base else None,
            width=width,
            height=height,
            frame=frame,
        )

    def _note(self, error: av.error.FFmpegError) -> None:
        self.losses.error = self.losses.error or error_text(error)


@contextmanager
def pyav_source(path: Path, limits: MediaLimits, threads: int) -> Iterator[PyAVSource]:
    """Opens the file for one pass.

    Raises:
        NotAVideo: No stream of pictures.
    """
    with open_media(path, limits) as media:
        if media.video is None:
            raise NotAVideo(f"{path.name}: sound without pictures")
        media.video.thread_type = "AUTO"
        media.video.codec_context.thread_count = threads
        yield PyAVSource(media, media.video)


def packet_end_s(path: Path, limits: MediaLimits) -> float | None:
    """End of the video's last packet on its time line. Reads the file without decoding; None without time stamps."""
    end: float | None = None
    with open_media(path, limits) as media:
        if media.video is None:
            return None
        try:
            for packet in media.container.demux(media.video):
                if packet.pts is not None and packet.time_base and not packet.is_discard:
                    last = float((packet.pts + (packet.duration or 0)) * packet.time_base) - media.start_s
                    end = last if end is None else max(end, last)
        except av.error.FFmpegError:
            return end
    return end
