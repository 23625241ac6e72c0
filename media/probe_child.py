"""Opens one file and prints its facts as JSON. Run by ``media.probe`` in a process of its own, with hard limits.

Usage: ``python -m media.probe_child LIMITS_JSON``, with the path as a JSON string on its standard input; it gets ready
before it reads. Prints the fields of ``schema.document.VideoFacts``, or
``{"error": class name, "details": ..., "action": ...}``. Imports PyAV and the standard library only: pydantic would
double its time.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from av import VideoFrame
    from av.audio.stream import AudioStream
    from av.video.stream import VideoStream

    from media.limits import MediaLimits
    from media.pyav_open import OpenMedia
    from schema.errors import AnalyzerSystemError

FIRST_PICTURE_PACKETS = 64
"""Packets of the video stream that are tried until a picture comes out; 64 is two seconds at 30 frames a second."""

SIZE_FAULT = re.compile("image size|picture size|pixel count|dimensions", re.IGNORECASE)
"""How FFmpeg and its decoders say that a picture is larger than ``max_pixels``."""


def main() -> int:
    """Sets the limits, reads the path, prints the answer; always 0 unless a limit kills the process."""
    limits = cast("MediaLimits", SimpleNamespace(**json.loads(sys.argv[1])))
    _limit_process(limits)
    import av.logging  # not before the limits

    av.logging.set_level(av.logging.ERROR)  # errors then carry FFmpeg's own line
    import media.pyav_open  # noqa: F401 -- loaded while nobody waits yet

    if not (named := sys.stdin.read()):
        return 0  # whoever started it has gone
    path = Path(json.loads(named))
    try:
        answer = read_facts(path, limits)
    except MemoryError:
        answer = {"error": "TooLarge", "details": "opening it takes more memory than allowed"}
    except _typed_error() as error:  # evaluated, and pydantic imported, only when there is an error
        answer = {"error": type(error).__name__, "details": error.details, "action": error.action}
    print(json.dumps(answer))
    return 0


def _typed_error() -> type[AnalyzerSystemError]:
    from schema.errors import AnalyzerSystemError

    return AnalyzerSystemError


def _limit_process(limits: MediaLimits) -> None:
    memory = limits.probe_memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Finer than RLIMIT_CPU's whole seconds; the default action of SIGPROF ends the process.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPROF])  # a parent's libraries may have blocked it
    signal.setitimer(signal.ITIMER_PROF, limits.probe_timeout_s)


def read_facts(path: Path, limits: MediaLimits) -> dict[str, Any]:
    """Fields of ``VideoFacts``; decodes at most the first picture.

    Raises:
        AnalyzerSystemError: As ``media.probe.probe``.
    """
    from media.pyav_open import is_picture_attachment, open_media, refusal

    with open_media(path, limits) as media:
        streams = media.container.streams
        declared = _declared_duration_s(media)
        duration = declared if declared is not None else _measured_duration_s(path, limits)
        if duration > limits.max_duration_s:
            raise refusal("TooLong", f"{duration:.1f} s; allowed are {limits.max_duration_s:g} s")
        facts = {
            "container": media.container.format.name,
            "duration_s": duration,
            "declared_duration_s": declared,
            "start_offset_s": media.start_s,
            "video_streams": sum(not is_picture_attachment(s) for s in streams.video),
            "audio_streams": len(streams.audio),
            "audio": _audio_facts(media.audio) if media.audio is not None else None,
        }
        if media.video is not None:
            facts.update(_picture_facts(media, media.video, limits))
        return facts


def _declared_duration_s(media: OpenMedia) -> float | None:
    """Length of the chosen pictures from time zero on, else of the sound, else of the container; None if unknown."""
    stream = media.video if media.video is not None else media.audio
    assert stream is not None
    whole_s = max(0.0, (media.container.duration or 0) / 1e6)  # negative in damaged files
    if stream.duration and stream.duration > 0 and stream.time_base:
        start = stream.start_time * stream.time_base if stream.start_time is not None else media.start_s
        return max(0.0, float(start + stream.duration * stream.time_base) - media.start_s)
    end = _clock_s(stream.metadata.get("DURATION", ""))
    if end is None and whole_s and media.container.format.name.startswith("matroska"):
        end = whole_s
    if end is not None:  # Matroska's lengths count from its own zero
        return max(0.0, end - media.start_s)
    return whole_s or None


def _clock_s(text: str) -> float | None:
    """Seconds of ``00:01:02.5``, as Matroska's tag DURATION writes them; None for anything else."""
    parts = text.split(":")
    try:
        hours, minutes, seconds = (float(p) for p in parts)
    except ValueError:
        return None
    return (hours * 60 + minutes) * 60 + seconds


