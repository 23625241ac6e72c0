"""A weights folder of tiny checkpoints, each made when it is first asked for, once per run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from analyzers.runtime import LicencePolicy, Runtime
from tests.tiny import maker
from weights.manifest import pin
from weights.record import read_record, record_folder

REVISION = "made-by-tests"
"""Stands in the provenance of whatever these weights give."""


@dataclass(frozen=True)
class TinyWeights:
    """Attributes: folder: Of all pins, as ``weights.store.resolve`` wants it."""

    folder: Path

    def path(self, name: str) -> Path:
        """The folder of this pin's tiny checkpoint; made now if it is not there."""
        folder = self.folder / name
        if read_record(folder) is None:
            folder.mkdir(parents=True, exist_ok=True)
            maker(name)(folder)
            record_folder(folder, pin(name), pin(name).revision or REVISION, "made by tests")
        return folder

    def runtime(self, *names: str, licence_policy: LicencePolicy = "any") -> Runtime:
        """A CPU's runtime whose weights folder has these pins, and maybe others."""
        for name in names:
            self.path(name)
        return Runtime(weights_path=self.folder, licence_policy=licence_policy)


def label_of(name: str, hub_id: str) -> str:
    """What the provenance says of this pin's tiny checkpoint.

    Args:
        name: Of the pin.
        hub_id: Where the real one comes from, as the test knows it.
    """
    return f"{hub_id}@{pin(name).revision or REVISION}"


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> TinyWeights:
    """Shared by all tests of a run: write nothing into it."""
    return TinyWeights(tmp_path_factory.mktemp("tiny-weights"))
