"""The packets of a container: what they say without decoding them is cheap, and true where the header is not."""

from __future__ import annotations

from collections.abc import Iterator

import av.error
from av import Packet
from av.audio.stream import AudioStream
from av.stream import Stream
from av.video.stream import VideoStream

from media.pyav_open import OpenMedia


def read_packets(media: OpenMedia, *streams: VideoStream | AudioStream) -> Iterator[Packet[Stream]]:
    """The streams' packets in the order of storage, without PyAV's empty ones at the end.

    Raises:
        av.error.FFmpegError: The container breaks off; packets so far stand.
    """
    source = media.container.demux(*streams)
    while True:
        try:
            packet = next(source)
        except (StopIteration, IndexError):
            # IndexError: at the end PyAV 18 also looks for streams that appeared behind the header, which it lacks.
            return
        if packet.size:
            yield packet


def packets_end_s(media: OpenMedia, stream: VideoStream | AudioStream) -> float | None:
    """End of the stream's last packet on the video's time line; None where no packet has a time stamp.

    Reads the rest of the container, which must not have been read from yet.
    """
    end: float | None = None
    try:
        for packet in read_packets(media, stream):
            if packet.pts is not None and packet.time_base and not packet.is_discard:
                last = float((packet.pts + (packet.duration or 0)) * packet.time_base) - media.start_s
                end = last if end is None else max(end, last)
    except av.error.FFmpegError:
        return end
    return end
