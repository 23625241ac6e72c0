"""People: where each joint is, what posture and gestures the joints make, how near people are, who is who over time.

Method
    * a pose network on three frames per second (``analyzers/vision/pose_net.py``, sources there): YOLOv8-pose, or
      ViTPose in the person boxes of ``object_detection`` where the licence policy is ``permissive``; both give COCO's
      17 joints (Lin et al., 2014);
    * ByteTrack (Zhang et al., ECCV 2022) by shot says who is who; where ``object_detection`` follows the same person,
      its number stands beside;
    * postures and gestures by named rules over the joints (``analyzers/vision/gestures.py`` and ``postures.py``), in
      lengths of the person's own trunk; the result lists each rule with its thresholds;
    * nearness: length of the trunk over the picture's height (proportions: Winter 2009). A zoom looks the same.

Two dimensions do not tell all: what the rules cannot see is said where they stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import AnalyzerConfig, Context, NotApplicable, Unavailable
from analyzers.inference.device import open_device
from analyzers.inference.model_analyzer import ModelAnalyzer
from analyzers.inference.oom import in_halves
from analyzers.results.body_pose import BodyPoseResult, GestureRule
from analyzers.results.known_shots import known_shots
from analyzers.results.poses import FramePoses, Poses, pack_poses
from analyzers.vision.batches import each_frame
from analyzers.vision.gestures import RULES
from analyzers.vision.given_boxes import given_boxes, pose_in_boxes, to_source
from analyzers.vision.people import LEANING_IN, People, PeopleSettings
from analyzers.vision.pose_net import RawPoses, VitPose, YoloPose
from analyzers.vision.rules import GestureSettings
from analyzers.vision.tracking import TrackSettings, import_tracker
from analyzers.vision.yolo import YoloSettings
from media.needs import FrameNeed, Needs, Rate
from media.types import FrameChunk, UInt8Array
from schema.document import TimelineItem


class BodyPoseConfig(AnalyzerConfig):
    """Settings of ``body_pose``. A trunk is the person's own length from shoulder to hip."""

    model: Literal["yolov8x-pose", "yolov8n-pose", "vitpose-base"] = "yolov8x-pose"
    """Pin in the weights manifest. On COCO val2017 the publishers give an AP of 69.2 for yolov8x-pose, 50.4 for
    yolov8n-pose and 75.8 for ViTPose-B in given boxes; a pin that the licence policy refuses is replaced by the
    manifest's alternative."""
    fps: Annotated[float, Field(ge=0.1, le=30.0)] = 3.0
    """Frames per second; for ViTPose those of object_detection count, so keep both alike. Higher finds shorter gestures
    and costs in proportion."""
    short_side_px: Annotated[int, Field(ge=128, le=1440)] = 640
    """Shorter side of the decoded pictures; the same as of object_detection, so that both share one rendition."""
    input_px: Annotated[int, Field(ge=64, le=1536, multiple_of=32)] = 640
    """Longer side of the picture that YOLO sees: 640 is what its weights were trained at. Higher finds smaller people
    and costs with the square."""
    min_score: Annotated[float, Field(ge=0.0, le=1.0)] = 0.25
    """Score of a box from which somebody counts; Ultralytics' own default. Higher reports fewer people."""
    max_overlap: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    """Intersection over union from which the weaker of two boxes is taken for the same person; Ultralytics' default."""
    max_people: Annotated[int, Field(ge=1, le=100)] = 12
    """Most people of one frame, those of the best score. A crowd's joints say nothing; higher costs ViTPose one pass
    for each and grows the result."""
    frames_per_batch: Annotated[int, Field(ge=1, le=256)] = 16
    """Most pictures of one forward pass, for ViTPose people. Higher fills a GPU better; memory grows in proportion."""
    min_joint: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """Confidence from which a rule reads a joint: the middle of the scale, used by Ultralytics for drawing. Higher
    finds fewer gestures of people who are partly hidden."""
    sure_score: Annotated[float, Field(ge=0.0, le=1.0)] = 0.4
    """Score from which a box may begin a track; weaker ones only continue one. Not yet tuned."""
    min_track_overlap: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Least overlap of a box with where its track is expected; the tracker's own default."""
    lost_s: Annotated[float, Field(gt=0.0, le=30.0)] = 1.0
    """Seconds after which an unseen track has ended; ByteTrack's 30 frames."""
    bridge_s: Annotated[float, Field(ge=0.0, le=30.0)] = 0.4
    """Gap in a gesture or in somebody's presence that is no interruption: one missed sample at 3 per second."""
    min_gesture_s: Annotated[float, Field(ge=0.0, le=30.0)] = 0.6
    """Shortest gesture: two samples at 3 per second, so that one misplaced joint makes none. Higher reports fewer."""
    min_posture_s: Annotated[float, Field(ge=0.0, le=60.0)] = 1.5
    """Shortest posture: who passes through one on the way to another does not hold it for so long. Not yet tuned."""
    raise_height: Annotated[float, Field(ge=-1.0, le=2.0)] = 0.15
    """Height of a wrist over its shoulder, in trunks, from which a hand is raised: 7 cm of an adult. Higher wants
    hands higher. Not yet tuned."""
    up_height: Annotated[float, Field(ge=-1.0, le=2.0)] = 0.45
    """The same for both arms up: about the height of the eyes (0.4 trunks over the shoulders). Not yet tuned."""
    straight_deg: Annotated[float, Field(ge=90.0, le=180.0)] = 150.0
    """Angle at the elbow from which an arm is straight; people rarely lock it at 180. Higher finds fewer."""
    point_deg: Annotated[float, Field(ge=0.0, le=90.0)] = 45.0
    """Angle from hanging, and from straight up, from which a straight arm points. Higher wants it more level."""
    level_deg: Annotated[float, Field(ge=0.0, le=90.0)] = 30.0
    """Angle from level within which both straight arms count as spread. Higher finds more. Not yet tuned."""
    face_reach: Annotated[float, Field(gt=0.0, le=2.0)] = 0.35
    """Distance of a hand's middle from the face's middle, in trunks, up to which it is near the face: half a head and
    half a hand are 0.4. Higher finds more."""
    cross_width: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    """How far each wrist is beyond the chest's middle when arms are crossed, in trunks. Higher finds fewer. Not yet
    tuned."""
    hip_reach: Annotated[float, Field(gt=0.0, le=2.0)] = 0.35
    """Distance of a wrist from its hip joint, in trunks, up to which the hand is on the hip: the hand's own length is
    0.37. Not yet tuned."""
    elbow_out: Annotated[float, Field(ge=0.0, le=2.0)] = 0.25
    """How far the elbow is beside the hip then, in trunks; a hanging arm stays within 0.2. Not yet tuned."""
    hands_apart: Annotated[float, Field(gt=0.0, le=2.0)] = 0.3
    """Distance of the wrists, in trunks, up to which hands are together: fingers of both hands touch at 0.4. Not yet
    tuned."""
    sit_drop: Annotated[float, Field(ge=0.0, le=1.0)] = 0.6
    """How far the knees are below the hips when sitting, in thighs: 0 on a chair seen from the side, 1 standing.
    Higher calls more sitting. Not yet tuned."""
    feet_apart: Annotated[float, Field(gt=0.0, le=4.0)] = 1.0
    """Distance of the feet, in trunks, up to which somebody with bent knees may sit: a lunge stands wider. Not yet
    tuned."""
    stand_drop: Annotated[float, Field(ge=0.0, le=1.0)] = 0.8
    """The same from which somebody stands: a knee bent forward by 37 degrees. Not yet tuned."""
    lean_deg: Annotated[float, Field(gt=0.0, le=90.0)] = 20.0
    """Tilt of the trunk in the picture from which somebody leans sideways: a shifted hip stays below 10. Not yet
    tuned."""
    lie_deg: Annotated[float, Field(gt=0.0, le=90.0)] = 60.0
    """Tilt of the trunk from which somebody lies. Not yet tuned."""
    head_deg: Annotated[float, Field(gt=0.0, le=90.0)] = 20.0
    """Angle between eyes and shoulders from which the head is tilted. Not yet tuned."""
    lean_in: Annotated[float, Field(gt=1.0, le=5.0)] = 1.25
    """Growth of the trunk over its median in the shot from which somebody leans in: from 1.5 m to 1.2 m away. Higher
    wants more. Not yet tuned."""
    very_close: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    """Trunk over picture height from which somebody is very close: head and shoulders fill the height."""
    close: Annotated[float, Field(gt=0.0, le=10.0)] = 0.5
    """The same for close: from the waist up a person's half (0.53 body heights) fills the height at 0.54."""
    medium: Annotated[float, Field(gt=0.0, le=10.0)] = 0.25
    """The same for medium: a whole person fills the height at 0.29. Below is far."""

    def yolo_settings(self) -> YoloSettings:
        """Those of one prediction."""
        return YoloSettings(self.input_px, self.min_score, self.max_overlap, self.max_people)

    def gesture_settings(self) -> GestureSettings:
        """Those of the rules."""
        return GestureSettings(**{name: getattr(self, name) for name in GestureSettings.__dataclass_fields__})

    def people_settings(self) -> PeopleSettings:
        """Those of putting people together."""
        return PeopleSettings(
            TrackSettings(self.fps, self.sure_score, self.min_track_overlap, self.lost_s),
            self.gesture_settings(),
            self.very_close,
            self.close,
            self.medium,
            self.lean_in,
            self.min_gesture_s,
            self.min_posture_s,
            self.bridge_s,
        )


