"""Runs of ``text_overlay`` over made frames at ten per second."""

from __future__ import annotations

from functools import cache
from typing import Any

from analyzers.text_overlay import TextOverlayAnalysis, TextOverlayConfig, TextOverlayResult
from tests.glyph_reader import GlyphReader
from tests.made_text import Frames
from tests.run import run_on_frames

FPS = 10.0
"""Lines are followed at this rate, so a frame is the resolution of all times."""


@cache
def ocr() -> TextOverlayAnalysis:
    analyzer = TextOverlayAnalysis(TextOverlayConfig())
    analyzer.load()
    return analyzer


def with_glyphs(**config: Any) -> TextOverlayAnalysis:
    """The analyzer around a reader that never errs; nothing of RapidOCR is loaded."""
    analyzer = TextOverlayAnalysis(TextOverlayConfig(**config))
    analyzer.reader = GlyphReader()
    return analyzer


def run(frames: Frames, chunk_s: float = 2.0, analyzer: TextOverlayAnalysis | None = None) -> TextOverlayResult:
    result = run_on_frames(analyzer or ocr(), frames, FPS, chunk_s)
    assert isinstance(result, TextOverlayResult)
    return result


def spans(result: TextOverlayResult) -> list[tuple[str, float, float]]:
    return [(o.text, round(o.start_time, 3), round(o.end_time, 3)) for o in result.overlays]
