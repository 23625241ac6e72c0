"""Web sites for the download tests: a real local server with routes, and TikTok's pages answered from a table."""

from __future__ import annotations

import io
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from yt_dlp.networking.common import RequestDirector, RequestHandler, Response
from yt_dlp.networking.exceptions import HTTPError

from media.fetch.network import GuardedYoutubeDL

Route = Callable[["Asked"], None]

SILENCE_S = 60.0
"""Seconds after which ``silence`` ends; no test waits for it."""


class Asked(BaseHTTPRequestHandler):
    """One request; routes answer through ``reply`` or write to ``wfile`` themselves."""

    protocol_version = "HTTP/1.1"
    site: Site

    def reply(self, status: int, body: bytes = b"", kind: str = "text/plain", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunked(self, kind: str = "video/mp4") -> None:
        """The head of an answer of unknown length."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.site.requests.append((self.command, self.path, dict(self.headers.items()), body))
        route = self.site.routes.get(self.path.partition("?")[0])
        try:
            route(self) if route else self.reply(404)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client went away, as some tests want it to

    do_GET = do_HEAD = do_POST = _answer  # noqa: N815 - the base class calls them so

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@dataclass
class Site:
    """A running server.

    Attributes:
        port: On 127.0.0.1.
        routes: Path to what answers; tests add theirs.
        requests: Method, path, headers and body of all that came in.
        stop: Set when the server ends, so that endless answers end too.
        tls: When set, new connections speak TLS.
    """

    port: int = 0
    routes: dict[str, Route] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    tls: ssl.SSLContext | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(asked == path for _, asked, _, _ in self.requests)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    site: Site

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's thread: a handshake that fails ends that thread only."""
        if not self.site.tls:
            return super().finish_request(request, client_address)
        with self.site.tls.wrap_socket(request, server_side=True) as wrapped:
            return super().finish_request(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what many tests are about."""


@contextmanager
def running_site(routes: Mapping[str, Route] | None = None) -> Iterator[Site]:
    """A server on a free port of 127.0.0.1."""
    site = Site(routes=dict(routes or {}))
    server = _Server(("127.0.0.1", 0), type("Handler", (Asked,), {"site": site}))
    server.site, site.port = site, server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()


def server_context(folder: Path, name: str) -> ssl.SSLContext:
    """A server's TLS with a certificate of its own for one name."""
    x509: Any = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


# ------------------------------------------------------------------------------------------------------- routes


def serve(body: bytes, kind: str = "video/mp4") -> Route:
    return lambda asked: asked.reply(200, body, kind)


def status(code: int, **headers: str) -> Route:
    return lambda asked: asked.reply(code, b"no", **headers)


def redirect(to: str, code: int = 302) -> Route:
    return lambda asked: asked.reply(code, Location=to)


def in_turn(*routes: Route) -> Route:
    """Each request gets the next route; the last one answers all that follow."""
    left = list(routes)

    def answer(asked: Asked) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(asked)

    return answer


def endless(asked: Asked) -> None:
    """As many bytes as the client takes, of unknown length."""
    asked.chunked()
    while not asked.site.stop.is_set():
        asked.chunk(bytes(1 << 16))


def dribble(asked: Asked) -> None:
    """A byte now and then, so that no time-out between two bytes ever comes."""
    asked.chunked()
    while not asked.site.stop.wait(0.1):
        asked.chunk(b"\0")


def dribbled_head(asked: Asked) -> None:
    """A header line now and then, and never an end."""
    asked.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for i in range(10_000):
        if asked.site.stop.wait(0.1):
            return
        asked.wfile.write(b"X-%d: x\r\n" % i)


def silence(asked: Asked) -> None:
    """No answer for a long time."""
    asked.site.stop.wait(SILENCE_S)


def hang_up(asked: Asked) -> None:
    """Less than was promised."""
    asked.send_response(200)
    asked.send_header("Content-Type", "video/mp4")
    asked.send_header("Content-Length", "1000000")
    asked.end_headers()
    asked.wfile.write(bytes(1000))
    asked.wfile.flush()
    asked.connection.shutdown(socket.SHUT_RDWR)
    asked.close_connection = True


def wait_for(condition: Callable[[], bool], within_s: float = 120.0) -> bool:
    """Whether the condition comes true in time; only what hangs takes so long."""
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


# ------------------------------------------------------------------------------------------- TikTok, from a table


def tiktok_page(detail: Mapping[str, Any]) -> bytes:
    """A page as TikTok's site sends it: its data as JSON in a script."""
    data = json.dumps({"__DEFAULT_SCOPE__": {"webapp.video-detail": detail}})
    script = f'<script id="__UNIVERSAL_DATA_FOR_REHYDRATION__" type="application/json">{data}</script>'
    return f"<!DOCTYPE html><html><head>{script}</head><body></body></html>".encode()


@dataclass(frozen=True)
class Canned:
    """One answer of the table.

    Attributes:
        url: After redirects; the asked one when None.
    """

    body: bytes = b""
    kind: str = "text/html"
    status: int = 200
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def canned_ydl(answers: Mapping[str, Canned]) -> type[GuardedYoutubeDL]:
    """yt-dlp whose network is a table from URL to answer; what is not in it is a 404."""

    class CannedRH(RequestHandler):  # type: ignore[misc]
        _SUPPORTED_URL_SCHEMES = ("http", "https")
        RH_NAME = "canned"

        def _check_extensions(self, extensions: dict[str, Any]) -> None:
            extensions.clear()

        def _send(self, request: Any) -> Response:
            found = answers.get(request.url, Canned(status=404))
            headers = {"Content-Type": found.kind, "Content-Length": str(len(found.body)), **found.headers}
            response = Response(io.BytesIO(found.body), found.url or request.url, headers, found.status)
            if not 200 <= found.status < 300:
                raise HTTPError(response)
            return response

    class CannedYoutubeDL(GuardedYoutubeDL):
        def build_request_director(self, handlers: Any, preferences: Any = None) -> RequestDirector:
            return super(GuardedYoutubeDL, self).build_request_director([CannedRH], preferences)

    return CannedYoutubeDL
