"""Signatures of callbacks, in the form of Standard Webhooks (https://www.standardwebhooks.com).

Its libraries verify them. Three headers: ``webhook-id``, the same for every attempt; ``webhook-timestamp``, in seconds
since 1970; ``webhook-signature``, which is ``v1,`` and the Base64 of the HMAC-SHA256 over ``id.timestamp.body``. A
receiver refuses what is older than a few minutes, and ids that it has seen.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path

from schema.errors import InternalError

logger = logging.getLogger("tiktok_analyzer.callbacks")

SECRET_PREFIX = "whsec_"
"""How Standard Webhooks writes a secret: this, and the key in Base64."""

SECRET_BYTES = 32
"""Length of a key that is made here; the standard asks for 24 to 64."""


def sign(keys: Sequence[bytes], id: str, timestamp: int, body: bytes) -> str:
    """The header ``webhook-signature``: one signature per key, separated by spaces."""
    signed = f"{id}.{timestamp}.".encode() + body
    macs = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in macs)


def load_keys(path: Path) -> tuple[bytes, ...]:
    """The signing keys; a file with a random one is made where there is none, readable by its owner only.

    Raises:
        InternalError: The file holds something else.
    """
    if not path.exists():
        _make_secret(path)
    try:
        lines = [line.strip() for line in path.read_text().splitlines() if line.strip()]
        keys = tuple(base64.b64decode(line.removeprefix(SECRET_PREFIX), validate=True) for line in lines)
    except (binascii.Error, UnicodeDecodeError):
        keys = ()
    if not keys or any(len(key) < 16 for key in keys):
        raise InternalError(
            f"{path.name} must hold {SECRET_PREFIX} and at least 16 bytes in Base64 on each line",
            "Move the file away; a new one is made, whose secret the receivers then need.",
        )
    return keys


def _make_secret(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    made = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{secret}\n")
        # A link appears whole, and never takes the place of what another process has made meanwhile.
        path.hardlink_to(made)
    except FileExistsError:
        logger.info("%s has just been made by another process", path.name)
    finally:
        made.unlink()
