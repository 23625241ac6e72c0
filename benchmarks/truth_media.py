"""The shared clips' manifest: where a clip is and what is known about it. Empty where the folder is absent."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.media_folder import MEDIA


@cache
def manifest() -> dict[str, dict[str, Any]]:
    """Entries by file name."""
    path = MEDIA / "MANIFEST.json"
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return {entry["file"]: entry for entry in entries}


def shared_path(name: str) -> Path | None:
    """The clip's file; None where it is absent."""
    path = MEDIA / name
    return path if name in manifest() and path.exists() else None


def truth_of(name: str) -> dict[str, Any]:
    """Truth by origin: ``published``, ``by_eye``, ``by_construction``; ``KeyError`` for an absent clip."""
    truth: dict[str, Any] = manifest()[name].get("truth") or {}
    return truth


def first_truth(name: str, field: str) -> Any:
    """The field from the strongest origin that has it: construction, then eye, then what was published."""
    truth = truth_of(name)
    for origin in ("by_construction", "by_eye", "published"):
        part = truth.get(origin)
        if isinstance(part, dict) and field in part:
            return part[field]
    return None
