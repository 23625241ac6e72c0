"""What a video language model is asked. Fixed, so that answers can be compared between videos and between models.

They are the points of a hand-written breakdown that no other analyzer measures: who and what is seen, where, how it
feels and what it is for. A question that may have no answer says which word stands for that; otherwise a model makes
one up. They are part of each result, word for word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from analyzers.signal.text_repeats import words_of

QuestionKey = Literal[
    "what_happens",
    "opening",
    "who",
    "body",
    "expression",
    "product",
    "setting",
    "light_and_style",
    "mood",
    "call_to_action",
    "format",
]
"""Name of a question in results."""

VideoFormat = Literal[
    "vlog", "talking head", "tutorial", "skit", "dance", "music", "product", "review", "interview", "news", "sport"
]
"""Formats of short videos that a model may choose from."""

NONE = "none"
"""What a model answers where there is nothing of what it was asked for."""

OVERALL = "Describe this video from beginning to end: what happens, who is seen and where."
"""The description of the whole clip."""

PART = "This is a short part of a longer video. Describe what happens in it in one or two sentences."
"""The description of one part."""

QUESTIONS: Mapping[QuestionKey, str] = {
    "what_happens": "What happens in this video? Name the main actions in their order, in one or two sentences.",
    "opening": "What is shown at the very beginning of this video?",
    "who": f"Who is in this video? Say how many people or animals are seen and what they look like. If nobody is seen, "
    f"answer: {NONE}.",
    "body": f"Describe the posture and gestures of the people in this video and what their hands do. If nobody is "
    f"seen, answer: {NONE}.",
    "expression": f"What do the faces in this video express? If no face is seen, answer: {NONE}.",
    "product": f"Which product or brand is shown in this video, and is it held, used, named or in the background? If "
    f"there is none, answer: {NONE}.",
    "setting": "Where does this video take place, and what is in the background?",
    "light_and_style": "How is this video lit, and what is its visual style?",
    "mood": "What is the mood of this video? Answer in a few words.",
    "call_to_action": f"Does this video ask its viewers to do something? Say what. If it does not, answer: {NONE}.",
    "format": f"What kind of video is this: {', '.join(get_args(VideoFormat))}? Answer with one of these. If none "
    f"fits, answer: {NONE}.",
}
"""In the order of results."""

SEVERAL_PARTS = "These are descriptions of consecutive parts of one video.\n\n{parts}\n\n{question}"
"""How a question about the whole is put to a model that has seen the parts: ``parts`` are lines with times."""


@dataclass(frozen=True)
class PartText:
    """What was said of the part from ``start_s`` to ``end_s``."""

    start_s: float
    end_s: float
    text: str


def about_parts(parts: Sequence[PartText], question: str, most_characters: int) -> str:
    """The question with what was said of the parts; where they are too long together, evenly fewer of them."""
    lines = [f"[{part.start_s:.1f} s - {part.end_s:.1f} s] {' '.join(part.text.split())}" for part in parts]
    step = 1
    while step < len(lines) and sum(map(len, lines[::step])) > most_characters:
        step += 1
    return SEVERAL_PARTS.format(parts="\n".join(lines[::step])[:most_characters], question=question)


def says_none(answer: str) -> bool:
    """Whether the answer is that there is none."""
    return words_of(answer) == [NONE]


def format_of(answer: str) -> VideoFormat | None:
    """The one format that the answer names; None where it names none or several."""
    words = f" {' '.join(words_of(answer))} "
    named: list[VideoFormat] = [f for f in get_args(VideoFormat) if f" {f} " in words]
    return named[0] if len(named) == 1 else None
