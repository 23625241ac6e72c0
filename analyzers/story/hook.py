"""The hook of ``temporal_flow``: what is seen, said, written and heard in the first seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from analyzers.signal.pacing import share
from analyzers.signal.spans import Span
from analyzers.story.energy import EnergyCurve
from analyzers.story.inputs import FacesAt, Inputs, Written
from schema.base import Finite, Model, Seconds, TimedSpan, UnitScore

NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Element = Literal["speech", "text", "motion", "cut", "loudness", "face"]
Attention = Literal["speech", "text", "cut", "camera", "emphasis", "face", "visual_effect", "sound_effect"]

FIRST_FRAME_S = 0.25
"""A text that begins by then is on the first frame, and so is a face: both are looked for at least so exactly."""

OPENING_WORDS = 8
"""Words that stand for the opening where it is listed; the hook has all of them."""

STILL_KINDS = ("static", "unknown", "handheld")
"""Camera kinds that grab no attention."""


@dataclass(frozen=True)
class HookSettings:
    """Thresholds of ``build_hook``; ``TemporalFlowConfig`` says why.

    Attributes:
        hook_s: Length of the hook.
        soon_s: By when speech, text and a face must be there.
        motion_half: Speed from which on there is motion.
        loudness_lu: Loudness over the clip's from which on the hook is loud.
        quiet_lufs: Loudness up to which nothing is loud.
    """

    hook_s: float
    soon_s: float
    motion_half: float
    loudness_lu: float
    quiet_lufs: float


class FirstFrame(Model):
    """The picture that a viewer sees first."""

    brightness: UnitScore
    """Mean grey level."""
    contrast: UnitScore
    """Standard deviation of the grey levels, over the most it can be (half black, half white)."""
    texts: tuple[str, ...] | None
    """What is written on it; null where nobody has looked."""
    face_area_share: UnitScore | None
    """Share of it that the largest face's box covers, 0 without a face; null where nobody has looked."""


class Grabber(Model):
    """Something in the hook that draws attention."""

    timestamp: Seconds
    kind: Attention
    label: str


class TextSeen(TimedSpan):
    """A text on screen."""

    text: str
    kind: str
    """As ``text_overlay`` calls it."""


class HookFaces(Model):
    """Faces in the hook, by ``eye_tracking``."""

    face_share: UnitScore
    """Share of the sampled frames with a face."""
    first_face_s: Seconds | None
    """Null where there is none."""
    area_share: UnitScore
    """Largest share of the picture that a face's box covers; 0 without a face."""
    camera_share: UnitScore | None
    """Share of the frames with a clear look in which somebody looks into the camera; null without such frames."""
    first_look_s: Seconds | None
    """First look into the camera."""


class Hook(TimedSpan):
    """The first seconds. Null fields could not be known; ``TemporalFlowResult.missing`` says why."""

    first_frame: FirstFrame
    speech_share: UnitScore | None
    first_speech_s: Seconds | None
    """Null also when nobody speaks in the hook."""
    spoken: str | None
    """The words that begin in it, the opening statement; empty where nobody speaks, null without a transcript."""
    shown: str | None
    """What the video language model says is shown at the beginning, in its words; null where it was not run or gave no
    such text."""
    text_share: UnitScore | None
    first_text_s: Seconds | None
    texts: tuple[TextSeen, ...] | None
    motion: NotNegative | None
    """Mean speed of camera and subject together, picture units per second."""
    faces: HookFaces | None
    """Null where ``eye_tracking`` was not run or saw none of these frames."""
    cuts: Annotated[int, Field(ge=0)] | None
    first_cut_s: Seconds | None
    loudness_lufs: Finite | None
    loudness_over_clip_lu: Finite | None
    energy: UnitScore | None
    grabbers: tuple[Grabber, ...]
    """In order of time."""
    elements: dict[Element, bool]
    """Which of the elements are there, for those that are known: speech and text that begin within a second, a face
    within the same, motion over half of its scale, a cut, and sound as loud as the clip."""
    strength: UnitScore | None
    """Share of the known elements that are there; null when none is known."""


