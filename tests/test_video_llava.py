"""video_llava: spread frames and windows through tiny checkpoints; what becomes of good, looping and broken texts."""

from __future__ import annotations

import pickle
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzers.base import AnalysisFailed, Context, NotApplicable, Unavailable
from analyzers.host import AnalyzerHost, Concluded, Fault, Observed
from analyzers.inference.chat_analyzer import ClipText, Said
from analyzers.inference.generation import Ending, Generated
from analyzers.inference.questions import OVERALL, PART, QUESTIONS, PartText, about_parts, format_of
from analyzers.inference.windows import windows_of
from analyzers.results.video_text import SegmentText, VideoTextResult
from analyzers.runtime import Runtime
from analyzers.video_llava import VideoLlava, VideoLlavaConfig
from media.needs import FrameNeed, Needs, Rate, Spread
from media.types import FrameChunk, UInt8Array
from schema.document import VideoFacts
from tests.child_processes import run_python
from tests.run import frame_chunks, run_on_frames
from tests.tiny.video_language import SENTENCE, make_llava_next_video
from tests.tiny_weights import TinyWeights
from tests.upright_clip import patches
from weights.manifest import pin
from weights.record import record_folder

ROOT = Path(__file__).resolve().parents[1]
SAID = " ".join(SENTENCE)
FPS = 8.0


def make(runtime: Runtime, **config: Any) -> VideoLlava:
    analyzer = VideoLlava(VideoLlavaConfig.model_validate(config))
    analyzer.runtime = runtime
    analyzer.load()
    return analyzer


@pytest.fixture(scope="module")
def llava(tiny_weights: TinyWeights) -> VideoLlava:
    return make(tiny_weights.runtime("llava-next-video-7b"))


@pytest.fixture(scope="module")
def windows(tiny_weights: TinyWeights) -> VideoLlava:
    return make(tiny_weights.runtime("llava-next-video-7b"), windows=True)


def movie(seconds: float = 6.0) -> UInt8Array:
    """uint8 (N, 96, 54, 3) at ``FPS``."""
    return np.stack(patches(round(seconds * FPS), 54, 96))


def facts(duration_s: float = 6.0) -> VideoFacts:
    return VideoFacts(container="arrays", duration_s=duration_s, width=54, height=96)


def text(words: str, confidence: float = 0.5, ending: Ending = "end") -> Generated:
    return Generated(words, confidence, len(words.split()), ending)


def clip_text(description: Generated, *answers: Generated) -> Said:
    filled = (*answers, *[text("something")] * (len(QUESTIONS) - len(answers)))
    return Said((54, 96), clip=ClipText((0.5, 1.5), description, filled))


def parts(*texts: Generated, seconds: float = 2.0) -> list[Said]:
    return [
        Said((54, 96), segments=(SegmentText(i * seconds, (i + 1) * seconds, 8, made),)) for i, made in enumerate(texts)
    ]


# ------------------------------------------------------------------------------------------------------ spread frames


def test_it_needs_frames_spread_over_the_clip(llava: VideoLlava) -> None:
    assert llava.needs() == Needs(frames=(FrameNeed(Spread(8), 336),))


def test_a_clip_is_described_and_every_question_answered(llava: VideoLlava) -> None:
    result: VideoTextResult = run_on_frames(llava, movie(), FPS)
    assert result.description is not None
    assert (result.description.text, result.description.basis) == (SAID, "frames")
    assert [answer.question for answer in result.answers] == list(QUESTIONS)
    assert [answer.asked for answer in result.answers] == list(QUESTIONS.values())
    assert {answer.answer for answer in result.answers} == {SAID}
    for made in (result.description, *result.answers):
        assert made.tokens == len(SENTENCE)
        assert made.ending == "end"
        assert made.confidence is not None
        assert 0.0 < made.confidence < 1.0
    # Middles of eight equal parts of 48 frames at 8 per second.
    assert result.frame_times == pytest.approx([0.375 + 0.75 * i for i in range(8)], abs=0.5 / FPS)
    assert (result.segments, result.format) == ((), None)
    assert (result.repetition.segments, result.repetition.repeating_share) == (0, None)


