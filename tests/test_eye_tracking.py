"""Faces through MediaPipe itself on a made bundle; looks, eye contact, lids and tracks of made faces."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzers.base import Context, NotApplicable, Unavailable
from analyzers.eye_tracking import EyeTracking, EyeTrackingConfig
from analyzers.host import AnalyzerHost
from analyzers.inference.face_mesh import TASK_FILE, FaceMesh
from analyzers.results.detections import FrameDetections, pack_detections
from analyzers.results.eye_tracking import EyeTrackingResult, FaceSeen, FacesSeen
from analyzers.runtime import Runtime
from analyzers.vision.face_tracks import FaceSettings, count_blinks, direction_of, eye_state
from media.needs import FrameNeed, Rate
from media.types import FrameBatch, FrameChunk
from schema.document import VideoFacts
from tests.decoded import decode
from tests.tiny_weights import TinyWeights
from tests.upright_clip import ORIENTATIONS, upright_pictures, write_clip

VIDEO = VideoFacts(container="mp4", duration_s=4.0, width=1000, height=1000, frame_rate=30.0)
SETTINGS = EyeTrackingConfig().face_settings()
SAME_PX = 1.5
"""Decoding by other means changes pixels by rounding, and the made face hangs on none of them but the box's corners."""


@pytest.fixture(scope="module")
def tracker(tiny_weights: TinyWeights) -> EyeTracking:
    analyzer = EyeTracking(EyeTrackingConfig())
    analyzer.runtime = tiny_weights.runtime("face-landmarker")
    analyzer.load()
    return analyzer


@pytest.fixture(scope="module")
def library(tiny_weights: TinyWeights) -> Any:
    """MediaPipe's own way, from the file to the points in px."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    path = tiny_weights.path("face-landmarker") / TASK_FILE
    options = vision.FaceLandmarkerOptions(base_options=BaseOptions(model_asset_path=str(path)), num_faces=4)
    with vision.FaceLandmarker.create_from_options(options) as landmarker:

        def points(picture: Any) -> list[Any]:
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture)
            high, wide = picture.shape[:2]
            return [
                np.array([[p.x * wide, p.y * high] for p in face]) for face in landmarker.detect(image).face_landmarks
            ]

        yield points


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_faces_are_mediapipes_own_through_the_real_decoder(
    tracker: EyeTracking, library: Any, tmp_path: Path, orientation: str
) -> None:
    path = write_clip(tmp_path, orientation)
    out = decode(path, FrameNeed(Rate(5.0), 640))
    chunks = [FrameChunk(h.index, h.start_s, h.end_s, tuple(batches)) for h, batches in out.chunks]
    frames = [frame for seen in tracker.observe(chunks) for frame in seen.frames]
    pictures = upright_pictures(path)
    assert len(frames) == len(pictures) == 3
    found = 0
    for (_, faces), picture in zip(frames, pictures, strict=True):
        theirs = library(picture)
        assert len(faces) == len(theirs)
        for face, points in zip(faces, theirs, strict=True):
            found += 1
            limits = np.array([picture.shape[1], picture.shape[0]] * 2)
            expected = np.clip([*points.min(axis=0), *points.max(axis=0)], 0, limits)
            np.testing.assert_allclose(face.box, expected, atol=SAME_PX)
            # The made face looks straight ahead, however large its box is.
            assert face.gaze == pytest.approx((0.0, 0.0, -1.0), abs=0.02)
    assert found


def chunk_of(pictures: list[Any], upstream: dict[str, Any] | None = None) -> FrameChunk:
    pts = np.arange(len(pictures)) / 5.0
    high, wide = pictures[0].shape[:2]
    batch = FrameBatch(np.stack(pictures), pts, np.arange(len(pictures)), 0, 2 * wide, 2 * high)
    return FrameChunk(0, 0.0, len(pictures) / 5.0, (batch,), upstream or {})


def bright(height: int = 320, width: int = 200) -> np.ndarray[Any, Any]:
    return np.full((height, width, 3), 200, np.uint8)


def test_boxes_are_in_px_of_the_source(tracker: EyeTracking, library: Any) -> None:
    ((_, (face,)),) = tracker.observe([chunk_of([bright()])])[0].frames
    (points,) = library(bright())
    np.testing.assert_allclose(face.box, [*(2 * points.min(axis=0)), *(2 * points.max(axis=0))], atol=0.1)


def test_a_dark_picture_has_no_face(tracker: EyeTracking) -> None:
    assert tracker.observe([chunk_of([bright() // 10])])[0].frames == ((0.0, ()),)


def head_in_the_dark() -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
    """A bright head in a dark picture, and the person's box around it, in px of the source."""
    picture = np.full((320, 200, 3), 10, np.uint8)
    picture[40:100, 60:120] = 230
    person = FrameDetections(
        0.0, np.array([[130.0, 90.0, 230.0, 390.0]], np.float32), np.ones(1, np.float32), ("person",)
    )
    return picture, {"object_detection": pack_detections([person])}


