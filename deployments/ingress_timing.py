"""Says in each answer how long the application took until it began to answer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders

App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


class TimingMiddleware:
    """Adds ``Server-Timing: app;dur=MILLISECONDS``: from the moment the ingress got the request to its first byte.

    Args:
        app: What comes after.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began_s = time.perf_counter()

        async def timed(message: Any) -> None:
            if message["type"] == "http.response.start":
                spent_ms = 1000.0 * (time.perf_counter() - began_s)
                MutableHeaders(scope=message).append("Server-Timing", f"app;dur={spent_ms:.1f}")
            await send(message)

        return await self._app(scope, receive, timed)
