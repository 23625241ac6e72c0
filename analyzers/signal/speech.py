"""Where somebody speaks: Silero VAD for the decision, short-time level for the exact borders.

Silero VAD v6 (https://github.com/snakers4/silero-vad, shipped inside the faster-whisper wheel) gives a speech
probability for every 32 ms, which is too coarse to place the end of a word. So each border is moved to where the
short-time level leaves the background, after Rabiner and Sambur, "An algorithm for determining the endpoints of
isolated utterances", Bell System Technical Journal 54 (1975). A long stretch at background level inside a detected
region is a pause too, although the detector's memory bridges it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzers.signal.spans import runs
from media.types import Float32Array, Float64Array

BoolArray = npt.NDArray[np.bool_]

RATE_HZ = 16_000
"""The only sample rate that the functions here take."""

VAD_WINDOW = 512
"""Samples for each of the detector's probabilities: 32 ms."""

VAD_WINDOW_S = VAD_WINDOW / RATE_HZ

VAD_CONTEXT, VAD_MEMORY = 64, 128
"""Samples that each window carries from the one before, and size of the model's memory; both belong to the model."""

VAD_BLOCK = 1024
"""Windows that the detector hears at once: 33 s. Memory then does not grow with the clip."""

LEVEL_HOP_S = 0.005
"""Step of the level curve that places borders: finer than any border can be heard."""

RIPPLE_S = 0.020
"""A level is measured over two hops, less than one pitch period of a low voice (15 ms), so the curve
ripples. Dips of the level up to this long are no gap: one pitch period at 50 Hz."""

SILENCE_DB = -120.0
"""Level given to digital silence."""


@dataclass(frozen=True)
class SpeechSpan:
    """A stretch of speech.

    Attributes:
        start_s: First moment, seconds from the first sample.
        end_s: Exclusive end, seconds.
        score: Mean of the detector's probability over the span's windows, in [0, 1].
    """

    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True)
class SpanSettings:
    """Thresholds of ``speech_spans``; ``SpeechFlowConfig`` says where each comes from.

    Attributes:
        threshold: Probability that opens a region.
        release: Probability below which a region ends.
        floor_margin_db: Height over the background at which sound belongs to the speech beside it.
        depth_db: Depth below the region's loud part under which nothing belongs to it.
        border_shift_s: How far a border may be moved off the detector's.
        energy_gap_s: Length at background level that parts a region although the detector bridges it.
        min_gap_s: Shorter gaps are closed.
        min_speech_s: Shorter spans are dropped.
    """

    threshold: float
    release: float
    floor_margin_db: float
    depth_db: float
    border_shift_s: float
    energy_gap_s: float
    min_gap_s: float
    min_speech_s: float


