"""Downloads from a real server: what comes back, what is refused, what is tried again, and that nothing is left."""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from media.fetch import FetchPolicy, fetch
from media.limits import MediaLimits
from media.probe import probe
from schema.errors import (
    AnalyzerSystemError,
    Cancelled,
    DownloadBlocked,
    DownloadDeleted,
    DownloadFailed,
    DownloadPrivate,
    InternalError,
    NotAVideo,
    TooLarge,
    UrlNotAllowed,
)
from tests import made_site
from tests.child_processes import Child, is_alive, run_python
from tests.made_media import make_video
from tests.made_site import Asked, Site, in_turn, redirect, running_site, serve, status, wait_for

ROOT = Path(__file__).resolve().parents[1]
CANCEL_S = 2.0
CANCEL_TRIES = 4
"""The quickest counts: the machine may stop for a moment, a program that waits for something does so each time."""
PATIENCE_S = 60.0
"""Wall seconds that only what hangs takes."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_video(tmp_path_factory.mktemp("clip") / "clip.mp4", [0.0, 0.1, 0.2]).read_bytes()


@pytest.fixture(scope="module")
def site(clip: bytes) -> Iterator[Site]:
    with running_site({"/clip.mp4": serve(clip)}) as found:
        yield found


@pytest.fixture
def policy(site: Site) -> FetchPolicy:
    return FetchPolicy(test_hosts=(site.host,), backoff_s=0.05, timeout_s=120.0, socket_timeout_s=60.0)


def living_children() -> list[int]:
    """Without zombies: where nobody else waits for orphans of other tests, they are children of this process."""
    return [child.pid for child in psutil.Process().children() if is_alive(child)]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where downloads go: at the end of each test it holds no more than it says itself, and no child runs on."""
    before = set(living_children())
    yield tmp_path / "incoming"
    assert not [p for p in (tmp_path / "incoming").rglob("*") if p.name.startswith(".") or p.suffix]
    assert set(living_children()) <= before


def refused(kind: type[AnalyzerSystemError], url: str, folder: Path, policy: FetchPolicy) -> AnalyzerSystemError:
    """The error of a download that must fail and leave nothing."""
    with pytest.raises(kind) as caught:
        fetch(url, folder, policy)
    assert type(caught.value) is kind
    assert not folder.exists() or not list(folder.iterdir())
    return caught.value


def test_a_file_comes_as_it_is(site: Site, policy: FetchPolicy, folder: Path, clip: bytes) -> None:
    found = fetch(site.url("/clip.mp4"), folder, policy)
    assert list(folder.iterdir()) == [found.path]
    assert found.path.read_bytes() == clip
    assert (found.name, found.url, found.attempts) == ("clip.mp4", site.url("/clip.mp4"), 1)
    assert (found.post.extractor, found.post.id, found.post.page_url) == ("Generic", "clip", site.url("/clip.mp4"))
    assert (found.post.author, found.post.counts, found.post.uploaded_at) == (None, None, None)
    assert probe(found.path, MediaLimits()).width == 96


def test_a_redirect_is_followed(site: Site, policy: FetchPolicy, folder: Path, clip: bytes) -> None:
    site.routes["/short"] = redirect("/longer", 301)
    site.routes["/longer"] = redirect(site.url("/clip.mp4"))
    found = fetch(site.url("/short"), folder, policy)
    assert found.path.read_bytes() == clip
    assert (found.url, found.post.page_url) == (site.url("/short"), site.url("/clip.mp4"))


@pytest.mark.slow
def test_redirects_in_a_circle_end(site: Site, policy: FetchPolicy, folder: Path) -> None:
    site.routes["/circle"] = redirect("/circle")
    before = len(site.requests)
    assert "redirect" in str(refused(DownloadFailed, site.url("/circle"), folder, policy))
    assert len(site.requests) - before < 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("http://127.0.0.1:9/x.mp4", "port 9"),
        ("http://127.0.0.2/x.mp4", "127.0.0.2"),
        ("http://169.254.169.254/latest/meta-data/", "169.254.169.254"),
        ("http://[::1]/x.mp4", "::1"),
        ("http://[::ffff:10.0.0.1]/x.mp4", "10.0.0.1|a00:1"),
        ("http://2130706433/x.mp4", "2130706433"),
        ("http://localhost/x.mp4", "localhost.*not public"),
        ("file:///etc/passwd", "file"),
        ("ftp://example.org/x.mp4", "ftp"),
    ],
)
def test_a_redirect_to_what_is_not_public_is_refused(
    site: Site, policy: FetchPolicy, folder: Path, to: str, said: str
) -> None:
    site.routes["/inside"] = redirect(to)
    every_host = policy.model_copy(update={"allowed_hosts": ("*",)})
    before = len(site.requests)
    assert re.search(said, str(refused(UrlNotAllowed, site.url("/inside"), folder, every_host)))
    assert {path for _, path, _, _ in site.requests[before:]} == {"/inside"}