def test_a_head_is_looked_at_apart_where_the_whole_picture_shows_no_face(tracker: EyeTracking) -> None:
    picture, upstream = head_in_the_dark()
    assert tracker.observe([chunk_of([picture])])[0].frames == ((0.0, ()),)
    ((_, faces),) = tracker.observe([chunk_of([picture], upstream)])[0].frames
    (face,) = faces
    left, top, right, bottom = face.box
    assert 100.0 <= left < right <= 260.0
    assert 60.0 <= top < bottom <= 220.0


def test_heads_are_left_alone_when_the_settings_say_so(tiny_weights: TinyWeights) -> None:
    analyzer = EyeTracking(EyeTrackingConfig(head_crops=0))
    analyzer.runtime = tiny_weights.runtime("face-landmarker")
    analyzer.load()
    picture, upstream = head_in_the_dark()
    assert analyzer.observe([chunk_of([picture], upstream)])[0].frames == ((0.0, ()),)


# ---------------------------------------------------------------------------------------------------------- conclusions

AHEAD = (0.0, 0.0, -1.0)


def look(yaw_deg: float, pitch_deg: float = 0.0) -> tuple[float, float, float]:
    yaw, pitch = np.radians([yaw_deg, pitch_deg])
    return float(np.sin(yaw) * np.cos(pitch)), float(-np.sin(pitch)), float(-np.cos(yaw) * np.cos(pitch))


def face(gaze: tuple[float, float, float] | None = AHEAD, openness: float = 0.3, x: float = 400.0) -> FaceSeen:
    return FaceSeen((x, 300.0, x + 200.0, 500.0), gaze, AHEAD, 0.0, openness, 40.0)


def concluded(*frames: tuple[FaceSeen, ...], step_s: float = 0.2) -> EyeTrackingResult:
    seen = FacesSeen(tuple((round(k * step_s, 6), faces) for k, faces in enumerate(frames)))
    return EyeTracking(EyeTrackingConfig()).conclude([seen], Context(VIDEO))


def test_eye_contact_has_spans_and_shares() -> None:
    away = face(look(40.0))
    result = concluded(*[(face(),)] * 10, *[(away,)] * 10)
    (span,) = result.eye_contact
    assert (span.start_time, span.end_time) == pytest.approx((0.0, 2.0))
    assert result.eye_contact_share == pytest.approx(0.5)
    (track,) = result.tracks
    assert track.camera_share == pytest.approx(0.5)
    assert {d.direction: d.share for d in track.directions} == pytest.approx({"camera": 0.5, "right": 0.5})
    assert result.main_track_id == track.track_id
    assert (result.face_time_share, result.max_faces) == (1.0, 1)


@pytest.mark.parametrize(
    ("gaze", "expected"),
    [
        (look(14.9), "camera"),
        (look(15.1), "right"),
        (look(-30.0), "left"),
        (look(0.0, 30.0), "up"),
        (look(0.0, -30.0), "down"),
        (look(10.0, -14.0), "down"),
        (None, "unclear"),
    ],
)
def test_directions(gaze: tuple[float, float, float] | None, expected: str) -> None:
    assert direction_of(face(gaze), "open", SETTINGS) == expected


def test_a_look_is_unclear_from_a_turned_head_or_a_small_face_and_closed_with_shut_lids() -> None:
    assert direction_of(replace(face(), head=look(54.9)), "open", SETTINGS) == "camera"
    assert direction_of(replace(face(), head=look(55.1)), "open", SETTINGS) == "unclear"
    assert direction_of(replace(face(), eye_width_px=8.0), "open", SETTINGS) == "camera"
    assert direction_of(replace(face(), eye_width_px=7.9), "open", SETTINGS) == "unclear"
    assert direction_of(face(), "closed", SETTINGS) == "closed"


@pytest.mark.parametrize(
    ("openness", "state"), [(0.3, "open"), (0.226, "open"), (0.224, "half"), (0.136, "half"), (0.134, "closed")]
)
def test_lids_against_the_faces_own_open_eyes(openness: float, state: str) -> None:
    assert eye_state(openness, 0.3, SETTINGS) == state


