"""Where weights come from: what a source has of a pin, and how one file is fetched from it."""

from __future__ import annotations

import fnmatch
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from weights.errors import NotOnSource
from weights.pin import Pin
from weights.transfer import Moved, Stop

ODD_NAMES = ("", ".", "..")


@dataclass(frozen=True)
class Item:
    """One file that a pull fetches.

    Attributes:
        name: Path in the pin's folder, with ``/``.
        where: Its address: a URL, a path, a name in a bundle.
        size_bytes: None where the source does not say.
        digest: As the source or the manifest states it; None where neither does.
        members: For a zip archive: the files to take out of it.
    """

    name: str
    where: str
    size_bytes: int | None = None
    digest: str | None = None
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a pull of one pin fetches.

    Attributes:
        pin: Which.
        revision: Commit or release that the source says the files are of.
        items: The files.
        source: For people.
    """

    pin: Pin
    revision: str
    items: tuple[Item, ...]
    source: str

    @property
    def size_bytes(self) -> int | None:
        """Bytes to fetch; None where a size is not known."""
        sizes = [item.size_bytes for item in self.items]
        return sum(size for size in sizes if size is not None) if None not in sizes else None


class Source(ABC):
    """A place with weights."""

    title: str
    """For people."""

    @abstractmethod
    def plan(self, pin: Pin, revision: str | None) -> Plan:
        """What to fetch for a pin.

        Args:
            pin: Which.
            revision: Commit or release to hold to; the source's newest where None.

        Raises:
            SourceUnreachable, NotOnSource, AccessDenied
        """

    @abstractmethod
    def fetch(self, item: Item, target: Path, moved: Moved, stop: Stop) -> None:
        """Makes ``target`` from the item; on an error a beginning may stay beside it for the next time."""


def choose(pin: Pin, names: Iterable[str], source: str) -> list[str]:
    """The files to take of those there are: of ``a|b`` the first that exists, of a pattern all.

    Raises:
        NotOnSource: A pattern has no file, or a name leads out of the folder.
    """
    present = sorted(names)
    chosen: dict[str, None] = {}
    for pattern in pin.files:
        found = next((f for part in pattern.split("|") if (f := fnmatch.filter(present, part))), None)
        if found is None:
            raise NotOnSource(f"{source} has no {pattern} for {pin.name}")
        chosen.update(dict.fromkeys(found))
    for pattern in pin.optional:
        chosen.update(dict.fromkeys(fnmatch.filter(present, pattern)))
    return [require_plain(name, source) for name in chosen]


def require_plain(name: str, source: str) -> str:
    """Refuses a name that leads out of its folder.

    Raises:
        NotOnSource: It does.
    """
    if "\\" in name or any(part in ODD_NAMES for part in name.split("/")):
        raise NotOnSource(f"{source} has a file with the odd name {name!r}")
    return name
