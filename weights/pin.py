"""One pinned model: where it comes from, which files it has, what its licence allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["safetensors", "torch", "ctranslate2", "onnx", "task", "other"]
"""What the weights are stored as. Only ``torch`` files can hold code (pickle); such a pin is loaded from a file whose
sha256 is recorded, and by a loader that reads tensors only where the library has one."""

SizeKnown = Literal["stated", "counted"]
"""``stated``: a public source states the size of the file; ``counted``: none does, and it is the number of weights of
the published architecture times the bytes of the format they are stored in."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that is fetched from an address instead of a hub repository.

    Attributes:
        url: Where it is fetched.
        saved_as: Its name in the pin's folder; for an archive the archive's own name, which is not kept.
        digest: Of what the address gives, as ``sha256:...`` or ``md5:...``; None where no source states it.
        size_bytes: Of what the address gives; None where no source states it.
        members: For a zip archive: the files to take out of it, without folders. Empty for a plain file.
    """

    url: str
    saved_as: str
    digest: str | None = None
    size_bytes: int | None = None
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pin:
    """A model as the project uses it.

    Attributes:
        name: Of the pin and of its folder below the weights folder.
        title: One line for people.
        hub_id: Repository on the model hub; empty where the files have addresses of their own.
        revision: Commit of that repository, or the release of the addresses. None: not known here; the commit met at
            the first verified pull is recorded and held from then on.
        files: Patterns of the files that make it complete (shell style). ``a|b`` takes the first that exists:
            safetensors where the upstream has them.
        optional: Patterns of files that are taken where the upstream has them.
        size_bytes: Of the weights, without the small files beside them; rounded as its page rounds it.
        size_known: How that is known.
        licence: SPDX id where there is one, else the licence's name.
        licence_url: Its text, or the page that states it.
        permissive: Free of copyleft and of limits on who may use it and for what.
        used_by: Analyzers that may load it.
        for_gpu: Too large to be of use on a CPU: a profile without a GPU does not fetch it. It is loaded where it lies.
        alternative: Pin that serves in its place under ``licence_policy: permissive``; for permissive pins empty.
        format: Of the weights.
        remote: Files with addresses, for pins without ``hub_id``.
        digests: Known digests of files in the folder, as ``(file, "sha256:...")`` or ``(file, "md5:...")``; every
            source is held to them.
    """

    name: str
    title: str
    licence: str
    licence_url: str
    permissive: bool
    used_by: tuple[str, ...]
    size_bytes: int
    size_known: SizeKnown = "stated"
    hub_id: str = ""
    revision: str | None = None
    files: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    for_gpu: bool = False
    alternative: str = ""
    format: Format = "safetensors"
    remote: tuple[RemoteFile, ...] = ()
    digests: tuple[tuple[str, str], ...] = ()

    @property
    def source(self) -> str:
        """Where it comes from, in short: the hub id, or the host of its address."""
        return self.hub_id or self.remote[0].url.partition("//")[2].partition("/")[0]

    @property
    def required(self) -> tuple[str, ...]:
        """Patterns that a complete folder satisfies, each ``a|b`` by one of its parts."""
        if self.files:
            return self.files
        return tuple(name for file in self.remote for name in (file.members or (file.saved_as,)))
