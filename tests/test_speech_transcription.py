"""Transcription through the real loader, library and file format, with a tiny model that says a known sentence."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError

from analyzers.base import AnalysisFailed, Context, NotApplicable, Unavailable
from analyzers.host import AnalyzerHost, Concluded, Fault, Observed
from analyzers.inference.whisper import LANGUAGES, RATE_HZ, Heard, Whisper
from analyzers.results.speech_transcription import SpeechTranscriptionResult, words_within
from analyzers.runtime import Runtime
from analyzers.signal.transcript import RawWord, Window
from analyzers.speech_transcription import SpeechTranscription, SpeechTranscriptionConfig, Transcribed
from media.types import AudioChunk, AudioClip
from schema.document import VideoFacts
from tests.child_processes import run_python
from tests.made_speech import Syllable, speech
from tests.media_folder import media
from tests.tiny.whisper import SENTENCE
from tests.tiny_weights import TinyWeights, label_of

ROOT = Path(__file__).resolve().parents[1]
SENTENCES = ["Hello everyone.", "Follow me for more and buy it now."]

WORD_TOLERANCE_S = 1e-6
"""Against the library's own words: the same computation, so nothing but the rounding of a float."""


def talk(duration_s: float = 3.0) -> np.ndarray:
    """Two bursts of syllables with a pause between them."""
    starts = [0.2 + 0.21 * i for i in range(5)] + [1.75 + 0.21 * i for i in range(5)]
    return speech([Syllable(s, f0_hz=110.0 + 8.0 * (i % 4), vowel="aieo"[i % 4]) for i, s in enumerate(starts)], 3.0)[
        : round(duration_s * RATE_HZ)
    ]


