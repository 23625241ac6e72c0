"""Tables and bars of ``tiktok-analyzer models``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as SpeedColumn
from rich.table import Table
from rich.text import Text

from weights.check import Finding
from weights.pin import Pin, SizeKnown
from weights.pull import Outcome

STATE_STYLE = {"ready": "green", "missing": "dim"}
"""Every other state is worth a look."""

COMMIT_LETTERS = 12
"""Of a commit, shown: enough to tell two of a repository apart."""


AT_FIRST_PULL = "at first pull"

NOTES = (
    f"{AT_FIRST_PULL}: no public source states the commit; the first verified pull records it with every sha256, and "
    "all later pulls and verify are held to that. ~: counted, as no source states the size: number of weights times "
    "the bytes of each. The licences' texts: --json."
)
"""Under the table."""


def size_text(size_bytes: int, known: SizeKnown = "stated") -> str:
    """``1.2 GB``, or ``~1.2 GB`` where it was counted."""
    if known == "counted":
        return f"~{size_text(size_bytes)}"
    value, unit = float(size_bytes), "B"
    for bigger in ("kB", "MB", "GB"):
        if value < 1000.0:
            break
        value, unit = value / 1000.0, bigger
    return f"{value:.0f} {unit}" if unit in ("B", "kB") or value >= 100 else f"{value:.1f} {unit}"


def revision_text(finding: Finding) -> str:
    """A commit in short, other revisions whole; of a pin without one what its first pull has recorded."""
    revision = finding.pin.revision or (finding.detail if finding.state == "ready" else "")
    if not revision:
        return AT_FIRST_PULL
    return revision[:COMMIT_LETTERS] if len(revision) == 40 else revision


def models_table(findings: Sequence[Finding], weights: Path) -> Table:
    """Three lines per pin, so that nothing is cut to pieces on 80 columns: source and users stand below its name."""
    table = Table(
        title=f"Models in {weights}",
        title_justify="left",
        header_style="bold",
        caption=NOTES,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        leading=1,
    )
    table.add_column("model, source @ revision, used by", overflow="fold", ratio=5)
    table.add_column("size", no_wrap=True, justify="right")
    table.add_column("state", no_wrap=True)
    table.add_column("licence", overflow="fold", ratio=3)
    for finding in findings:
        pin = finding.pin
        style = STATE_STYLE.get(finding.state, "red")
        kind = "permissive" if pin.permissive else f"not permissive; instead: {pin.alternative}"
        table.add_row(
            Text.assemble(
                (pin.name, "bold"),
                (f"\n{pin.source} @ {revision_text(finding)}\n", ""),
                (f"for {', '.join(pin.used_by)}{', on a GPU' if pin.for_gpu else ''}", "dim"),
            ),
            size_text(pin.size_bytes, pin.size_known),
            Text(finding.state, style),
            Text.assemble(pin.licence, (f"\n{kind}", "dim")),
        )
    return table


def verify_table(findings: Sequence[Finding]) -> Table:
    """One row per pin that was checked."""
    table = Table(header_style="bold")
    for column in ("model", "state", "detail"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        style = STATE_STYLE.get(finding.state, "red")
        table.add_row(finding.pin.name, f"[{style}]{finding.state}[/{style}]", finding.detail)
    return table


def as_json(finding: Finding) -> dict[str, Any]:
    """A row for programs; null where something is not known."""
    pin = finding.pin
    return {
        "name": pin.name,
        "title": pin.title,
        "source": pin.source,
        "revision": pin.revision,
        "size_bytes": pin.size_bytes,
        "size_known": pin.size_known,
        "licence": pin.licence,
        "licence_url": pin.licence_url,
        "permissive": pin.permissive,
        "alternative": pin.alternative or None,
        "for_gpu": pin.for_gpu,
        "used_by": list(pin.used_by),
        "state": finding.state,
        "detail": finding.detail or None,
    }


class Bars:
    """One bar per pin; told by several threads at once.

    Args:
        bars: The display.
    """

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def begin(self, pin: Pin, size_bytes: int | None) -> None:
        """A bar for this pin; without an end where the size is not known."""
        self._tasks[pin.name] = self._bars.add_task(pin.name, total=size_bytes, status="")

    def moved(self, pin: Pin, count: int) -> None:
        """Moves its bar."""
        self._bars.advance(self._tasks[pin.name], count)

    def end(self, pin: Pin, outcome: Outcome) -> None:
        """Says what became of it."""
        if outcome.error is None and not outcome.fetched:
            self._tasks[pin.name] = self._bars.add_task(pin.name, total=0, status="")
        # One that failed before its first byte has no bar.
        if pin.name in self._tasks:
            status = outcome.error.code if outcome.error else "done" if outcome.fetched else "already there"
            self._bars.update(self._tasks[pin.name], status=status)


@contextmanager
def bars(out: Console) -> Iterator[Bars]:
    """A display with a bar per pin."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), SpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[status]}"), console=out) as progress:
        yield Bars(progress)
