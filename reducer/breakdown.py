"""The video scene by scene and in parts of five seconds, each by topics, as breakdowns are written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from analyzers.base import merge_spans
from analyzers.results.scene_segmentation import SceneResult
from reducer.sections import Outcome
from schema.base import TimedSpan
from schema.document import Breakdown, Channel, Finding, Stretch, TimelineItem

PART_S = 5.0
"""Length of the parts."""

MIN_PART_S = 0.5
"""A shorter rest belongs to the part before it."""

Topic = Literal["action", "visuals", "said", "written", "heard", "camera_and_editing", "emotion", "story"]

TOPICS: Mapping[str, Topic] = {
    "video_llava": "action",
    "qwen2_vl_temporal": "action",
    "blip2_video_analyzer": "action",
    "body_pose": "action",
    "camera_analysis": "camera_and_editing",
    "composition_analysis": "camera_and_editing",
    "cut_analysis": "camera_and_editing",
    "visual_effects": "camera_and_editing",
    "speech_emotion": "emotion",
    "temporal_flow": "story",
}
"""Analyzers whose topic their channel does not say."""

CHANNEL_TOPICS: Mapping[Channel, Topic] = {"seen": "visuals", "said": "said", "written": "written", "heard": "heard"}

NO_FINDINGS = frozenset({"scene_segmentation"})
"""Its items are the stretches themselves."""


def breakdown_of(items: Iterable[TimelineItem], duration_s: float, outcomes: Mapping[str, Outcome]) -> Breakdown:
    """The items of the time line by scenes and by parts.

    Args:
        items: Of all analyzers, sorted by start.
        duration_s: Length of the video.
        outcomes: Per analyzer, for the scenes.
    """
    if duration_s <= 0.0:
        return Breakdown()
    found = [item for item in items if item.analyzer not in NO_FINDINGS]
    parts = tuple(_stretch(i, a, b, None, found) for i, (a, b) in enumerate(_parts(duration_s)))
    segmented = outcomes.get("scene_segmentation")
    if segmented is None or not isinstance(segmented.result, SceneResult):
        return Breakdown(parts=parts)
    scenes = tuple(
        _stretch(s.scene_id, s.start_time, s.end_time, s.key_frame.timestamp if s.key_frame else None, found)
        for s in segmented.result.scenes
    )
    return Breakdown(scenes=scenes, parts=parts)


def _parts(duration_s: float) -> list[tuple[float, float]]:
    count = max(1, int((duration_s - MIN_PART_S) // PART_S) + 1)
    edges = [PART_S * k for k in range(count)]
    return list(zip(edges, [*edges[1:], duration_s], strict=True))


def _stretch(
    index: int, start_s: float, end_s: float, key_frame_s: float | None, items: Sequence[TimelineItem]
) -> Stretch:
    alike: dict[tuple[str, str, Topic], list[TimelineItem]] = {}
    for item in items:
        if item.start_time < end_s and item.end_time > start_s:
            topic = TOPICS.get(item.analyzer) or CHANNEL_TOPICS[item.channel]
            alike.setdefault((item.analyzer, item.label, topic), []).append(item)
    topics: dict[Topic, list[Finding]] = {}
    for (analyzer, label, topic), same in alike.items():
        scores = [item.score for item in same if item.score is not None]
        topics.setdefault(topic, []).append(
            Finding(
                analyzer=analyzer,
                label=label,
                share=_share(same, start_s, end_s),
                score=max(scores, default=None),
            )
        )
    return Stretch(
        index=index,
        start_time=start_s,
        end_time=end_s,
        key_frame_s=key_frame_s,
        **{topic: tuple(findings) for topic, findings in topics.items()},
    )


def _share(spans: Sequence[TimedSpan], start_s: float, end_s: float) -> float:
    covered_s = sum(min(b, end_s) - max(a, start_s) for a, b in merge_spans(spans))
    return min(1.0, max(0.0, covered_s / (end_s - start_s)))
