"""``tiktok-analyzer bulk``: videos by the thousand, over the same job store as the service."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ops.arguments import add_data_folder, whole_number
from ops.tokens import TOKEN_VARIABLE

if TYPE_CHECKING:
    from deployments.settings import GraphArgs
    from jobs.store import JobStore
    from ops.bulk_run import Added, MassRun

DEFAULT_BATCH = "bulk"
DEFAULT_PRIORITY = 2
"""Below 5: the places that are kept for people are not taken. Above 1, so that something can go behind it."""

EXIT_OK, EXIT_INCOMPLETE = 0, 1
"""All well; something was refused or has failed."""

EXIT_INTERRUPTED = 130
"""As a shell tells of Ctrl-C; ``process`` goes on where it was."""


@dataclass(frozen=True)
class Opened:
    """The store of one command.

    Attributes:
        settings: Of the application.
        store: Of the jobs.
        run: The mass run.
        profile: Serve yaml that the settings are from.
    """

    settings: GraphArgs
    store: JobStore
    run: MassRun
    profile: Path


def add_bulk(commands: Any, default_url: str) -> None:
    """Adds ``bulk`` to the command line."""
    bulk = commands.add_parser("bulk", help="analyse many videos: add, process, status, requeue, export")
    actions = bulk.add_subparsers(required=True, metavar="ACTION")
    urls = _action(actions, "add-urls", "add the videos of a list of URLs, one per line", _add_urls)
    urls.add_argument("file", metavar="FILE", help="# begins a comment; - reads standard input")
    files = _action(actions, "add", "add video files and folders of them", _add_files)
    files.add_argument("paths", metavar="DIR|FILE", nargs="+", type=Path)
    for action in (urls, files):
        action.add_argument("--priority", type=int, choices=range(1, 11), default=DEFAULT_PRIORITY, metavar="1-10")
        action.add_argument("--analyzers", help="names separated by commas; all when left out")
    work = _action(actions, "process", "work until every video has ended; goes on after any interruption", _process)
    work.add_argument(
        "--workers",
        type=whole_number(0, 64),
        help="processes; by default one, or none where a service works on the run",
    )
    work.add_argument("--url", default=default_url, help=f"of the service to look for (default: {default_url})")
    work.add_argument("--token", default=os.environ.get(TOKEN_VARIABLE), help=f"(default: from {TOKEN_VARIABLE})")
    _action(actions, "status", "show how far it is, and what failed", _status)
    again = _action(actions, "requeue", "put failed videos back whose fault may pass", _requeue)
    again.add_argument("--all", action="store_true", help="also what failed for good, and what was cancelled")
    export = _action(actions, "export", "write a row per video with the figures people sort by", _export)
    export.add_argument("--format", choices=("jsonl", "csv", "parquet"), default="csv")
    export.add_argument("out", metavar="OUT", type=Path)


def _action(actions: Any, name: str, help: str, run: Callable[[argparse.Namespace, Console], int]) -> Any:
    action = actions.add_parser(name, help=help)
    action.add_argument("--batch", default=DEFAULT_BATCH, help=f"name of the mass run (default: {DEFAULT_BATCH})")
    action.add_argument("--profile", choices=("cpu", "gpu"), default="cpu", help="whose settings (default: cpu)")
    add_data_folder(action)
    action.set_defaults(run=run)
    return action


@contextmanager
def _opened(arguments: argparse.Namespace) -> Iterator[Opened]:
    from jobs.opening import open_store
    from ops.bulk_run import MassRun
    from ops.profiles import PROFILE_FILES, graph_args

    profile = PROFILE_FILES[arguments.profile]
    settings = graph_args(profile, arguments.data)
    store = open_store(settings.jobs, settings.data_path)
    try:
        yield Opened(settings, store, MassRun(settings, store, arguments.batch), profile)
    finally:
        store.close()


def _add_files(arguments: argparse.Namespace, out: Console) -> int:
    with _opened(arguments) as opened:
        names = _analyzers(arguments, opened)
        return _told(opened.run.add_files(arguments.paths, arguments.priority, names), arguments, out)


def _add_urls(arguments: argparse.Namespace, out: Console) -> int:
    from schema.errors import FileMissing

    with _opened(arguments) as opened:
        names = _analyzers(arguments, opened)
        try:
            text = sys.stdin.read() if arguments.file == "-" else Path(arguments.file).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise FileMissing(f"{arguments.file}: {error}", "Name a text file with one URL per line.") from error
        return _told(opened.run.add_urls(text.splitlines(), arguments.priority, names), arguments, out)


def _analyzers(arguments: argparse.Namespace, opened: Opened) -> tuple[str, ...] | None:
    from analyzers.catalogue import require_deployed
    from jobs.disk import DiskGuard

    DiskGuard(opened.settings.data_path, opened.settings.disk).check(0)
    if not arguments.analyzers:
        return None
    names = tuple(name.strip() for name in arguments.analyzers.split(","))
    for name in names:
        require_deployed(name, opened.settings.active_analyzers)
    return names


def _told(added: Added, arguments: argparse.Namespace, out: Console) -> int:
    from ops.bulk_view import print_added

    print_added(out, added, arguments.batch)
    return EXIT_INCOMPLETE if added.refused else EXIT_OK


def _tell_if_empty(opened: Opened, arguments: argparse.Namespace, out: Console) -> None:
    """So that a mistaken name, profile or folder is not taken for a run that is over."""
    if not opened.store.counts(arguments.batch):
        out.print(
            f"no videos were added to {arguments.batch!r} in {opened.settings.data_path}",
            style="yellow",
            markup=False,
            highlight=False,
        )


def _process(arguments: argparse.Namespace, out: Console) -> int:
    from ops.bulk_process import Workers, process
    from ops.bulk_view import live_view, render

    with _opened(arguments) as opened:
        _tell_if_empty(opened, arguments, out)
        wanted = arguments.workers
        if wanted is None:
            wanted = 0 if _is_served(opened, arguments) else 1
            if wanted == 0:
                out.print(f"the service at {arguments.url} works on this run; watching (--workers N helps it)")
        workers = Workers(wanted, opened.profile, arguments.data, opened.settings.data_path / "logs")
        try:
            with live_view(out) as show:
                standing = process(opened.run, opened.store, workers, show)
        except KeyboardInterrupt:
            out.print("stopped; `bulk process` goes on from here")
            return EXIT_INTERRUPTED
        if not out.is_terminal:
            out.print(render(standing))
        return EXIT_OK if standing.all_done else EXIT_INCOMPLETE


def _is_served(opened: Opened, arguments: argparse.Namespace) -> bool:
    """Whether a service answers that has this store: it knows the run's newest job."""
    from ops.client import Client

    newest = next(opened.run.records(), None)
    if newest is None:
        return False
    client = Client(arguments.url, arguments.token)
    try:
        return client.knows(newest.id)
    finally:
        client.close()


