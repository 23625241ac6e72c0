"""The transcript's words in the analyzers that use them: rate, flow, hook, calls to action."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analyzers.base import Context
from analyzers.catalogue import closure, names
from analyzers.results.spoken import with_words
from analyzers.results.temporal_flow import TemporalFlowResult
from analyzers.speech_rate import SpeechRateResult
from schema.document import VideoFacts
from tests.flow_runs import flow as temporal
from tests.made_results import only, speech_flow_result, text_result, transcript_result
from tests.run import make_analyzer

SAID = [(1.0, 3.0, "Stop doing this every day."), (4.0, 7.0, "Follow me for part two.")]


@pytest.fixture(scope="module")
def rate():
    return make_analyzer("speech_rate")


@pytest.fixture(scope="module")
def story():
    return make_analyzer("temporal_flow")


def rates(analyzer, **results: Any) -> SpeechRateResult:
    syllables = [*(1.0 + 0.2 * np.arange(10) + 0.1), *(4.0 + np.arange(9) / 3 + 0.1)]
    results = {"speech_flow": speech_flow_result([(1.0, 3.0), (4.0, 7.0)], syllables, 8.0), **results}
    found = analyzer.conclude([], Context(VideoFacts(container="arrays", duration_s=8.0), results))
    assert isinstance(found, SpeechRateResult)
    return found


# ---- order ----------------------------------------------------------------------------------------------------------


def test_a_model_is_not_started_for_the_sake_of_those_that_only_use_it() -> None:
    assert "speech_transcription" not in closure(["speech_rate", "speech_flow", "temporal_flow", "sound_effects"])
    assert "audio_environment" not in closure(["sound_effects"])
    order = names()
    assert order.index("speech_transcription") < order.index("speech_flow") < order.index("speech_emotion")


# ---- rate -----------------------------------------------------------------------------------------------------------


def test_words_stand_beside_syllables(rate) -> None:
    result = rates(rate, speech_transcription=transcript_result(SAID))
    # 10 words in 5 s of speech, which spread over 6 s.
    assert (result.basis, result.words) == ("syllables_and_words", 10)
    assert result.words_per_s == pytest.approx(2.0)
    assert result.words_per_minute == pytest.approx(100.0)
    assert result.syllables_per_word == pytest.approx(1.9)
    # [0, 3): 2 s of speech with five words; [3, 6): 2 s of speech, the middles of three words.
    by_start = {p.start_time: p.words_per_s for p in result.curve}
    assert by_start[0.0] == pytest.approx(2.5)
    assert by_start[3.0] == pytest.approx(1.5)
    assert rate.headline(result).endswith("with pauses, 100 words/min.")


def test_without_a_transcript_nothing_is_said_about_words(rate) -> None:
    result = rates(rate)
    assert result.basis == "syllables"
    assert (result.words, result.words_per_s, result.words_per_minute, result.syllables_per_word) == (None,) * 4
    assert {p.words_per_s for p in result.curve} == {None}
    assert "words" not in rate.headline(result)


def test_the_pace_does_not_depend_on_the_transcript(rate) -> None:
    assert rates(rate, speech_transcription=transcript_result(SAID)).pace == rates(rate).pace


def test_words_that_were_not_said_are_not_counted(rate) -> None:
    invented = transcript_result(SAID, doubts=[(), ("looping",)])
    result = rates(rate, speech_transcription=invented)
    assert result.words == 5
    result = rates(rate, speech_transcription=transcript_result(SAID, doubts=[("no_speech",), ("looping",)]))
    assert (result.words, result.words_per_minute, result.syllables_per_word) == (0, 0.0, None)


# ---- flow -----------------------------------------------------------------------------------------------------------


def test_emphasis_and_pauses_get_their_words() -> None:
    bare = speech_flow_result([(1.0, 3.0), (4.0, 7.0)], [1.2, 4.4], 8.0, emphasised=[(1.45, 1.75), (3.2, 3.5)])
    result = with_words(bare, transcript_result(SAID))
    assert [e.words for e in result.emphasised] == [("doing",), ()]
    assert [p.follows.text for p in result.pauses] == ["Stop doing this every day."]
    assert with_words(bare, None) is bare
    assert [e.words for e in bare.emphasised] == [None, None]
    assert bare.pauses[0].follows.text is None


def test_a_peak_gets_the_word_that_it_lies_in() -> None:
    from analyzers.results.speech_flow import VocalPeak

    bare = speech_flow_result([(1.0, 7.0)], [1.2], 8.0)
    peaks = tuple(
        VocalPeak(timestamp=t, kind="loud", level_over_db=7.0, pitch_over_semitones=None) for t in (1.0, 3.5, 6.9)
    )
    result = with_words(bare.model_copy(update={"peaks": peaks}), transcript_result(SAID))
    assert [p.word for p in result.peaks] == ["Stop", None, "two."]


def test_the_time_line_shows_the_emphasised_words() -> None:
    analyzer = make_analyzer("speech_flow")
    bare = speech_flow_result([(1.0, 3.0)], [1.2], 8.0, emphasised=[(1.45, 1.75)])
    assert [i.label for i in analyzer.timeline(with_words(bare, transcript_result(SAID)))] == [
        "speech",
        "emphasis: doing",
    ]
    assert [i.label for i in analyzer.timeline(bare)] == ["speech", "emphasis"]


# ---- story ----------------------------------------------------------------------------------------------------------


def test_the_hook_has_its_opening_words(story) -> None:
    speech = speech_flow_result([(1.0, 3.0), (4.0, 7.0)], [1.2, 4.4], 20.0)
    result = temporal(story, speech_flow=speech, speech_transcription=transcript_result(SAID))
    assert result.hook.spoken == "Stop doing this every day."
    assert [(g.kind, g.label) for g in result.hook.grabbers] == [("speech", "Stop doing this every day.")]
    assert not any(line.startswith("transcript") for line in result.missing)
    later = temporal(story, speech_flow=speech, speech_transcription=transcript_result(SAID[1:]))
    assert (later.hook.spoken, later.hook.grabbers[0].label) == ("", "speech begins")


def test_calls_are_found_in_what_is_said_and_in_what_is_written(story) -> None:
    texts = text_result([(15.0, 20.0, "Link in bio", "caption")])
    result = temporal(story, text_overlay=texts, speech_transcription=transcript_result(SAID))
    calls = result.calls_to_action
    assert calls is not None
    assert [(c.start_time, c.end_time, c.kind, c.channel, c.text) for c in calls] == [
        (4.0, 7.0, "follow", "said", "Follow me for part two."),
        (15.0, 20.0, "link", "written", "Link in bio"),
    ]
    said = [i for i in story.timeline(result) if i.label == "call to action: follow"]
    assert [(i.channel, i.start_time) for i in said] == [("said", 4.0)]


def test_invented_calls_are_none(story) -> None:
    invented = transcript_result([(1.0, 3.0, "Subscribe to my channel.")], doubts=[("no_speech", "improbable")])
    result = temporal(story, speech_transcription=invented)
    assert (result.calls_to_action, result.hook.spoken) == ((), "")


def test_a_transcript_without_speech_is_knowledge_and_a_missing_one_is_not(story) -> None:
    nothing = temporal(story, missing={"speech_transcription": "not_applicable: Nobody speaks."})
    assert (nothing.hook.spoken, nothing.calls_to_action) == ("", ())
    unknown: TemporalFlowResult = temporal(story, missing={"speech_transcription": "unavailable: no weights"})
    assert (unknown.hook.spoken, unknown.calls_to_action) == (None, None)
    assert "transcript: what is said is not known (unavailable: no weights)" in unknown.missing


def test_words_per_minute_come_through(story) -> None:
    rate = only(SpeechRateResult, articulation_rate=4.2, words_per_minute=150.0)
    assert temporal(story, speech_rate=rate).words_per_minute == 150.0
