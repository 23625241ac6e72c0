"""Text on screen: exact text, span and box by construction, the published truth of clips, and silence without text."""

from __future__ import annotations

import logging
import pickle
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzers.base import Context, NotApplicable, Unavailable
from analyzers.results.text_overlay import TextOverlay
from analyzers.signal.text_compare import place_within, same_text
from analyzers.signal.text_flash import flashes
from analyzers.signal.text_kinds import Traits, function_of, is_upper, kind_of, language_of, position_of, script_of
from analyzers.signal.text_overlays import joined_text
from analyzers.signal.text_pixels import is_seen, same_strokes, strokes_in
from analyzers.signal.text_reader import RapidOcrReader, Reading
from analyzers.text_overlay import TextOverlayAnalysis, TextOverlayConfig, TextOverlayResult
from media.types import FrameChunk
from schema.document import VideoFacts
from tests.glyph_reader import BRIGHTEST_GROUND, WORDS, GlyphReader, draw_word
from tests.made_text import Frames, Written, errors, ink_box, plain, texture, write
from tests.media_folder import media
from tests.run import frame_chunks, run_on_file, run_on_frames

FPS = 10.0
SAMPLE_S = 0.1
"""Lines are followed at ten frames per second, so this is the resolution of all times."""


@cache
def ocr() -> TextOverlayAnalysis:
    analyzer = TextOverlayAnalysis(TextOverlayConfig())
    analyzer.load()
    return analyzer


def with_glyphs(**config: Any) -> TextOverlayAnalysis:
    """The analyzer around a reader that never errs; nothing of RapidOCR is loaded."""
    analyzer = TextOverlayAnalysis(TextOverlayConfig(**config))
    analyzer.reader = GlyphReader()
    return analyzer


def run(frames: Frames, chunk_s: float = 2.0, analyzer: TextOverlayAnalysis | None = None) -> TextOverlayResult:
    result = run_on_frames(analyzer or ocr(), frames, FPS, chunk_s)
    assert isinstance(result, TextOverlayResult)
    return result


def spans(result: TextOverlayResult) -> list[tuple[str, float, float]]:
    return [(o.text, round(o.start_time, 3), round(o.end_time, 3)) for o in result.overlays]


def truth(*lines: Written) -> list[tuple[str, float, float]]:
    return [(line.text, line.first / FPS, line.end / FPS) for line in lines]


def box_of(overlay: TextOverlay) -> tuple[float, float, float, float]:
    b = overlay.bounding_box
    return b.x, b.y, b.x + b.width, b.y + b.height


# ------------------------------------------------------------------------------- text, span, box, by construction

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
    assert result.words_per_second is None
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


# ------------------------------------------------------------ following and reuse, around a reader that never errs


def glyph_clip(plan: list[tuple[str, int]], left: int = 30) -> tuple[Frames, list[tuple[str, float, float]]]:
    """Words one after the other, each for so many frames (``""`` for none), over a moving ground."""
    total = sum(frames for _, frames in plan)
    clip = np.minimum(texture(total, 220, 160, speed_px=2), BRIGHTEST_GROUND)
    expected, at = [], 0
    for word, frames in plan:
        if word:
            expected.append((word, at / FPS, (at + frames) / FPS))
            for frame in clip[at : at + frames]:
                draw_word(frame, word, left, 100)
        at += frames
    return clip, expected


