"""The sample video, made once for all tests of a checkout: drawing and encoding it takes ten seconds."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from functools import cache
from pathlib import Path

from ops import captions, clips, sample, scenery, soundtrack
from ops.sample import make_sample, truth_path

FOLDER = Path(__file__).resolve().parents[1] / ".pytest_cache"
MADE_BY = (captions, clips, sample, scenery, soundtrack)


@cache
def shared_sample() -> Path:
    """The sample video with its truth beside it, as today's code makes them; written by one process at a time.

    For reading only; ``place_sample`` gives a test its own.
    """
    code = b"".join(Path(str(module.__file__)).read_bytes() for module in MADE_BY)
    folder = FOLDER / f"sample-{hashlib.sha256(code).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sample.mp4"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make_sample(path)
    return path


def place_sample(path: Path) -> None:
    """A copy at ``path``, with its truth, as ``make_sample`` would leave them there."""
    made = shared_sample()
    shutil.copyfile(made, path)
    shutil.copyfile(truth_path(made), truth_path(path))
