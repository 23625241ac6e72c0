"""Values of pyproject.toml, for tests. Python 3.10 brings no reader for TOML."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def declared(key: str, section: str = "project") -> Any:
    """The text or list of texts under ``[section]``; TOML writes both as Python does."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition(f"\n[{section}]\n")[2]
    found = re.search(rf"^{re.escape(key)} = (\[[^\n]*\]$|\"[^\n]*\"$|\[.*?^\]$)", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise KeyError(f"no {key} under [{section}] of pyproject.toml")
    return ast.literal_eval(found[1])
