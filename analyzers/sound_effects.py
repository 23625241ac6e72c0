"""Sound effects: hits, swells, risers, bells and pops that stand out of music, speech and silence.

Method
    * what stands out: the residual above what is steady or comes again (``analyzers/signal/foreground.py``), so beats,
      notes and syllables are none;
    * what it is: rules over the residual's envelope (attack, decay, growth) and spectrum (width, tone, climb), each
      with its numbers beside it. The terms are those of film sound (Sonnenschein, "Sound Design", 2001);
    * where it is: at the moment that an editor would lay on a cut: the onset of a hit, the middle of a whoosh, the end
      of a riser.

What it is not good at
    * natural sounds (a door, an animal, a cough) have the same shapes as added ones and are reported alike;
    * effects that are softer than the music's or the speaker's own peaks are not found, nor hits on a drum beat;
    * without ``audio_analysis`` nothing is known about music and speech, and all is judged as strictly as over them;
    * a name (from ``audio_environment``, where that runs) is of the seconds around the moment: the surest sound there,
      which need not be the effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import Analyzer, AnalyzerConfig, AnalyzerResult, Context, NotApplicable
from analyzers.cut_analysis import CutAnalysisResult
from analyzers.results.audio_analysis import AudioAnalysisResult
from analyzers.results.audio_environment import AudioEnvironmentResult, environment_of, name_at
from analyzers.results.curve import SoundPlace
from analyzers.results.sound_marks import SOURCES, gesture_at, text_at
from analyzers.results.speech_flow import SpeechFlowResult
from analyzers.signal import foreground, spectrum
from analyzers.signal.foreground import ForegroundSettings, Shape
from analyzers.signal.settings import picked
from media.needs import AudioNeed, Needs
from media.types import AudioChunk, Float32Array
from schema.base import Finite, Seconds, TimedSpan, UnitScore
from schema.document import TimelineItem

EffectKind = Literal["impact", "whoosh", "riser", "ding", "pop", "other"]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]

FULL_STRENGTH_DB = 30.0
"""This far over its background, an effect has strength 1: it drowns everything else."""


class SoundEffectsConfig(AnalyzerConfig):
    """Settings of ``sound_effects``."""

    memory_s: Annotated[float, Field(ge=1.0, le=60.0)] = 5.0
    """Reach of the background to both sides: at least two bars of slow music. Higher finds what is rarer."""
    guard_s: Annotated[float, Field(ge=0.1, le=5.0)] = 0.6
    """What is nearer than this is the event itself and no background. Higher lets short repeats stand out."""
    repeats: Annotated[float, Field(ge=50.0, le=100.0)] = 95.0
    """Percentile of the loudest levels in reach that is background under music and speech: an effect may fill a
    twentieth of the time. Higher misses effects that come again, lower takes accents for effects."""
    min_cover_s: Annotated[float, Field(ge=0.0, le=30.0)] = 2.0
    """Less music or speech in reach is too little to tell an effect from it. Higher finds less in short clips."""
    min_size_db_s: Annotated[float, Field(gt=0.0, le=100.0)] = 0.4
    """Mean excess over all bands, summed over the event's length. The shared speech and music stay below 0.3, made
    whooshes over them have 0.45 to 2. Higher finds only larger ones."""
    min_hit_db: Annotated[float, Field(gt=0.0, le=20.0)] = 3.2
    """Mean excess at the peak of a short hit over music or speech. Shared speech reaches 2.8, a cymbal in jazz 3.1,
    made impacts 3.1 to 6.8. Higher finds fewer hits."""
    min_hit_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.33
    """Share of the bands that such a hit stands out in; shared speech reaches 0.27. Higher finds fewer hits."""
    min_free_db: Annotated[float, Field(gt=0.0, le=20.0)] = 2.5
    """Mean excess at the peak where there is neither music nor speech; steady noise reaches 0.3. Higher finds fewer."""
    min_tone_db: Annotated[float, Field(gt=0.0, le=60.0)] = 24.0
    """Excess of a tone's band over music or speech. Notes of the shared music reach 22, made bells have 21 to 34.
    Higher finds fewer bells."""
    min_free_tone_db: Annotated[float, Field(gt=0.0, le=60.0)] = 15.0
    """The same where there is neither; a band of steady noise reaches 7. Higher finds fewer."""
    min_over_db: Annotated[float, Field(ge=0.0, le=60.0)] = 7.0
    """How far an effect stands out, on average over the bands in which it does. Accents of the shared music reach 6,
    made effects over music and speech have 8 to 25. Higher finds fewer."""
    min_tone_s: Annotated[float, Field(ge=0.05, le=5.0)] = 0.2
    """Length of a tone; shorter ones are in every vowel. Higher finds only long bells."""
    min_glide_s: Annotated[float, Field(ge=0.1, le=10.0)] = 0.5
    """Length of a climb; speech melody climbs for up to 0.3 s. Higher finds only slow risers."""
    min_glide_octaves: Annotated[float, Field(gt=0.0, le=8.0)] = 0.7
    """Height of a climb: more than a voice climbs in a phrase. Higher finds only wide risers."""
    cover_margin_s: Annotated[float, Field(ge=0.0, le=5.0)] = 0.4
    """Music and speech are widened by this, because they begin and end softly. Higher hides effects beside them."""
    music_start_s: Annotated[float, Field(ge=0.0, le=5.0)] = 0.3
    """A hit this near to the start of music is its first note. Higher hides effects there."""
    on_cut_s: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    """An effect this near to a cut lies on it: three frames at 30 frames a second. Higher finds more on cuts."""
    on_text_s: Annotated[float, Field(ge=0.0, le=1.0)] = 0.2
    """An effect this near to the start of a text marks it: texts are placed so exactly. Higher finds more by chance."""
    on_gesture_s: Annotated[float, Field(ge=0.0, le=1.0)] = 0.35
    """The same for gestures, which are looked for three times a second. Higher finds more by chance."""
    tonal: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    """Share of the energy in three neighbouring bands from which on an event is a tone. Higher calls fewer a ding."""
    ding_hz: Annotated[float, Field(gt=0.0, le=5_000.0)] = 300.0
    """A tone below this is the boom of an impact and no bell. Higher calls low bells impacts."""
    sudden_s: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Attack up to which an event sets in at once: two windows. Higher calls short whooshes impacts."""
    pop_s: Annotated[float, Field(gt=0.0, le=1.0)] = 0.12
    """Length up to which a sudden event is a pop: 40 ms and the window. Higher calls short impacts pops."""
    riser_s: Annotated[float, Field(gt=0.0, le=10.0)] = 0.4
    """Attack from which on a climbing event is a riser. Higher calls short ones whooshes."""
    riser_growth_db: Annotated[float, Field(ge=0.0, le=60.0)] = 6.0
    """Growth of a riser up to its peak: twice the amplitude. Higher finds fewer risers."""
    riser_fall_db: Annotated[float, Field(ge=0.0, le=60.0)] = 8.0
    """Fall of a riser within 0.1 s after its peak, where it breaks off; a whoosh falls by 2 dB. Higher finds fewer."""
    min_name_score: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    """Probability that a class must have to name an effect. Not yet tuned. Higher leaves more without a name."""

    def settings(self) -> ForegroundSettings:
        """Those that decide what stands out."""
        return picked(ForegroundSettings, self)


