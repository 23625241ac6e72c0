"""The lines of the accuracy table: a value, how many cases it rests on, the target, and what was wrong where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.scoring import Score
from benchmarks.truth_clips import Clips
from schema.document import VideoFacts


@dataclass(frozen=True)
class Target:
    """A bound that a value must reach (``at_least``) or must not pass."""

    bound: float
    at_least: bool = True

    def met(self, value: float) -> bool:
        """Whether the value satisfies it."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.bound:g}"


def at_least(bound: float) -> Target:
    """A lower bound."""
    return Target(bound)


def at_most(bound: float) -> Target:
    """An upper bound."""
    return Target(bound, at_least=False)


@dataclass(frozen=True)
class Figure:
    """One line.

    Attributes:
        analyzer: Of the catalogue.
        measure: What was measured, on what.
        value: Null where there was nothing to measure.
        unit: Of the value: ``F1``, ``share``, ``s``, ...
        cases: How many true things, frames or clips it rests on.
        score: Counts behind an F1.
        target: Null where none was set.
        misses: What was wrong, with clip and time.
        note: How it was counted, where that is not plain.
    """

    analyzer: str
    measure: str
    value: float | None
    unit: str
    cases: int
    score: Score | None = None
    target: Target | None = None
    misses: tuple[str, ...] = ()
    note: str = ""

    @property
    def met(self) -> bool | None:
        """None without a target or a value."""
        return self.target.met(self.value) if self.target and self.value is not None else None

    def as_json(self) -> dict[str, Any]:
        """For the file."""
        out: dict[str, Any] = {"analyzer": self.analyzer, "measure": self.measure, "unit": self.unit}
        out |= {"value": rounded(self.value), "cases": self.cases}
        if self.score:
            out |= {"precision": rounded(self.score.precision), "recall": rounded(self.score.recall)}
            out |= {"right": self.score.right, "found": self.score.found, "truth": self.score.truth}
        if self.target:
            out |= {"target": str(self.target), "met": self.met}
        return out | {k: v for k, v in (("misses", list(self.misses)), ("note", self.note)) if v}


@dataclass(frozen=True)
class Outcome:
    """What an analyzer answered for one clip.

    Attributes:
        result: Its result model; None where it has none.
        status: Of the section.
        code: Why there is no result; empty where there is one.
        video: Facts of the clip.
    """

    result: Any
    status: str
    code: str
    video: VideoFacts

    @property
    def fps(self) -> float:
        """Mean frame rate, for naming frames by their time."""
        return self.video.frame_rate or 1.0


Outcomes = Mapping[str, Outcome]
"""By clip."""


@dataclass(frozen=True)
class Measure:
    """Something measured over clips.

    Attributes:
        analyzer: Whose results are judged.
        clips: Names; those that are absent are left out.
        judge: Figures from the outcomes of those that are there.
        none_is_an_answer: Whether ``judge`` takes outcomes without a result ("no speech"), too.
    """

    analyzer: str
    clips: tuple[str, ...]
    judge: Callable[[Outcomes, Clips], list[Figure]]
    none_is_an_answer: bool = False


def f1_figure(analyzer: str, measure: str, score: Score, misses: Iterable[str], **more: Any) -> Figure:
    """A line for a detection task."""
    return Figure(analyzer, measure, score.f1, "F1", score.truth, score, misses=tuple(misses), **more)


def rounded(value: float | None) -> float | None:
    """For people and files."""
    return None if value is None else round(value, 4)


def short(value: float | None) -> str:
    """Three digits behind the point where there is a point."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value == round(value) and abs(value) >= 10 else f"{value:.3f}"


def figure_table(title: str, figures: Sequence[Figure]) -> Table:
    """The lines of one group."""
    table = Table(title=title, title_justify="left")
    for name, side in (
        ("analyzer", "left"),
        ("measure", "left"),
        ("precision", "right"),
        ("recall", "right"),
        ("value", "right"),
        ("unit", "left"),
        ("cases", "right"),
        ("target", "right"),
        ("met", "left"),
    ):
        table.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]  # a Literal in rich
    last = ""
    for f in figures:
        met = {True: "[green]yes[/]", False: "[red]NO[/]", None: ""}[f.met]
        counts = (short(f.score.precision), short(f.score.recall)) if f.score else ("", "")
        analyzer = f.analyzer if f.analyzer != last else ""
        target = str(f.target) if f.target else ""
        table.add_row(analyzer, f.measure, *counts, short(f.value), f.unit, str(f.cases), target, met)
        last = f.analyzer
    return table


def print_misses(console: Console, figures: Sequence[Figure]) -> None:
    """What was wrong, line by line, so that a developer can look at it."""
    for f in figures:
        if f.misses or f.note:
            console.print(f"[bold]{f.analyzer}, {f.measure}[/]" + (f" ({f.note})" if f.note else ""), highlight=False)
            for miss in f.misses:
                console.print(f"  {miss}", highlight=False, soft_wrap=True)