def long_talk(seconds: int) -> np.ndarray:
    return np.concatenate([talk()] * (seconds // 3))


def chunk(samples: np.ndarray, start_s: float = 0.0) -> AudioChunk:
    return AudioChunk((AudioClip(np.ascontiguousarray(samples, np.float32), RATE_HZ, start_s),))


def context(duration_s: float) -> Context:
    return Context(VideoFacts(container="arrays", duration_s=duration_s))


def analyzer_with(runtime: Runtime, **settings: object) -> SpeechTranscription:
    analyzer = SpeechTranscription(SpeechTranscriptionConfig.model_validate(settings))
    analyzer.runtime = runtime
    analyzer.load()
    return analyzer


@pytest.fixture(scope="module")
def small(tiny_weights: TinyWeights) -> SpeechTranscription:
    return analyzer_with(tiny_weights.runtime("whisper-small"), model="whisper-small")


def transcribe(analyzer: SpeechTranscription, samples: np.ndarray, start_s: float = 0.0) -> SpeechTranscriptionResult:
    return analyzer.conclude(analyzer.observe([chunk(samples, start_s)]), context(start_s + len(samples) / RATE_HZ))


def test_a_known_sentence_comes_out_word_by_word(small: SpeechTranscription) -> None:
    result = transcribe(small, talk())
    assert result.text == SENTENCE
    assert [s.text for s in result.segments] == SENTENCES
    assert [w.text for w in result.said_words] == SENTENCE.split()
    assert result.words == len(SENTENCE.split())
    assert (result.language, result.speakers) == ("en", None)
    assert result.language_probability is not None
    assert result.language_probability > 0.99
    assert result.languages[0].language == "en"
    assert result.mean_probability is not None
    assert result.mean_probability > 0.99
    assert result.doubtful_segments == 0


def test_times_are_inside_the_clip_and_segments_hold_their_words(small: SpeechTranscription) -> None:
    result = transcribe(small, talk())
    starts = [w.start_time for s in result.segments for w in s.words]
    assert starts == sorted(starts)
    for segment in result.segments:
        assert segment.start_time == segment.words[0].start_time
        assert segment.end_time == max(w.end_time for w in segment.words) <= 3.0
        assert segment.words_per_s == pytest.approx(len(segment.words) / segment.duration_s)
        assert segment.confidence == pytest.approx(np.mean([w.probability for w in segment.words]))
    spoken_s = max(w.end_time for w in result.said_words) - result.said_words[0].start_time
    assert result.words_per_minute == pytest.approx(60.0 * result.words / spoken_s)


def test_pitch_is_that_of_the_sound(small: SpeechTranscription) -> None:
    pitches = [s.pitch_hz for s in transcribe(small, talk()).segments if s.pitch_hz is not None]
    assert pitches
    # The made voice speaks at 110 to 134 Hz, 3 % up and down.
    assert all(106.0 < p < 139.0 for p in pitches)


def test_the_viewer_is_spoken_to_by_words_of_the_second_person(small: SpeechTranscription) -> None:
    address = transcribe(small, talk()).direct_address
    assert address is not None
    assert (address.words, address.examples, address.addresses_viewer) == (0, (), False)


def test_a_late_track_moves_all_times(small: SpeechTranscription) -> None:
    plain, moved = transcribe(small, talk()), transcribe(small, talk(), start_s=2.5)
    assert [w.start_time for w in moved.said_words] == pytest.approx([w.start_time + 2.5 for w in plain.said_words])
    assert [s.pitch_hz for s in moved.segments] == [s.pitch_hz for s in plain.segments]


def test_two_windows_are_decoded_in_one_batch_and_follow_each_other(small: SpeechTranscription) -> None:
    whole = analyzer_with(small.runtime, model="whisper-small", longest_segment_s=30.0, segment_pause_s=10.0)
    observed = whole.observe([chunk(long_talk(45))])[0]
    assert observed.heard is not None
    assert len(observed.heard.windows) == 2
    result = whole.conclude([observed], context(45.0))
    assert [s.text for s in result.segments] == SENTENCES * 2
    assert [s.segment_id for s in result.segments] == [0, 1, 2, 3]
    assert result.segments[2].start_time > 20.0


def test_a_segment_that_repeats_its_predecessor_is_marked_and_counted() -> None:
    windows = tuple(Window((RawWord(f" {SENTENCE}", 20.0 * k, 20.0 * k + 5.0, 0.9),), -0.1, 0.0, 1.0) for k in (0, 1))
    heard = Heard(windows, 40.0, "en", 0.9, (("en", 0.9),))
    analyzer = SpeechTranscription(SpeechTranscriptionConfig())
    result = analyzer.conclude([Transcribed(0.0, 45.0, heard, np.zeros(0, np.float32))], context(45.0))
    assert [s.doubts for s in result.segments] == [(), ("repeated",)]
    assert (result.repeated_segments, result.doubtful_segments) == (1, 1)
    assert result.text == f"{SENTENCE} {SENTENCE}"


def test_words_equal_the_librarys_own(small: SpeechTranscription, tiny_weights: TinyWeights) -> None:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    samples = long_talk(36)
    heard = small.observe([chunk(samples)])[0].heard
    model = WhisperModel(str(tiny_weights.path("whisper-small")), device="cpu", compute_type="int8", cpu_threads=1)
    segments, info = BatchedInferencePipeline(model).transcribe(
        samples, beam_size=5, temperature=0.0, word_timestamps=True, batch_size=8
    )
    theirs = [word for segment in segments for word in segment.words]
    assert heard is not None
    assert heard.language == info.language == "en"
    assert heard.language_probability == pytest.approx(info.language_probability)
    own = [word for window in heard.windows for word in window.words]
    assert [w.text for w in own] == [w.word for w in theirs]
    assert [w.probability for w in own] == pytest.approx([w.probability for w in theirs])
    for field in ("start", "end"):
        times = [getattr(w, field) for w in theirs]
        assert [getattr(w, f"{field}_s") for w in own] == pytest.approx(times, abs=WORD_TOLERANCE_S)
    # This model's attention is random: the edge cases that the result may not have are all there.
    assert any(w.end_s > 36.0 for w in own)
    assert any(w.end_s == w.start_s for w in own)
    words = [w for s in transcribe(small, samples).segments for w in s.words]
    assert all(0.0 <= w.start_time < w.end_time <= 36.0 for w in words)


def test_videos_of_one_batch_do_not_touch_each_other(small: SpeechTranscription) -> None:
    chunks = [chunk(long_talk(36)), chunk(np.zeros(0)), chunk(np.zeros(RATE_HZ)), chunk(talk(), 0.5)]
    together = small.observe(chunks)
    for one, both in zip((small.observe([c])[0] for c in chunks), together, strict=True):
        assert (one.start_s, one.length_s) == (both.start_s, both.length_s)
        np.testing.assert_array_equal(one.pitches_hz, both.pitches_hz)
        assert (one.heard is None) == (both.heard is None)
        if one.heard is not None and both.heard is not None:
            assert one.heard.speech_s == both.heard.speech_s
            assert timed(one.heard) == timed(both.heard)
    assert [len(o.heard.windows) if o.heard else None for o in together] == [2, None, 0, 1]
    assert small.observe([]) == []


def timed(heard: Heard) -> list[tuple[str, float, float]]:
    return [(w.text, w.start_s, w.end_s) for window in heard.windows for w in window.words]


def test_languages_are_decoded_apart(small: SpeechTranscription, monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = iter(["de", "en", "de"])
    monkeypatch.setattr(small._whisper, "_language", lambda *_: (next(spoken), 0.9, ()))
    decode, asked = small._whisper._decode, []

    def noted(features: np.ndarray, places: list[object], language: str, settings: object) -> object:
        asked.append((language, len(features)))
        return decode(features, places, language, settings)  # type: ignore[arg-type]

    monkeypatch.setattr(small._whisper, "_decode", noted)
    observed = small.observe([chunk(talk())] * 3)
    assert asked == [("de", 2), ("en", 1)]
    assert [o.heard.language for o in observed if o.heard] == ["de", "en", "de"]
    first, second, third = (timed(o.heard) for o in observed if o.heard)
    assert first == third
    assert [word for word, _, _ in first] == [word for word, _, _ in second]


@pytest.mark.parametrize("batch", [1, 2])
def test_the_batch_size_changes_nothing(small: SpeechTranscription, batch: int) -> None:
    samples = long_talk(36)
    other = analyzer_with(small.runtime, model="whisper-small", windows_per_batch=batch)
    assert [w.text for w in transcribe(other, samples).said_words] == [
        w.text for w in transcribe(small, samples).said_words
    ]


def test_large_v3_has_128_bands_and_goes_the_same_way(tiny_weights: TinyWeights) -> None:
    large = analyzer_with(tiny_weights.runtime("whisper-large-v3"))
    assert transcribe(large, talk()).text == SENTENCE
    assert large.loaded_models() == (label_of("whisper-large-v3", "Systran/faster-whisper-large-v3"),)


def test_the_same_sound_gives_the_same_observation(small: SpeechTranscription) -> None:
    first, second = (small.observe([chunk(talk())])[0] for _ in range(2))
    assert first.heard == second.heard
    np.testing.assert_array_equal(first.pitches_hz, second.pitches_hz)
    assert len(pickle.dumps(small.observe([chunk(long_talk(300))])[0])) < 1_000_000


def test_a_language_from_the_settings_has_no_probability(small: SpeechTranscription) -> None:
    german = analyzer_with(small.runtime, model="whisper-small", language="de")
    result = transcribe(german, talk())
    assert (result.language, result.language_probability, result.languages) == ("de", None, ())


def test_the_languages_are_the_librarys() -> None:
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    assert set(_LANGUAGE_CODES) == LANGUAGES


@pytest.mark.parametrize("settings", [{"language": "xx"}, {"language": "yue", "model": "whisper-small"}])
def test_a_language_that_the_model_does_not_know_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        SpeechTranscriptionConfig.model_validate(settings)
    SpeechTranscriptionConfig.model_validate(settings | {"language": "de"})
    SpeechTranscriptionConfig.model_validate({"language": "yue"})


@pytest.mark.parametrize("samples", [np.zeros(RATE_HZ, np.float32), np.zeros(100, np.float32)], ids=["1 s", "6 ms"])
def test_silence_has_no_speech(small: SpeechTranscription, samples: np.ndarray) -> None:
    with pytest.raises(NotApplicable) as caught:
        transcribe(small, samples)
    assert caught.value.code == "no_speech"


def test_an_empty_track_is_no_audio(small: SpeechTranscription) -> None:
    with pytest.raises(NotApplicable) as caught:
        transcribe(small, np.zeros(0, np.float32))
    assert caught.value.code == "no_audio"


def test_broken_samples_are_silence(small: SpeechTranscription) -> None:
    with pytest.raises(NotApplicable):
        transcribe(small, np.full(RATE_HZ, np.nan, np.float32))


def doubted(**marks: float) -> SpeechTranscriptionResult:
    """Two windows, the second with these numbers."""
    sure = Window((RawWord(" Yes.", 0.0, 0.5, 0.9),), -0.1, 0.0, 1.0)
    values = {"avg_logprob": -0.1, "no_speech_prob": 0.0, "compression_ratio": 1.0, **marks}
    unsure = Window((RawWord(" Thank", 1.0, 1.5, 0.4), RawWord(" you.", 1.5, 2.0, 0.4)), **values)
    heard = Heard((sure, unsure), 2.0, "en", 0.9, (("en", 0.9),))
    analyzer = SpeechTranscription(SpeechTranscriptionConfig())
    return analyzer.conclude([Transcribed(0.0, 2.0, heard, np.zeros(0, np.float32))], context(2.0))


def test_what_was_not_said_stays_in_the_segments_and_out_of_text_and_time_line() -> None:
    for result in (doubted(avg_logprob=-1.5, no_speech_prob=0.9), doubted(compression_ratio=3.0)):
        assert [s.text for s in result.segments] == ["Yes.", "Thank you."]
        assert (result.text, result.words, result.doubtful_segments) == ("Yes.", 1, 1)
        items = SpeechTranscription(SpeechTranscriptionConfig()).timeline(result)
        assert [(i.channel, i.label, i.score) for i in items] == [("said", "Yes.", 0.9)]
        headline = SpeechTranscription(SpeechTranscriptionConfig()).headline(result)
        assert "1 of 2 segments in doubt" in headline


def test_a_text_of_which_nothing_was_said_is_no_result() -> None:
    analyzer = SpeechTranscription(SpeechTranscriptionConfig())
    words = (RawWord(" Thank", 0.0, 0.5, 0.4), RawWord(" you.", 0.5, 1.0, 0.4))
    silent, looping = Window(words, -1.5, 0.9, 1.0), Window(words, -0.1, 0.0, 3.0)

    def conclude(*windows: Window) -> SpeechTranscriptionResult:
        heard = Heard(windows, 1.0, "en", 0.9, (("en", 0.9),))
        return analyzer.conclude([Transcribed(0.0, 1.0, heard, np.zeros(0, np.float32))], context(1.0))

    with pytest.raises(NotApplicable) as none:
        conclude(silent)
    assert none.value.code == "no_speech"
    for windows in ((looping,), (silent, looping)):
        with pytest.raises(AnalysisFailed) as lost:
            conclude(*windows)
        assert (lost.value.code, lost.value.retry_possible) == ("degenerate_text", False)


def test_improbable_words_count_as_said_and_are_marked() -> None:
    result = doubted(avg_logprob=-1.5)
    assert result.text == "Yes. Thank you."
    assert result.segments[1].doubts == ("improbable",)
    assert result.segments[1].pitch_hz is None


def test_words_within_a_span() -> None:
    result = doubted()
    assert [w.text for w in words_within(result, 0.9, 1.6)] == ["Thank"]
    assert [w.text for w in words_within(result, 1.1, 1.2)] == ["Thank"]
    assert words_within(result, 0.6, 0.9) == []


def test_without_weights_the_remedy_is_the_command(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        analyzer_with(Runtime(weights_path=tmp_path))
    assert (caught.value.code, caught.value.remedy) == (
        "weights_missing",
        "tiktok-analyzer models pull whisper-large-v3",
    )


def test_a_cut_file_is_unavailable_and_not_a_crash(tiny_weights: TinyWeights, tmp_path: Path) -> None:
    for source in tiny_weights.path("whisper-small").iterdir():
        (tmp_path / source.name).write_bytes(source.read_bytes())
    (tmp_path / "model.bin").write_bytes((tmp_path / "model.bin").read_bytes()[:50_000])
    with pytest.raises(Unavailable) as caught:
        Whisper(tmp_path, "cpu", "auto", 1)
    assert caught.value.code == "weights_broken"


def test_a_booked_gpu_that_is_not_there_is_named(tiny_weights: TinyWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    import ctranslate2

    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    with pytest.raises(Unavailable) as caught:
        Whisper(tiny_weights.path("whisper-small"), "cuda:0", "auto", 1)
    assert caught.value.code == "no_gpu"


class Full:
    """Stands for CTranslate2's model on a card with room for ``room`` windows at once."""

    def __init__(self, real: object, room: int) -> None:
        self.real, self.room, self.asked = real, room, []  # type: ignore[var-annotated]

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)

    def generate(self, features: object, prompts: list[object], **options: object) -> object:
        self.asked.append(len(prompts))
        if len(prompts) > self.room:
            raise RuntimeError("CUDA failed with error out of memory")
        return self.real.generate(features, prompts, **options)  # type: ignore[attr-defined]


@pytest.fixture
def model_of(tiny_weights: TinyWeights) -> SpeechTranscription:
    return analyzer_with(tiny_weights.runtime("whisper-small"), model="whisper-small", windows_per_batch=4)


def test_out_of_memory_halves_the_batch(model_of: SpeechTranscription) -> None:
    inner = model_of._whisper._model
    inner.model = full = Full(inner.model, 1)
    assert transcribe(model_of, long_talk(36)).words == 2 * len(SENTENCE.split())
    assert full.asked == [2, 1, 1]


def test_one_window_without_room_fails_by_name_and_the_next_video_goes_on(model_of: SpeechTranscription) -> None:
    inner = model_of._whisper._model
    inner.model = full = Full(inner.model, 0)
    with pytest.raises(AnalysisFailed) as caught:
        transcribe(model_of, talk())
    assert (caught.value.code, caught.value.retry_possible) == ("gpu_out_of_memory", True)
    full.room = 1
    assert transcribe(model_of, talk()).text == SENTENCE


def test_other_faults_of_the_library_are_not_taken_for_memory(model_of: SpeechTranscription) -> None:
    model_of._whisper._model.model = SimpleNamespace(is_multilingual=True)
    with pytest.raises(AttributeError):
        transcribe(model_of, talk())


def test_through_the_host_with_provenance(tiny_weights: TinyWeights) -> None:
    runtime = tiny_weights.runtime("whisper-small")
    host = AnalyzerHost("speech_transcription", {"model": "whisper-small"}, runtime)
    assert host.describe().models == (label_of("whisper-small", "Systran/faster-whisper-small"),)
    observed = host.observe([chunk(talk())])
    assert isinstance(observed, Observed)
    concluded = host.conclude(observed.observations, context(3.0))
    assert isinstance(concluded, Concluded)
    assert [item.label for item in concluded.timeline] == SENTENCES
    assert SpeechTranscriptionResult.model_validate(concluded.result).text == SENTENCE
    assert concluded.headline is not None
    assert concluded.headline.startswith("Speech: 10 words in en (probability 1.00)")
    assert not isinstance(host.observe([chunk(np.zeros(0, np.float32))]), Fault)


def test_neither_loading_nor_transcribing_imports_torch(tiny_weights: TinyWeights) -> None:
    tiny_weights.path("whisper-small")
    code = f"""
import sys
from pathlib import Path
import numpy as np
from analyzers.host import AnalyzerHost
from analyzers.runtime import Runtime
from media.types import AudioChunk, AudioClip
host = AnalyzerHost("speech_transcription", {{"model": "whisper-small"}}, Runtime(Path({str(tiny_weights.folder)!r})))
host.observe([AudioChunk((AudioClip(np.zeros(16000, np.float32), 16000),))])
print(host.describe().state, [m for m in ("torch", "transformers") if m in sys.modules])
host = AnalyzerHost("speech_transcription", {{}}, Runtime(Path("nowhere")))
print(host.describe().state, [m for m in ("torch",) if m in sys.modules])
"""
    said = run_python("-c", code)
    assert said.split("\n")[:2] == ["ready []", "unavailable []"]


def test_a_real_recording_gives_the_librarys_words_through_our_decoder(tiny_weights: TinyWeights) -> None:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    from tests.run import run_on_file

    path = media("whisper/jfk.flac")
    own = run_on_file(analyzer_with(tiny_weights.runtime("whisper-small"), model="whisper-small"), path)
    model = WhisperModel(str(tiny_weights.path("whisper-small")), device="cpu", compute_type="int8", cpu_threads=1)
    segments, _ = BatchedInferencePipeline(model).transcribe(
        str(path), beam_size=5, temperature=0.0, word_timestamps=True
    )
    theirs = [word.word.strip() for segment in segments for word in segment.words]
    assert [w.text for w in own.said_words] == theirs
    assert all(0.0 <= w.start_time < w.end_time <= 11.0 for w in own.said_words)