def test_the_result_says_how_it_was_made(llava: VideoLlava) -> None:
    result: VideoTextResult = run_on_frames(llava, movie(), FPS)
    method = result.method
    assert method.model == "llava-hf/LLaVA-NeXT-Video-7B-hf@" + (pin("llava-next-video-7b").revision or "made-by-tests")
    assert llava.loaded_models() == (method.model,)
    assert (method.quantization, method.decoding) == ("nf4", "greedy")
    assert method.prompt_format == "USER: <video>\n{question} ASSISTANT:"
    assert method.description_prompt == OVERALL
    assert (method.frames_per_text, method.picture_size) == (8, (54, 96))


def test_it_goes_through_the_host_and_back(tiny_weights: TinyWeights) -> None:
    """Loading, warm-up, observation, conclusion, as a replica does it; and twice the same."""
    host = AnalyzerHost("video_llava", {}, tiny_weights.runtime("llava-next-video-7b"))
    description = host.describe()
    assert description.state == "ready"
    assert description.models[0].startswith("llava-hf/LLaVA-NeXT-Video-7B-hf@")
    chunks = frame_chunks(movie(), FPS, description.needs.frames, 2.0)
    answers = []
    for _ in range(2):
        observed = host.observe(chunks)
        assert isinstance(observed, Observed)
        packed = pickle.dumps(observed.observations)
        assert len(packed) < 10_000
        concluded = host.conclude(pickle.loads(packed), Context(facts()))
        assert isinstance(concluded, Concluded)
        answers.append(concluded)
    assert answers[0].result == answers[1].result
    assert answers[0].headline == f"{SAID}."
    # Said of the whole clip: in the summary, not once more in every entry of the time line.
    assert answers[0].timeline == []
    assert VideoTextResult.model_validate(answers[0].result).model_dump(mode="json") == answers[0].result


def test_chunks_of_several_videos_are_told_apart(llava: VideoLlava) -> None:
    chunks = [c for seed in (1, 2) for c in frame_chunks(movie(seed), FPS, llava.needs().frames, 2.0)]
    assert llava.observe(chunks) == [llava.observe([chunk])[0] for chunk in chunks]


def test_one_black_frame_is_a_clip(llava: VideoLlava) -> None:
    result: VideoTextResult = run_on_frames(llava, np.zeros((1, 96, 54, 3), np.uint8), FPS)
    assert result.description is not None
    assert result.frame_times == (0.0,)


def test_questions_may_be_left_out(tiny_weights: TinyWeights) -> None:
    result: VideoTextResult = run_on_frames(
        make(tiny_weights.runtime("llava-next-video-7b"), questions=False), movie(), FPS
    )
    assert result.description is not None
    assert result.answers == ()


def test_the_permissive_policy_has_another_model_say_the_same_things(tiny_weights: TinyWeights) -> None:
    analyzer = make(tiny_weights.runtime("qwen2-vl-7b", licence_policy="permissive"))
    result: VideoTextResult = run_on_frames(analyzer, movie(), FPS)
    assert result.method.model.startswith("Qwen/Qwen2-VL-7B-Instruct@")
    assert result.method.prompt_format.startswith("<|im_start|>system")
    assert result.description is not None
    assert result.description.text == SAID
    assert [answer.answer for answer in result.answers] == [SAID] * len(QUESTIONS)


# ----------------------------------------------------------------------------------------------------------- windows


def test_windows_need_a_running_rate(windows: VideoLlava) -> None:
    assert windows.needs() == Needs(frames=(FrameNeed(Rate(4.0), 336),))


def test_windows_are_described_one_by_one_and_repeats_marked(windows: VideoLlava) -> None:
    result: VideoTextResult = run_on_frames(windows, movie(), FPS)
    assert [(s.segment_id, s.start_time, s.end_time, s.frames) for s in result.segments] == [
        (0, 0.0, 2.0, 8),
        (1, 2.0, 4.0, 8),
        (2, 4.0, 6.0, 8),
    ]
    assert [s.description for s in result.segments] == [SAID] * 3
    assert [(s.repeats_previous, s.similarity_to_previous) for s in result.segments] == [
        (False, None),
        (True, 1.0),
        (True, 1.0),
    ]
    assert (result.repetition.described, result.repetition.repeating) == (3, 2)
    assert result.repetition.repeating_share == pytest.approx(2 / 3)
    assert result.method.description_prompt == PART
    # One thing was seen, for six seconds.
    (item,) = windows.timeline(result)
    assert (item.start_time, item.end_time, item.label, item.channel) == (0.0, 6.0, SAID, "seen")


