"""A document in a folder of the user's own: ``NAME.json``, and its pictures in ``NAME-thumbnails`` beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jobs.thumbnails import named_in, split_pictures
from schema.document import AnalysisDocument


def write_document(document: AnalysisDocument, folder: Path, stem: str, pictures: Mapping[str, bytes]) -> Path:
    """Writes it and gives its path.

    Args:
        document: Its pictures are in it, as ``--local`` makes it, or are files of a service.
        folder: Made when missing.
        stem: The file's name without its ending.
        pictures: By name, those that are files of a service.
    """
    inner = f"{stem}-thumbnails"
    named, files = split_pictures(named_in(document, inner), inner)
    folder.mkdir(parents=True, exist_ok=True)
    if files := {**pictures, **files}:
        (folder / inner).mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / inner / name).write_bytes(data)
    target = folder / f"{stem}.json"
    target.write_text(named.model_dump_json(indent=1))
    return target