word_plans = st.lists(st.tuples(st.sampled_from([*WORDS, ""]), st.integers(3, 14)), min_size=1, max_size=6).filter(
    lambda plan: all(a[0] != b[0] for a, b in pairwise(plan))
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(word_plans, st.sampled_from([1.0, 2.0, 3.0]))
def test_every_text_of_three_frames_or_more_has_its_exact_span(plan: list[tuple[str, int]], chunk_s: float) -> None:
    # A pause of up to bridge_s between two stays of one text is closed, so pauses are made longer.
    plan = [(word, frames if word else max(frames, 5)) for word, frames in plan]
    frames, expected = glyph_clip(plan)
    assert spans(run(frames, chunk_s, with_glyphs())) == expected


def test_unchanged_text_is_read_once() -> None:
    frames, expected = glyph_clip([("", 3), ("cloud", 57)])
    analyzer = with_glyphs()
    result = run(frames, 1.0, analyzer)
    assert spans(result) == expected
    assert isinstance(analyzer.reader, GlyphReader)
    assert result.reading.regions_read == analyzer.reader.reads == 1
    assert result.reading.regions_reused == 5
    assert result.reading.regions_detected == 6
    assert result.reading.frames_seen == 60


def test_changed_text_is_read_again() -> None:
    frames, _ = glyph_clip([("cloud", 20), ("drums", 20), ("cloud", 20)])
    assert run(frames, 1.0, with_glyphs()).reading.regions_read >= 3


def test_unchanged_text_is_read_once_by_the_real_reader_too() -> None:
    result = run(write(texture(30), [Written("never changes", 0, 30, (180, 500))]), 1.0)
    assert spans(result) == [("never changes", 0.0, 3.0)]
    assert (result.reading.regions_read, result.reading.regions_reused) == (1, 3)


@pytest.mark.parametrize(("pause", "stays"), [(3, 1), (4, 2)])
def test_a_short_pause_is_bridged_and_a_longer_one_is_not(pause: int, stays: int) -> None:
    frames, _ = glyph_clip([("cloud", 12), ("", pause), ("cloud", 15)])
    assert len(run(frames, analyzer=with_glyphs(bridge_s=0.35)).overlays) == stays


def test_another_text_in_the_pause_keeps_two_stays_apart() -> None:
    frames, expected = glyph_clip([("cloud", 12), ("drums", 3), ("cloud", 15)])
    assert spans(run(frames, analyzer=with_glyphs(bridge_s=0.5))) == expected


def test_a_text_of_two_frames_between_two_others_is_found() -> None:
    frames, expected = glyph_clip([("cloud", 12), ("drums", 2), ("eagle", 15)])
    assert spans(run(frames, analyzer=with_glyphs())) == expected


def lose_chunk(frames: Frames, lost: int, chunk_s: float = 1.0) -> tuple[TextOverlayResult, TextOverlayAnalysis]:
    analyzer = with_glyphs()
    chunks = frame_chunks(frames, FPS, analyzer.needs().frames, chunk_s)
    observations = pickle.loads(pickle.dumps(analyzer.observe(chunks)))
    facts = VideoFacts(container="arrays", duration_s=len(frames) / FPS, width=220, height=160, frame_rate=FPS)
    gap = ((lost * chunk_s, (lost + 1) * chunk_s),)
    return analyzer.conclude(observations[:lost] + observations[lost + 1 :], Context(facts, gaps=gap)), analyzer


def test_after_a_lost_chunk_the_text_is_read_from_the_next_one() -> None:
    frames, _ = glyph_clip([("", 12), ("cloud", 28)])
    result, _ = lose_chunk(frames, 1)
    # The chunk that read it is gone; what is left shows it from 2 s on, and nothing is made up for the gap.
    assert spans(result) == [("cloud", 2.0, 4.0)]


def test_a_text_on_both_sides_of_a_lost_chunk_is_not_claimed_inside_it() -> None:
    frames, _ = glyph_clip([("cloud", 40)])
    result, _ = lose_chunk(frames, 1)
    assert spans(result) == [("cloud", 0.0, 1.0), ("cloud", 2.0, 4.0)]


def test_chunks_can_be_observed_in_any_order_on_any_replica() -> None:
    frames, _ = glyph_clip([("cloud", 12), ("drums", 9), ("eagle", 19)])
    one, other = with_glyphs(), with_glyphs()
    chunks = frame_chunks(frames, FPS, one.needs().frames, 1.0)
    forwards = one.observe(chunks)
    backwards = [other.observe([chunk])[0] for chunk in reversed(chunks)][::-1]
    assert [o.pieces and [(p.start_s, p.end_s, p.reading) for p in o.pieces] for o in forwards] == [
        o.pieces and [(p.start_s, p.end_s, p.reading) for p in o.pieces] for o in backwards
    ]


def test_observations_are_small() -> None:
    frames, _ = glyph_clip([("cloud", 20)])
    analyzer = with_glyphs()
    for observation in analyzer.observe(frame_chunks(frames, FPS, analyzer.needs().frames, 1.0)):
        assert len(pickle.dumps(observation)) < 20_000


def test_a_chunk_without_own_gray_frames_is_passed_over() -> None:
    frames, expected = glyph_clip([("cloud", 20)])
    analyzer = with_glyphs()
    chunks = frame_chunks(frames, FPS, analyzer.needs().frames, 1.0)
    gray, colour = chunks[1].batches
    empty = replace(gray, frames=gray.frames[:1], pts_s=gray.pts_s[:1], index=gray.index[:1])
    between = FrameChunk(1, 1.0, 1.0, (empty, colour))
    observations = analyzer.observe([chunks[0], between, chunks[1]])
    facts = VideoFacts(container="arrays", duration_s=2.0, width=220, height=160)
    assert spans(analyzer.conclude(observations, Context(facts))) == expected


def test_times_come_from_the_time_stamps() -> None:
    frames, _ = glyph_clip([("", 5), ("cloud", 10), ("", 5)])
    analyzer = with_glyphs()
    (chunk,) = frame_chunks(frames, FPS, analyzer.needs().frames, 2.0)
    warped = np.cumsum(np.linspace(0.05, 0.25, 20)) - 0.05
    gray, colour = chunk.batches
    gray = replace(gray, pts_s=warped.copy())
    observations = analyzer.observe([FrameChunk(0, 0.0, 3.2, (gray, colour))])
    facts = VideoFacts(container="arrays", duration_s=3.2, width=220, height=160)
    assert spans(analyzer.conclude(observations, Context(facts))) == [
        ("cloud", round(float(warped[5]), 3), round(float(warped[15]), 3))
    ]


def test_nothing_seen_is_not_applicable() -> None:
    with pytest.raises(NotApplicable) as caught:
        ocr().conclude([], Context(VideoFacts(container="arrays", duration_s=1.0)))
    assert caught.value.code == "no_frames"


# -------------------------------------------------------------------------------------------- pixels and the cue


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


# ----------------------------------------------------------------------------------------------- look and kind


def test_colours_boxes_and_outlines() -> None:
    lines = [
        Written("white outlined", 0, 10, (180, 80)),
        Written("yellow on black", 0, 10, (180, 200), 32, (255, 220, 0), None, (0, 0, 0)),
        Written("RED ON WHITE", 0, 10, (180, 320), 32, (220, 0, 0), None, (255, 255, 255)),
        Written("plain blue", 0, 10, (180, 440), 40, (0, 0, 200), None),
        Written("pink with rim", 0, 10, (180, 560), 40, (255, 105, 180), (0, 90, 0)),
    ]
    by_text = {o.text: o.look for o in run(write(texture(10), lines)).overlays}
    assert {t: look.color for t, look in by_text.items()} == {
        "white outlined": "#ffffff",
        "yellow on black": "#ffdc00",
        "RED ON WHITE": "#dc0000",
        "plain blue": "#0000c8",
        "pink with rim": "#ff69b4",
    }
    assert by_text["plain blue"].color_name == "mediumblue"
    assert {t for t, look in by_text.items() if look.boxed} == {"yellow on black", "RED ON WHITE"}
    assert {t for t, look in by_text.items() if look.outlined} == {"white outlined", "pink with rim"}
    assert {t for t, look in by_text.items() if look.upper_case} == {"RED ON WHITE"}
    assert by_text["yellow on black"].ground_color == "#000000"


def test_kinds_of_drawn_texts() -> None:
    lines = [
        Written("@the_account", 0, 60, (90, 30), 18),
        Written("BIG TITLE", 3, 20, (180, 150), 60),
        Written("some first caption", 5, 20, (180, 520), 26),
        Written("then the second one", 22, 40, (180, 520), 26),
        Written("tilted sign here", 5, 50, (180, 300), 26, angle=20.0),
        Written("on the left", 42, 58, (90, 400), 26),
    ]
    result = run(write(texture(60), lines))
    assert {o.text: o.kind for o in result.overlays} == {
        "@the_account": "watermark",
        "BIG TITLE": "title",
        "some first caption": "caption",
        "then the second one": "caption",
        "tilted sign here": "scene",
        "on the left": "sticker",
    }
    # Watermarks and scene text are no text for the viewer's time: 0.3 to 5.8 s without the pause from 4.0 to 4.2.
    assert result.text_share == pytest.approx((2.0 - 0.3 + 4.0 - 2.2 + 5.8 - 4.2) / 6.0, abs=0.02)


def traits(**changed: Any) -> Traits:
    """Small text at rest in the upper left, from 3 s to 5 s of 20 s: a sticker."""
    base = Traits(
        start_s=3.0,
        end_s=5.0,
        clip_s=20.0,
        x=0.3,
        y=0.3,
        height=0.05,
        tilt_deg=0.0,
        travel=0.0,
        jumps=False,
        words=2,
        card=False,
    )
    return replace(base, **changed)


SERIES = traits(start_s=5.5, end_s=7.0)


@pytest.mark.parametrize(
    ("changed", "others", "kind"),
    [
        ({}, (), "sticker"),
        ({"start_s": 0.0, "end_s": 16.0, "y": 0.1}, (), "watermark"),
        ({"start_s": 0.0, "end_s": 15.9, "y": 0.1}, (), "title"),
        ({"start_s": 0.0, "end_s": 16.0, "y": 0.1, "height": 0.061}, (), "title"),
        ({"start_s": 0.0, "end_s": 16.0, "y": 0.21}, (), "title"),
        ({"start_s": 0.0, "end_s": 2.9, "clip_s": 2.9, "y": 0.1, "words": 1}, (), "sticker"),
        ({"start_s": 0.0, "end_s": 3.0, "clip_s": 3.0, "y": 0.1}, (), "watermark"),
        ({"tilt_deg": 6.0}, (), "scene"),
        ({"tilt_deg": 5.9}, (), "sticker"),
        ({"travel": 0.03}, (), "scene"),
        ({"travel": 0.029}, (), "sticker"),
        ({"travel": 0.5, "jumps": True}, (), "sticker"),
        ({}, (SERIES,), "caption"),
        ({}, (replace(SERIES, start_s=9.0, end_s=10.0),), "caption"),
        ({}, (replace(SERIES, start_s=9.1, end_s=10.0),), "sticker"),
        ({}, (replace(SERIES, y=0.36),), "sticker"),
        ({}, (replace(SERIES, height=0.07),), "sticker"),
        ({}, (replace(SERIES, start_s=4.0),), "sticker"),
        ({"end_s": 11.1}, (replace(SERIES, start_s=11.5, end_s=12.0),), "sticker"),
        ({"x": 0.5, "y": 0.5}, (), "caption"),
        ({"x": 0.5, "y": 0.49}, (), "sticker"),
        ({"x": 0.63, "y": 0.8}, (), "sticker"),
        ({"x": 0.5, "y": 0.8, "words": 1}, (), "sticker"),
        ({"x": 0.5, "y": 0.4, "card": True}, (), "title"),
        ({"x": 0.5, "y": 0.29, "card": True}, (), "sticker"),
        ({"height": 0.08}, (), "title"),
        ({"height": 0.079}, (), "sticker"),
        ({"start_s": 1.5}, (), "title"),
        ({"start_s": 1.6}, (), "sticker"),
        ({"start_s": 1.5, "words": 1}, (), "sticker"),
    ],
)
def test_each_rule_of_the_kinds_on_both_sides(changed: dict[str, Any], others: tuple[Traits, ...], kind: str) -> None:
    assert kind_of(traits(**changed), others, TextOverlayConfig().kind_settings())[0] == kind


def test_positions_are_nine() -> None:
    thirds = (0.0, 0.5, 0.99)
    assert [position_of(x, y) for y in thirds for x in thirds] == [
        "top_left",
        "top_center",
        "top_right",
        "center_left",
        "center",
        "center_right",
        "bottom_left",
        "bottom_center",
        "bottom_right",
    ]


@pytest.mark.parametrize(
    ("text", "kind", "function"),
    [
        ("Follow for part two!", "caption", "call_to_action"),
        ("Folge mir für mehr", "sticker", "call_to_action"),
        ("Link in bio", "title", "call_to_action"),
        ("Link in bio", "scene", "label"),
        ("so I follow the road", "caption", "caption"),
        ("Day 3", "title", "label"),
        ("How I saved a thousand", "title", "context"),
    ],
)
def test_what_a_text_does(text: str, kind: Any, function: str) -> None:
    assert function_of(text, kind)[0] == function


# ----------------------------------------------------------------------------------------------- comparing readings


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Hello World", "hello  world!", True),
        ("GOOD", "G00D", True),
        ("Film", "FiIm", True),
        ("lay blue by c two again", "lay blue by e two again", True),
        ("going to", "going ta", True),
        ("cheese", "cheesy", False),
        ("Frame = 10", "Frame = 11", False),
        ("this is the very long line number 3", "this is the very long line number 4", False),
        ("this is the very long line number 3", "this is the very long line number", False),
        ("愚园路", "愚园路", True),
        ("愚园路", "南京路", False),
        ("...", "!!!", True),
    ],
)
def test_loose_comparison(first: str, second: str, same: bool) -> None:
    assert same_text(first, second) is same
    assert same_text(second, first) is same


