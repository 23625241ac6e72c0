"""Finished documents on disk: ``<data>/results/<id>/document.json``, its pictures in ``thumbnails`` beside it, written
whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from jobs.thumbnails import FOLDER, NAME_PATTERN, split_pictures
from schema.document import AnalysisDocument
from schema.errors import NotFound

ID_PATTERN = re.compile(r"[0-9a-f]{32}")
"""Ids are uuid4 in hexadecimal, so an id can never name another folder."""

NO_DOCUMENT = "GET /jobs/{id} says whether the job is still in work, or why it has none; old documents are removed."


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


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _removed(path: Path) -> None:
    """Without the file or folder, whether it was there or not."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@dataclass(frozen=True)
class StagedDocument:
    """A document that is written and flushed, but not yet where readers look.

    Attributes:
        staged: Where it is.
        target: Where it goes.
        pictures: Folder of its pictures, which goes beside it; None without any.
    """

    staged: Path
    target: Path
    pictures: Path | None = None

    def publish(self) -> None:
        """Puts it where readers look: they see all of it or nothing, also across a power cut."""
        self.target.parent.mkdir(exist_ok=True)
        if self.staged.exists() or not self.target.exists():  # else it is there, and only the store did not say so
            beside = self.target.parent / FOLDER
            shutil.rmtree(beside, ignore_errors=True)  # of a worker that died between here and the store
            if self.pictures is not None:
                self.pictures.replace(beside)
            self.staged.replace(self.target)  # last: who sees the document finds its pictures
        flush_folder(self.target.parent)
        flush_folder(self.target.parent.parent)

    def discard(self) -> None:
        """Removes it, if it is still there."""
        _removed(self.staged)
        if self.pictures is not None:
            _removed(self.pictures)


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
        """Writes the document and its pictures aside, flushed to disk."""
        named, pictures = split_pictures(document)
        staged = self._staging / f"{document.id}.{uuid.uuid4().hex}"
        folder = staged.with_name(f"{staged.name}.{FOLDER}") if pictures else None
        found = StagedDocument(staged, self._root / document.id / "document.json", folder)
        done = False
        try:
            if folder is not None:
                folder.mkdir()
                for name, data in pictures.items():
                    _write(folder / name, data)
                flush_folder(folder)
            _write(staged, named.model_dump_json(indent=1).encode())
            done = True
        finally:
            if not done:
                found.discard()
        return found

    def forget_staged(self, id: str) -> None:
        """Removes what dead workers have staged for this job."""
        for staged in self._staging.glob(f"{id}.*"):
            _removed(staged)

    def remove(self, id: str) -> None:
        """Removes a document that a worker published in the moment it died, where the job ended without one."""
        folder = self._root / id
        (folder / "document.json").unlink(missing_ok=True)
        _removed(folder / FOLDER)
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
            raise NotFound(f"there is no document {id!r}", NO_DOCUMENT)
        return path

    def picture_of(self, id: str, name: str) -> Path:
        """The file of one of the document's pictures.

        Raises:
            NotFound: No such document, or no such picture, or it was older than pictures are kept.
        """
        path = self.path_of(id).parent / FOLDER / name
        if not NAME_PATTERN.fullmatch(name) or not path.is_file():
            raise NotFound(f"there is no picture {name!r} of document {id!r}", "Pictures are removed by their age.")
        return path

    def read(self, id: str) -> AnalysisDocument:
        """The document with this id.

        Raises:
            NotFound: No such document.
        """
        return AnalysisDocument.model_validate_json(self.path_of(id).read_bytes())
