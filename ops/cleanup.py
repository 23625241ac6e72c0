"""``tiktok-analyzer cleanup``: removes what is too old, now, and says what it freed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from ops.arguments import add_data_folder

MB = 1_000_000


def add_cleanup(commands: Any) -> None:
    """Puts the command beside the others."""
    cleanup = commands.add_parser("cleanup", help="remove old sources, documents, thumbnails, stored sections and logs")
    cleanup.add_argument("--days", type=_days, help="one age for everything, in place of the ages in the yaml")
    cleanup.add_argument("--dry-run", action="store_true", help="only say what would go")
    cleanup.add_argument("--profile", choices=("cpu", "gpu"), default="cpu", help="whose settings (default: cpu)")
    add_data_folder(cleanup)
    cleanup.set_defaults(run=run_cleanup)


def run_cleanup(arguments: argparse.Namespace, out: Console) -> int:
    """The command; may run beside the service, which does the same every few hours."""
    from jobs.cache import SectionCache
    from jobs.disk import DiskGuard
    from jobs.opening import open_store
    from jobs.retention import Cleanup, cleanup_turn
    from ops.profiles import PROFILE_FILES, graph_args

    args = graph_args(PROFILE_FILES[arguments.profile], data_dir=arguments.data)
    policy = args.retention if arguments.days is None else args.retention.for_days(arguments.days)
    with cleanup_turn(args.data_path) as mine:
        if not mine:
            out.print(f"another cleanup of {args.data_path} is at work", style="yellow")
            return 1
        store = open_store(args.jobs, args.data_path)
        try:
            cache = SectionCache(args.data_path, args.cache)
            tidied = Cleanup(args.data_path, store, cache, policy, arguments.dry_run).run()
        finally:
            store.close()
    out.print(render(tidied, arguments.dry_run))
    freed = sum(kind.bytes for kind in tidied.values())
    disk = DiskGuard(args.data_path, args.disk).health()
    verb = "would free" if arguments.dry_run else "freed"
    out.print(f"{args.data_path}: {verb} {freed / MB:.1f} MB; {disk.free_mb} of {disk.total_mb} MB are free")
    return 0


def render(tidied: Mapping[Any, Any], dry_run: bool) -> Table:
    """One row per kind of thing."""
    table = Table(box=None, pad_edge=False)
    for column in ("", "would go" if dry_run else "removed", "MB", "kept", "in work"):
        table.add_column(column, justify="left" if not column else "right")
    for kind, row in tidied.items():
        table.add_row(str(kind), str(row.removed), f"{row.bytes / MB:.1f}", str(row.kept), str(row.in_work))
    return table


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0.0 <= days <= 36_500.0:
        raise argparse.ArgumentTypeError(f"must be a number in [0, 36500], got {text!r}")
    return days
