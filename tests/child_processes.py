"""Child processes that cannot hang a test: every wait has an end and says who was waited for, and nothing is left over.

A child has a session of its own, which ends with it: what it started in turn is killed, too. No pipe is waited for to
be closed, because an orphan may hold it open for ever.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import psutil

ROOT = Path(__file__).resolve().parents[1]

WAIT_S = 120.0
"""Wall seconds for one step of a child. The longest import takes 20 s on two busy cores; a test has 300 s."""

SHOWN_CHARACTERS = 3000
"""Of a child's standard error, in the message of a failure."""


class Child:
    """A Python process of a test. To be used as a context: at its end nothing of it is left.

    Args:
        arguments: For Python, such as ``-c`` and code, or ``-m`` and a module.
        talks: Whether it is written to and read from; else it gets no input, and its output goes nowhere.
    """

    def __init__(self, *arguments: str, talks: bool = False) -> None:
        self._name = " ".join(arguments[:2])[:200]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the child
        self._unread = b""
        channel = subprocess.PIPE if talks else subprocess.DEVNULL
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            stdin=channel,
            stdout=channel,
            stderr=self._errors,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Its process number, and that of its group."""
        return self.process.pid

    def write(self, text: str) -> None:
        """Onto its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def line(self, wait_s: float = WAIT_S) -> str:
        """The next line of its standard output, without its end."""
        assert self.process.stdout is not None
        end_s = time.monotonic() + wait_s
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, end_s - time.monotonic()))
            assert ready, self.told(f"said nothing for {wait_s:g} s")
            read = os.read(self.process.stdout.fileno(), 1 << 16)
            assert read, self.told("closed its output")
            self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()

    def wait(self, wait_s: float = WAIT_S) -> int:
        """Its exit status, once it has ended."""
        try:
            return self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(self.told(f"did not end within {wait_s:g} s")) from None

    def kill(self) -> None:
        """SIGKILL for it and all that it started."""
        kill_group(self.pid)
        self.wait()

    def errors(self) -> str:
        """What it wrote to its standard error so far."""
        end = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, end - SHOWN_CHARACTERS))
        return self._errors.read().decode(errors="replace")

    def told(self, what: str) -> str:
        """A message about it."""
        return f"`python {self._name}` (process {self.pid}) {what}; its standard error:\n{self.errors()}"

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.kill()
        finally:
            for stream in (self.process.stdin, self.process.stdout, self._errors):
                if stream is not None:
                    stream.close()


def kill_group(pid: int) -> None:
    """SIGKILL for a process that leads a group, and for all in the group; none is missed that is just being started."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def kill_tree(pid: int) -> None:
    """SIGKILL for a process and all that it started, whatever their groups: servers, replicas, decoders, probes."""
    parent = psutil.Process(pid)
    for one in [parent, *parent.children(recursive=True)]:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue


def is_alive(process: psutil.Process) -> bool:
    """Not so a zombie, which stays for ever where nobody waits for orphans."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def run_python(*arguments: str, wait_s: float = WAIT_S) -> str:
    """The standard output of a Python process that must end well. Its output goes into a file, not through a pipe."""
    return run_command([sys.executable, *arguments], wait_s).stdout


def run_command(
    command: Sequence[str], wait_s: float = WAIT_S, check: bool = True, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """A process, once it has ended with all that it said."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, start_new_session=True
        )
        try:
            process.wait(wait_s)
            late = False
        except subprocess.TimeoutExpired:
            late = True
        finally:
            kill_group(process.pid)
            process.wait(WAIT_S)
        texts = []
        for file in (out, errors):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    done = subprocess.CompletedProcess(list(command), process.returncode, *texts)
    name = " ".join(command[:3])[:200]
    assert not late, f"`{name}` did not end within {wait_s:g} s; it said:\n{done.stdout}\n{done.stderr}"
    assert not check or done.returncode == 0, f"`{name}` ended with {done.returncode}:\n{done.stderr}"
    return done
