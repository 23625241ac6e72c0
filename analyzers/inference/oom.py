"""Running out of a GPU's memory: the batch is halved and tried again, and one item that does not fit fails by name.

Also which errors mean that the process has lost the GPU.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from analyzers.base import AnalysisFailed

logger = logging.getLogger("tiktok_analyzer.inference")

T = TypeVar("T")
R = TypeVar("R")

OUT_OF_MEMORY_TEXTS = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
"""What ctranslate2 and the CUDA libraries say in a plain RuntimeError; torch has a class for it."""

LOST_TEXTS = ("CUDA error", "CUBLAS_STATUS_EXECUTION_FAILED", "CUDNN_STATUS_EXECUTION_FAILED")
"""What torch and ctranslate2 say when a kernel failed. CUDA then answers every later call of the process with the same
error (CUDA Runtime API, "sticky" errors such as cudaErrorIllegalAddress): only a new process computes again."""


class MemoryFull(RuntimeError):
    """What a library says of a full GPU in an exception of its own, in the form that ``in_halves`` takes."""


REMEDY = (
    "Send the video again later. If it fails again, give this analyzer a larger num_gpus in the Serve yaml or a "
    "smaller model; `tiktok-analyzer doctor` shows what each share must hold."
)


def in_halves(run: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]) -> list[R]:
    """``run(items)``, or, where that runs out of memory, the same in halves, down to single items.

    Args:
        run: Gives one answer per item, in order.
        items: Any number; none gives none, without a call.

    Raises:
        AnalysisFailed: ``gpu_out_of_memory``: one item by itself does not fit. May be tried again: what else was in
            work on the card may be gone then.
    """
    if not items:
        return []
    try:
        answers = list(run(items))
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        reason = str(error).strip().partition("\n")[0][:300]
    else:
        if len(answers) != len(items):
            raise ValueError(f"got {len(items)} items and gave {len(answers)} answers")
        return answers
    # Outside the except block: its traceback holds the tensors of the failed try.
    _free_memory()
    if len(items) == 1:
        raise AnalysisFailed("gpu_out_of_memory", reason, REMEDY, retry_possible=True)
    half = (len(items) + 1) // 2
    logger.warning("out of memory with %d items at once; trying %d: %s", len(items), half, reason)
    return in_halves(run, items[:half]) + in_halves(run, items[half:])


def undivided(run: Callable[[], R]) -> R:
    """``run()``, of work that cannot be halved: loading, warming up, one picture. The host has all work of
    an analyzer done through this.

    Raises:
        AnalysisFailed: ``gpu_out_of_memory``: it does not fit. May be tried again.
    """
    return in_halves(lambda items: [run() for _ in items], (None,))[0]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error says that a GPU's memory, or the replica's share of it, is full."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryFull) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY_TEXTS)


def is_card_lost(error: BaseException) -> bool:
    """Whether the error says that this process can compute nothing on the GPU any more."""
    return (
        isinstance(error, RuntimeError)
        and not is_out_of_memory(error)
        and any(text in str(error) for text in LOST_TEXTS)
    )


def _free_memory() -> None:
    """Gives cached blocks back to the card."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
