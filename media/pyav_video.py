"""The PyAV back end: one pass over the pictures of one file, opened and closed in one function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import av.error
from av import Packet, VideoFrame
from av.stream import Stream
from av.video.stream import VideoStream

from media.decode_source import Losses, Picture
from media.limits import MediaLimits
from media.needs import Colour
from media.orientation import Orientation, orientation_of
from media.plan import FALLBACK_FRAME_RATE
from media.pyav_frames import Renderer
from media.pyav_open import OpenMedia, error_text, open_media
from media.pyav_packets import read_packets
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
        self._orientation: Orientation | None = None

    def pictures(self) -> Iterator[Picture]:
        """Goes on behind damaged packets, as players do; the first error's text is kept."""
        bad = 0
        packets = self._packets()
        while bad <= MAX_BAD_PACKETS:
            packet = next(packets, None)
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
            if packet is None:
                return

    def render(self, picture: Picture, wanted: list[tuple[tuple[int, int], Colour]]) -> list[UInt8Array]:
        """See ``Renderer.render``."""
        assert self._orientation is not None
        return self._renderer.render(picture.frame, self._orientation, wanted)

    def _packets(self) -> Iterator[Packet[Stream]]:
        """The packets of the pictures. Where the container alone declares a length, the sound's end is noted too."""
        sound = self._media.audio if not self._stream.duration else None
        streams = [self._stream] if sound is None else [self._stream, sound]
        try:
            for packet in read_packets(self._media, *streams):
                if packet.stream_index == self._stream.index:
                    yield packet
                elif packet.pts is not None and packet.time_base:
                    end_s = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                    self.losses.sound_end_s = max(self.losses.sound_end_s, end_s)
        except av.error.FFmpegError as error:
            self._note(error)

    def _picture(self, frame: VideoFrame) -> Picture:
        if self._orientation is None:
            self._orientation = orientation_of(frame)
        self.losses.corrupt_frames += bool(frame.is_corrupt)
        base = frame.time_base or self._stream.time_base
        stamp = frame.pts if frame.pts is not None else frame.dts
        width, height = self._orientation.upright(frame.width, frame.height)
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
