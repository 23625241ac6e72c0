"""What ``temporal_flow`` reads from other analyzers' results, as plain times and values.

None stands for "not known" throughout; an empty tuple for "known, and there is none". An analyzer that says
``not_applicable`` (no sound, nobody speaks) is knowledge: there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analyzers.base import Context
from analyzers.camera_analysis import CameraResult
from analyzers.cut_analysis import CutAnalysisResult
from analyzers.results.audio_analysis import AudioAnalysisResult
from analyzers.results.eye_tracking import EyeTrackingResult, FrameFaces
from analyzers.results.speech_flow import SpeechFlowResult
from analyzers.results.speech_transcription import Segment, transcript_of
from analyzers.results.video_text import VideoTextResult
from analyzers.signal.spans import Span
from analyzers.sound_effects import SoundEffectsResult
from analyzers.speech_rate import SpeechRateResult
from analyzers.text_overlay import TextOverlayResult
from analyzers.visual_effects import EffectKind, VisualEffectsResult
from media.types import Float64Array
from schema.document import VideoFacts

INPUTS = ("cut_analysis", "camera_analysis", "text_overlay", "speech_flow", "speech_rate", "audio_analysis")
"""Analyzers that are read and brought in; each may be missing."""

TRANSCRIPT = "speech_transcription"
"""Read where it is run anyway: a model is not started for the sake of the flow."""

DESCRIBED = ("video_llava", "qwen2_vl_temporal", "blip2_video_analyzer")
"""The one of them that is run says what is shown at the beginning."""

FACES = "eye_tracking"
"""Says which faces the hook shows, where it is run anyway: it needs a model."""

EFFECTS = ("visual_effects", "sound_effects")
"""Their effects draw attention, where they are run anyway."""

SUDDEN_EFFECTS: frozenset[EffectKind] = frozenset(
    {"flash", "black_flash", "strobe", "freeze", "speed_ramp", "fast_motion", "slow_motion", "split_screen"}
)
"""Visual effects that happen at a moment. The others stay (bars, filters), or are cuts or texts and counted as such."""

FIRST_PART_S = 1.0
"""A part that begins by then is about the beginning; the first may have been lost."""

SILENT_LUFS = -70.0
"""Level of silence: the absolute gate of ITU-R BS.1770."""

NOT_ADDED = ("watermark", "scene")
"""Kinds of text that the maker did not put there for the viewer."""

NO_FILLER = "not_applicable"
"""How a missing analyzer's reason begins when there is nothing for it in the clip."""


@dataclass(frozen=True)
class Written:
    """A text on screen from ``start_s`` to ``end_s``, with the kind that ``text_overlay`` gave it."""

    start_s: float
    end_s: float
    text: str
    kind: str


@dataclass(frozen=True)
class CameraMove:
    """What the camera does from ``start_s`` to ``end_s``."""

    start_s: float
    end_s: float
    kind: str


@dataclass(frozen=True)
class FacesAt:
    """The faces of one sampled frame.

    Attributes:
        time_s: Of the frame.
        area_share: Share of the picture that the largest face's box covers; 0 without any.
        looks: Whether one of them looks into the camera; None where no look is clear.
    """

    time_s: float
    area_share: float
    looks: bool | None


@dataclass(frozen=True)
class Sudden:
    """An effect that draws attention, seen or heard."""

    time_s: float
    label: str
    heard: bool


@dataclass(frozen=True)
class Series:
    """Values of half-open steps: entry k is of ``[start_s + k * step_s, start_s + (k + 1) * step_s)``; NaN: unknown."""

    start_s: float
    step_s: float
    values: Float64Array

    def mean(self, start_s: float, end_s: float) -> float | None:
        """Mean over the steps whose middle lies in the span; None where none is known."""
        middles = self.start_s + (np.arange(len(self.values)) + 0.5) * self.step_s
        own = self.values[(middles >= start_s) & (middles < end_s)]
        return None if np.isnan(own).all() else float(np.nanmean(own))

    def at(self, middles_s: Float64Array) -> Float64Array:
        """The value of the step that holds each time; NaN outside."""
        index = np.floor((middles_s - self.start_s) / self.step_s + 1e-9).astype(np.int64)
        inside = (index >= 0) & (index < len(self.values))
        padded = np.append(self.values, np.nan)
        return np.asarray(padded[np.where(inside, index, len(self.values))])