@pytest.mark.slow
def test_the_refused_server_hears_nothing(site: Site, policy: FetchPolicy, folder: Path) -> None:
    with running_site({"/secret.mp4": serve(b"secret")}) as inside:
        site.routes["/across"] = redirect(inside.url("/secret.mp4"))
        refused(UrlNotAllowed, site.url("/across"), folder, policy)
        refused(UrlNotAllowed, site.url("/across"), folder, policy.model_copy(update={"allowed_hosts": ("*",)}))
        refused(UrlNotAllowed, inside.url("/secret.mp4"), folder, policy)
        assert not inside.requests


def test_a_page_cannot_lead_inside(site: Site, policy: FetchPolicy, folder: Path) -> None:
    with running_site({"/secret.mp4": serve(b"secret")}) as inside:
        page = f'<html><body><video src="{inside.url("/secret.mp4")}"></video></body></html>'
        site.routes["/page-inside"] = serve(page.encode(), "text/html")
        refused(UrlNotAllowed, site.url("/page-inside"), folder, policy)
        assert not inside.requests


@pytest.mark.slow
def test_a_name_of_an_allowed_host_that_is_not_public(policy: FetchPolicy, folder: Path) -> None:
    local = policy.model_copy(update={"allowed_hosts": ("localhost",), "test_hosts": ()})
    assert "not public" in str(refused(UrlNotAllowed, "http://localhost/x.mp4", folder, local))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "kind"),
    [(401, DownloadPrivate), (403, DownloadBlocked), (404, DownloadDeleted), (410, DownloadDeleted)],
)
def test_statuses_that_stay_are_told_at_once(
    site: Site, policy: FetchPolicy, folder: Path, code: int, kind: type[AnalyzerSystemError]
) -> None:
    site.routes["/status.mp4"] = status(code)
    before = site.asked("/status.mp4")
    assert str(code) in str(refused(kind, site.url("/status.mp4"), folder, policy))
    assert site.asked("/status.mp4") - before == 1


@pytest.mark.slow
def test_429_is_tried_again_after_the_time_it_names(site: Site, policy: FetchPolicy, folder: Path, clip: bytes) -> None:
    site.routes["/busy.mp4"] = in_turn(status(429, Retry_After="1"), serve(clip))
    started_s = time.monotonic()
    found = fetch(site.url("/busy.mp4"), folder, policy.model_copy(update={"backoff_s": 60.0}))
    assert (found.path.read_bytes(), found.attempts) == (clip, 2)
    assert time.monotonic() - started_s >= 1.0


@pytest.mark.slow
def test_a_wait_that_is_too_long_is_told_and_not_waited_for(site: Site, policy: FetchPolicy, folder: Path) -> None:
    site.routes["/later.mp4"] = status(429, Retry_After="3600")
    error = refused(DownloadFailed, site.url("/later.mp4"), folder, policy)
    assert "3600" in str(error)
    assert error.retry_possible
    assert site.asked("/later.mp4") == 1


@pytest.mark.slow
def test_5xx_is_tried_so_often_and_no_more(site: Site, policy: FetchPolicy, folder: Path, clip: bytes) -> None:
    site.routes["/broken.mp4"] = status(503)
    refused(DownloadFailed, site.url("/broken.mp4"), folder, policy)
    assert site.asked("/broken.mp4") == policy.attempts
    # The page's first look is well; then the file itself fails once.
    site.routes["/shaky.mp4"] = in_turn(serve(clip), status(500), serve(clip))
    assert fetch(site.url("/shaky.mp4"), folder, policy).attempts == 2


@pytest.mark.slow
def test_a_connection_that_breaks_is_tried_again(site: Site, policy: FetchPolicy, folder: Path, clip: bytes) -> None:
    site.routes["/cut.mp4"] = in_turn(serve(clip), made_site.hang_up, serve(clip))
    found = fetch(site.url("/cut.mp4"), folder, policy)
    assert (found.path.read_bytes(), found.attempts) == (clip, 2)


