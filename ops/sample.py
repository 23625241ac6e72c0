"""The sample video that a first run analyses: made in code, people-free, with its exact truth beside it.

Fifteen seconds, upright, 30 frames per second: six drawn places, three hard cuts, a dissolve, a fade through black,
a pan, a zoom and a tilt, six captions, a drum and bass loop with two effects, and a voice that says syllables. All
of it follows from the tables in this file and a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from media.types import Float32Array, UInt8Array
from ops import scenery, soundtrack
from ops.captions import Caption, draw_caption, render_caption
from ops.clips import Encoding, write_clip
from schema.base import BoundingBox, Model, Seconds, TimedSpan

SAMPLE_VERSION = "1"
"""Raised whenever pictures, sound or truth change; a cached sample of another version is made again."""

FPS = 30
FRAMES = 450
DURATION_S = FRAMES / FPS
TEMPO_BPM = 120.0
SYLLABLES_PER_S = 4.5
PAN_PX, TILT_PX, ZOOM = 4, 4, 1.004
"""Per frame: pan and tilt in px, zoom as a factor."""


class Cut(Model):
    """A hard cut; ``frame`` is the first frame of the new shot, ``timestamp`` its time."""

    frame: int
    timestamp: Seconds


class Place(TimedSpan):
    """The time in which one of the pictures is seen, transitions included."""

    name: str


class Transition(TimedSpan):
    """A gradual transition over the frames ``[first_frame, end_frame)``."""

    kind: Literal["dissolve", "fade_out", "fade_in"]
    first_frame: int
    end_frame: int


class CameraMove(TimedSpan):
    """One kind of camera movement at constant speed."""

    kind: Literal["static", "pan_right", "zoom_in", "tilt_up"]
    speed_px_per_s: float = 0.0
    """Of the camera over the scene; the picture moves the other way."""
    zoom_per_s: float = 1.0
    """Factor by which the picture grows in one second."""


class CaptionTruth(TimedSpan):
    """A text on the picture, with the box of its inked pixels."""

    text: str
    kind: Literal["title", "caption", "call_to_action"]
    bounding_box: BoundingBox


class Effect(TimedSpan):
    """A sound effect."""

    kind: Literal["impact", "riser"]


class Voice(TimedSpan):
    """A stretch in which the synthetic voice speaks ``syllables`` meaningless syllables."""

    syllables: int


class SampleTruth(Model):
    """What the sample video holds, by construction."""

    version: str
    fps: float
    frames: int
    width: int
    height: int
    duration_s: Seconds
    places: tuple[Place, ...]
    cuts: tuple[Cut, ...]
    transitions: tuple[Transition, ...]
    black: tuple[float, float]
    """Span in seconds in which the picture is wholly black, the dark ends of the fades not counted."""
    camera: tuple[CameraMove, ...]
    captions: tuple[CaptionTruth, ...]
    tempo_bpm: float
    beats: tuple[Seconds, ...]
    """Times of the drum's beats; it is silent in the riser."""
    key: str
    chords: tuple[str, ...]
    """One per bar of four beats, from time zero."""
    effects: tuple[Effect, ...]
    voice: tuple[Voice, ...]
    syllables_per_s: float


@dataclass(frozen=True)
class _Shot:
    """Frames ``[first, end)`` in which a painter is seen, at least in part."""

    name: str
    first: int
    end: int
    painter: Callable[[], scenery.Painter]


