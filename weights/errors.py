"""What can go wrong with fetching and checking weights: a stable code, an exit status and a remedy for each."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import ClassVar


class WeightsError(Exception):
    """Root of these errors.

    Args:
        reason: What was found, and what is allowed.
        remedy: What to do about it; the class's own when left out.
    """

    code: ClassVar[str] = "weights_error"
    exit_status: ClassVar[int] = 2
    default_remedy: ClassVar[str] = "Run the command again."

    def __init__(self, reason: str, remedy: str | None = None) -> None:
        super().__init__(reason, remedy)
        self.reason = reason
        self.remedy = remedy or self.default_remedy

    def __str__(self) -> str:
        return self.reason


class UnknownPin(WeightsError):
    """A name that the manifest does not have."""

    code = "unknown_model"
    default_remedy = "tiktok-analyzer models list shows the names."


class SourceUnreachable(WeightsError):
    """The hub or a host does not answer."""

    code, exit_status = "source_unreachable", 3
    default_remedy = (
        "Check the network and HF_ENDPOINT, or pull on a machine with a network, then here: "
        "tiktok-analyzer models bundle weights.tar, and: tiktok-analyzer models pull --from weights.tar"
    )


class NotOnSource(WeightsError):
    """The source answers and does not have what the pin asks for."""

    code, exit_status = "not_on_source", 4
    default_remedy = "Choose another source with --from, or correct the pin in weights/manifest*.py."


class AccessDenied(WeightsError):
    """The source wants an account or the acceptance of a licence."""

    code, exit_status = "access_denied", 4
    default_remedy = "Accept the licence on the model's page, then set HF_TOKEN to a token that may read it."


class DigestMismatch(WeightsError):
    """The bytes are not those that were recorded or published."""

    code, exit_status = "digest_mismatch", 5
    default_remedy = (
        "The file was thrown away. Pull again; if it comes back, the source has changed or is not to be trusted."
    )


class DiskFull(WeightsError):
    """The weights do not fit on the disk."""

    code, exit_status = "disk_full", 6
    default_remedy = "Make room, pull fewer models, or set weights_dir in the yaml and --weights to another disk."


class TransferBroken(WeightsError):
    """A download ended early or had another length than announced, also after several tries."""

    code, exit_status = "transfer_broken", 7
    default_remedy = "Run the command again: it goes on where it stopped."


class UnsafeBundle(WeightsError):
    """The bundle is no plain tar of weights, or an entry is no ordinary file below a pin's folder."""

    code, exit_status = "unsafe_bundle", 8
    default_remedy = "Make the bundle again with tiktok-analyzer models bundle."


class PullBusy(WeightsError):
    """Another pull works in the same folder."""

    code, exit_status = "pull_busy", 9
    default_remedy = "Wait for it, or end it."


class Interrupted(WeightsError):
    """Stopped by the user."""

    code, exit_status = "interrupted", 130
    default_remedy = "Run the command again: it goes on where it stopped."


class FileFailed(WeightsError):
    """A file of the weights folder or of a local source cannot be read or written."""

    code, exit_status = "file_failed", 10
    default_remedy = "Look at the folder's owner and rights, and at the disk's health."


def file_trouble(path: Path, error: OSError) -> WeightsError:
    """What an error of the file system means."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"{path}: {error.strerror}")
    return FileFailed(f"{error.filename or path}: {error.strerror or error}")
