"""The checklist of a document for people at a terminal: what is answered, what is open, and what would answer more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set

from rich.table import Table

from schema.checklist import Checklist, ChecklistPoint

OPEN_SHOWN = 6
"""Open questions of a point that are printed; the document holds all."""

WAITING_NAMED = 3
"""Questions that wait for one remedy are named up to this number; more are counted by point."""


def checklist_table(checklist: Checklist) -> Table:
    """One row per point: how many of its questions are answered, and which are not."""
    table = Table("point", "answered", "open", title="Checklist", title_justify="left")
    for point in checklist.points:
        done, asked = len(point.with_status("answered", "partial")), len(point.questions)
        silent = len(point.with_status("not_applicable"))
        if silent == asked:
            table.add_row(f"{point.number} {point.topic}", "-", "does not apply", style="dim")
            continue
        style = "green" if done + silent == asked else "yellow" if done else "red"
        answered = f"[{style}]{done} of {asked - silent}[/]"
        table.add_row(f"{point.number} {point.topic}", answered, _open(point))
    return table


def remedies_table(checklist: Checklist) -> Table | None:
    """One row per thing to do, with the questions that wait for it; None where no question is open."""
    table = Table("to answer more", "would answer")
    waiting: dict[str, set[str]] = {}
    for key, lack in checklist.lacks.items():
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


def _open(point: ChecklistPoint) -> str:
    """What is not answered, and what is for a part of the video only."""
    asks = [question.asks for question in point.with_status("unanswered")]
    asks += [f"{question.asks} (in part)" for question in point.with_status("partial")]
    hidden = len(asks) - OPEN_SHOWN
    return "; ".join(asks[:OPEN_SHOWN]) + (f"; +{hidden}" if hidden > 0 else "")
