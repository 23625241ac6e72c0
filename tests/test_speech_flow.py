"""Speech flow against syllables made at exact times, and what is no speech."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from analyzers.base import Context, NotApplicable
from analyzers.results.speech_flow import SpeechFlowResult
from analyzers.speech_flow import SpeechFlowConfig
from benchmarks.scoring import union_iou
from media.types import AudioChunk, AudioClip
from schema.document import VideoFacts
from tests.made_speech import RATE_HZ, Syllable, speech, train
from tests.run import make_analyzer, run_on_audio


@pytest.fixture(scope="module")
def analyzer():
    return make_analyzer("speech_flow")


def test_made_syllables_are_found_at_their_times(analyzer):
    starts = 0.5 + 0.25 * np.arange(16)
    result = run_on_audio(analyzer, speech(train(starts), 5.5), RATE_HZ)
    assert len(result.syllables) == 16
    for syllable, start in zip(result.syllables, starts, strict=True):
        assert start < syllable.timestamp < start + 0.16
    assert result.spans[0].start_time == pytest.approx(0.5, abs=0.02)
    assert result.spans[-1].end_time == pytest.approx(starts[-1] + 0.16, abs=0.02)
    assert result.first_speech_s == result.spans[0].start_time
    assert result.speech_share == pytest.approx(result.speech_s / 5.5)


@pytest.mark.parametrize("f0_hz", [90.0, 130.0, 210.0, 300.0])
def test_pitch_of_made_speech(analyzer, f0_hz):
    sounds = [Syllable(0.4 + 0.25 * k, f0_hz=f0_hz, vowel="aeio"[k % 4]) for k in range(12)]
    result = run_on_audio(analyzer, speech(sounds, 4.0), RATE_HZ)
    assert result.pitch is not None
    assert result.pitch.median_hz == pytest.approx(f0_hz, rel=0.03)
    # Made with a fall of 6 % and 0.4 % jitter: about one semitone.
    assert result.pitch.range_semitones < 2.0
    assert result.pitch.low_hz <= result.pitch.median_hz <= result.pitch.high_hz
    # From 0.4 s to 3.31 s: every half second but the last holds speech.
    assert [(p.start_time, p.end_time) for p in result.curve] == [(0.5 * k, 0.5 * k + 0.5) for k in range(7)]
    assert all(p.pitch_hz == pytest.approx(f0_hz, rel=0.06) for p in result.curve)


@pytest.mark.parametrize(
    ("gap_s", "kind", "significant"),
    [
        (0.17, "brief", False),
        (0.3, "medium", False),
        (0.45, "medium", False),
        (0.55, "medium", True),
        (1.2, "long", True),
    ],
)
def test_pause_has_its_length_and_class(analyzer, gap_s, kind, significant):
    first = 0.4 + 0.2 * np.arange(8)
    second = first[-1] + 0.16 + gap_s + 0.2 * np.arange(8)
    result = run_on_audio(analyzer, speech(train([*first, *second]), float(second[-1]) + 0.6), RATE_HZ)
    assert len(result.pauses) == 1
    pause = result.pauses[0]
    assert pause.start_time == pytest.approx(first[-1] + 0.16, abs=0.02)
    assert pause.duration_s == pytest.approx(gap_s, abs=0.025)
    assert (pause.kind, pause.significant) == (kind, significant)
    assert pause.follows.syllables == 8
    assert pause.follows.start_time == pytest.approx(0.4, abs=0.02)


def test_gaps_below_the_least_pause_are_none(analyzer):
    result = run_on_audio(analyzer, speech(train(0.4 + 0.28 * np.arange(10)), 3.6), RATE_HZ)
    # Gaps of 0.12 s, above min_gap_s and below min_pause_s.
    assert result.pauses == ()
    assert result.pause_share == 0.0


def test_the_syllable_that_stands_out_is_emphasised(analyzer):
    plain = train(0.4 + 0.25 * np.arange(14))
    result = run_on_audio(analyzer, speech(plain, 4.4), RATE_HZ)
    assert result.emphasised == ()
    assert result.peaks == ()
    strong = list(plain)
    strong[8] = Syllable(plain[8].start_s, 0.22, 165.0, 8.0, "a")
    result = run_on_audio(analyzer, speech(strong, 4.4), RATE_HZ)
    assert len(result.emphasised) == 1
    emphasis = result.emphasised[0]
    assert plain[8].start_s < emphasis.timestamp < plain[8].start_s + 0.22
    assert emphasis.level_over_db == pytest.approx(8.0, abs=2.5)
    # 165 Hz against a median of about 120 Hz.
    assert emphasis.pitch_over_semitones == pytest.approx(12 * np.log2(165 / 120), abs=1.0)
    assert [(p.kind, plain[8].start_s < p.timestamp < plain[8].start_s + 0.22) for p in result.peaks] == [
        ("loud", True)
    ]


@pytest.mark.parametrize(("gain_db", "kinds"), [(4.0, []), (9.0, ["loud"])])
def test_loud_peak_on_both_sides_of_its_threshold(analyzer, gain_db, kinds):
    sounds = [Syllable(0.4 + 0.25 * k, gain_db=gain_db if k == 6 else 0.0, vowel="a") for k in range(14)]
    result = run_on_audio(analyzer, speech(sounds, 4.4), RATE_HZ)
    assert [p.kind for p in result.peaks] == kinds


@pytest.mark.parametrize(("factor", "kinds"), [(2 ** (4 / 12), []), (2 ** (9 / 12), ["high"])])
def test_high_peak_on_both_sides_of_its_threshold(analyzer, factor, kinds):
    sounds = [Syllable(0.4 + 0.25 * k, f0_hz=120.0 * (factor if k == 6 else 1.0), vowel="a") for k in range(14)]
    result = run_on_audio(analyzer, speech(sounds, 4.4), RATE_HZ)
    assert [p.kind for p in result.peaks] == kinds


def test_even_and_uneven_rhythm(analyzer):
    even = run_on_audio(analyzer, speech([Syllable(0.4 + 0.22 * k) for k in range(16)], 4.4), RATE_HZ)
    steps = np.cumsum([0.0, *([0.18, 0.26] * 8)])
    uneven = run_on_audio(analyzer, speech([Syllable(0.4 + s, 0.15) for s in steps], 4.8), RATE_HZ)
    assert even.rhythm is not None
    assert even.rhythm.npvi < 10.0
    assert even.rhythm.mean_interval_s == pytest.approx(0.22, abs=0.005)
    assert uneven.rhythm is not None
    # Neighbours of 0.18 and 0.26 s differ by 0.08 around 0.22.
    assert uneven.rhythm.npvi == pytest.approx(100.0 * 0.08 / 0.22, abs=12.0)


def test_times_follow_the_clips_start_and_end_with_the_video(analyzer):
    samples = speech(train(0.4 + 0.25 * np.arange(12)), 4.0)
    clip = AudioClip(samples, RATE_HZ, start_s=0.5)
    observation = pickle.loads(pickle.dumps(analyzer.observe([AudioChunk((clip,))])))
    whole = analyzer.conclude(observation, Context(VideoFacts(container="arrays", duration_s=4.5)))
    assert whole.first_speech_s == pytest.approx(0.9, abs=0.02)
    short = analyzer.conclude(observation, Context(VideoFacts(container="arrays", duration_s=2.0)))
    assert short.spans[-1].end_time <= 2.0
    assert max(s.timestamp for s in short.syllables) < 2.0
    assert len(short.syllables) < len(whole.syllables) == 12


def test_result_is_sorted_disjoint_and_survives_json(analyzer):
    samples = speech(train([*(0.3 + 0.2 * np.arange(6)), *(2.2 + 0.25 * np.arange(8))]), 4.6)
    result = run_on_audio(analyzer, samples, RATE_HZ)
    assert SpeechFlowResult.model_validate(json.loads(result.model_dump_json())) == result
    edges = [t for s in result.spans for t in (s.start_time, s.end_time)]
    assert edges == sorted(edges)
    marks = [t for s in result.syllables for t in (s.start_time, s.timestamp, s.end_time)]
    assert marks == sorted(marks)
    for pause in result.pauses:
        assert not any(s.start_time < pause.end_time and s.end_time > pause.start_time for s in result.spans)
    items = analyzer.timeline(result)
    assert items == sorted(items, key=lambda i: (i.start_time, i.end_time))
    assert [i.label for i in items if i.label.startswith("pause")] == ["pause of 0.7 s"]
    assert sum(i.label == "speech" for i in items) == 2
    assert f"{len(result.pauses)} pauses" in analyzer.headline(result)


def test_voice_over_drums_and_bass_in_the_sample_video(analyzer):
    """The sample's sound track: three stretches of made syllables over music, with exact times beside it."""
    from ops import sample, soundtrack

    known = sample.truth()
    result = run_on_audio(analyzer, sample.sound().mean(axis=1), soundtrack.RATE_HZ)
    spoken = [(v.start_time, v.end_time) for v in known.voice]
    assert (union_iou([(v.start_time, v.end_time) for v in result.spans], spoken) or 0.0) >= 0.85
    assert len(result.syllables) == pytest.approx(sum(v.syllables for v in known.voice), abs=2)
    assert [p.significant for p in result.pauses] == [True, True]


