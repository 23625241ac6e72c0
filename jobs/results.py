"""Finished documents on disk: ``<data>/results/<id>/document.json``, written whole or not at all."""

from __future__ import annotations

import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

from schema.document import AnalysisDocument
from schema.errors import NotFound

ID_PATTERN = re.compile(r"[0-9a-f]{32}")
"""Ids are uuid4 in hexadecimal, so an id can never name another folder."""


def new_id() -> str:
    """A fresh job id."""
    return uuid.uuid4().hex


def flush_folder(folder: Path) -> None:
    """Makes the folder's entries survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class StagedDocument:
    """A document that is written and flushed, but not yet where readers look.

    Attributes:
        staged: Where it is.
        target: Where it goes.
    """

    staged: Path
    target: Path

    def publish(self) -> None:
        """Puts it where readers look: they see all of it or nothing, also across a power cut."""
        self.target.parent.mkdir(exist_ok=True)
        if self.staged.exists() or not self.target.exists():  # else it is there, and only the store did not say so
            self.staged.replace(self.target)
        flush_folder(self.target.parent)
        flush_folder(self.target.parent.parent)

    def discard(self) -> None:
        """Removes it, if it is still there."""
        self.staged.unlink(missing_ok=True)


class ResultStore:
    """The results folder.

    Args:
        data_path: The data folder; made when missing.
    """

    def __init__(self, data_path: Path) -> None:
        self._root = data_path / "results"
        self._staging = data_path / "staging"
        self._root.mkdir(parents=True, exist_ok=True)
        self._staging.mkdir(parents=True, exist_ok=True)

    def stage(self, document: AnalysisDocument) -> StagedDocument:
        """Writes the document aside, flushed to disk."""
        staged = self._staging / f"{document.id}.{uuid.uuid4().hex}"
        done = False
        try:
            with staged.open("wb") as file:
                file.write(document.model_dump_json(indent=1).encode())
                file.flush()
                os.fsync(file.fileno())
            done = True
        finally:
            if not done:
                staged.unlink(missing_ok=True)
        return StagedDocument(staged, self._root / document.id / "document.json")

    def forget_staged(self, id: str) -> None:
        """Removes what dead workers have staged for this job."""
        for staged in self._staging.glob(f"{id}.*"):
            staged.unlink(missing_ok=True)

    def remove(self, id: str) -> None:
        """Removes a document that a worker published in the moment it died, where the job ended without one."""
        folder = self._root / id
        (folder / "document.json").unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

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