def _measured_duration_s(path: Path, limits: MediaLimits) -> float:
    """End of the last packet, for containers that declare no length. Reads the file, decodes nothing."""
    from media.pyav_open import open_media
    from media.pyav_packets import packets_end_s

    with open_media(path, limits) as media:
        stream = media.video if media.video is not None else media.audio
        assert stream is not None
        return packets_end_s(media, stream) or 0.0


def _audio_facts(stream: AudioStream) -> dict[str, Any]:
    return {
        "codec": stream.codec_context.name,
        "sample_rate_hz": stream.codec_context.sample_rate,
        "channels": stream.codec_context.channels,
        "duration_s": max(0.0, float(stream.duration * stream.time_base))
        if stream.duration and stream.time_base
        else None,
    }


def _picture_facts(media: OpenMedia, stream: VideoStream, limits: MediaLimits) -> dict[str, Any]:
    from media.orientation import UPRIGHT, orientation_of
    from media.pyav_open import refusal

    context = stream.codec_context
    _check_size(context.width, context.height, limits)
    if stream.frames > limits.max_frames:
        raise refusal("TooLarge", f"{stream.frames} pictures; allowed are {limits.max_frames}")
    first, fault = _first_picture(media, stream)
    if first is None and SIZE_FAULT.search(fault):
        raise refusal("TooLarge", f"pictures over the allowed {limits.max_pixels} pixels ({fault})")
    width, height = (first.width, first.height) if first is not None else (context.width, context.height)
    if width == 0 or height == 0:
        raise refusal("DecodeFailed", f"{context.name} pictures of unknown size, none could be decoded ({fault})")
    _check_size(width, height, limits)
    orientation = orientation_of(first) if first is not None else UPRIGHT
    upright = orientation.upright(width, height)
    # Not `context.pix_fmt`: where it is unknown, PyAV 17 (the last for Python 3.10) ends the process.
    pixels = first.format if first is not None else context.format
    rate, aspect = stream.average_rate or stream.guessed_rate, stream.sample_aspect_ratio
    return {
        "width": upright[0],
        "height": upright[1],
        "rotation_deg": orientation.turn_deg,
        "pixel_aspect_ratio": float(aspect) if aspect and aspect > 0 else 1.0,
        "frame_rate": float(rate) if rate and rate > 0 else None,
        "interlaced": first.interlaced_frame if first is not None else None,
        "video_codec": context.codec.canonical_name,
        "pixel_format": pixels.name if pixels is not None else None,
        "frames_declared": stream.frames if stream.frames > 0 else None,
    }


def _check_size(width: int, height: int, limits: MediaLimits) -> None:
    from media.pyav_open import refusal

    if width * height > limits.max_pixels:
        raise refusal("TooLarge", f"pictures of {width} x {height}; allowed are {limits.max_pixels} pixels in each")


def _first_picture(media: OpenMedia, stream: VideoStream) -> tuple[VideoFrame | None, str]:
    """The first picture that decodes, and the last fault's text where none does.

    Its size, turn and pixel format are surer than the header's.
    """
    import av.error

    from media.pyav_open import error_text
    from media.pyav_packets import read_packets

    stream.codec_context.thread_count = 1
    packets = read_packets(media, stream)
    fault = "no packets"
    for _ in range(FIRST_PICTURE_PACKETS):
        try:
            packet = next(packets, None)
            frames = stream.decode(packet)
        except av.error.EOFError:
            break
        except av.error.FFmpegError as error:
            fault = error_text(error)
            continue
        if frames:
            return frames[0], ""
        if packet is None:
            break
    return None, fault


if __name__ == "__main__":
    sys.exit(main())
