"""Finds the weights of a pin on this machine. Never downloads, opens no large file, imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analyzers.base import Unavailable
from analyzers.runtime import LicencePolicy, Runtime
from weights.manifest import pin
from weights.memory import need_of
from weights.pin import Pin
from weights.record import changed_files, read_record


@dataclass(frozen=True)
class Weights:
    """The complete files of one pin.

    Attributes:
        pin: What they are; under ``permissive`` maybe not the one that was asked for.
        path: Their folder, absolute.
        revision: Commit or release that they are of.
    """

    pin: Pin
    path: Path
    revision: str

    @property
    def label(self) -> str:
        """``id@revision``, for the provenance."""
        return f"{self.pin.hub_id or self.pin.name}@{self.revision}"


def allowed_pin(name: str, policy: LicencePolicy) -> Pin:
    """The pin itself, or what serves in its place where the policy refuses its licence."""
    found = pin(name)
    return pin(found.alternative) if policy == "permissive" and not found.permissive else found


def resolve(name: str, runtime: Runtime) -> Weights:
    """The weights that serve for the pin ``name`` here.

    Args:
        name: Of a pin in the manifest.
        runtime: Says where weights lie and which licences are allowed.

    Raises:
        Unavailable: ``weights_missing``, ``weights_incomplete`` or ``weights_outdated``; its remedy is the command, and
            on a CPU, of a model that is too large for one, what it would take.
        KeyError: There is no such pin.
    """
    wanted = allowed_pin(name, runtime.licence_policy)
    folder = runtime.weights_path / wanted.name
    remedy = _remedy(wanted, runtime)
    instead = "" if wanted.name == name else f" (in place of {name}, whose licence is {pin(name).licence})"
    record = read_record(folder)
    if record is None:
        raise Unavailable("weights_missing", f"{wanted.name}{instead} is not in {runtime.weights_path}", remedy)
    if changed := changed_files(folder, record):
        raise Unavailable("weights_incomplete", f"{wanted.name}: {changed[0]} is gone or was cut", remedy)
    if wanted.revision not in (None, record.revision):
        reason = f"{wanted.name} is of {record.revision}; this version uses {wanted.revision}"
        raise Unavailable("weights_outdated", reason, remedy)
    return Weights(wanted, folder, record.revision)


def _remedy(wanted: Pin, runtime: Runtime) -> str:
    command = f"tiktok-analyzer models pull {wanted.name}"
    need = need_of((wanted.name,), {"quantization": "nf4"})
    if not wanted.for_gpu or runtime.gpu_share > 0.0 or need is None:
        return command
    return (
        f"Too large for a CPU: in 4 bit it takes {need.total / 1e9:.1f} GB of a GPU. There: {command} "
        f"({wanted.size_bytes / 1e9:.1f} GB), then tiktok-analyzer serve --profile gpu16 (or gpu24, gpu)."
    )
