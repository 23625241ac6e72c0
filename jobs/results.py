"""Finished documents on disk: ``<data>/results/<id>/document.json``, written whole or not at all."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

from schema.document import AnalysisDocument
from schema.errors import NotFound

ID_PATTERN = re.compile(r"[0-9a-f]{32}")
"""Ids are uuid4 in hexadecimal, so an id can never name another folder."""


def new_id() -> str:
    """A fresh job id."""
    return uuid.uuid4().hex


class ResultStore:
    """The results folder.

    Args:
        data_path: The data folder; made when missing.
    """

    def __init__(self, data_path: Path) -> None:
        self._root = data_path / "results"
        self._root.mkdir(parents=True, exist_ok=True)

    def write(self, document: AnalysisDocument) -> Path:
        """Writes the document so that a reader sees all of it or nothing, also across a power cut."""
        folder = self._root / document.id
        folder.mkdir(exist_ok=True)
        target = folder / "document.json"
        partial = folder / f".document.{os.getpid()}.tmp"
        with partial.open("wb") as file:
            file.write(document.model_dump_json(indent=1).encode())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return target

    def path_of(self, id: str) -> Path:
        """The document's file.

        Raises:
            NotFound: No such document.
        """
        if not ID_PATTERN.fullmatch(id):
            raise NotFound(f"{id!r} is no job id; ids have 32 hexadecimal digits")
        path = self._root / id / "document.json"
        if not path.is_file():
            raise NotFound(f"there is no document {id!r}")
        return path

    def read(self, id: str) -> AnalysisDocument:
        """The document with this id.

        Raises:
            NotFound: No such document.
        """
        return AnalysisDocument.model_validate_json(self.path_of(id).read_bytes())
