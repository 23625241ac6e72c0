"""Whether a profile's shares of a GPU cover its models, for people and for the doctor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from analyzers.runtime import LicencePolicy
from deployments.gpu import gpu_health
from ops.profile_models import placed
from weights.budget import SHORT, Booking, Line, booked_share, check_shares, shortfall_text
from weights.memory import need_of

MIB = 1024 * 1024
VERDICT_STYLE = {"fits": "green", "tight": "yellow", "too_small": "bold red", "unknown": "dim"}


def bookings(config: Mapping[str, Any], policy: LicencePolicy | None = None) -> list[Booking]:
    """Every analyzer of a Serve configuration that loads models.

    Args:
        config: As ``ops.profiles.load_profile`` gives it.
        policy: Licence policy in place of the configuration's.
    """
    return [
        Booking(p.analyzer, tuple(pin.name for pin in p.pins), p.gpu_share, p.replicas, p.config)
        for p in placed(config, policy)
    ]


def shortfalls(config: Mapping[str, Any], card_mib: int) -> list[Line]:
    """Those whose share does not cover their need on a card with so much memory."""
    return [line for line in check_shares(bookings(config), card_mib * MIB) if line.verdict in SHORT]


def budget_table(config: Mapping[str, Any], card_mib: int) -> Table:
    """One row per analyzer that loads models."""
    table = Table(title=f"Shares of a GPU with {card_mib} MiB", title_justify="left", header_style="bold")
    for column in ("analyzer", "models", "share", "GB given", "GB needed", "weights", "activations", "verdict"):
        table.add_column(column, overflow="fold", no_wrap=column in ("analyzer", "verdict"))
    lines = {line.booking.analyzer: line for line in check_shares(bookings(config), card_mib * MIB)}
    every = bookings(config)
    for booking in every:
        need = need_of(booking.pins, booking.config)
        line = lines.get(booking.analyzer)
        verdict = line.verdict if line else "CPU"
        style = VERDICT_STYLE.get(verdict, "dim")
        numbers = [f"{n / 1e9:.2f}" for n in (need.total, need.weights, need.activations)] if need else ["?"] * 3
        given = f"{line.given / 1e9:.2f}" if line else "-"
        share = f"{booking.share:g}" if line else "-"
        on_gpu = numbers if line else ["-"] * 3
        verdict_cell = f"[{style}]{verdict}[/{style}]"
        table.add_row(booking.analyzer, ", ".join(booking.pins), share, given, *on_gpu, verdict_cell)
    table.caption = f"booked together: {booked_share(every):.2f} of one GPU"
    return table


def gpu_warnings(config: Mapping[str, Any]) -> list[str]:
    """What ``serve`` says before it starts on this machine's GPU; nothing where no GPU is booked.

    A warning and no refusal: the needs are counted and not measured on this card, a batch that is too large is halved
    while it runs, and a model that cannot be loaded makes its own section unavailable and no other.
    """
    every = bookings(config)
    if not booked_share(every):
        return []
    health = gpu_health()
    if health.gpu_memory is None:
        return ["This profile books shares of a GPU and nvidia-smi shows none; `tiktok-analyzer doctor` says more."]
    return [shortfall_text(line) for line in shortfalls(config, health.gpu_memory.total_mb)]