@dataclass(frozen=True)
class Inputs:
    """Everything that was there.

    Attributes:
        cuts_s: Borders between shots.
        moves: Camera spans.
        motion: Speed of camera and subject together, picture units per second.
        written: Texts on screen.
        speech: Spans in which somebody speaks.
        emphasised: Spans that are spoken with emphasis.
        syllables_s: Times of the syllables.
        syllables_per_s: While speaking.
        words_per_minute: From a transcript.
        said: The segments of the transcript that count as said.
        loudness: K-weighted level in LUFS, -70 for silence.
        beats_s: Of the music.
        shown: What a video language model says is shown at the beginning.
        faces: Of each sampled frame.
        effects: Sudden ones; None where neither pictures nor sound were searched for them.
        missing: ``name: reason`` for each that was not there.
    """

    cuts_s: tuple[float, ...] | None = None
    moves: tuple[CameraMove, ...] | None = None
    motion: Series | None = None
    written: tuple[Written, ...] | None = None
    speech: tuple[Span, ...] | None = None
    emphasised: tuple[Span, ...] | None = None
    syllables_s: tuple[float, ...] | None = None
    syllables_per_s: float | None = None
    words_per_minute: float | None = None
    said: tuple[Segment, ...] | None = None
    loudness: Series | None = None
    beats_s: tuple[float, ...] | None = None
    shown: str | None = None
    faces: tuple[FacesAt, ...] | None = None
    effects: tuple[Sudden, ...] | None = None
    missing: tuple[str, ...] = ()

    @property
    def added_text(self) -> tuple[Written, ...] | None:
        """Texts that the maker put there: no watermarks, and no signs and labels in the scene."""
        return None if self.written is None else tuple(w for w in self.written if w.kind not in NOT_ADDED)

    @property
    def text_spans(self) -> tuple[Span, ...] | None:
        """Where there is added text."""
        return None if self.added_text is None else tuple((w.start_s, w.end_s) for w in self.added_text)

    @property
    def words_known(self) -> bool:
        """Whether what is said is known; also when it is known that nobody speaks."""
        return self.said is not None or self.speech == ()

    def spoken_before(self, end_s: float) -> str | None:
        """The words that begin before ``end_s``, as one line; None where words are not known."""
        if not self.words_known:
            return None
        words = [word for segment in self.said or () for word in segment.words]
        return " ".join(word.text for word in words if word.start_time < end_s)


def read_inputs(context: Context) -> Inputs:
    """The inputs that ``context`` holds."""
    results, missing = context.results, context.missing
    found: dict[str, object] = {}
    if isinstance(cuts := results.get("cut_analysis"), CutAnalysisResult):
        found["cuts_s"] = tuple(sorted(shot.start_time for shot in cuts.shots))[1:]
    if isinstance(camera := results.get("camera_analysis"), CameraResult):
        found["moves"] = tuple(CameraMove(s.start_time, s.end_time, s.kind) for s in camera.spans)
        found["motion"] = _motion(camera)
    if isinstance(text := results.get("text_overlay"), TextOverlayResult):
        found["written"] = tuple(Written(o.start_time, o.end_time, o.text, o.kind) for o in text.overlays)
    if isinstance(flow := results.get("speech_flow"), SpeechFlowResult):
        found["speech"] = tuple((s.start_time, s.end_time) for s in flow.spans)
        found["emphasised"] = tuple((e.start_time, e.end_time) for e in flow.emphasised)
        found["syllables_s"] = tuple(s.timestamp for s in flow.syllables)
    elif missing.get("speech_flow", "").startswith(NO_FILLER):
        found |= {"speech": (), "emphasised": (), "syllables_s": ()}
    if isinstance(rate := results.get("speech_rate"), SpeechRateResult):
        found["syllables_per_s"] = rate.articulation_rate
        found["words_per_minute"] = rate.words_per_minute
    if (transcript := transcript_of(context)) is not None:
        found["said"] = transcript.said
    elif missing.get(TRANSCRIPT, "").startswith(NO_FILLER):
        found["said"] = ()
    if isinstance(sound := results.get("audio_analysis"), AudioAnalysisResult):
        found["beats_s"] = tuple(sound.beats)
        found["loudness"] = _loudness(sound, context.video.duration_s)
    elif missing.get("audio_analysis", "").startswith(NO_FILLER):
        found["beats_s"] = ()
    described = [results[name] for name in DESCRIBED if name in results]
    found["shown"] = next((_shown(r) for r in described if isinstance(r, VideoTextResult)), None)
    if isinstance(eyes := results.get(FACES), EyeTrackingResult):
        found["faces"] = tuple(_faces_at(frame, context.video) for frame in eyes.frames)
    found["effects"] = _effects(context)
    inputs = Inputs(**found)  # type: ignore[arg-type]
    return replace(inputs, missing=_missing(inputs, context))


