"""One thread budget for all libraries of a process, so that replicas do not fight over the cores."""

from __future__ import annotations

import os
import sys

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""Read by the libraries when they are imported, so they must be set before."""


def thread_environment(threads: int) -> dict[str, str]:
    """Environment of a process whose libraries may use ``threads`` threads each; waiting threads sleep."""
    return {**{name: str(threads) for name in THREAD_VARIABLES}, "OMP_WAIT_POLICY": "passive"}


def limit_threads(threads: int) -> None:
    """Holds this process to ``threads`` threads per library, also where a library is imported already.

    Importing ultralytics, for one, changes the budget of the whole process: call again after loading.
    """
    os.environ.update(thread_environment(threads))
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if "threadpoolctl" in sys.modules:
        sys.modules["threadpoolctl"].threadpool_limits(threads)