class BodyPose(ModelAnalyzer[BodyPoseConfig, FrameChunk, Poses, BodyPoseResult]):
    """Finds people's joints and what they make of them."""

    name = "body_pose"
    version = "1"
    title = "People: joints, posture, gestures, nearness"
    Config = BodyPoseConfig
    Result = BodyPoseResult
    after = ("object_detection",)
    uses = ("cut_analysis",)
    upstream = ("object_detection",)
    models = ("yolov8x-pose", "yolov8n-pose", "vitpose-base")
    load_fields = frozenset({"model"})

    def __init__(self, config: BodyPoseConfig) -> None:
        super().__init__(config)
        self.net: YoloPose | VitPose | None = None

    def needs(self) -> Needs:
        """Colour frames, three per second."""
        return Needs(frames=(FrameNeed(Rate(self.config.fps), self.config.short_side_px, "rgb"),))

    def load(self) -> None:
        """Loads the network, and the tracker's package."""
        self.net = None
        weights = self.find_weights(self.config.model)
        device = open_device(self.runtime)
        self.net = YoloPose(weights, device) if weights.pin.format == "torch" else VitPose(weights, device)
        import_tracker()

    def warm_up(self) -> None:
        """One grey picture."""
        side = self.config.short_side_px
        grey = np.full((side, side, 3), 114, np.uint8)
        if isinstance(self.net, VitPose):
            self.net.joints([(grey, np.array([0.0, 0.0, side, side], np.float32))])
        else:
            self._people([grey])

    def observe(self, chunks: Sequence[FrameChunk]) -> list[Poses]:
        """Joints of everybody in each own frame, in px of the source."""
        if isinstance(self.net, VitPose):
            net, config = self.net, self.config
            boxes = [given_boxes(chunk, config.min_score, config.max_people) for chunk in chunks]
            return pose_in_boxes(lambda batch: in_halves(net.joints, batch), chunks, boxes, config.frames_per_batch)
        found = each_frame(chunks, self._people, self.config.frames_per_batch)
        return [
            pack_poses(
                [_in_source(raw, float(time_s), chunk) for raw, time_s in zip(own, chunk.batch.own_pts_s, strict=True)]
            )
            for chunk, own in zip(chunks, found, strict=True)
        ]

    def _people(self, frames: Sequence[UInt8Array]) -> list[RawPoses]:
        net = self.net
        if not isinstance(net, YoloPose):
            raise RuntimeError("body_pose: load() has not been called")
        settings = self.config.yolo_settings()
        return in_halves(lambda batch: net.people(batch, settings), frames)

    def conclude(self, observations: Sequence[Poses], context: Context) -> BodyPoseResult:
        """People, gestures, nearness."""
        frames = [frame for observation in observations for frame in observation.frames()]
        if not frames and any(o.boxes_missing for o in observations):
            why = context.missing.get("object_detection", "it gave no boxes")
            raise Unavailable(
                "no_person_boxes",
                f"{self.config.model} needs the person boxes of object_detection: {why}",
                "Ask for object_detection too; where its section has no result, it names the command that mends it.",
            )
        if not frames:
            raise NotApplicable("no_frames", "pose estimation needs at least one frame")
        cuts = [start for start, _ in known_shots(context) or []]
        people = People(frames, cuts, self.config.people_settings(), context)
        tracks, counts = people.tracks(), [len(frame) for frame in frames]
        main = max(tracks, key=lambda t: t.area_share * t.time_share, default=None)
        return BodyPoseResult(
            frames=people.frames(),
            people=tracks,
            main_track_id=None if main is None else main.track_id,
            max_people=max(counts),
            mean_people=float(np.mean(counts)),
            gestures=people.gestures(),
            nearness=people.nearness(),
            rules=self._rules(),
        )

    def _rules(self) -> tuple[GestureRule, ...]:
        settings = self.config.gesture_settings()
        said = [GestureRule(gesture=rule.name, kind=rule.kind, rule=rule.said(settings)) for rule in RULES]
        growth = f"trunk at least {self.config.lean_in:g} times its median length in the shot"
        return (*said, GestureRule(gesture=LEANING_IN, kind="gesture", rule=growth))

    def timeline(self, result: BodyPoseResult) -> list[TimelineItem]:
        """Gestures and postures; whose, where there are several people."""
        several = len(result.people) > 1
        return [
            TimelineItem.of(
                g,
                "seen",
                self.name,
                _words(g.gesture, g.side) + (f" (person {g.track_id})" if several else ""),
                g.score,
            )
            for g in result.gestures
        ]

    def headline(self, result: BodyPoseResult) -> str | None:
        """People at once, the main person's nearness, the gestures."""
        if not result.max_people:
            return "People: nobody in the sampled frames."
        parts = [f"up to {result.max_people} at once"]
        main = next((p for p in result.people if p.track_id == result.main_track_id), None)
        if main is not None and main.nearness is not None:
            parts.append(f"main person {main.nearness.replace('_', ' ')}")
        names = [g.gesture for g in result.gestures]
        counted = [f"{_words(name, None)} {names.count(name)}x" for name in dict.fromkeys(names)]
        return f"People: {', '.join([*parts, *counted])}."


def _in_source(raw: RawPoses, time_s: float, chunk: FrameChunk) -> FramePoses:
    """The people of a frame of the rendition, in px of the upright source picture."""
    factors = to_source(chunk)
    joints = raw.joints.copy()
    joints[..., :2] *= factors[:2]
    return FramePoses(time_s, raw.boxes * factors, raw.scores, joints)


def _words(gesture: str, side: str | None) -> str:
    words = gesture.replace("_", " ")
    return f"{words} ({side})" if side in ("left", "right") else words
