"""What is this file? Answered by a child process with limits on memory and time, before anything is decoded.

Each file gets a process of its own, so that none sees what another left behind. Starting one takes longer than its
answer: who probes again and again holds a ``Prober``, which starts the next one ahead.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

from pydantic import ValidationError

import schema.errors
from media.limits import MediaLimits
from schema.document import VideoFacts
from schema.errors import AnalyzerSystemError, FileMissing, InternalError, NotAVideo, RequestTimeout, TooLarge

BUSY_FACTOR = 20.0
"""Wall time allowed for each second of the child's processor time; it waits for a core on a busy machine, and for a
disk that has to load PyAV: 6 s in all were once too few."""

PICTURE_MARKS = (
    (re.compile(rb"\xff\xd8\xff"), "JPEG"),
    (re.compile(rb"\x89PNG"), "PNG"),
    (re.compile(rb"BM.{4}\0\0\0\0", re.DOTALL), "BMP"),
    (re.compile(rb"II\*\0|MM\0\*"), "TIFF"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "WebP"),
    (re.compile(rb".{4}ftyp(heic|heix|heim|mif1|avif)", re.DOTALL), "HEIF"),
)
"""How still pictures begin."""

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
        UnsupportedCodec: No decoder here reads its pictures.
        DecodeFailed: Pictures of unknown size, none of which could be decoded.
        RequestTimeout: The child process did not end in its time.
    """
    _check_file(path, limits)
    return _answer(_start_child(limits), path, limits)


class Prober:
    """``probe`` for many files: the next child process waits, started, for its file.

    It ends by itself when this process does. May be called from several threads at once.

    Args:
        limits: What is allowed.
    """

    def __init__(self, limits: MediaLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._next: subprocess.Popen[bytes] | None = _start_child(limits)

    def __call__(self, path: Path) -> VideoFacts:
        """The container's facts; raises as ``probe``."""
        _check_file(path, self._limits)
        with self._lock:
            child, self._next = self._next, _start_child(self._limits)
        if child is not None and child.poll() is not None:  # ended by somebody else
            child.communicate()  # closes its pipes
            child = None
        child = child or _start_child(self._limits)
        return _answer(child, path, self._limits)

    def close(self) -> None:
        """Ends the child that waits. A later call starts one."""
        with self._lock:
            child, self._next = self._next, None
        if child is not None:
            child.kill()
            child.communicate()


def _start_child(limits: MediaLimits) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "media.probe_child", limits.model_dump_json()],
        cwd=Path(__file__).resolve().parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _answer(child: subprocess.Popen[bytes], path: Path, limits: MediaLimits) -> VideoFacts:
    """Names the file to the child and takes its answer; the child has ended then."""
    wall_s = limits.probe_timeout_s * BUSY_FACTOR
    try:
        answer, _ = child.communicate(json.dumps(str(path.resolve())).encode(), wall_s)
    except subprocess.TimeoutExpired as error:
        child.kill()
        child.communicate()
        raise RequestTimeout(f"{path.name}: not probed within {wall_s:g} s") from error
    if child.returncode < 0:
        raise _killed(path, -child.returncode, limits)
    if child.returncode != 0:
        raise InternalError(f"{path.name}: the probe ended with code {child.returncode}")
    if not answer:
        raise InternalError(f"{path.name}: the probe ended without an answer")
    return _facts_or_error(path, json.loads(answer))


def _check_file(path: Path, limits: MediaLimits) -> None:
    """What can be told without opening the file as media."""
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
        raise NotAVideo(f"{path.name}: is a playlist or script that names other files", "Send the video file itself.")
    for mark, kind in PICTURE_MARKS:
        if mark.match(head):
            raise NotAVideo(f"{path.name}: is a still picture ({kind}), no video", "Send a video or an animated GIF.")


def _killed(path: Path, number: int, limits: MediaLimits) -> AnalyzerSystemError:
    """Which error the signal that ended the child stands for."""
    if number == signal.SIGPROF:
        return TooLarge(f"{path.name}: opening it takes more than {limits.probe_timeout_s:g} s of processor time")
    if number == signal.SIGKILL:
        return TooLarge(f"{path.name}: opening it takes more memory than allowed")
    return NotAVideo(f"{path.name}: the reader crashed on it ({signal.Signals(number).name})")


def _facts_or_error(path: Path, answer: dict[str, object]) -> VideoFacts:
    if "error" not in answer:
        try:
            return VideoFacts.model_validate(answer)
        except ValidationError as error:
            fields = ", ".join(str(e["loc"][0]) for e in error.errors())
            raise NotAVideo(f"{path.name}: its header makes no sense ({fields})") from None
    kind: type[AnalyzerSystemError] = getattr(schema.errors, str(answer["error"]))
    action = answer.get("action")
    raise kind(f"{path.name}: {answer['details']}", str(action) if action else None)