def build_hook(
    inputs: Inputs, energy: EnergyCurve, first: npt.NDArray[np.uint8], duration_s: float, settings: HookSettings
) -> Hook:
    """The hook of one clip.

    Args:
        inputs: What is known.
        energy: Of the clip.
        first: uint8 (H, W), the first frame, small.
        duration_s: Of the clip.
        settings: Thresholds.
    """
    end = min(settings.hook_s, duration_s)
    inside = None if inputs.written is None else [w for w in inputs.written if w.start_s < end]
    texts = None if inputs.added_text is None else [w for w in inputs.added_text if w.start_s < end]
    cuts = None if inputs.cuts_s is None else [c for c in inputs.cuts_s if c < end]
    first_speech = _first_start(inputs.speech, end)
    first_text = _first_start(None if texts is None else [(w.start_s, w.end_s) for w in texts], end)
    motion = energy.motion_mean(0.0, end)
    loudness, over = energy.loudness_mean(0.0, end), None
    if loudness is not None and (whole := energy.loudness_mean(0.0, duration_s)) is not None:
        over = loudness - whole
    faces = _faces(inputs.faces, end)
    elements: dict[Element, bool] = {}
    if inputs.speech is not None:
        elements["speech"] = first_speech is not None and first_speech <= settings.soon_s
    if texts is not None:
        elements["text"] = first_text is not None and first_text <= settings.soon_s
    if motion is not None:
        elements["motion"] = motion >= settings.motion_half
    if cuts is not None:
        elements["cut"] = bool(cuts)
    if over is not None and loudness is not None:
        elements["loudness"] = over >= settings.loudness_lu and loudness > settings.quiet_lufs
    if faces is not None:
        elements["face"] = faces.first_face_s is not None and faces.first_face_s <= settings.soon_s
    grey = first.astype(np.float64)
    return Hook(
        start_time=0.0,
        end_time=end,
        first_frame=FirstFrame(
            brightness=float(grey.mean()) / 255.0,
            contrast=min(1.0, float(grey.std()) / 127.5),
            texts=None if inside is None else tuple(w.text for w in inside if w.start_s <= FIRST_FRAME_S),
            face_area_share=next((f.area_share for f in inputs.faces or () if f.time_s <= FIRST_FRAME_S), None),
        ),
        speech_share=share(inputs.speech, 0.0, end),
        first_speech_s=first_speech,
        spoken=inputs.spoken_before(end),
        shown=inputs.shown,
        text_share=share(inputs.text_spans, 0.0, end),
        first_text_s=first_text,
        texts=None if texts is None else tuple(_text_seen(w) for w in texts),
        motion=motion,
        faces=faces,
        cuts=None if cuts is None else len(cuts),
        first_cut_s=cuts[0] if cuts else None,
        loudness_lufs=loudness,
        loudness_over_clip_lu=over,
        energy=energy.mean(0.0, end),
        grabbers=tuple(_grabbers(inputs, faces, end)),
        elements=elements,
        strength=sum(elements.values()) / len(elements) if elements else None,
    )


def _first_start(spans: Sequence[Span] | None, before_s: float) -> float | None:
    starts = [a for a, _ in spans or () if a < before_s]
    return min(starts) if starts else None


def _faces(frames: Sequence[FacesAt] | None, end_s: float) -> HookFaces | None:
    inside = [f for f in frames or () if f.time_s < end_s]
    if not inside:
        return None
    shown = [f.time_s for f in inside if f.area_share > 0.0]
    clear = [f for f in inside if f.looks is not None]
    looks = [f.time_s for f in clear if f.looks]
    return HookFaces(
        face_share=len(shown) / len(inside),
        first_face_s=shown[0] if shown else None,
        area_share=max(f.area_share for f in inside),
        camera_share=len(looks) / len(clear) if clear else None,
        first_look_s=looks[0] if looks else None,
    )


def _text_seen(written: Written) -> TextSeen:
    return TextSeen(start_time=written.start_s, end_time=written.end_s, text=written.text, kind=written.kind)


def _grabbers(inputs: Inputs, faces: HookFaces | None, end_s: float) -> list[Grabber]:
    """What begins in the hook and draws attention, in order of time."""
    found: list[Grabber] = []
    if (speech := _first_start(inputs.speech, end_s)) is not None:
        opening = " ".join((inputs.spoken_before(end_s) or "").split()[:OPENING_WORDS])
        found.append(Grabber(timestamp=speech, kind="speech", label=opening or "speech begins"))
    found += [
        Grabber(timestamp=w.start_s, kind="text", label=w.text) for w in inputs.added_text or () if w.start_s < end_s
    ]
    found += [Grabber(timestamp=c, kind="cut", label="cut") for c in inputs.cuts_s or () if c < end_s]
    found += [
        Grabber(timestamp=m.start_s, kind="camera", label=m.kind.replace("_", " "))
        for m in inputs.moves or ()
        if m.start_s < end_s and m.kind not in STILL_KINDS
    ]
    found += [Grabber(timestamp=a, kind="emphasis", label="emphasis") for a, _ in inputs.emphasised or () if a < end_s]
    found += [
        Grabber(timestamp=e.time_s, kind="sound_effect" if e.heard else "visual_effect", label=e.label)
        for e in inputs.effects or ()
        if e.time_s < end_s
    ]
    if faces is not None and faces.first_face_s is not None:
        found.append(Grabber(timestamp=faces.first_face_s, kind="face", label="face"))
    if faces is not None and faces.first_look_s is not None:
        found.append(Grabber(timestamp=faces.first_look_s, kind="face", label="look into the camera"))
    return sorted(found, key=lambda g: (g.timestamp, g.kind))
