"""Head pose, gaze and lids of a made face that is turned, and whose irises are moved, by known amounts."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from analyzers.vision.gaze import (
    LEFT_IRIS,
    RIGHT_IRIS,
    WIDTHS_PER_RADIUS,
    angles_deg,
    measure_face,
    off_camera_deg,
)
from tests.media_folder import media
from tests.tiny.face_landmarker import LEFT_EYE, MESH_PX, RIGHT_EYE, face_shape

EYE_PX = 40.0
"""Distance of the corners of an eye in the made face."""


def turned(points: np.ndarray[Any, Any], yaw_deg: float = 0.0, pitch_deg: float = 0.0, roll_deg: float = 0.0) -> Any:
    """The face turned about its middle: to the picture's right, up, and clockwise in the picture."""
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    # What looks along (0, 0, -1) looks to +x after a positive yaw, and to -y after a positive pitch.
    about_y = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    middle = np.array([MESH_PX / 2, MESH_PX / 2, 0.0])
    return ((points - middle) @ (about_z @ about_y @ about_x).T + middle).astype(np.float32)


def with_irises(dx: float, dy: float = 0.0) -> np.ndarray[Any, Any]:
    """Irises moved in the plane of the face, in px."""
    points: np.ndarray[Any, Any] = face_shape().copy()
    points[[RIGHT_IRIS, LEFT_IRIS], 0] += dx
    points[[RIGHT_IRIS, LEFT_IRIS], 1] += dy
    return points


def with_lids(share: float) -> np.ndarray[Any, Any]:
    """The opening scaled by ``share`` about the line between the corners."""
    points: np.ndarray[Any, Any] = face_shape().copy()
    line = MESH_PX / 2 - 30.0
    lids = [i for i in (*RIGHT_EYE, *LEFT_EYE) if i not in (33, 133, 362, 263)]
    points[lids, 1] = line + (points[lids, 1] - line) * share
    return points


def test_a_face_that_looks_straight_ahead() -> None:
    seen = measure_face(face_shape())
    assert seen.gaze == pytest.approx((0.0, 0.0, -1.0), abs=1e-6)
    assert seen.head == pytest.approx((0.0, 0.0, -1.0), abs=1e-6)
    assert seen.head_roll_deg == pytest.approx(0.0)
    assert seen.openness == pytest.approx(12.0 / 40.0)
    assert seen.eye_width_px == pytest.approx(EYE_PX)
    assert seen.box == pytest.approx((58.0, 38.0, 198.0, 218.0), abs=1.0)


@pytest.mark.parametrize(("yaw", "pitch"), [(20.0, 0.0), (-35.0, 0.0), (0.0, 15.0), (0.0, -25.0)])
def test_a_turned_head_takes_the_look_along(yaw: float, pitch: float) -> None:
    seen = measure_face(turned(face_shape(), yaw, pitch))
    assert seen.gaze is not None
    assert angles_deg(seen.head) == pytest.approx((yaw, pitch), abs=0.01)
    assert angles_deg(seen.gaze) == pytest.approx((yaw, pitch), abs=0.01)
    assert off_camera_deg(seen.gaze) == pytest.approx(max(abs(yaw), abs(pitch)), abs=0.01)


@pytest.mark.parametrize("roll", [0.0, 30.0, -75.0])
def test_a_tilted_head_still_looks_into_the_camera(roll: float) -> None:
    seen = measure_face(turned(face_shape(), roll_deg=roll))
    assert seen.gaze is not None
    assert off_camera_deg(seen.gaze) == pytest.approx(0.0, abs=0.05)
    assert seen.head_roll_deg == pytest.approx(roll, abs=0.01)


@pytest.mark.parametrize("dx", [-6.0, 3.0, 8.0])
def test_moved_irises_turn_the_look_by_the_arcsine(dx: float) -> None:
    seen = measure_face(with_irises(dx))
    assert seen.gaze is not None
    expected = np.degrees(np.arcsin(dx / EYE_PX * WIDTHS_PER_RADIUS))
    assert angles_deg(seen.gaze) == pytest.approx((expected, 0.0), abs=0.01)
    assert seen.head == pytest.approx((0.0, 0.0, -1.0), abs=1e-6)


def test_irises_moved_up_look_up() -> None:
    seen = measure_face(with_irises(0.0, -4.0))
    assert seen.gaze is not None
    assert angles_deg(seen.gaze) == pytest.approx((0.0, np.degrees(np.arcsin(4.0 / EYE_PX * 2.5))), abs=0.01)


def test_eyes_may_make_up_for_the_head() -> None:
    dx = -EYE_PX / WIDTHS_PER_RADIUS * np.sin(np.radians(15.0))
    seen = measure_face(turned(with_irises(dx), yaw_deg=15.0))
    assert seen.gaze is not None
    assert off_camera_deg(seen.gaze) == pytest.approx(0.0, abs=0.05)
    assert angles_deg(seen.head)[0] == pytest.approx(15.0, abs=0.01)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
def test_lids(share: float) -> None:
    assert measure_face(with_lids(share)).openness == pytest.approx(0.3 * share, abs=1e-6)


def test_a_face_too_small_for_an_iris_has_no_look() -> None:
    seen = measure_face((face_shape() * 0.04).astype(np.float32))
    assert seen.gaze is None


def test_the_published_portrait_looks_into_the_camera() -> None:
    """Points of eyes and irises that MediaPipe's own tests publish for a man who looks at the camera."""
    manifest = media("tfjs/portrait.jpg").parents[1] / "MANIFEST.json"
    entry = next(e for e in json.loads(manifest.read_text()) if e["file"] == "tfjs/portrait.jpg")
    truth = entry["truth"]["published"][0]
    points = face_shape().copy()
    points[:, :2] += 400.0
    for part in ("face_mesh_eye_landmarks", "iris_landmarks"):
        for index, place in truth[part].items():
            points[int(index), :2] = place
    box = truth["mesh_box"]
    middle = (box["xMin"] + box["xMax"]) / 2.0
    points[10, :2], points[152, :2] = (middle, box["yMin"]), (middle, box["yMax"])
    seen = measure_face(points)
    assert seen.gaze is not None
    yaw, pitch = angles_deg(seen.gaze)
    assert abs(yaw) <= 10.0
    assert abs(pitch) <= 15.0
    assert 0.15 <= seen.openness <= 0.35
