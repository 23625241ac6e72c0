"""Reads Server-Sent Events: the part of the WHATWG's format that the service sends."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ServerEvent:
    """One event.

    Attributes:
        kind: ``state``, ``section`` or ``progress``.
        data: Its JSON.
        id: What to send as ``Last-Event-ID`` to go on after it; None when it has none.
    """

    kind: str
    data: dict[str, Any]
    id: str | None


def read_events(lines: Iterable[str]) -> Iterator[ServerEvent]:
    """Events of a stream. One that breaks off in the middle is left out.

    Args:
        lines: Without their ends; an empty one ends an event.
    """
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            if name:  # else a comment
                fields[name] = value.removeprefix(" ")
        else:
            if "data" in fields:
                yield ServerEvent(fields.get("event", "message"), json.loads(fields["data"]), fields.get("id"))
            fields = {}