_SHOTS = (
    _Shot("mountains", 0, 75, lambda: scenery.mountains(PAN_PX, 75)),
    _Shot("city", 75, 150, scenery.city),
    _Shot("balloons", 150, 240, lambda: scenery.balloons(ZOOM, 90)),
    _Shot("sea", 240, 315, lambda: scenery.sea(75)),
    _Shot("fields", 300, 375, scenery.fields),
    _Shot("aurora", 390, 450, lambda: scenery.aurora(TILT_PX, 15, 60)),
)
_HARD_CUTS = (75, 150, 240)
_DISSOLVE, _FADE_OUT, _FADE_IN = (300, 315), (360, 375), (390, 405)
_CAMERA: tuple[tuple[int, int, Literal["static", "pan_right", "zoom_in", "tilt_up"]], ...] = (
    (0, 75, "pan_right"),
    (75, 150, "static"),
    (150, 240, "zoom_in"),
    (240, 375, "static"),
    (390, 405, "static"),
    (405, 450, "tilt_up"),
)
_CAPTIONS = (
    Caption("6 places in 15 seconds", 6, 69, 230, 62, "title"),
    Caption("City lights never sleep", 81, 144, 930, 52, "caption"),
    Caption("Up, up and away", 156, 234, 930, 52, "caption"),
    Caption("Sail into the sunset", 246, 294, 930, 52, "caption"),
    Caption("Blown by the wind", 318, 357, 930, 52, "caption"),
    Caption("Follow for part two!", 405, 450, 640, 60, "call_to_action"),
)
_BAR_S = 4 * 60.0 / TEMPO_BPM
_CHORDS = ("G", "C", "D", "G", "G", "C", "D", "G")
_CHORD_NOTES = {"G": (43, 55, 59, 62), "C": (36, 55, 60, 64), "D": (38, 54, 57, 62)}
"""MIDI notes: the bass, then a triad."""
_IMPACT_S, _RISER_S = 5.0, (12.0, 13.0)
_VOICE_S = ((0.4, 2.4), (8.2, 9.8), (13.2, 14.8))


def make_sample(path: Path) -> SampleTruth:
    """Writes the sample video and its truth, unless both are there already in this version.

    Args:
        path: Target, ``….mp4``; the truth goes beside it as ``….truth.json``. Both appear atomically.
    """
    known = truth()
    beside = truth_path(path)
    if path.exists() and beside.exists() and beside.read_text(encoding="utf-8") == _as_json(known):
        return known
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        write_clip(part, pictures(), FPS, sound(), soundtrack.RATE_HZ, Encoding(crf=18, gop=60, threads=2))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    beside_part = beside.with_name(f".{beside.name}.part")
    beside_part.write_text(_as_json(known), encoding="utf-8")
    beside_part.replace(beside)
    return known


def truth_path(path: Path) -> Path:
    """Where the truth of the sample at ``path`` is."""
    return path.with_suffix(".truth.json")


def pictures() -> Iterator[UInt8Array]:
    """All frames in order: uint8 (1280, 720, 3) RGB."""
    painters: dict[str, scenery.Painter] = {}
    captions = [(c, render_caption(c, scenery.WIDTH)) for c in _CAPTIONS]
    for frame in range(FRAMES):
        shots = [s for s in _SHOTS if s.first <= frame < s.end]
        painters = {s.name: painters.get(s.name) or s.painter() for s in shots}
        layers = [painters[s.name](frame - s.first) for s in shots]
        picture = _compose(layers, frame)
        for caption, layer in captions:
            if caption.first_frame <= frame < caption.end_frame:
                draw_caption(picture, layer)
        yield picture


def _compose(layers: list[UInt8Array], frame: int) -> UInt8Array:
    """Dissolve and fades; black where no picture is seen."""
    if not layers:
        return np.zeros((scenery.HEIGHT, scenery.WIDTH, 3), np.uint8)
    picture = layers[0]
    if len(layers) == 2:
        share = (frame - _DISSOLVE[0] + 1) / (_DISSOLVE[1] - _DISSOLVE[0] + 1)
        picture = _blend(layers[0], layers[1], share)
    if _FADE_OUT[0] <= frame < _FADE_OUT[1]:
        picture = _blend(picture, np.zeros_like(picture), (frame - _FADE_OUT[0] + 1) / (_FADE_OUT[1] - _FADE_OUT[0]))
    if _FADE_IN[0] <= frame < _FADE_IN[1]:
        picture = _blend(np.zeros_like(picture), picture, (frame - _FADE_IN[0] + 1) / (_FADE_IN[1] - _FADE_IN[0]))
    return picture


def _blend(a: UInt8Array, b: UInt8Array, share: float) -> UInt8Array:
    import cv2

    return np.asarray(cv2.addWeighted(a, 1.0 - share, b, share, 0.0), np.uint8)


