"""What two runs of an analyzer differ in, and what times of a result are out of place."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def time_problems(value: Any, duration_s: float, where: str = "result") -> list[str]:
    """Spans and moments outside the video, and lists of them that are not in order."""
    found: list[str] = []
    if isinstance(value, Mapping):
        for key in ("start_time", "end_time", "timestamp"):
            time_s = value.get(key)
            if isinstance(time_s, float) and not 0.0 <= time_s <= duration_s + 1e-6:
                found.append(f"{where}.{key} = {time_s} is outside [0, {duration_s}]")
        for key, inner in value.items():
            found += time_problems(inner, duration_s, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for key in ("start_time", "timestamp"):
            times = [v[key] for v in value if isinstance(v, Mapping) and isinstance(v.get(key), float)]
            if times != sorted(times):
                found.append(f"{where} is not sorted by {key}")
        for i, inner in enumerate(value):
            found += time_problems(inner, duration_s, f"{where}[{i}]")
    return found


def differences(a: Any, b: Any, where: str = "result") -> list[str]:
    """Where two dumped results differ by more than the rounding of sums taken in another order."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [found for key in a for found in differences(a[key], b[key], f"{where}.{key}")]
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b, strict=True)) for d in differences(x, y, f"{where}[{i}]")]
    if isinstance(a, float) and isinstance(b, float):
        return [] if math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6) else [f"{where}: {a} and {b}"]
    return [] if a == b else [f"{where}: {a!r} and {b!r}"]


def same(a: Any, b: Any, tolerance: float = 0.0) -> bool:
    """Equality that looks into dataclasses and arrays, and holds NaN equal to NaN; floats within ``tolerance``."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        if a.dtype.kind != "f":
            return a.dtype == b.dtype and np.array_equal(a, b)
        near = a.shape == b.shape and np.allclose(a, b, rtol=0.0, atol=tolerance, equal_nan=True)
        return a.dtype == b.dtype and bool(near)
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name), tolerance) for f in dataclasses.fields(a))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(same(a[k], b[k], tolerance) for k in a)
    if isinstance(a, float):
        return abs(a - b) <= tolerance or (a != a and b != b)
    return bool(a == b)
