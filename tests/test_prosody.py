"""The parts of ``speech_flow``: detector, levels, borders, pitch, rhythm, prominence, by a reference or by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analyzers.signal.prominence import local_highs, norm_of, pitch_change, regularity
from analyzers.signal.prosody import HOP_S, Nucleus, intensity_db, pitch_track
from analyzers.signal.speech import (
    LEVEL_HOP_S,
    SpanSettings,
    VoiceDetector,
    frame_level_db,
    hysteresis,
    speech_spans,
)
from analyzers.speech_flow import SpeechFlowConfig
from tests.made_speech import RATE_HZ, speech, train

SPANS: SpanSettings = SpeechFlowConfig().settings().spans


def test_hysteresis_opens_at_threshold_and_holds_until_release():
    p = np.array([0.1, 0.49, 0.5, 0.4, 0.35, 0.34, 0.49, 0.6, 0.2])
    assert hysteresis(p, 0.5, 0.35) == [(2, 5), (7, 8)]
    assert hysteresis(np.array([0.9, 0.9]), 0.5, 0.35) == [(0, 2)]
    assert hysteresis(np.zeros(4), 0.5, 0.35) == []


@pytest.mark.parametrize("count", [1, 511, 512, 513, 40_000, 20 * RATE_HZ + 7])
def test_detector_gives_what_faster_whisper_gives(monkeypatch, count):
    """Reference: the model's own call, which takes all at once; here in blocks of 3 s, so that borders are met."""
    from faster_whisper.vad import get_vad_model

    monkeypatch.setattr("analyzers.signal.speech.VAD_BLOCK", 100)
    samples = np.tile(speech(train(0.3 + 0.25 * np.arange(8)), 2.7), 8)[:count]
    ours = VoiceDetector().probabilities(samples)
    padded = np.zeros((len(ours) + 1) * 512, np.float32)
    padded[:count] = samples
    assert ours == pytest.approx(get_vad_model()(padded).reshape(-1)[:-1], abs=1e-6)


def test_level_of_known_sounds():
    tone = (0.5 * np.sin(2 * np.pi * 400 * np.arange(RATE_HZ) / RATE_HZ)).astype(np.float32)
    level = frame_level_db(tone)
    assert len(level) == 1 + round(1.0 / LEVEL_HOP_S)
    # A sine of amplitude a has a root mean square of a / sqrt(2).
    assert level[20:-20] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.05)
    assert frame_level_db(np.zeros(1600, np.float32)).max() == -120.0
    assert frame_level_db(tone[:50])[0] == pytest.approx(10 * np.log10(np.mean(tone[:50].astype(float) ** 2)))


def test_intensity_by_blocks_is_that_of_the_whole(monkeypatch):
    samples = speech(train(0.3 + 0.25 * np.arange(20)), 6.0, noise=1e-3)
    whole = intensity_db(samples, (250.0, 2500.0))
    monkeypatch.setattr("analyzers.signal.prosody.FILTER_BLOCK", RATE_HZ)
    assert intensity_db(samples, (250.0, 2500.0)) == pytest.approx(whole, abs=1e-6)
    assert len(whole) == 601


