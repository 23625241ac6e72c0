"""One sound track, measured for everything but speech: what ``audio_analysis`` observes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analyzers.signal import loudness, music, rhythm, spectrum, tonality
from analyzers.signal.prosody import pitch_track
from analyzers.signal.speech import VoiceDetector
from media.types import AudioChunk, AudioClip, Float32Array


@dataclass(frozen=True, eq=False)
class SoundObservation:
    """A sound track, measured but not yet judged. Times count from the first sample.

    Attributes:
        start_s: Time of the first sample on the video's time line.
        length_s: Seconds of sound.
        weighted: K-weighted energies and peaks.
        shapes: Level and spectral shape of each slow frame.
        onsets: Onset envelopes.
        held: uint8 (M,), partials held in each slow frame.
        chroma: float32 (12, C), step ``tonality.HOP_S``.
        tuning: Deviation of A4 from 440 Hz in semitones.
        f0_hz: float32 (P,), step ``prosody.HOP_S``.
        periodicity: float32 (P,) in [0, 1].
        speech: float32 (V,), probability of speech, step ``speech.VAD_WINDOW_S``.
    """

    start_s: float
    length_s: float
    weighted: loudness.Weighted
    shapes: spectrum.Shapes
    onsets: rhythm.Envelopes
    held: npt.NDArray[np.uint8]
    chroma: Float32Array
    tuning: float
    f0_hz: Float32Array
    periodicity: Float32Array
    speech: Float32Array


def measured_sound(
    chunk: AudioChunk, detector: VoiceDetector, pitch_low_hz: float, pitch_high_hz: float
) -> SoundObservation | None:
    """All measures of one track; None for a track without samples.

    Args:
        chunk: Clips of 22.05 kHz mono, 48 kHz stereo and 16 kHz mono, in this order.
        detector: Of speech.
        pitch_low_hz: Lowest pitch looked for.
        pitch_high_hz: Highest pitch looked for.
    """
    mono, stereo, voice = (_finite(clip) for clip in chunk.clips)
    if not len(mono):
        return None
    spectra = spectrum.spectra(mono)
    chroma, tuning = tonality.chroma(mono)
    pitch = pitch_track(voice, pitch_low_hz, pitch_high_hz)
    return SoundObservation(
        start_s=chunk.clips[0].start_s,
        length_s=chunk.clips[0].duration_s,
        weighted=loudness.weighted(stereo),
        shapes=spectra.shapes,
        onsets=rhythm.envelopes(spectra),
        held=music.held_partials(spectra.partials_db),
        chroma=chroma,
        tuning=tuning,
        f0_hz=pitch.f0_hz.astype(np.float32),
        periodicity=pitch.periodicity.astype(np.float32),
        speech=detector.probabilities(voice).astype(np.float32),
    )


def _finite(clip: AudioClip) -> Float32Array:
    """The samples, zero where a broken file holds no number."""
    if np.isfinite(clip.samples).all():
        return clip.samples
    return np.nan_to_num(clip.samples, nan=0.0, posinf=0.0, neginf=0.0)
