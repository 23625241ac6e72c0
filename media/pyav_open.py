"""Opens a container with PyAV under the white lists and limits, and says which of its streams are analysed.

Imports nothing heavy beside PyAV: the probe's child process starts with this file for every request.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

if TYPE_CHECKING:
    from media.limits import MediaLimits
    from schema.errors import AnalyzerSystemError

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpeg,mpegts,mpegvideo,flv,asf,ogg,wav,w64,mp3,aac,flac,aiff,caf,amr"
)
"""Demuxers that may be used. None of them opens another file: no playlists, no concat scripts, no image sequences."""

PRIMING_S = 0.2
"""A sound stream that starts less than this before zero does so because of its encoder's delay, which is not heard."""

CODED_MARGIN = 1.1
"""Codecs store whole blocks: a picture of exactly the allowed size may be stored with some more lines."""


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
        NotAVideo: No allowed container, or one without pictures and sound.
        TooLarge: More streams, or more memory, than allowed.
        UnsupportedCodec: No decoder for its pictures, or for its sound where it has no pictures.
    """
    codec_options = {"max_pixels": str(int(limits.max_pixels * CODED_MARGIN))}
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS, "enable_drefs": "0", **codec_options}
    try:
        container = av.open(f"file:{path}", options=options, metadata_errors="replace")
    except FileNotFoundError:
        raise refusal("FileMissing", "no such file") from None
    except (MemoryError, av.error.MemoryError):
        raise refusal("TooLarge", "opening it takes more memory than allowed") from None
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise refusal("NotAVideo", f"cannot be opened as video or sound ({error_text(error)})") from None
    with container:
        if len(container.streams) > limits.max_streams:
            raise refusal("TooLarge", f"{len(container.streams)} streams; allowed are {limits.max_streams}")
        video, audio = _chosen_video(container), _chosen_audio(container)
        if video is None and audio is None:
            raise refusal("NotAVideo", f"{container.format.name} without pictures and sound")
        if video is not None:
            video.codec_context.options = codec_options
        yield OpenMedia(container, video, audio, _start_s(video, audio))


def is_picture_attachment(stream: VideoStream) -> bool:
    """Whether the stream is a cover picture or the like, not moving pictures."""
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def error_text(error: BaseException) -> str:
    """FFmpeg's short text, without the path and function that PyAV adds; its log line where it kept one."""
    text = str(getattr(error, "strerror", None) or error)
    log = getattr(error, "log", None)
    return f"{text}: {log[2].strip()}" if log else text


def refusal(kind: str, details: str) -> AnalyzerSystemError:
    """An error of ``schema.errors`` by its name; imported only when there is one to raise."""
    import schema.errors

    error: AnalyzerSystemError = getattr(schema.errors, kind)(details)
    return error


def _chosen_video(container: InputContainer) -> VideoStream | None:
    """The stream a player shows (FFmpeg's choice: default flag, then most pixels), else the first that decodes."""
    best = container.streams.best("video")
    streams = [s for s in container.streams.video if not is_picture_attachment(s)]
    decodable = [s for s in streams if _has_decoder(s)]
    if streams and not decodable:
        raise refusal("UnsupportedCodec", f"{container.format.name} whose pictures no decoder here reads")
    return next(
        (s for s in decodable if best is not None and s.index == best.index), decodable[0] if decodable else None
    )


def _chosen_audio(container: InputContainer) -> AudioStream | None:
    best = container.streams.best("audio")
    streams = list(container.streams.audio)
    decodable = [s for s in streams if _has_decoder(s)]
    if streams and not decodable and not container.streams.video:
        raise refusal("UnsupportedCodec", f"{container.format.name} whose sound no decoder here reads")
    return next(
        (s for s in decodable if best is not None and s.index == best.index), decodable[0] if decodable else None
    )


def _has_decoder(stream: VideoStream | AudioStream) -> bool:
    return getattr(stream, "codec_context", None) is not None


def _start_s(video: VideoStream | None, audio: AudioStream | None) -> float:
    """The earliest start of the chosen streams, without an encoder's delay."""
    starts = []
    if video is not None and video.start_time is not None and video.time_base:
        starts.append(float(video.start_time * video.time_base))
    if audio is not None and audio.start_time is not None and audio.time_base:
        start = float(audio.start_time * audio.time_base)
        starts.append(0.0 if -PRIMING_S < start < 0.0 else start)
    return min(starts, default=0.0)
