"""Takes an upload onto the disk, bounded in bytes while it comes in, and forgets it afterwards."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from schema.errors import InvalidRequest, TooLarge

COPY_BYTES = 1 << 20
"""Block size of the copy to disk."""

FORM_OVERHEAD_BYTES = 65_536
"""What a form may hold beside the file: boundaries, headers, the analyzers' names."""


@dataclass(frozen=True)
class Upload:
    """A received file.

    Attributes:
        path: On this machine's disk.
        name: As the client called it, without any folder.
        analyzers: The form's field of that name.
    """

    path: Path
    name: str
    analyzers: str | None

    def discard(self) -> None:
        """Removes the file."""
        self.path.unlink(missing_ok=True)


async def receive_upload(request: Request, folder: Path, max_bytes: int) -> Upload:
    """The form's file, on disk.

    Args:
        request: With a multipart form: ``file`` and, optionally, ``analyzers``.
        folder: Where the file is put, under a name of ours.
        max_bytes: Of the file; more is refused as soon as it is announced or has come in.

    Raises:
        TooLarge: More bytes than allowed.
        InvalidRequest: No form, no file in it, or fields it does not know.
    """
    limit = max_bytes + FORM_OVERHEAD_BYTES
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise TooLarge(f"the upload announces {announced} bytes, {max_bytes} are allowed")
    try:
        async with Request(request.scope, _counted(request, limit)).form(max_files=1, max_fields=2) as form:
            unknown = sorted(set(form) - {"file", "analyzers"})
            if unknown:
                raise InvalidRequest(f"unknown form fields {unknown}; allowed are 'file' and 'analyzers'")
            file, analyzers = form.get("file"), form.get("analyzers")
            if not isinstance(file, UploadFile):
                raise InvalidRequest(
                    "the form has no file in its field 'file'", "Send the video as the form field 'file'."
                )
            if analyzers is not None and not isinstance(analyzers, str):
                raise InvalidRequest("the form's field 'analyzers' must be text")
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / uuid.uuid4().hex
            await _store(file, path)
            return Upload(path, Path(file.filename or "upload").name[:255] or "upload", analyzers)
    except HTTPException as error:
        raise InvalidRequest(f"the form cannot be read: {error.detail}") from error


async def _store(file: UploadFile, path: Path) -> None:
    done = False
    try:
        with path.open("wb") as target:
            while block := await file.read(COPY_BYTES):
                target.write(block)
        done = True
    finally:
        if not done:
            path.unlink(missing_ok=True)


def _counted(request: Request, limit: int) -> Any:
    """The request's ``receive``, ending in ``TooLarge`` once more than ``limit`` bytes have come in."""
    taken = 0

    async def receive() -> Any:
        nonlocal taken
        message = await request.receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise TooLarge(f"the upload is larger than the {limit} bytes allowed")
        return message

    return receive
