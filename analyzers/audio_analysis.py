"""The sound track as sound: tempo, beats, key, loudness, pitch, spectrum, and where there is music, speech or silence.

Method
    * tempo and beats: a comb over the autocorrelation of an onset envelope, beats by dynamic programming
      (``analyzers/signal/rhythm.py``), where the pulse is clearer than noise and speech ever give; else, where there
      is music and nobody speaks, the grid that its notes lie on (``analyzers/signal/note_tempo.py``), without beats;
    * key: Krumhansl and Schmuckler's algorithm on chroma (``analyzers/signal/tonality.py``), only where there is music;
    * loudness: ITU-R BS.1770-5 and EBU R 128 (``analyzers/signal/loudness.py``); one channel is measured as the two
      loudspeakers that it is heard from;
    * pitch: YIN (``analyzers/signal/prosody.py``), frames with a clear period only;
    * spectrum: centroid, bandwidth, roll-off, flatness and zero crossings, as librosa defines them;
    * music: partials that hold their pitch (``analyzers/signal/music.py``), or a clear pulse that is no voice's;
    * speech: the spans of ``speech_flow``; where that has no result, Silero VAD's own.

What it is not good at
    * tempo is the octave that a listener would most likely tap; half and double are in ``tempo_candidates``. Drum
      patterns slower than 80 or faster than 165 bpm often come out at double or half;
    * a tempo from notes alone is an estimate: of made melodies 78 % are right, 19 % half or double, 3 % wrong, and one
      in free time gets a tempo too; ``basis`` says which it is;
    * music under a voice: as loud as the voice it is found nearly always (strings, dance, drums) or a third of the time
      (jazz), 6 dB softer for 60 % of the time or not at all, 18 dB softer never;
    * who counts aloud for more than 8 s has a tempo; bird song with several harmonics may be music;
    * key is that of the whole clip; the profiles were made for tonal music of the West.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import Analyzer, AnalyzerConfig, Context, NotApplicable, merge_spans
from analyzers.results.audio_analysis import (
    AudioAnalysisResult,
    Key,
    KeyCandidate,
    MusicSpan,
    Shares,
    SilenceSpan,
    SpeechSpan,
    energy_of,
    loudness_of,
    pitch_of,
    spectrum_of,
)
from analyzers.results.curve import SoundPlace
from analyzers.results.speech_flow import SpeechFlowResult
from analyzers.results.tempo import TempoSettings, beat_tempo, note_tempo, refused
from analyzers.signal import loudness, music, rhythm, spectrum, tonality
from analyzers.signal.note_tempo import find_note_tempo
from analyzers.signal.settings import picked
from analyzers.signal.sound import SoundObservation, measured_sound
from analyzers.signal.spans import join, runs
from analyzers.signal.spectrum import SLOW_HOP_S
from analyzers.signal.speech import RATE_HZ as SPEECH_RATE_HZ
from analyzers.signal.speech import VAD_WINDOW_S, VoiceDetector, hysteresis
from media.needs import AudioNeed, Needs
from media.types import AudioChunk, AudioClip
from schema.base import TimedSpan
from schema.document import TimelineItem

SPEECH_PROBABILITY, SPEECH_RELEASE, SPEECH_SURE, SPEECH_SURE_S = 0.5, 0.35, 0.7, 0.45
"""Defaults of ``speech_flow``, for when it has no result."""

MIN_PITCH_CLASSES = 3
"""Fewer pitch classes are no key: one triad has three."""

KEYS_SHOWN = 5


class AudioAnalysisConfig(AnalyzerConfig):
    """Settings of ``audio_analysis``."""

    min_beat_strength: Annotated[float, Field(gt=0.0, le=1.0)] = 0.3
    """Compared with ``beat_strength`` of tracks of 8 s and more; for shorter ones, where chance repeats more, it grows
    with ``1 / sqrt(length)``. Over 8 s, noise reaches 0.17 and speech 0.25 (105 windows of the shared clips); drums and
    jazz have 0.55 to 0.7, as loud as speech 0.35, a click track with 50 ms of jitter 0.45. Higher finds fewer."""
    min_tempo_s: Annotated[float, Field(ge=1.0, le=60.0)] = 3.0
    """Shorter sound gets no tempo: it holds fewer than four beats at the slowest. Higher gives fewer, surer tempos."""
    min_beats: Annotated[int, Field(ge=3, le=100)] = 4
    """Fewer beats are no tempo."""
    min_notes: Annotated[int, Field(ge=4, le=1_000)] = 8
    """Without a clear beat, fewer notes give no tempo: two bars of quarters. Not yet tuned."""
    min_notes_per_s: Annotated[float, Field(ge=0.1, le=20.0)] = 1.0
    """Compared with the notes a second of music without a clear beat. Melodies have 2.6 to 4, a whale's song 0.2.
    Higher gives fewer, surer tempos."""
    min_key_correlation: Annotated[float, Field(gt=0.0, le=1.0)] = 0.65
    """Compared with the best key's correlation. Music with harmony has 0.75 to 0.95 (shared clips, made cadences), a
    drum and bass loop 0.5, one tone alone 0.6. Higher leaves more keys undetermined."""
    min_key_margin: Annotated[float, Field(ge=0.0, le=1.0)] = 0.02
    """Compared with the distance of the best key to the second. Not yet tuned. Higher leaves more undetermined."""
    min_key_music_s: Annotated[float, Field(ge=0.5, le=60.0)] = 2.0
    """Less music gets no key: it holds one or two chords. Higher leaves more undetermined."""
    silence_dbfs: Annotated[float, Field(ge=-100.0, le=-20.0)] = -60.0
    """Frames with a level below are silent; room tone of a phone lies around -55. Higher finds more silence."""
    min_silence_s: Annotated[float, Field(ge=0.05, le=10.0)] = 0.3
    """Shorter silences are not listed: gaps between words are shorter. Not yet tuned."""
    min_chord_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Compared with the share of frames in which two partials or more are held, in windows of ``music_window_s``. The
    shared speech stays below 0.07, the shared music has 0.1 (drum and bass) to 1.0. Higher finds less music."""
    music_window_s: Annotated[float, Field(ge=0.5, le=30.0)] = 3.0
    """Longer blurs the borders of music, shorter breaks it up at each rest."""
    min_held_s: Annotated[float, Field(ge=0.0, le=30.0)] = 0.75
    """Music without a pulse needs this much time with held partials, so that one horn or alarm is none. Not yet tuned.
    Higher drops short jingles."""
    max_rest_s: Annotated[float, Field(ge=0.0, le=30.0)] = 2.0
    """Rests up to this length are part of the music. Higher joins more."""
    speech_break_s: Annotated[float, Field(ge=0.1, le=30.0)] = 1.0
    """A stretch this long without any held partial, most of it speech, ends the music. Higher keeps more music."""
    max_speech_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.3
    """With more speech than this in a track below 8 s, a pulse is the speaker's and no music: over 3 s, speech reaches
    0.6. Higher takes counting aloud for music."""
    pitch_low_hz: Annotated[float, Field(ge=40.0, le=400.0)] = 65.0
    """Lowest pitch looked for: C2, below the lowest voices."""
    pitch_high_hz: Annotated[float, Field(ge=400.0, le=2_000.0)] = 1_500.0
    """Highest pitch looked for: G6, a high whistle or violin."""
    min_periodicity: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.85
    """Compared with a frame's periodicity (1 minus YIN's difference); YIN's authors take 0.8 to 0.9. Higher leaves
    fewer, surer frames."""
    min_pitched_s: Annotated[float, Field(ge=0.01, le=10.0)] = 0.2
    """Less pitched sound than this gives no pitch: about one syllable or note."""
    curve_step_s: Annotated[float, Field(ge=0.1, le=10.0)] = 0.5
    """Step of all curves: 60 points for 30 s. Lower is finer and longer."""

    def music_settings(self) -> music.MusicSettings:
        """Those that decide where there is music."""
        return picked(music.MusicSettings, self)

    def tempo_settings(self) -> TempoSettings:
        """Those that decide whether there is a tempo."""
        return picked(TempoSettings, self)


