"""What a sound effect marks: texts that appear and gestures that begin, by results written down by hand."""

from __future__ import annotations

import pytest

from analyzers.base import AnalyzerResult, Context
from analyzers.results.body_pose import BodyPoseResult, GestureSpan
from analyzers.results.sound_marks import gesture_at, text_at
from schema.document import VideoFacts
from tests.made_results import only, text_result

VIDEO = VideoFacts(container="arrays", duration_s=10.0)

TEXTS = text_result([(0.0, 10.0, "@me", "watermark"), (2.0, 4.0, "one", "title"), (2.3, 4.0, "two", "caption")])

POSES = only(
    BodyPoseResult,
    gestures=tuple(
        only(GestureSpan, start_time=start, end_time=start + 1.0, gesture=gesture, kind=kind)
        for start, gesture, kind in ((1.0, "sitting", "posture"), (3.0, "pointing", "gesture"))
    ),
)


def context(**results: AnalyzerResult) -> Context:
    return Context(VIDEO, results)


@pytest.mark.parametrize(
    ("time_s", "text"),
    [(1.79, None), (1.8, "one"), (2.14, "one"), (2.16, "two"), (2.5, "two"), (2.51, None), (0.0, None), (4.0, None)],
)
def test_the_nearest_text_that_appears(time_s: float, text: str | None) -> None:
    assert text_at(context(text_overlay=TEXTS), time_s, 0.2) == text
    assert text_at(context(), time_s, 0.2) is None


@pytest.mark.parametrize(("time_s", "gesture"), [(1.0, None), (2.64, None), (2.65, "pointing"), (3.35, "pointing")])
def test_a_gesture_that_begins_and_no_posture(time_s: float, gesture: str | None) -> None:
    assert gesture_at(context(body_pose=POSES), time_s, 0.35) == gesture
    assert gesture_at(context(), time_s, 0.35) is None
