"""What holds of the checklist of every document, whatever ran and whatever was found."""

from __future__ import annotations

from typing import Any

from reducer.checklist import value_at
from schema.checklist import Checklist


def check_places(document: dict[str, Any]) -> Checklist:
    """Every place is in the document and holds what the question's status says; every reason is its section's.

    Args:
        document: As JSON types, whole.

    Returns:
        Its checklist.
    """
    checklist = Checklist.model_validate(document["checklist"])
    for question in checklist.questions:
        for place in question.found_at:
            value = value_at(document, place.pointer)
            if question.status == "not_applicable":
                assert not value or place.fields, place.pointer
            else:
                assert value is not None, place.pointer
            for entry in value if place.fields else ():
                assert all(field.split("/")[0] in entry for field in place.fields), place
        if question.status in ("answered", "partial"):
            assert question.found_at, question.key
            assert not question.lacking, question.key
        if question.status == "unanswered":
            assert question.lacking, question.key
    assert {lack for question in checklist.questions for lack in question.lacking} == set(checklist.lacks)
    for lack in checklist.lacks.values():
        own = document["sections"].get(lack.analyzer)
        assert lack.status == (own["status"] if own else "not_run"), lack
    return checklist
