"""Sounds that stand out of everything around them, and the shape of each.

The sound is parted into what is steady or comes again and what does not, as harmonic-percussive-residual separation
does (FitzGerald 2010; Driedger, Müller and Disch, "Extending harmonic-percussive separation of audio signals", ISMIR
2014), but in mel bands and with longer memory: the background of a moment is, band by band, a high percentile of the
loudest levels of the seconds around it. Beats, notes and syllables come again within these seconds and so belong to
it, however loud they are; a single hit, swell or bell does not. The residual above it is cut into events, and these
are told apart by envelope and spectrum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analyzers.signal.filterbanks import mel_bank, mel_edges_hz
from analyzers.signal.spans import Span, join, runs
from analyzers.signal.spectrum import RATE_HZ, blocks, decibels
from media.types import Float32Array, Float64Array

FFT = 1024
"""Samples of a window: 46 ms. Shorter than for music, because an attack matters more here than a semitone."""

HOP = 512
HOP_S = HOP / RATE_HZ
"""23.2 ms."""

BANDS = 64
LOW_HZ, HIGH_HZ = 30.0, 11_025.0

CELL = 8
"""Frames whose loudest level counts for the background: 0.19 s, a syllable or a sixteenth note."""

RANGE_DB = 60.0
"""Levels this far below the loudest of all are one."""

QUIETEST_DB = -45.0
"""Power in a band below which all is silence: a sine at -93 dB re full scale."""

MEAN_CAP_DB = 20.0
"""Excess of a band that counts for the mean over the bands; more in one band makes no broader event."""

STANDS_OUT_DB = 3.0
"""Excess from which on a band counts as standing out."""

EDGE_DB = 1.0
"""Mean excess at which an event begins and ends."""

GAP_S = 0.1
"""Shorter holes do not part events."""

TONE_DB = 8.0
"""Excess of the peaks that are followed as a tone or a glide."""

FALL_S = 0.1
"""Time after the peak in which ``Shape.fall_db`` is measured: two windows."""

STRAIGHT = 0.8
"""Correlation of time and pitch from which on a glide climbs steadily."""

EDGE_FRAMES = 3
"""First and last frames, in which a sound that the file cuts off has a click that is none of its own."""

TAIL_DB = 20.0
"""Attack and decay are measured down to this far below the peak, as reverberation times often are."""

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ForegroundSettings:
    """Thresholds of ``find_events``; ``SoundEffectsConfig`` says where each comes from.

    Attributes:
        memory_s: Reach of the background to both sides.
        guard_s: What is nearer than this does not belong to the background.
        repeats: Percentile of the levels under music and speech, in [0, 100].
        min_cover_s: Music and speech in reach, without which nothing can be told from them.
        min_size_db_s: Mean excess summed over an event's length, over music and speech and elsewhere alike.
        min_hit_db: Mean excess at the peak of a short event over music and speech.
        min_hit_share: Share of the bands that stand out at it.
        min_free_db: Mean excess at the peak of an event elsewhere.
        min_tone_db: Excess of a tone over music and speech.
        min_free_tone_db: Excess of a tone elsewhere.
        min_tone_s: Length of a tone.
        min_glide_s: Length of a glide.
        min_glide_octaves: Rise of a glide.
    """

    memory_s: float
    guard_s: float
    repeats: float
    min_cover_s: float
    min_size_db_s: float
    min_hit_db: float
    min_hit_share: float
    min_free_db: float
    min_tone_db: float
    min_free_tone_db: float
    min_tone_s: float
    min_glide_s: float
    min_glide_octaves: float


@dataclass(frozen=True)
class Shape:
    """An event, in seconds from the first sample.

    Attributes:
        start_s: Where it comes within 20 dB of its peak.
        end_s: Where it has fallen by 20 dB.
        peak_s: Of its highest level.
        over_db: How far it stands out where it is clearest: mean over the bands that do.
        width: Share of these bands, in [0, 1].
        tone_share: Share of its energy in its strongest band and both neighbours, in [0, 1].
        centre_hz: Weight of its spectrum.
        rise_octaves: How far that weight climbs from the start to the peak; negative when it falls.
        growth_db: Level of the last third before the peak over that of the first.
        fall_db: How far the level falls within 0.1 s after the peak.
        glide_octaves: Highest climb of its most prominent frequency, 0 without one.
        covered: It lies over music or speech.
    """

    start_s: float
    end_s: float
    peak_s: float
    over_db: float
    width: float
    tone_share: float
    centre_hz: float
    rise_octaves: float
    growth_db: float
    fall_db: float
    glide_octaves: float
    covered: bool

    @property
    def attack_s(self) -> float:
        """From the start to the peak."""
        return self.peak_s - self.start_s

    @property
    def decay_s(self) -> float:
        """From the peak to the end."""
        return self.end_s - self.peak_s


def band_levels(samples: Float32Array) -> Float32Array:
    """Power in 64 mel bands from 30 Hz to 11 kHz, in dB: float32 (64, 1 + N // 512).

    Args:
        samples: float32 (N,) at 22.05 kHz, finite.
    """
    bank = mel_bank(RATE_HZ, FFT, BANDS, LOW_HZ, HIGH_HZ)
    return np.concatenate([decibels(bank @ magnitude**2) for magnitude in blocks(samples, FFT, HOP)], axis=1)


def background_db(levels: Float32Array, covered: BoolArray, settings: ForegroundSettings) -> Float32Array:
    """Level of what is steady or comes again, for each band and frame; infinite where that cannot be told.

    Args:
        levels: float32 (64, M) from ``band_levels``.
        covered: bool (M,), frames with music or speech.
        settings: Thresholds.
    """
    frames = levels.shape[1]
    cells = -(-frames // CELL)
    padding = cells * CELL - frames
    loudest = np.pad(levels, ((0, 0), (0, padding)), mode="edge").reshape(len(levels), cells, CELL).max(axis=2)
    cover = np.pad(covered, (0, padding), mode="edge").reshape(cells, CELL).mean(axis=1) > 0.5
    reach, guard = (max(1, round(s / (CELL * HOP_S))) for s in (settings.memory_s, settings.guard_s))
    least = round(settings.min_cover_s / (CELL * HOP_S))
    result = np.full(loudest.shape, np.inf, np.float32)
    for cell in range(cells):
        near = np.arange(max(0, cell - reach), min(cells, cell + reach + 1))
        near = near[np.abs(near - cell) > guard]
        if cover[cell]:
            near = near[cover[near]]
            if len(near) >= max(1, least):
                result[:, cell] = np.percentile(loudest[:, near], settings.repeats, axis=1)
        elif len(near):
            result[:, cell] = np.median(loudest[:, near], axis=1)
        else:
            result[:, cell] = -np.inf
    return np.repeat(result, CELL, axis=1)[:, :frames]


def find_events(levels: Float32Array, covered: BoolArray, settings: ForegroundSettings) -> list[Shape]:
    """Events that stand out, sorted by start; overlapping ones are one.

    Args:
        levels: float32 (64, M) from ``band_levels``.
        covered: bool (M,), frames with music or speech.
        settings: Thresholds.
    """
    floor_db = max(float(levels.max()) - RANGE_DB, QUIETEST_DB)
    ground = np.maximum(background_db(levels, covered, settings), floor_db)
    excess = np.maximum(levels - ground, 0.0)
    excess[:, :EDGE_FRAMES] = 0.0
    excess[:, max(0, excess.shape[1] - EDGE_FRAMES) :] = 0.0
    glides = _glides(excess, settings)
    found = [*_broad(excess, covered, settings), *_tones(excess, covered, settings), *(g[0] for g in glides)]
    residual = 10.0 ** (levels / 10.0) - 10.0 ** (np.minimum(ground, 90.0) / 10.0)
    residual[excess < STANDS_OUT_DB] = 0.0
    shapes: list[Shape] = []
    for first, last in join(found, 0):
        glide = max((rise for (a, b), rise in glides if first <= a and b <= last), default=0.0)
        shape = _shape(residual, excess, (int(first), int(last)), glide, covered)
        if shapes and shape.peak_s < shapes[-1].end_s:
            continue
        shapes.append(shape)
    return shapes


def _broad(excess: Float32Array, covered: BoolArray, settings: ForegroundSettings) -> list[Span]:
    """Frames of events that are large, or that hit many bands at once."""
    mean = np.minimum(excess, MEAN_CAP_DB).mean(axis=0)
    share = (excess > STANDS_OUT_DB).mean(axis=0)
    found: list[Span] = []
    for first, last in join([(float(a), float(b)) for a, b in runs(mean > EDGE_DB)], GAP_S / HOP_S):
        part = slice(int(first), int(last))
        peak = int(first) + int(mean[part].argmax())
        size = float(mean[part].sum() * HOP_S)
        if covered[peak]:
            hit = mean[peak] >= settings.min_hit_db and share[peak] >= settings.min_hit_share
        else:
            hit = mean[peak] >= settings.min_free_db
        if hit or size >= settings.min_size_db_s:
            found.append((first, last))
    return found


def _tones(excess: Float32Array, covered: BoolArray, settings: ForegroundSettings) -> list[Span]:
    """Frames of peaks that stay in their band."""
    peaks = _peaks(excess)
    lines = peaks.copy()
    lines[1:] |= peaks[:-1]
    lines[:-1] |= peaks[1:]
    found: list[Span] = []
    for band in np.flatnonzero(lines.any(axis=1)):
        for first, last in runs(lines[band]):
            height = float(excess[band, first:last].max())
            free = not covered[first : last + 1].any()
            enough = height >= (settings.min_free_tone_db if free else settings.min_tone_db)
            if enough and (last - first) * HOP_S >= settings.min_tone_s:
                found.append((first, last))
    return found


def _glides(excess: Float32Array, settings: ForegroundSettings) -> list[tuple[Span, float]]:
    """Frames in which the most prominent band climbs steadily, and by how many octaves."""
    octave = np.log2(mel_edges_hz(LOW_HZ, HIGH_HZ, BANDS)[1:-1])
    strongest, height = excess.argmax(axis=0), excess.max(axis=0)
    found: list[tuple[Span, float]] = []
    for a, b in join([(float(x), float(y)) for x, y in runs(height >= TONE_DB)], GAP_S / HOP_S):
        first, last = int(a), int(b)
        # Up to the highest point; what sounds behind it is the next thing.
        track = octave[strongest[first:last]]
        last = first + int(track.argmax()) + 1
        frames = np.flatnonzero(height[first:last] >= TONE_DB)
        if (last - first) * HOP_S < settings.min_glide_s or len(frames) < 8:
            continue
        climb = track[frames]
        straight = float(np.corrcoef(frames, climb)[0, 1]) if climb.std() > 0 else 0.0
        rise = float(np.median(climb[-len(climb) // 4 :]) - np.median(climb[: max(1, len(climb) // 4)]))
        if straight >= STRAIGHT and rise >= settings.min_glide_octaves:
            found.append(((first, last), rise))
    return found


def _peaks(excess: Float32Array) -> BoolArray:
    peaks = np.zeros(excess.shape, bool)
    peaks[1:-1] = (excess[1:-1] >= excess[:-2]) & (excess[1:-1] >= excess[2:]) & (excess[1:-1] > TONE_DB)
    return peaks


def _shape(
    residual: Float64Array,
    excess: Float32Array,
    frames: tuple[int, int],
    glide_octaves: float,
    covered: BoolArray,
) -> Shape:
    """Envelope and spectrum of the residual power around ``frames``."""
    first, last = frames
    envelope = 10.0 * np.log10(residual.sum(axis=0) + 1e-10)
    peak = first + int(envelope[first:last].argmax())
    loud = envelope >= envelope[peak] - TAIL_DB
    quiet = np.flatnonzero(~loud)
    begin = int(quiet[quiet < peak].max(initial=-1)) + 1
    end = int(quiet[quiet > peak].min(initial=len(envelope)))
    spectrum = residual[:, begin:end].sum(axis=1)
    strongest = int(spectrum.argmax())
    near = spectrum[max(0, strongest - 1) : strongest + 2].sum()
    octave = np.log2(mel_edges_hz(LOW_HZ, HIGH_HZ, BANDS)[1:-1])
    weight = residual[:, begin : peak + 1]
    centres = (octave[:, None] * weight).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-12)
    third = max(1, len(centres) // 3)
    clearest = excess[:, first + int(excess[:, first:last].sum(axis=0).argmax())]
    out = clearest > STANDS_OUT_DB
    return Shape(
        start_s=begin * HOP_S,
        end_s=end * HOP_S,
        peak_s=peak * HOP_S,
        over_db=float(clearest[out].mean()) if out.any() else 0.0,
        width=float(out.mean()),
        tone_share=float(near / max(float(spectrum.sum()), 1e-12)),
        centre_hz=float(2.0 ** np.average(octave, weights=spectrum + 1e-12)),
        rise_octaves=float(np.mean(centres[-third:]) - np.mean(centres[:third])),
        growth_db=float(np.mean(envelope[peak + 1 - third : peak + 1]) - np.mean(envelope[begin : begin + third])),
        fall_db=float(envelope[peak] - envelope[peak : peak + 1 + round(FALL_S / HOP_S)].min()),
        glide_octaves=glide_octaves,
        covered=bool(covered[peak]),
    )


def covered_frames(spans: Sequence[Span], frames: int, margin_s: float) -> BoolArray:
    """Which frames lie in the spans, widened by ``margin_s`` to both sides."""
    mask = np.zeros(frames, bool)
    for start_s, end_s in spans:
        mask[max(0, round((start_s - margin_s) / HOP_S)) : max(0, round((end_s + margin_s) / HOP_S))] = True
    return mask
