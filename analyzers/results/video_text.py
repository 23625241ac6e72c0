"""What a video language model says about a clip: the same form for every such model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from analyzers.base import AnalysisFailed, AnalyzerResult, Context
from analyzers.inference.generation import Ending, Generated
from analyzers.inference.questions import QuestionKey, VideoFormat, format_of, says_none
from analyzers.signal.text_repeats import TextLimits, TextProblem, problem_of, repeated_share, similarity
from schema.base import Model, Seconds, TimedSpan, UnitScore
from schema.document import TimelineItem

Count = Annotated[int, Field(ge=0)]

HEADLINE_CHARACTERS = 300
"""A headline is as many whole sentences of the description as fit; the first one in any case."""

Basis = Literal["frames", "segments"]
"""What the model was shown: frames of the whole clip, or its own descriptions of the clip's parts."""


class GeneratedFacts(Model):
    """How a text came out."""

    confidence: UnitScore | None
    """Mean probability that the model gave the text's tokens; null without any. It says how sure the model was of its
    words, not that they are true."""
    tokens: Count
    ending: Ending
    """``end``: the model ended it; ``length``, ``time``: it was cut there."""
    repeated_share: UnitScore
    """Share of its four-word phrases that stood in it before."""
    looping: bool
    """That share reaches ``loop_share``."""
    problem: TextProblem | None
    """Why there is no text; null where there is one."""


class Description(GeneratedFacts):
    """The description of the whole clip."""

    text: str
    basis: Basis


class Answer(GeneratedFacts):
    """The answer to one of the fixed questions."""

    question: QuestionKey
    asked: str
    """The question, word for word."""
    answer: str | None
    says_none: bool
    """The answer is that there is none."""
    basis: Basis


class DescribedSegment(GeneratedFacts, TimedSpan):
    """What the model says about one part of the clip."""

    segment_id: Count
    """Place in the list."""
    description: str | None
    frames: Count
    """That it was shown."""
    similarity_to_previous: UnitScore | None
    """Overlap of three-word phrases with the segment before; 1 for the same words. Null where one has no text."""
    repeats_previous: bool
    """That similarity reaches ``repeat_similarity``."""


class Repetition(Model):
    """How much the model repeats itself."""

    segments: Count
    described: Count
    """With a text."""
    repeating: Count
    """That repeat the one before."""
    looping: Count
    """Texts of any kind with a loop inside."""
    repeating_share: UnitScore | None
    """Of the described segments; null without any."""


class Method(Model):
    """How the texts were made, so that they can be made again."""

    model: str
    """``id@revision``."""
    quantization: Literal["none", "int8", "nf4"]
    decoding: Literal["greedy"] = "greedy"
    prompt_format: str
    """The prompt around each question; the video's tokens stand once in it."""
    description_prompt: str
    frames_per_text: Count
    """Frames that one text is about, where the clip has as many."""
    picture_size: tuple[int, int]
    """Width and height in px of the frames as they reached the model's own scaling."""


class VideoTextResult(AnalyzerResult):
    """What a video language model says. Times are of the frames that it was shown."""

    description: Description | None
    """Of the whole clip; null where the model describes parts only."""
    format: VideoFormat | None
    """That the answer to the question of that name names."""
    answers: tuple[Answer, ...]
    """In the order of the fixed questions; empty where the model was not asked."""
    segments: tuple[DescribedSegment, ...]
    frame_times: tuple[Seconds, ...]
    """Of the frames behind answers with the basis ``frames``."""
    repetition: Repetition
    method: Method


@dataclass(frozen=True)
class SegmentText:
    """One part of the clip and what was generated for it.

    Attributes:
        start_s: Of the part.
        end_s: Of the part, exclusive.
        frames: That the model was shown.
        text: What it said.
    """

    start_s: float
    end_s: float
    frames: int
    text: Generated


def generated_facts(made: Generated, limits: TextLimits) -> dict[str, object]:
    """The fields of ``GeneratedFacts``."""
    share = repeated_share(made.text)
    problem = problem_of(made.text, limits)
    return {
        "confidence": made.confidence if made.tokens else None,
        "tokens": made.tokens,
        "ending": made.ending,
        "repeated_share": share,
        "looping": share >= limits.loop_share,
        "problem": problem,
    }


def description_from(made: Generated, basis: Basis, limits: TextLimits) -> Description:
    """The description of the whole clip.

    Raises:
        AnalysisFailed: ``degenerate_text``: it is empty, unreadable, or one phrase over and over; ``out_of_time``: not
            one word was ready in time.
    """
    facts = generated_facts(made, limits)
    if problem := facts["problem"]:
        raise _no_text(made, str(problem))
    return Description.model_validate({**facts, "text": made.text, "basis": basis})