def test_nobody_listens(policy: FetchPolicy, folder: Path) -> None:
    with socket.socket() as taken:  # by nobody else meanwhile
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        closed = policy.model_copy(update={"test_hosts": (host,), "attempts": 1})
        assert refused(DownloadFailed, f"http://{host}/clip.mp4", folder, closed).retry_possible


@pytest.mark.slow
def test_a_server_that_cannot_prove_its_name_is_left(policy: FetchPolicy, folder: Path, tmp_path: Path) -> None:
    with running_site({"/clip.mp4": serve(b"video")}) as secure:
        secure.tls = made_site.server_context(tmp_path, "127.0.0.1")
        listed = policy.model_copy(update={"test_hosts": (secure.host,)})
        error = refused(DownloadFailed, f"https://{secure.host}/clip.mp4", folder, listed)
        assert "CERTIFICATE_VERIFY_FAILED" in str(error)
        assert not secure.requests


@pytest.mark.slow
@pytest.mark.parametrize("route", [made_site.dribble, made_site.dribbled_head], ids=["body", "head"])
def test_a_server_that_dribbles_is_left(
    site: Site, policy: FetchPolicy, folder: Path, route: Callable[[Asked], None]
) -> None:
    site.routes["/slow.mp4"] = route
    started_s = time.monotonic()
    error = refused(DownloadFailed, site.url("/slow.mp4"), folder, policy.model_copy(update={"timeout_s": 1.5}))
    assert "1.5 s" in str(error)
    assert time.monotonic() - started_s < PATIENCE_S  # the site's patience has no end


@pytest.mark.slow
def test_a_server_that_falls_silent_is_left(site: Site, policy: FetchPolicy, folder: Path) -> None:
    site.routes["/silent.mp4"] = made_site.silence
    silent = policy.model_copy(update={"socket_timeout_s": 0.3, "attempts": 1})
    started_s = time.monotonic()
    refused(DownloadFailed, site.url("/silent.mp4"), folder, silent)
    assert time.monotonic() - started_s < made_site.SILENCE_S


def test_too_large_as_announced(site: Site, policy: FetchPolicy, folder: Path, clip: bytes) -> None:
    site.routes["/large.mp4"] = serve(clip + bytes(100_000))
    small = policy.model_copy(update={"max_bytes": 50_000})
    assert "announces" in str(refused(TooLarge, site.url("/large.mp4"), folder, small))
    exact = policy.model_copy(update={"max_bytes": len(clip) + 100_000})
    assert fetch(site.url("/large.mp4"), folder, exact).path.stat().st_size == len(clip) + 100_000


@pytest.mark.slow
def test_too_large_without_announcement(site: Site, policy: FetchPolicy, folder: Path) -> None:
    site.routes["/endless.mp4"] = made_site.endless
    small = policy.model_copy(update={"max_bytes": 1_000_000})
    refused(TooLarge, site.url("/endless.mp4"), folder, small)


@pytest.mark.slow
def test_an_endless_page_is_given_up(site: Site, policy: FetchPolicy, folder: Path) -> None:
    def page(asked: Asked) -> None:
        asked.chunked("text/html")
        asked.chunk(b"<!DOCTYPE html><html>")
        while not asked.site.stop.is_set():
            asked.chunk(b"<p>more</p>" * 5000)

    site.routes["/endless.html"] = page
    refused(DownloadFailed, site.url("/endless.html"), folder, policy.model_copy(update={"attempts": 1}))


@pytest.mark.slow
def test_a_page_that_unpacks_to_much_more_is_given_up(site: Site, policy: FetchPolicy, folder: Path) -> None:
    packed = gzip.compress(b"<!DOCTYPE html><html>" + bytes(300_000_000), 1)
    assert len(packed) < 2_000_000
    site.routes["/bomb.html"] = lambda asked: asked.reply(200, packed, "text/html", Content_Encoding="gzip")
    small = policy.model_copy(update={"attempts": 1, "memory_mb": 512})
    assert "page of more than" in str(refused(DownloadFailed, site.url("/bomb.html"), folder, small))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", b"<!DOCTYPE html><html><body>Nothing here.</body></html>"),
        ("text/plain", b"no video " * 100),
        ("image/png", b"\x89PNG\r\n\x1a\n" + bytes(500)),
        ("application/json", b'{"a": 1}'),
    ],
)
def test_what_is_no_video(site: Site, policy: FetchPolicy, folder: Path, kind: str, body: bytes) -> None:
    site.routes["/wrong.mp4"] = serve(body, kind)
    refused(NotAVideo, site.url("/wrong.mp4"), folder, policy)


