"""What an analyzer may use where it runs: where its weights lie, which licences are allowed, its share of a GPU.

The same for every analyzer of a process, and no part of its settings: the yaml's ``args`` set it, not ``user_config``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

LicencePolicy = Literal["any", "permissive"]
"""``permissive`` refuses copyleft and non-commercial weights; the manifest names what serves in their place."""


@dataclass(frozen=True)
class Runtime:
    """The place an analyzer runs in.

    Attributes:
        weights_path: Folder that ``tiktok-analyzer models pull`` fills; one folder per pinned model below it.
        licence_policy: Which weights may be loaded.
        gpu_share: Share of one GPU's memory that Ray booked for the replica, in [0, 1]; 0 runs on the CPU.
        threads: Threads that libraries may use in this process.
    """

    weights_path: Path = Path("data/weights")
    licence_policy: LicencePolicy = "any"
    gpu_share: float = 0.0
    threads: int = 1

    def __post_init__(self) -> None:
        if not 0.0 <= self.gpu_share <= 1.0:
            raise ValueError(f"Runtime.gpu_share must be in [0, 1], got {self.gpu_share}")
        if self.threads < 1:
            raise ValueError(f"Runtime.threads must be at least 1, got {self.threads}")

    @property
    def device(self) -> str:
        """``cuda:0`` (the card that Ray made visible to the process) or ``cpu``."""
        return "cuda:0" if self.gpu_share > 0.0 else "cpu"