class Effect(TimedSpan):
    """One sound effect, from 20 dB below its peak to 20 dB below it."""

    timestamp: Seconds
    """The moment to lay on a cut: onset of impact, ding and pop, peak of a whoosh, end of a riser."""
    kind: EffectKind
    """``impact``: many frequencies at once, then decay. ``whoosh``: noise that swells and fades. ``riser``: climbs and
    grows, then breaks off. ``ding``: a tone at once, then decay. ``pop``: as short as a click. ``other``: none."""
    strength: UnitScore
    """``level_over_db`` on a scale from 0 to 30 dB."""
    level_over_db: NotNegative
    """How far it stands out of everything around it: mean over the frequencies in which it does."""
    over: Literal["music", "speech", "music_and_speech", "nothing"] | None
    """What else sounds at that moment; null when ``audio_analysis`` has no result."""
    attack_s: NotNegative
    decay_s: NotNegative
    centre_hz: NotNegative
    """Weight of its spectrum."""
    width: UnitScore
    """Share of the frequency bands in which it stands out at its peak."""
    tone_share: UnitScore
    """Share of its energy in its strongest band and both neighbours."""
    climb_octaves: Finite
    """How far its spectrum, or the most prominent tone in it, climbs up to the peak."""
    growth_db: Finite
    """Level of the last third before the peak over the first."""
    on_a_cut: bool | None
    """A cut lies within ``on_cut_s``; null when ``cut_analysis`` has no result."""
    cut_distance_s: Finite | None
    """Nearest cut's time minus ``timestamp``; null without any cut."""
    text: str | None = None
    """The added text that appears within ``on_text_s``; null where none does, or ``text_overlay`` has no result."""
    gesture: str | None = None
    """The gesture that begins within ``on_gesture_s``; null where none does, or ``body_pose`` has no result."""
    name: str | None = None
    """What ``audio_environment`` hears at that moment, as AudioSet calls it; null where it names no single sound with
    ``min_name_score``, or has no result."""
    name_score: UnitScore | None = None
    """Its probability; null without a name."""


