"""Pulse, tempo and beats from an onset envelope.

* Onset envelope: rise of the log mel spectrum, median over the bands, so that only what starts in many bands at once
  counts (librosa's beat tracker takes the median too); a second one from the bass alone, where kick drums are.
* Pulse: autocorrelation of the envelope in windows of 8 s, summed over the first four multiples of a period (a comb),
  as in Percival and Tzanetakis, "Streamlined tempo estimation based on autocorrelation and cross-correlation with
  pulses", IEEE/ACM TASLP 22 (2014). What repeats once, as speech does, scores low; what goes on repeating, high.
* Tempo: the best period under a log-normal preference around 120 bpm (Moelants, "Preferred tempo reconsidered",
  ICMPC 2002), then measured to a fraction of a frame at its longest multiple.
* Beats: dynamic programming (Ellis, "Beat tracking by dynamic programming", JNMR 36, 2007); a test holds them against
  librosa's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzers.signal.spectrum import FFT, HOP, HOP_S, Spectra
from media.types import Float32Array, Float64Array, Int64Array

MEL_RANGE_DB = 80.0
BASS_RANGE_DB = 40.0
"""Levels this far below the loudest count as equal: changes in the noise floor are no onsets."""

LATENCY = FFT // 2 // HOP - 1
"""Frames by which a rise is seen early: the window's front edge reaches a sound half a window before its centre, and
needs a frame more until enough of it is under the window."""

WINDOW_S, WINDOW_HOP_S = 8.0, 2.0
"""Four periods of the slowest tempo fit; a tempo that drifts by 2 % still repeats within."""

SLOWEST_BPM, FASTEST_BPM = 50.0, 210.0
"""Range of tempo looked for: nearly all music with a beat (Moelants 2002)."""

COMB = 4
"""Multiples of a period that are averaged."""

COMB_SHARE = 0.75
"""Multiples longer than this share of the window have too little overlap to count."""

SMOOTHING_FRAMES = 2.0
"""Standard deviation, 23 ms: players are no more exact."""

PREFERRED_BPM = 120.0
PREFERENCE_OCTAVES = 0.6
BASS_WEIGHT = 0.5
"""How much a period counts in the bass, against all bands. With 0 the beats of a drum pattern with equally loud
off-beats are found in 50 of 88 made patterns between 65 and 174 bpm, with 0.5 in 53, with 1.0 in 54."""

SAME_PULSE = 0.88
"""A period of half the length that repeats at least this well is the true one: all its beats are alike."""

FASTEST_DOUBLED_BPM = 190.0

TIGHTNESS = 100.0
"""Cost of a distance of e times the period, in standard deviations of onset strength; Ellis's value, which librosa
takes. Higher follows a drifting tempo less."""

BUMPS_PER_BEAT = 32.0
"""Onsets are blurred to a 32nd of a beat; Ellis's value."""

FIRST_ONSET = 0.01
"""Share of the strongest onset from which on beats may begin; librosa's value."""

WEAK_BEAT = 0.1
"""Beats before the first and behind the last whose onset has this share of the median beat's are none."""

SILENT_FIRST = 0.15
"""A period whose first repetition scores less than this share of the best is a fraction of the true one."""


@dataclass(frozen=True, eq=False)
class Envelopes:
    """Onset strength per frame of ``HOP_S``, all float32 (N,).

    Attributes:
        full: Median rise over all bands: what starts in many bands at once.
        bass: Rise in the bass.
        notes: Mean rise over all bands, which a single soft note has too; ``note_tempo`` reads it.
    """

    full: Float32Array
    bass: Float32Array
    notes: Float32Array


@dataclass(frozen=True)
class Candidate:
    """A possible tempo and how well it repeats, in [0, 1]."""

    bpm: float
    strength: float


@dataclass(frozen=True, eq=False)
class Pulse:
    """What repeats.

    Attributes:
        strength: Comb of the best period, whichever octave, in [0, 1]; windows without any pulse hardly count.
        bpm: The tempo chosen.
        candidates: Periods that repeat, best first under the preference; the first one is ``bpm`` unrefined.
        windows_s: (W, 2) start and end of each window.
        local: float64 (W,), comb of the chosen period or its double in each window, in [0, 1].
    """

    strength: float
    bpm: float
    candidates: tuple[Candidate, ...]
    windows_s: Float64Array
    local: Float64Array


