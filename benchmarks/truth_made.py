"""Clips made for the accuracy table, with exact truth: two films cut at random, and sounds of known tempo, key, level.

The films are cut from stretches without a cut (drawn places; shared clips) at random: another seed gives other films.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from benchmarks.truth_media import shared_path
from benchmarks.truth_pictures import EditTruth, Transition
from benchmarks.truth_sound import WORDS_CLIP, aligned_words
from media.decode import decode_audio, decode_video
from media.limits import MediaLimits
from media.needs import AudioNeed, EveryFrame, FrameNeed, Needs
from media.plan import plan_decode
from media.probe import probe
from media.types import FrameBatch, UInt8Array
from ops import scenery, soundtrack
from ops.clips import Encoding, write_clip

FPS = 25
WIDTH, HEIGHT = 180, 320
SHOTS = 30
STRETCH_FRAMES = 75
SEED = 20

Joint = Literal["hard", "dissolve", "fade"]

_STRETCHES = (
    ("moviepy/chaplin.mp4", 20),
    ("intel/bottle-detection.mp4", 100),
    ("intel/car-detection.mp4", 60),
    ("intel/asl_book.mkv", 20),
    ("tfjs/asl_hand.25fps.mp4", 40),
    ("lipnet/bbaf2n.mpg", 0),
    ("lipnet/brbk7n.mpg", 0),
    ("moviepy/big_buck_bunny_0_30.webm", 130),
    ("moviepy/big_buck_bunny_0_30.webm", 290),
    ("derived/camera_pan_zoom_A.mp4", 40),
)
"""Clip and first frame of a stretch in which nothing is cut or faded, by eye or by construction."""


@dataclass(frozen=True)
class FilmPlan:
    """A film cut at random.

    Attributes:
        frames: For each frame the pictures it is mixed of: stretch, frame in it, weight. The rest is black.
        truth: Its cuts and transitions.
    """

    frames: tuple[tuple[tuple[int, int, float], ...], ...]
    truth: EditTruth


def plan_film(seed: int, stretches: int, shots: int = SHOTS) -> FilmPlan:
    """Hard cuts (40 %), dissolves (30 %) and fades through black (30 %); each shot from another stretch than the last.

    Args:
        seed: Of all choices.
        stretches: Number of stretches, ``STRETCH_FRAMES`` long, at least 2.
        shots: Number of shots.
    """
    rng = np.random.default_rng(seed)
    joints: list[Joint] = [_joint(rng) for _ in range(shots - 1)]
    # Frames that a joint takes of the shot before it and of the one behind it; those of a dissolve are the same ones.
    sizes = [_sizes(joint, rng) for joint in joints]
    frames: list[list[tuple[int, int, float]]] = []
    cuts: list[int] = []
    gradual: list[Transition] = []
    source = int(rng.integers(stretches))
    for number in range(shots):
        before, after = joints[number - 1] if number else None, joints[number] if number < shots - 1 else None
        lead, tail = sizes[number - 1][1] if number else 0, sizes[number][0] if after else 0
        body = int(rng.integers(12, STRETCH_FRAMES - lead - tail + 1))
        at = int(rng.integers(0, STRETCH_FRAMES - lead - body - tail + 1))
        if before == "fade":
            frames += [[] for _ in range(int(rng.integers(0, 7)))]
        start = len(frames) - (lead if before == "dissolve" else 0)
        frames += [[] for _ in range(start + lead + body + tail - len(frames))]
        for k in range(lead + body + tail):
            weight = _weight(k + 1, lead, before) * _weight(lead + body + tail - k, tail, after, leaving=True)
            frames[start + k].append((source, at + k, weight))
        if before == "hard":
            cuts.append(start)
        elif before is not None:
            gradual.append(Transition("dissolve" if before == "dissolve" else "fade_in", start, start + lead))
        if after == "fade":
            gradual.append(Transition("fade_out", len(frames) - tail, len(frames)))
        source = int(rng.choice([s for s in range(stretches) if s != source]))
    return FilmPlan(tuple(tuple(f) for f in frames), EditTruth(tuple(cuts), (), tuple(gradual)))


def _joint(rng: np.random.Generator) -> Joint:
    draw = rng.random()
    return "hard" if draw < 0.4 else "dissolve" if draw < 0.7 else "fade"


def _sizes(joint: Joint, rng: np.random.Generator) -> tuple[int, int]:
    if joint == "hard":
        return 0, 0
    first, second = (int(n) for n in rng.integers(8, 21, 2))
    return (first, first) if joint == "dissolve" else (first, second)


def _weight(step: int, size: int, joint: Joint | None, *, leaving: bool = False) -> float:
    """Weight of a shot's picture ``step`` frames (from 1) from its end at a joint of ``size`` frames.

    A dissolve's two weights add up to one and neither is ever zero; a fade out ends in black, a fade in does not
    begin with it, as in the sample video.
    """
    if step > size:
        return 1.0
    if joint == "dissolve":
        return step / (size + 1)
    return (step - 1) / size if leaving else step / size


def film(stretches: Sequence[UInt8Array], plan: FilmPlan) -> Iterator[UInt8Array]:
    """The film's pictures, uint8 (HEIGHT, WIDTH, 3)."""
    for parts in plan.frames:
        mixed = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        for source, frame, weight in parts:
            mixed += np.float32(weight) * stretches[source][frame]
        yield np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def make_film(path: Path, stretches: Sequence[UInt8Array], seed: int) -> EditTruth:
    """Writes a random film of these stretches; the answer is its truth."""
    plan = plan_film(seed, len(stretches))
    write_clip(path, film(stretches, plan), FPS, encoding=Encoding(crf=23))
    return plan.truth


