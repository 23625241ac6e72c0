"""qwen2_vl_temporal: parts of the clip through a tiny checkpoint, batched over chunks and videos."""

from __future__ import annotations

import pickle
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from analyzers.base import AnalysisFailed, Context, NotApplicable
from analyzers.host import AnalyzerHost, Concluded, Observed
from analyzers.inference.generation import Bounds, Generated
from analyzers.inference.questions import PART, QUESTIONS
from analyzers.qwen2_vl_temporal import Qwen2VlTemporal, Qwen2VlTemporalConfig
from analyzers.results.video_text import VideoTextResult
from media.needs import FrameNeed, Needs, Rate
from media.types import UInt8Array
from schema.document import VideoFacts
from tests.run import frame_chunks, run_on_frames
from tests.tiny.video_language import SENTENCE
from tests.tiny_weights import TinyWeights
from tests.upright_clip import patches

SAID = " ".join(SENTENCE)
FPS = 10.0


@pytest.fixture(scope="module")
def qwen(tiny_weights: TinyWeights) -> Qwen2VlTemporal:
    return make(tiny_weights)


def make(tiny_weights: TinyWeights, **config: Any) -> Qwen2VlTemporal:
    analyzer = Qwen2VlTemporal(Qwen2VlTemporalConfig.model_validate(config))
    analyzer.runtime = tiny_weights.runtime("qwen2-vl-7b")
    analyzer.load()
    analyzer.warm_up()
    return analyzer


def movie(seconds: float = 5.0, seed: int = 0) -> UInt8Array:
    """uint8 (N, 96, 54, 3) at ``FPS``."""
    return np.stack(patches(round(seconds * FPS), 54, 96, seed))


def facts(duration_s: float = 5.0) -> VideoFacts:
    return VideoFacts(container="arrays", duration_s=duration_s, width=54, height=96)


def test_it_needs_sixteen_frames_every_two_seconds(qwen: Qwen2VlTemporal) -> None:
    assert qwen.needs() == Needs(frames=(FrameNeed(Rate(8.0), 256),))


def test_each_two_seconds_are_a_segment(qwen: Qwen2VlTemporal) -> None:
    result: VideoTextResult = run_on_frames(qwen, movie(), FPS)
    assert [(s.segment_id, s.start_time, s.end_time) for s in result.segments] == [
        (0, 0.0, 2.0),
        (1, 2.0, 4.0),
        (2, 4.0, 5.0),
    ]
    # Eight of ten frames a second; of each second the grid of 1/8 s meets these frames.
    assert [s.frames for s in result.segments] == [16, 16, 8]
    assert {s.description for s in result.segments} == {SAID}
    assert all(s.confidence is not None and 0.0 < s.confidence < 1.0 for s in result.segments)
    assert [s.repeats_previous for s in result.segments] == [False, True, True]
    assert result.repetition.repeating_share == pytest.approx(2 / 3)


def test_the_whole_is_told_from_the_parts(qwen: Qwen2VlTemporal) -> None:
    result: VideoTextResult = run_on_frames(qwen, movie(), FPS)
    assert result.description is not None
    assert (result.description.text, result.description.basis) == (SAID, "segments")
    assert [(a.question, a.basis) for a in result.answers] == [(key, "segments") for key in QUESTIONS]
    assert result.method.model.startswith("Qwen/Qwen2-VL-7B-Instruct@")
    assert (result.method.quantization, result.method.frames_per_text) == ("nf4", 16)
    assert result.method.description_prompt == PART
    assert result.method.prompt_format.count("<|video_pad|>") == 1


