"""The form of the questions of a breakdown, and why some of them stay open whatever is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Of = Literal["anything", "pictures", "sound", "speech"]
"""What a question is about; it does not apply to a video without that."""

Source = tuple[str, ...]
"""Analyzers of which one is run, the usual one first."""

VIDEO_MODEL: Source = ("video_llava", "qwen2_vl_temporal", "blip2_video_analyzer")

NOTHING_TO_MEND = "Nothing to mend."


@dataclass(frozen=True)
class Open:
    """Why a result that is there leaves a question open.

    Attributes:
        code: Stable, for programs.
        reason: For people.
        remedy: What to do about it.
    """

    code: str
    reason: str
    remedy: str = NOTHING_TO_MEND


@dataclass(frozen=True)
class Way:
    """One place that may hold an answer.

    Attributes:
        source: Whose result it stands in; empty for a path from the document's root.
        path: Below that result, as in a JSON Pointer.
        fields: Where the path leads to a list: what of each entry answers.
        needs: Analyzers without which the source leaves it null.
        entry: Where the path leads to a list of which one entry is meant: a field and its value there, and the field
            that answers.
        when_null: What null means, also null in every entry; that the video has nothing of the kind where left out.
        never: No analyzer gives it; the source is the one that would.
    """

    source: Source
    path: str = ""
    fields: tuple[str, ...] = ()
    needs: tuple[Source, ...] = ()
    entry: tuple[str, str, str] | None = None
    when_null: Open | None = None
    never: Open | None = None


@dataclass(frozen=True)
class Asked:
    """One question; any of its ways answers it. What it is about is that of its point where it says nothing."""

    key: str
    asks: str
    ways: tuple[Way, ...]
    of: tuple[Of, ...] = ()


@dataclass(frozen=True)
class Point:
    """One point of a breakdown. Keys of its questions begin with ``key``."""

    key: str
    topic: str
    of: Of
    questions: tuple[Asked, ...]


NO_ANSWER = Open(
    "no_answer",
    "The video language model was not asked this, or its answer was no text.",
    "Set video_language_model to video_llava or qwen2_vl_temporal in the Serve yaml; blip2_video_analyzer answers no "
    "questions. Where one of these ran, `problem` beside the answer says what was wrong with it.",
)
NO_SPEAKER_MODEL = Open(
    "no_speaker_model",
    "Nothing tells voices apart: the catalogue has no model for speakers, and pitch alone would be a guess.",
    "No analyzer here can; listen to it. people.at_once counts who is seen, not who speaks.",
)
NO_PERSON_MODEL = Open(
    "no_person_model",
    "Nothing knows a person again after a cut: tracks end with their shot, and faces are not compared.",
    "No analyzer here can; look at it. people.at_once has the most people in one picture.",
)
NOT_PARTED = Open(
    "not_parted",
    "Motion is measured over the whole picture; nothing parts that of the background from that of the subject.",
    "No analyzer here can; the nearest is place.movement, all that moves against the camera.",
)
TOO_FEW_WORDS = Open(
    "too_few_words",
    "The texts have too few of the small words that tell languages in Latin letters apart, or one without a list.",
    "No analyzer here can; `script` names the letters, and speech.language has what is spoken.",
)
NO_WORD_LIST = Open(
    "no_word_list",
    "There is no list of words of the second person for the language that is spoken.",
    "No analyzer here can; speech.transcript has the words.",
)
