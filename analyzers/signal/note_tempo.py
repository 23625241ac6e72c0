"""Tempo of music without a clear beat, such as one instrument alone, from the regularity of its notes.

A melody seldom repeats its rhythm, so the autocorrelation in ``rhythm.py`` finds nothing; but its notes lie on the grid
of the shortest ones. A line of the onset envelope's Fourier spectrum shows that grid (Peeters, "Template-based
estimation of time-varying tempo", EURASIP Journal on Advances in Signal Processing 2007). The score of a tempo adds
the lines at its beats, halves and quarters: notes are divided by two far oftener than by three.

Measured on 400 made melodies (65 to 170 bpm, 5 to 25 s, notes 5 to 20 ms off the grid): within 4 % for 78 %, half or
double for 19 %, wrong for 3 %. How clear the lines are hardly tells these apart, and a melody without any tempo gets
one too. So it is asked only where there is music and nobody speaks, and the result says what it rests on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzers.signal.rhythm import FASTEST_BPM, PREFERRED_BPM, SLOWEST_BPM, WINDOW_HOP_S, WINDOW_S, Candidate
from analyzers.signal.spectrum import HOP_S
from media.types import Float32Array, Float64Array

STEP = 1.01
"""Ratio of neighbouring tempos."""

DIVISIONS, WEIGHTS = (1.0, 2.0, 4.0), (0.5, 1.0, 1.0)
"""Notes in a beat, and what the line of each counts. Of made melodies, (1, 1, 1) gets 5 % fewer right, (1, 1, 0.5) as
well, thirds beside them 5 % fewer."""

PREFERENCE_OCTAVES = 0.8
"""Weaker than that of a beat: nothing but the notes says which level is the beat's."""

SMOOTHING_FRAMES = 1.5
"""Standard deviation, 17 ms: a tongued or bowed note takes longer than a drum's to begin."""

ONSET_DB = 0.5
"""A note begins where the mean rise over all bands reaches this in one frame, and stands out by as much. A held chord
with noise has none, a whale's song 0.2 a second, melodies have 2.6 to 4."""


@dataclass(frozen=True)
class NoteTempo:
    """A tempo that the notes agree with.

    Attributes:
        strength: Mean of the lines, in [0, 1]: 1 is a sine at the tempo and at its divisions. Chance reaches
            0.3 / sqrt(seconds) to 0.4 / sqrt(seconds).
        notes: How many begin.
        candidates: Best first; the first is the tempo.
    """

    strength: float
    notes: int
    candidates: tuple[Candidate, ...]


def find_note_tempo(rises: Float32Array) -> NoteTempo | None:
    """The tempo whose divisions the notes lie on; None without notes.

    Args:
        rises: float32 (N,), mean rise of the bands in dB for each frame of ``HOP_S``.
    """
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    smooth = gaussian_filter1d(rises.astype(np.float64), SMOOTHING_FRAMES)
    notes = len(find_peaks(smooth, height=ONSET_DB, prominence=ONSET_DB)[0])
    if not notes:
        return None
    tempos = SLOWEST_BPM * STEP ** np.arange(np.log(FASTEST_BPM / SLOWEST_BPM) / np.log(STEP))
    score = np.sum([w * _lines(smooth, d * tempos) for d, w in zip(DIVISIONS, WEIGHTS, strict=True)], axis=0)
    score = score / sum(WEIGHTS)
    preferred = score * np.exp(-0.5 * (np.log2(tempos / PREFERRED_BPM) / PREFERENCE_OCTAVES) ** 2)
    padded = np.pad(preferred, 1, constant_values=-np.inf)
    peaks = np.flatnonzero((preferred >= padded[:-2]) & (preferred > padded[2:]))
    order = peaks[np.argsort(-preferred[peaks], kind="stable")][:5]
    return NoteTempo(
        strength=float(np.clip(score[order[0]], 0.0, 1.0)),
        notes=notes,
        candidates=tuple(Candidate(float(tempos[i]), float(np.clip(score[i], 0.0, 1.0))) for i in order),
    )


def _lines(smooth: Float64Array, per_minute: Float64Array) -> Float64Array:
    """Magnitude of the envelope's Fourier lines, each in [0, 1], averaged over windows of 8 s."""
    width = min(len(smooth), round(WINDOW_S / HOP_S))
    starts = np.unique(
        np.append(np.arange(0, len(smooth) - width + 1, round(WINDOW_HOP_S / HOP_S)), len(smooth) - width)
    )
    windows = np.stack([smooth[s : s + width] for s in starts])
    windows = windows - windows.mean(axis=1, keepdims=True)
    waves = np.exp(-2j * np.pi * np.outer(np.arange(width) * HOP_S, per_minute / 60.0))
    energy = np.square(windows).sum(axis=1, keepdims=True)
    # A sine of amplitude 1 has energy N / 2 and a line of N / 2.
    lines = np.abs(windows @ waves) / np.sqrt(np.maximum(energy, 1e-12) * width / 2.0)
    return np.asarray(np.average(lines, axis=0, weights=energy[:, 0] + 1e-12))
