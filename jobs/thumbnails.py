"""Pictures of a document as files of their own.

An analyzer gives a picture in its result, as a ``data:`` address, so that a section is complete by itself: on its way,
in the cache, in the events of a job. A stored document names files beside it. Both are references to a picture as HTML
takes them; ``image`` is the name of the field.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

from schema.document import AnalysisDocument

Row = dict[str, Any]

FOLDER = "thumbnails"
"""Of a stored document's pictures, beside the document."""

INLINE = "data:image/jpeg;base64,"

NAME_PATTERN = re.compile(r"[a-z0-9_]{1,64}-[0-9]{1,12}\.jpg")
"""Analyzer and frame number; a name can never be another folder's."""


def split_pictures(document: AnalysisDocument, folder: str = FOLDER) -> tuple[AnalysisDocument, dict[str, bytes]]:
    """The document with names in place of its pictures, and the JPEG files by name.

    Args:
        document: Any; pictures that are files already stay as they are.
        folder: Relative to the document.
    """
    files: dict[str, bytes] = {}

    def named(analyzer: str, row: Row) -> Row:
        if not row["image"].startswith(INLINE):
            return row
        name = f"{analyzer}-{row['frame']}.jpg"
        files[name] = base64.b64decode(row["image"].removeprefix(INLINE))
        return {**row, "image": f"{folder}/{name}"}

    return _with_rows(document, named), files


def picture_names(document: AnalysisDocument) -> list[str]:
    """Names of the files that a stored document refers to."""
    names: list[str] = []

    def noted(_: str, row: Row) -> Row:
        if not row["image"].startswith(INLINE):
            names.append(row["image"].rpartition("/")[2])
        return row

    _with_rows(document, noted)
    return names


def named_in(document: AnalysisDocument, folder: str) -> AnalysisDocument:
    """The document with its files in another folder."""

    def moved(_: str, row: Row) -> Row:
        if row["image"].startswith(INLINE):
            return row
        return {**row, "image": f"{folder}/{row['image'].rpartition('/')[2]}"}

    return _with_rows(document, moved)


def _with_rows(document: AnalysisDocument, change: Callable[[str, Row], Row]) -> AnalysisDocument:
    """The document with each row of pictures changed, given its analyzer."""
    sections = {}
    for name, section in document.sections.items():
        rows = (section.result or {}).get("thumbnails")
        if rows:
            result = {**(section.result or {}), "thumbnails": [change(name, row) for row in rows]}
            sections[name] = section.model_copy(update={"result": result})
    return document.model_copy(update={"sections": {**document.sections, **sections}}) if sections else document
