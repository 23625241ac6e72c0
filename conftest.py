"""What must be set before any test module, or any library, is imported."""

from __future__ import annotations

import os
from pathlib import Path

from analyzers.threads import thread_environment

# As in a replica: two test processes with a thread per core each fight over the cores and take five times as long.
os.environ.update(thread_environment(1))

# librosa's compiled functions, which measures are compared with. Two processes that write one cache at once spoil
# it, and whoever reads it then crashes.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
os.environ["NUMBA_CACHE_DIR"] = str(Path(__file__).resolve().parent / ".pytest_cache" / f"numba-{WORKER}")

pytest_plugins = ["tests.watchdog"]
