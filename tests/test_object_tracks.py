"""Tracks, counts and spans of objects, from made boxes frame after frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from analyzers.base import AnalyzerResult, Context, NotApplicable
from analyzers.object_detection import ObjectDetection, ObjectDetectionConfig
from analyzers.results.detections import Detections, FrameDetections, pack_detections
from schema.document import VideoFacts
from tests.model_runs import cuts

STEP_S = 0.5
WIDE, HIGH = 200, 100

Box = tuple[str, float, float, float, float, float]
"""Class, left, top, right, bottom, score."""


def seen(*frames: Sequence[Box], first_s: float = 0.0, skip: Sequence[int] = ()) -> Detections:
    """Frames at two per second; those in ``skip`` were never sampled."""
    return pack_detections(
        [
            FrameDetections(
                first_s + k * STEP_S,
                np.array([b[1:5] for b in boxes], np.float32).reshape(-1, 4),
                np.array([b[5] for b in boxes], np.float32),
                tuple(b[0] for b in boxes),
            )
            for k, boxes in enumerate(frames)
            if k not in skip
        ]
    )


def conclude(*observations: Detections, duration_s: float, cuts_s: Sequence[float] = (), **config: Any) -> Any:
    analyzer = ObjectDetection(ObjectDetectionConfig(fps=1 / STEP_S, **config))
    results: dict[str, AnalyzerResult] = {"cut_analysis": cuts([0.0, *cuts_s, duration_s])} if cuts_s else {}
    facts = VideoFacts(container="made", duration_s=duration_s, width=WIDE, height=HIGH)
    return analyzer.conclude(list(observations), Context(facts, results))


CAT: Box = ("cat", 50.0, 25.0, 150.0, 75.0, 0.9)
"""A quarter of the picture, in its middle."""


def dog(left: float, score: float = 0.8) -> Box:
    return ("dog", left, 0.0, left + 40.0, 40.0, score)


def spans_of(entry: Any) -> list[tuple[float, float]]:
    return [(span.start_time, span.end_time) for span in entry.spans]


def test_an_instance_and_its_measures() -> None:
    result = conclude(seen([CAT], [CAT], [], []), duration_s=2.0)
    (cat,) = result.instances
    assert (cat.track_id, cat.object_class, cat.samples) == (0, "cat", 2)
    assert spans_of(cat) == [(0.0, 1.0)]
    assert (cat.time_share, cat.area_share, cat.centrality) == pytest.approx((0.5, 0.25, 1.0))
    assert cat.prominence == pytest.approx((0.5 * 0.25 * 1.0) ** (1 / 3))
    assert cat.best_confidence == pytest.approx(0.9)
    first = result.frames[0].objects[0]
    assert (first.position, first.track_id) == ("center", 0)
    assert first.bounding_box.model_dump() == {"x": 50.0, "y": 25.0, "width": 100.0, "height": 50.0}
    assert result.main_track_id == 0


def test_prominence_falls_with_size_place_and_time() -> None:
    corner: Box = ("cup", 0.0, 0.0, 20.0, 10.0, 0.9)
    result = conclude(seen([CAT, corner], [CAT, corner], [CAT]), duration_s=1.5)
    cat, cup = result.instances
    # The corner's middle is (10, 5): 0.9 of half a diagonal from the middle (100, 50).
    assert cup.centrality == pytest.approx(0.1)
    assert cup.area_share == pytest.approx(0.01)
    assert cat.prominence > cup.prominence
    assert result.main_track_id == cat.track_id


def test_two_of_a_class_that_pass_each_other_keep_their_numbers() -> None:
    there = [[dog(10.0 * k), dog(150.0 - 15.0 * k, 0.7)] for k in range(10)]
    swapped = [list(reversed(f)) if k % 2 else f for k, f in enumerate(there)]
    result = conclude(seen(*swapped), duration_s=5.0, min_track_overlap=0.1)
    lefts = [{o.track_id: o.bounding_box.x for o in frame.objects} for frame in result.frames]
    assert [sorted(frame) for frame in lefts] == [[0, 1]] * 10
    # Before they meet and long after; in between either box may be either dog.
    assert [lefts[k][0] for k in (0, 1, 2, 3)] == [0.0, 10.0, 20.0, 30.0]


def test_a_track_ends_after_lost_s_and_not_before() -> None:
    def tracks(gap: int) -> int:
        frames = [[dog(20.0)]] * 3 + [[]] * gap + [[dog(20.0)]] * 3
        return len(conclude(seen(*frames), duration_s=STEP_S * len(frames), lost_s=2.0).instances)

    # The box comes back (gap + 1) x 0.5 s after it was last seen: after 2.0 s the track still lives.
    assert [tracks(gap) for gap in (0, 2, 3, 4, 6)] == [1, 1, 1, 2, 2]


def test_frames_that_were_never_sampled_count_as_time() -> None:
    frames = [[dog(20.0)]] * 12
    assert len(conclude(seen(*frames), duration_s=6.0, lost_s=1.0).instances) == 1
    lost = conclude(seen(*frames, skip=range(3, 9)), duration_s=6.0, lost_s=1.0)
    assert len(lost.instances) == 2
    # What lies in the gap was not seen: each stretch ends one step after its last sample.
    assert [spans_of(i) for i in lost.instances] == [[(0.0, 1.5)], [(4.5, 6.0)]]


def test_no_track_goes_across_a_cut() -> None:
    frames = [[CAT]] * 6
    assert [spans_of(i) for i in conclude(seen(*frames), duration_s=3.0).instances] == [[(0.0, 3.0)]]
    cut = conclude(seen(*frames), duration_s=3.0, cuts_s=[1.5])
    assert [spans_of(i) for i in cut.instances] == [[(0.0, 1.5)], [(1.5, 3.0)]]
    assert spans_of(cut.classes[0]) == [(0.0, 3.0)]
    assert cut.classes[0].instances == 2
    assert cut.classes[0].max_at_once == 1


@pytest.mark.parametrize(("score", "tracked"), [(0.39, False), (0.41, True)])
def test_only_a_sure_box_begins_a_track(score: float, tracked: bool) -> None:
    result = conclude(seen([dog(20.0, score)], [dog(20.0, score)]), duration_s=1.0, sure_score=0.4)
    assert bool(result.instances) is tracked
    assert [o.track_id for f in result.frames for o in f.objects] == ([0, 0] if tracked else [None, None])
    # Without a track it is still there, and counted with its class.
    assert result.classes[0].max_at_once == 1


def test_a_weak_box_goes_on_with_a_track() -> None:
    result = conclude(seen([dog(20.0)], [dog(20.0)], [dog(20.0, 0.3)], [dog(20.0)]), duration_s=2.0)
    assert [o.track_id for f in result.frames for o in f.objects] == [0, 0, 0, 0]


@pytest.mark.parametrize(("left", "same"), [(30.0, True), (36.0, False)])
def test_a_box_must_overlap_where_its_track_is_expected(left: float, same: bool) -> None:
    # 40 px wide, moved by 30: overlap 10 / 70 = 0.14; by 36: 4 / 76 = 0.05.
    result = conclude(seen([dog(0.0)], [dog(left)], [dog(left)]), duration_s=1.5, min_track_overlap=0.1)
    first, second = (result.frames[k].objects[0].track_id for k in (0, 1))
    assert (first == second) is same


def test_a_thing_seen_once_has_no_track() -> None:
    result = conclude(seen([dog(20.0)], [], []), duration_s=1.5)
    assert result.instances == ()
    assert result.frames[0].objects[0].track_id is None
    assert spans_of(result.classes[0]) == [(0.0, 0.5)]


@pytest.mark.parametrize(("bridge_s", "spans"), [(0.9, [(0.0, 0.5), (1.5, 2.0)]), (1.0, [(0.0, 2.0)])])
def test_a_short_gap_is_no_interruption(bridge_s: float, spans: list[tuple[float, float]]) -> None:
    result = conclude(seen([CAT], [], [], [CAT]), duration_s=2.0, bridge_s=bridge_s)
    assert spans_of(result.classes[0]) == spans


def test_counts_over_time() -> None:
    both = [dog(0.0), dog(120.0), CAT]
    result = conclude(seen([CAT], [CAT], both, both, [CAT], [CAT]), duration_s=3.0)
    assert [(c.start_time, c.end_time, c.counts) for c in result.counts] == [
        (0.0, 1.0, {"cat": 1}),
        (1.0, 2.0, {"cat": 1, "dog": 2}),
        (2.0, 3.0, {"cat": 1}),
    ]
    cat, dogs = result.classes
    assert (cat.object_class, dogs.object_class, dogs.max_at_once, dogs.instances) == ("cat", "dog", 2, 2)
    assert dogs.mean_at_once == pytest.approx(4 / 6)


def test_classes_are_followed_apart() -> None:
    frames = [[("cat" if k % 2 else "dog", *CAT[1:])] for k in range(6)]
    result = conclude(seen(*frames), duration_s=3.0)
    assert [(i.track_id, i.object_class, i.samples) for i in result.instances] == [(0, "dog", 3), (1, "cat", 3)]
    assert [o.track_id for frame in result.frames for o in frame.objects] == [0, 1, 0, 1, 0, 1]


def test_the_result_does_not_depend_on_where_chunks_end() -> None:
    frames = [[dog(10.0 * k), CAT] for k in range(8)]
    whole = conclude(seen(*frames), duration_s=4.0)
    parts = conclude(seen(*frames[:3]), seen(*frames[3:], first_s=1.5), duration_s=4.0)
    assert parts == whole


def test_time_line_and_headline_say_what_the_result_says() -> None:
    result = conclude(seen([CAT], [CAT, dog(0.0), dog(120.0)], [CAT]), duration_s=1.5)
    analyzer = ObjectDetection(ObjectDetectionConfig())
    items = analyzer.timeline(result)
    assert [(i.start_time, i.end_time, i.label) for i in items] == [(0.0, 1.5, "cat"), (0.5, 1.0, "2 x dog")]
    assert analyzer.headline(result) == "Objects: cat in 100%, 2 x dog in 33% of the time."


def test_nothing_seen_is_a_result_and_nothing_sampled_is_none() -> None:
    result = conclude(seen([], []), duration_s=1.0)
    assert (result.instances, result.classes, result.main_track_id) == ((), (), None)
    assert ObjectDetection(ObjectDetectionConfig()).headline(result) == "Objects: none of the known classes."
    with pytest.raises(NotApplicable):
        conclude(duration_s=1.0)


def test_detections_refuse_arrays_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="2 frames and 1 boxes"):
        Detections(
            np.zeros(2), np.array([1, 1], np.int32), np.zeros((1, 4), np.float32), np.zeros(1, np.float32),
            np.zeros(1, np.int32), ("cat",),
        )  # fmt: skip


def test_boxes_of_some_classes_only() -> None:
    (frame,) = seen([CAT, dog(0.0), dog(120.0)]).frames()
    assert frame.of(frozenset({"dog"})).boxes[:, 0].tolist() == [0.0, 120.0]
    assert len(frame.of(frozenset({"cup"}))) == 0