def test_questions_about_windows_are_asked_about_their_descriptions(windows: VideoLlava) -> None:
    result: VideoTextResult = run_on_frames(windows, movie(), FPS)
    assert result.description is not None
    assert result.description.basis == "segments"
    assert {answer.basis for answer in result.answers} == {"segments"}
    assert result.frame_times == ()


def test_windows_do_not_depend_on_the_length_of_chunks(windows: VideoLlava) -> None:
    results = [run_on_frames(windows, movie(), FPS, chunk_s) for chunk_s in (2.0, 4.0, 6.0)]
    for other in results[1:]:
        assert [s.model_dump(exclude={"confidence"}) for s in other.segments] == [
            s.model_dump(exclude={"confidence"}) for s in results[0].segments
        ]
        assert [s.confidence for s in other.segments] == pytest.approx([s.confidence for s in results[0].segments])


def chunk_at(start_s: float, end_s: float, fps: float = 4.0) -> FrameChunk:
    """The chunk of a movie at ``fps`` that begins and ends there."""
    frames = np.zeros((round(end_s * fps), 32, 32, 3), np.uint8)
    chunks = frame_chunks(frames, fps, (FrameNeed(Rate(fps), 32),), end_s - start_s)
    return chunks[round(start_s / (end_s - start_s))]


@pytest.mark.parametrize(
    ("chunk", "length_s", "expected"),
    [
        (chunk_at(0.0, 2.0), 2.0, [(0.0, 2.0, 6)]),
        (chunk_at(2.0, 4.0), 2.0, [(2.0, 4.0, 6)]),
        (chunk_at(0.0, 4.0), 2.0, [(0.0, 2.0, 6), (2.0, 4.0, 6)]),
        (chunk_at(2.0, 4.0), 3.0, [(2.0, 3.0, 4), (3.0, 4.0, 4)]),
        (chunk_at(0.0, 1.0), 2.0, [(0.0, 1.0, 4)]),
    ],
)
def test_a_chunk_is_cut_on_one_grid(
    chunk: FrameChunk, length_s: float, expected: list[tuple[float, float, int]]
) -> None:
    assert [(w.start_s, w.end_s, len(w.frames)) for w in windows_of(chunk, length_s, 6)] == expected


def test_frames_of_a_window_are_thinned_evenly() -> None:
    frames = np.repeat(np.arange(16, dtype=np.uint8), 32 * 32 * 3).reshape(16, 32, 32, 3)
    (chunk,) = frame_chunks(frames, 8.0, (FrameNeed(Rate(8.0), 32),), 2.0)
    (window,) = windows_of(chunk, 2.0, 4)
    assert window.frames[:, 0, 0, 0].tolist() == [2, 6, 10, 14]


# -------------------------------------------------------------------------------------------------- what texts become


LOOP = "a man walks on and a man walks on and a man walks on and a man walks on"


def test_a_loop_is_marked_and_one_that_is_all_of_a_text_is_no_answer(llava: VideoLlava) -> None:
    # abcdef abcdef: 9 n-grams of four words, 3 of them again: a third.
    twice = "he opens the old red door he opens the old red door"
    said = clip_text(text(twice), text(LOOP))
    result = llava.conclude([said], Context(facts()))
    assert result.description is not None
    assert (result.description.looping, result.description.problem) == (True, None)
    assert result.description.repeated_share == pytest.approx(3 / 9)
    first = result.answers[0]
    assert (first.answer, first.problem, first.looping) == (None, "loop", True)
    assert first.repeated_share > 0.5
    assert result.repetition.looping == 2


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (text(""), "degenerate_text"),
        (text(" ... "), "degenerate_text"),
        (text(LOOP), "degenerate_text"),
        (text("\ufffd\ufffdab"), "degenerate_text"),
        (Generated("", 0.0, 0, "time"), "out_of_time"),
    ],
)
def test_a_text_that_is_none_fails_the_analysis(llava: VideoLlava, made: Generated, code: str) -> None:
    for observations in ([clip_text(made)], parts(made, made)):
        with pytest.raises(AnalysisFailed) as caught:
            llava.conclude(observations, Context(facts()))
        assert caught.value.code == code
        assert caught.value.retry_possible == (code == "out_of_time")


