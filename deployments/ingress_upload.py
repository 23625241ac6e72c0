"""Takes an upload onto the disk, bounded in bytes while it comes in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from jobs.disk import writing
from schema.errors import InvalidRequest, TooLarge

COPY_BYTES = 1 << 20
"""Block size of the copy to disk."""

FORM_OVERHEAD_BYTES = 65_536
"""What a form may hold beside the file: boundaries, headers, the other fields."""

TEXT_FIELDS = ("analyzers", "priority", "options")

PRIORITY = re.compile(rb'name="priority"\r\n(?:[^\r\n]+\r\n)*\r\n(10|[1-9])\r\n')
"""The field, where it stands before the file, as most clients send it."""


@dataclass(frozen=True)
class UploadForm:
    """A form that has come in.

    Attributes:
        file: Its bytes, in a temporary file that the system removes.
        name: As the client called it, without any folder.
        texts: The other fields that are there, of ``TEXT_FIELDS``.
    """

    file: UploadFile
    name: str
    texts: dict[str, str]

    async def store(self, path: Path) -> str:
        """Writes the file to ``path``; returns the SHA-256 of its bytes.

        Raises:
            DiskFull: There is no room for it.
        """
        digest = hashlib.sha256()
        with writing(), path.open("wb") as target:
            while block := await self.file.read(COPY_BYTES):
                target.write(block)
                digest.update(block)
        return digest.hexdigest()


@asynccontextmanager
async def received_form(
    request: Request, max_bytes: int, on_priority: Callable[[int], Awaitable[None]]
) -> AsyncIterator[UploadForm]:
    """The request's form; its file is there for the block.

    Args:
        request: With a multipart form: ``file`` and, optionally, ``TEXT_FIELDS``.
        max_bytes: Of the file; more is refused as soon as it is announced or has come in.
        on_priority: Called with the priority as soon as it has come in, where it stands before the file; may raise.

    Raises:
        TooLarge: More bytes than allowed.
        InvalidRequest: No form, no file in it, or fields it does not know.
        DiskFull: There is no room for its temporary file.
    """
    limit = max_bytes + FORM_OVERHEAD_BYTES
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise TooLarge(f"the upload announces {announced} bytes, {max_bytes} are allowed")
    try:
        with writing():
            received = Request(request.scope, _counted(request, limit, on_priority))
            form = await received.form(max_files=1, max_fields=len(TEXT_FIELDS) + 1)
    except HTTPException as error:
        raise InvalidRequest(f"the form cannot be read: {error.detail}") from error
    try:
        yield _checked(form)
    finally:
        await form.close()


def _checked(form: FormData) -> UploadForm:
    allowed = ("file", *TEXT_FIELDS)
    if unknown := sorted(set(form) - set(allowed)):
        raise InvalidRequest(f"unknown form fields {unknown}; allowed are {', '.join(map(repr, allowed))}")
    if twice := sorted(field for field in allowed if len(form.getlist(field)) > 1):
        raise InvalidRequest(f"form fields {twice} are there more than once", "Send each field once.")
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise InvalidRequest(
            "the form has no file in its field 'file', or ends before the file does",
            "Send the video as the form field 'file'; if you did, send it again: the upload may have broken off.",
        )
    texts = {}
    for field in TEXT_FIELDS:
        value = form.get(field)
        if isinstance(value, UploadFile):
            raise InvalidRequest(f"the form's field {field!r} must be text")
        if value is not None:
            texts[field] = value
    return UploadForm(file, Path(file.filename or "upload").name[:255] or "upload", texts)


def _counted(request: Request, limit: int, on_priority: Callable[[int], Awaitable[None]]) -> Any:
    """The request's ``receive``, ending in ``TooLarge`` once more than ``limit`` bytes have come in."""
    taken = 0

    async def receive() -> Any:
        nonlocal taken
        message = await request.receive()
        if not taken and (found := PRIORITY.search(message.get("body", b"").partition(b"filename=")[0])):
            await on_priority(int(found[1]))
        taken += len(message.get("body", b""))
        if taken > limit:
            raise TooLarge(f"the upload is larger than the {limit} bytes allowed")
        return message

    return receive
