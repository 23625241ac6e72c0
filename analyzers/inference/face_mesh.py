"""MediaPipe's FaceLandmarker: 478 points of each face, with both irises.

A short-range detector (BlazeFace, Bazarevsky et al., 2019) finds faces in the whole picture, a mesh network (Kartynnik
et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs", 2019; irises: Ablavatski et al., 2020)
places the points in each. It runs in its image mode: every picture by itself, so that an observation depends on its
chunk alone. It gives no confidence that could be published.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analyzers.base import Unavailable
from analyzers.inference.offline import go_offline
from media.types import Float32Array, UInt8Array

POINTS = 478

TASK_FILE = "face_landmarker.task"


class FaceMesh:
    """A loaded FaceLandmarker.

    Args:
        path: Folder of the weights.
        max_faces: Most faces of one picture.
        min_detection: Detector score from which a region is a face, in [0, 1].
        min_presence: Score of the mesh network from which there is a face in it, in [0, 1].

    Raises:
        Unavailable: ``weights_broken``: the bundle is missing or damaged; ``package_missing``: MediaPipe is.
    """

    def __init__(self, path: Path, max_faces: int, min_detection: float, min_presence: float) -> None:
        go_offline()
        try:
            import mediapipe
            from mediapipe.tasks.python import BaseOptions, vision
        except ImportError as error:
            raise Unavailable("package_missing", f"mediapipe: {error}", "make models") from error
        self._mediapipe: Any = mediapipe
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(path / TASK_FILE)),
            num_faces=max_faces,
            min_face_detection_confidence=min_detection,
            min_face_presence_confidence=min_presence,
        )
        try:
            self._landmarker: Any = vision.FaceLandmarker.create_from_options(options)
        except (OSError, RuntimeError, ValueError) as error:
            raise Unavailable(
                "weights_broken",
                f"{path.name} cannot be loaded: {str(error).splitlines()[0]}",
                f"tiktok-analyzer models verify {path.name}",
            ) from error
        weakref.finalize(self, _close, self._landmarker)

    def faces(self, picture: UInt8Array) -> list[Float32Array]:
        """Points of each face, float32 (478, 3): x, y in px of the picture, z on the scale of x, smaller is nearer.

        Args:
            picture: uint8 (H, W, 3) RGB.
        """
        height, width = picture.shape[:2]
        image = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.array(picture, np.uint8, order="C")
        )
        scale = np.array([width, height, width], np.float32)
        return [_points(found) * scale for found in self._landmarker.detect(image).face_landmarks]


def _close(landmarker: Any) -> None:
    """Gives its threads and memory back. When the interpreter ends, MediaPipe can no longer do that and its destructor
    would complain; the system takes them back then."""
    try:
        landmarker.close()
    except RuntimeError:
        landmarker._handle = None


def _points(found: Sequence[Any]) -> Float32Array:
    points = np.array([[point.x, point.y, point.z] for point in found], np.float32)
    if points.shape != (POINTS, 3):
        raise ValueError(f"a face must have {POINTS} points, got {points.shape}")
    return points