def test_random_weights_give_no_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "llava-next-video-7b"
    folder.mkdir()
    make_llava_next_video(folder, random=True)
    record_folder(folder, pin(folder.name), pin(folder.name).revision or "none", "made by tests")
    host = AnalyzerHost("video_llava", {"questions": False}, Runtime(weights_path=tmp_path))
    observed = host.observe(frame_chunks(movie(), FPS, host.describe().needs.frames, 2.0))
    assert isinstance(observed, Observed)
    fault = host.conclude(observed.observations, Context(facts()))
    assert isinstance(fault, Fault)
    assert fault.code == "degenerate_text"


def test_an_answer_that_was_cut_says_so(llava: VideoLlava) -> None:
    result = llava.conclude([clip_text(text("a man", ending="length"), text("two", ending="time"))], Context(facts()))
    assert result.description is not None
    assert result.description.ending == "length"
    assert (result.answers[0].answer, result.answers[0].ending) == ("two", "time")


def test_none_is_an_answer_of_its_own(llava: VideoLlava) -> None:
    result = llava.conclude([clip_text(text("a man"), text("None."), text("none of them"))], Context(facts()))
    assert [answer.says_none for answer in result.answers[:3]] == [True, False, False]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Tutorial.", "tutorial"),
        ("It is a talking head video", "talking head"),
        ("a dance or a skit", None),
        ("musical", None),
        ("none", None),
    ],
)
def test_the_format_is_the_one_that_the_answer_names(llava: VideoLlava, answer: str, expected: str | None) -> None:
    assert format_of(answer) == expected
    answers = [text("x")] * list(QUESTIONS).index("format") + [text(answer)]
    assert llava.conclude([clip_text(text("a man"), *answers)], Context(facts())).format == expected


def quiet(texts: Sequence[str], llava: VideoLlava, **config: Any) -> VideoTextResult:
    """What is concluded from these segments, without asking the model about them."""
    analyzer = VideoLlava(VideoLlavaConfig.model_validate({"windows": True, "questions": False, **config}))
    analyzer._weights, analyzer.chat = llava._weights, llava.chat
    return analyzer.conclude(parts(*map(text, texts)), Context(facts(2.0 * len(texts))))


def test_a_segment_repeats_its_predecessor_from_the_threshold_on(llava: VideoLlava) -> None:
    before = "a man dances on a wide stage"
    # 5 and 5 trigrams, 4 in common: 0.8; 5 and 5 with 3 in common: 0.6.
    nearly, other = "a man dances on a wide road", "the man dances on a wide road"
    assert [s.repeats_previous for s in quiet([before, nearly], llava).segments] == [False, True]
    marked = quiet([before, other], llava).segments[1]
    assert not marked.repeats_previous
    assert marked.similarity_to_previous == pytest.approx(0.6)
    assert quiet([before, other], llava, repeat_similarity=0.6).segments[1].repeats_previous


def test_what_comes_again_later_is_no_repeat_of_its_predecessor(llava: VideoLlava) -> None:
    result = quiet(["a man dances", "two dogs run", "a man dances"], llava)
    assert result.repetition.repeating == 0
    assert [item.label for item in llava.timeline(result)] == ["a man dances", "two dogs run", "a man dances"]


def test_a_segment_without_a_text_is_kept_without_one(llava: VideoLlava) -> None:
    result = quiet(["a man dances", "", "a man dances"], llava)
    empty = result.segments[1]
    assert (empty.description, empty.problem, empty.confidence) == (None, "empty", None)
    assert [s.similarity_to_previous for s in result.segments] == [None, None, None]
    assert (result.repetition.segments, result.repetition.described) == (3, 2)
    assert [(i.start_time, i.end_time) for i in llava.timeline(result)] == [(0.0, 2.0), (4.0, 6.0)]
    assert result.description is None
    assert llava.headline(result) == "a man dances."


def test_segments_end_with_the_video(llava: VideoLlava) -> None:
    said = parts(text("a"), text("b"), text("c"))
    analyzer = VideoLlava(VideoLlavaConfig(windows=True, questions=False))
    analyzer._weights, analyzer.chat = llava._weights, llava.chat
    spans = [(s.start_time, s.end_time) for s in analyzer.conclude(said, Context(facts(3.5))).segments]
    assert spans == [(0.0, 2.0), (2.0, 3.5)]


