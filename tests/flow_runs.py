"""Runs of ``temporal_flow`` over still clips, with results of others written down by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from analyzers.base import Context
from analyzers.results.temporal_flow import TemporalFlowResult
from schema.document import VideoFacts
from tests.made_results import (
    audio_result,
    camera_result,
    cut_result,
    speech_flow_result,
    text_result,
)
from tests.run import frame_chunks

FPS = 10.0


def texture(seed: int, height: int = 96, width: int = 54) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(30, 226, (12, 6, 3))
    return np.kron(coarse, np.ones((8, 9, 1)))[:height, :width].astype(np.uint8)


def clip(seconds: float, seeds: tuple[int, ...] = (1,)) -> np.ndarray:
    """Shots of equal length, each a still texture: uint8 (N, 96, 54, 3) at 10 fps."""
    count = round(seconds * FPS)
    return np.stack([texture(seeds[min(k * len(seeds) // count, len(seeds) - 1)]) for k in range(count)])


def flow(analyzer, seconds: float = 20.0, missing: dict[str, str] | None = None, **results: Any) -> TemporalFlowResult:
    """Concludes over a still clip with these results."""
    chunks = frame_chunks(clip(seconds), FPS, analyzer.needs().frames, 2.0)
    facts = VideoFacts(container="arrays", duration_s=seconds, width=54, height=96, frame_rate=FPS)
    result = analyzer.conclude(analyzer.observe(chunks), Context(facts, results, missing or {}))
    assert isinstance(result, TemporalFlowResult)
    return result


def full_hook(analyzer, **changes: Any) -> TemporalFlowResult:
    """Speech, text, motion, a cut and loud sound, all in the first second, unless changed."""
    results: dict[str, Any] = {
        "cut_analysis": cut_result([0.8, 10.0], 20.0),
        "camera_analysis": camera_result([0.4] * 40, [(0.0, 0.6, "zoom_in"), (0.6, 20.0, "static")]),
        "text_overlay": text_result([(0.1, 2.0, "Wait for it", "title"), (0.0, 20.0, "@me", "watermark")]),
        "speech_flow": speech_flow_result([(0.5, 4.0)], [0.6, 0.9, 1.2], 20.0, emphasised=[(1.1, 1.3)]),
        "audio_analysis": audio_result([-14.0] * 40),
    }
    return flow(analyzer, **(results | changes))