def envelopes(spectra: Spectra) -> Envelopes:
    """Onset envelopes; frame k belongs to ``k * HOP_S``."""
    mel = np.maximum(spectra.mel_db, spectra.mel_db.max() - MEL_RANGE_DB)
    bass = np.maximum(spectra.bass_db, spectra.bass_db.max() - BASS_RANGE_DB)
    up = np.maximum(np.diff(mel, axis=1), 0.0)
    rises = np.median(up, axis=0), np.maximum(np.diff(bass), 0.0), up.mean(axis=0)
    full, low, notes = (
        np.concatenate([np.zeros(1 + LATENCY), rise])[: mel.shape[1]].astype(np.float32) for rise in rises
    )
    return Envelopes(full, low, notes)


def find_pulse(onsets: Envelopes) -> Pulse | None:
    """The strongest repetition; None where nothing could be compared (too short, or no onsets at all)."""
    length = len(onsets.full)
    width = min(length, round(WINDOW_S / HOP_S))
    lags = np.arange(round(60.0 / FASTEST_BPM / HOP_S), round(60.0 / SLOWEST_BPM / HOP_S) + 1)
    lags = lags[2 * lags < COMB_SHARE * width]
    if len(lags) < 3 or not onsets.full.any():
        return None
    starts = np.unique(np.append(np.arange(0, length - width + 1, round(WINDOW_HOP_S / HOP_S)), length - width))
    full = _correlations(onsets.full, starts, width)
    combs = _combs(full, lags, width)
    weights = np.square(combs.max(axis=1)) + 1e-9
    comb, first = (np.average(m, axis=0, weights=weights) for m in (combs, full))
    bass = np.average(_combs(_correlations(onsets.bass, starts, width), lags, width), axis=0, weights=weights)
    score = (comb + BASS_WEIGHT * np.maximum(bass, 0.0)) / (1.0 + BASS_WEIGHT)
    ranking = _ranking(score, first, lags)
    if not len(ranking):
        return None
    chosen = _faster_if_alike(int(ranking[0]), score, lags)
    order = [chosen, *(int(r) for r in ranking if r != chosen)]
    double = int(np.abs(lags - 2 * lags[chosen]).argmin())
    at = [chosen] if abs(lags[double] - 2 * lags[chosen]) > 2 else [chosen, double]
    return Pulse(
        strength=float(np.clip(comb.max(), 0.0, 1.0)),
        bpm=60.0 / (_refined(float(lags[chosen]), first, float(comb[chosen])) * HOP_S),
        candidates=tuple(Candidate(60.0 / (lags[i] * HOP_S), float(np.clip(score[i], 0.0, 1.0))) for i in order[:5]),
        windows_s=np.stack([starts, starts + width], axis=1) * HOP_S,
        local=np.clip(np.max([_near(combs, i) for i in at], axis=0), 0.0, 1.0),
    )


def find_beats(onsets: Envelopes, bpm: float) -> Float64Array:
    """Times of the beats at about this tempo, seconds, sorted."""
    from scipy.ndimage import maximum_filter1d

    # The bass decides between beat and off-beat where both are equally loud.
    both = onsets.full / max(float(onsets.full.std()), 1e-6) + BASS_WEIGHT * onsets.bass / max(
        float(onsets.bass.std()), 1e-6
    )
    frames = best_path(both.astype(np.float64), 60.0 / bpm / HOP_S)
    if not len(frames):
        return np.zeros(0)
    strength = maximum_filter1d(both, 5)[frames]
    sounding = np.flatnonzero(strength >= WEAK_BEAT * np.median(strength))
    return np.asarray(frames[sounding[0] : sounding[-1] + 1] * HOP_S, np.float64)


def best_path(strength: Float64Array, period: float) -> Int64Array:
    """Frames of the beats that together have the strongest onsets and the steadiest distances.

    Args:
        strength: float64 (N,), onset strength, not negative.
        period: Frames from beat to beat, at least 4.

    Returns:
        int64 (B,), increasing; empty without onsets.
    """
    if not strength.any():
        return np.zeros(0, np.int64)
    reach = int(np.ceil(period))
    bump = np.exp(-0.5 * (np.arange(-reach, reach + 1) * BUMPS_PER_BEAT / period) ** 2)
    local = np.convolve(strength / strength.std(ddof=1), bump, "full")[reach:-reach]
    back = np.arange(max(1, round(period / 2.0)), round(2.0 * period) + 1)[::-1]
    cost = TIGHTNESS * np.log(back / period) ** 2
    # Zeros in front stand for "no beat before"; a beat there costs no more than a start.
    total = np.concatenate([np.full(back[0], -np.inf), np.zeros(len(local))])
    link = np.full(len(local), -1)
    started = False
    for k, score in enumerate(local):
        before = total[k : k + len(back)] - cost
        best = int(before.argmax())
        known = before[best] > -np.inf
        total[back[0] + k] = score + (before[best] if known else 0.0)
        # Links begin with the first onset, so that the silence before it has no beats.
        started = started or score >= FIRST_ONSET * local.max()
        if started and known:
            link[k] = k - int(back[best])
    totals = total[back[0] :]
    highs = np.flatnonzero((totals > np.roll(totals, 1)) & (totals >= np.roll(totals, -1)))
    if not len(highs):
        return np.zeros(0, np.int64)
    beats = [int(highs[totals[highs] >= 0.5 * np.median(totals[highs])][-1])]
    while link[beats[-1]] >= 0:
        beats.append(int(link[beats[-1]]))
    return np.array(beats[::-1], np.int64)