def test_words_are_found_in_their_place() -> None:
    assert place_within("two", "one two three") == pytest.approx((4 / 13, 7 / 13))
    assert place_within("one two", "one two three") == pytest.approx((0.0, 7 / 13))
    assert place_within("wo th", "one two three") is None
    assert place_within("one two three", "one two three") is None
    assert place_within("", "one") is None


def test_lines_are_joined_with_spaces_but_not_between_wide_characters() -> None:
    assert joined_text(["two", "lines"]) == "two lines"
    assert joined_text(["清潔できれいな", "港区を"]) == "清潔できれいな港区を"
    assert joined_text(["港区", "MINATO CITY"]) == "港区 MINATO CITY"


def test_scripts_and_the_languages_they_decide() -> None:
    texts = ["plain words", "愚园路", "ポイ捨て禁止!", "Ελληνικά", "12:30"]
    scripts = [script_of(t) for t in texts]
    assert scripts == ["latin", "han", "kana", "greek", None]
    assert [language_of(s, scripts[:2]) for s in scripts] == [None, "zh", "ja", "el", None]
    assert language_of("han", scripts) == "ja"


def test_upper_case() -> None:
    assert is_upper("WAIT 4 IT!")
    assert not is_upper("WAIt")
    assert is_upper("愚园路") is None
    assert is_upper("A") is None


