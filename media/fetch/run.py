"""Downloads a video for a client: checks the URL, runs a child process for each attempt, cleans up after it."""

from __future__ import annotations

import json
import logging
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import schema.errors
from media.fetch.addresses import check_url
from media.fetch.policy import FetchPolicy
from schema.document import PostFacts
from schema.errors import AnalyzerSystemError, Cancelled, DownloadFailed, InternalError

logger = logging.getLogger("tiktok_analyzer.fetch")

POLL_S = 0.1
"""Wall seconds between two looks at ``cancelled``: a twentieth of the 2 s in which work must stop."""

MAX_ANSWER_BYTES = 1_000_000
"""Bytes of a child's answer; a caption and a hundred hashtags are under 20 kB."""

ERROR_CHARS = 2_000
"""How much of a crashed child's last words goes into the log."""

WORK_PREFIX = ".fetch-"
"""How the folders of running downloads begin. A child removes its own when its parent dies."""

PROJECT_ROOT = Path(__file__).resolve().parents[2]

KEPT_ENVIRONMENT = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TZ")
"""What a child gets of the environment: neither proxies nor credentials."""


@dataclass(frozen=True)
class Fetched:
    """A downloaded video.

    Attributes:
        path: On this machine's disk, under a name of ours; the caller removes it.
        name: For people: the site's id and the kind of file.
        url: As it was asked for.
        post: What the site says about it.
        attempts: How many it took.
    """

    path: Path
    name: str
    url: str
    post: PostFacts
    attempts: int


@dataclass(frozen=True)
class _Failed:
    error: AnalyzerSystemError
    again: bool
    retry_after_s: float | None


def fetch(url: str, folder: Path, policy: FetchPolicy, cancelled: Callable[[], bool] = lambda: False) -> Fetched:
    """Downloads the video behind a URL. Blocks; leaves nothing behind unless it returns.

    Args:
        url: Of a page or of a file.
        folder: Where the file is put; made when missing.
        policy: What is allowed.
        cancelled: Asked every tenth of a second; true ends the download.

    Raises:
        UrlNotAllowed: The URL, or one that it redirects to, may not be contacted.
        DownloadPrivate, DownloadDeleted, DownloadBlocked, DownloadFailed: What came of it.
        TooLarge, TooLong, NotAVideo: What it is.
        Cancelled: ``cancelled`` said so.
    """
    check_url(url, policy.rules)
    until_s = time.monotonic() + policy.timeout_s
    for attempt in range(1, policy.attempts + 1):
        found = _attempt(url, folder, policy, cancelled, until_s)
        if not isinstance(found, _Failed):
            path, name, post = found
            return Fetched(path, name, url, post, attempt)
        wait_s = found.retry_after_s
        wait_s = policy.backoff_s * 2 ** (attempt - 1) if wait_s is None else wait_s
        logger.info("attempt %d at %s: %s (%s)", attempt, url, found.error.code, found.error.details)
        enough = wait_s <= policy.max_wait_s and time.monotonic() + wait_s < until_s
        if not found.again or attempt == policy.attempts or not enough:
            raise found.error
        _wait(wait_s, cancelled)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _attempt(
    url: str, folder: Path, policy: FetchPolicy, cancelled: Callable[[], bool], until_s: float
) -> tuple[Path, str, PostFacts] | _Failed:
    with _work_folder(folder) as work:
        cookies = _copied_cookies(policy, work)
        job = {"url": url, "folder": str(work), "policy": policy.model_dump(mode="json"), "cookies": cookies}
        answer = _run_child(job, work, policy, cancelled, until_s)
        if "error" in answer:
            kind: type[AnalyzerSystemError] = getattr(schema.errors, str(answer["error"]))
            return _Failed(kind(answer["details"], answer["action"]), answer["again"], answer["retry_after_s"])
        target = folder / uuid.uuid4().hex
        (work / str(answer["file"])).replace(target)
        return target, str(answer["name"]), _post(answer["post"])


@contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """An empty folder that is gone afterwards, whatever happens."""
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=WORK_PREFIX, dir=folder)).resolve()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _copied_cookies(policy: FetchPolicy, work: Path) -> str | None:
    """The name of a copy that yt-dlp may write to; the original stays as it is."""
    if policy.cookies_file is None:
        return None
    try:
        shutil.copyfile(Path(policy.cookies_file).expanduser(), work / "cookies.txt")
    except OSError as error:
        raise InternalError(
            f"fetch.cookies_file cannot be read: {error.strerror}", "Mend the path in the yaml, or leave it out."
        ) from error
    return "cookies.txt"


def _run_child(
    job: dict[str, Any], work: Path, policy: FetchPolicy, cancelled: Callable[[], bool], until_s: float
) -> dict[str, Any]:
    left_s = max(0.1, until_s - time.monotonic())
    with (work / "stderr").open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "media.fetch.child"],
            cwd=work,
            env=_environment(work),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    assert child.stdin is not None
    assert child.stdout is not None
    # Closing the standard input is what tells a child that its parent is gone: it stays open until the answer is here.
    with child.stdin, child.stdout:
        try:
            child.stdin.write(json.dumps({**job, "parent_limit_s": left_s + 1.0}).encode() + b"\n")
            child.stdin.flush()
            text = _read_answer(child.stdout.fileno(), policy, cancelled, until_s)
        except BrokenPipeError:
            text = b""
        finally:
            child.kill()
            code = child.wait()
    return _parsed(text, code, work)


def _environment(work: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    paths = [str(PROJECT_ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        **kept,
        "HOME": str(work),
        "TMPDIR": str(work),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "YTDLP_NO_PLUGINS": "1",
    }


def _read_answer(descriptor: int, policy: FetchPolicy, cancelled: Callable[[], bool], until_s: float) -> bytes:
    """What the child prints, until its line is whole or it ends."""
    text = b""
    while not text.endswith(b"\n"):
        if cancelled():
            raise Cancelled("the download was cancelled")
        if time.monotonic() >= until_s:
            raise DownloadFailed(f"not downloaded within {policy.timeout_s:g} s")
        if not select.select([descriptor], [], [], POLL_S)[0]:
            continue
        block = os.read(descriptor, 65_536)
        text += block
        if not block or len(text) > MAX_ANSWER_BYTES:
            break
    return text


def _parsed(text: bytes, code: int, work: Path) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        words = (work / "stderr").read_text(errors="replace")[-ERROR_CHARS:]
        logger.warning("a download's process ended with code %d: %s", code, words)
        raise DownloadFailed(f"the process of the download ended with code {code}; the log has its words") from None
    found: dict[str, Any] = answer
    return found


def _post(fields: Any) -> PostFacts:
    try:
        return PostFacts.model_validate(fields)
    except ValidationError as error:
        raise DownloadFailed(f"the site's description makes no sense ({error.error_count()} faults)") from None


def _wait(seconds: float, cancelled: Callable[[], bool]) -> None:
    until_s = time.monotonic() + seconds
    while (left_s := until_s - time.monotonic()) > 0.0:
        if cancelled():
            raise Cancelled("the download was cancelled")
        time.sleep(min(POLL_S, left_s))
