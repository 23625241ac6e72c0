"""Made effects over silence, noise, music and speech; beats, notes and syllables must stay silent."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analyzers.base import AnalyzerResult, Context, NotApplicable
from analyzers.cut_analysis import CutAnalysisResult
from analyzers.signal.foreground import Shape
from analyzers.sound_effects import SoundEffects, SoundEffectsResult
from media.types import AudioChunk, AudioClip
from schema.document import VideoFacts
from tests import made_sound as made
from tests import made_speech
from tests.made_results import text_result
from tests.media_folder import media
from tests.run import make_analyzer, run_on_audio, run_on_file

LENGTH_S = 10.0
AT_S = 4.6

EFFECTS = {
    "impact": (made.impact(), "impact", 0.0),
    "whoosh": (made.whoosh(), "whoosh", 0.35),
    "riser": (made.riser(), "riser", 2.0),
    "riser of noise": (made.riser(seed=3), "riser", 2.0),
    "ding": (made.ding(), "ding", 0.0),
    "high ding": (made.ding(3200.0), "ding", 0.0),
    "pop": (made.pop(), "pop", 0.0),
}
"""Sound, kind, and the moment that it is placed by, in seconds from its start."""


def music(length_s: float = LENGTH_S) -> np.ndarray[Any, Any]:
    chords = made.progression(0, "major", 60.0 / 110.0 * 2.0, 4)
    return np.asarray(0.4 * made.drums(110, length_s, "rock") + 0.2 * np.resize(chords, round(length_s * made.RATE_HZ)))


def speech(length_s: float = LENGTH_S) -> np.ndarray[Any, Any]:
    import librosa

    starts = [t for t in np.arange(0.3, length_s - 0.4, 0.23) if t % 3.0 < 2.4]
    vowels = [
        made_speech.Syllable(
            float(t), f0_hz=110.0 + 25.0 * np.sin(2.0 * t), gain_db=4.0 * np.sin(5.0 * t), vowel="aieo"[k % 4]
        )
        for k, t in enumerate(starts)
    ]
    return np.asarray(
        librosa.resample(made_speech.speech(vowels, length_s), orig_sr=made_speech.RATE_HZ, target_sr=made.RATE_HZ)
    )


BASES = {
    "silence": made.silence(LENGTH_S),
    "noise": made.noise(LENGTH_S, 0.003),
    "music": music(),
    "speech": 0.5 * speech(),
}


class Ear:
    """The analyzer and those that it comes after, loaded once."""

    def __init__(self) -> None:
        self.effects = make_analyzer("sound_effects")
        self._before = [make_analyzer("speech_flow"), make_analyzer("audio_analysis")]
        self._known: dict[str, dict[str, AnalyzerResult]] = {}

    def results(self, run: Any) -> dict[str, AnalyzerResult]:
        results: dict[str, AnalyzerResult] = {}
        for analyzer in self._before:
            try:
                results[analyzer.name] = run(analyzer, results)
            except NotApplicable:
                continue
        return results

    def heard(
        self, sound: np.ndarray[Any, Any], more: Mapping[str, AnalyzerResult] | None = None
    ) -> SoundEffectsResult:
        def run(analyzer: Any, results: Mapping[str, AnalyzerResult]) -> Any:
            return run_on_audio(analyzer, sound, made.RATE_HZ, results)

        result = run(self.effects, self.results(run))
        assert isinstance(result, SoundEffectsResult)
        return result

    def heard_over(
        self, base: str, sound: np.ndarray[Any, Any], analyzer: Any = None, **more: Any
    ) -> SoundEffectsResult:
        """With what the others say of the base alone, which is measured once."""
        if base not in self._known:
            self._known[base] = self.results(lambda a, results: run_on_audio(a, BASES[base], made.RATE_HZ, results))
        result = run_on_audio(analyzer or self.effects, sound, made.RATE_HZ, {**self._known[base], **more})
        assert isinstance(result, SoundEffectsResult)
        return result

    def heard_file(self, name: str) -> SoundEffectsResult:
        path = media(name)

        def run(analyzer: Any, results: Mapping[str, AnalyzerResult]) -> Any:
            return run_on_file(analyzer, path, results=results)

        result = run(self.effects, self.results(run))
        assert isinstance(result, SoundEffectsResult)
        return result


@pytest.fixture(scope="module")
def ear() -> Ear:
    return Ear()


def over(base: str, name: str, gain: float = 1.0) -> np.ndarray[Any, Any]:
    sound = np.array(BASES[base], np.float32)
    made.put(sound, EFFECTS[name][0], AT_S, gain)
    return sound


def cuts_at(*times_s: float) -> CutAnalysisResult:
    return CutAnalysisResult.model_validate(
        {
            "cuts": [
                {"timestamp": t, "frame": round(30 * t), "type": "hard", "score": 1.0, "likeness": 0.0} for t in times_s
            ],
            "transitions": [],
            "shots": [],
            "cuts_per_minute": 6.0 * len(times_s),
            "cuts_by_type": {"hard": len(times_s)},
            "mean_shot_length_s": 1.0,
            "median_shot_length_s": 1.0,
        }
    )


@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("base", ["silence", "noise"])
def test_an_effect_alone_is_found_and_named(ear: Ear, base: str, name: str) -> None:
    _, kind, moment_s = EFFECTS[name]
    effects = ear.heard_over(base, over(base, name)).effects
    assert [e.kind for e in effects] == [kind]
    assert effects[0].timestamp == pytest.approx(AT_S + moment_s, abs=0.08)
    assert effects[0].over == "nothing"
    assert effects[0].strength > 0.4


@pytest.mark.parametrize(
    ("base", "name", "gain"),
    [
        ("music", "impact", 2.0),
        ("music", "whoosh", 1.0),
        ("music", "riser", 1.0),
        ("music", "riser of noise", 1.0),
        ("music", "ding", 1.0),
        ("speech", "impact", 1.0),
        ("speech", "whoosh", 1.0),
        ("speech", "riser", 1.0),
        ("speech", "high ding", 1.0),
    ],
)
def test_an_effect_over_music_or_speech_is_found_and_named(ear: Ear, base: str, name: str, gain: float) -> None:
    _, kind, moment_s = EFFECTS[name]
    effects = ear.heard_over(base, over(base, name, gain)).effects
    assert [e.kind for e in effects] == [kind]
    assert effects[0].timestamp == pytest.approx(AT_S + moment_s, abs=0.1)


@pytest.mark.parametrize("base", BASES)
def test_what_comes_again_is_no_effect(ear: Ear, base: str) -> None:
    result = ear.heard_over(base, BASES[base])
    assert result.effects == ()
    assert result.effects_by_kind == {}
    assert result.effects_per_minute == 0.0


@pytest.mark.parametrize(
    "sound",
    [
        made.sine(440.0, 6.0),
        made.pink_noise(8.0),
        made.drums(90, 10.0, "four"),
        made.clicks(made.click_times(120, 8.0), 8.0),
    ],
    ids=["tone", "pink noise", "drums", "clicks"],
)
def test_steady_sounds_and_beats_are_no_effects(ear: Ear, sound: Any) -> None:
    assert ear.heard(sound).effects == ()


@pytest.mark.parametrize(
    "name",
    [
        "librosa/choice_drum_bass.ogg",
        "librosa/trumpet_90bpm.ogg",
        "moviepy/chaplin.mp4",
        "whisper/jfk.flac",
        "pyaa/count.wav",
        "lipnet/bbaf2n.mpg",
        "derived/vertical_talk_cuts_subs_A.mp4",
        "pyaa/speech_music_sample.wav",
        "tc/sine_mono_s16.wav",
        pytest.param("librosa/vibe_ace.ogg", marks=pytest.mark.slow),
        pytest.param("pyaa/diarizationExample.wav", marks=pytest.mark.slow),
    ],
)
def test_real_music_and_speech_hold_no_effects(ear: Ear, name: str) -> None:
    assert ear.heard_file(name).effects == ()


def test_a_film_flourish_is_found(ear: Ear) -> None:
    """By its spectrogram: noise and a whistle swell from 19.9 s on and end in a hit at 20.5 s, over music."""
    effects = ear.heard_file("moviepy/big_buck_bunny_0_30.webm").effects
    assert {"whoosh", "impact"} == {e.kind for e in effects}
    assert [e.timestamp for e in effects if e.kind == "impact"] == [pytest.approx(20.5, abs=0.08)]
    assert all(e.start_time >= 19.9 and e.end_time <= 20.8 for e in effects)


def test_several_effects_in_order(ear: Ear) -> None:
    sound = made.silence(12.0)
    for name, at_s in (("ding", 1.0), ("whoosh", 3.0), ("impact", 3.9), ("pop", 6.0), ("ding", 7.5), ("riser", 9.0)):
        made.put(sound, EFFECTS[name][0], at_s)
    result = ear.heard(sound)
    assert [e.kind for e in result.effects] == ["ding", "whoosh", "impact", "pop", "ding", "riser"]
    assert result.effects_by_kind == {"ding": 2, "impact": 1, "pop": 1, "riser": 1, "whoosh": 1}
    assert result.effects_per_minute == pytest.approx(30.0)
    times = [e.timestamp for e in result.effects]
    assert times == pytest.approx([1.0, 3.35, 3.9, 6.0, 7.5, 11.0], abs=0.08)


def test_a_louder_effect_is_stronger(ear: Ear) -> None:
    strengths = [ear.heard_over("noise", over("noise", "whoosh", gain)).effects[0].strength for gain in (0.1, 0.3, 1.0)]
    assert strengths == sorted(strengths)
    assert strengths[2] - strengths[0] > 0.2


def test_measures_say_what_was_made(ear: Ear) -> None:
    ding = ear.heard_over("silence", over("silence", "ding")).effects[0]
    assert ding.centre_hz == pytest.approx(1760.0, rel=0.1)
    assert ding.tone_share > 0.9
    # exp(-5 t) falls by 20 dB in 0.46 s.
    assert ding.decay_s == pytest.approx(0.46, abs=0.06)
    riser = ear.heard_over("silence", over("silence", "riser")).effects[0]
    assert riser.climb_octaves > 2.0
    # It grows by 40 dB in 2 s, so by the last 20 dB in 1 s; its own harmonics join in.
    assert riser.attack_s == pytest.approx(1.0, abs=0.35)
    assert riser.growth_db > 8.0


# Cuts


@pytest.mark.parametrize(("cut_s", "on_cut"), [(AT_S + 0.08, True), (AT_S - 0.08, True), (AT_S + 0.14, False)])
def test_an_effect_near_a_cut_lies_on_it(ear: Ear, cut_s: float, on_cut: bool) -> None:
    sound = over("silence", "impact")
    result = ear.heard_over("silence", sound, cut_analysis=cuts_at(1.0, cut_s, 9.0))
    assert result.effects[0].on_a_cut is on_cut
    assert result.effects[0].cut_distance_s == pytest.approx(cut_s - AT_S, abs=0.03)
    assert result.on_cuts == int(on_cut)


def test_without_cuts_nothing_lies_on_one(ear: Ear) -> None:
    sound = over("silence", "impact")
    effect = ear.heard_over("silence", sound, cut_analysis=cuts_at()).effects[0]
    assert (effect.on_a_cut, effect.cut_distance_s) == (False, None)
    result = ear.heard_over("silence", sound)
    assert (result.effects[0].on_a_cut, result.on_cuts) == (None, None)


def test_an_effect_names_the_text_that_appears_with_it(ear: Ear) -> None:
    sound, texts = over("silence", "impact"), text_result([(AT_S + 0.1, AT_S + 2.0, "now", "title")])
    assert ear.heard_over("silence", sound, text_overlay=texts).effects[0].text == "now"
    alone = ear.heard_over("silence", sound).effects[0]
    assert (alone.text, alone.gesture) == (None, None)


# Rules and thresholds, on both sides


SHAPE = Shape(
    start_s=2.0, end_s=2.6, peak_s=2.05, over_db=20.0, width=0.5, tone_share=0.3, centre_hz=1000.0,
    rise_octaves=0.0, growth_db=0.0, fall_db=1.0, glide_octaves=0.0, covered=False,
)  # fmt: skip
RISER = replace(SHAPE, peak_s=2.55, rise_octaves=1.0, growth_db=10.0, fall_db=12.0)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        (SHAPE, "impact"),
        (replace(SHAPE, peak_s=2.09), "impact"),
        (replace(SHAPE, peak_s=2.11), "whoosh"),
        (replace(SHAPE, peak_s=2.11, tone_share=0.69), "whoosh"),
        (replace(SHAPE, peak_s=2.11, tone_share=0.71), "other"),
        (replace(SHAPE, tone_share=0.69), "impact"),
        (replace(SHAPE, tone_share=0.71), "ding"),
        (replace(SHAPE, tone_share=0.9, centre_hz=290.0), "impact"),
        (replace(SHAPE, tone_share=0.9, centre_hz=310.0), "ding"),
        (replace(SHAPE, end_s=2.13), "impact"),
        (replace(SHAPE, end_s=2.11), "pop"),
        (replace(SHAPE, end_s=2.11, covered=True), "impact"),
        (replace(SHAPE, end_s=2.11, covered=True, width=0.3), "pop"),
        (RISER, "riser"),
        (replace(RISER, rise_octaves=0.6), "whoosh"),
        (replace(RISER, rise_octaves=0.6, glide_octaves=0.8), "riser"),
        (replace(RISER, growth_db=5.0), "whoosh"),
        (replace(RISER, fall_db=7.0), "whoosh"),
        (replace(RISER, start_s=2.1), "riser"),
        (replace(RISER, start_s=2.2), "whoosh"),
    ],
)
def test_the_rules_decide(shape: Shape, kind: str) -> None:
    assert SoundEffects(SoundEffects.Config()).kind_of(shape) == kind


def test_the_least_distance_from_the_background_decides(ear: Ear) -> None:
    sound = over("music", "whoosh")
    level = ear.heard_over("music", sound).effects[0].level_over_db
    for shift, number in ((-0.1, 1), (0.1, 0)):
        analyzer = SoundEffects(SoundEffects.Config(min_over_db=level + shift))
        assert len(ear.heard_over("music", sound, analyzer).effects) == number


@pytest.mark.parametrize(
    ("base", "name", "low", "high"),
    [
        ("music", "whoosh", {"min_size_db_s": 0.5}, {"min_size_db_s": 10.0, "min_hit_db": 20.0, "min_tone_db": 60.0}),
        ("music", "ding", {"min_tone_db": 20.0}, {"min_tone_db": 50.0}),
        ("silence", "pop", {"min_free_db": 1.0}, {"min_free_db": 19.0}),
    ],
)
def test_thresholds_of_what_stands_out_decide(ear: Ear, base: str, name: str, low: Any, high: Any) -> None:
    for settings, number in ((low, 1), (high, 0)):
        analyzer = SoundEffects(SoundEffects.Config.model_validate(settings))
        assert len(ear.heard_over(base, over(base, name), analyzer).effects) == number


def test_without_audio_analysis_all_is_judged_strictly(ear: Ear) -> None:
    bare = run_on_audio(ear.effects, over("noise", "ding"), made.RATE_HZ)
    assert [e.kind for e in bare.effects] == ["ding"]
    assert bare.effects[0].over is None
    assert run_on_audio(ear.effects, BASES["music"].astype(np.float32), made.RATE_HZ).effects == ()


def test_the_first_note_of_music_is_no_effect(ear: Ear) -> None:
    sound = np.concatenate([made.silence(4.0), music(8.0)]).astype(np.float32)
    assert ear.heard(sound).effects == ()


# Frame


def test_what_lies_outside_the_video_is_left_out(ear: Ear) -> None:
    import librosa

    sound = made.silence(10.0)
    made.put(sound, made.impact(), 3.0)
    made.put(sound, made.impact(), 8.0)
    mono = librosa.resample(sound, orig_sr=made.RATE_HZ, target_sr=22_050)
    observed = ear.effects.observe([AudioChunk((AudioClip(mono, 22_050, 1.0),))])
    result = ear.effects.conclude(observed, Context(VideoFacts(container="arrays", duration_s=7.0)))
    assert [e.timestamp for e in result.effects] == [pytest.approx(4.0, abs=0.05)]


@pytest.mark.parametrize("length_s", [0.0005, 0.02, 0.3, 1.0])
def test_very_short_sounds(ear: Ear, length_s: float) -> None:
    assert run_on_audio(ear.effects, made.noise(length_s), made.RATE_HZ).effects == ()


def test_no_sound_is_not_applicable(ear: Ear) -> None:
    nothing = ear.effects.observe([AudioChunk((AudioClip(np.zeros(0, np.float32), 22_050),))])
    empty: list[Any] = []
    for observations in (empty, nothing):
        with pytest.raises(NotApplicable) as caught:
            ear.effects.conclude(observations, Context(VideoFacts(container="arrays", duration_s=1.0)))
        assert caught.value.code == "no_audio"


def test_result_and_observation_travel(ear: Ear) -> None:
    result = ear.heard_over("silence", over("silence", "whoosh"), cut_analysis=cuts_at(5.0))
    assert SoundEffectsResult.model_validate_json(result.model_dump_json()) == result
    observed = ear.effects.observe([AudioChunk((AudioClip(np.zeros(10 * 22_050, np.float32), 22_050),))])
    packed = pickle.dumps(observed)
    assert len(packed) < 64 * 2 * 10 * 44 + 10_000
    assert pickle.loads(packed)[0].levels_db.shape == observed[0].levels_db.shape


def test_time_line_and_headline(ear: Ear) -> None:
    result = ear.heard_over("silence", over("silence", "ding"), cut_analysis=cuts_at(AT_S))
    (item,) = ear.effects.timeline(result)
    assert (item.channel, item.label, item.analyzer) == ("heard", "ding", "sound_effects")
    assert item.score == result.effects[0].strength
    assert ear.effects.headline(result) == "1 sound effects (1 ding), 1 on a cut."
    assert ear.effects.headline(ear.heard_over("silence", BASES["silence"])) == "No sound effects."
