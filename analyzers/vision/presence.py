"""From sampled moments to spans: what a sample stands for, and where presence begins and ends. Pure functions."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

from analyzers.base import Context
from schema.base import TimedSpan

Key = TypeVar("Key", bound=Hashable)

LATE = 1.5
"""A sample stands for the time up to the next one, but for at most this many sampling steps: what lies behind a lost
chunk was not seen."""


def sample_spans(times_s: Sequence[float], step_s: float, context: Context) -> list[tuple[float, float] | None]:
    """The stretch that each sample stands for: up to the next sample, the video's end, or one step; None if empty.

    Args:
        times_s: Sorted times of all samples.
        step_s: The sampling step that was asked for; a video of fewer frames has longer ones.
        context: Of the video.
    """
    gaps = sorted(b - a for a, b in pairwise(times_s))
    usual_s = max(step_s, gaps[len(gaps) // 2]) if gaps else step_s
    ends = [b if b - a <= LATE * usual_s else a + usual_s for a, b in pairwise(times_s)]
    ends += [times_s[-1] + usual_s] if times_s else []
    return [context.span(a, b) for a, b in zip(times_s, ends, strict=True)]


def presence(spans: Iterable[tuple[float, float] | None], bridge_s: float) -> tuple[TimedSpan, ...]:
    """Sorted stretches as spans; those with a gap of at most ``bridge_s`` between them are one."""
    joined: list[list[float]] = []
    for span in spans:
        if span is None:
            continue
        if joined and span[0] - joined[-1][1] <= bridge_s + 1e-6:
            joined[-1][1] = max(joined[-1][1], span[1])
        else:
            joined.append(list(span))
    return tuple(TimedSpan(start_time=a, end_time=b) for a, b in joined)


def runs(keys: Sequence[Key], spans: Sequence[tuple[float, float] | None]) -> list[tuple[Key, tuple[float, float]]]:
    """Stretches of one key: neighbouring samples with equal keys whose spans touch."""
    found: list[tuple[Key, tuple[float, float]]] = []
    for key, span in zip(keys, spans, strict=True):
        if span is None:
            continue
        if found and found[-1][0] == key and span[0] - found[-1][1][1] <= 1e-6:
            found[-1] = (key, (found[-1][1][0], span[1]))
        else:
            found.append((key, span))
    return found
