"""Where ``audio_analysis`` finds music, speech and silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests import made_sound as made
from tests.heard import Measured, heard, sound_of
from tests.media_folder import media
from tests.run import make_analyzer, run_on_file

SPEECH = (
    "whisper/jfk.flac",
    "lipnet/bbaf2n.mpg",
    "pyaa/count.wav",
    "pyaa/emotion_26.wav",
    "librosa/3436-172162-0000.ogg",
)


@pytest.fixture(scope="module")
def analyzer() -> Any:
    return make_analyzer("audio_analysis")


def test_silence_is_found_where_it_is(analyzer: Any) -> None:
    sound = np.concatenate([made.noise(2.0), made.silence(1.5), made.noise(1.0), made.silence(0.2), made.noise(1.0)])
    result = heard(analyzer, sound)
    assert len(result.silence) == 1
    assert result.silence[0].start_time == pytest.approx(2.0, abs=0.06)
    assert result.silence[0].end_time == pytest.approx(3.5, abs=0.06)


@pytest.mark.parametrize(("dbfs", "silent"), [(-64.0, 1.0), (-56.0, 0.0)])
def test_the_threshold_of_silence_decides(analyzer: Any, dbfs: float, silent: float) -> None:
    """A sine's level is 3 dB below its peak: -67 and -59."""
    assert heard(analyzer, made.sine(500.0, 3.0, dbfs)).shares.silence == silent


def test_a_melody_between_silences_is_music(analyzer: Any) -> None:
    sound = np.concatenate([made.silence(3.0), made.progression(0, "major"), made.silence(3.0)])
    result = heard(analyzer, sound)
    assert len(result.music) == 1
    assert result.music[0].start_time == pytest.approx(3.0, abs=0.15)
    assert result.music[0].end_time == pytest.approx(9.0, abs=0.15)
    assert result.music[0].evidence.startswith("notes")
    assert result.shares.music == pytest.approx(0.5, abs=0.03)
    assert result.shares.silence == pytest.approx(0.5, abs=0.03)


def test_thresholds_of_music_decide(analyzer: Any) -> None:
    jingle = 0.3 * made.progression(0, "major", 0.4, 1)
    sound = Measured(analyzer, np.concatenate([made.noise(3.0, 0.01), jingle, made.noise(3.0, 0.01, seed=1)]))
    assert sound.judged().music[0].chord_share > 0.8
    assert sound.judged(min_held_s=1.0).music
    assert not sound.judged(min_held_s=2.0).music
    # 1.6 s of notes in a window of 3 s.
    assert sound.judged(min_chord_share=0.45).music
    assert not sound.judged(min_chord_share=0.6).music


@pytest.mark.parametrize("name", SPEECH)
def test_speech_is_speech_and_neither_music_nor_tempo(analyzer: Any, name: str) -> None:
    result = run_on_file(analyzer, media(name))
    assert result.tempo.bpm is None
    assert result.music == ()
    assert result.key.tonic is None
    assert result.shares.speech > 0.35


def test_counting_aloud_is_a_pulse_but_no_tempo(analyzer: Any) -> None:
    result = run_on_file(analyzer, media("pyaa/count.wav"))
    assert result.tempo.reason == "speech_only"
    assert result.tempo.beat_strength > result.tempo.beat_strength_needed
    assert Measured(analyzer, sound_of("pyaa/count.wav")).judged(max_speech_share=1.0).tempo.bpm is not None


@pytest.mark.parametrize(
    "name",
    [
        "moviepy/big_buck_bunny_0_30.webm",
        "moviepy/chaplin.mp4",
        pytest.param("librosa/vibe_ace.ogg", marks=pytest.mark.slow),
    ],
)
def test_music_is_music(analyzer: Any, name: str) -> None:
    result = run_on_file(analyzer, media(name))
    assert result.shares.music > 0.9
    assert result.shares.speech < 0.05


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("librosa/humpback.ogg", marks=pytest.mark.slow),
        "librosa/robin.ogg",
        "tc/sine_mono_s16.wav",
        "moviepy/fire2.mp4",
    ],
)
def test_other_sounds_are_neither(analyzer: Any, name: str) -> None:
    result = run_on_file(analyzer, media(name))
    assert result.shares.music == 0.0
    assert result.shares.speech == 0.0
    assert result.shares.other > 0.7
    assert result.tempo.bpm is None


def test_speech_over_music_is_both(analyzer: Any) -> None:
    speech = sound_of("whisper/jfk.flac")
    chords = np.tile(made.progression(0, "major"), 2)[: len(speech)]
    rms = [float(np.sqrt(np.mean(s**2))) for s in (speech, chords)]
    result = heard(analyzer, 0.5 * speech[: len(chords)] + 0.5 * rms[0] / rms[1] * chords)
    assert result.shares.speech > 0.45
    assert result.shares.music > 0.9


@pytest.mark.parametrize(("softer_db", "bpm"), [(0.0, 110.0), (15.0, None)])
def test_a_beat_under_speech_is_found_down_to_its_level(analyzer: Any, softer_db: float, bpm: float | None) -> None:
    speech = sound_of("whisper/jfk.flac")
    beat = made.drums(110, len(speech) / made.RATE_HZ, "rock")[: len(speech)]
    gain = 10.0 ** (-softer_db / 20.0) * float(speech.std() / beat.std())
    result = heard(analyzer, 0.5 * (speech[: len(beat)] + gain * beat))
    assert result.shares.speech > 0.45
    assert result.tempo.bpm == (pytest.approx(bpm, rel=0.01) if bpm else None)
    assert result.shares.music == (pytest.approx(1.0, abs=0.1) if bpm else 0.0)


def test_the_spans_of_speech_flow_are_taken_over(analyzer: Any) -> None:
    path = media("whisper/jfk.flac")
    flow = run_on_file(make_analyzer("speech_flow"), path)
    result = run_on_file(analyzer, path, results={"speech_flow": flow})
    assert [(s.start_time, s.end_time) for s in result.speech] == [(s.start_time, s.end_time) for s in flow.spans]
    assert result.shares.speech == pytest.approx(flow.speech_share, abs=1e-6)
