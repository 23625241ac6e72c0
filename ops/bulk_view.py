"""A mass run for people at a terminal: its state as a table, live while it is worked on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ops.bulk_process import Pace
from ops.bulk_run import Added, Standing

LINE_EVERY_S = 5.0
"""Wall seconds between two lines of output that goes to a file or a pipe."""

SHOWN_IN_WORK = 8
"""Videos in work that are listed; more are counted."""

SHOWN_REFUSED = 20


def print_added(console: Console, added: Added, batch: str) -> None:
    """What came of adding videos."""
    for what, why in added.refused[:SHOWN_REFUSED]:
        console.print(f"refused: {what}: {why}", style="yellow", markup=False, highlight=False)
    if len(added.refused) > SHOWN_REFUSED:
        console.print(f"refused: {len(added.refused) - SHOWN_REFUSED} more", style="yellow")
    parts = [f"{added.jobs} jobs added to {batch!r}"]
    parts += [f"{added.known} were there before"] if added.known else []
    parts += [f"{added.copies} are copies of others and get no job of their own"] if added.copies else []
    parts += [f"{len(added.refused)} refused"] if added.refused else []
    parts += [f"{added.passed_over} files without a video's ending passed over"] if added.passed_over else []
    console.print("; ".join(parts), highlight=False)


def render(standing: Standing, pace: Pace | None = None) -> RenderableType:
    """The state of a run."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    counts = standing.counts
    table.add_row("done", str(counts.get("done", 0)), "")
    table.add_row("in work", str(len(standing.working)), "")
    table.add_row("waiting", str(counts.get("queued", 0)), "")
    table.add_row("failed, may pass", str(sum(standing.retryable.values())), _codes(standing.retryable))
    table.add_row("failed for good", str(sum(standing.permanent.values())), _codes(standing.permanent))
    table.add_row("cancelled", str(counts.get("cancelled", 0)), "")
    table.add_row("copies of others", str(standing.copies), "")
    parts: list[RenderableType] = [table]
    parts += [
        Text(f"  {record.progress:4.0%}  {record.state:<11} {record.source.name}", "dim", no_wrap=True)
        for record in standing.working[:SHOWN_IN_WORK]
    ]
    if len(standing.working) > SHOWN_IN_WORK:
        parts.append(Text(f"  and {len(standing.working) - SHOWN_IN_WORK} more", "dim"))
    if pace is not None:
        parts.append(Text(pace_line(standing, pace)))
    return Group(*parts)


def pace_line(standing: Standing, pace: Pace) -> str:
    """Progress, rate and time left in one line."""
    total = standing.ended + standing.open
    text = f"{standing.ended} of {total} ended"
    if pace.per_minute is not None:
        text += f", {pace.per_minute:.1f} a minute"
    if pace.remaining_s is not None and standing.open:
        text += f", {clock(pace.remaining_s)} left"
    return text


def clock(seconds: float) -> str:
    """As ``1:02:03`` or ``2:03``."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


@contextmanager
def live_view(console: Console) -> Iterator[Callable[[Standing, Pace], None]]:
    """Shows the run while it goes on: a table that changes, or a line now and then where there is no terminal."""
    if not console.is_terminal:
        yield _lines(console)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda standing, pace: live.update(render(standing, pace), refresh=True)


def _lines(console: Console) -> Callable[[Standing, Pace], None]:
    last_s, last = -LINE_EVERY_S, -1

    def show(standing: Standing, pace: Pace) -> None:
        nonlocal last_s, last
        now_s = time.monotonic()
        if standing.ended != last and (now_s - last_s >= LINE_EVERY_S or not standing.open):
            console.print(pace_line(standing, pace), highlight=False)
            last_s, last = now_s, standing.ended

    return show


def _codes(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {code}" for code, count in sorted(counts.items(), key=lambda item: -item[1]))
