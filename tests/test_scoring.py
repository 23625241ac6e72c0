"""The scores of the accuracy table, against answers worked out by hand."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import scoring
from benchmarks.scoring import Score, rounding_iou, snapped

# Counts


def test_precision_recall_and_f1_by_hand() -> None:
    # 6 right of 8 found and 12 true: P = 3/4, R = 1/2, F1 = 2 * 3/4 * 1/2 / (5/4) = 3/5.
    score = Score(6, 8, 12)
    assert (score.precision, score.recall) == (0.75, 0.5)
    assert score.f1 == pytest.approx(0.6)


def test_nothing_found_and_nothing_to_find_are_no_numbers() -> None:
    assert (Score().precision, Score().recall, Score().f1) == (None, None, None)
    assert (Score(0, 0, 3).precision, Score(0, 0, 3).recall, Score(0, 0, 3).f1) == (None, 0.0, 0.0)
    assert (Score(0, 3, 0).precision, Score(0, 3, 0).recall, Score(0, 3, 0).f1) == (0.0, None, 0.0)


def test_pooled_counts_are_not_a_mean_of_scores() -> None:
    # Means of F1 1.0 and 0.0 would be 0.5; pooled: 2 * 9 / (9 + 11).
    assert (Score(9, 9, 9) + Score(0, 0, 2)).f1 == pytest.approx(0.9)


@pytest.mark.parametrize("counts", [(3, 2, 5), (3, 5, 2), (-1, 0, 0)])
def test_impossible_counts_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="right of"):
        Score(*counts)


# Points


@pytest.mark.parametrize(
    ("found", "truth", "pairs", "extra", "missed"),
    [
        ([], [], (), (), ()),
        ([75, 150], [75, 150, 225], ((0, 0), (1, 1)), (), (2,)),
        ([76], [75], ((0, 0),), (), ()),
        ([77], [75], (), (0,), (0,)),
        # One true cut answers for one found cut only.
        ([75, 76], [75], ((0, 0),), (1,), ()),
        ([75], [74, 76], ((0, 0),), (), (1,)),
        # Nearest first would leave 12 without a partner; the largest match has both.
        ([11, 12], [10, 11], ((0, 0), (1, 1)), (), ()),
        # Out of order on both sides; indices are those of the arguments.
        ([40, 10], [11, 39, 100], ((0, 1), (1, 0)), (), (2,)),
    ],
)
def test_cuts_match_one_to_one_within_a_frame(
    found: list[float], truth: list[float], pairs: object, extra: object, missed: object
) -> None:
    matches = scoring.match_points(found, truth, 1.0)
    assert (matches.pairs, matches.extra, matches.missed) == (pairs, extra, missed)


POINTS = st.lists(st.integers(0, 12), max_size=5)


@given(POINTS, POINTS)
def test_no_other_assignment_matches_more(found: list[int], truth: list[int]) -> None:
    few, many = sorted((found, truth), key=len)
    best = max(sum(abs(a - b) <= 1 for a, b in zip(few, order, strict=False)) for order in itertools.permutations(many))
    matches = scoring.match_points(found, truth, 1.0)
    assert matches.score == Score(best, len(found), len(truth))
    assert all(abs(found[i] - truth[j]) <= 1 for i, j in matches.pairs)
    assert len({i for i, _ in matches.pairs}) == len({j for _, j in matches.pairs}) == best


# Spans


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 10), (0, 10), 1.0),
        ((0, 10), (5, 10), 0.5),
        ((0, 10), (5, 15), 1 / 3),
        ((0, 10), (10, 20), 0.0),
        ((0, 1), (2, 3), 0.0),
    ],
)
def test_intersection_over_union_by_hand(a: scoring.Span, b: scoring.Span, expected: float) -> None:
    assert scoring.iou(a, b) == scoring.iou(b, a) == pytest.approx(expected)


def test_spans_match_by_what_they_share() -> None:
    truth = [(0.0, 10.0), (20.0, 30.0), (40.0, 50.0)]
    found = [(9.0, 12.0), (1.0, 10.0), (29.0, 33.0), (35.0, 40.0)]
    matches = scoring.match_spans(found, truth)
    assert matches.pairs == ((1, 0), (2, 1))
    assert (matches.extra, matches.missed) == ((0, 3), (2,))
    # (29, 33) and (20, 30) share 1 of 13.
    assert scoring.match_spans(found, truth, min_iou=0.5).pairs == ((1, 0),)
    assert scoring.match_spans(found, truth, min_iou=1 / 13).pairs == ((1, 0), (2, 1))


def test_union_of_spans_by_hand() -> None:
    found, truth = [(0.0, 1.0), (2.0, 4.0), (3.0, 5.0)], [(0.5, 2.5)]
    assert scoring.merged(found) == [(0.0, 1.0), (2.0, 5.0)]
    assert scoring.total_s(found) == 4.0
    assert scoring.common_s(found, truth) == pytest.approx(1.0)
    assert scoring.union_iou(found, truth) == pytest.approx(1.0 / 5.0)
    assert scoring.union_iou([], truth) == 0.0
    assert scoring.union_iou([], []) is None


def test_gaps_and_clipping_by_hand() -> None:
    spans = [(3.0, 4.0), (0.0, 1.0), (0.5, 2.0)]
    assert scoring.gaps(spans) == [(2.0, 3.0)]
    assert scoring.gaps([(0.0, 1.0)]) == []
    assert scoring.clipped(spans, 0.75, 3.5) == [(3.0, 3.5), (0.75, 1.0), (0.75, 2.0)]
    assert scoring.clipped(spans, 4.0, 9.0) == []


# Text


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("kitten", "sitting", 3),
        ("flaw", "lawn", 2),
        ("intention", "execution", 5),
        ("ab", "ba", 2),
    ],
)
def test_edit_distance_of_known_pairs(a: str, b: str, distance: int) -> None:
    assert scoring.edit_distance(a, b) == distance


def test_character_error_rate_by_hand() -> None:
    # 21 characters, "tw0" for "two" and a lost "n": 2 errors.
    assert scoring.character_error_rate("bin blue at f tw0 ow", "bin blue at f two now") == pytest.approx(2 / 21)
    assert scoring.character_error_rate("", "abcd") == 1.0
    assert scoring.character_error_rate("abcdabcdab", "abcd") == 1.5
    assert scoring.character_error_rate("ABCD", "abcd") == 1.0, "case counts"
    assert scoring.character_error_rate(" bin\nblue ", "bin blue") == 0.0, "white space does not"
    assert scoring.character_error_rate("\uff21\uff22", "AB") == 0.0, "nor does full width"
    with pytest.raises(ValueError, match="truth is empty"):
        scoring.character_error_rate("a", " ")


# Tempo


@pytest.mark.parametrize(
    ("found", "factor"),
    [
        (136.0, 1.0),
        (130.6, 1.0),
        (141.4, 1.0),
        (130.5, None),
        (141.5, None),
        (68.0, 0.5),
        (272.0, 2.0),
        (45.3, pytest.approx(1 / 3)),
        (408.0, 3.0),
        (90.7, None),
    ],
)
def test_octave_errors_within_four_percent(found: float, factor: object) -> None:
    assert scoring.octave_of(found, 136.0, 0.04) == factor


def test_relative_error_and_mean() -> None:
    assert scoring.relative_error(90.0, 120.0) == 0.25
    assert scoring.mean([1.0, 2.0, 6.0]) == 3.0
    assert scoring.mean([]) is None


def test_ends_within_half_a_step_count_as_equal() -> None:
    truth = [(1.0, 1.2), (2.0, 2.2)]
    assert snapped([(1.02, 1.17), (2.1, 2.2), (5.0, 6.0)], truth, 0.025) == [(1.0, 1.17), (2.1, 2.2), (5.0, 6.0)]
    assert snapped([(1.02, 1.18)], truth, 0.0) == [(1.02, 1.18)]


def test_what_rounded_truth_costs_by_hand() -> None:
    """One span of 0.2 s, each end off by up to 0.025: 0.15 / 0.2 at worst; an end is off by 0.0125 on average, half of
    it outwards, so about (0.2 - 0.0125) / (0.2 + 0.0125)."""
    worst, average = rounding_iou([(1.0, 1.2)], 0.025)
    assert worst == pytest.approx(0.75)
    assert average == pytest.approx(0.1875 / 0.2125, abs=0.01)
    assert rounding_iou([(1.0, 1.2)], 0.0) == pytest.approx((1.0, 1.0))
