"""Speech rate against syllables at exact times and against transcripts whose syllables are counted by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analyzers.base import Context, NotApplicable, Unavailable
from analyzers.speech_rate import SpeechRateResult
from media.needs import Needs
from schema.document import VideoFacts
from tests.made_results import speech_flow_result
from tests.made_speech import RATE_HZ, Syllable, speech
from tests.media_folder import media
from tests.run import make_analyzer, run_on_audio, run_on_file


@pytest.fixture(scope="module")
def flow():
    return make_analyzer("speech_flow")


@pytest.fixture(scope="module")
def analyzer():
    return make_analyzer("speech_rate")


def conclude(analyzer, flow_result, duration_s, missing=None):
    results = {} if flow_result is None else {"speech_flow": flow_result}
    facts = VideoFacts(container="arrays", duration_s=duration_s)
    return analyzer.conclude([], Context(facts, results, missing or {}))


def test_it_reads_speech_flow_and_needs_nothing_decoded(analyzer):
    assert analyzer.needs() == Needs()
    assert analyzer.after == ("speech_flow",)


def test_rates_by_hand(analyzer):
    # 2 s of speech with 10 syllables, 1 s of pause, 3 s of speech with 9: 19 in 6 s, of which 5 s are speech.
    syllables = [*(1.0 + 0.2 * np.arange(10) + 0.1), *(4.0 + np.arange(9) / 3 + 0.1)]
    result = conclude(analyzer, speech_flow_result([(1.0, 3.0), (4.0, 7.0)], syllables, 8.0), 8.0)
    assert result.syllables == 19
    assert result.speech_rate == pytest.approx(19 / 6)
    assert result.articulation_rate == pytest.approx(19 / 5)
    assert (result.pauses.count, result.pauses.total_s, result.pauses.mean_s) == (1, 1.0, 1.0)
    assert result.pauses.per_minute == pytest.approx(10.0)
    assert result.words_per_minute is None
    by_start = {p.start_time: p for p in result.curve}
    # [0, 3): 2 s of speech, 10 syllables; [4, 7): 3 s, 9 syllables; [1, 4): as the first.
    assert by_start[0.0].syllables_per_s == pytest.approx(5.0)
    assert by_start[4.0].syllables_per_s == pytest.approx(3.0)
    assert by_start[0.0].speech_share == pytest.approx(2 / 3)
    assert (result.fastest.syllables_per_s, result.slowest.syllables_per_s) == pytest.approx((5.0, 3.0))
    # The first of the slowest: [3, 6) holds 2 s of speech and 6 syllables.
    assert result.slowest.timestamp == 4.5


def test_windows_with_little_speech_have_no_rate(analyzer):
    # Of speech, [2, 5) holds 1.5 s, just a half, [3, 6) 1.4 s, and [4, 7) 1.9 s.
    result = conclude(analyzer, speech_flow_result([(0.0, 3.5), (5.1, 8.0)], list(0.1 + 0.2 * np.arange(16)), 8.0), 8.0)
    assert [p.start_time for p in result.curve] == [0.0, 1.0, 2.0, 4.0, 5.0]


@pytest.mark.parametrize(("rate", "pace"), [(3.4, "slow"), (3.6, "medium"), (6.4, "medium"), (6.6, "fast")])
def test_pace_on_both_sides_of_its_thresholds(analyzer, rate, pace):
    count = round(10 * rate)
    result = conclude(analyzer, speech_flow_result([(0.0, 10.0)], list(np.arange(count) / rate), 10.0), 10.0)
    assert result.pace == pace
    assert f"{pace.capitalize()} speech: {rate:.1f} syllables/s" in analyzer.headline(result)


@pytest.mark.parametrize(("second", "labels"), [(4.6, []), (5.4, ["slowest", "fastest"])])
def test_time_line_shows_a_change_of_rate_only_when_there_is_one(analyzer, second, labels):
    syllables = [*(np.arange(32) / 4.0), *(8.0 + np.arange(int(8 * second)) / second)]
    result = conclude(analyzer, speech_flow_result([(0.0, 16.0)], syllables, 16.0), 16.0)
    assert [item.label.split()[0] for item in analyzer.timeline(result)] == labels


def test_result_survives_json_and_is_sorted(analyzer):
    result = conclude(analyzer, speech_flow_result([(0.0, 9.5)], list(0.2 * np.arange(45)), 9.7), 9.7)
    assert SpeechRateResult.model_validate(json.loads(result.model_dump_json())) == result
    starts = [p.start_time for p in result.curve]
    assert starts == sorted(starts)
    assert max(p.end_time for p in result.curve) <= 9.7


@pytest.mark.parametrize(
    ("missing", "error", "code"),
    [
        ({"speech_flow": "not_applicable: Nobody speaks."}, NotApplicable, "no_speech"),
        ({"speech_flow": "failed: out of memory"}, Unavailable, "needs_speech_flow"),
        ({"speech_flow": "not deployed"}, Unavailable, "needs_speech_flow"),
        ({}, Unavailable, "needs_speech_flow"),
    ],
)
def test_without_speech_flow_it_says_why(analyzer, missing, error, code):
    with pytest.raises(error) as caught:
        conclude(analyzer, None, 5.0, missing)
    assert caught.value.code == code


@pytest.mark.parametrize(("length_s", "enough"), [(0.9, False), (1.1, True)])
def test_too_little_speech_has_no_rate(analyzer, length_s, enough):
    flow_result = speech_flow_result([(0.0, length_s)], [0.1, 0.4, 0.7], 5.0)
    if enough:
        assert conclude(analyzer, flow_result, 5.0).articulation_rate == pytest.approx(3 / length_s)
    else:
        with pytest.raises(NotApplicable) as caught:
            conclude(analyzer, flow_result, 5.0)
        assert caught.value.code == "too_little_speech"


@pytest.mark.parametrize("rate", [3.0, 4.0, 5.0, 6.0])
def test_made_syllable_trains_at_exact_rates(flow, analyzer, rate):
    count = round(4 * rate)
    sounds = [
        Syllable(0.5 + k / rate, 0.65 / rate, 120.0 + 8.0 * np.sin(1.7 * k), vowel="aeio"[k % 4]) for k in range(count)
    ]
    flow_result = run_on_audio(flow, speech(sounds, 5.0), RATE_HZ)
    result = conclude(analyzer, flow_result, 5.0)
    assert result.syllables == count
    # From the first syllable's start to the last one's end.
    assert result.speech_rate == pytest.approx(count / ((count - 1) / rate + 0.65 / rate), rel=0.03)


TRANSCRIPTS = {
    # GRID sentences (code in the file name, published), one syllable per word but "seven" and "again".
    "lipnet/bbaf2n.mpg": ("bin blue at f two now", 6),
    "lipnet/brbk7n.mpg": ("bin red by k seven now", 7),
    "lipnet/id2_vcd_swwp2s.mpg": ("set white with p two soon", 6),
    "lipnet/lbax4n.mpg": ("lay blue at x four now", 6),
    "lipnet/lbbc2a.mpg": ("lay blue by c two again", 7),
    "lipnet/pwij3p.mpg": ("place white in j three please", 6),
    # Published in the tests of openai/whisper.
    "whisper/jfk.flac": (
        "And so my fel-low A-mer-i-cans ask not what your coun-try can do for you, "
        "ask what you can do for your coun-try.",
        28,
    ),
    # Published as "a voice counting one to ten".
    "pyaa/count.wav": ("one two three four five six sev-en eight nine ten", 11),
}


def test_syllables_of_published_transcripts(flow):
    """77 syllables by hand: the sum within 5 %, each clip within two or 10 %, whichever is more."""
    found = {name: len(run_on_file(flow, media(name)).syllables) for name in TRANSCRIPTS}
    truth = {name: count for name, (_, count) in TRANSCRIPTS.items()}
    assert sum(found.values()) == pytest.approx(sum(truth.values()), rel=0.05)
    for name, count in truth.items():
        assert abs(found[name] - count) <= max(2, 0.1 * count), name