# ------------------------------------------------------------------------------------------------------- the reader


@pytest.mark.parametrize(
    ("found", "text", "score", "accepted"),
    [
        (0.4, "abc", 0.85, True),
        (0.4, "abc", 0.84, False),
        (0.6, "ab", 0.95, True),
        (0.6, "ab", 0.94, False),
        (0.59, "ab", 0.99, False),
        (0.9, "...!", 0.99, False),
        (0.9, "", 1.0, False),
    ],
)
def test_what_counts_as_text(found: float, text: str, score: float, accepted: bool) -> None:
    assert TextOverlayConfig().accepts(found, Reading(text, score)) is accepted


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


# ----------------------------------------------------------------------------------------------- published truth


@pytest.mark.slow
def test_burned_in_captions_of_a_talking_head() -> None:
    path = media("derived/vertical_talk_cuts_subs_A.mp4")
    result = run_on_file(ocr(), path)
    captions = [
        ("bin blue at f two now", 0.4, 2.6),
        ("lay blue by c two again", 3.4, 5.6),
        ("set white with p two soon", 6.4, 8.6),
        ("place white in j three please", 9.4, 11.6),
    ]
    assert len(result.overlays) == len(captions)
    wrong = sum(errors(o.text, text) for o, (text, _, _) in zip(result.overlays, captions, strict=True))
    assert wrong <= 0.03 * sum(len(text) for text, _, _ in captions)
    for overlay, (_, start_s, end_s) in zip(result.overlays, captions, strict=True):
        assert overlay.start_time == pytest.approx(start_s, abs=0.2)
        assert overlay.end_time == pytest.approx(end_s, abs=0.2)
        assert overlay.kind == "caption"
        assert overlay.look.outlined
    assert result.reading.regions_reused >= 4


