"""Emotions through the real loader and library, with a tiny wav2vec2 of random weights."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from analyzers.base import AnalysisFailed, Context, NotApplicable, Unavailable
from analyzers.host import AnalyzerHost, Concluded, Observed
from analyzers.runtime import Runtime
from analyzers.signal.speech import SpeechSpan
from analyzers.signal.voice import SpanSound, VoiceObservation
from analyzers.speech_emotion import EmotionHeard, SpeechEmotion, SpeechEmotionConfig, judged_spans
from media.types import AudioChunk, AudioClip
from schema.document import VideoFacts
from tests.child_processes import run_python
from tests.made_speech import RATE_HZ, Syllable, speech
from tests.tiny_weights import TinyWeights, label_of

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("neutral", "happy", "angry", "sad")

PROBABILITY_TOLERANCE = 1e-5
"""Against transformers' pipeline, in float32: sums in another order. Padding or a wrong column changes 0.001."""


def voice(*spans: tuple[float, float]) -> VoiceObservation:
    """What ``speech_flow`` observes, as far as it is read."""
    return VoiceObservation(1.0, tuple(SpanSound(SpeechSpan(a, b, 0.9), -20.0, None, None) for a, b in spans))


def talk(seconds: float = 8.0, f0_hz: float = 120.0) -> np.ndarray:
    starts = np.arange(0.1, seconds - 0.3, 0.22)
    return speech([Syllable(float(s), f0_hz=f0_hz + 10.0 * (k % 5)) for k, s in enumerate(starts)], seconds)


def chunk(samples: np.ndarray, heard: VoiceObservation | None, start_s: float = 0.0) -> AudioChunk:
    upstream = {} if heard is None else {"speech_flow": heard}
    return AudioChunk((AudioClip(np.ascontiguousarray(samples, np.float32), RATE_HZ, start_s),), upstream)


def context(duration_s: float, **missing: str) -> Context:
    return Context(VideoFacts(container="arrays", duration_s=duration_s), missing=missing)


@pytest.fixture(scope="module")
def emotion(tiny_weights: TinyWeights) -> SpeechEmotion:
    analyzer = SpeechEmotion(SpeechEmotionConfig())
    analyzer.runtime = tiny_weights.runtime("wav2vec2-emotion")
    analyzer.load()
    analyzer.warm_up()
    return analyzer


@pytest.mark.parametrize(
    ("speech_spans", "expected"),
    [
        ([(1.0, 3.0)], [(1.0, 3.0)]),
        # Cut down to a multiple of 0.25 s, half at each end.
        ([(1.0, 3.2)], [(1.1, 3.1)]),
        # A gap of 0.2 s is a breath, one of 0.4 s is not.
        ([(1.0, 2.0), (2.2, 3.0)], [(1.0, 3.0)]),
        ([(1.0, 2.0), (2.4, 3.4)], [(1.0, 2.0), (2.4, 3.4)]),
        # Over 6 s: two equal parts.
        ([(0.0, 8.0)], [(0.0, 4.0), (4.0, 8.0)]),
        ([(1.0, 1.7)], []),
        ([(1.0, 1.75)], [(1.0, 1.75)]),
        # Held inside the sound, which ends at 10 s.
        ([(9.0, 12.0)], [(9.0, 10.0)]),
    ],
)
def test_judged_spans(speech_spans: list[tuple[float, float]], expected: list[tuple[float, float]]) -> None:
    clip = AudioClip(np.zeros(10 * RATE_HZ, np.float32), RATE_HZ)
    found = judged_spans(speech_spans, clip, SpeechEmotionConfig())
    assert [edge for span in found for edge in span] == pytest.approx([edge for span in expected for edge in span])