def _status(arguments: argparse.Namespace, out: Console) -> int:
    from ops.bulk_view import render

    with _opened(arguments) as opened:
        _tell_if_empty(opened, arguments, out)
        standing = opened.run.standing()
    out.print(render(standing))
    return EXIT_INCOMPLETE if standing.retryable or standing.permanent else EXIT_OK


def _requeue(arguments: argparse.Namespace, out: Console) -> int:
    with _opened(arguments) as opened:
        _tell_if_empty(opened, arguments, out)
        count, refused = opened.run.requeue(arguments.all)
    for name, why in refused:
        out.print(f"not put back: {name}: {why}", style="yellow", markup=False, highlight=False)
    out.print(f"{count} jobs are back in the queue")
    return EXIT_INCOMPLETE if refused else EXIT_OK


def _export(arguments: argparse.Namespace, out: Console) -> int:
    from jobs.results import ResultStore
    from ops.bulk_export import write_rows
    from ops.bulk_rows import rows_of

    with _opened(arguments) as opened:
        _tell_if_empty(opened, arguments, out)
        records = list(opened.run.records())[::-1]
        rows = rows_of(records, opened.run.copies(), ResultStore(opened.settings.data_path))
        count = write_rows(rows, arguments.format, arguments.out)
    out.print(f"wrote {count} rows to {arguments.out}")
    return EXIT_OK