def sound() -> Float32Array:
    """The sound track: float32 (N, 2) in [-1, 1] at ``soundtrack.RATE_HZ``."""
    rng = np.random.default_rng(22)
    size = round(DURATION_S * soundtrack.RATE_HZ)
    music, speech = np.zeros(size), np.zeros(size)
    drums = (soundtrack.kick(), soundtrack.snare(rng), soundtrack.hat(rng))
    for number, chord in enumerate(_CHORDS):
        bass, *triad = _CHORD_NOTES[chord]
        start = number * _BAR_S
        for note in triad:
            soundtrack.add(music, soundtrack.tone(note, _BAR_S, (1.0, 0.4, 0.2, 0.1), 0.5), start, 0.055)
        for eighth in range(8):
            at = start + eighth * _BAR_S / 8
            if not _RISER_S[0] <= at < _RISER_S[1]:
                low = soundtrack.tone(bass, 0.24, (1.0, 0.5, 0.25), 3.0)
                soundtrack.add(music, low, at, 0.06 if eighth % 2 else 0.16)
    for beat in _beats():  # every beat alike, so that no estimator can take two beats for one
        soundtrack.add(music, drums[0], beat, 0.5)
        soundtrack.add(music, drums[1], beat, 0.14)
        soundtrack.add(music, drums[2], beat + 30.0 / TEMPO_BPM, 0.05)
    for start, end in _VOICE_S:
        soundtrack.add(speech, soundtrack.voice(rng, round((end - start) * SYLLABLES_PER_S), end - start), start, 0.6)
        first, last = (round(t * soundtrack.RATE_HZ) for t in (start, end))
        music[first:last] *= 0.35
    soundtrack.add(music, soundtrack.impact(rng), _IMPACT_S, 0.4)
    soundtrack.add(music, soundtrack.riser(rng, _RISER_S[1] - _RISER_S[0]), _RISER_S[0], 0.8)
    mixed = np.tanh(1.3 * (music + speech))
    return np.ascontiguousarray(np.stack([mixed, mixed], axis=1), dtype=np.float32)


def truth() -> SampleTruth:
    """What the sample holds; computed from the tables, without making it."""
    return SampleTruth(
        version=SAMPLE_VERSION,
        fps=FPS,
        frames=FRAMES,
        width=scenery.WIDTH,
        height=scenery.HEIGHT,
        duration_s=DURATION_S,
        places=tuple(Place(name=s.name, start_time=s.first / FPS, end_time=s.end / FPS) for s in _SHOTS),
        cuts=tuple(Cut(frame=f, timestamp=f / FPS) for f in _HARD_CUTS),
        transitions=(
            _transition("dissolve", _DISSOLVE),
            _transition("fade_out", _FADE_OUT),
            _transition("fade_in", _FADE_IN),
        ),
        black=(_FADE_OUT[1] / FPS, _FADE_IN[0] / FPS),
        camera=tuple(_camera(first, end, kind) for first, end, kind in _CAMERA),
        captions=tuple(_caption(c) for c in _CAPTIONS),
        tempo_bpm=TEMPO_BPM,
        beats=_beats(),
        key="G major",
        chords=_CHORDS,
        effects=(
            Effect(kind="impact", start_time=_IMPACT_S, end_time=_IMPACT_S + 1.1),
            Effect(kind="riser", start_time=_RISER_S[0], end_time=_RISER_S[1]),
        ),
        voice=tuple(Voice(start_time=a, end_time=b, syllables=round((b - a) * SYLLABLES_PER_S)) for a, b in _VOICE_S),
        syllables_per_s=SYLLABLES_PER_S,
    )


def _beats() -> tuple[float, ...]:
    beats = np.arange(0.0, DURATION_S, 60.0 / TEMPO_BPM)
    return tuple(float(b) for b in beats if not _RISER_S[0] <= b < _RISER_S[1])


def _transition(kind: Literal["dissolve", "fade_out", "fade_in"], span: tuple[int, int]) -> Transition:
    return Transition(
        kind=kind, first_frame=span[0], end_frame=span[1], start_time=span[0] / FPS, end_time=span[1] / FPS
    )


def _camera(first: int, end: int, kind: Literal["static", "pan_right", "zoom_in", "tilt_up"]) -> CameraMove:
    speed = {"pan_right": PAN_PX * FPS, "tilt_up": TILT_PX * FPS}.get(kind, 0)
    zoom = ZOOM**FPS if kind == "zoom_in" else 1.0
    return CameraMove(kind=kind, start_time=first / FPS, end_time=end / FPS, speed_px_per_s=speed, zoom_per_s=zoom)


def _caption(caption: Caption) -> CaptionTruth:
    return CaptionTruth(
        text=caption.text,
        kind=caption.kind,
        start_time=caption.first_frame / FPS,
        end_time=caption.end_frame / FPS,
        bounding_box=render_caption(caption, scenery.WIDTH).text_box,
    )


def _as_json(known: SampleTruth) -> str:
    return known.model_dump_json(indent=2) + "\n"