class VoiceDetector:
    """The ONNX session of Silero VAD on one thread. Making one imports faster-whisper (0.2 s).

    The session is fed block by block with its memory handed on; faster-whisper's own call would take minutes of sound
    at once and hundreds of megabytes for it. A test holds both against each other.
    """

    def __init__(self) -> None:
        from faster_whisper.vad import get_vad_model

        self._session: Any = get_vad_model().session

    def probabilities(self, samples: Float32Array) -> Float64Array:
        """Speech probability for each window of 512 samples.

        Args:
            samples: float32 (N,) at 16 kHz, finite.

        Returns:
            float64 (ceil(N / 512),) in [0, 1].
        """
        count = -(-len(samples) // VAD_WINDOW)
        found = np.zeros(count)
        hidden = cell = np.zeros((1, 1, VAD_MEMORY), np.float32)
        for begin in range(0, count, VAD_BLOCK):
            end = min(begin + VAD_BLOCK, count)
            # Each window comes with the 64 samples before it; silence before the first and behind the last.
            part = np.zeros((end - begin) * VAD_WINDOW + VAD_CONTEXT, np.float32)
            first = begin * VAD_WINDOW - VAD_CONTEXT
            piece = samples[max(0, first) : end * VAD_WINDOW]
            offset = max(0, -first)
            part[offset : offset + len(piece)] = piece
            windows = np.lib.stride_tricks.sliding_window_view(part, VAD_CONTEXT + VAD_WINDOW)[::VAD_WINDOW]
            heard, hidden, cell = self._session.run(
                None, {"input": np.ascontiguousarray(windows), "h": hidden, "c": cell}
            )
            found[begin:end] = np.asarray(heard, np.float64).reshape(-1)
        return found


def frame_level_db(samples: Float32Array) -> Float64Array:
    """Root-mean-square level around each multiple of ``LEVEL_HOP_S``, in dB re full scale.

    Args:
        samples: float32 (N,) at 16 kHz.

    Returns:
        float64 (1 + floor(N / 80),); digital silence is -120.
    """
    hop = round(LEVEL_HOP_S * RATE_HZ)
    # The window is two hops wide: the one before and the one behind each centre; at the ends there is one of them.
    sums = power_sums(samples, hop)
    count = 1 + len(samples) // hop
    behind = np.append(sums, 0.0)[:count]
    before = np.append(0.0, sums)[:count]
    centres = np.arange(count) * hop
    width = np.minimum(centres + hop, len(samples)) - np.maximum(centres - hop, 0)
    mean = (before + behind) / np.maximum(width, 1)
    return np.asarray(10.0 * np.log10(np.maximum(mean, 10.0 ** (SILENCE_DB / 10.0))))


def power_sums(samples: npt.NDArray[Any], width: int) -> Float64Array:
    """Sum of the squares of each ``width`` samples, the last ones perhaps fewer: float64 (ceil(N / width),)."""
    whole = len(samples) // width
    frames = samples[: whole * width].reshape(whole, width)
    sums = np.einsum("ij,ij->i", frames, frames, dtype=np.float64)
    rest = samples[whole * width :].astype(np.float64)
    return np.append(sums, (rest**2).sum()) if len(rest) else sums


def speech_spans(samples: Float32Array, probabilities: Float64Array, settings: SpanSettings) -> list[SpeechSpan]:
    """Spans of speech with borders at the level's rise and fall; sorted, disjoint, inside the sound.

    Args:
        samples: float32 (N,) at 16 kHz.
        probabilities: What ``VoiceDetector.probabilities`` says of the same samples.
        settings: Thresholds.
    """
    length_s = len(samples) / RATE_HZ
    regions = [
        (a * VAD_WINDOW_S, min(b * VAD_WINDOW_S, length_s))
        for a, b in hysteresis(probabilities, settings.threshold, settings.release)
    ]
    if not regions:
        return []
    level = frame_level_db(samples)
    background_db = _background_db(level, probabilities)
    starts = [b for _, b in [(0.0, 0.0), *regions]]
    ends = [a for a, _ in [*regions, (length_s, length_s)]][1:]
    pieces: list[tuple[float, float]] = []
    for region, free in zip(regions, zip(starts, ends, strict=False), strict=True):
        pieces += _sharpened(level, background_db, region, free, settings)
    return [
        SpeechSpan(round(a, 3), round(min(b, length_s), 3), _mean_probability(probabilities, a, b))
        for a, b in _joined(pieces, settings.min_gap_s)
        if min(b, length_s) - a >= settings.min_speech_s
    ]


def hysteresis(probabilities: Float64Array, threshold: float, release: float) -> list[tuple[int, int]]:
    """Half-open ranges of windows: opened at ``threshold``, held until one is below ``release``."""
    found: list[tuple[int, int]] = []
    begin: int | None = None
    for k, probability in enumerate(probabilities):
        if begin is None and probability >= threshold:
            begin = k
        elif begin is not None and probability < release:
            found.append((begin, k))
            begin = None
    if begin is not None:
        found.append((begin, len(probabilities)))
    return found


def _background_db(level: Float64Array, probabilities: Float64Array) -> float:
    """Median level where the detector hears no speech; the quietest twentieth where that is too little to tell."""
    window = (np.arange(len(level)) * (LEVEL_HOP_S / VAD_WINDOW_S)).astype(np.int64)
    quiet = level[probabilities[np.minimum(window, len(probabilities) - 1)] < 0.2]
    return float(np.median(quiet)) if len(quiet) >= 20 else float(np.percentile(level, 5))


def _sharpened(
    level: Float64Array,
    background_db: float,
    region: tuple[float, float],
    free: tuple[float, float],
    settings: SpanSettings,
) -> list[tuple[float, float]]:
    """The region with its borders at the level's rise and fall, parted at long stretches of background.

    Args:
        level: From ``frame_level_db``.
        background_db: Level of what is not speech.
        region: Start and end as the detector says, seconds.
        free: End of the region before and start of the one after, seconds.
        settings: Thresholds.
    """
    start, end, free_from, free_to = (min(round(t / LEVEL_HOP_S), len(level)) for t in (*region, *free))
    if end <= start:
        return [region]
    loud_db = float(np.percentile(level[start:end], 95))
    gate_db = max(background_db + settings.floor_margin_db, loud_db - settings.depth_db)
    if gate_db > loud_db - settings.floor_margin_db:
        # No louder than what is around it (music under a voice): the level says nothing about the border.
        return [region]
    shift = round(settings.border_shift_s / LEVEL_HOP_S)
    # At most half of the gap to the neighbour, so that no sound is claimed twice.
    low = start - min(shift, (start - free_from) // 2)
    high = end + min(shift, (free_to - end) // 2)
    loud = _filled(level[low:high] >= gate_db, round(RIPPLE_S / LEVEL_HOP_S))
    first = _edge(loud, start - low, shift)
    last = len(loud) - _edge(loud[::-1], high - end, shift)
    if last <= first:
        return [region]
    pieces, begin = [], first
    for a, b in runs(~loud[first:last]):
        if (b - a) * LEVEL_HOP_S >= settings.energy_gap_s:
            pieces.append((begin, first + a))
            begin = first + b
    pieces.append((begin, last))
    return [((low + a) * LEVEL_HOP_S, (low + b) * LEVEL_HOP_S) for a, b in pieces if b > a]


def _edge(loud: BoolArray, at: int, reach: int) -> int:
    """Start of the sound at index ``at``: back while it is loud; else on, up to ``reach``, to where it becomes loud."""
    at = min(at, len(loud) - 1)
    if loud[at]:
        quiet = np.flatnonzero(~loud[:at])
        return int(quiet[-1]) + 1 if len(quiet) else 0
    ahead = np.flatnonzero(loud[at : at + reach])
    return at + int(ahead[0]) if len(ahead) else at


def _filled(mask: BoolArray, longest: int) -> BoolArray:
    """``mask`` with its inner holes of up to ``longest`` entries closed."""
    filled: BoolArray = mask.copy()
    for a, b in runs(~mask):
        if a > 0 and b < len(mask) and b - a <= longest:
            filled[a:b] = True
    return filled


def _joined(pieces: list[tuple[float, float]], min_gap_s: float) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for a, b in sorted(pieces):
        if joined and a - joined[-1][1] < min_gap_s - 1e-9:
            joined[-1] = (joined[-1][0], max(b, joined[-1][1]))
        else:
            joined.append((a, b))
    return joined


def _mean_probability(probabilities: Float64Array, start_s: float, end_s: float) -> float:
    first = min(int(start_s / VAD_WINDOW_S), len(probabilities) - 1)
    last = max(first + 1, int(np.ceil(end_s / VAD_WINDOW_S)))
    return float(np.clip(probabilities[first:last].mean(), 0.0, 1.0))
