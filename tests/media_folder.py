"""Where the real clips are, for tests and benchmarks that use them; they are not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

MEDIA = Path(os.environ.get("TIKTOK_ANALYZER_MEDIA", Path(__file__).resolve().parents[2] / "shared" / "media"))
"""Folder with MANIFEST.json; beside the checkout unless the environment says otherwise."""


def media(name: str) -> Path:
    """The clip's path; skips the test where the folder or the clip is absent."""
    path = MEDIA / name
    if not path.exists():
        pytest.skip(f"{name} is not in {MEDIA}")
    return path