def test_nothing_seen_is_not_applicable(llava: VideoLlava) -> None:
    with pytest.raises(NotApplicable) as caught:
        llava.conclude([], Context(facts()))
    assert caught.value.code == "no_frames"


def test_a_headline_is_whole_sentences(llava: VideoLlava) -> None:
    sentence = "A man walks along a very long road and looks at the sea."
    long = llava.conclude([clip_text(text(f"{sentence}\n" * 1 + " ".join([f"He sees {i}." for i in range(60)])))],
                          Context(facts()))  # fmt: skip
    headline = llava.headline(long)
    assert headline is not None
    assert headline.startswith(f"{sentence} He sees 0. ")
    assert headline.endswith(".")
    assert len(headline) <= 301


def test_questions_about_parts_keep_to_the_room_there_is() -> None:
    told = [PartText(2.0 * i, 2.0 * i + 2.0, f"part number {i}\nof many") for i in range(100)]
    whole = about_parts(told[:3], "Why?", 6000)
    assert "[0.0 s - 2.0 s] part number 0 of many\n[2.0 s - 4.0 s] part number 1 of many" in whole
    assert whole.endswith("\n\nWhy?")
    short = about_parts(told, "Why?", 1000)
    assert len(short) < 1200
    assert "part number 0 " in short
    # 100 lines of 42 characters: every fifth is 840 long together, every fourth 1,050.
    assert "part number 95 " in short
    assert "part number 94 " not in short


# ------------------------------------------------------------------------------------------------ weights and settings


def test_missing_weights_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        make(Runtime(weights_path=tmp_path, gpu_share=0.3))
    assert caught.value.code == "weights_missing"
    assert caught.value.remedy == "tiktok-analyzer models pull llava-next-video-7b"


def test_on_a_cpu_the_remedy_says_that_it_takes_a_gpu(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        make(Runtime(weights_path=tmp_path))
    assert caught.value.code == "weights_missing"
    # 6.80e9 weights at 4.127 bits and 0.26e9 at 16 are 4.0 GB; keys, values and one question at 1.5 times what was
    # counted are 3.0, context and workspaces 0.7.
    assert "in 4 bit it takes 7.7 GB of a GPU" in caught.value.remedy
    assert "tiktok-analyzer models pull llava-next-video-7b (14.1 GB)" in caught.value.remedy


@pytest.mark.parametrize("name", ["video_llava", "qwen2_vl_temporal", "blip2_video_analyzer"])
def test_a_replica_without_weights_starts_no_library(name: str, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from analyzers.host import AnalyzerHost;"
        "from analyzers.runtime import Runtime;"
        f"host = AnalyzerHost({name!r}, {{}}, Runtime(weights_path=Path({str(tmp_path)!r}), gpu_share=0.3));"
        "print(host.describe().state, [m for m in ('torch', 'transformers', 'bitsandbytes') if m in sys.modules])"
    )
    said = run_python("-c", code)
    assert said.strip() == "unavailable []"


def test_only_the_model_and_its_format_are_loaded_anew(
    tiny_weights: TinyWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = AnalyzerHost("video_llava", {}, tiny_weights.runtime("llava-next-video-7b"))
    loads: list[str] = []
    monkeypatch.setattr(VideoLlava, "load", lambda self: loads.append(self.config.quantization))
    monkeypatch.setattr(VideoLlava, "warm_up", lambda self: None)
    host.configure({"frames": 4, "windows": True, "loop_share": 0.5, "framing": "centre", "max_time_s": 10.0})
    assert loads == []
    host.configure({"quantization": "none"})
    assert loads == ["none"]


def test_time_that_is_up_leaves_what_was_written(tiny_weights: TinyWeights) -> None:
    analyzer = make(tiny_weights.runtime("llava-next-video-7b"), max_time_s=1e-6)
    started_s = time.monotonic()
    with pytest.raises(AnalysisFailed) as caught:
        run_on_frames(analyzer, movie(), FPS)
    assert caught.value.code == "out_of_time"
    assert time.monotonic() - started_s < 60.0
