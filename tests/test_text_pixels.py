"""Whether a line is still the same and still there, from its pixels; and the cue for texts between two searches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analyzers.signal.text_flash import flashes
from analyzers.signal.text_pixels import is_seen, same_strokes, strokes_in
from tests.made_text import Written, ink_box, texture, write


def gray_line(text: str, seed: int = 1, size: int = 40, opacity: float = 1.0) -> Any:
    """One gray frame, a textured ground of this seed behind an outlined line; and the box of the line."""
    line = Written(text, 0, 1, (180, 100), size, opacity=lambda _: opacity)
    frame = write(texture(1, 360, 200, seed=seed), [line])[0]
    x0, y0, x1, y1 = ink_box(line, 0)
    return frame.mean(axis=2).astype(np.uint8), (int(x0) - 8, int(y0) - 8, int(x1) + 8, int(y1) + 8)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Frame 13 now", "Frame 13 now", True),
        ("Frame 13 now", "Frame 18 now", False),
        ("Frame 10 now", "Frame 11 now", False),
        ("Frame c now", "Frame e now", False),
        ("Frame 5 now", "Frame 6 now", False),
    ],
)
def test_one_changed_letter_is_no_longer_the_same_line(first: str, second: str, same: bool) -> None:
    one, box = gray_line(first)
    other, _ = gray_line(second)
    assert same_strokes(strokes_in(one, box, 60.0), strokes_in(other, box, 60.0)) is same


def test_a_line_is_the_same_over_another_ground_and_gone_without_its_letters() -> None:
    one, box = gray_line("still here", seed=1)
    other, _ = gray_line("still here", seed=2)
    without = texture(1, 360, 200, seed=2)[0].mean(axis=2).astype(np.uint8)
    line = strokes_in(one, box, 60.0)
    assert same_strokes(line, strokes_in(other, box, 60.0))
    assert is_seen(line, other)
    assert not is_seen(line, without)
    assert not is_seen(line, gray_line("also there", seed=2)[0])


@pytest.mark.parametrize(("opacity", "seen"), [(0.7, True), (0.3, False)])
def test_a_fading_line_is_there_down_to_half_its_contrast(opacity: float, seen: bool) -> None:
    frame, box = gray_line("fading away")
    line = strokes_in(frame, box, 60.0)
    assert is_seen(line, gray_line("fading away", opacity=opacity)[0]) is seen


def test_the_cue_fires_for_still_letters_that_come_and_go_and_not_for_a_moving_picture() -> None:
    frames = texture(11, 360, 400)
    assert flashes(frames.mean(axis=3).astype(np.uint8)) == []
    line = Written("BLINK", 4, 7, (180, 200), 48)
    (flash, *_) = flashes(write(frames, [line]).mean(axis=3).astype(np.uint8))
    x0, y0, x1, y1 = ink_box(line, 4)
    assert flash.frame == 4
    assert flash.box[0] <= x0 + 10
    assert flash.box[2] >= x1 - 10
    assert y0 - 20 <= flash.box[1] < flash.box[3] <= y1 + 20
