"""From an analyzer's config to the thresholds of a measure."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def picked(kind: type[T], config: object) -> T:
    """``kind``, a dataclass, with the values that ``config`` has under the same names.

    Raises:
        AttributeError: ``config`` has no field of one of the names.
    """
    described: Any = kind
    return kind(**{field.name: getattr(config, field.name) for field in fields(described)})
