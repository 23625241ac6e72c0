"""The checklist of a document for people at a terminal: what is answered, what is open, and what would answer more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set

from rich.table import Table

from schema.checklist import Checklist, ChecklistPoint, Question

OPEN_SHOWN = 6
"""Open questions of a point that are printed; the document holds all."""

SILENT = frozenset({"not_run", "not_applicable"})
"""Why questions stay open that nobody needs to do anything about."""

WAITING_NAMED = 3
"""Questions that wait for one remedy are named up to this number; more are counted by point."""


def checklist_table(checklist: Checklist) -> Table:
    """One row per point: how many of its questions are answered, and which are not. Points of which nothing applies or
    nothing was asked for are named below."""
    table = Table("point", "answered", "open", title="Checklist", title_justify="left", caption_justify="left")
    left_out: dict[str, list[str]] = {}
    for point in checklist.points:
        done, asked = len(point.with_status("answered", "partial")), len(point.questions)
        silent = len(point.with_status("not_applicable"))
        if silent == asked or (not done and _not_asked(checklist, point) == asked - silent):
            why = "does not apply" if silent == asked else "not asked for"
            left_out.setdefault(why, []).append(point.topic)
            continue
        style = "green" if done + silent == asked else "yellow" if done else "red"
        answered = f"[{style}]{done} of {asked - silent}[/]"
        table.add_row(f"{point.number} {point.topic}", answered, _open(checklist, point))
    table.caption = "; ".join(f"{why}: {', '.join(topics)}" for why, topics in left_out.items()) or None
    return table


def remedies_table(checklist: Checklist) -> Table | None:
    """One row per thing to do, with the questions that wait for it; None where no question is open. Analyzers that
    were not asked for are left out: who asks for some of them knows that there are others."""
    table = Table("to answer more", "would answer")
    waiting: dict[str, set[str]] = {}
    for key, lack in checklist.lacks.items():
        if lack.status in SILENT:
            continue
        waiting.setdefault(lack.error.remedy, set()).update(q.key for q in checklist.open_without(key))
    for remedy, keys in sorted(waiting.items(), key=lambda item: -len(item[1])):
        if keys:
            table.add_row(remedy, _waiting(checklist, keys))
    return table if table.row_count else None


def _waiting(checklist: Checklist, keys: Set[str]) -> str:
    """The questions with these keys: by name, or by number where there are many."""
    found = [(p.topic, q.asks) for p in checklist.points for q in p.questions if q.key in keys]
    if len(found) <= WAITING_NAMED:
        return "; ".join(f"{topic}: {asks}" for topic, asks in found)
    return f"{len(found)}: " + ", ".join(f"{n} of {topic}" for topic, n in Counter(t for t, _ in found).items())


def _open(checklist: Checklist, point: ChecklistPoint) -> str:
    """What is not answered, and what is for a part of the video only."""
    asks = [q.asks for q in point.with_status("unanswered") if not _only_not_asked(checklist, q)]
    asks += [f"{question.asks} (in part)" for question in point.with_status("partial")]
    hidden, others = len(asks) - OPEN_SHOWN, _not_asked(checklist, point)
    shown = [
        *asks[:OPEN_SHOWN],
        *([f"+{hidden}"] if hidden > 0 else []),
        *([f"{others} not asked for"] if others else []),
    ]
    return "; ".join(shown)


def _not_asked(checklist: Checklist, point: ChecklistPoint) -> int:
    """Its questions that are open because their analyzers were not asked for."""
    return sum(_only_not_asked(checklist, question) for question in point.with_status("unanswered"))


def _only_not_asked(checklist: Checklist, question: Question) -> bool:
    return all(checklist.lacks[lack].status == "not_run" for lack in question.lacking)
