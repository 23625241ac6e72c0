"""One pass over a file: pictures in chunks while they are decoded, then what came out. The sound is its own pass.

The items of ``decode_video``, in this order:

* for each chunk a ``ChunkHeader`` and one ``FrameBatch`` per running rendition, empty batches included, so that the
  chunks tile the time line;
* one header of kind ``spread`` and its batches, where the plan has spread renditions;
* one ``DecodeReport``.

A second pass over the same file gives the same items, so a task that broke off may be started again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Union

from media.assemble import Assembly
from media.audio import decode_audio
from media.decode_source import PictureSource
from media.limits import MediaLimits
from media.plan import DecodePlan
from media.types import ChunkHeader, DecodeReport, FrameBatch
from schema.document import VideoFacts
from schema.errors import DecodeFailed

DecodeItem = Union[ChunkHeader, FrameBatch, DecodeReport]
Decoder = Literal["pyav", "decord"]

__all__ = ["DecodeItem", "Decoder", "decode_audio", "decode_video", "video_decodes"]

_video_decodes = 0


def video_decodes() -> int:
    """Passes over a stream of pictures that this process has begun; proves that a request makes one."""
    return _video_decodes


def decode_video(
    path: Path,
    plan: DecodePlan,
    facts: VideoFacts,
    limits: MediaLimits,
    *,
    decoder: Decoder = "pyav",
    threads: int = 2,
) -> Iterator[DecodeItem]:
    """Decodes the pictures once and yields what the plan wants of them.

    Args:
        path: A file that ``media.probe.probe`` has accepted.
        plan: Which renditions, and how long a chunk is.
        facts: From the probe.
        limits: Applied again, for a header may lie.
        decoder: Back end.
        threads: Threads of the decoder; 0 lets FFmpeg take one per core.

    Yields:
        Headers, batches and the report, as the module's docstring says.

    Raises:
        DecodeFailed: Not one picture came out.
        NotAVideo, TooLarge, UnsupportedCodec: As the probe; only for files it has not seen.
    """
    global _video_decodes
    watch = (time.process_time(), time.perf_counter())
    with _source(path, plan, facts, limits, decoder, threads) as source:
        _video_decodes += 1
        assembly = Assembly(source, path, plan, facts, limits)
        yield from assembly.items()
        if assembly.frames == 0:
            raise DecodeFailed(f"{path.name}: no picture could be decoded ({assembly.failure})")
    yield assembly.report(time.process_time() - watch[0], time.perf_counter() - watch[1])


def _source(
    path: Path, plan: DecodePlan, facts: VideoFacts, limits: MediaLimits, decoder: Decoder, threads: int
) -> AbstractContextManager[PictureSource]:
    if decoder == "pyav":
        from media.pyav_video import pyav_source

        return pyav_source(path, limits, threads)
    if decoder == "decord":
        from media.decord_video import decord_source

        return decord_source(path, plan, facts, limits, threads)
    raise ValueError(f"decoder must be 'pyav' or 'decord', got {decoder!r}")
