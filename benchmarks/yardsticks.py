"""What the service is held against, each in processes of its own: bare decoding, one process, the old way.

    python -m benchmarks.yardsticks decode CLIP             PyAV, every picture decoded, none looked at
    python -m benchmarks.yardsticks local CLIP ANALYZERS    the same analyzers in one process
    python -m benchmarks.yardsticks old CLIP ANALYZERS      three workers, each analyzer decodes the video itself
    python -m benchmarks.yardsticks spared CLIP ANALYZERS   the same, but those of sound read only the sound

ANALYZERS is JSON, settings by name. Each prints one line of JSON: ``{"wall_s": …, "cpu_s": …}``. Loading and
warming up are not counted.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from analyzers.base import Context
from analyzers.host import AnalyzerHost, Fault, Observed
from analyzers.threads import limit_threads
from deployments.settings import GraphArgs
from media.decode import decode_audio
from media.limits import MediaLimits
from media.needs import EveryFrame, FrameNeed
from media.plan import plan_decode, scaled_size
from media.probe import probe
from media.types import AudioChunk, FrameBatch, FrameChunk, UInt8Array
from ops.local import LocalRunner
from schema.document import VideoFacts

OLD_WORKERS = 3
"""Worker processes of the grown system."""

DECODE_THREADS = GraphArgs().decode_threads
"""As many as the service's decoder has."""

OLD_CHUNK_FRAMES = 60
"""Pictures that an old-way reader hands to its analyzer at once: as many as a chunk of the service holds."""


def bare_decode(path: Path) -> None:
    """Decodes every picture and drops it."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.thread_count = DECODE_THREADS
        for _ in container.decode(stream):
            pass


Configs = Mapping[str, Mapping[str, Any]]
Way = Callable[[Path, Configs], tuple[float, float]]


def local(path: Path, configs: Configs) -> tuple[float, float]:
    """Wall and processor seconds of the local runner, warm."""
    runner = LocalRunner(GraphArgs(analyzers=tuple(configs)), configs)
    runner.analyze(path)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    runner.analyze(path)
    return time.perf_counter() - wall_s, time.process_time() - cpu_s


def old_way(path: Path, configs: Configs, spared: bool = False) -> tuple[float, float]:
    """Wall and processor seconds of three workers that share out the analyzers; each reads the file for itself.

    Args:
        path: The clip.
        configs: Settings of the analyzers.
        spared: Analyzers of sound do not decode the pictures, as a better old way would have it.
    """
    facts = probe(path, MediaLimits())
    with multiprocessing.get_context("spawn").Pool(OLD_WORKERS) as pool:
        pool.map(_warm, [configs] * OLD_WORKERS, chunksize=1)
        started_s = time.perf_counter()
        cpu_s = sum(pool.starmap(_read_and_analyze, [(path, name, facts, spared) for name in configs], chunksize=1))
        return time.perf_counter() - started_s, cpu_s


_hosts: dict[str, AnalyzerHost] = {}


def _warm(configs: Configs) -> None:
    limit_threads(1)
    _hosts.update({name: AnalyzerHost(name, config) for name, config in configs.items()})
    time.sleep(0.5)  # so that each worker takes one of these


def _read_and_analyze(path: Path, name: str, facts: VideoFacts, spared: bool) -> float:
    started_s, host = time.process_time(), _hosts[name]
    needs = host.describe().needs
    observations = []
    if needs.audio and not spared:
        for _ in _read(path, (), facts):
            pass
    if needs.audio:
        plan = plan_decode({name: needs}, facts, 2.0)
        clips = tuple(decode_audio(path, plan, facts, MediaLimits()))
        observations.append(host.observe([AudioChunk(clips)]))
    elif needs.frames:
        observations += [host.observe([chunk]) for chunk in _read(path, needs.frames, facts)]
    if faults := [answer.reason for answer in observations if isinstance(answer, Fault)]:
        raise RuntimeError(f"{name}: {faults[0]}")
    flat = [o for answer in observations if isinstance(answer, Observed) for o in answer.observations]
    host.conclude(flat, Context(facts))
    return time.process_time() - started_s


def _read(path: Path, needs: tuple[FrameNeed, ...], facts: VideoFacts) -> Iterator[FrameChunk]:
    """Chunks from a reader of its own, as the grown system's analyzers had: OpenCV, full size, every picture."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    pending: list[list[tuple[float, int, UInt8Array]]] = [[] for _ in needs]
    carried: list[tuple[float, int, UInt8Array] | None] = [None] * len(needs)
    last_slot = [-1] * len(needs)
    index = number = 0
    while True:
        good, picture = capture.read()
        if good:
            time_s = index / (facts.frame_rate or 30.0)
            for i, need in enumerate(needs):
                slot = index if isinstance(need.sampling, EveryFrame) else int(time_s * need.sampling.fps + 1e-6)  # type: ignore[union-attr]
                if slot > last_slot[i]:
                    last_slot[i] = slot
                    pending[i].append((time_s, index, _scaled(np.asarray(picture, np.uint8), need)))
            index += 1
        if (not good or index % OLD_CHUNK_FRAMES == 0) and any(pending):
            batches = []
            for i, frames in enumerate(pending):
                before = carried[i]
                kept = ([before] if before and frames else []) + frames
                batches.append(_batch(kept, needs[i], facts, len(kept) - len(frames)))
                carried[i] = frames[-1] if frames else before
            yield FrameChunk(number, number * 2.0, (number + 1) * 2.0, tuple(batches))
            pending, number = [[] for _ in needs], number + 1
        if not good:
            capture.release()
            return


def _scaled(picture: UInt8Array, need: FrameNeed) -> UInt8Array:
    import cv2

    colour = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY if need.colour == "gray" else cv2.COLOR_BGR2RGB)
    size = scaled_size(picture.shape[1], picture.shape[0], need.short_side_px)
    return np.asarray(cv2.resize(colour, size, interpolation=cv2.INTER_AREA), np.uint8)


def _batch(frames: list[tuple[float, int, UInt8Array]], need: FrameNeed, facts: VideoFacts, carried: int) -> FrameBatch:
    width, height = facts.width or 0, facts.height or 0
    if frames:
        pictures = np.stack([picture for _, _, picture in frames])
    else:
        across, down = scaled_size(width, height, need.short_side_px)
        pictures = np.zeros((0, down, across, 3) if need.colour == "rgb" else (0, down, across), np.uint8)
    times = np.array([time_s for time_s, _, _ in frames], np.float64)
    return FrameBatch(pictures, times, np.array([n for _, n, _ in frames], np.int64), carried, width, height)


def main() -> None:
    kind, path = sys.argv[1], Path(sys.argv[2])
    configs: Configs = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    if kind == "decode":
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        bare_decode(path)
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    else:
        ways: dict[str, Way] = {"local": local, "old": old_way, "spared": partial(old_way, spared=True)}
        wall_s, cpu_s = ways[kind](path, configs)
    print(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s}))


if __name__ == "__main__":
    # Before any library is imported by the workers: they share two cores, as the grown system's did.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    main()
