"""The measures under ``cut_analysis``: what they depend on, and what they must not."""

from __future__ import annotations

import numpy as np
import pytest

from analyzers.signal import frame_change, frame_sketch
from analyzers.signal.dissolves import _ramp
from analyzers.signal.frame_change import ChangeMeter
from analyzers.signal.frame_sketch import Sketches, block_changes, neighbours, sketched, suspects
from analyzers.signal.moments import moments
from analyzers.signal.pair_changes import PairChanges
from analyzers.signal.sudden_change import around
from media.types import FrameBatch
from tests.made_edits import picture


def moving(width: int, height: int, count: int, step: int = 3) -> FrameBatch:
    """A pan over a picture, ``step`` px a frame."""
    wide = picture(3, width + step * count)[:height]
    frames = np.stack([wide[:, step * k : step * k + width] for k in range(count)])
    return FrameBatch(frames, np.arange(count) / 25.0, np.arange(count), 0, width, height)


def measured(meter: ChangeMeter, batch: FrameBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of all pairs, their pictures kept by hand."""
    height, width = frame_sketch.working_size(*batch.frames.shape[2:0:-1])[::-1]
    pictures = np.stack([frame[:height, :width] for frame in batch.frames])
    return meter.measure(pictures, np.arange(len(pictures) - 1), np.arange(1, len(pictures)))


def test_a_replica_measures_alike_whatever_it_has_seen_before() -> None:
    """Small pictures switch OpenCV's flow to other scales for good; they must not reach it as they are."""
    wide, narrow = moving(160, 96, 8), moving(112, 96, 8)
    used = ChangeMeter()
    measured(used, narrow)
    for again, fresh in zip(measured(used, wide), measured(ChangeMeter(), wide), strict=True):
        assert np.array_equal(again, fresh)


def test_slabs_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = moving(160, 96, 11)
    whole, small = measured(ChangeMeter(), batch), sketched(batch)
    monkeypatch.setattr(frame_change, "SLAB", 4)
    monkeypatch.setattr(frame_sketch, "SLAB", 4)
    for part, expected in zip(measured(ChangeMeter(), batch), whole, strict=True):
        assert np.array_equal(part, expected)
    again = sketched(batch)
    assert np.array_equal(again.thumbs, small.thumbs)
    assert np.array_equal(again.pictures, small.pictures)


def test_motion_compensation_explains_a_pan() -> None:
    still, moved, figures = measured(ChangeMeter(), moving(160, 96, 6, step=2))
    assert (moved <= still).all()
    assert moved.mean() < 0.5 * still.mean()
    assert (figures[:, 1] > figures[:, 0]).all()


def cut_at(frame: int, count: int = 40, noise_levels: int = 2) -> FrameBatch:
    """A still picture, then another, with noise."""
    shots = [picture(seed, 160)[:96] for seed in (3, 8)]
    noise = np.random.default_rng(5).integers(0, noise_levels + 1, (count, 96, 160, 3))
    frames = np.stack([np.clip(shots[k >= frame] + noise[k], 0, 255) for k in range(count)]).astype(np.uint8)
    return FrameBatch(frames, np.arange(count) / 25.0, np.arange(count), 0, 160, 96)


def test_only_the_first_frame_of_another_picture_is_suspect() -> None:
    assert suspects(block_changes(sketched(cut_at(20)).thumbs)).tolist() == [20]
    moved = suspects(block_changes(sketched(moving(160, 96, 12)).thumbs))
    assert not [frame for frame in moved if 3 <= frame <= 9], "no change of a steady pan stands out of its neighbours"


def test_pictures_are_kept_at_both_ends_and_around_a_suspect() -> None:
    kept = np.flatnonzero(sketched(cut_at(20, noise_levels=0)).place >= 0)
    # Four changes at each end and the cut's own with four on each side, each with the frame before it.
    assert kept.tolist() == [0, 1, 2, 3, 4, *range(15, 25), *range(35, 40)]


def test_held_pictures_reach_further() -> None:
    """The changes that a cut is compared with are those left when repeats are left out."""
    sizes = np.zeros(60)
    sizes[np.arange(0, 60, 3)] = 10.0
    assert neighbours(sizes.tolist(), 30, 12.0) == [18, 21, 24, 26, 27, 28, 29, 31, 32, 33, 34, 36, 39, 42]


def test_chunks_do_not_show() -> None:
    """A cut on the first frame of a chunk is measured from the pictures that both chunks kept."""
    whole = cut_at(20)
    first = FrameBatch(whole.frames[:20], whole.pts_s[:20], whole.index[:20], 0, 160, 96)
    second = FrameBatch(whole.frames[19:], whole.pts_s[19:], whole.index[19:], 1, 160, 96)
    parts = []
    for sketches in (sketched(whole), Sketches.joined([sketched(first), sketched(second)])):
        changes = PairChanges(sketches, ChangeMeter())
        changes.measure(changes.suspects)
        changes.measure_around(changes.suspects)
        parts.append((changes.suspects, changes.still, changes.moved, changes.likeness))
    for one, two in zip(*parts, strict=True):
        assert np.array_equal(one, two)
    assert parts[0][1][20].min() > 6.0


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(170, 96, (84, 48)), (96, 170, (48, 84)), (128, 96, (60, 48)), (96, 96, (48, 48)), (2000, 40, (192, 48))],
)
def test_working_size_is_whole_blocks(width: int, height: int, expected: tuple[int, int]) -> None:
    assert frame_sketch.working_size(width, height) == expected


def test_what_is_usual_around_a_change_by_hand() -> None:
    values = np.array([9, 1, 5, 2, 7, 3, 8, 4, 6], np.float32)
    # Around entry 4: 5 2 | 3 8 are near; of 1 5 2 (entry 0 is no change) and 3 8 4 6 the second largest are 2 and 6.
    assert around(values, np.array([4]), 1, 2, 4).tolist() == [8.0]
    # With one near: 2 | 3; second largest of 1 5 2 0 and of 3 8 4 6.
    assert around(values, np.array([4]), 1, 1, 4).tolist() == [6.0]
    # A change of two pairs at 4 covers 4 and 5; behind it are 8 4 6.
    assert around(values, np.array([4]), 2, 1, 4).tolist() == [8.0]
    assert around(values, np.array([1, 8]), 1, 1, 2).tolist() == [5.0, 4.0]


def test_moments_are_those_of_numpy() -> None:
    pictures = np.random.default_rng(2).integers(0, 256, (9, 24, 19, 3)).astype(np.float32)
    pictures[3] = 255.0
    means, squares = moments(pictures)
    pixels = pictures.astype(np.float64).reshape(9, -1, 3)
    assert np.array_equal(means, pixels.sum(axis=1) / pixels.shape[1])
    assert np.array_equal(squares, np.square(pixels).sum(axis=(1, 2)) / pixels.shape[1])


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
