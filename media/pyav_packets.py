"""What the packets say, without decoding them: cheap, and true where the header is not."""

from __future__ import annotations

import av.error
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from media.pyav_open import OpenMedia


def packets_end_s(media: OpenMedia, stream: VideoStream | AudioStream) -> float | None:
    """End of the stream's last packet on the video's time line; None where no packet has a time stamp.

    Reads the rest of the container, which must not have been read from yet.
    """
    end: float | None = None
    try:
        for packet in media.container.demux(stream):
            if packet.pts is not None and packet.time_base and not packet.is_discard:
                last = float((packet.pts + (packet.duration or 0)) * packet.time_base) - media.start_s
                end = last if end is None else max(end, last)
    except av.error.FFmpegError:
        return end
    return end
