"""The decode tasks: one pass over the pictures, one over the sound, each in a Ray worker of its own.

A task and not an actor: the references belong to its caller, a crash inside FFmpeg ends a worker process and not the
server, and Ray runs a crashed task again (it must therefore yield the same items each time, which decoding does).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from analyzers.threads import limit_threads
from deployments.precedence import behind_the_ingress
from deployments.settings import GraphArgs
from media.plan import DecodePlan
from media.types import ChunkHeader, DecodeReport, FrameBatch
from schema.document import VideoFacts

DECODE_RETRIES = 2
"""Times that Ray starts a decode again whose worker process died. A file that kills FFmpeg kills it every time."""


@ray.remote(max_retries=DECODE_RETRIES)
def _decode_video(
    path: str, plan: DecodePlan, facts: VideoFacts, settings: GraphArgs
) -> Iterator[ChunkHeader | FrameBatch | DecodeReport]:
    limit_threads(1)
    behind_the_ingress()
    from media.decode import decode_video

    items = decode_video(
        Path(path), plan, facts, settings.limits, decoder=settings.decoder, threads=settings.decode_threads
    )
    # No `yield from`: Ray sends values into its generators, which must not reach the iterators inside.
    for item in items:  # noqa: UP028
        yield item


@ray.remote(max_retries=DECODE_RETRIES)
def _decode_audio(path: str, plan: DecodePlan, facts: VideoFacts, settings: GraphArgs) -> Any:
    limit_threads(1)
    behind_the_ingress()
    from media.decode import decode_audio

    clips = decode_audio(Path(path), plan, facts, settings.limits)
    return clips if len(clips) != 1 else clips[0]  # Ray takes a single return value as it is


@ray.remote(max_retries=0)
def _import_decoders() -> None:
    import media.decode  # noqa: F401 -- the import is the point: PyAV, OpenCV, numpy


def warm_up(settings: GraphArgs) -> None:
    """Starts worker processes for the first request's picture and sound decodes, and loads the libraries in them."""
    for _ in range(2):
        _import_decoders.options(num_cpus=settings.decode_num_cpus, scheduling_strategy=_here()).remote()


def start_video_decode(path: Path, plan: DecodePlan, facts: VideoFacts, settings: GraphArgs) -> Any:
    """Starts the one pass over the pictures on this node, where the file is.

    Returns:
        An async generator of object references: ``ChunkHeader``, then its ``FrameBatch`` objects, and so on; last a
        ``DecodeReport``. It decodes ahead by two chunks and waits until they are taken.
    """
    objects_per_chunk = 1 + max(1, len(plan.renditions))
    return _decode_video.options(
        num_returns="streaming",
        _generator_backpressure_num_objects=2 * objects_per_chunk,
        num_cpus=settings.decode_num_cpus,
        scheduling_strategy=_here(),
    ).remote(str(path), plan, facts, settings)


def start_audio_decode(path: Path, plan: DecodePlan, facts: VideoFacts, settings: GraphArgs) -> list[Any]:
    """Starts the pass over the sound on this node; one reference to an ``AudioClip`` for each of ``plan.audio``."""
    refs: Any = _decode_audio.options(
        num_returns=len(plan.audio), num_cpus=settings.decode_num_cpus, scheduling_strategy=_here()
    ).remote(str(path), plan, facts, settings)
    return refs if isinstance(refs, list) else [refs]


def _here() -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
