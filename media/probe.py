"""What is this file? Answered by a child process with limits on memory and time, before anything is decoded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import schema.errors
from media.limits import MediaLimits
from schema.document import VideoFacts
from schema.errors import AnalyzerSystemError, FileMissing, NotAVideo, RequestTimeout, TooLarge

BUSY_FACTOR = 4.0
"""Wall time allowed for each second of the child's processor time; it waits for a core on a busy machine."""

PICTURE_MARKS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
}
"""First bytes of still pictures."""

SCRIPT_MARKS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"<?xml", b"<MPD")
"""First bytes of playlists and scripts that name other files."""


def probe(path: Path, limits: MediaLimits) -> VideoFacts:
    """The container's facts.

    Args:
        path: A local file.
        limits: What is allowed.

    Raises:
        FileMissing: There is no such file, or it may not be read.
        NotAVideo: A folder, an empty file, a still picture, a playlist, or no media at all.
        TooLarge: Bytes, pixels, pictures, streams or the memory to open it are over the limit.
        TooLong: Lasts longer than allowed.
        UnsupportedCodec: No decoder here reads its streams.
        RequestTimeout: The probe did not end in its time.
    """
    _check_file(path, limits)
    command = [sys.executable, "-m", "media.probe_child", str(path.resolve()), limits.model_dump_json()]
    try:
        child = subprocess.run(
            command,
            cwd=Path(__file__).resolve().parents[1],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limits.probe_timeout_s * BUSY_FACTOR,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RequestTimeout(f"{path.name}: not probed within {limits.probe_timeout_s * BUSY_FACTOR:g} s") from error
    if child.returncode != 0:
        raise TooLarge(
            f"{path.name}: opening it takes more than {limits.probe_memory_mb} MB or {limits.probe_timeout_s:g} s"
        )
    return _facts_or_error(path, json.loads(child.stdout))


def _check_file(path: Path, limits: MediaLimits) -> None:
    if path.is_dir():
        raise NotAVideo(f"{path.name}: is a folder", "Name one video file inside the folder.")
    if not path.exists():
        raise FileMissing(f"{path.name}: no such file")
    if not path.is_file():
        raise NotAVideo(f"{path.name}: is a device or a pipe, not a file")
    size = path.stat().st_size
    if size == 0:
        raise NotAVideo(f"{path.name}: is empty (0 bytes)", "Send the file again; its upload may have broken off.")
    if size > limits.max_bytes:
        raise TooLarge(f"{path.name}: {size} bytes; allowed are {limits.max_bytes}")
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except PermissionError as error:
        raise FileMissing(f"{path.name}: may not be read", "Let the server's user read the file.") from error
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(SCRIPT_MARKS):
        raise NotAVideo(f"{path.name}: is a playlist or a script that names other files", "Send the video itself.")
    for mark, kind in PICTURE_MARKS.items():
        if head.startswith(mark):
            raise NotAVideo(f"{path.name}: is a still picture ({kind}), no video", "Send a video or an animated GIF.")


def _facts_or_error(path: Path, answer: dict[str, object]) -> VideoFacts:
    if "facts" in answer:
        return VideoFacts.model_validate(answer["facts"])
    kind: type[AnalyzerSystemError] = getattr(schema.errors, str(answer["error"]))
    action = answer.get("action")
    raise kind(f"{path.name}: {answer['details']}", str(action) if action else None)
