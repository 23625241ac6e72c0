"""What a sound effect may mark beside a cut: a text that appears, a gesture that begins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from analyzers.base import Context
from analyzers.results.body_pose import BodyPoseResult
from analyzers.text_overlay import TextOverlayResult
from schema.base import TimedSpan

SOURCES = ("text_overlay", "body_pose")
"""Analyzers that say so, where they are run anyway."""

NOT_ADDED = ("watermark", "scene")
"""Kinds of text that nobody put there at a moment."""

SpanT = TypeVar("SpanT", bound=TimedSpan)


def text_at(context: Context, time_s: float, within_s: float) -> str | None:
    """The added text that appears nearest to a moment; None where none does, or texts are not known."""
    found = context.results.get("text_overlay")
    if not isinstance(found, TextOverlayResult):
        return None
    overlay = _beginning_at((o for o in found.overlays if o.kind not in NOT_ADDED), time_s, within_s)
    return None if overlay is None else overlay.text


def gesture_at(context: Context, time_s: float, within_s: float) -> str | None:
    """The gesture that begins nearest to a moment; None where none does, or gestures are not known."""
    found = context.results.get("body_pose")
    if not isinstance(found, BodyPoseResult):
        return None
    gesture = _beginning_at((g for g in found.gestures if g.kind == "gesture"), time_s, within_s)
    return None if gesture is None else gesture.gesture


def _beginning_at(spans: Iterable[SpanT], time_s: float, within_s: float) -> SpanT | None:
    near = [s for s in spans if abs(s.start_time - time_s) <= within_s + 1e-9]
    return min(near, key=lambda s: abs(s.start_time - time_s), default=None)
