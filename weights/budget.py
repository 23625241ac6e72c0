"""Whether the shares of a GPU cover what the models need, and what to change where they do not.

Ray only books shares; nothing stops two processes from taking more than there is. So the sum of what is booked, and
each booking against its model's need, are checked before anything starts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from weights.memory import MEMORY, Need, batch_field, need_of

SHARE_STEP = 0.01
"""Shares are proposed in hundredths of a card."""

Verdict = Literal["fits", "tight", "too_small", "unknown"]
"""``tight``: the model loads, its largest batch does not fit and would be halved; ``too_small``: it cannot be loaded;
``unknown``: no need is known for one of its models."""


SHORT: tuple[Verdict, ...] = ("tight", "too_small")
"""Verdicts on a share that does not cover its need."""


@dataclass(frozen=True)
class Booking:
    """One analyzer's replicas on a GPU.

    Attributes:
        analyzer: Its name.
        pins: Names of the models that it loads.
        share: Of one GPU, booked by each replica.
        replicas: How many there are.
        config: Its settings, complete.
    """

    analyzer: str
    pins: tuple[str, ...]
    share: float
    replicas: int
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """What was found about one analyzer.

    Attributes:
        booking: Of which.
        verdict: The outcome.
        need: Bytes; None where it is not known.
        given: Bytes of its share.
        advice: What to change; empty where nothing is to be done.
    """

    booking: Booking
    verdict: Verdict
    need: Need | None
    given: int
    advice: str = ""


def check_shares(bookings: Sequence[Booking], card_bytes: int) -> list[Line]:
    """Each booking against its need on a card with so much memory; those without a share run on the CPU: left out.

    Args:
        bookings: Of one node with one GPU.
        card_bytes: Memory of that GPU.
    """
    return [_line(booking, card_bytes) for booking in bookings if booking.share > 0.0]


def booked_share(bookings: Sequence[Booking]) -> float:
    """Sum of all shares; more than 1 leaves replicas waiting for ever."""
    return sum(booking.share * booking.replicas for booking in bookings)


def _line(booking: Booking, card_bytes: int) -> Line:
    given = round(booking.share * card_bytes)
    need = need_of(booking.pins, booking.config)
    if need is None:
        missing = ", ".join(name for name in booking.pins if name not in MEMORY)
        return Line(booking, "unknown", None, given, f"watch nvidia-smi: no need is known for {missing}")
    if need.total <= given:
        return Line(booking, "fits", need, given)
    verdict: Verdict = "too_small" if need.least > given else "tight"
    return Line(booking, verdict, need, given, _advice(booking, need, card_bytes))


def _advice(booking: Booking, need: Need, card_bytes: int) -> str:
    """A share that is enough, or a batch that is small enough for the share there is."""
    share = math.ceil(need.total / card_bytes / SHARE_STEP - 1e-9) * SHARE_STEP
    choices = [f"num_gpus: {share:.2f}"] if share <= 1.0 else []
    field, fitting = _fitting_batch(booking, round(booking.share * card_bytes))
    if field and fitting:
        choices.append(f"{field}: {fitting}")
    return " or ".join(choices) or "choose a smaller model or a stronger quantization"


def _fitting_batch(booking: Booking, given: int) -> tuple[str | None, int]:
    """The largest batch that fits, and the setting's name; 0 where none does."""
    field = next((f for name in booking.pins if (f := batch_field(name, booking.config))), None)
    if field is None:
        return None, 0
    for items in range(int(booking.config[field]) - 1, 0, -1):
        need = need_of(booking.pins, {**booking.config, field: items})
        if need is not None and need.total <= given:
            return field, items
    return field, 0


def shortfall_text(line: Line) -> str:
    """One line for people, with what to change."""
    need = line.need.total / 1e9 if line.need else 0.0
    end = "its batches will be halved" if line.verdict == "tight" else "its model cannot be loaded"
    return (
        f"{line.booking.analyzer} needs {need:.1f} GB and has {line.given / 1e9:.1f} GB "
        f"(num_gpus {line.booking.share:g}): {end}. Set {line.advice}."
    )


def torch_fraction(share: float, card_bytes: int, context_bytes: int) -> float:
    """Share of the card that torch itself may hand out, so that the whole process keeps to its share.

    Args:
        share: Booked by the replica.
        card_bytes: Memory of the card.
        context_bytes: Taken by the CUDA context, which torch does not count.
    """
    return max(0.0, min(1.0, share - context_bytes / card_bytes))