class SoundEffectsResult(AnalyzerResult):
    """All effects, sorted by start."""

    effects: tuple[Effect, ...]
    effects_by_kind: dict[EffectKind, int]
    effects_per_minute: NotNegative
    on_cuts: Annotated[int, Field(ge=0)] | None
    """Number of effects on a cut; null when ``cut_analysis`` has no result."""


@dataclass(frozen=True, eq=False)
class BandLevels:
    """A sound track's level in each band.

    Attributes:
        start_s: Time of the first sample on the video's time line.
        length_s: Seconds of sound.
        levels_db: float16 (64, M), step ``foreground.HOP_S``.
    """

    start_s: float
    length_s: float
    levels_db: np.ndarray[tuple[int, int], np.dtype[np.float16]]


class SoundEffects(Analyzer[SoundEffectsConfig, AudioChunk, "BandLevels | None", SoundEffectsResult]):
    """Finds effects in the residual above music, speech and steady noise."""

    name = "sound_effects"
    version = "3"
    title = "Sound effects with time, kind and strength, on a cut or not"
    Config = SoundEffectsConfig
    Result = SoundEffectsResult
    after = ("cut_analysis", "speech_flow", "audio_analysis")
    uses = ("audio_environment", *SOURCES)

    def needs(self) -> Needs:
        """The whole track at 22.05 kHz, mono."""
        return Needs(audio=(AudioNeed(spectrum.RATE_HZ, 1),))

    def load(self) -> None:
        """Makes the filter bank once, which warms numpy's transforms."""
        foreground.band_levels(np.zeros(spectrum.RATE_HZ, np.float32))

    def observe(self, chunks: Sequence[AudioChunk]) -> list[BandLevels | None]:
        """Measures each sound track; None for one without samples."""
        observed: list[BandLevels | None] = []
        for chunk in chunks:
            clip = chunk.clip
            samples: Float32Array = np.nan_to_num(clip.samples, nan=0.0, posinf=0.0, neginf=0.0)
            levels = foreground.band_levels(samples).astype(np.float16) if len(samples) else None
            observed.append(None if levels is None else BandLevels(clip.start_s, clip.duration_s, levels))
        return observed

    def conclude(self, observations: Sequence[BandLevels | None], context: Context) -> SoundEffectsResult:
        """Finds and names the effects.

        Raises:
            NotApplicable: ``no_audio``.
        """
        sound = observations[0] if observations else None
        if sound is None:
            raise NotApplicable("no_audio", "The file has no sound.")
        place = SoundPlace(sound.start_s, context)
        heard = _Heard(sound, context)
        levels = sound.levels_db.astype(np.float32)
        covered = heard.covered(levels.shape[1], self.config.cover_margin_s)
        shapes = foreground.find_events(levels, covered, self.config.settings())
        cuts, environment = _cuts(context), environment_of(context)
        effects = [
            self._marked(self._named(effect, environment), context)
            for shape in shapes
            if shape.over_db >= self.config.min_over_db
            and not self._begins_music(shape, heard)
            and (effect := self._effect(shape, place, heard, cuts)) is not None
        ]
        kinds: list[EffectKind] = [e.kind for e in effects]
        return SoundEffectsResult(
            effects=tuple(sorted(effects, key=lambda e: (e.start_time, e.end_time))),
            effects_by_kind={kind: kinds.count(kind) for kind in sorted(set(kinds))},
            effects_per_minute=60.0 * len(effects) / context.video.duration_s,
            on_cuts=None if cuts is None else sum(bool(e.on_a_cut) for e in effects),
        )

    def timeline(self, result: SoundEffectsResult) -> list[TimelineItem]:
        """Every effect."""
        return [TimelineItem.of(e, "heard", self.name, _label(e), e.strength) for e in result.effects]

    def headline(self, result: SoundEffectsResult) -> str | None:
        """How many of each kind, and how many on cuts."""
        if not result.effects:
            return "No sound effects."
        kinds = ", ".join(f"{count} {kind}" for kind, count in result.effects_by_kind.items())
        text = f"{len(result.effects)} sound effects ({kinds})"
        return f"{text}, {result.on_cuts} on a cut." if result.on_cuts else f"{text}."

    def kind_of(self, shape: Shape) -> EffectKind:
        """The first rule that fits."""
        config = self.config
        climb = max(shape.rise_octaves, shape.glide_octaves)
        if (
            climb >= config.min_glide_octaves
            and shape.growth_db >= config.riser_growth_db
            and shape.attack_s >= config.riser_s
            and shape.fall_db >= config.riser_fall_db
        ):
            return "riser"
        if shape.attack_s > config.sudden_s:
            return "whoosh" if shape.tone_share < config.tonal else "other"
        if shape.tone_share >= config.tonal and shape.centre_hz >= config.ding_hz:
            return "ding" if shape.end_s - shape.start_s > config.pop_s else "pop"
        # Over music and speech the tail of an impact is hidden: there only its width tells it from a pop.
        wide = shape.covered and shape.width >= config.min_hit_share
        return "impact" if wide or shape.end_s - shape.start_s > config.pop_s else "pop"

    def _begins_music(self, shape: Shape, heard: _Heard) -> bool:
        return any(abs(shape.start_s - start_s) <= self.config.music_start_s for start_s, _ in heard.music)

    def _effect(self, shape: Shape, place: SoundPlace, heard: _Heard, cuts: Sequence[float] | None) -> Effect | None:
        span = place.span(shape.start_s, shape.end_s)
        kind = self.kind_of(shape)
        accent_s = {"whoosh": shape.peak_s, "riser": shape.peak_s}.get(kind, shape.start_s)
        moment = place.moments([accent_s])
        if span is None or not moment:
            return None
        distance = min((c - moment[0] for c in cuts), key=abs, default=None) if cuts is not None else None
        return Effect(
            start_time=span[0],
            end_time=span[1],
            timestamp=moment[0],
            kind=kind,
            strength=min(1.0, shape.over_db / FULL_STRENGTH_DB),
            level_over_db=shape.over_db,
            over=heard.at(shape.peak_s),
            attack_s=shape.attack_s,
            decay_s=shape.decay_s,
            centre_hz=shape.centre_hz,
            width=shape.width,
            tone_share=min(1.0, shape.tone_share),
            climb_octaves=max(shape.rise_octaves, shape.glide_octaves),
            growth_db=shape.growth_db,
            on_a_cut=None if cuts is None else distance is not None and abs(distance) <= self.config.on_cut_s,
            cut_distance_s=distance,
        )

    def _named(self, effect: Effect, environment: AudioEnvironmentResult | None) -> Effect:
        """The effect with the name of what is heard at its moment, where there is one."""
        found = name_at(environment, effect.timestamp, self.config.min_name_score) if environment else None
        return effect.model_copy(update={"name": found[0], "name_score": found[1]}) if found else effect

    def _marked(self, effect: Effect, context: Context) -> Effect:
        """The effect with what appears or begins at its moment."""
        text = text_at(context, effect.timestamp, self.config.on_text_s)
        gesture = gesture_at(context, effect.timestamp, self.config.on_gesture_s)
        return effect.model_copy(update={"text": text, "gesture": gesture})


