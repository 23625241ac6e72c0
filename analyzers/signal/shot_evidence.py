"""What beside colour says that two shots belong together: sound that goes on, texts that stay, what CLIP sees.

A likeness that all shots of a clip have says nothing about any two of them: music lies under the whole clip, an
account's name stands in every shot. So each likeness counts only as far as it differs from the clip's own mean, and a
clip in which nothing varies is grouped by colour as if nothing else were known. Sundaram and Chang, "Determining
computable scenes in films and their structures using audio-visual memory models" (ACM Multimedia 2000) let sound and
picture decide together in this way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analyzers.signal.spans import Span, overlap_s
from media.types import Float32Array, Float64Array

BRIDGE_S = 0.1
"""A sound bridges a cut when it goes on for this long on both sides: three frames, so that a cut laid on the start of
a word is no bridge."""


def kind_shares(shots: Sequence[Span], kinds: Sequence[Sequence[Span]]) -> Float64Array:
    """Share of each shot's time that each kind of sound fills: (S, K) in [0, 1].

    Args:
        shots: Start and end of each.
        kinds: For each kind disjoint spans.
    """
    return np.array([[overlap_s(shot, spans) / (shot[1] - shot[0]) for spans in kinds] for shot in shots])


def sound_likeness(shares: Float64Array, shots: Sequence[Span], speech: Sequence[Span] | None) -> Float64Array:
    """How alike two shots sound, (S, S) in [0, 1].

    The mean of: how alike their shares of the kinds of sound are, and, where speech is known, the share of the cuts
    between them over which somebody goes on speaking.

    Args:
        shares: From ``kind_shares``.
        shots: Start and end of each.
        speech: Spans without a gap; None where nothing is known.
    """
    alike = 1.0 - np.abs(shares[:, None] - shares[None]).mean(axis=2)
    if speech is None:
        return np.asarray(alike)
    over = [any(a <= t - BRIDGE_S and b >= t + BRIDGE_S for a, b in speech) for t, _ in shots[1:]]
    before = np.concatenate([[0], np.cumsum(over)])
    places = np.arange(len(shots))
    apart = np.abs(places[:, None] - places[None])
    bridged = np.abs(before[:, None] - before[None]) / np.maximum(apart, 1)
    return np.asarray((alike + np.where(apart > 0, bridged, 1.0)) / 2.0)


def text_likeness(shots: Sequence[Span], texts: Sequence[Span]) -> Float64Array:
    """Share of the texts of two shots that both show, (S, S) in [0, 1]; NaN where one of them shows none.

    Args:
        shots: Start and end of each.
        texts: When each text is on screen.
    """
    rows = [[overlap_s(shot, [text]) > 0.0 for text in texts] for shot in shots]
    shown = np.array(rows, dtype=bool).reshape(len(shots), len(texts))
    both = np.logical_and(shown[:, None, :], shown[None]).sum(axis=2)
    either = np.logical_or(shown[:, None, :], shown[None]).sum(axis=2)
    some = np.asarray(shown.any(axis=1), dtype=bool)
    known = np.logical_and.outer(some, some)
    return np.where(known, both / np.maximum(either, 1), np.nan)


def vector_likeness(shots: Sequence[Span], times_s: Float64Array, vectors: Float32Array) -> Float64Array:
    """Cosine of the mean vectors of two shots, (S, S), at least 0; NaN where a shot has no vector."""
    means = np.full((len(shots), vectors.shape[1]), np.nan)
    for i, (start_s, end_s) in enumerate(shots):
        inside = (times_s >= start_s) & (times_s < end_s)
        if inside.any():
            mean = vectors[inside].mean(axis=0, dtype=np.float64)
            means[i] = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return np.asarray(np.clip(means @ means.T, 0.0, 1.0), np.float64)


def over_usual(likeness: Float64Array, reach: int) -> Float64Array:
    """``likeness`` less its mean over all pairs of shots at most ``reach`` apart; 0 where it is NaN."""
    first, second = np.triu_indices(len(likeness), 1)
    near = likeness[first, second][second - first <= reach]
    known = near[np.isfinite(near)]
    usual = float(known.mean()) if len(known) else 0.0
    return np.asarray(np.where(np.isfinite(likeness), likeness - usual, 0.0))