@pytest.mark.slow
def test_of_several_formats_the_best_up_to_1080(site: Site, policy: FetchPolicy, folder: Path, clip: bytes) -> None:
    sources = []
    for height in (240, 1080, 2160):
        site.routes[f"/f{height}.mp4"] = serve(clip + bytes(height))
        sources.append(f'<source src="/f{height}.mp4" type="video/mp4" label="{height}p" res="{height}">')
    page = f"<html><head><title>A page</title></head><body><video>{''.join(sources)}</video></body></html>"
    site.routes["/formats.html"] = serve(page.encode(), "text/html")
    found = fetch(site.url("/formats.html"), folder, policy)
    assert found.path.read_bytes() == clip + bytes(1080)
    assert not site.asked("/f240.mp4") + site.asked("/f2160.mp4")


@pytest.mark.slow
def test_a_page_with_two_videos_is_refused_unloaded(site: Site, policy: FetchPolicy, folder: Path) -> None:
    page = b'<html><body><video src="/one.mp4"></video><video src="/two.mp4"></video></body></html>'
    site.routes["/two.html"] = serve(page, "text/html")
    assert "more than one video" in str(refused(NotAVideo, site.url("/two.html"), folder, policy))
    assert not site.asked("/one.mp4") + site.asked("/two.mp4")


@pytest.mark.slow
def test_a_stream_in_pieces_is_put_together(site: Site, policy: FetchPolicy, folder: Path) -> None:
    pieces = [bytes([0x47, i]) * 94 for i in range(3)]
    for i, piece in enumerate(pieces):
        site.routes[f"/piece{i}.ts"] = serve(piece, "video/mp2t")
    lines = "".join(f"#EXTINF:1,\n/piece{i}.ts\n" for i in range(3))
    playlist = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n{lines}#EXT-X-ENDLIST\n"
    site.routes["/stream.m3u8"] = serve(playlist.encode(), "application/vnd.apple.mpegurl")
    found = fetch(site.url("/stream.m3u8"), folder, policy)
    assert found.path.read_bytes() == b"".join(pieces)
    found.path.unlink()
    site.routes["/hostile.m3u8"] = serve(
        playlist.replace("/piece1.ts", "file:///etc/hostname").encode(), "application/vnd.apple.mpegurl"
    )
    refused(UrlNotAllowed, site.url("/hostile.m3u8"), folder, policy)


@pytest.mark.slow
@pytest.mark.parametrize("route", [made_site.dribble, status(503)], ids=["while loading", "while waiting"])
def test_a_cancelled_download_stops_within_two_seconds(
    site: Site, policy: FetchPolicy, folder: Path, route: Callable[[Asked], None]
) -> None:
    site.routes["/cancel.mp4"] = route
    patient = policy.model_copy(update={"backoff_s": PATIENCE_S, "max_wait_s": PATIENCE_S})
    took_s: list[float] = []
    while len(took_s) < CANCEL_TRIES and min(took_s, default=CANCEL_S) >= CANCEL_S:
        took_s.append(cancelled_after(site, patient, folder))
        assert not list(folder.iterdir())
    assert min(took_s) < CANCEL_S


def cancelled_after(site: Site, policy: FetchPolicy, folder: Path) -> float:
    """Seconds from the cancel of a download that is under way to its end."""
    before, cancel = site.asked("/cancel.mp4"), threading.Event()
    failed: list[AnalyzerSystemError] = []

    def work() -> None:
        try:
            fetch(site.url("/cancel.mp4"), folder, policy, cancel.is_set)
        except AnalyzerSystemError as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert wait_for(lambda: site.asked("/cancel.mp4") > before)
    cancelled_s = time.monotonic()
    cancel.set()
    thread.join(PATIENCE_S)
    took_s = time.monotonic() - cancelled_s
    assert not thread.is_alive()
    assert [type(error) for error in failed] == [Cancelled]
    return took_s


@pytest.mark.slow
def test_a_killed_server_leaves_no_child_and_no_file(site: Site, policy: FetchPolicy, folder: Path) -> None:
    site.routes["/kill.mp4"] = made_site.dribble
    code = (
        "import sys; from pathlib import Path; from media.fetch import fetch, FetchPolicy\n"
        "fetch(sys.argv[1], Path(sys.argv[2]), FetchPolicy.model_validate_json(sys.argv[3]))"
    )
    arguments = [site.url("/kill.mp4"), str(folder), policy.model_dump_json()]
    with Child("-c", code, *arguments) as parent:
        assert wait_for(lambda: site.asked("/kill.mp4") >= 2)  # the page's look, then the file
        children = psutil.Process(parent.pid).children()
        assert len(children) == 1
        assert list(folder.iterdir())
        parent.process.kill()
        parent.wait()
        assert wait_for(lambda: not is_alive(children[0]))
        assert wait_for(lambda: not list(folder.iterdir()))