def _shown(described: VideoTextResult) -> str | None:
    """The answer about the beginning; from a model that was not asked, its text of the first part."""
    answer = next((a.answer for a in described.answers if a.question == "opening" and not a.says_none), None)
    first = next((s.description for s in described.segments if s.start_time < FIRST_PART_S), None)
    return answer or first


def _faces_at(frame: FrameFaces, video: VideoFacts) -> FacesAt:
    picture_px = (video.width or 0) * (video.height or 0)
    areas = [face.bounding_box.width * face.bounding_box.height / picture_px for face in frame.faces if picture_px]
    looks = [face.looks_into_camera for face in frame.faces if face.looks_into_camera is not None]
    return FacesAt(frame.timestamp, min(1.0, max(areas, default=0.0)), any(looks) if looks else None)


def _effects(context: Context) -> tuple[Sudden, ...] | None:
    seen, heard = (context.results.get(name) for name in EFFECTS)
    if seen is None and heard is None:
        return None
    found: list[Sudden] = []
    if isinstance(seen, VisualEffectsResult):
        found += [
            Sudden(e.start_time, e.kind.replace("_", " "), heard=False)
            for e in seen.effects
            if e.kind in SUDDEN_EFFECTS
        ]
    if isinstance(heard, SoundEffectsResult):
        found += [Sudden(e.timestamp, e.name or e.kind, heard=True) for e in heard.effects]
    return tuple(found)


def _loudness(sound: AudioAnalysisResult, duration_s: float) -> Series:
    """Level over the whole video; where the track has not begun or has ended, there is silence."""
    curve = sound.energy
    levels = [SILENT_LUFS if v is None else v for v in curve.values]
    before = round(curve.start_time / curve.step_s)
    behind = max(0, int(np.ceil(duration_s / curve.step_s - 1e-9)) - before - len(levels))
    values = np.array([SILENT_LUFS] * before + levels + [SILENT_LUFS] * behind, dtype=np.float64)
    return Series(curve.start_time - before * curve.step_s, curve.step_s, values)


def _motion(camera: CameraResult) -> Series | None:
    if not camera.curve:
        return None
    values = [
        np.nan if p.camera is None and p.subject is None else (p.camera or 0.0) + (p.subject or 0.0)
        for p in camera.curve
    ]
    return Series(camera.curve[0].start_time, camera.curve[0].duration_s, np.array(values, dtype=np.float64))


def _missing(inputs: Inputs, context: Context) -> tuple[str, ...]:
    """What was not there and leaves something unknown."""
    lines = []
    for name in INPUTS:
        if name not in context.results:
            reason = context.missing.get(name, "not run")
            # That nobody speaks is an answer, not a lack.
            if not (name.startswith("speech") and inputs.speech == ()):
                lines.append(f"{name}: {reason}")
    if inputs.faces is None:
        lines.append(f"faces: which faces the hook shows is not known ({context.missing.get(FACES, 'not run')})")
    if not inputs.words_known:
        lines.append(f"transcript: what is said is not known ({context.missing.get(TRANSCRIPT, 'not run')})")
    return tuple(lines)