def test_probabilities_equal_the_pipelines(emotion: SpeechEmotion, tiny_weights: TinyWeights) -> None:
    from transformers import pipeline

    samples = talk()
    spans = ((0.5, 2.5), (3.0, 5.0), (5.5, 7.0))
    heard = emotion.observe([chunk(samples, voice(*spans))])[0]
    assert heard is not None
    assert np.array(heard.spans) == pytest.approx(np.array(spans))
    reference = pipeline("audio-classification", model=str(tiny_weights.path("wav2vec2-emotion")), top_k=None)
    for (start_s, end_s), row in zip(spans, heard.probabilities, strict=True):
        part = samples[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)]
        theirs = {e["label"]: e["score"] for e in reference({"raw": part, "sampling_rate": RATE_HZ})}
        ours = dict(zip(heard.classes, map(float, row), strict=True))
        assert ours == pytest.approx(theirs, abs=PROBABILITY_TOLERANCE)
    assert np.ptp(heard.probabilities, axis=0).max() > 100 * PROBABILITY_TOLERANCE  # the spans do differ


def test_the_result_names_the_most_probable_class(emotion: SpeechEmotion) -> None:
    heard = emotion.observe([chunk(talk(), voice((0.5, 2.5), (3.0, 7.9)))])[0]
    assert heard is not None
    result = emotion.conclude([heard], context(8.0))
    assert [(s.start_time, s.end_time) for s in result.spans] == [(0.5, 2.5), pytest.approx((3.075, 7.825))]
    for span, row in zip(result.spans, heard.probabilities, strict=True):
        assert list(span.probabilities) == list(NAMES)
        assert span.emotion == NAMES[int(row.argmax())]
        assert span.confidence == pytest.approx(float(row.max()))
        assert sum(span.probabilities.values()) == pytest.approx(1.0, abs=1e-5)
    assert result.judged_s == pytest.approx(6.75)
    assert result.unjudged_s == pytest.approx(0.15)


def made(rows: list[list[float]], spans: list[tuple[float, float]], speech_s: float = 10.0) -> EmotionHeard:
    return EmotionHeard(tuple(spans), ("neu", "hap", "ang", "sad"), np.array(rows, np.float32), speech_s)


def test_means_are_weighted_by_length(emotion: SpeechEmotion) -> None:
    heard = made([[0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1], [0.2, 0.1, 0.6, 0.1]], [(0, 1), (1, 4), (5, 6)])
    result = emotion.conclude([heard], context(10.0))
    assert result.mean_probabilities == pytest.approx(
        {"neutral": 0.6 / 5, "happy": 1.1 / 5, "angry": 2.8 / 5, "sad": 0.5 / 5}, abs=1e-6
    )
    assert (result.dominant_emotion, result.changes) == ("angry", 1)
    assert result.dominant_share == pytest.approx(0.8)
    assert [i.label for i in emotion.timeline(result)] == ["sounds happy", "sounds angry", "sounds angry"]
    assert emotion.headline(result) == (
        "The voice sounds mostly angry (mean probability 0.56, 80 % of 5.0 s), 1 changes."
    )


def test_videos_of_one_batch_do_not_touch_each_other(emotion: SpeechEmotion) -> None:
    first = chunk(talk(8.0, 110.0), voice((0.5, 2.5), (3.0, 5.0)))
    second = chunk(talk(8.0, 200.0), voice((1.0, 3.0)), start_s=0.5)
    nobody = chunk(talk(2.0), voice())
    unknown = chunk(talk(2.0), None)
    together = emotion.observe([first, nobody, second, unknown])
    for number, alone in enumerate([first, nobody, second, unknown]):
        (single,) = emotion.observe([alone])
        both = together[number]
        assert (single is None) == (both is None)
        if single is not None and both is not None:
            assert single.spans == both.spans
            np.testing.assert_allclose(single.probabilities, both.probabilities, atol=PROBABILITY_TOLERANCE)
    assert together[3] is None
    assert emotion.observe([]) == []


def test_observations_are_small(emotion: SpeechEmotion) -> None:
    heard = emotion.observe([chunk(talk(), voice((0.5, 2.5)))])
    again = pickle.loads(pickle.dumps(heard))
    np.testing.assert_array_equal(again[0].probabilities, heard[0].probabilities)  # type: ignore[union-attr]
    assert len(pickle.dumps(heard)) < 10_000