def burst(start_s, end_s, length_s, background_db=-60.0):
    """Noise of -20 dB from start to end over a background, and the probabilities of a coarse, late detector."""
    rng = np.random.default_rng(1)
    samples = 10 ** (background_db / 20) * rng.standard_normal(round(length_s * RATE_HZ))
    samples[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)] += 0.1 * rng.standard_normal(
        round(end_s * RATE_HZ) - round(start_s * RATE_HZ)
    )
    windows = np.arange(-(-len(samples) // 512)) * 0.032
    probabilities = np.where((windows > start_s + 0.05) & (windows < end_s + 0.05), 0.9, 0.01)
    return samples.astype(np.float32), probabilities


def test_borders_move_to_where_the_level_changes():
    samples, probabilities = burst(0.7, 1.5, 2.5)
    (span,) = speech_spans(samples, probabilities, SPANS)
    assert span.start_s == pytest.approx(0.7, abs=0.01)
    assert span.end_s == pytest.approx(1.5, abs=0.01)


def test_borders_stay_the_detectors_when_the_level_tells_nothing():
    samples, probabilities = burst(0.7, 1.5, 2.5, background_db=-20.0)
    (span,) = speech_spans(samples, probabilities, SPANS)
    first, last = np.flatnonzero(probabilities > 0.5)[[0, -1]]
    assert [span.start_s, span.end_s] == pytest.approx([first * 0.032, (last + 1) * 0.032])


@pytest.mark.parametrize(("gap_s", "count"), [(0.12, 1), (0.18, 2)])
def test_a_long_quiet_stretch_parts_a_span_that_the_detector_bridges(gap_s, count):
    samples, probabilities = burst(0.7, 2.0, 3.0)
    samples = samples.copy()
    samples[round(1.2 * RATE_HZ) : round((1.2 + gap_s) * RATE_HZ)] = 0.0
    spans = speech_spans(samples, probabilities, SPANS)
    assert len(spans) == count
    if count == 2:
        assert [spans[0].end_s, spans[1].start_s] == pytest.approx([1.2, 1.38], abs=0.01)


def test_pitch_track_follows_a_sweep_and_calls_noise_aperiodic():
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    f0 = 80.0 * 2.0 ** (t * 1.2)
    sweep = np.sin(2 * np.pi * np.cumsum(f0) / RATE_HZ).astype(np.float32)
    track = pitch_track(sweep, 60.0, 500.0)
    at = np.arange(len(track.f0_hz)) * HOP_S
    inner = slice(10, -10)
    assert track.f0_hz[inner] == pytest.approx(80.0 * 2.0 ** (at[inner] * 1.2), rel=0.02)
    assert track.periodicity[inner].min() > 0.9
    noise = np.random.default_rng(0).standard_normal(2 * RATE_HZ).astype(np.float32)
    assert np.median(pitch_track(noise, 60.0, 500.0).periodicity) < 0.45
    assert pitch_track(np.zeros(RATE_HZ, np.float32), 60.0, 500.0).periodicity.max() == 0.0


def test_pitch_track_agrees_with_librosas_yin():
    """Reference implementation: librosa.yin on made speech, where the frame is clearly periodic."""
    import librosa

    samples = speech(train(0.2 + 0.25 * np.arange(10)), 3.0)
    ours = pitch_track(samples, 60.0, 500.0)
    theirs = librosa.yin(samples, fmin=60, fmax=500, sr=RATE_HZ, frame_length=1024, hop_length=160)
    clear = ours.periodicity > 0.9
    assert clear.sum() > 80
    assert np.mean(np.abs(ours.f0_hz[clear] / theirs[clear] - 1.0) < 0.03) > 0.95


def test_regularity_by_hand():
    # Intervals 0.2, 0.4, 0.2: each pair differs by 0.2 around 0.3, so nPVI = 100 * 2 / 3.
    found = regularity([[0.0, 0.2, 0.6, 0.8]])
    assert found is not None
    assert found.npvi == pytest.approx(200.0 / 3.0)
    assert found.mean_interval_s == pytest.approx(0.8 / 3.0)
    assert found.intervals == 3
    even = regularity([[0.0, 0.25, 0.5], [2.0, 2.25, 2.5]])
    assert even is not None
    assert [even.npvi, even.interval_cv] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert regularity([[0.0, 0.3], [1.0, 1.3]]) is None


def test_pitch_change_by_hand():
    # A rise of one octave over 30 frames: the medians of the outer thirds lie 20 of 29 steps apart.
    rise = 100.0 * 2.0 ** (np.arange(30) / 29)
    assert pitch_change(rise) == pytest.approx(12 * 20 / 29, abs=0.01)
    assert pitch_change(rise[::-1]) == pytest.approx(-12 * 20 / 29, abs=0.01)
    assert pitch_change(np.full(7, 100.0)) is None


def test_prominence_by_hand():
    def nucleus(level_db, f0_hz, length_s):
        return Nucleus(0.0, 0.0, length_s, level_db, f0_hz, 1.0)

    norm = norm_of([nucleus(level, f0, 0.1) for level in (-21.0, -20.0, -19.0) for f0 in (99.0, 100.0, 101.0)])
    assert norm.prominence(nucleus(-20.0, 100.0, 0.1)) == pytest.approx(0.0)
    # All spreads are at their floors: 4 dB over 2, 2 semitones over 1, 0.04 s over 0.02 are z = 2 each.
    assert norm.prominence(nucleus(-16.0, 100.0 * 2 ** (2 / 12), 0.14)) == pytest.approx(2.0)
    # Held within 2.5, so one measure alone stays below 1.
    assert norm.prominence(nucleus(20.0, 100.0, 0.1)) == pytest.approx(2.5 / 3)
    assert norm.prominence(nucleus(-16.0, None, 0.14)) == pytest.approx(2.0)


def test_local_highs_by_hand():
    assert local_highs([0.0, 0.5, 2.0, 2.5, 5.0], [7.0, 8.0, 9.0, 9.0, 5.9], 6.0, 1.0) == [1, 2]