@pytest.mark.slow
def test_cookies_come_only_from_the_configuration_and_are_not_written(
    site: Site, policy: FetchPolicy, folder: Path, tmp_path: Path, clip: bytes
) -> None:
    jar = tmp_path / "jar.txt"
    jar.write_text(f"# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t{2**31}\tsession\tabc\n")
    text = jar.read_text()
    site.routes["/cookie.mp4"] = lambda asked: asked.reply(200, clip, "video/mp4", Set_Cookie="other=1; Max-Age=9999")
    fetch(site.url("/cookie.mp4"), folder, policy.model_copy(update={"cookies_file": str(jar)}))
    assert "session=abc" in site.requests[-1][2]["Cookie"]
    assert jar.read_text() == text
    fetch(site.url("/clip.mp4"), folder, policy)
    assert "Cookie" not in site.requests[-1][2]
    with pytest.raises(InternalError, match="cookies_file"):
        fetch(site.url("/clip.mp4"), folder, policy.model_copy(update={"cookies_file": str(tmp_path / "none")}))


@pytest.mark.slow
def test_a_proxy_comes_only_from_the_configuration(
    site: Site, policy: FetchPolicy, folder: Path, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_site({"http://www.tiktok.com/clip.mp4": serve(clip)}) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy.host}")
        fetch(site.url("/clip.mp4"), folder, policy)
        assert not proxy.requests
        through = policy.model_copy(update={"proxy": f"http://{proxy.host}"})
        found = fetch("http://www.tiktok.com/clip.mp4", folder, through)
        assert found.path.read_bytes() == clip
        assert proxy.asked("http://www.tiktok.com/clip.mp4") == 2
        before = len(proxy.requests)
        refused_hosts = ("http://example.org/clip.mp4", "http://10.0.0.1/clip.mp4")
        for url in refused_hosts:
            with pytest.raises(UrlNotAllowed):
                fetch(url, folder, through)
        assert len(proxy.requests) == before


GUARDED = """
import json, os, pickle, socket, subprocess, sys
from pathlib import Path
from media.fetch.addresses import HostRules
from media.fetch.guard import Guard
folder = Path(sys.argv[1]).resolve()
Guard(HostRules(("*",), (sys.argv[2],)), 1000, folder).install()
host, port = sys.argv[2].rsplit(":", 1)
tries = {
    "listed": lambda: socket.create_connection((host, int(port))).close(),
    "other port": lambda: socket.create_connection((host, 9)),
    "other loopback": lambda: socket.create_connection(("127.0.0.2", int(port))),
    "name": lambda: socket.create_connection(("localhost", 9)),
    "connect_ex": lambda: socket.socket().connect_ex(("10.0.0.1", 80)),
    "unix": lambda: socket.socket(socket.AF_UNIX).connect("/run/x"),
    "datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53)),
    "program": lambda: subprocess.run(["true"]),
    "shell": lambda: os.system("true"),
    "fork": lambda: os.fork() or os._exit(0),
    "pickle": lambda: pickle.loads(b"cposix\\nsystem\\n(S'true'\\ntR."),
    "write outside": lambda: open(folder.parent / "x", "w"),
    "write up": lambda: open(folder / ".." / "x", "a"),
    "os.open": lambda: os.open(folder.parent / "x", os.O_CREAT | os.O_WRONLY),
    "write inside": lambda: open(folder / "x", "w").close(),
    "read": lambda: open("/etc/hostname").close(),
}
told = {}
for name, attempt in tries.items():
    try:
        attempt()
        told[name] = "ok"
    except Exception as error:
        told[name] = type(error).__name__
print(json.dumps(told))
"""


@pytest.mark.slow
def test_what_a_download_may_do_is_held_by_the_process_itself(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    told = json.loads(run_python("-c", GUARDED, str(folder), site.host))
    assert {name for name, result in told.items() if result == "ok"} == {"listed", "write inside", "read"}
    refusals = {name: result for name, result in told.items() if result != "ok"}
    assert set(refusals.values()) == {"PermissionError", "UrlNotAllowed"}
    assert {name for name, result in refusals.items() if result == "UrlNotAllowed"} == {
        "other port",
        "other loopback",
        "name",
        "connect_ex",
        "unix",
    }
    assert os.listdir(tmp_path) == ["own"]  # noqa: PTH208
