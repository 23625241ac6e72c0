"""Downloads one video. Run by ``media.fetch.run`` in a process of its own, with hard limits.

Usage: ``python -m media.fetch.child``, with one line of JSON on the standard input: ``{"url", "folder", "policy",
"cookies", "parent_limit_s"}``. Prints one line: ``{"file", "name", "post"}``, or ``{"error": class name, "details",
"action", "again", "retry_after_s"}``. When the standard input ends, its parent is gone: it removes its folder and ends.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from media.fetch.policy import FetchPolicy
from schema.errors import AnalyzerSystemError

FILE_SLACK_BYTES = 1 << 20
"""What the kernel lets a file grow beyond the limit, so that our own check speaks first."""


def main() -> int:
    """Reads the job, sets the limits, prints the answer; always 0 unless a limit kills the process."""
    job = json.loads(sys.stdin.buffer.readline())
    policy, folder = FetchPolicy.model_validate(job["policy"]), Path(job["folder"]).resolve()
    _limit_process(policy, job["parent_limit_s"])
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    print(json.dumps(_answer(job, policy, folder)), flush=True)
    return 0


def _limit_process(policy: FetchPolicy, wall_s: float) -> None:
    memory = policy.memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    size = policy.max_bytes + FILE_SLACK_BYTES
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    # The parent ends this process in time; this is for a parent that is stopped.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, wall_s)


def _end_with_parent(folder: Path) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _answer(job: dict[str, Any], policy: FetchPolicy, folder: Path) -> dict[str, Any]:
    from media.fetch.guard import Guard
    from media.fetch.outcomes import Outcome, outcome_of
    from media.fetch.site import load

    guard = Guard(policy.rules, policy.max_bytes, folder, policy.proxy)
    guard.install()
    cookies = folder / job["cookies"] if job["cookies"] else None
    try:
        file, name, post = load(job["url"], folder, policy, guard, cookies)
    except AnalyzerSystemError as error:
        return _failure(Outcome(guard.refusal or error))
    except MemoryError:
        return _failure(Outcome(_too_much_memory(policy)))
    except _faults() as error:
        return _failure(Outcome(guard.refusal) if guard.refusal else outcome_of(error))
    return {"file": file.name, "name": name, "post": post.model_dump(mode="json")}


def _faults() -> tuple[type[BaseException], ...]:
    """What extractors raise on pages they were not written for, beside yt-dlp's own errors."""
    from yt_dlp.utils import YoutubeDLError

    return (YoutubeDLError, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


def _too_much_memory(policy: FetchPolicy) -> AnalyzerSystemError:
    from schema.errors import TooLarge

    return TooLarge(f"reading the page takes more than {policy.memory_mb} MB of memory")


def _failure(outcome: Any) -> dict[str, Any]:
    error = outcome.error
    return {
        "error": type(error).__name__,
        "details": error.details,
        "action": error.action if error.action != error.default_action else None,
        "again": outcome.again,
        "retry_after_s": outcome.retry_after_s,
    }


if __name__ == "__main__":
    sys.exit(main())
