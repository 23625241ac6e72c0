"""The measures under ``cut_analysis``: what they depend on, and what they must not."""

from __future__ import annotations

import numpy as np
import pytest

from analyzers.signal import frame_change
from analyzers.signal.dissolves import _ramp
from analyzers.signal.frame_change import ChangeMeter, FrameChanges
from analyzers.signal.sudden_change import around
from media.types import FrameBatch
from tests.made_edits import picture


def moving(width: int, height: int, count: int, step: int = 3) -> FrameBatch:
    """A pan over a picture, ``step`` px a frame."""
    wide = picture(3, width + step * count)[:height]
    frames = np.stack([wide[:, step * k : step * k + width] for k in range(count)])
    return FrameBatch(frames, np.arange(count) / 25.0, np.arange(count), 0, width, height)


def measured(meter: ChangeMeter, batch: FrameBatch) -> list[np.ndarray]:
    changes = meter.measure(batch)
    return [getattr(changes, name) for name in FrameChanges.__dataclass_fields__]


def test_a_replica_measures_alike_whatever_it_has_seen_before() -> None:
    """Small pictures switch OpenCV's flow to other scales for good; they must not reach it as they are."""
    wide, narrow = moving(160, 96, 8), moving(112, 96, 8)
    used = ChangeMeter()
    measured(used, narrow)
    for again, fresh in zip(measured(used, wide), measured(ChangeMeter(), wide), strict=True):
        assert np.array_equal(again, fresh)


def test_slabs_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = moving(160, 96, 11)
    whole = measured(ChangeMeter(), batch)
    monkeypatch.setattr(frame_change, "SLAB", 4)
    for part, expected in zip(measured(ChangeMeter(), batch), whole, strict=True):
        assert np.array_equal(part, expected)


def test_motion_compensation_explains_a_pan() -> None:
    changes = ChangeMeter().measure(moving(160, 96, 6))
    assert (changes.moved[1:] <= changes.still[1:]).all()
    assert changes.moved[1:].mean() < 0.5 * changes.still[1:].mean()
    assert (changes.moved_likeness[1:] > changes.likeness[1:]).all()


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(170, 96, (84, 48)), (96, 170, (48, 84)), (128, 96, (60, 48)), (96, 96, (48, 48)), (2000, 40, (192, 48))],
)
def test_working_size_is_whole_blocks(width: int, height: int, expected: tuple[int, int]) -> None:
    assert frame_change.working_size(width, height) == expected


def test_what_is_usual_around_a_change_by_hand() -> None:
    values = np.array([9, 1, 5, 2, 7, 3, 8, 4, 6], np.float32)
    # Around entry 4: 5 2 | 3 8 are near; of 1 5 2 (entry 0 is no change) and 3 8 4 6 the second largest are 2 and 6.
    assert around(values, np.array([4]), 1, 2, 4).tolist() == [8.0]
    # With one near: 2 | 3; second largest of 1 5 2 0 and of 3 8 4 6.
    assert around(values, np.array([4]), 1, 1, 4).tolist() == [6.0]
    # A change of two pairs at 4 covers 4 and 5; behind it are 8 4 6.
    assert around(values, np.array([4]), 2, 1, 4).tolist() == [8.0]
    assert around(values, np.array([1, 8]), 1, 1, 2).tolist() == [5.0, 4.0]


def test_the_ramp_that_fits_best_is_that_of_a_search_over_all() -> None:
    random = np.random.default_rng(4)
    for _ in range(5):
        n = int(random.integers(12, 40))
        alpha = np.clip((np.arange(n) - 4) / random.uniform(4, 9), 0, 1) + 0.03 * random.standard_normal(n)
        errors = {
            (a, b): float(np.sqrt(np.mean(np.square(np.clip((np.arange(n) - a) / (b - a), 0, 1) - alpha))))
            for a in range(n)
            for b in range(a + 5, n)
        }
        start, end, error = _ramp(alpha)
        assert error == pytest.approx(min(errors.values()), abs=1e-6)
        assert errors.get((start, end), error) == pytest.approx(error, abs=1e-6)