def drawn_stretches() -> list[UInt8Array]:
    """Of the sample video's places."""
    painters = (
        scenery.mountains(4, STRETCH_FRAMES),
        scenery.city(),
        scenery.balloons(1.004, STRETCH_FRAMES),
        scenery.sea(STRETCH_FRAMES),
        scenery.fields(),
        scenery.aurora(4, 0, STRETCH_FRAMES),
    )
    return [np.stack([_cropped(paint(k)) for k in range(STRETCH_FRAMES)]) for paint in painters]


def shared_stretches() -> list[UInt8Array]:
    """Of those shared clips that are there; empty without the folder."""
    found = ((shared_path(name), first) for name, first in _STRETCHES)
    return [_stretch(path, first) for path, first in found if path]


def _stretch(path: Path, first: int) -> UInt8Array:
    limits = MediaLimits()
    facts = probe(path, limits)
    plan = plan_decode({"film": Needs(frames=(FrameNeed(EveryFrame(), HEIGHT),))}, facts, 2.0)
    pictures: list[UInt8Array] = []
    for item in decode_video(path, plan, facts, limits, threads=1):
        if isinstance(item, FrameBatch):
            pictures += [_cropped(p) for p, n in zip(item.own, item.own_index, strict=True) if n >= first]
        if len(pictures) >= STRETCH_FRAMES:
            break
    return np.stack(pictures[:STRETCH_FRAMES])


def _cropped(picture: UInt8Array) -> UInt8Array:
    """Scaled to cover the film's picture, its middle cut out."""
    import cv2

    factor = max(WIDTH / picture.shape[1], HEIGHT / picture.shape[0])
    size = max(WIDTH, round(factor * picture.shape[1])), max(HEIGHT, round(factor * picture.shape[0]))
    scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if factor < 1.0 else cv2.INTER_LINEAR)
    top, left = (size[1] - HEIGHT) // 2, (size[0] - WIDTH) // 2
    return np.asarray(scaled[top : top + HEIGHT, left : left + WIDTH], np.uint8)


# Sounds

Samples = npt.NDArray[np.float64]

CLICK_BPM = (66, 84, 100, 112, 128, 150)
DRUM_BPM = (90, 105, 120, 140)
CADENCES = (("C", "major"), ("A", "minor"), ("Eb", "major"), ("F#", "minor"), ("Bb", "major"), ("E", "minor"))
LEVEL_RATE_HZ = 48_000
LEVEL_CASES: dict[str, tuple[tuple[float, float], ...]] = {
    "EBU Tech 3341 case 1": ((20.0, -23.0),),
    "EBU Tech 3341 case 2": ((20.0, -33.0),),
    "EBU Tech 3341 case 3": ((10.0, -36.0), (60.0, -23.0), (10.0, -36.0)),
}
"""Stereo sine of 1 kHz: seconds and level in dBFS of each part."""
LEVEL_LUFS = {"EBU Tech 3341 case 1": -23.0, "EBU Tech 3341 case 2": -33.0, "EBU Tech 3341 case 3": -23.0}
"""Expected, within 0.1 LU."""

_TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_LENGTH_S = 10.0
_FIRST_S = 0.1


def beat_times(bpm: int) -> tuple[float, ...]:
    """Of the click tracks and the drums, seconds."""
    return tuple(float(t) for t in np.arange(_FIRST_S, _LENGTH_S - 0.05, 60.0 / bpm))


def clicks(bpm: int) -> Samples:
    """A click on each beat."""
    track = np.zeros(round(_LENGTH_S * soundtrack.RATE_HZ))
    for beat in beat_times(bpm):
        soundtrack.add(track, soundtrack.tone(84, 0.03, (1.0,), 120.0), beat, 0.8)
    return track


def drums(bpm: int) -> Samples:
    """Kick and snare in turn, a hat on each eighth: the common beat of pop."""
    rng = np.random.default_rng(bpm)
    track = np.zeros(round(_LENGTH_S * soundtrack.RATE_HZ))
    for number, beat in enumerate(beat_times(bpm)):
        soundtrack.add(track, soundtrack.snare(rng) if number % 2 else soundtrack.kick(), beat, 0.5)
        for eighth in (beat, beat + 30.0 / bpm):
            soundtrack.add(track, soundtrack.hat(rng), eighth, 0.1)
    return track


def cadence(tonic: str, mode: str) -> Samples:
    """I-IV-V-I (i-iv-V-i) twice, with its bass: the smallest proof of a key."""
    root, third = 48 + _TONICS.index(tonic), 4 if mode == "major" else 3
    chords = ((0, third), (5, third), (7, 4), (0, third)) * 2
    track = np.zeros(len(chords) * soundtrack.RATE_HZ)
    for number, (step, middle) in enumerate(chords):
        for note in (root + step - 12, root + step, root + step + middle, root + step + 7):
            soundtrack.add(track, soundtrack.tone(note, 1.0, (1.0, 0.5, 0.33, 0.25), 1.0), float(number), 0.08)
    return track


def level_tone(parts: Sequence[tuple[float, float]]) -> Samples:
    """A sine of 1 kHz with the given lengths and levels, both channels: (N, 2) at ``LEVEL_RATE_HZ``."""
    time_s = np.arange(round(sum(length for length, _ in parts) * LEVEL_RATE_HZ)) / LEVEL_RATE_HZ
    level = np.concatenate([np.full(round(length * LEVEL_RATE_HZ), 10.0 ** (dbfs / 20.0)) for length, dbfs in parts])
    wave_ = level * np.sin(2.0 * np.pi * 1000.0 * time_s)
    return np.stack([wave_, wave_], axis=1)


PASTED_GAPS_S = (0.3, 0.6, 0.2, 1.2, 0.8)


def parted_words() -> tuple[Samples, list[tuple[float, float]]] | None:
    """The shared sentence cut apart at its published words, with digital silence of known length between them.

    Returns:
        Samples at 16 kHz and the silences between the words; None where the clip is absent.
    """
    path = shared_path(WORDS_CLIP)
    if path is None:
        return None
    limits = MediaLimits()
    facts = probe(path, limits)
    plan = plan_decode({"words": Needs(audio=(AudioNeed(16_000),))}, facts, 2.0)
    samples = np.asarray(decode_audio(path, plan, facts, limits)[0].samples, np.float64)
    words, pieces, silences, now_s = aligned_words(), list[Samples](), list[tuple[float, float]](), 0.0
    for number, (start, end) in enumerate(words):
        piece = samples[round(start * 16_000) : round(end * 16_000)]
        pieces.append(piece)
        now_s += len(piece) / 16_000
        if number < len(words) - 1:
            gap_s = PASTED_GAPS_S[number]
            silences.append((now_s, now_s + gap_s))
            pieces.append(np.zeros(round(gap_s * 16_000)))
            now_s += gap_s
    return np.concatenate(pieces), silences


def write_wav(path: Path, samples: Samples, rate_hz: int = soundtrack.RATE_HZ) -> None:
    """16 bit PCM, (N,) or (N, 2) in [-1, 1]."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.round(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes())
