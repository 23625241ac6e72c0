"""Refuses new work before the disk is full, so that accepted work can always be finished and written down."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator
from typing_extensions import Self

from schema.api import DiskHealth
from schema.base import Model
from schema.errors import DiskFull

MB = 1_000_000

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""What the system says when a disk or a quota is full."""


class DiskSettings(Model):
    """Bounds on the free space of the disk that holds the data folder."""

    min_free_megabytes: Annotated[int, Field(ge=0, le=10_000_000)] = 2_000
    """MB that stay free: new work is refused where less is left. 2 GB hold the largest allowed upload (1 GB) beside
    the documents of a thousand accepted jobs and what Ray puts onto the disk when its memory is full (0.8 GB)."""
    low_free_megabytes: Annotated[int, Field(ge=0, le=10_000_000)] = 10_000
    """MB below which ``/health`` and the doctor call the disk ``low``: time for ``tiktok-analyzer cleanup``. 10 GB are
    some hundred uploads of a phone's clips before work is refused."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low_free_megabytes < self.min_free_megabytes:
            raise ValueError(
                f"low_free_megabytes ({self.low_free_megabytes}) must be at least"
                f" min_free_megabytes ({self.min_free_megabytes})"
            )
        return self


class DiskGuard:
    """Watches the disk below one folder. Asking costs microseconds.

    Args:
        path: A folder on it, or one that is to be made.
        settings: The bounds.
    """

    def __init__(self, path: Path, settings: DiskSettings) -> None:
        self._path, self._settings = path, settings

    def health(self) -> DiskHealth:
        """How full the disk is."""
        usage = shutil.disk_usage(next(p for p in (self._path, *self._path.parents) if p.exists()))
        free_mb = usage.free // MB
        low, least = self._settings.low_free_megabytes, self._settings.min_free_megabytes
        return DiskHealth(
            state="full" if free_mb < least else "low" if free_mb < low else "ok",
            free_mb=free_mb,
            total_mb=usage.total // MB,
            refused_below_mb=least,
        )

    def check(self, incoming_bytes: int = 0) -> None:
        """Returns when there is room for new work.

        Args:
            incoming_bytes: Of the file that comes with it, as far as that is known.

        Raises:
            DiskFull: Less than ``min_free_megabytes`` would be left.
        """
        health = self.health()
        left_mb = health.free_mb - incoming_bytes // MB
        if left_mb < health.refused_below_mb:
            coming = f", {incoming_bytes // MB} MB would come in" if incoming_bytes else ""
            raise DiskFull(f"{health.free_mb} MB are free{coming}; {health.refused_below_mb} MB must stay free")


@contextmanager
def writing() -> Iterator[None]:
    """Gives a write that finds no room the error that clients know.

    Raises:
        DiskFull: The disk or a quota is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise DiskFull(f"the disk has no room left ({error.strerror})") from error
        raise
