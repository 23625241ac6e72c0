"""A model hub on this machine: the two addresses of the real one that a pull uses, with faults on request."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "1111111111222222222233333333334444444444"


@dataclass
class Fault:
    """What goes wrong with one file, each ``times`` times.

    Attributes:
        cut_at: The answer ends after so many bytes although more were announced.
        status: Answered in place of the file.
        swap: Other bytes of the same length, with the published digest left as it is.
        times: How often; after that the file is served as it should be.
    """

    cut_at: int | None = None
    status: int | None = None
    swap: bytes | None = None
    times: int = 1_000


@dataclass
class MadeHub:
    """Repositories, and what was asked for.

    Attributes:
        repos: Files per repository.
        commit: The newest commit of every repository.
        faults: Per path of a file.
        asked: Method, path and range of every request.
        tokens: Values of the Authorization header that came.
        ranges: Whether a range is honoured.
    """

    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    commit: str = COMMIT
    gated: set[str] = field(default_factory=set)
    faults: dict[str, Fault] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    ranges: bool = True
    url: str = ""
    at_once: int = 0
    most_at_once: int = 0
    barrier: threading.Barrier | None = None
    guard: threading.Lock = field(default_factory=threading.Lock)

    def fetched(self, name: str) -> list[str]:
        """The ranges that this file was asked for with, in order."""
        return [asked_range for path, asked_range in self.asked if path.endswith(f"/{name}")]


def description(repo: str, files: dict[str, bytes], commit: str) -> dict[str, Any]:
    """As ``/api/models/REPO?blobs=true`` answers: large files with sha256, small ones with git's hash."""
    siblings: list[dict[str, Any]] = []
    for name, content in files.items():
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob}
        if name.endswith((".safetensors", ".bin", ".pt")):
            digest = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
        siblings.append(entry)
    return {"id": repo, "modelId": repo, "sha": commit, "siblings": siblings, "tags": [], "downloads": 0, "likes": 0}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: MadeHub

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        path, hub = self.path.partition("?")[0], self.hub
        hub.asked.append((path, self.headers.get("Range", "")))
        if token := self.headers.get("Authorization"):
            hub.tokens.append(token)
        for repo, files in hub.repos.items():
            if path.startswith(f"/api/models/{repo}"):
                wanted = path.partition("/revision/")[2] or hub.commit
                if repo in hub.gated:
                    return self._refuse(403, "GatedRepo")
                if wanted != hub.commit:
                    return self._refuse(404, "RevisionNotFound")
                return self._send(json.dumps(description(repo, files, hub.commit)).encode())
            for name, content in files.items():
                if path in (f"/{repo}/resolve/{hub.commit}/{name}", f"/{repo}/{name}"):
                    return self._file(path, content)
        return self._refuse(404, "RepoNotFound" if path.startswith("/api/") else "EntryNotFound")

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(
        self, body: bytes, status: int = 200, extra: dict[str, str] | None = None, cut: int | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True

    def _file(self, path: str, content: bytes) -> None:
        hub = self.hub
        with hub.guard:
            hub.at_once += 1
            hub.most_at_once = max(hub.most_at_once, hub.at_once)
        try:
            if hub.barrier is not None:
                hub.barrier.wait(timeout=60)
            self._answer(path, content)
        finally:
            with hub.guard:
                hub.at_once -= 1

    def _answer(self, path: str, content: bytes) -> None:
        fault = self.hub.faults.get(path.rpartition("/")[2], Fault(times=0))
        active, fault.times = fault.times > 0, fault.times - 1
        if active and fault.status:
            return self._refuse(fault.status, "")
        body = fault.swap if active and fault.swap is not None else content
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        start, asked = 0, self.headers.get("Range", "")
        if asked and self.hub.ranges and self.headers.get("If-Range", etag) == etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                return self._refuse(416, "")
        cut = max(0, fault.cut_at - start) if active and fault.cut_at is not None else None
        extra = {"ETag": etag}
        if start:
            extra["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return self._send(body[start:], 206 if start else 200, extra, cut)


@contextmanager
def made_hub(hub: MadeHub) -> Iterator[MadeHub]:
    """Serves the hub on a free port of the loopback."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