def test_what_the_model_is_told_about_the_parts_has_each_repeat_once(
    tiny_weights: TinyWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyzer = make(tiny_weights)
    asked: list[str] = []

    def ask(clip: None, questions: Sequence[str], bounds: Sequence[Bounds], at_once: int) -> list[Generated]:
        asked.extend(questions)
        return [Generated("fine", 0.9, 1, "end")] * len(questions)

    monkeypatch.setattr(analyzer.chat, "ask", ask)
    run_on_frames(analyzer, movie(), FPS)
    assert len(asked) == 1 + len(QUESTIONS)
    for question, prompt in zip(QUESTIONS.values(), asked[1:], strict=True):
        assert prompt.endswith(question)
        assert prompt.count(SAID) == 1
        assert f"[0.0 s - 5.0 s] {SAID}" in prompt


def test_chunks_of_several_videos_are_one_batch(qwen: Qwen2VlTemporal, monkeypatch: pytest.MonkeyPatch) -> None:
    needs = qwen.needs().frames
    chunks = [c for seed in (1, 2) for c in frame_chunks(movie(seed=seed), FPS, needs, 2.0)]
    alone = [qwen.observe([chunk])[0] for chunk in chunks]
    batches: list[int] = []
    original = qwen.chat.model.generate

    def counted(**inputs: Any) -> Any:
        batches.append(len(inputs["input_ids"]))
        return original(**inputs)

    monkeypatch.setattr(qwen.chat.model, "generate", counted)
    together = qwen.observe(chunks)
    assert batches == [len(chunks)]
    for one, other in zip(alone, together, strict=True):
        (a,), (b,) = one.segments, other.segments
        assert (a.start_s, a.end_s, a.text.text) == (b.start_s, b.end_s, b.text.text)
        assert a.text.confidence == pytest.approx(b.text.confidence, abs=1e-3)
    assert qwen.observe([]) == []


def test_a_full_card_halves_the_batch(qwen: Qwen2VlTemporal, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = frame_chunks(movie(), FPS, qwen.needs().frames, 2.0)
    original = qwen.chat.model.generate
    monkeypatch.setattr("analyzers.inference.oom._free_memory", lambda: None)

    def cramped(**inputs: Any) -> Any:
        if len(inputs["input_ids"]) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return original(**inputs)

    monkeypatch.setattr(qwen.chat.model, "generate", cramped)
    assert [said.segments[0].text.text for said in qwen.observe(chunks)] == [SAID] * 3


def test_it_goes_through_the_host_twice_the_same(tiny_weights: TinyWeights) -> None:
    host = AnalyzerHost("qwen2_vl_temporal", {}, tiny_weights.runtime("qwen2-vl-7b"))
    assert host.describe().chunks_per_batch == 4
    chunks = frame_chunks(movie(), FPS, host.describe().needs.frames, 2.0)
    results = []
    for _ in range(2):
        observed = host.observe(chunks)
        assert isinstance(observed, Observed)
        concluded = host.conclude(pickle.loads(pickle.dumps(observed.observations)), Context(facts()))
        assert isinstance(concluded, Concluded)
        results.append(concluded)
    assert results[0].result == results[1].result
    (item,) = results[0].timeline
    assert (item.start_time, item.end_time, item.label) == (0.0, 5.0, SAID)
    assert results[0].headline == f"{SAID}."


def test_a_lost_chunk_leaves_a_gap(qwen: Qwen2VlTemporal) -> None:
    chunks = frame_chunks(movie(), FPS, qwen.needs().frames, 2.0)
    said = qwen.observe([chunks[0], chunks[2]])
    result = qwen.conclude(said, Context(facts(), gaps=((2.0, 4.0),)))
    assert [(s.start_time, s.end_time) for s in result.segments] == [(0.0, 2.0), (4.0, 5.0)]
    # It says the same again, yet nothing is known of the time between.
    assert [(i.start_time, i.end_time) for i in qwen.timeline(result)] == [(0.0, 2.0), (4.0, 5.0)]


def test_a_few_frames_are_enough(qwen: Qwen2VlTemporal) -> None:
    """An odd number of frames, and a single one: the model's patches are two frames deep."""
    for count in (1, 3):
        result: VideoTextResult = run_on_frames(qwen, movie(count / FPS), FPS)
        assert [s.description for s in result.segments] == [SAID]


def test_nothing_seen_is_not_applicable(qwen: Qwen2VlTemporal) -> None:
    with pytest.raises(NotApplicable, match="no frame"):
        qwen.conclude([], Context(facts()))


def test_no_time_for_a_word_is_a_failure_that_may_be_tried_again(tiny_weights: TinyWeights) -> None:
    qwen = make(tiny_weights, max_time_s=1e-9)
    started_s = time.monotonic()
    with pytest.raises(AnalysisFailed) as caught:
        run_on_frames(qwen, movie(2.0), FPS)
    assert (caught.value.code, caught.value.retry_possible) == ("out_of_time", True)
    assert time.monotonic() - started_s < 60.0