def _correlations(envelope: Float32Array, starts: Int64Array, width: int) -> Float64Array:
    """Autocorrelation of each window (W, width), 1 at lag 0, corrected for the shrinking overlap."""
    from scipy.ndimage import gaussian_filter1d

    smooth = gaussian_filter1d(envelope.astype(np.float64), SMOOTHING_FRAMES)
    windows = np.stack([smooth[s : s + width] for s in starts])
    windows -= windows.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(windows, 2 * width, axis=1)) ** 2
    products = np.fft.irfft(power, axis=1)[:, :width]
    overlap = np.maximum(width - np.arange(width), width / 4) / width
    return np.asarray(products / np.maximum(products[:, :1], 1e-9) / overlap)


def _combs(correlations: Float64Array, lags: Int64Array, width: int) -> Float64Array:
    """Mean of the correlation at the first multiples of each lag: (W, len(lags))."""
    from scipy.ndimage import maximum_filter1d

    total, number = np.zeros((len(correlations), len(lags))), np.zeros(len(lags))
    for multiple in range(1, COMB + 1):
        # The longer the lag, the more a tempo that lies between two frames has drifted off it.
        near = maximum_filter1d(correlations, 2 * (1 + multiple // 2) + 1, axis=1)
        fits = multiple * lags < COMB_SHARE * width
        total[:, fits] += near[:, multiple * lags[fits]]
        number += fits
    return np.asarray(total / number)


def _ranking(score: Float64Array, first: Float64Array, lags: Int64Array) -> Int64Array:
    """Indices of the periods' local maxima, best first under the preference."""
    octaves = np.log2(60.0 / (lags * HOP_S) / PREFERRED_BPM)
    preferred = score * np.exp(-0.5 * (octaves / PREFERENCE_OCTAVES) ** 2)
    heard = np.maximum(np.maximum(first[lags - 1], first[lags]), first[lags + 1]) >= SILENT_FIRST * score.max()
    padded = np.pad(score, 1, constant_values=-np.inf)
    peak = (score >= padded[:-2]) & (score > padded[2:]) & (score > 0.0) & heard
    at = np.flatnonzero(peak)
    return np.asarray(at[np.argsort(-preferred[at], kind="stable")], np.int64)


def _faster_if_alike(index: int, score: Float64Array, lags: Int64Array) -> int:
    """The period of half the length where it repeats as well, else this one."""
    half = lags[index] / 2
    near = np.flatnonzero(np.abs(lags - half) <= 2)
    if not len(near) or 60.0 / (half * HOP_S) > FASTEST_DOUBLED_BPM:
        return index
    best = int(near[score[near].argmax()])
    return best if score[best] >= SAME_PULSE * score[index] else index


def _near(combs: Float64Array, index: int) -> Float64Array:
    return np.asarray(combs[:, max(0, index - 2) : index + 3].max(axis=1))


def _refined(lag: float, correlation: Float64Array, strength: float) -> float:
    """The period in frames, measured ever more finely at its 1-, 2-, 4-, ... fold."""
    multiple = 1
    while multiple * lag < COMB_SHARE * len(correlation):
        reach = 3 if multiple > 1 else 2
        low, high = max(1, round(multiple * lag) - reach), min(len(correlation) - 2, round(multiple * lag) + reach)
        at = low + int(correlation[low : high + 1].argmax())
        left, centre, right = correlation[at - 1 : at + 2]
        bend = left - 2.0 * centre + right
        # A weak first beat after a strong one has a poor peak; its double then has a better one.
        if centre >= 0.5 * strength and bend < 0.0 and centre >= max(left, right):
            lag = (at + 0.5 * (left - right) / bend) / multiple
        multiple *= 2
    return float(lag)
