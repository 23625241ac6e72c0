"""Holds a document against the questions of a breakdown: where each answer stands, or who could not give it and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reducer.points import POINTS
from reducer.questions import NOTHING_TO_MEND, Of, Open, Source, Way
from schema.checklist import AnswerPlace, Checklist, ChecklistPoint, Lack, Question, QuestionStatus
from schema.document import Breakdown, Section, SectionError, VideoFacts


def checklist_of(sections: Mapping[str, Section], breakdown: Breakdown, video: VideoFacts) -> Checklist:
    """Every question of every point.

    Args:
        sections: By analyzer.
        breakdown: Of the same document.
        video: Its facts.
    """
    moot = _moot(sections, video)
    root = {
        "sections": {name: {"result": section.result} for name, section in sections.items()},
        "breakdown": breakdown.model_dump(mode="json"),
    }
    lacks: dict[str, Lack] = {}
    points = []
    for number, point in enumerate(POINTS, 1):
        questions = []
        for asked in point.questions:
            without = [moot[of] for of in asked.of or (point.of,) if of in moot]
            tried = without or [_look(way, sections, root) for way in asked.ways]
            own = {f"{o.analyzer}.{o.error.code}": o for o in tried if isinstance(o, Lack)}
            question = _question(f"{point.key}.{asked.key}", asked.asks, tried, own)
            lacks |= {key: own[key] for key in question.lacking}
            questions.append(question)
        points.append(ChecklistPoint(number=number, topic=point.topic, questions=tuple(questions)))
    return Checklist(points=tuple(points), lacks=lacks)


def value_at(document: Any, pointer: str) -> Any:
    """The value of a document, as JSON types, at a JSON Pointer.

    Raises:
        LookupError: There is none.
    """
    value = document
    for step in pointer.split("/")[1:]:
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


@dataclass(frozen=True)
class _Found:
    """What stands at a way's place.

    Attributes:
        place: None where there is no such place: the list is shorter, or what it is part of is null.
        status: ``answered``, ``partial`` or ``not_applicable``.
    """

    place: AnswerPlace | None
    status: QuestionStatus


def _moot(sections: Mapping[str, Section], video: VideoFacts) -> dict[Of, _Found | Lack]:
    """What the video is without, and what says so."""
    moot: dict[Of, _Found | Lack] = {}
    if not video.has_video:
        moot["pictures"] = _Found(AnswerPlace(pointer="/video/width"), "not_applicable")
    if video.audio is None:
        moot["sound"] = moot["speech"] = _Found(AnswerPlace(pointer="/video/audio"), "not_applicable")
    elif (flow := sections.get("speech_flow")) is not None and flow.status == "not_applicable":
        moot["speech"] = _without_result("speech_flow", flow)
    return moot


def _question(key: str, asks: str, tried: Sequence[_Found | Lack], lacks: Mapping[str, Lack]) -> Question:
    """One answer is enough: then what else could have given one is left out."""
    found = [outcome for outcome in tried if isinstance(outcome, _Found)]
    answers = [outcome for outcome in found if outcome.status != "not_applicable"]
    status: QuestionStatus = "unanswered"
    if answers:
        found, lacks = answers, {}
        status = "answered" if any(outcome.status == "answered" for outcome in found) else "partial"
    elif all(lack.status == "not_applicable" for lack in lacks.values()):
        status = "not_applicable"
    places = tuple(outcome.place for outcome in found if outcome.place is not None)
    return Question(key=key, asks=asks, status=status, found_at=places, lacking=tuple(lacks))


def _look(way: Way, sections: Mapping[str, Section], root: Mapping[str, Any]) -> _Found | Lack:
    """What stands at a way's place; or why nothing does."""
    name, section = _run(way.source, sections) if way.source else ("", None)
    if way.source:
        if way.never is not None and (section is None or section.status != "not_applicable"):
            return _open(name, section, way.never)
        if section is None or section.result is None:
            return _without_result(name, section)
    place, inside = _values(way, f"/sections/{name}/result" if way.source else "", root)
    if not inside and way.source:  # a list without entries: whatever would tell more of them, there are none
        return _Found(place, "not_applicable")
    if (lack := _missing(way.needs, sections)) is not None:
        return lack
    unknown = all(value is None for value in inside)
    if unknown and inside and section is not None and way.when_null is not None:
        return _open(name, section, way.when_null)
    if unknown:
        return _Found(place, "not_applicable")
    return _Found(place, "partial" if section is not None and section.status == "partial" else "answered")


def _missing(needs: Sequence[Source], sections: Mapping[str, Section]) -> Lack | None:
    """The first of the needed analyzers that has nothing to say, not even that there is nothing."""
    for need in needs:
        name, section = _run(need, sections)
        if section is None or (section.result is None and section.status != "not_applicable"):
            return _without_result(name, section)
    return None


def _run(source: Source, sections: Mapping[str, Section]) -> tuple[str, Section | None]:
    """The one of the alternatives that the document has a section of; the usual one where it has none."""
    name = next((name for name in source if name in sections), source[0])
    return name, sections.get(name)


def _values(way: Way, base: str, root: Mapping[str, Any]) -> tuple[AnswerPlace | None, list[Any]]:
    """The place, and what answers there: its value, or those of the fields; null where there is no such place."""
    pointer = f"{base}/{way.path}"
    try:
        value = value_at(root, pointer)
        if way.entry is not None:
            field, wanted, answer = way.entry
            index = next(i for i, entry in enumerate(value) if entry[field] == wanted)
            pointer, value = f"{pointer}/{index}/{answer}", value[index][answer]
        inside = [value] if value is None or not way.fields else list(_leaves(value, way.fields))
    except (LookupError, TypeError, StopIteration):
        return None, [None]
    return AnswerPlace(pointer=pointer, fields=way.fields), inside


def _leaves(value: Any, fields: tuple[str, ...]) -> Iterator[Any]:
    """The values of these fields in each entry of a list; lists on the way and at the end are gone through."""
    for field in fields:
        found = [value]
        for step in field.split("/"):
            found = [None if entry is None else entry[step] for entry in _flat(found)]
        yield from _flat(found)


def _flat(values: list[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value


def _open(name: str, section: Section | None, why: Open) -> Lack:
    error = SectionError(code=why.code, reason=why.reason, remedy=why.remedy)
    return Lack(analyzer=name, status=section.status if section else "not_run", error=error)


def _without_result(name: str, section: Section | None) -> Lack:
    if section is None:
        reason = "It was not asked for, or is not deployed."
        remedy = f"Ask for {name} too; where it is not deployed, add it to args.analyzers in the Serve yaml."
        return Lack(analyzer=name, status="not_run", error=SectionError(code="not_run", reason=reason, remedy=remedy))
    error = section.error or SectionError(code="no_result", reason="It has no result.", remedy=NOTHING_TO_MEND)
    return Lack(analyzer=name, status=section.status, error=error)
