"""Downloads one file over HTTPS: goes on where it stopped, tries again after a break, checks the length."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from weights.errors import AccessDenied, Interrupted, NotOnSource, SourceUnreachable, TransferBroken, file_trouble

TRIES = 5
"""Breaks in a row without a single new byte after which the download gives up; a try that gets on starts anew."""

PAUSE_S = 1.0
"""Wall seconds before the second try, doubled each time."""

TIMEOUT = httpx.Timeout(30.0, connect=15.0)
"""Wall seconds without a byte; a host that takes longer has gone."""

BLOCK_BYTES = 1024 * 1024

Moved = Callable[[int], None]
"""Called with the number of bytes that came in; negative where bytes are thrown away."""


class Stop:
    """Tells running downloads to end. Assigning a bool is atomic; no lock is needed."""

    def __init__(self) -> None:
        self.asked = False

    def check(self) -> None:
        """Raises ``Interrupted`` once asked."""
        if self.asked:
            raise Interrupted("stopped; what came in so far is kept")


def download(
    url: str,
    target: Path,
    *,
    headers: Mapping[str, str] | None = None,
    size_bytes: int | None = None,
    moved: Moved = lambda _: None,
    stop: Stop | None = None,
    pause_s: float | None = None,
) -> None:
    """Fetches ``url`` into ``target``; until it is whole it is called ``target.part``.

    Args:
        url: Where from; redirects are followed, a token goes to the first host only.
        target: File to make.
        headers: Of the request.
        size_bytes: Expected length, where known.
        moved: Told of progress, bytes of an earlier run included.
        stop: Ends it early.
        pause_s: Before the second try, in place of ``PAUSE_S``.

    Raises:
        SourceUnreachable, NotOnSource, AccessDenied, TransferBroken, DiskFull, Interrupted
    """
    part = target.with_name(target.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    stop = stop or Stop()
    have = part.stat().st_size if part.exists() else 0
    moved(have)
    fruitless, last = 0, "no answer"
    with httpx.Client(follow_redirects=True, timeout=TIMEOUT, headers=dict(headers or {})) as client:
        while fruitless < TRIES:
            before = have
            try:
                if _stream(client, url, part, size_bytes, moved, stop):
                    part.replace(target)
                    _tag(part).unlink(missing_ok=True)
                    return
                last = "the answer ended early"
            except httpx.TransportError as error:
                last = str(error) or type(error).__name__
            have = part.stat().st_size if part.exists() else 0
            fruitless = 0 if have > before else fruitless + 1
            _wait((PAUSE_S if pause_s is None else pause_s) * 2 ** max(0, fruitless - 1), stop)
    if have:
        raise TransferBroken(f"{url} broke off at {have} of {size_bytes or 'unknown'} bytes, {TRIES} times: {last}")
    raise SourceUnreachable(f"{url} does not answer: {last}")


def _stream(client: httpx.Client, url: str, part: Path, size: int | None, moved: Moved, stop: Stop) -> bool:
    """One try; whether the file is whole now."""
    have = part.stat().st_size if part.exists() else 0
    if size is not None and have > size:
        have = _restart(part, have, moved)
    if size is not None and have == size:
        return True
    tag = _tag(part)
    request = {"Accept-Encoding": "identity"}
    if have:
        request["Range"] = f"bytes={have}-"
        if tag.exists():
            # The rest is of use only if the file is still the one that the beginning is of.
            request["If-Range"] = tag.read_text(encoding="ascii")
    with client.stream("GET", url, headers=request) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            _restart(part, have, moved)
            return False
        _refuse_status(answer, url)
        if have and answer.status_code != httpx.codes.PARTIAL_CONTENT:
            have = _restart(part, have, moved)
        whole = size if size is not None else _announced(answer, have)
        etag = answer.headers.get("etag", "")
        if etag and not etag.startswith("W/"):
            tag.write_text(etag, encoding="ascii", errors="ignore")
        have += _append(answer, part, moved, stop)
    if whole is not None and have > whole:
        _restart(part, have, moved)
        raise TransferBroken(f"{url} gave {have} bytes, announced were {whole}")
    # Without any announced length the end of the answer is all there is to go by.
    return whole is None or have == whole


def _append(answer: httpx.Response, part: Path, moved: Moved, stop: Stop) -> int:
    written = 0
    try:
        with part.open("ab") as file:
            # As it comes in: what a break cuts off is then not lost with a half-filled block.
            for block in answer.iter_raw():
                stop.check()
                file.write(block)
                written += len(block)
                moved(len(block))
    except OSError as error:
        raise file_trouble(part, error) from error
    return written


def _refuse_status(answer: httpx.Response, url: str) -> None:
    code = answer.status_code
    if code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise AccessDenied(f"{url} answers {code}")
    if code in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
        raise NotOnSource(f"{url} answers {code}")
    if code >= 400:
        # Tried again like a broken line: the host may be busy.
        raise httpx.TransportError(f"it answers {code}")


def _announced(answer: httpx.Response, have: int) -> int | None:
    length = answer.headers.get("content-length", "")
    return have + int(length) if length.isdigit() else None


def _restart(part: Path, have: int, moved: Moved) -> int:
    part.unlink(missing_ok=True)
    _tag(part).unlink(missing_ok=True)
    moved(-have)
    return 0


def _tag(part: Path) -> Path:
    """Beside a part: the ETag of the file that it is the beginning of."""
    return part.with_name(part.name + ".etag")


def _wait(seconds: float, stop: Stop) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        stop.check()
        time.sleep(min(0.1, left))