@pytest.mark.slow
def test_a_counter_that_changes_with_every_frame() -> None:
    result = run_on_file(ocr(), media("pysd/counter.mp4"))
    expected = [(f"Frame = {k + 1} PTS = {k / 10:.1f}s", k / 10, (k + 1) / 10) for k in range(30)]
    assert spans(result) == expected


def test_a_frame_number_in_a_tiny_picture() -> None:
    result = run_on_file(ocr(), media("tc/h265_video.mp4"))
    assert spans(result) == [(f"Frame {k}", k / 10, (k + 1) / 10) for k in range(10)]


def test_time_stamps_of_a_test_pattern_name_their_own_frame() -> None:
    result = run_on_file(ocr(), media("tc/testsrc2_odd_height_and_width_444.mp4"))
    stamps = [(line.text, o.start_time) for o in result.overlays for line in o.lines if ":" in line.text]
    assert len(stamps) == 10
    for text, start_s in stamps:
        assert float(text.removeprefix("00:00:")) == pytest.approx(start_s, abs=1e-3)


@pytest.mark.slow
def test_small_print_through_a_whole_clip_is_a_watermark() -> None:
    result = run_on_file(ocr(), media("pysd/testvideo.mp4"))
    assert {o.text: o.kind for o in result.overlays} == {
        "Copyright © 2013 Brandon Castellano": "watermark",
        "www.bcastell.com": "watermark",
    }


