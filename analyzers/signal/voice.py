"""One sound track, measured for speech: what ``speech_flow`` observes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analyzers.signal.prominence import pitch_change
from analyzers.signal.prosody import (
    HOP_S,
    Nucleus,
    PitchTrack,
    frames_inside,
    intensity_db,
    pitch_track,
    syllable_nuclei,
)
from analyzers.signal.speech import VAD_WINDOW_S, BoolArray, SpanSettings, SpeechSpan, VoiceDetector, speech_spans
from media.types import AudioClip, Float64Array

END_S = 0.3
"""Stretch at a span's end over which its tone is measured: about the last syllable and the one before."""

CURVE_STEP_S = 0.5
"""Step of the curve of level and pitch: fine enough to draw, 60 points for 30 s."""


@dataclass(frozen=True)
class VoiceSettings:
    """Thresholds of ``measured_voice``; ``SpeechFlowConfig`` says where each comes from.

    Attributes:
        spans: For the spans.
        sure: Probability from which on a window counts as surely speech.
        sure_s: How many seconds of such windows make a clip with speech.
        pitch_low_hz: Lowest pitch looked for.
        pitch_high_hz: Highest pitch looked for.
        dip_db: Fall of intensity between syllables.
        depth_db: How far below the loudest speech a syllable may lie.
        voiced: Periodicity of a vowel.
        pitched: Periodicity of a pitch that is believed.
    """

    spans: SpanSettings
    sure: float
    sure_s: float
    pitch_low_hz: float
    pitch_high_hz: float
    dip_db: float
    depth_db: float
    voiced: float
    pitched: float


@dataclass(frozen=True)
class SpanSound:
    """A span with what was measured in it.

    Attributes:
        span: Where it is.
        level_db: Its mean power, dB re full scale.
        pitch_hz: Median of its clear pitches; None without any.
        end_change_semitones: Pitch at its end against ``END_S`` before; None without clear pitch there.
    """

    span: SpeechSpan
    level_db: float
    pitch_hz: float | None
    end_change_semitones: float | None


@dataclass(frozen=True)
class VoiceObservation:
    """The whole sound track, measured; times in seconds on the video's time line.

    Attributes:
        sure_s: Seconds that are surely speech; None for an empty track. Below what is asked for, nothing else is there.
        spans: With at least one syllable each.
        nuclei: Inside the spans.
        pitches_hz: Of all clearly periodic frames inside the spans, float32.
        speech_frames: Number of 10 ms frames inside the spans.
        curve: (time, level, pitch or None) per half second with speech.
    """

    sure_s: float | None
    spans: tuple[SpanSound, ...] = ()
    nuclei: tuple[Nucleus, ...] = ()
    pitches_hz: tuple[float, ...] = ()
    speech_frames: int = 0
    curve: tuple[tuple[float, float, float | None], ...] = ()


def measured_voice(clip: AudioClip, detector: VoiceDetector, settings: VoiceSettings) -> VoiceObservation:
    """Finds and measures the speech in one sound track of 16 kHz, mono."""
    samples = np.nan_to_num(clip.samples)
    probabilities = detector.probabilities(samples)
    sure_s = VAD_WINDOW_S * int((probabilities >= settings.sure).sum()) if len(probabilities) else None
    if sure_s is None or sure_s < settings.sure_s:
        return VoiceObservation(sure_s)
    found = speech_spans(samples, probabilities, settings.spans)
    pitch = pitch_track(samples, settings.pitch_low_hz, settings.pitch_high_hz)
    nuclei = syllable_nuclei(
        samples,
        [(s.start_s, s.end_s) for s in found],
        pitch,
        dip_db=settings.dip_db,
        depth_db=settings.depth_db,
        voiced=settings.voiced,
        pitched=settings.pitched,
    )
    spoken = [s for s in found if any(s.start_s <= n.time_s < s.end_s for n in nuclei)]
    level = intensity_db(samples)
    inside = frames_inside([(s.start_s, s.end_s) for s in spoken], len(level))
    clear = inside & (pitch.periodicity >= settings.pitched)
    return VoiceObservation(
        sure_s=sure_s,
        spans=tuple(_span_sound(s, level, pitch, clear, clip.start_s) for s in spoken),
        nuclei=tuple(_moved(n, clip.start_s) for n in nuclei),
        pitches_hz=tuple(float(f) for f in pitch.f0_hz[clear]),
        speech_frames=int(inside.sum()),
        curve=tuple(_curve(level, pitch, inside, clear, clip.start_s)),
    )


def _span_sound(
    span: SpeechSpan, level: Float64Array, pitch: PitchTrack, clear: BoolArray, shift_s: float
) -> SpanSound:
    own = frames_inside([(span.start_s, span.end_s)], len(level))
    tail = frames_inside([(max(span.start_s, span.end_s - END_S), span.end_s)], len(level)) & clear
    return SpanSound(
        span=SpeechSpan(span.start_s + shift_s, span.end_s + shift_s, span.score),
        level_db=_mean_db(level[own]),
        pitch_hz=float(np.median(pitch.f0_hz[own & clear])) if (own & clear).any() else None,
        end_change_semitones=pitch_change(pitch.f0_hz[tail]),
    )


def _mean_db(level: Float64Array) -> float:
    """Level of the mean power."""
    return 10.0 * float(np.log10(np.mean(10.0 ** (level / 10.0))))


def _moved(nucleus: Nucleus, shift_s: float) -> Nucleus:
    return replace(
        nucleus,
        time_s=nucleus.time_s + shift_s,
        start_s=nucleus.start_s + shift_s,
        end_s=nucleus.end_s + shift_s,
    )


def _curve(
    level: Float64Array, pitch: PitchTrack, inside: BoolArray, clear: BoolArray, shift_s: float
) -> list[tuple[float, float, float | None]]:
    """(time, level, median pitch) of each half second that holds speech."""
    points = []
    step = round(CURVE_STEP_S / HOP_S)
    for begin in range(0, len(level), step):
        part = slice(begin, begin + step)
        if inside[part].any():
            pitches = pitch.f0_hz[part][clear[part]]
            middle = float(np.median(pitches)) if len(pitches) else None
            points.append((begin * HOP_S + shift_s, _mean_db(level[part][inside[part]]), middle))
    return points
