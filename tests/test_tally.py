"""What a deadline leaves of an analyzer's run: which spans were not seen, and how that is told."""

from __future__ import annotations

from typing import Literal

import pytest

from analyzers.host import Cost, Description, Observed
from media.needs import FrameNeed, Needs, Rate
from reducer.sections import Tally, overdue_error
from schema.document import SectionError

CHUNK_S, DURATION_S = 2.0, 7.0
LOST = SectionError(code="replica_lost", reason="x", remedy="y")


def tally(seen: tuple[int, ...], failed: tuple[int, ...] = (), planned: int = 4) -> Tally:
    needs = Needs(frames=(FrameNeed(Rate(2.0), 64),))
    found = Tally(Description("color_analysis", "1", "ready", needs, {}, 9.0, (), "cpu"), planned=planned)
    for index in seen:
        found.add(index, Observed([index], Cost(1.0, 1.0)), 1.0)
    for index in failed:
        found.fail(index * CHUNK_S, (index + 1) * CHUNK_S, LOST)
    return found


@pytest.mark.parametrize(
    ("seen", "failed", "unseen", "share"),
    [
        ((0, 1, 2, 3), (), [], 1.0),
        ((0, 2), (), [(2.0, 4.0), (6.0, 7.0)], 4 / 7),
        ((0,), (1,), [(4.0, 6.0), (6.0, 7.0)], 2 / 7),
        ((), (), [(0.0, 2.0), (2.0, 4.0), (4.0, 6.0), (6.0, 7.0)], 0.0),
    ],
)
def test_what_was_not_seen_is_a_gap(
    seen: tuple[int, ...], failed: tuple[int, ...], unseen: list[tuple[float, float]], share: float
) -> None:
    found = tally(seen, failed)
    found.give_up("request", CHUNK_S, DURATION_S)
    assert found.unseen == unseen
    assert found.gaps == tuple(sorted([*unseen, *((i * CHUNK_S, (i + 1) * CHUNK_S) for i in failed)]))
    coverage = found.coverage(DURATION_S)
    assert coverage is not None
    assert coverage.share == pytest.approx(share)
    assert (coverage.chunks_observed, coverage.chunks_failed) == (len(seen), len(failed))


@pytest.mark.parametrize(("seen", "unseen"), [((0,), []), ((), [(0.0, DURATION_S)])])
def test_one_observation_of_the_whole_clip(seen: tuple[int, ...], unseen: list[tuple[float, float]]) -> None:
    found = tally(seen, planned=1)
    found.give_up("analyzer", CHUNK_S, DURATION_S)
    assert found.unseen == unseen


@pytest.mark.parametrize(
    ("whose", "reason", "remedy"),
    [
        ("analyzer", "Its deadline of 9 s passed after 1 of 4 chunks.", "Raise deadline_s of color_analysis"),
        ("request", "The deadline of the request passed after 1 of 4 chunks.", "a longer deadline_s"),
    ],
)
def test_the_error_says_whose_deadline_it_was(whose: Literal["analyzer", "request"], reason: str, remedy: str) -> None:
    found = tally((0,))
    found.give_up(whose, CHUNK_S, DURATION_S)
    error = overdue_error(found)
    assert (error.code, error.reason) == ("timeout", reason)
    assert remedy in error.remedy
