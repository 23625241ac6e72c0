"""Following and reusing a text from frame to frame and chunk to chunk, around a reader that never errs."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzers.base import Context
from analyzers.text_overlay import TextOverlayAnalysis, TextOverlayResult
from media.types import FrameChunk
from schema.document import VideoFacts
from tests.glyph_reader import BRIGHTEST_GROUND, WORDS, GlyphReader, draw_word
from tests.made_text import Frames, texture
from tests.run import frame_chunks
from tests.text_runs import FPS, run, spans, with_glyphs


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
    sizes = [len(pickle.dumps(o)) for o in analyzer.observe(frame_chunks(frames, FPS, analyzer.needs().frames, 1.0))]
    assert len(sizes) == 2
    assert max(sizes) < 20_000


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