def negatives():
    rng = np.random.default_rng(3)
    t = np.arange(4 * RATE_HZ) / RATE_HZ
    chord = sum(0.1 * np.sin(2 * np.pi * f * t) for f in (261.6, 329.6, 392.0))
    return {
        "silence": np.zeros(len(t)),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * t),
        "chord": chord * (0.6 + 0.4 * np.sin(2 * np.pi * 2 * t)),
        "noise": 0.1 * rng.standard_normal(len(t)),
        "clicks": 0.8 * (np.arange(len(t)) % 8000 == 0),
    }


@pytest.mark.parametrize("name", list(negatives()))
def test_nobody_speaks(analyzer, name):
    with pytest.raises(NotApplicable) as caught:
        run_on_audio(analyzer, negatives()[name], RATE_HZ)
    assert caught.value.code == "no_speech"


def test_samples_that_are_no_numbers_count_as_silence(analyzer):
    clip = AudioClip(np.full(RATE_HZ, np.nan, np.float32), RATE_HZ)
    with pytest.raises(NotApplicable) as caught:
        analyzer.conclude(
            analyzer.observe([AudioChunk((clip,))]), Context(VideoFacts(container="arrays", duration_s=1.0))
        )
    assert caught.value.code == "no_speech"


def test_no_sound(analyzer):
    facts = VideoFacts(container="arrays", duration_s=1.0)
    observations = analyzer.observe([AudioChunk((AudioClip(np.zeros(0, np.float32), RATE_HZ),))])
    given: list
    for given in (observations, []):
        with pytest.raises(NotApplicable) as caught:
            analyzer.conclude(given, Context(facts))
        assert caught.value.code == "no_audio"


def test_sure_decides_on_both_sides():
    samples = speech(train(0.4 + 0.25 * np.arange(12)), 4.0)
    found = run_on_audio(make_analyzer("speech_flow"), samples, RATE_HZ).sure_s
    assert run_on_audio(make_analyzer("speech_flow", {"sure_s": found - 0.01}), samples, RATE_HZ).spans
    with pytest.raises(NotApplicable):
        run_on_audio(make_analyzer("speech_flow", {"sure_s": found + 0.01}), samples, RATE_HZ)


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 1.0},
        {"min_syllables": 2},
        {"pitch_low_hz": 10.0},
        {"unknown": 1},
        {"release": 0.6},
        {"pitch_low_hz": 200.0, "pitch_high_hz": 200.0},
    ],
)
def test_settings_out_of_bounds_are_refused(change):
    with pytest.raises(ValueError):
        SpeechFlowConfig.model_validate(change)
