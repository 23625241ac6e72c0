"""What the hook takes from a video language model's result: the answer about the beginning, or the first part."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from analyzers.base import Context
from analyzers.blip2_video_analyzer import Blip2Result
from analyzers.inference.generation import Generated
from analyzers.inference.questions import OVERALL, QUESTIONS, QuestionKey
from analyzers.results.video_text import (
    Method,
    SegmentText,
    VideoTextResult,
    answer_from,
    repetition_of,
    segments_from,
)
from analyzers.signal.text_repeats import TextLimits
from analyzers.story.inputs import read_inputs
from schema.document import VideoFacts

LIMITS = TextLimits(0.2, 0.5, 0.05)
FACTS = VideoFacts(container="arrays", duration_s=10.0)
METHOD = Method(
    model="m@r",
    quantization="nf4",
    prompt_format="{question}",
    description_prompt=OVERALL,
    frames_per_text=8,
    picture_size=(54, 96),
)


def described(answers: dict[QuestionKey, str], parts: Sequence[tuple[float, float, str]]) -> VideoTextResult:
    def text(words: str) -> Generated:
        return Generated(words, 0.5, len(words.split()), "end")

    said = [SegmentText(start, end, 1, text(words)) for start, end, words in parts]
    segments = segments_from(said, LIMITS, 0.8, Context(FACTS))
    return VideoTextResult(
        description=None,
        format=None,
        answers=tuple(answer_from(k, QUESTIONS[k], text(a), "frames", LIMITS) for k, a in answers.items()),
        segments=segments,
        frame_times=(),
        repetition=repetition_of(segments, ()),
        method=METHOD,
    )


@pytest.mark.parametrize(
    ("answers", "parts", "shown"),
    [
        ({"who": "a dog", "opening": "a red door"}, [], "a red door"),
        ({"opening": "a red door"}, [(0.0, 2.0, "a dog runs")], "a red door"),
        ({"opening": "None."}, [(0.0, 2.0, "a dog runs")], "a dog runs"),
        ({}, [(0.0, 2.0, "a dog runs"), (2.0, 4.0, "it rests")], "a dog runs"),
        # The first part was lost.
        ({}, [(2.0, 4.0, "it rests")], None),
        ({}, [], None),
    ],
)
def test_the_answer_about_the_beginning_or_the_first_part(
    answers: dict[QuestionKey, str], parts: Sequence[tuple[float, float, str]], shown: str | None
) -> None:
    result = described(answers, parts)
    for name in ("video_llava", "qwen2_vl_temporal"):
        assert read_inputs(Context(FACTS, {name: result})).shown == shown
    captioned = Blip2Result(**{**dict(result), "captions": ()})
    assert read_inputs(Context(FACTS, {"blip2_video_analyzer": captioned})).shown == shown


def test_without_a_model_nothing_is_known_and_nothing_is_missing() -> None:
    inputs = read_inputs(Context(FACTS, missing={"video_llava": "unavailable: no weights"}))
    assert inputs.shown is None
    assert not any("video_llava" in line for line in inputs.missing)
