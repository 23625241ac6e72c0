"""URLs, tokens and callbacks through a service of their own that binds all interfaces, as its clients meet it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.tokens import ROLES, Role, TokenStore
from ops.profiles import PROFILE_FILES, load_profile
from schema.document import AnalysisDocument
from tests import made_site
from tests.made_media import make_video
from tests.made_site import Site, redirect, running_site, serve, wait_for
from tests.ray.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
STOP_S = 2.0
STOP_TRIES = 4
"""The quickest counts: the machine may stop for a moment, a service that waits for something does so each time."""
SERVICE = """
import json, sys
from ops.server import local_service
with local_service(json.loads(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Guarded:
    """The service and those who talk to it."""

    url: str
    data: Path
    site: Site
    tokens: dict[Role, str]
    clip: bytes

    def ask(self, method: str, path: str, role: Role | None = "submit", **sent: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens[role]}", **sent.pop("headers", {})} if role else {}
        return httpx.request(method, f"{self.url}{path}", headers=headers, timeout=60.0, **sent)

    def analyze(self, url: str, **fields: Any) -> httpx.Response:
        return self.ask("POST", "/analyze", json={"tiktok_url": url, **fields})

    def left(self) -> list[Path]:
        """Files of jobs that have ended."""
        return [path for path in (self.data / "incoming").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    data = tmp_path_factory.mktemp("data")
    clip = make_video(tmp_path_factory.mktemp("clip") / "clip.mp4", [i / 10 for i in range(20)]).read_bytes()
    store = TokenStore(data)
    tokens = {role: store.add(role, role)[1] for role in ROLES}
    with running_site({"/clip.mp4": serve(clip)}) as site:
        hosts = {"test_hosts": [site.host]}
        args = {"data_dir": str(data), "analyzers": ["color_analysis"], "fetch": hosts, "callbacks": hosts}
        config = load_profile(PROFILE_FILES["cpu"], port=free_port(), host="0.0.0.0", args=args)
        deployments = config["applications"][0]["deployments"]
        kept = [d for d in deployments if d["name"] in ("Ingress", "color_analysis")]
        config["applications"][0]["deployments"] = kept
        process = subprocess.Popen(
            [sys.executable, "-c", SERVICE, json.dumps(config)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "ready"
            yield Guarded(f"http://127.0.0.1:{config['http_options']['port']}", data, site, tokens, clip)
        finally:
            process.communicate(timeout=60.0)


def test_only_the_probes_answer_without_a_token(service: Guarded) -> None:
    assert service.ask("GET", "/health/live", None).json() == {"status": "live"}
    assert service.ask("GET", "/health/ready", None).json() == {"status": "ready"}
    for method, path in (("GET", "/health"), ("GET", "/jobs"), ("POST", "/analyze"), ("GET", "/openapi.json")):
        answer = service.ask(method, path, None)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert "Bearer" in answer.headers["WWW-Authenticate"]
    assert wait_for(lambda: service.ask("GET", "/health", "read").json()["status"] == "healthy")
    refused = service.ask("POST", "/analyze", "read", json={"tiktok_url": service.site.url("/clip.mp4")})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert service.site.requests == []


def test_a_revoked_token_is_refused_at_once(service: Guarded) -> None:
    store = TokenStore(service.data)
    token, text = store.add("short-lived", "read")
    headers = {"Authorization": f"Bearer {text}"}
    assert httpx.get(f"{service.url}/jobs", headers=headers).status_code == 200
    store.revoke(token.id)
    assert httpx.get(f"{service.url}/jobs", headers=headers).status_code == 401


def test_a_url_becomes_a_document_that_names_its_source(service: Guarded) -> None:
    url = service.site.url("/clip.mp4")
    service.site.routes["/told"] = made_site.in_turn(made_site.status(503), made_site.status(200))
    answer = service.analyze(url, options={"callback_url": service.site.url("/told")})
    assert answer.status_code == 200, answer.text
    id = answer.json()["id"]
    document = AnalysisDocument.model_validate_json(service.ask("GET", f"/jobs/{id}/document", "read").content)
    assert (document.source.kind, document.source.url, document.source.name) == ("url", url, "clip.mp4")
    assert document.source.sha256 == hashlib.sha256(service.clip).hexdigest()
    assert document.source.post is not None
    assert (document.source.post.extractor, document.source.post.page_url) == ("Generic", url)
    assert document.sections["color_analysis"].status == "ok"
    states = [change["state"] for change in service.ask("GET", f"/jobs/{id}", "read").json()["changes"]]
    assert states[:3] == ["queued", "downloading", "decoding"]
    assert states[-1] == "done"
    assert wait_for(lambda: not service.left())
    told_twice(service, id)


def told_twice(service: Guarded, id: str) -> None:
    """The receiver failed once, then took the same message; its signature is checked from the standard's text."""
    assert wait_for(lambda: service.site.asked("/told") == 2)
    told = [(headers, body) for _, path, headers, body in service.site.requests if path == "/told"]
    sent = [{name.lower(): value for name, value in headers.items()} for headers, _ in told]
    assert sent[0]["webhook-id"] == sent[1]["webhook-id"]
    key = base64.b64decode((service.data / "callback_secret").read_text().strip()[len("whsec_") :])
    content = f"{sent[1]['webhook-id']}.{sent[1]['webhook-timestamp']}.".encode() + told[1][1]
    expected = "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    assert sent[1]["webhook-signature"] == expected
    assert json.loads(told[1][1])["data"]["id"] == id


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/inside", 403, "url_not_allowed"),
        ("/gone", 404, "download_deleted"),
        ("/forbidden", 502, "download_blocked"),
        ("/page", 422, "not_a_video"),
        ("/text.mp4", 422, "not_a_video"),
    ],
)
def test_what_cannot_be_had_is_typed_and_leaves_nothing(service: Guarded, path: str, status: int, code: str) -> None:
    with running_site({"/secret.mp4": serve(service.clip)}) as inside:
        service.site.routes |= {
            "/inside": redirect(inside.url("/secret.mp4")),
            "/forbidden": made_site.status(403),
            "/page": serve(b"<!DOCTYPE html><html><body>Nothing.</body></html>", "text/html"),
            "/text.mp4": serve(b"no video at all " * 100, "video/mp4"),
        }
        answer = service.analyze(service.site.url(path))
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert answer.json()["suggested_action"]
        assert not inside.requests
    assert wait_for(lambda: not service.left())


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x.mp4", "http://10.0.0.1/x.mp4", "file:///etc/passwd", "http://"])
def test_what_may_not_be_asked_for_is_refused_before_it_becomes_a_job(service: Guarded, url: str) -> None:
    before = len(service.ask("GET", "/jobs", "read").json()["jobs"])
    answer = service.analyze(url)
    assert (answer.status_code, answer.json()["code"]) == (403, "url_not_allowed")
    answer = service.analyze(service.site.url("/clip.mp4"), options={"callback_url": url})
    assert (answer.status_code, answer.json()["code"]) == (403, "url_not_allowed")
    assert len(service.ask("GET", "/jobs", "read").json()["jobs"]) == before


def test_a_download_is_cancelled_within_two_seconds(service: Guarded) -> None:
    service.site.routes["/slow.mp4"] = made_site.dribble
    took_s: list[float] = []
    while len(took_s) < STOP_TRIES and min(took_s, default=STOP_S) >= STOP_S:
        took_s.append(cancelled_after(service))
        assert wait_for(lambda: not service.left())
    assert min(took_s) < STOP_S


def cancelled_after(service: Guarded) -> float:
    """Seconds from the cancel of a download that is under way to its end."""
    before = service.site.asked("/slow.mp4")
    job = service.ask(
        "POST", "/analyze", json={"tiktok_url": service.site.url("/slow.mp4")}, headers={"Prefer": "respond-async"}
    )
    assert job.status_code == 202, job.text
    place = job.headers["Location"]
    assert wait_for(lambda: service.site.asked("/slow.mp4") >= before + 2)
    assert service.ask("GET", place, "read").json()["state"] == "downloading"
    started_s = time.monotonic()
    assert service.ask("DELETE", place).is_success
    assert wait_for(lambda: service.ask("GET", place, "read").json()["state"] == "cancelled")
    return time.monotonic() - started_s


def test_the_command_line_sends_urls_and_its_token(service: Guarded, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli", "analyze", service.site.url("/clip.mp4"), "--url", service.url]
    command += ["--out", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if name != "TIKTOK_ANALYZER_TOKEN"}

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=ROOT, env={**environment, **more}, capture_output=True, text=True, check=False
        )

    refused = run()
    assert refused.returncode == 2
    assert "tokens add" in refused.stderr
    done = run(TIKTOK_ANALYZER_TOKEN=service.tokens["submit"])
    assert done.returncode == 0, done.stderr
    document = AnalysisDocument.model_validate_json((tmp_path / "clip.json").read_bytes())
    assert (document.source.kind, document.source.url) == ("url", service.site.url("/clip.mp4"))
