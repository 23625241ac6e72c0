"""Text on screen, read by the real reader from made frames: exact text, span and box, and silence without text."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzers.base import Context, NotApplicable, Unavailable
from analyzers.results.text_overlay import TextOverlay
from analyzers.signal.text_reader import RapidOcrReader
from analyzers.text_overlay import TextOverlayAnalysis, TextOverlayConfig, TextOverlayResult
from schema.document import VideoFacts
from tests.made_text import Written, ink_box, plain, texture, write
from tests.text_runs import FPS, ocr, run, spans


def truth(*lines: Written) -> list[tuple[str, float, float]]:
    return [(line.text, line.first / FPS, line.end / FPS) for line in lines]


def box_of(overlay: TextOverlay) -> tuple[float, float, float, float]:
    b = overlay.bounding_box
    return b.x, b.y, b.x + b.width, b.y + b.height


CAPTIONS = (
    Written("the first caption", 4, 16, (180, 500), 36),
    Written("and here another", 18, 36, (180, 500), 36),
)


@cache
def captioned(chunk_s: float) -> TextOverlayResult:
    return run(write(texture(40), CAPTIONS), chunk_s)


def test_captions_over_a_moving_picture_are_read_exactly_with_their_spans() -> None:
    result = captioned(2.0)
    assert spans(result) == truth(*CAPTIONS)
    assert [o.kind for o in result.overlays] == ["caption", "caption"]
    assert result.text_share == pytest.approx((16 - 4 + 36 - 18) / 40)
    assert result.words == 6
    assert result.latin_language is None  # "the" and "and" are two words, one less than it takes


def test_the_box_holds_the_letters_and_little_more() -> None:
    for overlay, line in zip(captioned(2.0).overlays, CAPTIONS, strict=True):
        x0, y0, x1, y1 = box_of(overlay)
        a0, b0, a1, b1 = ink_box(line, line.first)
        shared = (min(x1, a1) - max(x0, a0)) * (min(y1, b1) - max(y0, b0))
        assert shared >= 0.97 * (a1 - a0) * (b1 - b0)
        assert (x1 - x0) * (y1 - y0) <= 2.0 * (a1 - a0) * (b1 - b0)
        assert 0.0 <= x0 < x1 <= 360.0
        assert 0.0 <= y0 < y1 <= 640.0
        assert overlay.position == "bottom_center"


@pytest.mark.parametrize("chunk_s", [1.0, 100.0])
def test_the_length_of_the_chunks_does_not_matter(chunk_s: float) -> None:
    assert captioned(chunk_s).overlays == captioned(2.0).overlays


def test_a_clip_without_text_gives_an_empty_list() -> None:
    result = run(texture(20, seed=3))
    assert result.overlays == ()
    assert result.text_share == 0.0
    assert result.words_per_s is None
    assert ocr().headline(result) == "No text on screen."
    assert ocr().timeline(result) == []


def test_noise_is_no_text() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (20, 320, 180, 3), dtype=np.uint8)
    assert run(noise).overlays == ()


def test_stripes_and_checks_are_no_text() -> None:
    y, x = np.mgrid[:320, :180]
    stripes = np.where((x // 6) % 2, 255, 0)
    checks = np.where((x // 8 + y // 8) % 2, 255, 0)
    frames = np.stack([np.repeat(p[..., None], 3, axis=2).astype(np.uint8) for p in (stripes, checks)])
    assert run(np.repeat(frames, 10, axis=0)).overlays == ()


def test_lines_that_come_and_go_together_are_one_overlay_in_reading_order() -> None:
    frames = write(
        texture(30),
        [
            Written("with a second line", 5, 25, (180, 520), 30),
            Written("The first line goes on", 5, 25, (180, 480), 30),
            Written("elsewhere", 5, 25, (180, 100), 30),
        ],
    )
    result = run(frames)
    assert spans(result) == [("elsewhere", 0.5, 2.5), ("The first line goes on with a second line", 0.5, 2.5)]
    assert [line.text for line in result.overlays[1].lines] == ["The first line goes on", "with a second line"]


def test_lines_at_different_times_are_apart() -> None:
    lines = (Written("this one is early", 2, 28, (180, 480), 30), Written("this one is late", 14, 28, (180, 520), 30))
    assert spans(run(write(texture(30), lines))) == truth(*lines)


def test_one_changed_digit_is_another_text() -> None:
    lines = [Written(f"Part {k}", 4 * k, 4 * k + 4, (180, 320)) for k in range(6)]
    assert spans(run(write(texture(24), lines))) == truth(*lines)


def test_a_short_text_alone_between_two_searches_is_found() -> None:
    lines = (Written("BLINK", 12, 16, (180, 300), 48),)
    assert spans(run(write(texture(30), lines))) == truth(*lines)


def test_a_scrolling_text_is_one_overlay_around_its_way() -> None:
    line = Written("credits roll up", 0, 40, (180, 600), 30, shift=lambda i: (0, -12 * i))
    (overlay,) = run(write(texture(40), [line])).overlays
    assert (overlay.text, overlay.start_time, overlay.end_time, overlay.moves) == (line.text, 0.0, 4.0, True)
    first, last = ink_box(line, 0), ink_box(line, 39)
    assert overlay.bounding_box.y <= last[1]
    assert overlay.bounding_box.y + overlay.bounding_box.height >= first[3] - 2


def test_a_text_that_slides_in_from_the_edge_is_one_overlay() -> None:
    line = Written("breaking news today", 0, 40, (500, 600), 30, shift=lambda i: (-12 * i, 0))
    overlays = run(write(texture(40), [line])).overlays
    assert [o.text for o in overlays] == ["breaking news today"]
    assert overlays[0].moves
    assert overlays[0].bounding_box.x >= 0.0
    assert overlays[0].bounding_box.x + overlays[0].bounding_box.width <= 360.0


def test_a_fading_text_ends_where_it_cannot_be_read() -> None:
    line = Written("fading text", 5, 35, (180, 500), opacity=lambda i: min(1.0, (i - 4) / 10, (35 - i) / 10))
    (overlay,) = run(write(texture(40), [line])).overlays
    assert overlay.text == line.text
    assert 0.5 <= overlay.start_time <= 1.0
    assert 3.0 <= overlay.end_time <= 3.5


def test_a_text_written_out_word_by_word_is_one_overlay() -> None:
    lines = [
        Written("one", 2, 8, (80, 500)),
        Written("one two", 8, 14, (118, 500)),
        Written("one two three", 14, 28, (168, 500)),
    ]
    (overlay,) = run(write(texture(30), lines)).overlays
    assert (overlay.text, overlay.start_time, overlay.end_time) == ("one two three", 0.2, 2.8)
    assert overlay.built_up


def test_unchanged_text_is_read_once_by_the_real_reader_too() -> None:
    result = run(write(texture(30), [Written("never changes", 0, 30, (180, 500))]), 1.0)
    assert spans(result) == [("never changes", 0.0, 3.0)]
    assert (result.reading.regions_read, result.reading.regions_reused) == (1, 3)


def test_nothing_seen_is_not_applicable() -> None:
    with pytest.raises(NotApplicable) as caught:
        ocr().conclude([], Context(VideoFacts(container="arrays", duration_s=1.0)))
    assert caught.value.code == "no_frames"


def test_the_reader_is_quiet_and_needs_no_network(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*_: Any) -> None:
        raise AssertionError("the reader opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with caplog.at_level(logging.DEBUG):
        reader = RapidOcrReader(sharpen=0.7, min_found_score=0.4, threads=1)
        assert reader.find(np.zeros((200, 300), np.uint8)) == []
        assert reader.read(np.zeros((200, 300), np.uint8), []) == []
    assert capfd.readouterr() == ("", "")
    assert not [r for r in caplog.records if r.name.startswith("RapidOCR")]


def test_missing_models_are_unavailable_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import rapidocr

    monkeypatch.setattr(rapidocr, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(Unavailable) as caught:
        TextOverlayAnalysis(TextOverlayConfig()).load()
    assert caught.value.code == "weights_missing"
    assert "pip install" in caught.value.remedy


def test_letters_of_european_languages_are_kept() -> None:
    import cv2

    frames = plain(10, 640, 360)
    text = "für größere Äpfel à la française"
    for frame in frames:
        cv2.putText(frame, text, (40, 180), (255, 255, 255), cv2.FontFace("sans"), 32)
    (overlay,) = run(frames).overlays
    assert overlay.text == text


def test_the_headline_and_the_time_line_name_the_first_text() -> None:
    result = captioned(2.0)
    assert ocr().headline(result) == 'Text on screen 75% of the time: 2 captions; first at 0.4 s: "the first caption".'
    items = ocr().timeline(result)
    assert [(i.label, i.channel, i.start_time) for i in items] == [
        ("the first caption", "written", 0.4),
        ("and here another", "written", 1.8),
    ]
    assert all(i.score is not None and i.score > 0.9 for i in items)
