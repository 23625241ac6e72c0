"""Temporal flow from results written down by hand, so that every answer is known: pacing, energy, story, loop."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from analyzers.base import NotApplicable
from analyzers.results.temporal_flow import TemporalFlowResult
from analyzers.speech_rate import SpeechRateResult
from analyzers.story.inputs import INPUTS, Series
from tests.flow_runs import FPS, clip, flow, full_hook, texture
from tests.made_results import (
    audio_result,
    camera_result,
    cut_result,
    only,
    speech_flow_result,
    text_result,
)
from tests.run import frame_chunks, make_analyzer, run_on_frames


@pytest.fixture(scope="module")
def analyzer():
    return make_analyzer("temporal_flow")


# ---- pacing, energy, story ------------------------------------------------------------------------------------------


def test_pacing_by_hand(analyzer):
    pacing = flow(analyzer, cut_analysis=cut_result([4.0, 8.0, 12.0, 14.0, 16.0, 18.0], 20.0)).pacing
    assert pacing is not None
    assert (pacing.cuts, pacing.cuts_per_minute) == (6, 18.0)
    assert pacing.shot_lengths_s == (4.0, 4.0, 4.0, 2.0, 2.0, 2.0, 2.0)
    assert (pacing.shortest_shot_length_s, pacing.median_shot_length_s, pacing.longest_shot_length_s) == (2.0, 2.0, 4.0)
    assert pacing.mean_shot_length_s == pytest.approx(20 / 7)
    assert pacing.trend == "accelerating"
    by_start = {p.start_time: p.cuts_per_minute for p in pacing.curve}
    # [0, 5): one cut, [13, 18): two, [14, 19): three.
    assert (by_start[0.0], by_start[13.0], by_start[14.0]) == pytest.approx((12.0, 24.0, 36.0))
    assert max(p.end_time for p in pacing.curve) == 20.0


def test_one_shot_is_known_to_have_no_cuts(analyzer):
    pacing = flow(analyzer, cut_analysis=cut_result([], 20.0)).pacing
    assert pacing is not None
    assert (pacing.cuts, pacing.shot_lengths_s, pacing.trend) == (0, (20.0,), None)


def test_energy_is_the_mean_of_its_known_components(analyzer):
    result = flow(
        analyzer,
        camera_analysis=camera_result([0.25] * 25 + [None] * 15),
        audio_analysis=audio_result([-25.0] * 30 + [None] * 10),
        cut_analysis=cut_result([], 20.0),
    )
    assert len(result.energy) == 40
    first, later, last = result.energy[0], result.energy[25], result.energy[-1]
    assert (first.motion, first.cuts, first.loudness) == pytest.approx((0.5, 0.0, 0.5))
    assert first.energy == pytest.approx(1 / 3)
    # Without its motion the energy would be another measure.
    assert (later.motion, later.energy) == (None, None)
    # Silence is known, and no lack.
    assert last.loudness == 0.0
    edges = [t for p in result.energy for t in (p.start_time, p.end_time)]
    assert edges[1:-1:2] == edges[2::2]
    assert edges[-1] == 20.0


def test_what_is_hardly_ever_known_is_left_out_of_the_energy(analyzer):
    cuts = cut_result([], 20.0)
    for known, used in ((23, False), (24, True)):
        camera = camera_result([0.25] * known + [None] * (40 - known))
        result = flow(analyzer, camera_analysis=camera, cut_analysis=cuts)
        assert (result.energy[-1].energy is None) == used
        assert any(line.startswith("energy without motion") for line in result.missing) != used


def test_a_track_that_ends_early_is_silent_behind(analyzer):
    result = flow(analyzer, audio_analysis=audio_result([-10.0] * 30))
    assert [p.energy for p in result.energy] == [1.0] * 30 + [0.0] * 10


def test_without_inputs_there_is_no_energy_and_no_story(analyzer):
    result = flow(analyzer)
    assert result.energy == ()
    assert result.mean_energy is None
    assert result.story is None
    assert result.pacing is None
    assert result.calls_to_action is None
    assert result.hook.strength is None
    assert [line.split(":")[0] for line in result.missing] == [*INPUTS, "faces", "transcript"]


def test_story_has_its_peak_where_the_clip_is_liveliest(analyzer):
    speeds = [0.02] * 28 + [0.9] * 6 + [0.02] * 6
    levels = [-30.0] * 28 + [-12.0] * 6 + [-30.0] * 6
    result = flow(
        analyzer,
        camera_analysis=camera_result(speeds),
        audio_analysis=audio_result(levels),
        cut_analysis=cut_result([14.5, 15.0, 15.5, 16.0], 20.0),
        speech_flow=speech_flow_result([(13.0, 18.0)], [13.5, 14.0], 20.0),
    )
    found = result.story
    assert found is not None
    assert found.arc == "late_peak"
    assert 14.0 <= found.peak_timestamp <= 17.0
    parts = {p.name: p for p in found.parts}
    assert list(parts) == ["beginning", "build", "peak", "end"]
    assert parts["beginning"].end_time == 3.0
    assert parts["peak"].start_time == pytest.approx(14.0, abs=1.0)
    assert parts["peak"].end_time == pytest.approx(17.0, abs=1.0)
    assert parts["end"].end_time == 20.0
    by_energy = sorted(parts, key=lambda name: parts[name].energy or 0.0)
    assert by_energy[-1] == "peak"
    assert (parts["peak"].energy or 0.0) > 0.5
    assert (parts["peak"].cuts, parts["beginning"].cuts) == (4, 0)
    assert parts["peak"].speech_share == pytest.approx(1.0)
    assert parts["beginning"].loudness_lufs == pytest.approx(-30.0)
    assert parts["beginning"].text_share is None


def test_an_even_clip_is_flat(analyzer):
    result = flow(analyzer, camera_analysis=camera_result([0.3] * 40), audio_analysis=audio_result([-14.0] * 40))
    assert result.story is not None
    assert (result.story.arc, result.story.parts) == ("flat", ())


# ---- text, speech, calls --------------------------------------------------------------------------------------------


def test_share_of_time_with_text_counts_overlaps_once(analyzer):
    texts = [(0.0, 4.0, "a b", "title"), (2.0, 6.0, "c d", "caption"), (0.0, 20.0, "@me", "watermark")]
    texts.append((8.0, 20.0, "EXIT", "scene"))
    assert flow(analyzer, text_overlay=text_result(texts)).text_share == pytest.approx(6 / 20)
    assert flow(analyzer, text_overlay=text_result([])).text_share == 0.0


def test_nobody_speaks_is_an_answer(analyzer):
    missing = {"speech_flow": "not_applicable: Nobody speaks.", "speech_rate": "not_applicable: Nobody speaks."}
    result = flow(analyzer, missing=missing)
    assert result.speech_share == 0.0
    assert result.hook.elements == {"speech": False}
    assert result.calls_to_action == ()
    assert not any(line.startswith(("speech", "transcript")) for line in result.missing)
    failed = flow(analyzer, missing={"speech_flow": "failed: broke"})
    assert failed.speech_share is None
    assert "speech_flow: failed: broke" in failed.missing


def test_rate_of_speech_comes_through(analyzer):
    rate = only(SpeechRateResult, articulation_rate=4.2, words_per_minute=None)
    result = flow(analyzer, speech_rate=rate)
    assert (result.syllables_per_s, result.words_per_minute) == (4.2, None)


def test_written_calls_are_placed_where_they_stand(analyzer):
    texts = [(1.0, 3.0, "City lights", "caption"), (15.0, 20.0, "Follow for part two!", "caption")]
    result = flow(analyzer, text_overlay=text_result([*texts, (10.0, 12.0, "Link in Bio & jetzt kaufen", "title")]))
    calls = result.calls_to_action
    assert calls is not None
    assert [(c.start_time, c.end_time, c.kind, c.language, c.channel) for c in calls] == [
        (10.0, 12.0, "buy", "de", "written"),
        (10.0, 12.0, "link", "en", "written"),
        (15.0, 20.0, "follow", "en", "written"),
    ]
    assert "asks to buy, link, follow" in analyzer.headline(result)
    assert flow(analyzer, text_overlay=text_result(texts[:1])).calls_to_action == ()


# ---- beats ----------------------------------------------------------------------------------------------------------


def test_cuts_on_the_beat(analyzer):
    beats = list(np.arange(0.25, 20.0, 0.5))
    result = flow(
        analyzer,
        cut_analysis=cut_result([2.25, 4.3, 6.2, 8.75, 11.25], 20.0),
        audio_analysis=audio_result([-14.0] * 40, beats),
    )
    found = result.beat_cuts
    assert found is not None
    assert (found.cuts, found.on_beat, found.share) == (5, 5, 1.0)
    assert found.expected_share == pytest.approx(0.28, abs=0.005)
    assert found.p_value == pytest.approx(0.28**5, rel=0.1)
    assert found.follows_beat


def test_cuts_off_the_beat(analyzer):
    beats = list(np.arange(0.25, 20.0, 0.5))
    off = flow(
        analyzer, cut_analysis=cut_result([2.5, 5.0, 9.5], 20.0), audio_analysis=audio_result([-14.0] * 40, beats)
    ).beat_cuts
    assert off is not None
    assert (off.on_beat, off.follows_beat) == (0, False)
    # One cut on a beat proves nothing: chance does it more often than once in four.
    one = flow(
        analyzer, cut_analysis=cut_result([2.25], 20.0), audio_analysis=audio_result([-14.0] * 40, beats)
    ).beat_cuts
    assert one is not None
    assert (one.share, one.follows_beat) == (1.0, False)


@pytest.mark.parametrize(("cuts", "beats"), [([], [1.0, 1.5, 2.0]), ([5.0], []), ([5.0], [1.0])])
def test_no_cuts_or_no_beats_give_no_alignment(analyzer, cuts, beats):
    result = flow(analyzer, cut_analysis=cut_result(cuts, 20.0), audio_analysis=audio_result([-14.0] * 40, beats))
    assert result.beat_cuts is None


# ---- loop -----------------------------------------------------------------------------------------------------------


def turning(turns: float, count: int = 60) -> np.ndarray:
    """A texture that moves around in a circle; ends where it began after whole turns."""
    big = np.tile(texture(5, 96, 54), (2, 2, 1))
    frames = []
    for k in range(count):
        angle = 2 * np.pi * turns * k / count
        y, x = round(20 + 12 * np.sin(angle)), round(20 + 12 * np.cos(angle))
        frames.append(big[y : y + 96, x : x + 54])
    return np.stack(frames)


@pytest.mark.parametrize(("turns", "kind"), [(1.0, "seamless"), (2.0, "seamless"), (0.5, "none"), (1.4, "none")])
def test_a_circle_closes_after_whole_turns(analyzer, turns, kind):
    assert run_on_frames(analyzer, turning(turns), FPS).loop.kind == kind


def test_a_clip_that_ends_elsewhere_does_not_loop(analyzer):
    loop = run_on_frames(analyzer, clip(4.0, (1, 2)), FPS).loop
    assert loop.kind == "none"
    assert loop.similarity < 0.5
    back = run_on_frames(analyzer, clip(6.0, (1, 2, 1)), FPS).loop
    assert (back.kind, back.jump) == ("seamless", 0.0)
    assert back.similarity == pytest.approx(1.0)


def test_fades_at_both_ends_loop_through_black(analyzer):
    frames = clip(4.0)
    frames[0] = frames[-1] = 0
    assert run_on_frames(analyzer, frames, FPS).loop.kind == "through_black"


def test_loudness_of_both_ends(analyzer):
    loop = flow(analyzer, audio_analysis=audio_result([-14.0] * 39 + [-20.0])).loop
    assert loop.loudness_jump_lu == pytest.approx(6.0)
    assert flow(analyzer).loop.loudness_jump_lu is None


# ---- the whole ------------------------------------------------------------------------------------------------------


def test_chunks_do_not_change_the_result(analyzer):
    frames = np.concatenate([turning(0.7), clip(3.1, (3, 4))])
    results = {"cut_analysis": cut_result([6.0], len(frames) / FPS)}
    whole = run_on_frames(analyzer, frames, FPS, 100.0, results)
    for chunk_s in (1.0, 2.0, 3.0, 5.0):
        assert run_on_frames(analyzer, frames, FPS, chunk_s, results) == whole


def test_observations_are_small_and_pickle(analyzer):
    (observation,) = analyzer.observe(frame_chunks(clip(2.0), FPS, analyzer.needs().frames, 2.0))
    data = pickle.dumps(observation)
    assert len(data) < 20_000
    assert pickle.loads(data).start_s == 0.0


def test_result_survives_json_and_lies_in_the_video(analyzer):
    result = full_hook(analyzer)
    assert TemporalFlowResult.model_validate(json.loads(result.model_dump_json())) == result
    items = analyzer.timeline(result)
    assert items == sorted(items, key=lambda i: (i.start_time, i.end_time))
    assert {"hook", "energy peak", "call to action: watch"} <= {i.label for i in items}
    assert all(0.0 <= i.start_time < i.end_time <= 20.0 for i in items)
    assert "hook 100%" in analyzer.headline(result)


def test_one_frame_has_no_flow(analyzer):
    with pytest.raises(NotApplicable) as caught:
        run_on_frames(analyzer, clip(0.1), FPS)
    assert caught.value.code == "too_short"


def test_series_by_hand():
    series = Series(1.0, 0.5, np.array([1.0, 3.0, np.nan]))
    assert series.mean(1.0, 2.0) == 2.0
    assert series.mean(2.0, 2.5) is None
    assert series.mean(5.0, 6.0) is None
    assert series.at(np.array([0.9, 1.0, 1.6]))[1:] == pytest.approx([1.0, 3.0])
    assert np.isnan(series.at(np.array([0.9, 2.2, 9.0]))).all()


def test_the_sample_videos_own_truth(analyzer):
    """What the sample video holds by construction: cuts on the beat, a caption that asks to follow."""
    from ops import sample

    known = sample.truth()
    result = flow(
        analyzer,
        known.duration_s,
        cut_analysis=cut_result([c.timestamp for c in known.cuts], known.duration_s),
        text_overlay=text_result([(c.start_time, c.end_time, c.text, c.kind) for c in known.captions]),
        audio_analysis=audio_result([-14.0] * 30, known.beats),
    )
    assert result.calls_to_action is not None
    (call,) = result.calls_to_action
    wanted = next(c for c in known.captions if c.kind == "call_to_action")
    assert (call.kind, call.start_time, call.end_time) == ("follow", wanted.start_time, wanted.end_time)
    assert result.beat_cuts is not None
    assert (result.beat_cuts.on_beat, result.beat_cuts.cuts) == (len(known.cuts), len(known.cuts))
    assert result.pacing is not None
    assert result.pacing.cuts_per_minute == pytest.approx(4.0 * len(known.cuts))
    assert [t.text for t in result.hook.texts or ()] == ["6 places in 15 seconds", "City lights never sleep"]
