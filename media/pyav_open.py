"""Opens a container with PyAV under the white lists and limits, and says which of its streams are analysed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from media.limits import MediaLimits
from schema.errors import FileMissing, NotAVideo, TooLarge, UnsupportedCodec

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpeg,mpegts,mpegvideo,flv,asf,ogg,wav,w64,mp3,aac,flac,aiff,caf,amr"
)
"""Demuxers that may be used. None of them opens another file: no playlists, no concat scripts, no image sequences."""

PRIMING_S = 0.2
"""A sound stream that starts less than this before zero does so because of its encoder's delay, which is not heard."""


@dataclass(frozen=True)
class OpenMedia:
    """An open container and its streams of interest.

    Attributes:
        container: Open until the ``with`` block of ``open_media`` ends.
        video: The stream whose pictures are analysed; None for sound alone.
        audio: The stream whose sound is analysed; None without sound.
        start_s: The container's own time of the moment that all results call 0.
    """

    container: InputContainer
    video: VideoStream | None
    audio: AudioStream | None
    start_s: float


@contextmanager
def open_media(path: Path, limits: MediaLimits) -> Iterator[OpenMedia]:
    """Opens ``path`` as a plain local file, whatever its name looks like.

    Raises:
        FileMissing: There is no such file.
        NotAVideo: No allowed container.
        TooLarge: More streams, or more memory, than allowed.
        UnsupportedCodec: There are streams of pictures or sound, but no decoder for any of them.
    """
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": FORMATS,
        "max_pixels": str(limits.max_pixels),
        "max_streams": str(limits.max_streams),
    }
    try:
        container = av.open(f"file:{path}", options=options, metadata_errors="replace")
    except FileNotFoundError as error:
        raise FileMissing(f"{path.name}: no such file") from error
    except MemoryError as error:
        raise TooLarge(f"{path.name}: opening it takes more memory than allowed") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise NotAVideo(f"{path.name}: {error_text(error)}") from error
    with container:
        if len(container.streams) > limits.max_streams:
            raise TooLarge(f"{len(container.streams)} streams; allowed are {limits.max_streams}")
        video, audio = _best_video(container), _best_audio(container)
        if video is None and audio is None:
            raise _no_streams(container)
        if video is not None:
            video.codec_context.options = {"max_pixels": str(limits.max_pixels)}
        yield OpenMedia(container, video, audio, _start_s(video, audio))


def is_picture_attachment(stream: VideoStream) -> bool:
    """Whether the stream is a cover picture or the like, not moving pictures."""
    still = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    return bool(stream.disposition & still)


def error_text(error: BaseException) -> str:
    """FFmpeg's short text, without the path and the function that PyAV adds."""
    return str(getattr(error, "strerror", None) or error)


def _best_video(container: InputContainer) -> VideoStream | None:
    best = container.streams.best("video")
    candidates = [best] if isinstance(best, VideoStream) else []
    candidates += list(container.streams.video)
    for stream in candidates:
        if not is_picture_attachment(stream) and _has_decoder(stream):
            return stream
    return None


def _best_audio(container: InputContainer) -> AudioStream | None:
    best = container.streams.best("audio")
    candidates = [best] if isinstance(best, AudioStream) else []
    candidates += list(container.streams.audio)
    return next((s for s in candidates if _has_decoder(s)), None)


def _has_decoder(stream: VideoStream | AudioStream) -> bool:
    return getattr(stream, "codec_context", None) is not None


def _no_streams(container: InputContainer) -> Exception:
    kinds = [s.type for s in container.streams if s.type in ("video", "audio")]
    moving = [s for s in container.streams.video if not is_picture_attachment(s)]
    if kinds and (moving or container.streams.audio):
        return UnsupportedCodec(f"{container.format.name} with {len(kinds)} streams, none of which can be decoded here")
    return NotAVideo(f"{container.format.name} without a stream of pictures or sound")


def _start_s(video: VideoStream | None, audio: AudioStream | None) -> float:
    starts = []
    if video is not None and video.start_time is not None and video.time_base:
        starts.append(float(video.start_time * video.time_base))
    if audio is not None and audio.start_time is not None and audio.time_base:
        start = float(audio.start_time * audio.time_base)
        starts.append(0.0 if -PRIMING_S < start < 0.0 else start)
    return min(starts, default=0.0)
