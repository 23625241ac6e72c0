"""Apparent age of each face that ``eye_tracking`` follows.

Method
    * one frame per second; the faces are those that ``eye_tracking`` saw in the same chunk, computed once for both;
    * InsightFace's ``genderage`` network (research licence: its weights may not be used commercially), or, where the
      licence policy is ``permissive``, a ViT classifier over FairFace's age ranges (Kärkkäinen and Joo, WACV 2021);
    * per track the median over the looks, a range that holds 80 % of them, and their spread.

These are appearances. Networks like these err by five to eight years on photographs, more in video, and not equally for
all groups. Gender presentation is off unless the settings ask for it. Nobody is recognised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import AnalyzerConfig, Context, NotApplicable, Unavailable
from analyzers.inference.age import AgeLook, AgeModel, FaceCrop, open_age_model
from analyzers.inference.device import open_device
from analyzers.inference.model_analyzer import ModelAnalyzer
from analyzers.results.age_estimation import AgeAtMoment, AgeEstimationResult, PersonAge, Presentation, RangeShare
from analyzers.results.eye_tracking import Box, EyeTrackingResult, FacesSeen, FrameFaces
from media.needs import FrameNeed, Needs, Rate
from media.types import FrameChunk
from schema.document import TimelineItem

HELD = 0.8
"""Share of looks or of probability that a range of years holds."""


class AgeEstimationConfig(AnalyzerConfig):
    """Settings of ``age_estimation``."""

    model: Literal["buffalo-l", "age-vit"] = "buffalo-l"
    """Pin in the weights manifest; ``buffalo-l`` is replaced by ``age-vit`` where only permissive licences are
    allowed."""
    fps: Annotated[float, Field(ge=0.1, le=10.0)] = 1.0
    """Frames per second. An age does not change within a clip: more looks only make the median steadier."""
    short_side_px: Annotated[int, Field(ge=128, le=1440)] = 640
    """Shorter side of the pictures; the same as of other analyzers, so that they share one rendition."""
    faces_per_batch: Annotated[int, Field(ge=1, le=256)] = 16
    """Most faces of one forward pass. Higher fills a GPU better; memory grows in proportion."""
    min_face_px: Annotated[float, Field(ge=8.0, le=500.0)] = 40.0
    """Width of a face, in px of the decoded picture, below which it is left out: the networks see 96 to 224 px. Higher
    leaves out more. Not yet tuned."""
    same_moment_s: Annotated[float, Field(ge=0.0, le=1.0)] = 0.11
    """Farthest time of the faces' frame from the one looked at: half the step of ``eye_tracking``'s five per second."""
    report_gender_presentation: bool = False
    """Whether to publish which gender presentation the network sees."""


SAME_BOX_PX = 0.01
"""Corners of one box that was written down in two ways differ by rounding only."""


@dataclass(frozen=True)
class FaceJudged:
    """One face in one frame: when, where (in px of the upright source picture), what the network says."""

    time_s: float
    box: Box
    look: AgeLook


@dataclass(frozen=True)
class AgesSeen:
    """One chunk: its faces, those that were too small, and the network's ranges."""

    faces: tuple[FaceJudged, ...]
    too_small: int
    ranges: tuple[tuple[float, float], ...]


