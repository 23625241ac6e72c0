"""Pacing over a clip: cut rate, energy, parts of the story, cuts against beats, loop. Pure functions over times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from analyzers.signal.spans import Span
from media.types import Float64Array

PartName = Literal["beginning", "build", "peak", "end"]
Arc = Literal["early_peak", "middle_peak", "late_peak", "flat"]
Trend = Literal["accelerating", "steady", "slowing"]
LoopKind = Literal["seamless", "through_black", "similar", "none"]


def windows(duration_s: float, window_s: float, step_s: float) -> list[Span]:
    """Windows over ``[0, duration_s)``; one shorter window where the clip is shorter, none for an empty clip."""
    if duration_s <= 0.0:
        return []
    width = min(window_s, duration_s)
    count = int((duration_s - width) / step_s + 1e-9) + 1
    return [(k * step_s, min(k * step_s + width, duration_s)) for k in range(count)]


def covered_s(spans: Sequence[Span], start_s: float, end_s: float) -> float:
    """Seconds of ``[start_s, end_s)`` that lie in the union of the spans."""
    total, until = 0.0, start_s
    for a, b in sorted(spans):
        low, high = max(a, until), min(b, end_s)
        if high > low:
            total += high - low
            until = high
    return total


def share(spans: Sequence[Span] | None, start_s: float, end_s: float) -> float | None:
    """Share of ``[start_s, end_s)`` that the spans cover; None where they are not known."""
    return None if spans is None else min(1.0, covered_s(spans, start_s, end_s) / (end_s - start_s))


def length_trend(lengths_s: Sequence[float], factor: float) -> Trend | None:
    """Whether shots get shorter or longer: mean of the second half of the shots against the first; None below four."""
    if len(lengths_s) < 4:
        return None
    half = len(lengths_s) // 2
    ratio = float(np.mean(lengths_s[-half:]) / np.mean(lengths_s[:half]))
    if ratio <= 1.0 / factor:
        return "accelerating"
    return "slowing" if ratio >= factor else "steady"


# ---- energy ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scale:
    """How each component of the energy becomes a number in [0, 1]; ``temporal_flow``'s config says why.

    Attributes:
        motion_half: Speed that counts as 0.5 in ``v / (v + half)``.
        cuts_half_per_s: The same for cuts per second.
        quiet_lufs: Loudness that counts as 0.
        loud_lufs: Loudness that counts as 1; linear between.
    """

    motion_half: float
    cuts_half_per_s: float
    quiet_lufs: float
    loud_lufs: float

    def motion(self, speed: Float64Array) -> Float64Array:
        """Of speeds >= 0; NaN stays NaN."""
        return speed / (speed + self.motion_half)

    def cuts(self, per_s: Float64Array) -> Float64Array:
        """Of cuts per second."""
        return per_s / (per_s + self.cuts_half_per_s)

    def loudness(self, lufs: Float64Array) -> Float64Array:
        """Of loudness in LUFS; minus infinity is 0, NaN stays NaN."""
        return np.asarray(np.clip((lufs - self.quiet_lufs) / (self.loud_lufs - self.quiet_lufs), 0.0, 1.0))


def cut_density(cuts_s: Sequence[float], middles_s: Float64Array, reach_s: float, duration_s: float) -> Float64Array:
    """Cuts per second within ``reach_s`` around each time, over the part of that window that lies in the clip."""
    times = np.asarray(cuts_s, float)
    low, high = np.maximum(middles_s - reach_s, 0.0), np.minimum(middles_s + reach_s, duration_s)
    counts = [int(((times >= a) & (times < b)).sum()) for a, b in zip(low, high, strict=True)]
    return np.asarray(np.asarray(counts, float) / (high - low))


def smoothed(values: Float64Array, width: int) -> Float64Array:
    """Running mean over ``width`` entries (odd), NaN left out; at the edges over what there is."""
    half = width // 2
    out = np.full(len(values), np.nan)
    for k in range(len(values)):
        near = values[max(0, k - half) : k + half + 1]
        if not np.isnan(near).all():
            out[k] = float(np.nanmean(near))
    return out


@dataclass(frozen=True)
class Story:
    """Parts of a clip by its energy.

    Attributes:
        arc: Where the peak lies, or ``flat``.
        range: Highest less lowest energy.
        parts: (name, start, end) in seconds, without gaps over the clip; empty for a flat one.
    """

    arc: Arc
    range: float
    parts: tuple[tuple[PartName, float, float], ...]


def story(
    energy: Float64Array, step_s: float, duration_s: float, flat_range: float, peak_depth: float, beginning_s: float
) -> Story | None:
    """Beginning, build, peak and end from the smoothed energy.

    The peak is the stretch around the highest energy that stays within ``peak_depth`` of the range below it. What is
    before it is the beginning (up to ``beginning_s``) and the build; what is behind it is the end.

    Args:
        energy: Of the entries ``[k * step_s, (k + 1) * step_s)``; NaN where unknown.
        step_s: Their length.
        duration_s: Of the clip.
        flat_range: A smaller range is ``flat``.
        peak_depth: In [0, 1].
        beginning_s: Longest beginning.

    Returns:
        None where no energy is known.
    """
    if np.isnan(energy).all():
        return None
    low, high = float(np.nanmin(energy)), float(np.nanmax(energy))
    if high - low < flat_range:
        return Story("flat", high - low, ())
    top = int(np.nanargmax(energy))
    gate = high - peak_depth * (high - low)
    first = last = top
    while first > 0 and energy[first - 1] >= gate:
        first -= 1
    while last + 1 < len(energy) and energy[last + 1] >= gate:
        last += 1
    peak = (first * step_s, min((last + 1) * step_s, duration_s))
    if duration_s - peak[1] < step_s:
        peak = (peak[0], duration_s)
    begin = min(beginning_s, peak[0])
    parts: list[tuple[PartName, float, float]] = [
        ("beginning", 0.0, begin),
        ("build", begin, peak[0]),
        ("peak", *peak),
        ("end", peak[1], duration_s),
    ]
    place = (top + 0.5) * step_s / duration_s
    arc: Arc = "early_peak" if place < 1 / 3 else "middle_peak" if place < 2 / 3 else "late_peak"
    return Story(arc, high - low, tuple(p for p in parts if p[2] > p[1]))


# ---- cuts on beats --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alignment:
    """Cuts against beats.

    Attributes:
        cuts: Cuts in the part of the clip that has beats.
        on_beat: Those within the tolerance of a beat.
        expected_share: Share that cuts at random times would reach.
        p_value: Probability that chance alone gives ``on_beat`` or more (binomial).
    """

    cuts: int
    on_beat: int
    expected_share: float
    p_value: float


def beat_alignment(
    cuts_s: Sequence[float], beats_s: Sequence[float], tolerance_s: float, duration_s: float
) -> Alignment | None:
    """How many cuts fall on beats, against chance.

    Only cuts from half a beat before the first beat to half a beat behind the last count, since elsewhere there is no
    beat to meet; within that stretch, cuts at uniformly random times meet a beat with the share of it that lies within
    the tolerance of a beat.

    Returns:
        None with fewer than two beats or without a cut where they are.
    """
    if len(beats_s) < 2:
        return None
    beats = np.sort(np.asarray(beats_s, float))
    half = 0.5 * float(np.median(np.diff(beats)))
    start, end = max(0.0, float(beats[0]) - half), min(duration_s, float(beats[-1]) + half)
    inside = [c for c in cuts_s if start <= c < end]
    if not inside:
        return None
    near = sum(float(np.abs(beats - cut).min()) <= tolerance_s + 1e-9 for cut in inside)
    windows_s = [(float(b) - tolerance_s, float(b) + tolerance_s) for b in beats]
    expected = min(1.0, covered_s(windows_s, start, end) / (end - start))
    return Alignment(len(inside), near, expected, _binomial_tail(len(inside), near, expected))


def _binomial_tail(trials: int, hits: int, chance: float) -> float:
    """Probability of at least ``hits`` in ``trials``."""
    from scipy.stats import binom

    return float(np.clip(binom.sf(hits - 1, trials, chance), 0.0, 1.0))


# ---- loop -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Join:
    """How the last picture meets the first.

    Attributes:
        kind: Verdict.
        similarity: Structural similarity of the two pictures, held in [0, 1].
        jump: Mean absolute difference of their grey levels, in [0, 255].
        usual_jump: Median of the same between neighbouring frames near the clip's ends.
    """

    kind: LoopKind
    similarity: float
    jump: float
    usual_jump: float


@dataclass(frozen=True)
class JoinSettings:
    """Thresholds of ``join``; ``temporal_flow``'s config says why.

    Attributes:
        least_jump: A smaller jump is none, however still the clip.
        jump_factor: A jump up to this multiple of the usual one is the clip's own motion.
        similar: Structural similarity from which on the pictures are alike.
        black: Highest grey level of a black picture.
    """

    least_jump: float
    jump_factor: float
    similar: float
    black: float


def join(
    first: npt.NDArray[np.uint8], last: npt.NDArray[np.uint8], jumps: Float64Array, settings: JoinSettings
) -> Join:
    """Whether the last picture leads into the first.

    Args:
        first: uint8 (H, W), first frame, small.
        last: The last frame in the same size.
        jumps: Mean absolute differences between neighbouring frames at both ends of the clip, float64 (N,).
        settings: Thresholds.
    """
    jump = float(np.abs(first.astype(np.int16) - last).mean())
    usual = float(np.median(jumps)) if len(jumps) else 0.0
    similarity = structural_similarity(first, last)
    kind: LoopKind = "none"
    if max(float(np.percentile(first, 99)), float(np.percentile(last, 99))) <= settings.black:
        kind = "through_black"
    elif jump <= max(settings.least_jump, settings.jump_factor * usual):
        kind = "seamless"
    elif similarity >= settings.similar:
        kind = "similar"
    return Join(kind, similarity, jump, usual)


def structural_similarity(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> float:
    """Mean SSIM over windows of 7 x 7, negative values held at 0.

    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural similarity",
    IEEE Transactions on Image Processing 13 (2004); uniform windows, as scikit-image does by default.
    """
    from scipy.ndimage import uniform_filter

    size, x, y = 7, a.astype(np.float64), b.astype(np.float64)
    mean_x, mean_y = uniform_filter(x, size), uniform_filter(y, size)
    unbiased = size**2 / (size**2 - 1)
    var_x = unbiased * (uniform_filter(x * x, size) - mean_x**2)
    var_y = unbiased * (uniform_filter(y * y, size) - mean_y**2)
    both = unbiased * (uniform_filter(x * y, size) - mean_x * mean_y)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    score = ((2 * mean_x * mean_y + c1) * (2 * both + c2)) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    edge = size // 2
    return float(np.clip(score[edge:-edge, edge:-edge].mean(), 0.0, 1.0))


def shot_lengths(cuts_s: Sequence[float], duration_s: float) -> list[float]:
    """Lengths of the shots that the cuts make, in order."""
    edges = [0.0, *sorted(c for c in cuts_s if 0.0 < c < duration_s), duration_s]
    return [b - a for a, b in pairwise(edges)]
