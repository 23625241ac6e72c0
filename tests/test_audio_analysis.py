"""Key, loudness, pitch and spectrum, against sounds made with known values."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from analyzers.base import Context, NotApplicable
from analyzers.results.audio_analysis import AudioAnalysisResult
from analyzers.signal import filterbanks, loudness, spectrum, tonality
from media.types import AudioChunk, AudioClip
from schema.document import VideoFacts
from tests import made_sound as made
from tests.heard import Measured, chunk_of, heard, stereo, tone48
from tests.run import make_analyzer


@pytest.fixture(scope="module")
def analyzer() -> Any:
    return make_analyzer("audio_analysis")


# Key


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("tonic", range(12))
def test_a_cadence_has_its_key(tonic: int, mode: Any) -> None:
    import librosa

    sound = librosa.resample(made.progression(tonic, mode, 0.5), orig_sr=made.RATE_HZ, target_sr=22_050)
    chroma, _ = tonality.chroma(sound)
    best = tonality.rank_keys(chroma.mean(axis=1))[0]
    assert (best.tonic, best.mode) == (tonality.NAMES[tonic], mode)
    assert best.correlation > 0.75


@pytest.mark.parametrize(("tonic", "mode"), [(0, "major"), (6, "major"), (9, "minor"), (1, "minor")])
def test_the_key_is_in_the_result_with_its_ranking(analyzer: Any, tonic: int, mode: Any) -> None:
    key = heard(analyzer, made.progression(tonic, mode)).key
    assert (key.tonic, key.mode, key.reason) == (tonality.NAMES[tonic], mode, None)
    correlations = [c.correlation for c in key.candidates]
    assert correlations == sorted(correlations, reverse=True)
    assert key.correlation == correlations[0]
    assert key.margin == pytest.approx(correlations[0] - correlations[1])


@pytest.mark.parametrize("tuning", [-0.3, 0.25])
def test_an_instrument_out_of_tune_keeps_its_key(analyzer: Any, tuning: float) -> None:
    key = heard(analyzer, made.progression(2, "major", tuning=tuning)).key
    assert (key.tonic, key.mode) == ("D", "major")
    assert key.tuning_semitones == pytest.approx(tuning, abs=0.05)


def test_thresholds_of_the_key_decide(analyzer: Any) -> None:
    sound = Measured(analyzer, made.progression(7, "minor"))
    key = sound.judged().key
    assert key.correlation is not None
    assert key.margin is not None
    for name, value in (("min_key_correlation", key.correlation), ("min_key_margin", key.margin)):
        assert sound.judged(**{name: value - 0.01}).key.tonic == "G"
        refused = sound.judged(**{name: value + 0.01}).key
        assert (refused.tonic, refused.mode, refused.reason) == (None, None, "unclear")
        assert refused.candidates[0].tonic == "G"
    assert sound.judged(min_key_music_s=5.5).key.tonic == "G"
    assert sound.judged(min_key_music_s=6.5).key.reason == "too_short"


def test_one_note_with_its_harmonics_is_no_key(analyzer: Any) -> None:
    sound = np.concatenate([made.note(57, 0.5) for _ in range(10)]).astype(np.float32)
    key = heard(analyzer, 0.3 * sound).key
    assert key.tonic is None


# Pitch and spectrum


@pytest.mark.parametrize("hz", [110.0, 440.0, 1000.0])
def test_a_tone_has_its_pitch_and_its_spectrum(analyzer: Any, hz: float) -> None:
    result = heard(analyzer, made.sine(hz, 4.0))
    assert result.pitch is not None
    assert result.pitch.median_hz == pytest.approx(hz, rel=0.01)
    assert result.pitch.pitched_share > 0.95
    assert result.pitch.curve.values[3] == pytest.approx(hz, rel=0.01)
    assert result.spectrum is not None
    assert result.spectrum.centroid_hz.mean == pytest.approx(hz, rel=0.05)
    assert result.spectrum.zero_crossing_rate.mean == pytest.approx(2.0 * hz / 22_050, rel=0.05)
    assert result.spectrum.flatness.mean < 0.01
    assert (result.key.tonic, result.key.reason) == (None, "no_music")
    assert result.music == ()
    assert result.shares.other == 1.0


def test_white_noise_has_no_pitch_and_a_flat_spectrum(analyzer: Any) -> None:
    result = heard(analyzer, made.noise(4.0))
    assert result.pitch is None or result.pitch.pitched_share < 0.02
    assert result.spectrum is not None
    # Geometric over arithmetic mean of an exponential distribution: exp(-Euler's constant).
    assert result.spectrum.flatness.mean == pytest.approx(0.561, abs=0.03)
    assert result.spectrum.centroid_hz.mean == pytest.approx(22_050 / 4, rel=0.05)
    assert result.spectrum.rolloff_hz.mean == pytest.approx(0.85 * 22_050 / 2, rel=0.05)
    assert result.spectrum.zero_crossing_rate.mean == pytest.approx(0.5, abs=0.02)
    assert result.shares.music == 0.0


def test_a_glide_is_followed(analyzer: Any) -> None:
    t = made.seconds(4.0)
    hz = 200.0 * 2.0 ** (t / 4.0)
    sound = (0.3 * np.sin(2.0 * np.pi * np.cumsum(hz) / made.RATE_HZ)).astype(np.float32)
    pitch = heard(analyzer, sound).pitch
    assert pitch is not None
    for k, value in enumerate(pitch.curve.values):
        assert value == pytest.approx(200.0 * 2.0 ** ((0.5 * k + 0.25) / 4.0), rel=0.02)
    assert pitch.high_hz / pitch.low_hz == pytest.approx(2.0**0.9, rel=0.03)


# Loudness


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (((-23.0, 20.0),), -23.0),
        (((-33.0, 20.0),), -33.0),
        (((-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0)), -23.0),
        (((-72.0, 10.0), (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0), (-72.0, 10.0)), -23.0),
        (((-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0)), -23.0),
    ],
    ids=["1", "2", "3", "4", "5"],
)
def test_integrated_loudness_of_ebu_tech_3341(parts: Any, expected: float) -> None:
    """Cases 1 to 5: stereo sines of 1 kHz, levels in dBFS, tolerance 0.1 LU."""
    energy = loudness.weighted(stereo(*(tone48(*p) for p in parts))).energy
    assert loudness.integrated_lufs(energy) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ((-20.0, -30.0), 10.0),
        ((-20.0, -15.0), 5.0),
        ((-40.0, -20.0), 20.0),
        ((-50.0, -35.0, -20.0, -35.0, -50.0), 15.0),
    ],
)
def test_loudness_range_of_ebu_tech_3342(levels: Any, expected: float) -> None:
    """Cases 1 to 4: stereo sines of 1 kHz, 20 s each, tolerance 1 LU."""
    energy = loudness.weighted(stereo(*(tone48(level, 20.0) for level in levels))).energy
    assert loudness.loudness_range_lu(energy) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize(
    ("divisor", "phase_deg", "amplitude_dbfs"),
    [(4, 0.0, -6.0), (4, 45.0, -6.0), (6, 60.0, -6.0), (8, 67.5, -6.0), (4, 45.0, 3.0)],
)
def test_true_peak_of_ebu_tech_3341(divisor: int, phase_deg: float, amplitude_dbfs: float) -> None:
    """Cases 15 to 19: sines whose peaks lie between samples, tolerance +0.2 -0.4 dB."""
    sound = tone48(amplitude_dbfs, 1.0, loudness.RATE_HZ / divisor, np.radians(phase_deg))
    fade = np.minimum(1.0, np.minimum(np.arange(48_000), np.arange(48_000)[::-1]) / 4800)
    peak = 20.0 * np.log10(loudness.weighted(stereo(sound * fade)).true_peak)
    assert amplitude_dbfs - 0.4 <= peak <= amplitude_dbfs + 0.2


def test_integrated_loudness_agrees_with_pyloudnorm() -> None:
    import pyloudnorm

    rng = np.random.default_rng(0)
    level = np.repeat(rng.uniform(0.01, 0.5, 12), loudness.RATE_HZ)[:, None]
    sound = (level * rng.standard_normal((len(level), 2)) * [0.2, 0.1]).astype(np.float32)
    expected = pyloudnorm.Meter(loudness.RATE_HZ).integrated_loudness(sound.astype(np.float64))
    assert loudness.integrated_lufs(loudness.weighted(sound).energy) == pytest.approx(expected, abs=0.1)


def test_short_term_and_momentary_loudness(analyzer: Any) -> None:
    """EBU Tech 3341 cases 9 and 12 in short: a steady sine reads the same on all scales."""
    sound = heard(analyzer, made.sine(1000.0, 8.0, -23.0)).loudness
    for value in (sound.integrated_lufs, sound.max_momentary_lufs, sound.max_short_term_lufs):
        assert value == pytest.approx(-23.0, abs=0.1)
    assert sound.range_lu == pytest.approx(0.0, abs=0.1)
    assert sound.true_peak_dbtp == pytest.approx(-23.0, abs=0.2)
    assert sound.short_term.values[0] is None
    assert sound.short_term.values[8] == pytest.approx(-23.0, abs=0.1)


def test_silence_has_no_loudness(analyzer: Any) -> None:
    result = heard(analyzer, made.silence(8.0))
    assert result.loudness.model_dump(exclude={"short_term"}) == dict.fromkeys(
        (
            "integrated_lufs",
            "range_lu",
            "max_momentary_lufs",
            "max_short_term_lufs",
            "true_peak_dbtp",
            "sample_peak_dbfs",
        )
    )
    assert set(result.energy.values) == {None}
    assert result.pitch is None
    assert result.spectrum is None
    assert result.shares.model_dump() == {"music": 0.0, "speech": 0.0, "silence": 1.0, "other": 0.0}
    assert [(s.start_time, s.end_time, s.level_dbfs) for s in result.silence] == [(0.0, 8.0, None)]


def test_what_is_too_short_for_a_measure_has_none(analyzer: Any) -> None:
    tiny = heard(analyzer, made.sine(1000.0, 0.3)).loudness
    assert tiny.integrated_lufs is None
    assert tiny.sample_peak_dbfs == pytest.approx(-12.0, abs=0.1)
    assert heard(analyzer, made.sine(1000.0, 5.5)).loudness.range_lu is None
    assert heard(analyzer, made.sine(1000.0, 6.5)).loudness.range_lu is not None


def test_the_energy_curve_follows_the_level(analyzer: Any) -> None:
    sound = np.concatenate([made.sine(1000.0, 2.0, -30.0), made.silence(2.0), made.sine(1000.0, 2.0, -12.0)])
    curve = heard(analyzer, sound).energy
    assert (curve.start_time, curve.step_s, len(curve.values)) == (0.0, 0.5, 12)
    assert curve.values[1] == pytest.approx(-30.0, abs=0.2)
    assert curve.values[6] is None
    assert curve.values[10] == pytest.approx(-12.0, abs=0.2)


# Against librosa, which is not called otherwise


def test_filter_banks_are_those_of_librosa() -> None:
    import librosa

    for fft, bands, low, high in ((2048, 64, 0.0, 8_000.0), (1024, 64, 30.0, 11_025.0)):
        expected = librosa.filters.mel(sr=22_050, n_fft=fft, n_mels=bands, fmin=low, fmax=high)
        np.testing.assert_allclose(filterbanks.mel_bank(22_050, fft, bands, low, high), expected, atol=1e-7)
    for tuning in (-0.2, 0.0, 0.35):
        expected = librosa.filters.chroma(sr=22_050, n_fft=4096, tuning=tuning)
        np.testing.assert_allclose(filterbanks.chroma_bank(22_050, 4096, tuning), expected, atol=1e-6)


def test_spectra_are_those_of_librosa() -> None:
    import librosa

    sound = librosa.resample(
        made.progression(0, "major", 0.4, 1) + made.noise(1.6, 0.01), orig_sr=44_100, target_sr=22_050
    )
    ours = spectrum.spectra(sound)
    magnitude = np.abs(librosa.stft(sound, n_fft=2048, hop_length=256))
    power = librosa.feature.melspectrogram(S=magnitude**2, sr=22_050, n_mels=64, fmax=8_000)
    np.testing.assert_allclose(ours.mel_db, 10.0 * np.log10(power + 1e-10), atol=0.01)
    slow = magnitude[:, ::2]
    for values, expected in (
        (ours.shapes.centroid_hz, librosa.feature.spectral_centroid(S=slow, sr=22_050)),
        (ours.shapes.bandwidth_hz, librosa.feature.spectral_bandwidth(S=slow, sr=22_050)),
        (ours.shapes.rolloff_hz, librosa.feature.spectral_rolloff(S=slow, sr=22_050)),
        (ours.shapes.flatness, librosa.feature.spectral_flatness(S=slow[:743])),
        (10.0 ** (ours.shapes.level_db / 20.0), librosa.feature.rms(S=slow, frame_length=2048) / np.sqrt(0.375)),
    ):
        np.testing.assert_allclose(values, expected[0], rtol=0.01, atol=1e-3)
    rate = librosa.feature.zero_crossing_rate(sound, frame_length=2048, hop_length=512)[0]
    np.testing.assert_allclose(ours.shapes.crossings[4:-4], rate[4:-4], atol=0.005)


@pytest.mark.parametrize("tuning", [-0.4, -0.1, 0.2])
def test_the_tuning_is_that_of_librosa(tuning: float) -> None:
    import librosa

    sound = librosa.resample(made.progression(0, "major", 0.5, 1, tuning), orig_sr=44_100, target_sr=22_050)
    assert tonality.chroma(sound)[1] == pytest.approx(librosa.estimate_tuning(y=sound, n_fft=4096), abs=0.03)


# On the video's time line


def test_what_lies_outside_the_video_is_cut(analyzer: Any) -> None:
    sound = made.drums(120, 10.0, "rock")
    observed = analyzer.observe([chunk_of(analyzer, sound)])
    result = analyzer.conclude(observed, Context(VideoFacts(container="arrays", duration_s=7.3)))
    assert max(result.beats) < 7.3
    assert result.music[-1].end_time <= 7.3
    assert len(result.energy.values) == 15
    assert result.shares.music <= 1.0


def test_a_late_short_sound_leaves_silence_around_it(analyzer: Any) -> None:
    times = made.click_times(120, 8.0)
    observed = analyzer.observe([chunk_of(analyzer, made.clicks(times, 8.0), start_s=2.0)])
    result = analyzer.conclude(observed, Context(VideoFacts(container="arrays", duration_s=14.0)))
    spans = [(s.start_time, s.end_time) for s in result.silence]
    assert spans[0][0] == 0.0
    assert spans[0][1] == pytest.approx(2.0, abs=0.15)
    assert spans[-1] == (pytest.approx(10.0, abs=0.6), 14.0)
    assert np.abs(np.array(result.beats)[:, None] - (times + 2.0)[None]).min(axis=1).max() < 0.03
    assert result.energy.start_time == 2.0


def test_no_sound_is_not_applicable(analyzer: Any) -> None:
    facts = VideoFacts(container="arrays", duration_s=3.0)
    nothing: list[Any] = []
    for observations in (nothing, analyzer.observe([chunk_of(analyzer, made.silence(0.0))])):
        with pytest.raises(NotApplicable) as caught:
            analyzer.conclude(observations, Context(facts))
        assert caught.value.code == "no_audio"


@pytest.mark.parametrize("length_s", [0.0005, 0.01, 0.1, 0.5, 1.2])
def test_very_short_sounds_give_no_verdicts(analyzer: Any, length_s: float) -> None:
    result = heard(analyzer, made.noise(length_s))
    assert result.tempo.bpm is None
    assert result.key.tonic is None
    assert result.music == ()


def test_samples_that_are_no_numbers_are_silence(analyzer: Any) -> None:
    sound = made.clicks(made.click_times(120, 6.0), 6.0)
    chunk = chunk_of(analyzer, sound)
    broken = []
    for clip in chunk.clips:
        samples = clip.samples.copy()
        samples[5 * clip.rate_hz : 5 * clip.rate_hz + 50] = np.nan
        broken.append(AudioClip(samples, clip.rate_hz))
    observed = analyzer.observe([AudioChunk(tuple(broken))])
    result = analyzer.conclude(observed, Context(VideoFacts(container="arrays", duration_s=6.0)))
    assert result.tempo.bpm == pytest.approx(120.0, rel=0.01)


def test_result_and_observation_travel(analyzer: Any) -> None:
    observed = analyzer.observe([chunk_of(analyzer, made.progression(0, "major"))])
    facts = VideoFacts(container="arrays", duration_s=6.0)
    result = analyzer.conclude(observed, Context(facts))
    packed = pickle.dumps(observed)
    assert len(packed) < 100_000
    assert analyzer.conclude(pickle.loads(packed), Context(facts)) == result
    assert AudioAnalysisResult.model_validate_json(result.model_dump_json()) == result


def test_time_line_and_headline_say_what_was_found(analyzer: Any) -> None:
    sound = made.drums(100, 9.0, "rock") + 0.5 * made.progression(0, "major", 0.75, 3)
    result = heard(analyzer, np.concatenate([sound, made.silence(2.0)]))
    items = analyzer.timeline(result)
    assert [item.label for item in items] == ["music, 100 bpm, C major", "silence"]
    assert all(item.channel == "heard" and item.analyzer == "audio_analysis" for item in items)
    headline = analyzer.headline(result)
    assert "100 bpm; C major" in headline
    assert f"{result.loudness.integrated_lufs:.1f} LUFS" in headline
    silent = heard(analyzer, made.silence(3.0))
    assert analyzer.headline(silent) == "Music 0%, speech 0%, silence 100% of the time."