class AgeEstimation(ModelAnalyzer[AgeEstimationConfig, FrameChunk, AgesSeen, AgeEstimationResult]):
    """Judges the age of faces."""

    name = "age_estimation"
    version = "1"
    title = "People: apparent age of each face"
    Config = AgeEstimationConfig
    Result = AgeEstimationResult
    after = ("eye_tracking",)
    upstream = ("eye_tracking",)
    models = ("buffalo-l", "age-vit")
    load_fields = frozenset({"model", "faces_per_batch"})

    def __init__(self, config: AgeEstimationConfig) -> None:
        super().__init__(config)
        self.model: AgeModel | None = None

    def needs(self) -> Needs:
        """Colour frames, one per second."""
        return Needs(frames=(FrameNeed(Rate(self.config.fps), self.config.short_side_px, "rgb"),))

    def load(self) -> None:
        """Loads the network that the licence policy allows."""
        self.model = None
        weights = self.find_weights(self.config.model)
        self.model = open_age_model(weights, open_device(self.runtime), self.config.faces_per_batch)

    def warm_up(self) -> None:
        """One grey face."""
        self._network().judge([FaceCrop(np.full((128, 128, 3), 114, np.uint8), (32.0, 32.0, 96.0, 96.0))])

    def _network(self) -> AgeModel:
        if self.model is None:
            raise RuntimeError("age_estimation: load() has not been called")
        return self.model

    def observe(self, chunks: Sequence[FrameChunk]) -> list[AgesSeen]:
        """Looks at the faces of each chunk; those of all chunks are judged together."""
        network = self._network()
        found = [list(self._faces(chunk)) for chunk in chunks]
        crops = [crop for faces in found for _, _, crop in faces if crop is not None]
        looks = iter(network.judge(crops) if crops else [])
        seen = []
        for faces in found:
            judged = tuple(FaceJudged(t, box, next(looks)) for t, box, crop in faces if crop is not None)
            seen.append(AgesSeen(judged, sum(crop is None for _, _, crop in faces), network.ranges))
        return seen

    def _faces(self, chunk: FrameChunk) -> Iterator[tuple[float, Box, FaceCrop | None]]:
        """Time, box in the source and crop of each face of the sampled frames; no crop for one that is too small."""
        seen, batch = chunk.upstream.get("eye_tracking"), chunk.batch
        frames = seen.frames if isinstance(seen, FacesSeen) else ()
        x, y = batch.to_source
        for picture, pts_s in zip(batch.own, batch.own_pts_s, strict=True):
            time_s = float(pts_s)
            nearest = min(frames, key=lambda frame: abs(frame[0] - time_s), default=None)
            if nearest is None or abs(nearest[0] - time_s) > self.config.same_moment_s:
                continue
            for face in nearest[1]:
                left, top, right, bottom = face.box
                large = (right - left) / x >= self.config.min_face_px
                yield (
                    nearest[0],
                    face.box,
                    FaceCrop(picture, (left / x, top / y, right / x, bottom / y)) if large else None,
                )

    def conclude(self, observations: Sequence[AgesSeen], context: Context) -> AgeEstimationResult:
        """One age for each track."""
        faces = context.results.get("eye_tracking")
        if not isinstance(faces, EyeTrackingResult):
            raise Unavailable(
                "faces_missing",
                f"eye_tracking has no result: {context.missing.get('eye_tracking', 'it was not run')}",
                "The section eye_tracking names the command that mends it.",
            )
        if not faces.max_faces:
            raise NotApplicable("no_faces", "no face is seen in the clip")
        frames = {round(frame.timestamp, 3): frame for frame in faces.frames}
        looks: dict[int, list[FaceJudged]] = {}
        for judged in (face for observation in observations for face in observation.faces):
            frame = frames.get(round(judged.time_s, 3))
            track = _track_at(frame, judged.box) if frame else None
            if track is not None:
                looks.setdefault(track, []).append(judged)
        ranges = observations[0].ranges if observations else ()
        persons = tuple(self._person(track, looks[track], ranges) for track in sorted(looks))
        return AgeEstimationResult(
            persons=persons,
            youngest_years=min((p.years for p in persons), default=None),
            oldest_years=max((p.years for p in persons), default=None),
            faces_too_small=sum(observation.too_small for observation in observations),
        )

    def _person(self, track: int, judged: Sequence[FaceJudged], ranges: Sequence[tuple[float, float]]) -> PersonAge:
        years = np.array([face.look.years for face in judged])
        shares = np.mean([face.look.shares for face in judged], axis=0) if ranges else np.zeros(0)
        low, high = likely_range(shares.tolist(), ranges) if ranges else middle_range(years.tolist())
        masculine = [face.look.masculine for face in judged if face.look.masculine is not None]
        presentation: Presentation | None = None
        if masculine and self.config.report_gender_presentation:
            presentation = "masculine" if float(np.mean(masculine)) >= 0.5 else "feminine"
        share = float(np.mean(masculine)) if presentation else 0.0
        return PersonAge(
            track_id=track,
            years=float(np.median(years)),
            low_years=low,
            high_years=high,
            spread_years=float(years.std()),
            looks=tuple(AgeAtMoment(timestamp=face.time_s, years=face.look.years) for face in judged),
            ranges=tuple(
                RangeShare(low_years=a, high_years=b, share=min(1.0, max(0.0, float(share))))
                for (a, b), share in zip(ranges, shares, strict=True)
            ),
            gender_presentation=presentation,
            gender_presentation_share=None
            if not presentation
            else share
            if presentation == "masculine"
            else 1.0 - share,
        )

    def timeline(self, result: AgeEstimationResult) -> list[TimelineItem]:
        """Nothing: an age is no event."""
        return []

    def headline(self, result: AgeEstimationResult) -> str | None:
        """The range of each person."""
        if not result.persons:
            return "Ages: no face was large enough."
        named = ", ".join(f"{p.low_years:.0f}-{p.high_years:.0f}" for p in result.persons[:4])
        rest = len(result.persons) - 4
        return f"Apparent ages: {named}{f' and {rest} more' if rest > 0 else ''} years."


def middle_range(years: Sequence[float]) -> tuple[float, float]:
    """The narrowest range that holds at least ``HELD`` of the looks."""
    ordered = sorted(years)
    count = int(np.ceil(HELD * len(ordered) - 1e-9))
    first = min(range(len(ordered) - count + 1), key=lambda i: ordered[i + count - 1] - ordered[i])
    return ordered[first], ordered[first + count - 1]


def likely_range(shares: Sequence[float], ranges: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The fewest neighbouring ranges whose shares sum to at least ``HELD``; of several the most probable."""
    for width in range(1, len(ranges) + 1):
        sums = [sum(shares[i : i + width]) for i in range(len(ranges) - width + 1)]
        best = int(np.argmax(sums))
        if sums[best] >= HELD:
            return ranges[best][0], ranges[best + width - 1][1]
    return ranges[0][0], ranges[-1][1]


def _track_at(frame: FrameFaces, box: Box) -> int | None:
    """Track of the face with this box; None for a face without a track."""
    for face in frame.faces:
        b = face.bounding_box
        if np.allclose((b.x, b.y, b.x + b.width, b.y + b.height), box, atol=SAME_BOX_PX):
            return face.track_id
    return None
