"""Scenes: shots that belong together, with a key frame for each scene and each shot, and small pictures of them.

Method
    * shots come from ``cut_analysis``; shots are alike by colour and its layout (or, over a jump cut, by its
      likeness), and overlapping links make scenes, after Hanjalic, Lagendijk and Biemond 1999
      (``analyzers/signal/scene_links.py``, sources there);
    * where other analyzers are run, too, sound that goes on, texts that stay and CLIP raise the likeness of some shots
      above others' (``analyzers/signal/shot_evidence.py``); none of them is brought in for it, since reading texts
      costs more than all the rest. The result names what counted;
    * key frame: of the frames sampled in a shot, outside its gradual transitions, the one with the best mean of
      sharpness (against the shot's sharpest) and likeness to the shot's mean picture;
    * key frame of a scene: that of the shot that is most like all others of the scene, weighed by their lengths;
    * thumbnails: JPEG of a bounded size, as ``data:`` addresses in a list of their own that refers to frames by number.
      So an analyzer needs no storage; whoever stores the document makes files of them. The bounds keep them under
      ``max_thumbnails`` x ``thumbnail_max_bytes``.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from analyzers.base import Analyzer, AnalyzerConfig, Context, NotApplicable
from analyzers.cut_analysis import CutAnalysisResult, CutType
from analyzers.results.scene_evidence import SOURCES, Evidence, read_evidence
from analyzers.results.scene_segmentation import (
    KeyFrame,
    Scene,
    SceneMeasure,
    SceneResult,
    SceneShot,
    Thumbnail,
)
from analyzers.signal import scene_links
from analyzers.signal.shot_evidence import over_usual
from media.needs import FrameNeed, Needs, Rate
from media.types import Float64Array, FrameBatch, FrameChunk, UInt8Array
from schema.document import TimelineItem

_FRAMES_COMPARED = 8
"""Most frames of a shot that are compared with those of another."""
_QUALITIES = (80, 60, 40, 20, 5)
"""JPEG qualities, tried in turn until a thumbnail is small enough."""


class SceneConfig(AnalyzerConfig):
    """Settings of ``scene_segmentation``."""

    fps: Annotated[float, Field(ge=0.5, le=30.0)] = 5.0
    """Frames per second. A shot shorter than 1 / fps may get no key frame. Higher costs in proportion."""
    short_side_px: Annotated[int, Field(ge=32, le=720)] = 160
    """Size of the pictures in which sharpness is measured; color_analysis asks for the same. Higher sees finer blur
    and costs with the square."""
    link_similarity: Annotated[float, Field(ge=0.0, le=1.0)] = 0.78
    """Likeness of two shots from which they are of one scene. Over 13 shots of a film trailer grouped by eye: 0.80 and
    more within a scene, 0.76 and less across; four talkers in one set: 0.90; five unrelated clips: 0.63 and less. Few
    data, so not finally tuned. Higher gives more, shorter scenes."""
    link_shots: Annotated[int, Field(ge=1, le=50)] = 4
    """Most shots from one to a like one: 4 holds A B C D A together. Higher gives fewer, longer scenes."""
    link_s: Annotated[float, Field(ge=0.0, le=600.0)] = 20.0
    """Longest time between two linked shots. Higher gives fewer, longer scenes. Not yet tuned."""
    clip_weight: Annotated[float, Field(ge=0.0, le=1.0)] = 0.3
    """What CLIP's cosine of two shots, less the clip's mean, adds to their likeness. Two places differ by about 0.3, so
    it decides between likenesses of colour 0.1 apart: those that colour itself leaves open. Not yet tuned. 0 leaves
    CLIP out."""
    text_weight: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    """The same for the share of texts in common, from 0 to 1: weaker, since captions change inside scenes. Not yet
    tuned. 0 leaves texts out."""
    sound_weight: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    """The same for the likeness of sound, from 0 to 1: weaker, since music and off-screen voices lie over whole clips.
    Not yet tuned. 0 leaves sound out."""
    min_lit_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    """Share of the picture that must not be black for a frame to be compared. Higher leaves out title cards, too."""
    thumbnail_short_side_px: Annotated[int, Field(ge=16, le=360)] = 144
    """Size of the thumbnails; 144 x 256 for an upright video is about 6 kB."""
    thumbnail_max_bytes: Annotated[int, Field(ge=1_000, le=100_000)] = 16_000
    """Most bytes of one thumbnail before base64; quality falls until it fits."""
    max_thumbnails: Annotated[int, Field(ge=0, le=1_000)] = 48
    """Most thumbnails in the result: scenes first, then the longest shots. 0 leaves them out."""


@dataclass(frozen=True, eq=False)
class SceneFrame:
    """One sampled frame.

    Attributes:
        time_s: Presentation time.
        frame: Decoded frame number.
        signature: Colour layout.
        lit_share: Share of the picture that is not black.
        sharpness: Variance of the Laplacian.
        jpeg: A thumbnail; empty when none are wanted.
        size_px: Its width and height.
    """

    time_s: float
    frame: int
    signature: scene_links.Signature
    lit_share: float
    sharpness: float
    jpeg: bytes
    size_px: tuple[int, int]


@dataclass(frozen=True)
class SceneObservation:
    """The sampled frames of one chunk."""

    frames: tuple[SceneFrame, ...]


@dataclass(frozen=True)
class _Shot:
    start_s: float
    end_s: float
    transition_in: CutType | None
    jump_likeness: float | None
    frames: list[SceneFrame]
    key: KeyFrame | None


class SceneSegmentation(Analyzer[SceneConfig, FrameChunk, SceneObservation, SceneResult]):
    """Groups shots to scenes and picks their key frames."""

    name = "scene_segmentation"
    version = "4"
    title = "Scenes: shots that belong together, with key frames and thumbnails"
    Config = SceneConfig
    Result = SceneResult
    after = ("cut_analysis",)
    uses = tuple(name for names in SOURCES.values() for name in names)

    def load(self) -> None:
        """Imports OpenCV."""
        import cv2  # noqa: F401

    def needs(self) -> Needs:
        """Small colour frames, a few per second."""
        return Needs(frames=(FrameNeed(Rate(self.config.fps), self.config.short_side_px, "rgb"),))

    def observe(self, chunks: Sequence[FrameChunk]) -> list[SceneObservation]:
        """Colour layout, sharpness and a thumbnail of each own frame."""
        return [_observe(chunk.batch, self.config) for chunk in chunks]

    def conclude(self, observations: Sequence[SceneObservation], context: Context) -> SceneResult:
        """Scenes over the shots of ``cut_analysis``."""
        cuts = context.results.get("cut_analysis")
        if not isinstance(cuts, CutAnalysisResult) or not cuts.shots:
            why = context.missing.get("cut_analysis", "it found none")
            raise NotApplicable("no_shots", f"scenes are made of the shots of cut_analysis: {why}")
        frames = [frame for observation in observations for frame in observation.frames]
        shots = _shots(cuts, frames, context, self.config.min_lit_share)
        like = scene_links.shot_similarities(
            [_compared(shot.frames, self.config.min_lit_share) for shot in shots], self.config.link_shots
        )
        for i, shot in enumerate(shots[1:]):
            if shot.jump_likeness is not None:  # both sides of a jump cut show one scene: another measure of likeness
                like[i, i + 1] = np.fmax(like[i, i + 1], shot.jump_likeness)
        like, measures = self._with_evidence(like, [(s.start_s, s.end_s) for s in shots], context)
        settings = scene_links.LinkSettings(self.config.link_shots, self.config.link_s)
        borders = scene_links.coherence(like, [(s.start_s, s.end_s) for s in shots], settings)
        groups = scene_links.group(borders, self.config.link_similarity)
        scenes = tuple(_scene(i, members, shots, borders, like) for i, members in enumerate(groups))
        scene_of = {shot: i for i, members in enumerate(groups) for shot in members}
        return SceneResult(
            measures=measures,
            scenes=scenes,
            shots=tuple(
                SceneShot(
                    start_time=s.start_s,
                    end_time=s.end_s,
                    shot_id=i,
                    scene_id=scene_of[i],
                    transition_in=s.transition_in,
                    key_frame=s.key,
                )
                for i, s in enumerate(shots)
            ),
            thumbnails=_thumbnails(scenes, shots, self.config.max_thumbnails),
        )

    def _with_evidence(
        self, like: Float64Array, shots: list[tuple[float, float]], context: Context
    ) -> tuple[Float64Array, tuple[SceneMeasure, ...]]:
        """The likeness by colour, raised and lowered by all else that is known."""
        found, missing = read_evidence(shots, context)
        missing |= {name: "no two shots have any" for name, likes in found.items() if not _compares(likes)}
        weights: dict[Evidence, float] = {
            "clip": self.config.clip_weight,
            "text": self.config.text_weight,
            "sound": self.config.sound_weight,
        }
        measures = [SceneMeasure(name="colour", weight=1.0, counted=True, reason=None)]
        for name, weight in weights.items():
            reason = missing.get(name) or (None if weight else "its weight is 0")
            measures.append(SceneMeasure(name=name, weight=weight, counted=reason is None, reason=reason))
            if reason is None:
                like = like + weight * over_usual(found[name], self.config.link_shots)
        return np.clip(like, 0.0, 1.0), tuple(measures)

    def timeline(self, result: SceneResult) -> list[TimelineItem]:
        """One item per scene."""
        return [
            TimelineItem.of(
                scene,
                "seen",
                self.name,
                f"scene {scene.scene_id + 1}: {len(scene.shots)} shot{'s' if len(scene.shots) > 1 else ''}",
                scene.separation,
            )
            for scene in result.scenes
        ]

    def headline(self, result: SceneResult) -> str | None:
        """Number of scenes and shots, the longest scene."""
        scenes, shots = len(result.scenes), len(result.shots)
        if scenes == 1:
            return f"One scene of {shots} shot{'' if shots == 1 else 's'}."
        longest = max(result.scenes, key=lambda scene: scene.duration_s)
        return (
            f"{scenes} scenes of {shots} shots; the longest is scene {longest.scene_id + 1} with "
            f"{longest.duration_s:.1f} s."
        )


def _compares(likeness: Float64Array) -> bool:
    """Whether it knows of two different shots."""
    return bool(np.isfinite(likeness[np.triu_indices(len(likeness), 1)]).any())


def _observe(batch: FrameBatch, config: SceneConfig) -> SceneObservation:
    frames = []
    for picture, time_s, number in zip(batch.own, batch.own_pts_s, batch.own_index, strict=True):
        signature, lit_share = scene_links.signature(picture)
        jpeg, size_px = _jpeg(picture, config) if config.max_thumbnails else (b"", (0, 0))
        frames.append(
            SceneFrame(float(time_s), int(number), signature, lit_share, scene_links.sharpness(picture), jpeg, size_px)
        )
    return SceneObservation(tuple(frames))


def _jpeg(picture: UInt8Array, config: SceneConfig) -> tuple[bytes, tuple[int, int]]:
    """A thumbnail within the bounds, with its width and height."""
    import cv2

    factor = min(1.0, config.thumbnail_short_side_px / min(picture.shape[:2]))
    while True:
        small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        for quality in _QUALITIES:
            _, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
            if len(data) <= config.thumbnail_max_bytes:
                return data.tobytes(), (small.shape[1], small.shape[0])
        factor /= 2.0


def _shots(cuts: CutAnalysisResult, frames: Sequence[SceneFrame], context: Context, min_lit: float) -> list[_Shot]:
    gradual = [(t.start_time, t.end_time) for t in cuts.transitions]
    jumps = {cut.frame: cut.likeness for cut in cuts.cuts if cut.type == "jump"}
    shots = []
    for shot in cuts.shots:
        inside = context.span(shot.start_time, shot.end_time)
        if inside is None:
            continue
        start_s, end_s = inside
        own = [f for f in frames if start_s - 1e-6 <= f.time_s < end_s - 1e-6]
        clear = [f for f in own if not any(a <= f.time_s < b for a, b in gradual)] or own
        lit = [f for f in clear if f.lit_share >= min_lit] or clear
        shots.append(_Shot(start_s, end_s, shot.entered_by, jumps.get(shot.first_frame), lit, _key_frame(lit)))
    return shots


def _key_frame(frames: Sequence[SceneFrame]) -> KeyFrame | None:
    if not frames:
        return None
    sharp = np.array([f.sharpness for f in frames])
    share = sharp / sharp.max() if sharp.max() > 0.0 else np.ones(len(frames))
    likeness = scene_links.representative(np.stack([f.signature for f in frames]))
    score = (share + likeness) / 2.0
    best = int(score.argmax())
    return KeyFrame(
        timestamp=frames[best].time_s,
        frame=frames[best].frame,
        sharpness=frames[best].sharpness,
        sharpness_share=float(share[best]),
        likeness=float(likeness[best]),
        score=float(score[best]),
    )


def _compared(frames: Sequence[SceneFrame], min_lit: float) -> npt.NDArray[Any]:
    """Signatures of frames spread over the shot: (N, B), N up to 8; none of black ones."""
    lit = [f.signature for f in frames if f.lit_share >= min_lit]
    if not lit:
        return np.zeros((0, 1), np.uint8)
    picked = np.unique(np.linspace(0, len(lit) - 1, min(len(lit), _FRAMES_COMPARED)).round().astype(int))
    return np.stack([lit[i] for i in picked])


def _scene(
    number: int, members: range, shots: Sequence[_Shot], borders: Sequence[float | None], like: Float64Array
) -> Scene:
    inside = [b for b in (borders[i] for i in members[:-1]) if b is not None]
    before = borders[members[0] - 1] if number else None
    return Scene(
        scene_id=number,
        start_time=shots[members[0]].start_s,
        end_time=shots[members[-1]].end_s,
        shots=tuple(members),
        transition_in=shots[members[0]].transition_in,
        key_frame=_scene_key(members, shots, like),
        separation=None if before is None else 1.0 - before,
        cohesion=min(inside) if inside else None,
    )


def _scene_key(members: range, shots: Sequence[_Shot], like: Float64Array) -> KeyFrame | None:
    """Key frame of the shot most like the scene's others, each counted by its length."""
    length = np.array([shots[i].end_s - shots[i].start_s for i in members])
    total = np.nan_to_num(like[np.ix_(list(members), list(members))]) @ length
    keyed = [(float(total[n]), -i) for n, i in enumerate(members) if shots[i].key]
    return shots[-max(keyed)[1]].key if keyed else None


def _thumbnails(scenes: Sequence[Scene], shots: Sequence[_Shot], most: int) -> tuple[Thumbnail, ...]:
    """Of the scenes' key frames first, then of the longest shots', no more than ``most``."""
    by_length = sorted(shots, key=lambda s: s.start_s - s.end_s)
    keys = [k for k in [*(s.key_frame for s in scenes), *(s.key for s in by_length)] if k]
    wanted = list(dict.fromkeys(k.frame for k in keys))[:most]
    frames = {f.frame: f for s in shots for f in s.frames if f.frame in wanted}
    return tuple(
        Thumbnail(
            frame=f.frame,
            timestamp=f.time_s,
            width=f.size_px[0],
            height=f.size_px[1],
            image="data:image/jpeg;base64," + base64.b64encode(f.jpeg).decode("ascii"),
        )
        for f in sorted(frames.values(), key=lambda f: f.time_s)
    )
