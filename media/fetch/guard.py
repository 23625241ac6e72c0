"""What the child process may do: connect to checked addresses, write below its own folder, start nothing.

Python raises an audit event before each of these, whichever library asks for it; a hook that raises stops it, and no
code can take the hook away again. The address is the one that is about to be connected to, so a name that resolves
differently the second time gains nothing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from media.fetch.addresses import HostRules, Target, addresses_of, check_addresses, check_url, is_public
from schema.errors import AnalyzerSystemError, TooLarge, UrlNotAllowed

REFUSED_EVENTS = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "pickle.find_class",
    "socket.sendto",
    "socket.sendmsg",
)
"""No helper programs (ffmpeg would contact hosts unchecked), no unpickling, no datagrams."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

PAGE_BYTES = 64 * 1024 * 1024
"""Bytes of pages that are read before the video itself; TikTok's are under 1 MB."""


class Guard:
    """Rules of one download, and the first thing that broke one.

    Args:
        rules: Hosts that may be contacted.
        max_bytes: Of the video.
        folder: The only place to write to.
        proxy: When set, the only server to connect to; it looks the hosts up.
    """

    def __init__(self, rules: HostRules, max_bytes: int, folder: Path, proxy: str | None = None) -> None:
        self._rules, self._max_bytes, self._folder, self._proxy = rules, max_bytes, folder, proxy
        self._bytes, self._allowed = 0, PAGE_BYTES
        self._exempt = _proxy_addresses(proxy) if proxy else _private_addresses(rules)
        self.refusal: AnalyzerSystemError | None = None

    def install(self) -> None:
        """Holds this process to the rules until it ends."""
        sys.addaudithook(self._audit)

    def check(self, url: str) -> None:
        """Checks a URL, and the addresses of its host, before it is requested: the first one and each redirect's.

        Raises:
            UrlNotAllowed: It may not be contacted.
            OSError: Its host does not resolve.
        """
        try:
            target = check_url(url, self._rules)
            if not self._proxy:
                check_addresses(target, addresses_of(target))
        except UrlNotAllowed as error:
            raise self.refuse(error) from None

    def begin_video(self) -> None:
        """From now on, what comes in is the video: the limit of its bytes holds.

        What was refused while the page was read did not matter: the page was read all the same.
        """
        self._bytes, self._allowed, self.refusal = 0, self._max_bytes, None

    def announce(self, length: str | None) -> None:
        """Takes note of a declared length.

        Raises:
            TooLarge: It is over the limit.
        """
        if length is not None and length.isdigit() and int(length) > self._max_bytes:
            raise self.refuse(TooLarge(f"the server announces {length} bytes; allowed are {self._max_bytes}"))

    def count(self, block: bytes) -> bytes:
        """Counts what came in, unpacked, of all requests together; gives the block back.

        Raises:
            TooLarge: More than allowed, of the pages or of the video.
        """
        self._bytes += len(block)
        if self._bytes > self._allowed:
            raise self.refuse(TooLarge(f"the server sent more than the {self._allowed} bytes allowed"))
        return block

    def refuse(self, error: AnalyzerSystemError) -> AnalyzerSystemError:
        """Remembers the first refusal: extractors turn exceptions into others."""
        self.refusal = self.refusal or error
        return error

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            self._check_connection(args[1])
        elif event == "open":
            self._check_open(*args)
        elif event in REFUSED_EVENTS:
            raise PermissionError(f"{event} is not allowed in a download")

    def _check_connection(self, address: Any) -> None:
        ip, port = address[:2] if isinstance(address, tuple) else (str(address), None)
        if (ip, port) in self._exempt:
            return
        if self._proxy:
            raise PermissionError("a connection to another server than the proxy")
        if port is None or not is_public(ip):
            raise self.refuse(UrlNotAllowed("a connection to an address that is not public")) from None

    def _check_open(self, path: Any, mode: str | None, flags: int) -> None:
        writes = bool(flags & WRITING) if mode is None else bool(set(mode) & set("wax+"))
        if not writes or isinstance(path, int) or path == os.devnull:
            return
        if not Path(os.fsdecode(path)).absolute().resolve().is_relative_to(self._folder):
            raise PermissionError(f"{path} lies outside the folder of this download")


def _private_addresses(rules: HostRules) -> frozenset[tuple[str, int]]:
    """The addresses behind the hosts that need not be public. A name that does not resolve allows nothing."""
    found: set[tuple[str, int]] = set()
    for entry in rules.private:
        host, _, port = entry.rpartition(":")
        found |= _resolved(host.strip("[]"), int(port))
    return frozenset(found)


def _proxy_addresses(proxy: str) -> frozenset[tuple[str, int]]:
    parts = urlsplit(proxy)
    default = 1080 if parts.scheme.startswith("socks") else 443 if parts.scheme == "https" else 80
    return frozenset(_resolved(parts.hostname or "", parts.port or default))


def _resolved(host: str, port: int) -> set[tuple[str, int]]:
    try:
        return {(ip, port) for ip in addresses_of(Target("http", host, port, private=True))}
    except OSError:
        return set()
