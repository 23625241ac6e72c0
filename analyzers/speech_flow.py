"""Speech flow: speech spans, pauses, rhythm, pitch, emphasis and vocal peaks, all from the sound.

Method
    * speech: Silero VAD, borders sharpened by the short-time level (``analyzers/signal/speech.py``); a span without a
      single syllable is a breath or a bump and is dropped;
    * pauses: gaps between spans, in the classes of Campione and Véronis, "A large-scale multilingual study of silent
      pause duration", Speech Prosody 2002;
    * rhythm: normalised pairwise variability (nPVI, Grabe and Low, "Durational variability in speech and the rhythm
      class hypothesis", 2002), here of the intervals between syllable nuclei;
    * pitch: YIN; syllable nuclei: de Jong and Wempe 2009 (``analyzers/signal/prosody.py``);
    * emphasis: syllables that stand out in level, pitch and length together, the acoustic correlates of prominence in
      Tamburini and Caini, "An automatic system for detecting prosodic prominence in American English continuous
      speech", International Journal of Speech Technology 8 (2005), each against this clip's own median and spread;
    * words, where ``speech_transcription`` has them: those that emphasis, peaks and pauses fall on. They change nothing
      of what is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator
from typing_extensions import Self

from analyzers.base import Analyzer, AnalyzerConfig, Context, NotApplicable
from analyzers.results.speech_flow import (
    BRIEF_S,
    LONG_S,
    CurvePoint,
    Emphasis,
    EndTone,
    Follows,
    Pause,
    Pitch,
    Rhythm,
    Speech,
    SpeechFlowResult,
    Syllable,
    VocalPeak,
)
from analyzers.results.speech_transcription import transcript_of
from analyzers.results.spoken import with_words
from analyzers.signal.prominence import Norm, local_highs, norm_of, regularity
from analyzers.signal.prosody import VOWEL_BAND_HZ, Nucleus, intensity_db
from analyzers.signal.settings import picked
from analyzers.signal.speech import RATE_HZ, SpanSettings, VoiceDetector
from analyzers.signal.voice import CURVE_STEP_S, SpanSound, VoiceObservation, VoiceSettings, measured_voice
from media.needs import AudioNeed, Needs
from media.types import AudioChunk, Float64Array
from schema.document import TimelineItem

PEAK_REACH_S = 1.0
"""A vocal peak exceeds all syllables within this distance."""


class SpeechFlowConfig(AnalyzerConfig):
    """Settings of ``speech_flow``."""

    threshold: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """Silero's probability that opens a span; its authors' default. Higher misses soft speech."""
    release: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.35
    """Probability below which a span ends; its authors' default (``threshold`` - 0.15). Higher parts more."""
    sure: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.7
    """Probability from which on a window is surely speech. Higher misses speech under music."""
    sure_s: Annotated[float, Field(ge=0.0, le=60.0)] = 0.45
    """A clip has speech only with this many seconds of sure windows. Instruments come up to 0.3 s (a vibraphone in a
    minute of jazz), the shortest sentence of the published clips has 1.0 s. Higher misses a lone word."""
    floor_margin_db: Annotated[float, Field(ge=1.0, le=30.0)] = 8.0
    """A border lies where the level is this far over the background. At 6 dB (twice its amplitude) the background's own
    ripple reaches it after a word and hides short pauses; from 9 on, soft word ends are lost. Higher shortens spans."""
    depth_db: Annotated[float, Field(ge=10.0, le=80.0)] = 40.0
    """Nothing this far below a span's loud part belongs to it, for clips with digital silence as background: the range
    within which phones of normal speech lie. Lower shortens spans."""
    border_shift_s: Annotated[float, Field(ge=0.0, le=0.5)] = 0.15
    """How far a border may move off the detector's: its windows of 32 ms plus its delay. Not yet tuned."""
    min_gap_s: Annotated[float, Field(ge=0.0, le=1.0)] = 0.08
    """Shorter gaps do not part spans: closures of stop consonants last 50-80 ms. Higher gives fewer, longer spans."""
    energy_gap_s: Annotated[float, Field(ge=0.05, le=1.0)] = 0.15
    """Length at background level that parts a span although the detector bridges it: longer than any stop's closure.
    Higher leaves more short pauses undetected."""
    min_speech_s: Annotated[float, Field(ge=0.0, le=2.0)] = 0.1
    """Shorter spans are dropped: no syllable is as short. Higher drops short words."""
    min_pause_s: Annotated[float, Field(ge=0.0, le=5.0)] = 0.15
    """Shorter gaps are articulation and no pause. Studies of fluency take 0.1 to 0.25 s. Higher gives fewer pauses."""
    significant_pause_s: Annotated[float, Field(ge=0.1, le=10.0)] = 0.5
    """A pause from this length on is marked as significant: twice the 0.25 s from which de Jong and Bosker (2013)
    count hesitations. Not yet tuned."""
    pitch_low_hz: Annotated[float, Field(ge=40.0, le=200.0)] = 60.0
    """Lowest pitch looked for: below it only creaky voice. Lower finds more octave errors."""
    pitch_high_hz: Annotated[float, Field(ge=200.0, le=1000.0)] = 500.0
    """Highest pitch looked for: children and excited women reach it."""
    pitched: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.8
    """Periodicity from which on a frame's pitch is believed; 0.8 is YIN's usual upper threshold of 0.2. Higher leaves
    fewer, surer frames."""
    voiced: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.45
    """Periodicity from which on an intensity peak is a vowel: Praat's voicing threshold. Higher finds fewer."""
    syllable_dip_db: Annotated[float, Field(gt=0.0, le=20.0)] = 2.0
    """Fall of intensity between two syllables; de Jong and Wempe's value. Higher finds fewer syllables."""
    syllable_depth_db: Annotated[float, Field(gt=0.0, le=80.0)] = 25.0
    """How far below the loudest speech a syllable may lie; de Jong and Wempe's value. Higher finds more."""
    emphasis: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    """Prominence (mean of the robust z-scores of level, pitch and length, each held within 2.5) from which on a
    syllable is emphasised: no measure reaches it alone. Not yet tuned. Higher finds fewer."""
    min_syllables: Annotated[int, Field(ge=3, le=100)] = 6
    """Fewer syllables give no norm to stand out from, so no emphasis and no rhythm."""
    peak_over_db: Annotated[float, Field(gt=0.0, le=40.0)] = 6.0
    """A vocal peak is this far above the clip's median syllable: twice its amplitude. Higher finds fewer."""
    peak_over_semitones: Annotated[float, Field(gt=0.0, le=36.0)] = 6.0
    """The same for pitch: half an octave. Higher finds fewer."""
    tone_semitones: Annotated[float, Field(gt=0.0, le=24.0)] = 1.5
    """Change of pitch over a span's last part from which on its end is rising or falling; listeners hear changes in
    speech from 1.5 to 2 semitones on ('t Hart 1981). Higher calls more ends level."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.release > self.threshold:
            raise ValueError(f"release must be at most threshold, got {self.release} and {self.threshold}")
        if self.pitch_low_hz >= self.pitch_high_hz:
            raise ValueError(
                f"pitch_low_hz must be below pitch_high_hz, got {self.pitch_low_hz} and {self.pitch_high_hz}"
            )
        return self

    def settings(self) -> VoiceSettings:
        """Those that ``observe`` uses."""
        return VoiceSettings(
            spans=picked(SpanSettings, self),
            sure=self.sure,
            sure_s=self.sure_s,
            pitch_low_hz=self.pitch_low_hz,
            pitch_high_hz=self.pitch_high_hz,
            dip_db=self.syllable_dip_db,
            depth_db=self.syllable_depth_db,
            voiced=self.voiced,
            pitched=self.pitched,
        )


class SpeechFlow(Analyzer[SpeechFlowConfig, AudioChunk, VoiceObservation, SpeechFlowResult]):
    """Speech spans, pauses, rhythm, pitch and emphasis from the sound, with the words where they are known."""

    name = "speech_flow"
    version = "4"
    title = "Speech spans, pauses, rhythm, pitch, emphasis and vocal peaks"
    Config = SpeechFlowConfig
    Result = SpeechFlowResult
    uses = ("speech_transcription",)

    _detector: VoiceDetector

    def needs(self) -> Needs:
        """The whole sound track at 16 kHz, mono."""
        return Needs(audio=(AudioNeed(RATE_HZ, 1),))

    def load(self) -> None:
        """Loads the detector and scipy's filters; a second of silence warms both."""
        self._detector = VoiceDetector()
        silence = np.zeros(RATE_HZ, np.float32)
        self._detector.probabilities(silence)
        intensity_db(silence, VOWEL_BAND_HZ)

    def observe(self, chunks: Sequence[AudioChunk]) -> list[VoiceObservation]:
        """Measures each sound track."""
        return [measured_voice(chunk.clip, self._detector, self.config.settings()) for chunk in chunks]

    def conclude(self, observations: Sequence[VoiceObservation], context: Context) -> SpeechFlowResult:
        """Spans, pauses and what stands out.

        Raises:
            NotApplicable: ``no_audio``; ``no_speech`` when the detector is hardly ever sure or nothing has a syllable.
        """
        sound = observations[0] if observations else VoiceObservation(None)
        if sound.sure_s is None:
            raise NotApplicable("no_audio", "The file has no sound.")
        spans = [self._speech(s, inside) for s in sound.spans if (inside := context.span(s.span.start_s, s.span.end_s))]
        nuclei = [n for n in sound.nuclei if n.time_s >= 0.0 and (home := _home(n, spans)) and n.time_s < home.end_time]
        if not spans or not nuclei:
            raise NotApplicable(
                "no_speech",
                f"Nobody speaks: {sound.sure_s:.2f} s sound surely like speech, "
                f"{self.config.sure_s:.2f} s and a syllable are asked for.",
            )
        norm = norm_of(nuclei)
        enough = len(nuclei) >= self.config.min_syllables
        prominences = [norm.prominence(n) if enough else None for n in nuclei]
        emphasised = self._emphasised(nuclei, prominences, norm, spans)
        pauses = self._pauses(spans, nuclei, emphasised)
        rhythm = regularity(_trains(nuclei, pauses)) if enough else None
        speech_s = sum(s.duration_s for s in spans)
        result = SpeechFlowResult(
            spans=tuple(spans),
            speech_s=speech_s,
            speech_share=min(1.0, speech_s / context.video.duration_s),
            first_speech_s=spans[0].start_time,
            sure_s=round(sound.sure_s, 3),
            pauses=tuple(pauses),
            pause_share=sum(p.duration_s for p in pauses) / (spans[-1].end_time - spans[0].start_time),
            pitch=_pitch(np.array(sound.pitches_hz), sound.speech_frames),
            rhythm=Rhythm(**asdict(rhythm)) if rhythm else None,
            syllables=tuple(_syllable(n, p, spans) for n, p in zip(nuclei, prominences, strict=True)),
            emphasised=tuple(emphasised),
            peaks=tuple(self._peaks(nuclei, norm)) if enough else (),
            curve=tuple(
                CurvePoint(start_time=span[0], end_time=span[1], level_db=level, pitch_hz=hz)
                for t, level, hz in sound.curve
                if (span := context.span(t, t + CURVE_STEP_S)) is not None
            ),
        )
        return with_words(result, transcript_of(context))

    def timeline(self, result: SpeechFlowResult) -> list[TimelineItem]:
        """Stretches of speech between significant pauses, those pauses, and emphasis."""
        items = []
        begin = result.spans[0].start_time
        significant = [p for p in result.pauses if p.significant]
        for end, following in zip(
            [*(p.start_time for p in significant), result.spans[-1].end_time],
            [*(p.end_time for p in significant), None],
            strict=True,
        ):
            inside = [s for s in result.spans if begin <= s.start_time < end]
            score = sum(s.score * s.duration_s for s in inside) / sum(s.duration_s for s in inside)
            items.append(self._item(begin, end, "speech", score))
            begin = following if following is not None else begin
        items += [self._item(p.start_time, p.end_time, f"pause of {p.duration_s:.1f} s", None) for p in significant]
        for emphasis in result.emphasised:
            label = f"emphasis: {' '.join(emphasis.words)}" if emphasis.words else "emphasis"
            items.append(self._item(emphasis.start_time, emphasis.end_time, label, None))
        return sorted(items, key=lambda item: (item.start_time, item.end_time))

    def _item(self, start: float, end: float, label: str, score: float | None) -> TimelineItem:
        return TimelineItem(
            start_time=start, end_time=end, channel="said", analyzer=self.name, label=label, score=score
        )

    def headline(self, result: SpeechFlowResult) -> str:
        """Share of speech, pauses, pitch."""
        significant = sum(p.significant for p in result.pauses)
        pitch = f", median pitch {result.pitch.median_hz:.0f} Hz" if result.pitch else ""
        return (
            f"Speech for {result.speech_s:.1f} s ({100.0 * result.speech_share:.0f} % of the video) from "
            f"{result.first_speech_s:.1f} s on, {len(result.pauses)} pauses ({significant} significant){pitch}."
        )

    def _speech(self, sound: SpanSound, inside: tuple[float, float]) -> Speech:
        change = sound.end_change_semitones
        tone: EndTone | None = None
        if change is not None:
            flat = abs(change) < self.config.tone_semitones
            tone = "level" if flat else "rising" if change > 0.0 else "falling"
        return Speech(
            start_time=inside[0],
            end_time=inside[1],
            score=sound.span.score,
            level_db=sound.level_db,
            pitch_hz=sound.pitch_hz,
            end_change_semitones=change,
            end_tone=tone,
        )

    def _pauses(
        self, spans: Sequence[Speech], nuclei: Sequence[Nucleus], emphasised: Sequence[Emphasis]
    ) -> list[Pause]:
        pauses: list[Pause] = []
        for before, after in pairwise(spans):
            start, length = before.end_time, after.start_time - before.end_time
            if length < self.config.min_pause_s:
                continue
            since = pauses[-1].end_time if pauses else spans[0].start_time
            follows = Follows(
                start_time=since,
                speech_s=sum(s.duration_s for s in spans if since <= s.start_time < start),
                syllables=sum(since <= n.time_s < start for n in nuclei),
                end_tone=before.end_tone,
                emphasised=any(start - 1.0 < e.end_time <= start for e in emphasised),
            )
            pauses.append(
                Pause(
                    start_time=start,
                    end_time=after.start_time,
                    kind="brief" if length < BRIEF_S else "long" if length > LONG_S else "medium",
                    significant=length >= self.config.significant_pause_s,
                    follows=follows,
                )
            )
        return pauses

    def _emphasised(
        self, nuclei: Sequence[Nucleus], prominences: Sequence[float | None], norm: Norm, spans: Sequence[Speech]
    ) -> list[Emphasis]:
        groups: list[list[int]] = []
        for k, value in enumerate(prominences):
            if value is None or value < self.config.emphasis:
                continue
            if groups and groups[-1][-1] == k - 1 and _home(nuclei[k - 1], spans) == _home(nuclei[k], spans):
                groups[-1].append(k)
            else:
                groups.append([k])
        found = []
        for group in groups:
            best = max(group, key=lambda k: norm.prominence(nuclei[k]))
            first, last = (_syllable(nuclei[k], None, spans) for k in (group[0], group[-1]))
            over_db, over_semitones, ratio = norm.over(nuclei[best])
            found.append(
                Emphasis(
                    start_time=first.start_time,
                    end_time=last.end_time,
                    timestamp=nuclei[best].time_s,
                    prominence=norm.prominence(nuclei[best]),
                    level_over_db=over_db,
                    pitch_over_semitones=over_semitones,
                    length_ratio=ratio,
                )
            )
        return found

    def _peaks(self, nuclei: Sequence[Nucleus], norm: Norm) -> list[VocalPeak]:
        times = [n.time_s for n in nuclei]
        overs = [norm.over(n) for n in nuclei]
        loud = local_highs(times, [o[0] for o in overs], self.config.peak_over_db, PEAK_REACH_S)
        high = local_highs(
            times, [-np.inf if o[1] is None else o[1] for o in overs], self.config.peak_over_semitones, PEAK_REACH_S
        )
        peaks = [
            VocalPeak(timestamp=times[k], kind=kind, level_over_db=overs[k][0], pitch_over_semitones=overs[k][1])
            for kind, found in (("loud", loud), ("high", high))
            for k in found
        ]
        return sorted(peaks, key=lambda p: p.timestamp)


