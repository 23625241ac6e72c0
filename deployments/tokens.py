"""API tokens: made here, kept as hashes in one file of the data folder, looked up for each request.

A token is ``tka_ID_SECRET``. The secret has 256 random bits, so its SHA-256 tells nothing about it and one fast hash
is enough: the slow ones are for passwords that people choose. The file is read again whenever it has changed, so
adding and revoking take effect at once in every process that sees the folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from schema.base import Model
from schema.errors import InternalError, InvalidRequest, NotFound

Role = Literal["read", "submit", "admin"]
"""``read`` sees jobs and documents, ``submit`` also sends and cancels, ``admin`` may everything."""

ROLES: tuple[Role, ...] = ("read", "submit", "admin")
"""Each may what those before it may."""

FILE_NAME = "tokens.json"
SECRET_BYTES = 32
ID_BYTES = 4

TOKEN_FORM = re.compile(r"tka_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
"""``tka_``, the id in hexadecimal, the secret in URL-safe Base64."""

NO_DIGEST = hashlib.sha256(b"").hexdigest()
"""Compared with where no token has the id, so that a wrong id takes as long as a wrong secret."""


class Token(Model):
    """A token as it is kept: its secret is not in it."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    """Who uses it, for the list."""
    role: Role
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the secret, in hexadecimal."""
    created_at: datetime


class _TokenFile(Model):
    tokens: tuple[Token, ...] = ()


class TokenStore:
    """The tokens of one data folder.

    Args:
        data_path: The data folder.
    """

    def __init__(self, data_path: Path) -> None:
        self._path = data_path / FILE_NAME
        self._seen: tuple[int, int, int] | None = None
        self._tokens: dict[str, Token] = {}

    def all(self) -> tuple[Token, ...]:
        """All tokens, oldest first.

        Raises:
            InternalError: The file cannot be read.
        """
        self._refresh()
        return tuple(self._tokens.values())

    def add(self, name: str, role: Role) -> tuple[Token, str]:
        """A new token, and its text, which is nowhere kept.

        Raises:
            InvalidRequest: The name is empty or too long.
        """
        secret = secrets.token_urlsafe(SECRET_BYTES)
        digest = hashlib.sha256(secret.encode()).hexdigest()
        with self._changing():
            id = secrets.token_hex(ID_BYTES)
            while id in self._tokens:
                id = secrets.token_hex(ID_BYTES)
            try:
                token = Token(id=id, name=name, role=role, digest=digest, created_at=datetime.now(timezone.utc))
            except ValidationError as error:
                raise InvalidRequest(f"a token's name has 1 to 100 characters, got {len(name)}") from error
            self._write((*self._tokens.values(), token))
        return token, f"tka_{id}_{secret}"

    def revoke(self, id: str) -> Token:
        """Removes a token.

        Raises:
            NotFound: None has this id.
        """
        with self._changing():
            if id not in self._tokens:
                raise NotFound(f"there is no token {id!r}", "`tiktok-analyzer tokens list` shows the ids.")
            self._write(tuple(token for token in self._tokens.values() if token.id != id))
            return self._tokens[id]

    def find(self, text: str) -> Token | None:
        """The token with this text. Takes as long for a wrong secret as for an unknown id.

        Raises:
            InternalError: The file cannot be read.
        """
        self._refresh()
        form = TOKEN_FORM.fullmatch(text)
        id, secret = form.groups() if form else ("", "")
        token = self._tokens.get(id)
        digest = hashlib.sha256(secret.encode()).hexdigest()
        same = hmac.compare_digest(digest, token.digest if token else NO_DIGEST)
        return token if same and form else None

    def _refresh(self) -> None:
        """Reads the file if it is another than before."""
        try:
            state = self._path.stat()
        except FileNotFoundError:
            self._seen, self._tokens = None, {}
            return
        seen = (state.st_mtime_ns, state.st_size, state.st_ino)
        if seen == self._seen:
            return
        try:
            found = _TokenFile.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError) as error:
            raise InternalError(
                f"{FILE_NAME} cannot be read", f"Mend or remove {self._path}; without it, tokens are made anew."
            ) from error
        self._tokens = {token.id: token for token in found.tokens}
        self._seen = seen

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """The tokens as they are now, while no other process changes them."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with (self._path.parent / f".{FILE_NAME}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._refresh()
            yield

    def _write(self, tokens: tuple[Token, ...]) -> None:
        """Puts a whole new file, readable by its owner only, in the place of the old one."""
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{FILE_NAME}.")  # mode 0600
        made = Path(name)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(_TokenFile(tokens=tokens).model_dump_json(indent=1))
                file.flush()
                os.fsync(file.fileno())
            made.replace(self._path)
        finally:
            made.unlink(missing_ok=True)
