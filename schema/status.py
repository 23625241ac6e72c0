"""How an analyzer's section came out, and why it has no result."""

from __future__ import annotations

from typing import Literal

from schema.base import Model

SectionStatus = Literal["ok", "partial", "unavailable", "not_applicable", "failed", "cancelled"]
"""How an analyzer's section came out. Only ``ok`` and ``partial`` carry a result."""


class SectionError(Model):
    """Why a section has no (full) result, and what to do about it."""

    code: str
    reason: str
    remedy: str
    retry_possible: bool = False
