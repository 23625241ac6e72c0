"""Speech flow in recordings: published alignments, silences pasted in, music and animals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analyzers.base import NotApplicable
from benchmarks.scoring import union_iou
from benchmarks.truth_sound import NOT_SPEECH
from tests.made_speech import RATE_HZ
from tests.media_folder import MEDIA, media
from tests.run import make_analyzer, run_on_audio, run_on_file


@pytest.fixture(scope="module")
def analyzer():
    return make_analyzer("speech_flow")


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


def truth(name):
    media(name)
    manifest = json.loads((MEDIA / "MANIFEST.json").read_text())
    return next(entry["truth"] for entry in manifest if entry["file"] == name)


def test_counting_voice_against_its_published_segments(analyzer):
    segments = truth("pyaa/count.wav")["published"]["segments"]
    spoken = [(s["t0"], s["t1"]) for s in segments if s["label"] == "speech"]
    result = run_on_file(analyzer, media("pyaa/count.wav"))
    assert (union_iou(times(result.spans), spoken) or 0.0) >= 0.9
    # Ten words, one to ten.
    assert len(result.spans) == 10


def test_spoken_sentence_against_its_published_alignment(analyzer):
    words = truth("lipnet/id2_vcd_swwp2s.mpg")["published_alignment"]["words"]
    spoken = [(w["t0"], w["t1"]) for w in words if w["word"] != "sil"]
    result = run_on_file(analyzer, media("lipnet/id2_vcd_swwp2s.mpg"))
    assert (union_iou(times(result.spans), spoken) or 0.0) >= 0.9


def test_reader_against_aligned_silences_and_published_pitch(analyzer):
    silences = truth("librosa/5703-47212-0000.ogg")["published"][0]["silences_s"]
    result = run_on_file(analyzer, media("librosa/5703-47212-0000.ogg"))
    # The aligned excerpt ends at 8 s, inside a word: its last 0.15 s are no silence of the recording.
    end_s = silences[-1][0]
    spoken = gaps([tuple(s) for s in silences[:-1]], end_s)
    found = [(a, min(b, end_s)) for a, b in times(result.spans) if a < end_s]
    assert (union_iou(found, spoken) or 0.0) >= 0.95
    # RMVPE, another method, published a median of 76.89 Hz.
    assert result.pitch.median_hz == pytest.approx(76.89, rel=0.03)


@pytest.mark.parametrize(
    "name", ["whisper/jfk.flac", "librosa/3436-172162-0000.ogg", "pyaa/emotion_10.wav", "fw/stereo_diarization.wav"]
)
def test_other_recorded_speech_is_speech(analyzer, name):
    result = run_on_file(analyzer, media(name))
    assert result.speech_share > 0.5
    assert result.sure_s > 1.0


@pytest.mark.parametrize("name", NOT_SPEECH)
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
    assert (union_iou(times(result.pauses), pasted) or 0.0) >= 0.9
    assert [p.significant for p in result.pauses] == [length >= 0.5 for length in lengths]