@pytest.mark.parametrize(
    "clip",
    [
        "lipnet/bbaf2n.mpg",
        "pysd/fades.mp4",
        pytest.param("tc/nasa_13013.mp4", marks=pytest.mark.slow),
        pytest.param("intel/car-detection.mp4", marks=pytest.mark.slow),
        pytest.param("tfjs/pose_squats.mp4", marks=pytest.mark.slow),
    ],
)
def test_clips_without_text_stay_silent(clip: str) -> None:
    assert run_on_file(ocr(), media(clip)).overlays == ()


def film(name: str, first_s: float, seconds: float) -> Frames:
    """The middle of a film as 540 x 960 at ten frames per second."""
    import av
    import cv2

    frames: list[Any] = []
    with av.open(str(media(name))) as container:
        for frame in container.decode(video=0):
            if len(frames) < round(seconds * FPS) and (frame.time or 0.0) >= first_s + len(frames) / FPS - 1e-6:
                picture = frame.to_ndarray(format="rgb24")
                high, wide = picture.shape[:2]
                left = (wide - high * 9 // 16) // 2
                frames.append(cv2.resize(picture[:, left : wide - left], (540, 960), interpolation=cv2.INTER_LINEAR))
    return np.stack(frames)


SAID = """
    you never told them why this small house stood there when nobody was looking at that old green door
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "first_s", "look"),
    [
        ("cosmos/test_video_30s.mp4", 18.0, {"fill": (255, 230, 0)}),
        ("moviepy/big_buck_bunny_0_30.webm", 3.0, {"outline": None, "plate": (0, 0, 0)}),
    ],
)
def test_quick_captions_over_a_film(name: str, first_s: float, look: dict[str, Any]) -> None:
    rng = np.random.default_rng(4)
    lines, at = [], 3
    for word in SAID.split():
        stay = int(rng.integers(3, 8))
        lines.append(Written(word, at, at + stay, (270, 640), 44, **look))
        at += stay
    frames = write(film(name, first_s, at / FPS + 0.5), lines)
    overlays = run(frames).overlays
    assert len(overlays) == len(lines)
    assert sum(errors(o.text, w.text) for o, w in zip(overlays, lines, strict=True)) <= 0.03 * len(
        "".join(SAID.split())
    )
    for overlay, line in zip(overlays, lines, strict=True):
        assert overlay.start_time == pytest.approx(line.first / FPS, abs=0.1 + 1e-6)
        assert overlay.end_time == pytest.approx(line.end / FPS, abs=0.1 + 1e-6)


def still(name: str, seconds: float = 0.5) -> Frames:
    import cv2

    picture = cv2.imread(str(media(name)))
    assert picture is not None
    return np.repeat(np.asarray(picture, np.uint8)[None, ..., ::-1], round(seconds * FPS), axis=0)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("rfi/multi_line_text.jpg", {"MAKE", "THIS DAY", "GREAT!"}),
        ("eocr/chinese.jpg", {"西", "愚园路", "东", "315", "309", "W", "Yuyuan Rd.", "E"}),
        ("eocr/japanese.jpg", {"ポイ捨て禁止!", "NO LITTER", "清潔できれいな港区を", "港区 MINATO CITY"}),
        # The reader knows no Korean, and leaves the two names in it out.
        ("eocr/korean.png", {"Seoul", "Pyeongyang", "56Km", "205Km"}),
    ],
)
def test_stills_with_text_are_read_in_the_scripts_that_are_known(name: str, lines: set[str]) -> None:
    result = run(still(name))
    assert {line.text for o in result.overlays for line in o.lines} == lines
    assert {round(o.end_time, 3) for o in result.overlays} == {0.5}


def test_the_headline_and_the_time_line_name_the_first_text() -> None:
    result = captioned(2.0)
    assert ocr().headline(result) == 'Text on screen 75% of the time: 2 captions; first at 0.4 s: "the first caption".'
    items = ocr().timeline(result)
    assert [(i.label, i.channel, i.start_time) for i in items] == [
        ("the first caption", "written", 0.4),
        ("and here another", "written", 1.8),
    ]
    assert all(i.score is not None and i.score > 0.9 for i in items)