def answer_from(key: QuestionKey, asked: str, made: Generated, basis: Basis, limits: TextLimits) -> Answer:
    """The answer to one question; null, with the problem beside it, where the text is none."""
    facts = generated_facts(made, limits)
    text = None if facts["problem"] else made.text
    none = text is not None and says_none(text)
    return Answer.model_validate(
        {**facts, "question": key, "asked": asked, "answer": text, "says_none": none, "basis": basis}
    )


def segments_from(
    parts: Iterable[SegmentText], limits: TextLimits, repeat_similarity: float, context: Context
) -> tuple[DescribedSegment, ...]:
    """The segments in order of time, cut to the video, each compared with the one before.

    Raises:
        AnalysisFailed: ``degenerate_text`` or ``out_of_time``: there are segments, and not one has a text.
    """
    made: list[DescribedSegment] = []
    ordered = sorted(parts, key=lambda part: part.start_s)
    for part in ordered:
        if (span := context.span(part.start_s, part.end_s)) is None:
            continue
        facts = generated_facts(part.text, limits)
        text = None if facts["problem"] else part.text.text
        before = made[-1].description if made else None
        alike = None if text is None or before is None else similarity(before, text)
        made.append(
            DescribedSegment.model_validate(
                {
                    **facts,
                    "start_time": span[0],
                    "end_time": span[1],
                    "segment_id": len(made),
                    "description": text,
                    "frames": part.frames,
                    "similarity_to_previous": alike,
                    "repeats_previous": alike is not None and alike >= repeat_similarity,
                }
            )
        )
    if made and not any(segment.description for segment in made):
        raise _no_text(ordered[0].text, str(made[0].problem))
    return tuple(made)


def repetition_of(segments: Sequence[DescribedSegment], others: Iterable[GeneratedFacts]) -> Repetition:
    """Counts over segments, and loops over all texts."""
    described = sum(segment.description is not None for segment in segments)
    repeating = sum(segment.repeats_previous for segment in segments)
    return Repetition(
        segments=len(segments),
        described=described,
        repeating=repeating,
        looping=sum(text.looping for text in (*segments, *others)),
        repeating_share=repeating / described if described else None,
    )


def format_from(answers: Iterable[Answer]) -> VideoFormat | None:
    """The format that the answer to that question names."""
    return next((format_of(a.answer) for a in answers if a.question == "format" and a.answer), None)


def segment_items(analyzer: str, segments: Sequence[DescribedSegment]) -> list[TimelineItem]:
    """Described segments for the time line; one that repeats its predecessor lengthens that one's item."""
    items: list[TimelineItem] = []
    for segment in segments:
        if segment.description is None:
            continue
        if segment.repeats_previous and items and items[-1].end_time >= segment.start_time - 1e-6:
            items[-1] = items[-1].model_copy(update={"end_time": segment.end_time})
            continue
        items.append(TimelineItem.of(segment, "seen", analyzer, one_line(segment.description), segment.confidence))
    return items


def headline_of(result: VideoTextResult) -> str | None:
    """The beginning of the description, in whole sentences; where there is none, that of the first segment."""
    texts = [result.description.text] if result.description else [s.description for s in result.segments]
    text = next((one_line(text) for text in texts if text), None)
    return None if text is None else _whole_sentences(text)


def one_line(text: str) -> str:
    """The text with single spaces and no line breaks."""
    return " ".join(text.split())


def _whole_sentences(text: str) -> str:
    sentences = text.split(". ")
    kept = sentences[0]
    for sentence in sentences[1:]:
        if len(kept) + len(sentence) + 2 > HEADLINE_CHARACTERS:
            break
        kept = f"{kept}. {sentence}"
    return kept if kept[-1] in ".!?" else f"{kept}."


def _no_text(made: Generated, problem: str) -> AnalysisFailed:
    if made.ending == "time" and not made.tokens:
        return AnalysisFailed(
            "out_of_time",
            "The model had not written a word when its time was up.",
            "Raise max_time_s in the yaml, or try again when less is in work.",
            retry_possible=True,
        )
    what = {"empty": "no words", "unreadable": "unreadable characters", "loop": "one phrase over and over"}[problem]
    return AnalysisFailed(
        "degenerate_text",
        f"The model wrote {what}.",
        "Check its weights with `tiktok-analyzer models verify`; if they are sound, choose another "
        "video_language_model in the yaml.",
    )
