"""The checklist at a terminal: counts, what is open, and what to do about it."""

from __future__ import annotations

import io
from typing import Literal

from rich.console import Console

from ops.render_checklist import OPEN_SHOWN, checklist_table, remedies_table
from schema.checklist import AnswerPlace, Checklist, ChecklistPoint, Lack, Question, QuestionStatus
from schema.document import SectionError

PULL = "tiktok-analyzer models pull x"


def question(key: str, status: QuestionStatus, *lacking: str) -> Question:
    places = (AnswerPlace(pointer="/video"),) if status in ("answered", "partial") else ()
    return Question(key=key, asks=key.partition(".")[2], status=status, found_at=places, lacking=lacking)


def lack(remedy: str, status: Literal["unavailable", "not_run"] = "unavailable") -> Lack:
    return Lack(analyzer="a", status=status, error=SectionError(code="c", reason="r", remedy=remedy))


def point(number: int, topic: str, *questions: Question) -> ChecklistPoint:
    return ChecklistPoint(number=number, topic=topic, questions=questions)


def printed(checklist: Checklist) -> str:
    out = Console(file=io.StringIO(), width=120)
    out.print(checklist_table(checklist))
    if (remedies := remedies_table(checklist)) is not None:
        out.print(remedies)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def row(text: str, start: str) -> list[str]:
    (found,) = (line for line in text.splitlines() if line.startswith(f"│ {start}"))
    return [cell.strip() for cell in found.strip("│").split("│")]


def test_points_count_what_applies() -> None:
    text = printed(
        Checklist(
            points=(
                point(1, "full", question("a.one", "answered"), question("a.two", "not_applicable")),
                point(2, "half", question("b.one", "answered"), question("b.two", "unanswered", "a.c")),
                point(3, "some", question("c.one", "partial")),
                point(4, "mute", question("d.one", "not_applicable")),
            ),
            lacks={"a.c": lack(PULL)},
        )
    )
    assert row(text, "1 full") == ["1 full", "1 of 1", ""]
    assert row(text, "2 half") == ["2 half", "1 of 2", "two"]
    assert row(text, "3 some") == ["3 some", "1 of 1", "one (in part)"]
    assert "4 mute" not in text
    assert "does not apply: mute" in text
    assert row(text, PULL) == [PULL, "half: two"]


def test_many_open_questions_are_counted() -> None:
    many = [question(f"a.q{k}", "unanswered", "a.c", "b.c") for k in range(OPEN_SHOWN + 2)]
    text = printed(Checklist(points=(point(1, "p", *many),), lacks={"a.c": lack(PULL), "b.c": lack("Nothing here.")}))
    assert row(text, "1 p")[2].endswith("q5; +2")
    assert row(text, PULL)[1] == row(text, "Nothing here.")[1] == "8: 8 of p"


def test_what_was_not_asked_for_is_counted_and_no_more() -> None:
    text = printed(
        Checklist(
            points=(
                point(1, "none", question("a.one", "unanswered", "b.c"), question("a.two", "not_applicable")),
                point(
                    2, "both", *(question(f"b.q{k}", "unanswered", key) for k, key in enumerate(("a.c", "b.c", "b.c")))
                ),
            ),
            lacks={"a.c": lack(PULL), "b.c": lack("Ask for it.", "not_run")},
        )
    )
    assert "1 none" not in text
    assert "not asked for: none" in text
    assert row(text, "2 both") == ["2 both", "0 of 3", "q0; 2 not asked for"]
    assert row(text, PULL) == [PULL, "both: q0"]
    assert "Ask for it." not in text


def test_nothing_is_to_be_done_where_nothing_is_open() -> None:
    silent = Checklist(points=(point(1, "p", question("a.q", "not_applicable", "a.c")),), lacks={"a.c": lack(PULL)})
    assert remedies_table(silent) is None
    assert PULL not in printed(silent)
