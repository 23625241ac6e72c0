"""The tempo of a track: from its beat, or from the notes of music without one; and why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analyzers.results.audio_analysis import NoTempo, Tempo, TempoCandidate
from analyzers.signal import music, rhythm, spectrum
from analyzers.signal.note_tempo import find_note_tempo
from analyzers.signal.sound import SoundObservation
from analyzers.signal.spans import Span, join, overlap_s


@dataclass(frozen=True)
class TempoSettings:
    """Attributes as in the analyzer's settings, where their reasons stand."""

    min_beat_strength: float
    min_tempo_s: float
    min_notes: int
    min_notes_per_s: float
    max_rest_s: float
    max_speech_share: float
    silence_dbfs: float


def beat_tempo(
    sound: SoundObservation, pulse: rhythm.Pulse | None, spoken: Sequence[Span], settings: TempoSettings
) -> tuple[Tempo, list[float], list[Span]]:
    """Tempo, beats where the pulse goes on, and the stretches of beats that are music and not a voice's.

    Args:
        sound: The track.
        pulse: What repeats in it; None where nothing could be compared.
        spoken: Stretches of speech in seconds of the track, disjoint.
        settings: When a pulse is clear.
    """
    needed = min(1.0, settings.min_beat_strength * max(1.0, (rhythm.WINDOW_S / sound.length_s) ** 0.5))
    tempo = Tempo(
        bpm=None,
        reason="no_pulse",
        basis=None,
        note_strength=None,
        beat_strength=pulse.strength if pulse else None,
        beat_strength_needed=needed,
        candidates=tuple(TempoCandidate(bpm=c.bpm, strength=c.strength) for c in pulse.candidates) if pulse else (),
    )
    if not (sound.shapes.level_db >= settings.silence_dbfs).any():
        return refused(tempo, "silence"), [], []
    if sound.length_s < settings.min_tempo_s:
        return refused(tempo, "too_short"), [], []
    if pulse is None or pulse.strength < needed:
        return tempo, [], []
    # Where the clip as a whole has a pulse, less strength is enough to say that it goes on.
    going_on, clear = (
        [(float(a), float(b)) for a, b in pulse.windows_s[pulse.local >= share * needed]] for share in (0.5, 0.75)
    )
    if sound.length_s < rhythm.WINDOW_S:
        allowed = settings.max_speech_share
        clear = [(a, b) for a, b in clear if overlap_s((a, b), spoken) <= allowed * (b - a)]
    beats = [float(b) for b in rhythm.find_beats(sound.onsets, pulse.bpm) if _inside(b, going_on)]
    period_s = 60.0 / pulse.bpm
    bars = join([(b, b + period_s) for b in beats if _inside(b, clear)], 2.0 * period_s)
    return tempo.model_copy(update={"bpm": pulse.bpm, "reason": None, "basis": "beat"}), beats, bars


def note_tempo(
    tempo: Tempo,
    sound: SoundObservation,
    found: Sequence[music.Music],
    spoken: Sequence[Span],
    settings: TempoSettings,
) -> Tempo:
    """``tempo``, or where that has no beat the tempo of the longest stretch of notes in which nobody speaks.

    Args:
        tempo: From the beat.
        sound: The track.
        found: Its music.
        spoken: Stretches of speech in seconds of the track, disjoint.
        settings: How many notes are enough.
    """
    rest_s, end_s = settings.max_rest_s, sound.length_s
    quiet = [
        # Notes too short to be held lie before the first held one and behind the last.
        _until_speech((max(0.0, m.start_s - rest_s), min(end_s, m.end_s + rest_s)), m, spoken)
        for m in found
        if m.has_notes and not overlap_s((m.start_s, m.end_s), spoken)
    ]
    longest = max(quiet, key=lambda span: span[1] - span[0], default=None)
    if tempo.reason != "no_pulse" or longest is None:
        return tempo
    length_s = longest[1] - longest[0]
    first, last = (round(t / spectrum.HOP_S) for t in longest)
    notes = find_note_tempo(sound.onsets.notes[first:last])
    least = max(settings.min_notes, settings.min_notes_per_s * length_s)
    if notes is None or notes.notes < least or length_s < settings.min_tempo_s:
        return tempo
    return tempo.model_copy(
        update={
            "bpm": notes.candidates[0].bpm,
            "reason": None,
            "basis": "notes",
            "note_strength": notes.strength,
            "candidates": tuple(TempoCandidate(bpm=c.bpm, strength=c.strength) for c in notes.candidates),
        }
    )


def refused(tempo: Tempo, reason: NoTempo) -> Tempo:
    """No tempo after all, and why."""
    return tempo.model_copy(update={"bpm": None, "reason": reason, "basis": None})


def _inside(time_s: float, spans: Sequence[Span]) -> bool:
    return any(a <= time_s < b for a, b in spans)


def _until_speech(span: Span, around: music.Music, spoken: Sequence[Span]) -> Span:
    """``span`` cut where the nearest speech before and behind ``around`` lies."""
    before = [b for _, b in spoken if b <= around.start_s]
    behind = [a for a, _ in spoken if a >= around.end_s]
    return max([span[0], *before]), min([span[1], *behind])
