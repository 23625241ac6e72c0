"""The breakdown by scenes and parts: every item where it belongs, and nothing that the time line does not hold."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.catalogue import CATALOGUE
from analyzers.results.scene_segmentation import KeyFrame, Scene, SceneResult
from reducer.breakdown import NO_FINDINGS, PART_S, TOPICS, breakdown_of
from reducer.sections import Outcome
from schema.document import Channel, Provenance, Section, Stretch, TimelineItem

SCENES = Section(analyzer="scene_segmentation", status="ok", provenance=Provenance(analyzer_version="1"))


def item(
    start: float, end: float, analyzer: str, label: str, channel: Channel = "seen", score: float | None = None
) -> TimelineItem:
    return TimelineItem(start_time=start, end_time=end, channel=channel, analyzer=analyzer, label=label, score=score)


def scenes(*edges: float) -> dict[str, Outcome]:
    """Scenes between these moments, each with a key frame half a second behind its start."""
    made = tuple(
        Scene(
            start_time=a,
            end_time=b,
            scene_id=i,
            shots=(i,),
            transition_in=None,
            key_frame=KeyFrame(timestamp=a + 0.5, frame=0, sharpness=1.0, sharpness_share=1.0, likeness=1.0, score=1.0),
            separation=None,
            cohesion=None,
        )
        for i, (a, b) in enumerate(itertools.pairwise(edges))
    )
    return {
        "scene_segmentation": Outcome(SCENES, result=SceneResult(measures=(), scenes=made, shots=(), thumbnails=()))
    }


@pytest.mark.parametrize(
    ("analyzer", "channel", "topic"),
    [
        ("video_llava", "seen", "action"),
        ("body_pose", "seen", "action"),
        ("object_detection", "seen", "visuals"),
        ("background_segmentation", "seen", "visuals"),
        ("speech_transcription", "said", "said"),
        ("text_overlay", "written", "written"),
        ("audio_environment", "heard", "heard"),
        ("camera_analysis", "seen", "camera_and_editing"),
        ("cut_analysis", "seen", "camera_and_editing"),
        ("speech_emotion", "said", "emotion"),
        ("temporal_flow", "written", "story"),
    ],
)
def test_each_finding_has_its_topic(analyzer: str, channel: Channel, topic: str) -> None:
    (part,) = breakdown_of([item(0.0, 1.0, analyzer, "x", channel)], 4.0, {}).parts
    topics = {name: findings for name, findings in part if isinstance(findings, tuple) and findings}
    assert list(topics) == [topic]


def test_items_of_one_label_are_one_finding_of_each_stretch() -> None:
    items = [
        item(0.0, 2.0, "object_detection", "cat", score=0.4),
        item(1.0, 3.0, "object_detection", "cat", score=0.9),
        item(2.0, 2.5, "object_detection", "dog"),
        item(4.0, 6.0, "object_detection", "cat", score=0.5),
    ]
    made = breakdown_of(items, 10.0, scenes(0.0, 4.0, 10.0))
    assert made.scenes is not None
    found = [[(f.label, f.share, f.score) for f in stretch.visuals] for stretch in (*made.scenes, *made.parts)]
    assert found == [
        [("cat", 0.75, 0.9), ("dog", 0.125, None)],
        [("cat", pytest.approx(1 / 3), 0.5)],
        [("cat", 0.8, 0.9), ("dog", 0.1, None)],
        [("cat", 0.2, 0.5)],
    ]
    assert [s.key_frame_s for s in made.scenes] == [0.5, 4.5]
    assert [p.key_frame_s for p in made.parts] == [None, None]


def test_a_scene_is_no_finding_of_itself() -> None:
    made = breakdown_of([item(0.0, 4.0, "scene_segmentation", "scene 1")], 4.0, scenes(0.0, 4.0))
    assert made.scenes is not None
    assert not any(findings for _, findings in made.scenes[0] if isinstance(findings, tuple))


@pytest.mark.parametrize(
    ("duration_s", "edges"),
    [
        (0.2, [0.0, 0.2]),
        (5.0, [0.0, 5.0]),
        (5.4, [0.0, 5.4]),
        (5.5, [0.0, 5.0, 5.5]),
        (12.0, [0.0, 5.0, 10.0, 12.0]),
    ],
)
def test_parts_of_five_seconds_without_a_crumb(duration_s: float, edges: list[float]) -> None:
    parts = breakdown_of([], duration_s, {}).parts
    assert [p.start_time for p in parts] + [parts[-1].end_time] == edges


def test_unknown_scenes_are_null_and_no_length_is_nothing() -> None:
    made = breakdown_of([item(0.0, 1.0, "object_detection", "cat")], 3.0, {"scene_segmentation": Outcome(SCENES)})
    assert made.scenes is None
    assert len(made.parts) == 1
    assert breakdown_of([], 0.0, {}).parts == ()


def test_the_tables_name_analyzers_that_exist() -> None:
    assert {*TOPICS, *NO_FINDINGS} <= {cls.name for cls in CATALOGUE}


spans = st.tuples(st.floats(0.0, 20.0), st.floats(0.01, 5.0), st.sampled_from("abc"))


@given(st.lists(spans, max_size=8), st.floats(0.1, 30.0))
def test_parts_tile_the_video_and_lose_nothing(drawn: list[tuple[float, float, str]], duration_s: float) -> None:
    items = sorted((item(a, a + d, "object_detection", label) for a, d, label in drawn), key=lambda i: i.start_time)
    parts = breakdown_of(items, duration_s, {}).parts
    assert parts[0].start_time == 0.0
    assert parts[-1].end_time == duration_s
    assert all(a.end_time == b.start_time for a, b in itertools.pairwise(parts))
    assert all(p.duration_s < PART_S + 0.5 + 1e-9 for p in parts)
    for part in parts:
        assert {f.label for f in part.visuals} == _labels(items, part)


def _labels(items: list[TimelineItem], part: Stretch) -> set[str]:
    return {i.label for i in items if i.start_time < part.end_time and i.end_time > part.start_time}
