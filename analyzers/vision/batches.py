"""Frames of several chunks as batches of one size, and the answers back to their chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from media.types import FrameChunk, UInt8Array

Answer = TypeVar("Answer")


def each_frame(
    chunks: Sequence[FrameChunk], run: Callable[[Sequence[UInt8Array]], Sequence[Answer]], most: int
) -> list[list[Answer]]:
    """One answer for each own frame of each chunk's only batch.

    Frames of different sizes never share a call: what they would be padded to depends on their company, and an answer
    must not.

    Args:
        chunks: Of one video or several.
        run: From frames of one size to as many answers; not called without any.
        most: Most frames of one call.
    """
    places: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for c, chunk in enumerate(chunks):
        for k, frame in enumerate(chunk.batch.own):
            places.setdefault(frame.shape, []).append((c, k))
    answers: dict[tuple[int, int], Answer] = {}
    for own in places.values():
        for first in range(0, len(own), most):
            part = own[first : first + most]
            answers.update(zip(part, run([chunks[c].batch.own[k] for c, k in part]), strict=True))
    return [[answers[c, k] for k in range(len(chunk.batch))] for c, chunk in enumerate(chunks)]