def test_blinks_are_short_closings_between_open_eyes() -> None:
    def states(text: str, step_s: float = 0.2) -> list[Any]:
        return [(k * step_s, {"o": "open", "h": "half", "c": "closed"}[c]) for k, c in enumerate(text)]

    assert count_blinks(states("oocoo"), 0.5) == 1
    assert count_blinks(states("oocooccoo"), 0.5) == 2  # 0.2 s and 0.4 s
    assert count_blinks(states("oocccoo"), 0.5) == 0  # 0.6 s
    assert count_blinks(states("cooc"), 0.5) == 0  # their beginning or end is not seen
    assert count_blinks(states("ohcho"), 0.5) == 1
    assert count_blinks([], 0.5) == 0


def test_a_blink_is_counted_and_its_look_is_closed() -> None:
    result = concluded(*[(face(),)] * 5, (face(openness=0.05),), *[(face(),)] * 5)
    (track,) = result.tracks
    assert track.blinks == 1
    assert track.closed_share == pytest.approx(1 / 11)
    assert [f.faces[0].direction for f in result.frames].count("closed") == 1
    assert result.frames[5].faces[0].looks_into_camera is None
    (span,) = result.eye_contact  # a blink does not interrupt eye contact
    assert span.duration_s == pytest.approx(2.2)


def test_two_faces_are_two_tracks_and_the_longer_seen_is_the_main_one() -> None:
    left, right = face(x=100.0), face(look(30.0), x=700.0)
    result = concluded(*[(left, right)] * 4, *[(left,)] * 6)
    assert len(result.tracks) == 2
    assert result.max_faces == 2
    main = next(t for t in result.tracks if t.track_id == result.main_track_id)
    assert (main.samples, main.camera_share) == (10, 1.0)
    other = next(t for t in result.tracks if t is not main)
    assert (other.samples, other.camera_share) == (4, 0.0)


def test_no_face_is_a_result() -> None:
    result = concluded((), ())
    assert (result.tracks, result.main_track_id, result.face_time_share, result.max_faces) == ((), None, 0.0, 0)
    assert EyeTracking(EyeTrackingConfig()).headline(result) == "Faces: none."


def test_no_frame_is_not_applicable() -> None:
    with pytest.raises(NotApplicable):
        EyeTracking(EyeTrackingConfig()).conclude([], Context(VIDEO))


def test_headline_and_time_line_hold_values_of_the_result() -> None:
    analyzer = EyeTracking(EyeTrackingConfig())
    result = concluded(*[(face(),)] * 10, *[(face(look(40.0)),)] * 10)
    assert analyzer.headline(result) == (
        "Faces in 100% of frames, at most 1 at once; eye contact for 50% of the video."
    )
    (item,) = analyzer.timeline(result)
    assert (item.label, item.start_time) == ("looks into the camera", 0.0)
    assert item.end_time == pytest.approx(2.0)


# ------------------------------------------------------------------------------------------------------------- faults


def test_observations_are_small_and_pickle(tracker: EyeTracking) -> None:
    seen = tracker.observe([chunk_of([bright()] * 10)])[0]
    data = pickle.dumps(seen)
    assert len(data) < 10_000
    assert pickle.loads(data) == seen


@pytest.mark.parametrize("damage", ["missing", "junk", "cut"])
def test_broken_weights_are_told(tmp_path: Path, tiny_weights: TinyWeights, damage: str) -> None:
    target = tmp_path / TASK_FILE
    if damage == "junk":
        target.write_bytes(b"no zip archive at all")
    elif damage == "cut":
        shutil.copy(tiny_weights.path("face-landmarker") / TASK_FILE, target)
        target.write_bytes(target.read_bytes()[:2000])
    with pytest.raises(Unavailable) as caught:
        FaceMesh(tmp_path, 1, 0.5, 0.5)
    assert caught.value.code == "weights_broken"
    assert "models verify" in caught.value.remedy


def test_without_weights_the_remedy_is_the_command(tmp_path: Path) -> None:
    description = AnalyzerHost("eye_tracking", {}, Runtime(weights_path=tmp_path)).describe()
    assert (description.state, description.code) == ("unavailable", "weights_missing")
    assert description.remedy == "tiktok-analyzer models pull face-landmarker"


def test_settings_of_the_conclusion_are_those_of_the_config() -> None:
    assert FaceSettings.__dataclass_fields__.keys() <= EyeTrackingConfig.model_fields.keys()
