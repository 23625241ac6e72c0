"""Writes the rows of a mass run: JSON lines, CSV or Parquet. The file appears whole or not at all."""

from __future__ import annotations

import csv
import errno
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from ops.bulk_rows import VideoRow
from schema.errors import AnalyzerSystemError

ExportFormat = Literal["jsonl", "csv", "parquet"]

GROUP_ROWS = 1000
"""Rows that Parquet writes at once: some MB of memory, whatever the run's length."""


FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")
"""Captions, names and words are written by strangers, and spreadsheets take a cell that begins so for a formula, which
may start programs or send the sheet away (OWASP, CSV Injection)."""


class NoParquet(AnalyzerSystemError):
    """The library that writes Parquet is not installed."""

    title = "Parquet cannot be written"
    default_action = "pip install 'tiktok-analyzer[parquet]', or export jsonl or csv."


def write_rows(rows: Iterable[VideoRow], format: ExportFormat, path: Path) -> int:
    """Writes all rows and returns their number.

    Args:
        rows: Taken one after the other.
        format: Of the file.
        path: Of the file; replaced where it exists.

    Raises:
        NoParquet: pyarrow is missing.
        OSError: The file cannot be written; one that was there before is untouched.
    """
    return WRITERS[format](rows, path)


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A path beside ``path`` that takes its place when the block ends well."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _jsonl(rows: Iterable[VideoRow], path: Path) -> int:
    count = 0
    with _whole(path) as aside, aside.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(f"{row.model_dump_json()}\n")
            count += 1
    return count


def _cell(value: Any) -> Any:
    """What a cell holds: a text that a spreadsheet would compute as a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_BEGINS) else value


def _csv(rows: Iterable[VideoRow], path: Path) -> int:
    """One header line; null is an empty cell."""
    count = 0
    with _whole(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(VideoRow.model_fields))
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _cell(value) for name, value in row.model_dump(mode="json").items()})
            count += 1
    return count


def _parquet(rows: Iterable[VideoRow], path: Path) -> int:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise NoParquet(f"pyarrow is not installed ({error})") from error
    types: Mapping[type, Any] = {
        str: pyarrow.string(),
        int: pyarrow.int64(),
        float: pyarrow.float64(),
        bool: pyarrow.bool_(),
        datetime: pyarrow.timestamp("us", tz="UTC"),
    }
    schema = pyarrow.schema([(name, types[kind]) for name, kind in column_types().items()])
    count, left = 0, iter(rows)
    with _whole(path) as aside, parquet.ParquetWriter(aside, schema) as writer:
        while group := [row.model_dump() for row in itertools.islice(left, GROUP_ROWS)]:
            writer.write_table(pyarrow.Table.from_pylist(group, schema))
            count += len(group)
    return count


def column_types() -> dict[str, type]:
    """The plain type of each column of a row."""
    return {
        name: next((kind for kind in get_args(field.annotation) if kind is not type(None)), None) or str
        for name, field in VideoRow.model_fields.items()
    }


WRITERS: Mapping[ExportFormat, Callable[[Iterable[VideoRow], Path], int]] = {
    "jsonl": _jsonl,
    "csv": _csv,
    "parquet": _parquet,
}
