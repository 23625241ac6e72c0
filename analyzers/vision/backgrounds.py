"""From shares of classes over time to backgrounds: where one ends, where it is, what it holds. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analyzers.base import Context
from analyzers.results.background_segmentation import BackgroundChange, ClassMask, SettingSpan, Shares
from analyzers.vision.ade20k import CLASSES, FOREGROUND, Setting, SettingRule, setting_of
from media.types import Float32Array, Float64Array, UInt8Array

_BACKGROUND = np.array([name not in FOREGROUND for name in CLASSES])


@dataclass(frozen=True)
class ChangeRule:
    """When a background is another one.

    Attributes:
        min_change: Least difference (see ``differences``).
        apart_s: Two changes are at least so far apart; of nearer ones the larger counts.
        reach: Samples on each side whose mean is compared.
    """

    min_change: float
    apart_s: float
    reach: int = 2


def differences(shares: Float32Array, reach: int) -> Float64Array:
    """How much the background behind each sample differs from that before it.

    Args:
        shares: float32 (F, 150).
        reach: Samples on each side whose mean is compared.

    Returns:
        float64 (F,): entry k compares the samples before k with those from k on: half the sum of absolute differences
        of the shares of background classes, each side summing to one. Entry 0 is 0; so is one without a background.
    """
    found = np.zeros(len(shares))
    for k in range(1, len(shares)):
        before, after = (_background(part) for part in (shares[max(0, k - reach) : k], shares[k : k + reach]))
        if before is not None and after is not None:
            found[k] = min(1.0, 0.5 * float(np.abs(before - after).sum()))
    return found


def _background(part: Float32Array) -> Float64Array | None:
    mean = part.astype(np.float64).mean(axis=0) * _BACKGROUND
    total = float(mean.sum())
    return mean / total if total > 0.0 else None


def change_points(times_s: Sequence[float], shares: Float32Array, rule: ChangeRule) -> list[int]:
    """Samples that begin another background, in order: local highs of ``differences``."""
    score = differences(shares, rule.reach)
    kept: list[int] = []
    for k in sorted(np.flatnonzero(score >= rule.min_change).tolist(), key=lambda k: (-score[k], k)):
        if all(abs(times_s[k] - times_s[other]) >= rule.apart_s for other in kept):
            kept.append(k)
    return sorted(kept)


def change_at(
    k: int,
    times_s: Sequence[float],
    cuts_s: Sequence[float],
    shares: Float32Array,
    rule: ChangeRule,
    min_share: float,
    context: Context,
) -> BackgroundChange:
    """The change that sample ``k`` begins; at the cut between it and the sample before, where there is one."""
    cut = next((c for c in cuts_s if times_s[k - 1] < c <= times_s[k] + 1e-6), None)
    before = shares[max(0, k - rule.reach) : k].mean(axis=0)
    grown = np.where(_BACKGROUND, shares[k : k + rule.reach].mean(axis=0) - before, 0.0)
    order = np.argsort(-np.abs(grown), kind="stable")
    return BackgroundChange(
        timestamp=min(times_s[k] if cut is None else cut, context.video.duration_s),
        score=float(differences(shares[max(0, k - rule.reach) : k + rule.reach], rule.reach)[min(k, rule.reach)]),
        gone=tuple(CLASSES[i] for i in order if grown[i] <= -min_share),
        come=tuple(CLASSES[i] for i in order if grown[i] >= min_share),
        on_a_cut=cut is not None,
    )


def named_shares(shares: Float32Array, min_share: float) -> Shares:
    """Shares (150,) by name, largest first, without those below ``min_share``."""
    order = np.argsort(-shares, kind="stable")
    return {CLASSES[i]: min(1.0, float(shares[i])) for i in order if shares[i] >= min_share and shares[i] > 0.0}


def setting_span(
    span: tuple[float, float], shares: Float32Array, certainty: Float32Array, rule: SettingRule, min_share: float
) -> SettingSpan:
    """Where the samples of one stretch were taken, from their mean shares.

    Args:
        span: Of the stretch, in seconds.
        shares: float32 (F, 150) of its samples; at least one.
        certainty: float32 (F,) of its samples.
        rule: See there.
        min_share: Smaller shares are not listed.
    """
    mean = shares.mean(axis=0)
    found = setting_of({name: float(share) for name, share in zip(CLASSES, mean, strict=True)}, rule)
    return SettingSpan(
        start_time=span[0],
        end_time=span[1],
        kind=found.kind,
        indoor_score=found.indoor_score,
        evidence=found.evidence,
        place=found.place,
        place_score=found.place_score,
        rule=_reason(found, rule),
        classes=named_shares(mean, min_share),
        certainty=min(1.0, float(certainty.mean())),
    )


def _reason(found: Setting, rule: SettingRule) -> str:
    if found.indoor_score is None:
        return f"evidence {found.evidence:.2f} below {rule.min_evidence:g}"
    if found.kind == "uncertain":
        return f"indoor {found.indoor_score:.2f}, outdoor {1.0 - found.indoor_score:.2f}: both below {rule.sure:g}"
    if found.place is None:
        return f"{found.kind}: no place reaches {rule.min_place:g}"
    return f"{found.place}: {', '.join(found.marks)}"


def run_lengths(labels: UInt8Array, number: int) -> ClassMask:
    """The mask of one class. ``labels``: uint8 (H, W)."""
    inside = (labels == number).ravel(order="F")
    borders = np.flatnonzero(np.diff(inside.astype(np.int8))) + 1
    counts = np.diff([0, *borders.tolist(), len(inside)]).tolist()
    high, wide = labels.shape
    return ClassMask(
        class_name=CLASSES[number], size=(high, wide), counts=tuple([0, *counts] if inside[:1].any() else counts)
    )
