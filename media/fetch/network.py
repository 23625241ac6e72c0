"""yt-dlp's requests through the guard: every URL and redirect checked, every byte counted.

Builds on parts of yt-dlp that it does not promise to keep; ``constraints.txt`` holds the version that the tests ran
with.
"""

from __future__ import annotations

from typing import Any

from requests.adapters import BaseAdapter
from yt_dlp import YoutubeDL
from yt_dlp.networking._requests import RequestsResponseAdapter, RequestsRH
from yt_dlp.networking.common import RequestDirector
from yt_dlp.networking.exceptions import HTTPError, RequestError, TransportError

from media.fetch.guard import Guard
from schema.errors import AnalyzerSystemError, NotAVideo

MAX_REDIRECTS = 5
"""Redirects of one request. TikTok's short links take two."""

BLOCK_BYTES = 1 << 16
"""Read size where a library asks for all at once."""

MAX_TEXT_BYTES = 16 * 1024 * 1024
"""Bytes of one page or manifest that are held in memory."""

NO_VIDEO_TYPES = ("text/", "image/", "application/json", "application/xml", "application/xhtml", "application/pdf")
"""How the content types of answers begin that cannot be a video; an animated GIF comes as ``image/gif``."""


class GuardedYoutubeDL(YoutubeDL):  # type: ignore[misc]  # yt-dlp ships no types
    """yt-dlp with one way to the network.

    Args:
        params: Of yt-dlp.
        guard: Asked before each request and about each byte.
    """

    def __init__(self, params: dict[str, Any], guard: Guard) -> None:
        self.guard = guard
        self.fetching_video = False
        """Set once the page is read and the next answers are the video itself, in one piece."""
        super().__init__(params, auto_init=True)

    def build_request_director(self, handlers: Any, preferences: Any = None) -> RequestDirector:
        """A director with the guarded handler only: no urllib, no websockets, no curl."""
        director = super().build_request_director([GuardedRH], preferences)
        director.handlers[GuardedRH.RH_KEY].owner = self
        return director


class GuardedRH(RequestsRH):  # type: ignore[misc]  # yt-dlp ships no types
    """The handler of http(s) requests."""

    owner: GuardedYoutubeDL

    def _create_instance(self, cookiejar: Any, legacy_ssl_support: Any = None) -> Any:
        session = super()._create_instance(cookiejar, legacy_ssl_support)
        session.max_redirects = MAX_REDIRECTS
        for prefix, adapter in list(session.adapters.items()):
            session.mount(prefix, CheckedAdapter(adapter, self.owner.guard))
        return session

    def _send(self, request: Any) -> Any:
        guard = self.owner.guard
        try:
            answer = super()._send(request)
        except HTTPError as error:
            error.response = CountedResponse(error.response, guard)
            raise
        if self.owner.fetching_video:
            guard.announce(answer.headers.get("Content-Length"))
            self._check_type(answer)
        return CountedResponse(answer, guard)

    def _check_type(self, answer: Any) -> None:
        kind = str(answer.headers.get("Content-Type") or "").lower()
        if kind.startswith(NO_VIDEO_TYPES) and not kind.startswith("image/gif") and "mpegurl" not in kind:
            raise self.owner.guard.refuse(NotAVideo(f"the server sends {kind.partition(';')[0]!r}, no video"))


class CheckedAdapter(BaseAdapter):
    """Checks the URL of each request; requests sends the redirects of an answer through here as well.

    Args:
        inner: Sends what passed.
        guard: Decides.
    """

    def __init__(self, inner: Any, guard: Guard) -> None:
        super().__init__()
        self._inner, self._guard = inner, guard

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """As the inner adapter's."""
        try:
            self._guard.check(request.url)
        except AnalyzerSystemError as error:
            raise RequestError(str(error)) from error
        except OSError as error:
            raise TransportError(f"the host does not resolve ({error})") from error
        return self._inner.send(request, *args, **kwargs)

    def close(self) -> None:
        """As the inner adapter's."""
        self._inner.close()


class CountedResponse(RequestsResponseAdapter):  # type: ignore[misc]  # yt-dlp ships no types
    """An answer whose bytes are counted as they are read.

    Args:
        answer: As the handler gave it; kept, since it closes the connection when it is forgotten.
        guard: Counts.
    """

    def __init__(self, answer: RequestsResponseAdapter, guard: Guard) -> None:
        super().__init__(answer._requests_response)
        self._answer, self._guard = answer, guard

    def read(self, amt: int | None = None) -> bytes:
        """As the base's; reading to the end stops at ``MAX_TEXT_BYTES``."""
        if amt is not None:
            return self._guard.count(super().read(amt))
        parts, size = [], 0
        while block := self._guard.count(super().read(BLOCK_BYTES)):
            parts.append(block)
            size += len(block)
            if size > MAX_TEXT_BYTES:
                raise TransportError(f"a page of more than {MAX_TEXT_BYTES} bytes")
        return b"".join(parts)
