"""What the document answers of a breakdown as it is written by hand: where each answer stands, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from schema.base import Model
from schema.status import SectionError, SectionStatus

QuestionStatus = Literal["answered", "partial", "not_applicable", "unanswered"]
"""``answered``: it stands at ``found_at``; that may be an empty list: there is none. ``partial``: the same, of a part
of the video. ``not_applicable``: the video has nothing of the kind (no speech, no face, no effect on a text).
``unanswered``: ``lacking`` says who could not give it."""


class AnswerPlace(Model):
    """Where an answer stands in the document."""

    pointer: str
    """JSON Pointer (RFC 6901) from the document's root."""
    fields: tuple[str, ...] = ()
    """Of each entry, where the pointer leads to a list: what answers, ``a/b`` for ``b`` in ``a``. Empty: all of it."""


class Lack(Model):
    """An analyzer that could answer a question and has not, or that nobody could."""

    analyzer: str
    status: SectionStatus | Literal["not_run"]
    """Of its section; ``ok`` where it has a result that does not hold this. ``not_run``: it has no section."""
    error: SectionError
    """The section's own error; for ``ok`` and ``not_run`` what stands in its place."""


class Question(Model):
    """One thing that a breakdown says of a video."""

    key: str
    """Stable, for programs: ``speech.language``."""
    asks: str
    status: QuestionStatus
    found_at: tuple[AnswerPlace, ...]
    lacking: tuple[str, ...]
    """Keys of ``Checklist.lacks``; empty where it is answered."""


class ChecklistPoint(Model):
    """One point of a breakdown."""

    number: Annotated[int, Field(ge=1)]
    topic: str
    questions: tuple[Question, ...]

    def with_status(self, *statuses: QuestionStatus) -> tuple[Question, ...]:
        """Its questions that came out so."""
        return tuple(question for question in self.questions if question.status in statuses)


class Checklist(Model):
    """The points of a breakdown. It holds places in the document and reasons, and no finding of its own."""

    points: tuple[ChecklistPoint, ...] = ()
    lacks: dict[str, Lack] = {}
    """Why questions stay open, each reason once: under the analyzer's name, a dot and the error's code."""

    @property
    def questions(self) -> Iterator[Question]:
        """Those of all points."""
        return (question for point in self.points for question in point.questions)

    def open_without(self, lack: str) -> tuple[Question, ...]:
        """The unanswered questions that wait for this one of ``lacks``, beside others perhaps."""
        return tuple(q for q in self.questions if q.status == "unanswered" and lack in q.lacking)
