"""For tests of analyzers with models: chunks of given pictures, shots, overlaps, what a process imports."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from analyzers.cut_analysis import CutAnalysisResult, Shot
from media.needs import FrameNeed, Rate
from media.types import FrameBatch, FrameChunk, UInt8Array
from tests.child_processes import run_python
from tests.decoded import decode

ROOT = Path(__file__).resolve().parents[1]


def chunk_of(frames: Sequence[UInt8Array], source: tuple[int, int] | None = None, carried: int = 0) -> FrameChunk:
    """One chunk of these frames at three per second; ``source``: width and height of the source picture."""
    pts = np.arange(len(frames)) / 3.0
    wide, high = source or frames[0].shape[1::-1]
    batch = FrameBatch(np.stack(frames), pts, np.arange(len(frames)), carried, wide, high)
    return FrameChunk(0, 0.0, len(frames) / 3.0, (batch,))


def decoded_chunks(path: Path, short_side_px: int = 640) -> list[FrameChunk]:
    """What the real decoder delivers of a file at three frames per second."""
    out = decode(path, FrameNeed(Rate(3.0), short_side_px))
    return [FrameChunk(h.index, h.start_s, h.end_s, tuple(batches)) for h, batches in out.chunks]


def overlap(a: Any, b: Any) -> Any:
    """Intersection over union of each box of ``a`` (N, 4) with each of ``b`` (M, 4)."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0.0, None).prod(axis=2)
    areas = [(x[:, 2:] - x[:, :2]).prod(axis=1) for x in (a, b)]
    return both / (areas[0][:, None] + areas[1][None, :] - both)


def cuts(edges_s: Sequence[float]) -> CutAnalysisResult:
    """Shots between these times, at 30 frames a second."""
    shots = tuple(
        Shot(index=k, start_time=a, end_time=b, first_frame=round(30 * a), end_frame=round(30 * b))
        for k, (a, b) in enumerate(pairwise(edges_s))
    )
    length_s = (edges_s[-1] - edges_s[0]) / len(shots)
    return CutAnalysisResult(
        cuts=(),
        transitions=(),
        shots=shots,
        cuts_per_minute=0.0,
        cuts_by_type={},
        mean_shot_length_s=length_s,
        median_shot_length_s=length_s,
    )


HEAVY_HERE = ("cv2", "supervision", "torch", "trackers", "transformers", "ultralytics")
"""Libraries of the analyzers that look at pictures with models."""


def modules_after(code: str) -> list[str]:
    """Which heavy libraries a new process has imported after this code."""
    found = f"{code}\nimport sys; print([m for m in {HEAVY_HERE!r} if m in sys.modules])"
    said = run_python("-c", found)
    return [str(m) for m in ast.literal_eval(said.strip().splitlines()[-1])]


HOST = """
from pathlib import Path
from analyzers.host import AnalyzerHost
from analyzers.runtime import Runtime
host = AnalyzerHost({name!r}, {config!r}, Runtime(Path({folder!r}), {policy!r}))
assert host.describe().state == {state!r}, host.describe()
"""
"""Code of a process that holds one analyzer; to be formatted with name, config, folder, policy and state."""
