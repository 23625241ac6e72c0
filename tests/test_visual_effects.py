"""Visual effects as a whole: what is taken over, chunks, gaps, texts, and real clips."""

from __future__ import annotations

import pickle
from functools import cache

import pytest

from analyzers.base import Context, NotApplicable
from analyzers.visual_effects import VisualEffectsResult
from schema.document import VideoFacts
from tests.effect_runs import about, effects_of, only_kinds, ready, spans
from tests.made_edits import (
    BLACK,
    FPS,
    HEIGHT,
    WIDTH,
    barred,
    boxed,
    brighter,
    dissolve,
    faded,
    join,
    pan,
    plain,
    still,
    zoom,
)
from tests.media_folder import media
from tests.run import frame_chunks, run_on_file, run_on_frames


@pytest.fixture(scope="module")
def analyzer():
    return ready("visual_effects")


def test_fades_and_dissolves_come_from_cut_analysis(analyzer):
    mixed, _ = dissolve(still(2, 40), still(3, 40), 15)
    frames = faded(join(mixed, still(4, 40)), 90, 105, BLACK, into=True)
    result = effects_of(frames)
    assert list(result.effects_by_kind) == ["dissolve", "fade_out"]
    assert spans(result, "dissolve") == about(25, 40)
    alone = run_on_frames(analyzer, frames, FPS)
    assert "fade_out" not in alone.effects_by_kind
    assert alone.shots_from == "own"
    assert alone.not_judged == ("fades and dissolves: cut_analysis has no result",)


@cache
def edited():
    """A clip with three effects, and its cuts."""
    frames = barred(brighter(boxed(pan(1, 100, 1.0), 20, 60, 40, 50, 80, 24), [75, 76], 0.9), 14)
    return frames, {"cut_analysis": run_on_frames(ready("cut_analysis"), frames, FPS)}


@cache
def effects_by(chunk_s):
    frames, results = edited()
    return run_on_frames(ready("visual_effects"), frames, FPS, chunk_s, results)


@pytest.mark.parametrize("chunk_s", [1.0, 2.0, 5.0, 100.0])
def test_result_does_not_depend_on_chunks(chunk_s):
    assert {"overlay", "flash", "letterbox"} <= only_kinds(effects_by(3.0))
    assert effects_by(chunk_s) == effects_by(3.0)


def test_nothing_is_found_in_plain_footage():
    for frames in (pan(1, 60, 2.0), zoom(2, 60, 1.5), still(3, 60), plain((90, 60, 60), 40)):
        assert effects_of(frames).effects == ()


def test_counts_lengths_and_lines_agree(analyzer):
    result = effects_of(barred(brighter(pan(1, 75, 1.0), [30, 31], 0.9), 14))
    assert result.effects_by_kind == {"letterbox": 1, "flash": 1}
    assert result.seconds_by_kind == {"letterbox": pytest.approx(3.0), "flash": pytest.approx(2 / FPS)}
    assert [item.label for item in analyzer.timeline(result)] == ["letterbox", "flash"]
    assert analyzer.headline(result) == "Effects: letterbox 1x (3.0 s), flash 1x (0.1 s)."
    assert VisualEffectsResult.model_validate_json(result.model_dump_json()) == result
    assert analyzer.headline(effects_of(pan(1, 50, 1.0))) == "No visual effects found."


def test_observations_pickle_and_are_small(analyzer):
    chunk = frame_chunks(pan(1, 50, 1.0), FPS, analyzer.needs().frames, 2.0)[0]
    size = len(pickle.dumps(analyzer.observe([chunk])[0]))
    assert size < 0.2 * chunk.batch.frames.nbytes


def test_a_lost_chunk_is_no_effect(analyzer):
    frames = pan(1, 180, 1.0)
    chunks = frame_chunks(frames, FPS, analyzer.needs().frames, 2.0)
    facts = VideoFacts(container="arrays", duration_s=180 / FPS, width=WIDTH, height=HEIGHT)
    kept = [analyzer.observe([chunk])[0] for k, chunk in enumerate(chunks) if k != 1]
    cuts = run_on_frames(ready("cut_analysis"), frames, FPS)
    result = analyzer.conclude(kept, Context(facts, {"cut_analysis": cuts}, gaps=((2.0, 4.0),)))
    assert result.effects == ()


def test_one_picture_has_no_effects(analyzer):
    with pytest.raises(NotApplicable, match="two pictures"):
        run_on_frames(analyzer, still(1, 1), FPS)


@cache
def analysed(name):
    cuts = run_on_file(ready("cut_analysis"), media(name))
    return run_on_file(ready("visual_effects"), media(name), results={"cut_analysis": cuts})


def test_bars_and_cards_of_the_trailer():
    """By eye: letterboxed all through; ten fades."""
    result = analysed("cosmos/test_video_30s.mp4")
    assert [(e.start_time, e.end_time) for e in result.effects if e.kind == "letterbox"] == [(0.0, pytest.approx(30.0))]
    assert {kind for kind in result.effects_by_kind if kind not in ("fade_in", "fade_out")} <= {"letterbox", "overlay"}


def test_silent_film():
    """By eye: pillarboxed; and it is black and white."""
    result = analysed("moviepy/chaplin.mp4")
    assert result.effects_by_kind == {"filter": 1, "pillarbox": 1}
    assert all(e.end_time - e.start_time > 9.5 for e in result.effects)


def test_captions_are_overlays_with_their_spans():
    """By construction: burned-in captions at frames 10-64, 85-139, 160-214 and 235-289."""
    result = analysed("derived/vertical_talk_cuts_subs_A.mp4")
    assert spans(result, "overlay") == [(10, 65), (85, 140), (160, 215), (235, 290)]
    assert list(result.effects_by_kind) == ["overlay"]


@pytest.mark.parametrize(
    "name",
    [
        "intel/asl_book.mkv",
        "intel/head-pose-face-detection-female-and-male.gif",
        "lipnet/lbax4n.mpg",
        "lipnet/id2_vcd_swwp2s.mpg",
        "tfjs/pose_squats.mp4",
        "moviepy/fire2.mp4",
    ],
)
def test_plain_recordings_have_no_effects(name):
    assert analysed(name).effects == ()
