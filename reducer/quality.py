"""Figures about the document, computed from the document."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from analyzers.base import merge_spans
from schema.document import Quality, Section, TimelineItem, VideoFacts

TIME_TOLERANCE_S = 1e-3
"""Times are rounded to a millisecond in places; less than that is no disorder."""

MOMENTS = ("timestamps", "frame_times", "beats")
"""Names of lists of moments."""


def quality_of(sections: Mapping[str, Section], items: Sequence[TimelineItem], video: VideoFacts) -> Quality:
    """Coverage of the time line, order of all spans, repeated text, decoded share."""
    covered_s = sum(min(end, video.duration_s) - start for start, end in merge_spans(items) if start < video.duration_s)
    declared_s = video.declared_duration_s
    return Quality(
        sections_with_result=sum(section.result is not None for section in sections.values()),
        sections_total=len(sections),
        timeline_coverage=min(1.0, covered_s / video.duration_s) if video.duration_s > 0.0 else 0.0,
        time_monotone=all(disorder(section.result, video.duration_s) is None for section in sections.values()),
        repeated_text_share=_repeated_share(items),
        frames_decoded_share=min(1.0, video.duration_s / declared_s) if declared_s and video.has_video else None,
    )


def disorder(value: Any, duration_s: float, path: str = "result") -> str | None:
    """Where a result breaks the rules of time: a span or a moment outside the video, an empty or negative span, a list
    not sorted. Moments are ``timestamp``, names that end so, and the entries of ``MOMENTS``.

    Args:
        value: A result as JSON types.
        duration_s: Length of the video.
        path: Name of ``value`` in the answer.

    Returns:
        What is wrong, with its path; None when all is in order.
    """
    if isinstance(value, dict):
        start, end = value.get("start_time"), value.get("end_time")
        if (
            isinstance(start, int | float)
            and isinstance(end, int | float)
            and not (0.0 <= start < end <= duration_s + TIME_TOLERANCE_S)
        ):
            return f"{path}: span [{start}, {end}) in a video of {duration_s} s"
        for key, stamp in _moments(value):
            if not 0.0 <= stamp <= duration_s + TIME_TOLERANCE_S:
                return f"{path}: {key} {stamp} in a video of {duration_s} s"
        if late := next((key for key in MOMENTS if not _sorted(value.get(key) or [])), None):
            return f"{path}.{late}: not sorted by time"
        return _first(disorder(item, duration_s, f"{path}.{key}") for key, item in value.items())
    if isinstance(value, list):
        if not _sorted([t for t in (_time_of(item) for item in value) if t is not None]):
            return f"{path}: not sorted by time"
        return _first(disorder(item, duration_s, f"{path}[{i}]") for i, item in enumerate(value))
    return None


def _moments(value: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for key, found in value.items():
        stamps = found if key in MOMENTS else [found] if key.endswith("timestamp") else []
        yield from ((key, float(stamp)) for stamp in stamps or () if isinstance(stamp, int | float))


def _sorted(times: Sequence[float]) -> bool:
    return all(later >= earlier - TIME_TOLERANCE_S for earlier, later in itertools.pairwise(times))


def _time_of(item: Any) -> float | None:
    if isinstance(item, dict):
        time = item.get("start_time", item.get("timestamp"))
        return float(time) if isinstance(time, int | float) else None
    return None


def _first(findings: Iterable[str | None]) -> str | None:
    return next((finding for finding in findings if finding), None)


def _repeated_share(items: Sequence[TimelineItem]) -> float | None:
    repeats = total = 0
    for channel in ("said", "written"):
        labels = [" ".join(item.label.lower().split()) for item in items if item.channel == channel]
        total += len(labels)
        repeats += sum(a == b for a, b in itertools.pairwise(labels))
    return repeats / total if total else None
