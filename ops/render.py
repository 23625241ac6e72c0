"""A document, and work in progress, for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ops.render_checklist import checklist_table, remedies_table
from reducer.describe import describe_video
from schema.document import AnalysisDocument, Finding, PostFacts, Stretch, TimelineEntry, TimelineItem
from schema.jobs import AnalyzerProgress

STATUS_STYLE = {
    "ok": "green",
    "partial": "yellow",
    "unavailable": "yellow",
    "not_applicable": "dim",
    "failed": "red",
    "cancelled": "red",
}

TIMELINE_ROWS = 12
"""Entries of the time line that are printed; the document holds all."""

LABELS_SHOWN = 4
"""Labels of a cell that are printed."""


PLAIN_WIDTH = 120
"""Columns of output that goes to a file or a pipe, where no terminal says its width."""


def console() -> Console:
    """Standard output as wide as its terminal."""
    found = Console()
    return found if found.is_terminal else Console(width=PLAIN_WIDTH)


class ProgressLines:
    """One progress line per analyzer, fed with snapshots.

    Args:
        progress: The display.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, analyzers: Mapping[str, AnalyzerProgress]) -> None:
        """Brings the lines up to this snapshot."""
        for name, state in analyzers.items():
            if name not in self._tasks:
                self._tasks[name] = self._progress.add_task(name, total=None, status="")
            # The conclusion counts as one more step beside the chunks.
            self._progress.update(
                self._tasks[name],
                total=state.chunks_planned + 1,
                completed=min(state.chunks_done, state.chunks_planned) + (state.status is not None),
                status=state.status or "",
            )


@contextmanager
def progress_lines(console: Console) -> Iterator[ProgressLines]:
    """A live display of one line per analyzer."""
    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=not console.is_terminal) as progress:
        yield ProgressLines(progress)


def print_document(console: Console, document: AnalysisDocument, results_file: str | None) -> None:
    """The document in short: what it is, each section, the time line's beginning, what is answered, the figures."""
    console.print(Panel(describe_video(document.video), title=document.source.name, title_align="left"))
    if document.source.post is not None:
        console.print(post_line(document.source.post), markup=False, highlight=False)
    console.print(_sections(document))
    console.print(_timeline(document))
    if document.checklist.points:
        console.print(checklist_table(document.checklist))
        remedies = remedies_table(document.checklist)
        if remedies is not None:
            console.print(remedies)
    performance, quality = document.performance, document.quality
    first = (
        f", first observation after {performance.first_observation_ms:.0f} ms"
        if performance.first_observation_ms
        else ""
    )
    cached = f", {performance.sections_from_cache} sections from the cache" if performance.sections_from_cache else ""
    console.print(
        f"{document.status}: {quality.sections_with_result} of {quality.sections_total} sections with a result; "
        f"{performance.processing_time:.2f} s for {document.video.duration_s:.2f} s of video "
        f"({performance.realtime_factor:.2f} x its length), "
        f"{performance.video_decodes} decode of the pictures{cached}{first}"
    )
    if results_file:
        console.print(f"document: {results_file}", soft_wrap=True)


def post_line(post: PostFacts) -> str:
    """What the site says about a post, in one line: who, what, how many; nothing of what is not known."""
    counts = post.counts.model_dump(exclude_none=True) if post.counts else {}
    parts = [
        f"@{post.author}" if post.author else None,
        f"{post.uploaded_at:%Y-%m-%d}" if post.uploaded_at else None,
        *(f"{number:,} {what}" for what, number in counts.items()),
        f"sound: {post.sound.title}" if post.sound and post.sound.title else None,
        " ".join(post.caption.split()) if post.caption else None,
    ]
    return " · ".join(part for part in parts if part) or f"from {post.page_url or post.extractor}"


def _sections(document: AnalysisDocument) -> Table:
    table = Table("analyzer", "status", "ms", "finding", title="Sections", title_justify="left")
    for name, section in document.sections.items():
        finding = section.headline or (section.error.reason if section.error else "")
        status = f"[{STATUS_STYLE[section.status]}]{section.status}[/]"
        spent = "cache" if section.provenance.from_cache else f"{section.provenance.run_ms:.0f}"
        table.add_row(name, status, spent, finding)
    return table


def _timeline(document: AnalysisDocument) -> Table:
    """By shots; where these are longer than the parts of the breakdown on average, by parts."""
    table = Table("time", "seen", "said", "written", "heard", title="Time line", title_justify="left")
    by_parts = len(document.timeline) < len(document.breakdown.parts)
    rows: Sequence[TimelineEntry | Stretch] = document.breakdown.parts if by_parts else document.timeline
    for row in rows[:TIMELINE_ROWS]:
        table.add_row(f"{row.start_time:.2f}-{row.end_time:.2f}", *map(_cell, _lanes(row)))
    hidden = len(rows) - TIMELINE_ROWS
    if hidden > 0:
        table.caption = f"{hidden} more in the document"
    return table


def _lanes(row: TimelineEntry | Stretch) -> tuple[tuple[TimelineItem | Finding, ...], ...]:
    """Seen, said, written, heard."""
    if isinstance(row, TimelineEntry):
        return row.seen, row.said, row.written, row.heard
    seen = (*row.action, *row.visuals, *row.camera_and_editing, *row.story)
    return seen, (*row.said, *row.emotion), row.written, row.heard


def _cell(items: Sequence[TimelineItem | Finding]) -> str:
    labels = list(dict.fromkeys(item.label for item in items))
    hidden = len(labels) - LABELS_SHOWN
    return "; ".join(labels[:LABELS_SHOWN]) + (f"; +{hidden}" if hidden > 0 else "")