class AudioAnalysis(Analyzer[AudioAnalysisConfig, AudioChunk, "SoundObservation | None", AudioAnalysisResult]):
    """Tempo, beats, key, loudness, pitch, spectrum, and where there is music, speech or silence."""

    name = "audio_analysis"
    version = "2"
    title = "Tempo, beats, key, loudness, pitch, spectrum; music, speech and silence"
    Config = AudioAnalysisConfig
    Result = AudioAnalysisResult
    after = ("speech_flow",)

    _detector: VoiceDetector

    def needs(self) -> Needs:
        """The whole track for the spectra, for loudness, and for speech and pitch."""
        return Needs(
            audio=(AudioNeed(spectrum.RATE_HZ, 1), AudioNeed(loudness.RATE_HZ, 2), AudioNeed(SPEECH_RATE_HZ, 1))
        )

    def load(self) -> None:
        """Imports scipy and the speech detector, and warms them with four made beats."""
        self._detector = VoiceDetector()
        clips = []
        for need in self.needs().audio:
            beats = np.zeros(4 * need.rate_hz, np.float32)
            beats[:: need.rate_hz // 2] = 0.5
            clips.append(AudioClip(np.stack([beats, beats], axis=1) if need.channels == 2 else beats, need.rate_hz))
        (sound,) = self.observe([AudioChunk(tuple(clips))])
        if sound is not None:
            rhythm.find_pulse(sound.onsets)
            rhythm.find_beats(sound.onsets, 120.0)
            find_note_tempo(sound.onsets.notes)

    def observe(self, chunks: Sequence[AudioChunk]) -> list[SoundObservation | None]:
        """Measures each sound track; None for one without samples."""
        low, high = self.config.pitch_low_hz, self.config.pitch_high_hz
        return [measured_sound(chunk, self._detector, low, high) for chunk in chunks]

    def conclude(self, observations: Sequence[SoundObservation | None], context: Context) -> AudioAnalysisResult:
        """Judges the measures.

        Raises:
            NotApplicable: ``no_audio``.
        """
        sound = observations[0] if observations else None
        if sound is None:
            raise NotApplicable("no_audio", "The file has no sound.")
        place, step_s = SoundPlace(sound.start_s, context), self.config.curve_step_s
        speech, silence = self._speech(sound, context), self._silence(sound, place)
        spoken = [(s.start_time - sound.start_s, s.end_time - sound.start_s) for s in speech]
        pulse = rhythm.find_pulse(sound.onsets)
        tempo, beats, beat_spans = beat_tempo(sound, pulse, spoken, self.config.tempo_settings())
        found = music.find_music(sound.held, sound.length_s, beat_spans, spoken, self.config.music_settings())
        if tempo.bpm:
            beats = [b for b in beats if any(m.start_s <= b < m.end_s for m in found)]
            if len(beats) < self.config.min_beats:
                tempo, beats = refused(tempo, "speech_only" if spoken else "no_pulse"), []
        tempo = note_tempo(tempo, sound, found, spoken, self.config.tempo_settings())
        spans = [_music_span(m, *inside, pulse) for m in found if (inside := place.span(m.start_s, m.end_s))]
        return AudioAnalysisResult(
            tempo=tempo,
            beats=tuple(place.moments(beats)),
            key=self._key(sound, found),
            loudness=loudness_of(sound, place, step_s),
            energy=energy_of(sound, place, step_s),
            pitch=pitch_of(sound, place, step_s, self.config.min_periodicity, self.config.min_pitched_s),
            spectrum=spectrum_of(sound, place, step_s, self.config.silence_dbfs),
            music=tuple(spans),
            speech=tuple(speech),
            silence=tuple(silence),
            shares=_shares(spans, speech, silence, context.video.duration_s),
        )

    def timeline(self, result: AudioAnalysisResult) -> list[TimelineItem]:
        """Music and silence; speech is on the time line of ``speech_flow``."""
        tempo, key = result.tempo, result.key
        label = "music"
        if tempo.bpm:
            label += f", {tempo.bpm:.0f} bpm"
        if key.tonic:
            label += f", {key.tonic} {key.mode}"
        items = [
            TimelineItem.of(
                m,
                "heard",
                self.name,
                label if "beat" in m.evidence or not tempo.bpm else "music",
                m.chord_share if m.evidence != "beat" else m.beat_strength,
            )
            for m in result.music
        ]
        items += [TimelineItem.of(s, "heard", self.name, "silence") for s in result.silence]
        return sorted(items, key=lambda item: item.start_time)

    def headline(self, result: AudioAnalysisResult) -> str | None:
        """Shares, tempo, key and loudness, as far as they are known."""
        shares = result.shares
        text = f"Music {shares.music:.0%}, speech {shares.speech:.0%}, silence {shares.silence:.0%} of the time"
        if result.tempo.bpm:
            text += f"; {'about ' if result.tempo.basis == 'notes' else ''}{result.tempo.bpm:.0f} bpm"
        if result.key.tonic:
            text += f"; {result.key.tonic} {result.key.mode}"
        if result.loudness.integrated_lufs is not None:
            text += f"; {result.loudness.integrated_lufs:.1f} LUFS"
        return text + "."

    def _speech(self, sound: SoundObservation, context: Context) -> list[SpeechSpan]:
        flow = context.results.get("speech_flow")
        if isinstance(flow, SpeechFlowResult):
            return [SpeechSpan(start_time=s.start_time, end_time=s.end_time, score=s.score) for s in flow.spans]
        if (sound.speech >= SPEECH_SURE).sum() * VAD_WINDOW_S < SPEECH_SURE_S:
            return []
        return [
            SpeechSpan(start_time=inside[0], end_time=inside[1], score=float(sound.speech[a:b].mean()))
            for a, b in hysteresis(sound.speech.astype(np.float64), SPEECH_PROBABILITY, SPEECH_RELEASE)
            if (inside := context.span(sound.start_s + a * VAD_WINDOW_S, sound.start_s + b * VAD_WINDOW_S))
        ]

    def _silence(self, sound: SoundObservation, place: SoundPlace) -> list[SilenceSpan]:
        """Quiet frames, and what of the video lies before and behind the sound."""
        levels = sound.shapes.level_db
        quiet = [(a * SLOW_HOP_S, b * SLOW_HOP_S) for a, b in runs(levels < self.config.silence_dbfs)]
        # The last frame is centred up to a hop before the end.
        quiet = [(a, sound.length_s if b >= sound.length_s - SLOW_HOP_S else b) for a, b in quiet]
        outside = [(-sound.start_s, 0.0), (sound.length_s, place.duration_s - sound.start_s)]
        spans = []
        for a, b in join([s for s in (*quiet, *outside) if s[1] > s[0]], 1e-6):
            inside = place.span(a, b)
            if inside and inside[1] - inside[0] >= self.config.min_silence_s:
                part = levels[max(0, round(a / SLOW_HOP_S)) : max(0, round(b / SLOW_HOP_S))]
                level = 10.0 * np.log10(np.mean(10.0 ** (part / 10.0))) if len(part) else -100.0
                spans.append(
                    SilenceSpan(
                        start_time=inside[0], end_time=inside[1], level_dbfs=float(level) if level > -99.0 else None
                    )
                )
        return spans

    def _key(self, sound: SoundObservation, found: Sequence[music.Music]) -> Key:
        columns = np.arange(sound.chroma.shape[1]) * tonality.HOP_S
        inside = np.zeros(len(columns), bool)
        for m in found:
            inside |= (columns >= m.start_s) & (columns < m.end_s)
        inside &= sound.chroma.any(axis=0)
        music_s = float(inside.sum() * tonality.HOP_S)
        none = Key(
            tonic=None, mode=None, reason="no_music", correlation=None, margin=None,
            pitch_classes=None, tuning_semitones=None, candidates=(),
        )  # fmt: skip
        if music_s < self.config.min_key_music_s:
            return none if not found else none.model_copy(update={"reason": "too_short"})
        mean = sound.chroma[:, inside].mean(axis=1, dtype=np.float64)
        classes = tonality.sounding_classes(mean)
        if classes < MIN_PITCH_CLASSES:
            return none.model_copy(update={"reason": "few_notes", "pitch_classes": classes})
        ranking = tonality.rank_keys(mean)
        best, margin = ranking[0], ranking[0].correlation - ranking[1].correlation
        clear = best.correlation >= self.config.min_key_correlation and margin >= self.config.min_key_margin
        return Key(
            tonic=best.tonic if clear else None,
            mode=best.mode if clear else None,
            reason=None if clear else "unclear",
            correlation=best.correlation,
            margin=margin,
            pitch_classes=classes,
            tuning_semitones=sound.tuning,
            candidates=tuple(
                KeyCandidate(tonic=k.tonic, mode=k.mode, correlation=k.correlation) for k in ranking[:KEYS_SHOWN]
            ),
        )


def _music_span(found: music.Music, start_s: float, end_s: float, pulse: rhythm.Pulse | None) -> MusicSpan:
    strength = None
    if pulse is not None:
        windows = pulse.windows_s
        touched = (windows[:, 0] < found.end_s) & (windows[:, 1] > found.start_s)
        strength = float(pulse.local[touched].mean()) if touched.any() else None
    evidence: Literal["notes", "beat", "notes_and_beat"] = "notes" if found.has_notes else "beat"
    return MusicSpan(
        start_time=start_s,
        end_time=end_s,
        evidence="notes_and_beat" if found.has_notes and found.has_beat else evidence,
        chord_share=min(1.0, found.chord_share),
        beat_strength=strength,
    )


def _shares(
    found: Sequence[TimedSpan], speech: Sequence[TimedSpan], silence: Sequence[TimedSpan], duration_s: float
) -> Shares:
    def share(*spans: TimedSpan) -> float:
        return min(1.0, sum(b - a for a, b in merge_spans(spans)) / duration_s)

    return Shares(
        music=share(*found),
        speech=share(*speech),
        silence=share(*silence),
        other=max(0.0, 1.0 - share(*found, *speech, *silence)),
    )
