"""Which addresses may be contacted on behalf of a client: allowed hosts, usual ports, public addresses only.

A server that fetches what clients name can be made to read its own network. So the host's name is held against a
list, every address that it resolves to must be public, and whoever connects asks again for the address that it is
about to connect to, since a name may resolve differently the second time. Standard library only.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from schema.errors import UrlNotAllowed

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL_CHARS = 2048
"""Longer ones are no links to videos; browsers and servers stop at about this length too."""

PORTS = (80, 443, 8080, 8443)
"""Ports of web servers. Others would let a client talk to mail servers and databases."""

ANY_HOST = "*"
"""The entry of a list of hosts that allows every host with public addresses."""

FORBIDDEN_CHARACTERS = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
"""Characters that programs read differently in a URL."""

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv6 addresses that stand for the IPv4 address in their last 32 bits (RFC 6052)."""

NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            "100.64.0.0/10",  # shared by carriers, also the metadata service of one cloud
            "192.0.0.0/24",  # assigned by protocols
            "192.88.99.0/24",  # relays of 6to4, withdrawn by RFC 7526
            "64:ff9b:1::/48",  # local NAT64
            "fec0::/10",  # site-local, withdrawn, still routed in places
            "3fff::/20",  # documentation
            "5f00::/16",  # segment routing
        ),
    )
)
"""Networks that some Python versions take for global."""


@dataclass(frozen=True)
class HostRules:
    """Who may be contacted.

    Attributes:
        allowed: Names of hosts; each allows its subdomains too. ``*`` allows every name.
        private: ``HOST:PORT`` that are allowed though their addresses are not public: test servers, an archive in the
            house. Nothing else behind such a host is.
    """

    allowed: tuple[str, ...]
    private: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """The server that a URL names.

    Attributes:
        host: In lower case and ASCII, without a trailing dot; an IPv6 address without its brackets.
        private: Listed as ``HOST:PORT`` that need not be public.
    """

    scheme: str
    host: str
    port: int
    private: bool


def is_public(address: str | IPAddress) -> bool:
    """Whether an address belongs to the public internet, and so does the IPv4 address that it may carry inside."""
    found = ipaddress.ip_address(address.partition("%")[0]) if isinstance(address, str) else address
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
    if any(found.version == network.version and found in network for network in NOT_PUBLIC):
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def host_matches(host: str, allowed: Iterable[str]) -> bool:
    """Whether ``host`` is one of the names or below one."""
    return any(name == ANY_HOST or host == name or host.endswith(f".{name}") for name in map(str.lower, allowed))


def check_url(url: str, rules: HostRules) -> Target:
    """What a URL names, if it may be contacted. Looks nothing up: the addresses are ``check_addresses``'s matter.

    Raises:
        UrlNotAllowed: Another scheme than http(s), user and password, a host or port that is not allowed.
    """
    if len(url) > MAX_URL_CHARS or FORBIDDEN_CHARACTERS.search(url):
        raise UrlNotAllowed(f"{shown(url)} is no URL: too long, or with characters that none may have")
    try:
        parts = urlsplit(url)
        host, port = _ascii(parts.hostname or ""), parts.port
    except ValueError as error:
        raise UrlNotAllowed(f"{shown(url)} is no URL ({error})") from None
    if parts.scheme not in ("http", "https"):
        raise UrlNotAllowed(f"{shown(url)}: only http and https are allowed")
    if parts.username is not None or parts.password is not None:
        raise UrlNotAllowed(f"a URL with user or password for {host!r}; send it without")
    if not host:
        raise UrlNotAllowed(f"{shown(url)} names no host")
    port = port if port is not None else 443 if parts.scheme == "https" else 80
    if f"{f'[{host}]' if ':' in host else host}:{port}" in rules.private:
        return Target(parts.scheme, host, port, private=True)
    if not host_matches(host, rules.allowed):
        raise UrlNotAllowed(f"{host!r} is none of the allowed hosts ({', '.join(rules.allowed) or 'there are none'})")
    if port not in PORTS:
        raise UrlNotAllowed(f"port {port} of {host!r}; allowed are {', '.join(map(str, PORTS))}")
    if (literal := _literal(host)) is not None and not is_public(literal):
        raise UrlNotAllowed(f"{host!r} is not a public address")
    return Target(parts.scheme, host, port, private=False)


def addresses_of(target: Target) -> tuple[str, ...]:
    """What the host's name resolves to, in the order to try. Blocks.

    Raises:
        OSError: The name does not resolve.
    """
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def check_addresses(target: Target, addresses: Iterable[str]) -> None:
    """Refuses a host of which any address is not public, unless it is listed as private.

    Raises:
        UrlNotAllowed: Some address is not public. The text does not say which: clients need not know the network.
    """
    if not target.private and not all(map(is_public, addresses)):
        raise UrlNotAllowed(f"{target.host!r} resolves to an address that is not public")


def shown(url: str) -> str:
    """A URL as it may stand in a message: short, printable."""
    return repr(url[:120])


def _ascii(host: str) -> str:
    """The name as it is looked up. ``ValueError`` (``UnicodeError``) where it has no such form."""
    lowered = host.rstrip(".").lower()
    return lowered if lowered.isascii() else lowered.encode("idna").decode("ascii")


def _literal(host: str) -> IPAddress | None:
    """The address that the host's name spells out, also in the short and octal forms that resolvers take."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None
