"""Whether what lies in the weights folder is what was pulled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from weights.digest import file_digest
from weights.lock import Lock
from weights.pin import Pin
from weights.record import changed_files, read_record

State = Literal["ready", "missing", "incomplete", "outdated", "changed", "unlocked"]
"""``incomplete``: a file is gone or has another length; ``outdated``: of another revision than this version uses;
``changed``: of the right length with other bytes; ``unlocked``: no digests were recorded for it."""


@dataclass(frozen=True)
class Finding:
    """State of one pin; ``detail`` names the first file that is wrong, or the revision that is there."""

    pin: Pin
    state: State
    detail: str = ""


def quick_state(pin: Pin, weights: Path) -> Finding:
    """From records and lengths alone: what ``weights.store.resolve`` would find."""
    folder = weights / pin.name
    record = read_record(folder)
    if record is None:
        return Finding(pin, "missing")
    if changed := changed_files(folder, record):
        return Finding(pin, "incomplete", changed[0])
    if pin.revision not in (None, record.revision):
        return Finding(pin, "outdated", record.revision)
    return Finding(pin, "ready", record.revision)


def full_state(pin: Pin, weights: Path, lock: Lock, seen: Callable[[int], None] = lambda _: None) -> Finding:
    """From every byte: each file is held to its locked sha256.

    Args:
        pin: Which.
        weights: The weights folder.
        lock: What is known.
        seen: Told of the bytes read.
    """
    quick = quick_state(pin, weights)
    record = read_record(weights / pin.name)
    if quick.state != "ready" or record is None:
        return quick
    locked = lock.get(pin.name)
    if locked is None or locked.revision != record.revision:
        return Finding(pin, "unlocked", record.revision)
    for name in sorted(record.files):
        expected = locked.files.get(name)
        if expected is None:
            return Finding(pin, "unlocked", name)
        if file_digest(weights / pin.name / name, seen=seen) != expected:
            return Finding(pin, "changed", name)
    return quick