def _label(effect: Effect) -> str:
    kind = effect.kind if effect.kind != "other" else "sound"
    return f"{kind}: {effect.name}" if effect.name else kind


class _Heard:
    """Where there is music and speech, in seconds from the first sample.

    Args:
        sound: The track.
        context: With the results that say so.
    """

    def __init__(self, sound: BandLevels, context: Context) -> None:
        audio, flow = context.results.get("audio_analysis"), context.results.get("speech_flow")
        self.known = isinstance(audio, AudioAnalysisResult)
        self.music: list[tuple[float, float]] = []
        self.speech: list[tuple[float, float]] = []
        if isinstance(audio, AudioAnalysisResult):
            self.music = [(m.start_time - sound.start_s, m.end_time - sound.start_s) for m in audio.music]
            self.speech = [(s.start_time - sound.start_s, s.end_time - sound.start_s) for s in audio.speech]
        if isinstance(flow, SpeechFlowResult):
            self.speech = [(s.start_time - sound.start_s, s.end_time - sound.start_s) for s in flow.spans]

    def covered(self, frames: int, margin_s: float) -> foreground.BoolArray:
        """Frames with music or speech; all where nothing is known."""
        if not self.known:
            return np.ones(frames, bool)
        return foreground.covered_frames([*self.music, *self.speech], frames, margin_s)

    def at(self, time_s: float) -> Literal["music", "speech", "music_and_speech", "nothing"] | None:
        """What sounds at that moment beside the effect."""
        if not self.known:
            return None
        music = any(a <= time_s < b for a, b in self.music)
        speech = any(a <= time_s < b for a, b in self.speech)
        if music and speech:
            return "music_and_speech"
        return "music" if music else "speech" if speech else "nothing"


def _cuts(context: Context) -> list[float] | None:
    cuts = context.results.get("cut_analysis")
    return [c.timestamp for c in cuts.cuts] if isinstance(cuts, CutAnalysisResult) else None
