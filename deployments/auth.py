"""Who may do what: the role of each route, and when a token is needed at all."""

from __future__ import annotations

import base64
import ipaddress
import re
from typing import Literal

from deployments.tokens import ROLES, Role, Token, TokenStore
from schema.base import Model
from schema.errors import Forbidden, Unauthorized

OPEN: Literal["open"] = "open"
"""Of routes that answer everybody: they say nothing but that the service is there."""

ROUTE_ROLES: dict[tuple[str, str], Role | Literal["open"]] = {
    ("GET", "/health/live"): OPEN,
    ("GET", "/health/ready"): OPEN,
    ("GET", "/health"): "read",
    ("GET", "/analyzers"): "read",
    ("GET", "/schema"): "read",
    ("GET", "/docs"): "read",
    ("GET", "/docs/oauth2-redirect"): "read",
    ("GET", "/redoc"): "read",
    ("GET", "/openapi.json"): "read",
    ("POST", "/analyze"): "submit",
    ("GET", "/jobs"): "read",
    ("GET", "/jobs/{id}"): "read",
    ("DELETE", "/jobs/{id}"): "submit",
    ("GET", "/jobs/{id}/document"): "read",
    ("GET", "/jobs/{id}/thumbnails/{name}"): "read",
    ("GET", "/jobs/{id}/events"): "read",
}
"""The least role for each route: method and path as the ingress declares them. Whatever is not here needs ``admin``,
also paths that no route has; a test holds the table against the application's routes."""

PATTERNS = tuple(
    (method, re.compile(re.sub(r"\{\w+:path\}", ".*", re.sub(r"\{\w+\}", "[^/]+", path))), role)
    for (method, path), role in ROUTE_ROLES.items()
)


def role_of(method: str, path: str) -> Role | Literal["open"]:
    """The least role for a request.

    Args:
        method: Of HTTP; HEAD counts as GET.
        path: Decoded, as routes see it.
    """
    method = "GET" if method == "HEAD" else method
    for known, pattern, role in PATTERNS:
        if known == method and pattern.fullmatch(path):
            return role
    return "admin"


class AuthSettings(Model):
    """When tokens are asked for."""

    tokens: Literal["auto", "always"] = "auto"
    """``auto``: as soon as the server binds another address than loopback. ``always``: also on loopback, for a server
    behind a proxy on the same machine, or one that other users of the machine must not use."""


def is_loopback(host: str) -> bool:
    """Whether a server that binds ``host`` is reached from its own machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def tokens_needed(settings: AuthSettings, host: str) -> bool:
    """Whether requests need a token on a server that binds ``host``."""
    return settings.tokens == "always" or not is_loopback(host)


def start_problem(settings: AuthSettings, host: str, store: TokenStore) -> str | None:
    """Why a server must not start like this, with the command that mends it; None when it may."""
    if not tokens_needed(settings, host) or store.all():
        return None
    why = "auth.tokens is 'always'" if is_loopback(host) else f"it binds {host}, which others can reach"
    return f"{why}, and there is no token yet; make one with `tiktok-analyzer tokens add NAME --role admin`"


class Authenticator:
    """Decides about requests.

    Args:
        store: Of the tokens.
        needed: Whether a request without a token is refused. A token that is sent must be valid in any case.
    """

    def __init__(self, store: TokenStore, needed: bool) -> None:
        self._store, self._needed = store, needed

    def authorize(self, role: Role | Literal["open"], authorization: str | None, reads: bool = False) -> Token | None:
        """The token of a request that may go on; None where none is needed and none was sent.

        Args:
            role: The least one.
            authorization: The header of that name.
            reads: Whether the request changes nothing. Then the token may also be the password that a browser asks
                for; a browser adds that to requests of other sites' pages too, so it is good for nothing else.

        Raises:
            Unauthorized: No token, or one that is not valid.
            Forbidden: Its role is not enough.
        """
        if role == OPEN or (authorization is None and not self._needed):
            return None
        if authorization is None:
            raise Unauthorized("the request has no token")
        token = self._store.find(_sent_token(authorization, reads))
        if token is None:
            raise Unauthorized("the token is not valid; it may have been revoked")
        if ROLES.index(token.role) < ROLES.index(role):
            raise Forbidden(f"this needs the role {role!r}, the token {token.name!r} has {token.role!r}")
        return token


def _sent_token(authorization: str, reads: bool) -> str:
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return text.strip()
    if scheme.lower() == "basic" and reads:
        try:
            return base64.b64decode(text.strip(), validate=True).decode("ascii").partition(":")[2]
        except ValueError:
            return ""
    raise Unauthorized("the header Authorization must be 'Bearer TOKEN'")
