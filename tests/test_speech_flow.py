"""Speech flow against syllables made at exact times, published alignments, and silences pasted in."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from analyzers.base import Context, NotApplicable
from analyzers.results.speech_flow import SpeechFlowResult
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
from media.types import AudioChunk, AudioClip
from schema.document import VideoFacts
from tests.made_speech import RATE_HZ, Syllable, speech
from tests.media_folder import MEDIA, media
from tests.run import make_analyzer, run_on_audio, run_on_file

SPANS: SpanSettings = SpeechFlowConfig().settings().spans


@pytest.fixture(scope="module")
def analyzer():
    return make_analyzer("speech_flow")


def train(starts, **changes):
    """A syllable at each start, vowels in turn, pitch a little up and down."""
    return [
        Syllable(start, f0_hz=120.0 + 8.0 * np.sin(1.7 * k), vowel="aeio"[k % 4], **changes)
        for k, start in enumerate(starts)
    ]


def share_of_union(found, truth, end_s):
    """Intersection over union of two lists of spans, on a grid of 1 ms."""
    masks = []
    for spans in (found, truth):
        mask = np.zeros(round(1000 * end_s), bool)
        for start, end in spans:
            mask[round(1000 * start) : round(1000 * end)] = True
        masks.append(mask)
    return (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()


def gaps(spans, end_s):
    """What the spans leave free of [0, end_s)."""
    edges = [0.0, *(t for span in spans for t in span), end_s]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]


def times(items):
    return [(item.start_time, item.end_time) for item in items]


def sound_of(name, analyzer):
    """The clip's samples as the decoder delivers them at 16 kHz."""
    from media.audio import decode_audio
    from media.limits import MediaLimits
    from media.plan import plan_decode
    from media.probe import probe

    path, limits = media(name), MediaLimits()
    facts = probe(path, limits)
    plan = plan_decode({analyzer.name: analyzer.needs()}, facts, 2.0)
    return np.array(decode_audio(path, plan, facts, limits)[0].samples)


# ---- made speech: exact truth ---------------------------------------------------------------------------------------


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
    assert share_of_union(times(result.spans), spoken, known.duration_s) >= 0.85
    assert len(result.syllables) == pytest.approx(sum(v.syllables for v in known.voice), abs=2)
    assert [p.significant for p in result.pauses] == [True, True]


# ---- negatives ------------------------------------------------------------------------------------------------------


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


# ---- parts, with injected input -------------------------------------------------------------------------------------


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


# ---- published truth ------------------------------------------------------------------------------------------------


def truth(name):
    media(name)
    manifest = json.loads((MEDIA / "MANIFEST.json").read_text())
    return next(entry["truth"] for entry in manifest if entry["file"] == name)


def test_counting_voice_against_its_published_segments(analyzer):
    segments = truth("pyaa/count.wav")["published"]["segments"]
    spoken = [(s["t0"], s["t1"]) for s in segments if s["label"] == "speech"]
    result = run_on_file(analyzer, media("pyaa/count.wav"))
    assert share_of_union(times(result.spans), spoken, 5.868) >= 0.9
    # Ten words, one to ten.
    assert len(result.spans) == 10


def test_spoken_sentence_against_its_published_alignment(analyzer):
    words = truth("lipnet/id2_vcd_swwp2s.mpg")["published_alignment"]["words"]
    spoken = [(w["t0"], w["t1"]) for w in words if w["word"] != "sil"]
    result = run_on_file(analyzer, media("lipnet/id2_vcd_swwp2s.mpg"))
    assert share_of_union(times(result.spans), spoken, 2.97) >= 0.9


def test_reader_against_aligned_silences_and_published_pitch(analyzer):
    silences = truth("librosa/5703-47212-0000.ogg")["published"][0]["silences_s"]
    result = run_on_file(analyzer, media("librosa/5703-47212-0000.ogg"))
    # The aligned excerpt ends at 8 s, inside a word: its last 0.15 s are no silence of the recording.
    end_s = silences[-1][0]
    spoken = gaps([tuple(s) for s in silences[:-1]], end_s)
    found = [(a, min(b, end_s)) for a, b in times(result.spans) if a < end_s]
    assert share_of_union(found, spoken, end_s) >= 0.95
    # RMVPE, another method, published a median of 76.89 Hz.
    assert result.pitch.median_hz == pytest.approx(76.89, rel=0.03)


@pytest.mark.parametrize(
    "name", ["whisper/jfk.flac", "librosa/3436-172162-0000.ogg", "pyaa/emotion_10.wav", "fw/stereo_diarization.wav"]
)
def test_other_recorded_speech_is_speech(analyzer, name):
    result = run_on_file(analyzer, media(name))
    assert result.speech_share > 0.5
    assert result.sure_s > 1.0


@pytest.mark.parametrize(
    "name",
    [
        "tc/sine_mono_s16.wav",
        "librosa/humpback.ogg",
        "librosa/robin.ogg",
        "librosa/choice_drum_bass.ogg",
        "librosa/trumpet_90bpm.ogg",
        "librosa/vibe_ace.ogg",
        "moviepy/chaplin.mp4",
    ],
)
def test_music_and_animals_are_no_speech(analyzer, name):
    with pytest.raises(NotApplicable) as caught:
        run_on_file(analyzer, media(name))
    assert caught.value.code == "no_speech"


def test_silences_pasted_into_recorded_speech_are_found_exactly(analyzer):
    """Words cut apart at their published borders, with digital silence of known length between them."""
    words = truth("lipnet/id2_vcd_swwp2s.mpg")["published_alignment"]["words"]
    samples = sound_of("lipnet/id2_vcd_swwp2s.mpg", analyzer)
    lengths = [0.3, 0.6, 0.2, 1.2, 0.8]
    cuts = [w["t1"] for w in words if w["word"] != "sil"][:5]
    pieces, pasted, at, moved = [], [], 0.0, 0.0
    for cut, length in zip(cuts, lengths, strict=True):
        pieces += [samples[round(at * RATE_HZ) : round(cut * RATE_HZ)], np.zeros(round(length * RATE_HZ), np.float32)]
        pasted.append((cut + moved, cut + moved + length))
        at, moved = cut, moved + length
    pieces.append(samples[round(at * RATE_HZ) :])
    result = run_on_audio(analyzer, np.concatenate(pieces), RATE_HZ)
    assert len(result.pauses) == len(pasted)
    assert share_of_union(times(result.pauses), pasted, 2.98 + moved) >= 0.9
    assert [p.significant for p in result.pauses] == [length >= 0.5 for length in lengths]