def test_a_late_track_is_cut_at_the_same_sound(emotion: SpeechEmotion) -> None:
    samples = talk()
    plain = emotion.observe([chunk(samples, voice((1.0, 3.0)))])[0]
    late = emotion.observe([chunk(samples, voice((1.5, 3.5)), start_s=0.5)])[0]
    assert plain is not None
    assert late is not None
    np.testing.assert_allclose(plain.probabilities, late.probabilities, atol=PROBABILITY_TOLERANCE)
    assert late.spans == ((1.5, 3.5),)


@pytest.mark.parametrize(
    ("observed", "missing", "code"),
    [
        (made([], [], speech_s=0.0), "", "no_speech"),
        (made([], [], speech_s=0.4), "", "too_little_speech"),
        (None, "not_applicable: nobody speaks", "no_speech"),
    ],
)
def test_without_speech_there_is_no_emotion(
    emotion: SpeechEmotion, observed: EmotionHeard | None, missing: str, code: str
) -> None:
    with pytest.raises(NotApplicable) as caught:
        emotion.conclude([observed], context(10.0, **({"speech_flow": missing} if missing else {})))
    assert caught.value.code == code


@pytest.mark.parametrize("missing", [{}, {"speech_flow": "failed: it broke"}])
def test_without_speech_flow_it_is_unavailable(emotion: SpeechEmotion, missing: dict[str, str]) -> None:
    with pytest.raises(Unavailable) as caught:
        emotion.conclude([None], context(10.0, **missing))
    assert caught.value.code == "needs_speech_flow"


def test_without_weights_the_remedy_is_the_command_and_torch_stays_out(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from analyzers.host import AnalyzerHost
from analyzers.runtime import Runtime
for name in ("speech_emotion", "audio_environment"):
    said = AnalyzerHost(name, {{}}, Runtime(Path({str(tmp_path)!r}))).describe()
    print(said.state, said.code, said.remedy, [m for m in ("torch", "transformers") if m in sys.modules])
"""
    said = run_python("-c", code)
    assert said.splitlines() == [
        "unavailable weights_missing tiktok-analyzer models pull wav2vec2-emotion []",
        "unavailable weights_missing tiktok-analyzer models pull ast-audioset []",
    ]


def test_out_of_memory_halves_the_batch_and_ends_by_name(
    emotion: SpeechEmotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    spans = voice(*((2.0 * k, 2.0 * k + 1.0) for k in range(4)))
    whole = emotion.observe([chunk(talk(), spans)])[0]
    real, asked = emotion._classifier._model.forward, []
    room = 2

    def forward(values: torch.Tensor) -> object:
        asked.append(len(values))
        if len(values) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(values)

    monkeypatch.setattr(emotion._classifier._model, "forward", forward)
    halved = emotion.observe([chunk(talk(), spans)])[0]
    assert asked == [4, 2, 2]
    assert whole is not None
    assert halved is not None
    np.testing.assert_allclose(whole.probabilities, halved.probabilities, atol=PROBABILITY_TOLERANCE)
    room = 0
    with pytest.raises(AnalysisFailed) as caught:
        emotion.observe([chunk(talk(), spans)])
    assert (caught.value.code, caught.value.retry_possible) == ("gpu_out_of_memory", True)


def test_through_the_host_behind_speech_flow(tiny_weights: TinyWeights) -> None:
    runtime = tiny_weights.runtime("wav2vec2-emotion")
    flow, host = AnalyzerHost("speech_flow", {}, Runtime()), AnalyzerHost("speech_emotion", {}, runtime)
    assert host.describe().models == (label_of("wav2vec2-emotion", "superb/wav2vec2-base-superb-er"),)
    samples = talk()
    voiced = flow.observe([chunk(samples, None)])
    assert isinstance(voiced, Observed)
    observed = host.observe([chunk(samples, voiced.observations[0])])
    assert isinstance(observed, Observed)
    concluded = host.conclude(observed.observations, context(8.0))
    assert isinstance(concluded, Concluded)
    assert concluded.timeline
    assert all(item.channel == "said" and item.label.removeprefix("sounds ") in NAMES for item in concluded.timeline)
