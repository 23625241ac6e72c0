"""What an exception of yt-dlp means for the client: one of our errors, and whether another attempt may help.

The texts are those of yt-dlp's extractors; where none fits, the HTTP status or the kind of exception decides. The
tests raise them from yt-dlp's own code.
"""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timezone

from yt_dlp.networking.exceptions import (
    CertificateVerifyError,
    HTTPError,
    ProxyError,
    TransportError,
)
from yt_dlp.utils import (
    ContentTooShortError,
    ExtractorError,
    GeoRestrictedError,
    UnsupportedError,
    UserNotLive,
    YoutubeDLError,
)

from schema.errors import (
    AnalyzerSystemError,
    DownloadBlocked,
    DownloadDeleted,
    DownloadFailed,
    DownloadPrivate,
    NotAVideo,
    TooLong,
    UrlNotAllowed,
)

MAX_DETAIL_CHARS = 300
"""Longest text of the site or of yt-dlp that is passed on."""


@dataclass(frozen=True)
class Outcome:
    """How a failed attempt is told.

    Attributes:
        error: For the client.
        again: Whether another attempt may help.
        retry_after_s: Seconds the site asks to wait; None when it does not.
    """

    error: AnalyzerSystemError
    again: bool = False
    retry_after_s: float | None = None


TEXTS: tuple[tuple[re.Pattern[str], type[AnalyzerSystemError], bool], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind, again)
    for pattern, kind, again in (
        (r"No connection adapters were found|Unsupported url scheme", UrlNotAllowed, False),
        # A page without the data it should have, in one answer of several: TikTok's robot check, seen now and then.
        (
            r"challenge|Unexpected response from webpage|universal data for rehydration|status code (-1|0)\b",
            DownloadBlocked,
            True,
        ),
        (
            r"IP address is blocked|geo.?restrict|not available (in|from) your (country|location)",
            DownloadBlocked,
            False,
        ),
        (r"confirm you.re not a bot|captcha|Cloudflare anti-bot|Fresh cookies", DownloadBlocked, False),
        (
            r"private|do not have permission|requiring login|Log.?in (for|to)|log into an account",
            DownloadPrivate,
            False,
        ),
        (r"only available (for|to) registered|members.only|subscribers|friends only", DownloadPrivate, False),
        (
            r"Video not available|has been (removed|deleted|terminated)|no longer (available|exists)"
            r"|(does not|doesn't) exist|video (is )?unavailable",
            DownloadDeleted,
            False,
        ),
        (r"livestream|is_live|not currently live", TooLong, False),
        (r"Requested format is not available|No video formats found|Unsupported URL", NotAVideo, False),
    )
)
"""Searched in this order: the first that fits decides."""

GAVE_UP = re.compile(r"\[download\] Got error: (?:HTTP Error (\d+))?")
"""How yt-dlp's loader of files ends after a broken connection or a 5xx; it drops the exception itself."""

STATUSES: dict[int, tuple[type[AnalyzerSystemError], bool]] = {
    401: (DownloadPrivate, False),
    403: (DownloadBlocked, False),
    404: (DownloadDeleted, False),
    407: (DownloadFailed, False),
    408: (DownloadFailed, True),
    410: (DownloadDeleted, False),
    425: (DownloadFailed, True),
    429: (DownloadFailed, True),
    451: (DownloadBlocked, False),
}
"""HTTP statuses with a meaning of their own. Of the others, 5xx may pass, 4xx will not."""


def outcome_of(error: BaseException) -> Outcome:
    """What a failed attempt means.

    Args:
        error: Anything that yt-dlp or its libraries raised.
    """
    chain = list(_causes(error))
    said = _text_of(chain)
    for cause in chain:
        if isinstance(cause, GeoRestrictedError):
            return Outcome(DownloadBlocked(said))
        if isinstance(cause, UnsupportedError):
            return Outcome(NotAVideo(f"no video is found at this address ({said})"))
        if isinstance(cause, UserNotLive):
            return Outcome(TooLong(f"a live stream has no end ({said})"))
    # An HTTP status under an extractor's own words (a login page, a robot check) says less than the words.
    for pattern, kind, again in TEXTS:
        if pattern.search(said):
            return Outcome(kind(said), again)
    for cause in chain:
        if isinstance(cause, HTTPError):
            return _of_status(cause)
    if gave_up := GAVE_UP.search(said):
        status = int(gave_up[1] or 0)
        return Outcome(DownloadFailed(said), again=status >= 500 or not status)
    for cause in chain:
        if isinstance(cause, (CertificateVerifyError, ProxyError)):
            return Outcome(DownloadFailed(said))
        if isinstance(cause, (TransportError, ContentTooShortError, TimeoutError, ConnectionError)):
            return Outcome(DownloadFailed(said), again=True)
    return Outcome(DownloadFailed(said))


def _of_status(error: HTTPError) -> Outcome:
    status = int(error.status)
    kind, again = STATUSES.get(status, (DownloadFailed, status >= 500))
    if error.redirect_loop:
        kind, again = DownloadFailed, False
    wait_s = retry_after_s(error.response.headers.get("Retry-After")) if again else None
    asked = f"; it asks to wait {wait_s:g} s" if wait_s is not None else ""
    loop = " after too many redirects" if error.redirect_loop else ""
    return Outcome(kind(f"the server answers {status} {error.reason or ''}".rstrip() + loop + asked), again, wait_s)


def retry_after_s(value: str | None, now_s: float | None = None) -> float | None:
    """Seconds of a ``Retry-After`` header, as a number or a date; None where it is neither.

    Args:
        value: Of the header.
        now_s: Seconds since 1970, for dates; the clock's when left out.
    """
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:  # "-0000": no zone known, and HTTP's dates are in GMT
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, moment.timestamp() - (time.time() if now_s is None else now_s))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it wraps, outermost first: ``exc_info``, ``cause`` and Python's own chain."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        found = waiting.pop(0)
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        wrapped = getattr(found, "exc_info", None)
        waiting += [wrapped[1] if isinstance(wrapped, tuple) and len(wrapped) > 1 else None]
        waiting += [getattr(found, "cause", None), found.__cause__, found.__context__]


def _text_of(chain: list[BaseException]) -> str:
    """The innermost extractor's own words, without yt-dlp's advice to its users; one line."""
    extractor = next((e for e in chain if isinstance(e, ExtractorError)), None)
    text = extractor.orig_msg if extractor is not None else str(chain[0])
    if extractor is None and isinstance(chain[0], YoutubeDLError):
        text = str(chain[0].msg)
    text = re.sub(r"\x1b\[[0-9;]*m", "", text).removeprefix("ERROR: ")
    text = re.split(r"; please report this issue|\. Use --|(?<=\.) +Use --|Confirm you are on the latest", text)[0]
    return " ".join(text.split())[:MAX_DETAIL_CHARS] or type(chain[0]).__name__
