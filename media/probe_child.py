"""Opens one file and prints its facts as JSON. Run by ``media.probe`` in a process of its own, with hard limits.

Usage: ``python -m media.probe_child PATH LIMITS_JSON``. Prints ``{"facts": ...}``, or ``{"error": class name,
"details": ..., "action": ...}``.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from media.limits import MediaLimits
from schema.document import AudioFacts, VideoFacts
from schema.errors import AnalyzerSystemError, TooLarge, TooLong

if TYPE_CHECKING:
    from av import VideoFrame
    from av.audio.stream import AudioStream
    from av.video.stream import VideoStream

    from media.pyav_open import OpenMedia

FIRST_PICTURE_PACKETS = 64
"""Packets of the video stream that are tried until a picture comes out; 64 is two seconds at 30 frames a second."""


def main() -> int:
    """Reads the arguments, sets the limits, prints the answer; always 0 unless a limit kills the process."""
    path, limits = Path(sys.argv[1]), MediaLimits.model_validate_json(sys.argv[2])
    _limit_process(limits)
    try:
        answer = {"facts": read_facts(path, limits).model_dump(mode="json")}
    except AnalyzerSystemError as error:
        answer = {"error": type(error).__name__, "details": error.details, "action": error.action}
    except MemoryError:
        answer = {"error": "TooLarge", "details": "opening it takes more memory than allowed"}
    print(json.dumps(answer))
    return 0


def _limit_process(limits: MediaLimits) -> None:
    memory = limits.probe_memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Finer than RLIMIT_CPU's whole seconds; the default action of SIGPROF ends the process.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, limits.probe_timeout_s)


def read_facts(path: Path, limits: MediaLimits) -> VideoFacts:
    """The container's facts; decodes at most the first picture.

    Raises:
        AnalyzerSystemError: As ``media.probe.probe``.
    """
    from media.pyav_open import is_picture_attachment, open_media

    with open_media(path, limits) as media:
        streams = media.container.streams
        duration = _declared_duration_s(media)
        length = duration if duration is not None else _measured_duration_s(path, limits)
        if length > limits.max_duration_s:
            raise TooLong(f"{length:.1f} s; allowed are {limits.max_duration_s:g} s")
        facts = VideoFacts(
            container=media.container.format.name,
            duration_s=length,
            declared_duration_s=duration,
            start_offset_s=media.start_s,
            video_streams=sum(not is_picture_attachment(s) for s in streams.video),
            audio_streams=len(streams.audio),
            audio=_audio_facts(media.audio) if media.audio is not None else None,
        )
        return facts.model_copy(update=_picture_facts(media, media.video, limits)) if media.video is not None else facts


def _declared_duration_s(media: OpenMedia) -> float | None:
    """Length of the chosen video stream, else of the sound, else of the container."""
    stream = media.video if media.video is not None else media.audio
    assert stream is not None
    if stream.duration is not None and stream.time_base:
        start = stream.start_time * stream.time_base if stream.start_time is not None else media.start_s
        return max(0.0, float(start + stream.duration * stream.time_base) - media.start_s)
    if media.container.duration is not None:
        return max(0.0, media.container.duration / 1_000_000)
    return None


def _measured_duration_s(path: Path, limits: MediaLimits) -> float:
    """End of the last packet, for containers that declare no length. Reads the file, decodes nothing."""
    from media.pyav_open import open_media

    end = 0.0
    with open_media(path, limits) as media:
        stream = media.video if media.video is not None else media.audio
        assert stream is not None
        for packet in media.container.demux(stream):
            if packet.pts is not None and packet.time_base:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base) - media.start_s)
    return end


def _audio_facts(stream: AudioStream) -> AudioFacts:
    duration = None
    if stream.duration is not None and stream.time_base:
        duration = max(0.0, float(stream.duration * stream.time_base))
    return AudioFacts(
        codec=stream.codec_context.name,
        sample_rate_hz=stream.codec_context.sample_rate,
        channels=stream.codec_context.channels,
        duration_s=duration,
    )


def _picture_facts(media: OpenMedia, stream: VideoStream, limits: MediaLimits) -> dict[str, object]:
    from media.pyav_frames import clockwise

    context = stream.codec_context
    if context.width * context.height > limits.max_pixels:
        raise TooLarge(
            f"pictures of {context.width} x {context.height}; allowed are {limits.max_pixels} pixels in each",
        )
    frames = stream.frames or None
    if frames is not None and frames > limits.max_frames:
        raise TooLarge(f"{frames} pictures; allowed are {limits.max_frames}")
    picture = _first_picture(media, stream)
    width, height, turn = context.width, context.height, 0
    if picture is not None:
        width, height, turn = picture.width, picture.height, clockwise(picture)
    upright = (height, width) if turn in (90, 270) else (width, height)
    rate = stream.average_rate or stream.guessed_rate
    aspect = stream.sample_aspect_ratio
    return {
        "width": upright[0] or None,
        "height": upright[1] or None,
        "rotation_deg": turn,
        "pixel_aspect_ratio": float(aspect) if aspect else 1.0,
        "frame_rate": float(rate) if rate else None,
        "interlaced": _interlaced(stream, picture),
        "video_codec": context.name,
        "pixel_format": picture.format.name if picture is not None else context.pix_fmt,
        "frames_declared": frames,
    }


def _interlaced(stream: VideoStream, picture: VideoFrame | None) -> bool:
    return picture.interlaced_frame if picture is not None else False


def _first_picture(media: OpenMedia, stream: VideoStream) -> VideoFrame | None:
    """The first picture that decodes: rotation and pixel format are surest there. None where none does."""
    import av.error

    stream.codec_context.thread_count = 1
    try:
        for number, packet in enumerate(media.container.demux(stream)):
            if number >= FIRST_PICTURE_PACKETS:
                return None
            try:
                for frame in packet.decode():
                    return frame
            except av.error.FFmpegError:
                continue
    except av.error.FFmpegError:
        return None
    return None


if __name__ == "__main__":
    sys.exit(main())
