"""Stands before every route of the ingress and lets pass what the request's token may."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import Depends
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse

from deployments.auth import Authenticator, role_of, start_problem, tokens_needed
from deployments.ingress_errors import error_responses
from deployments.settings import GraphArgs
from deployments.tokens import TokenStore
from schema.errors import AnalyzerSystemError, Forbidden, InternalError, Unauthorized

logger = logging.getLogger("tiktok_analyzer.auth")

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

CHALLENGE = 'Bearer, Basic realm="token as password"'
"""What may be sent: programs send the token, browsers ask for a password, which the token is."""

_of_this_process: list[Authenticator] = []
"""Holds one once ``guard`` has run. Serve copies the application object, so it cannot be held there."""


class AuthMiddleware:
    """Refuses requests before anything of them is read.

    Args:
        app: What comes after.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """ASGI. Without ``guard`` having run, nothing passes."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        try:
            if not _of_this_process:
                raise InternalError("the tokens are not set up")
            header, method = HTTPConnection(scope).headers.get("authorization"), scope.get("method", "")
            _of_this_process[0].authorize(role_of(method, _route_path(scope)), header, method in ("GET", "HEAD"))
        except AnalyzerSystemError as error:
            logger.info("%s %s: %s", scope.get("method"), scope["path"], error.code)
            challenge = {"WWW-Authenticate": CHALLENGE} if isinstance(error, Unauthorized) else None
            answer = JSONResponse(error.body().model_dump(), error.http_status, headers=challenge)
            return await answer(scope, receive, send)
        return await self._app(scope, receive, send)


def _route_path(scope: Scope) -> str:
    """The path without the prefix under which the application is served."""
    path, prefix = str(scope["path"]), str(scope.get("root_path") or "")
    return path.removeprefix(prefix) or "/"


def guard(settings: GraphArgs, host: str | None = None) -> None:
    """Sets this process's rules.

    Args:
        settings: Of the application.
        host: That the server binds; Serve is asked when None.

    Raises:
        RuntimeError: Tokens are needed, and there are none.
    """
    host = bound_host() if host is None else host
    store = TokenStore(settings.data_path)
    if problem := start_problem(settings.auth, host, store):
        raise RuntimeError(f"the ingress does not start: {problem}")
    _of_this_process[:] = [Authenticator(store, tokens_needed(settings.auth, host))]


def token_documentation() -> dict[str, Any]:
    """What OpenAPI says of tokens, as arguments of ``FastAPI``. Decides nothing: the middleware does."""
    scheme = HTTPBearer(auto_error=False, description="An API token. Not needed on a server that binds loopback.")
    return {"dependencies": [Depends(scheme)], "responses": error_responses(Unauthorized, Forbidden)}


def bound_host() -> str:
    """The address that Serve's HTTP proxies bind."""
    # Serve has no public call for this. If it moves, replicas fail at their start instead of running open.
    from ray.serve.context import _get_global_client

    client = _get_global_client()
    if client is None:
        raise RuntimeError("the ingress runs in no Serve, so nobody knows what it binds")
    return str(client.http_config.host)