def _trains(nuclei: Sequence[Nucleus], pauses: Sequence[Pause]) -> list[list[float]]:
    """Times of the syllables of each stretch between pauses."""
    edges = [0.0, *(p.start_time for p in pauses), np.inf]
    return [[n.time_s for n in nuclei if low <= n.time_s < high] for low, high in pairwise(edges)]


def _home(nucleus: Nucleus, spans: Sequence[Speech]) -> Speech | None:
    """The span that holds the nucleus."""
    return next((s for s in spans if s.start_time <= nucleus.time_s < s.end_time), None)


def _syllable(nucleus: Nucleus, prominence: float | None, spans: Sequence[Speech]) -> Syllable:
    home = _home(nucleus, spans)
    low, high = (home.start_time, home.end_time) if home else (nucleus.start_s, nucleus.end_s)
    return Syllable(
        start_time=max(low, nucleus.start_s),
        end_time=min(high, nucleus.end_s),
        timestamp=nucleus.time_s,
        level_db=nucleus.level_db,
        pitch_hz=nucleus.f0_hz,
        prominence=prominence,
    )


def _pitch(pitches_hz: Float64Array, speech_frames: int) -> Pitch | None:
    if not len(pitches_hz):
        return None
    low, median, high = (float(v) for v in np.percentile(pitches_hz, [5, 50, 95]))
    return Pitch(
        mean_hz=float(pitches_hz.mean()),
        median_hz=median,
        low_hz=low,
        high_hz=high,
        range_semitones=12.0 * float(np.log2(high / low)),
        deviation_semitones=float(np.std(12.0 * np.log2(pitches_hz))),
        pitched_share=len(pitches_hz) / speech_frames,
    )
