"""Faces, looks, ages, CLIP and EasyOCR with real weights, against published truth and what was checked by eye."""

from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
import pytest

from analyzers.base import Context
from analyzers.results.eye_tracking import FacesSeen
from analyzers.runtime import LicencePolicy
from media.types import FrameChunk
from schema.document import VideoFacts
from tests.media_folder import MEDIA, media
from tests.run import frame_chunks, run_on_file, run_on_frames
from tests.weights.loaded import loaded

pytestmark = pytest.mark.weights

PORTRAIT = "tfjs/portrait.jpg"


def picture(name: str) -> np.ndarray[Any, Any]:
    """uint8 RGB (1, H, W, 3): a still picture as a video of one frame."""
    bgr = cv2.imread(str(media(name)))
    assert bgr is not None
    return np.ascontiguousarray(bgr[None, :, :, ::-1])


def published_face() -> dict[str, Any]:
    entries = json.loads((MEDIA / "MANIFEST.json").read_text())
    found: dict[str, Any] = next(e for e in entries if e["file"] == PORTRAIT)["truth"]["published"][0]
    return found


def test_eyes_and_irises_lie_where_they_are_published() -> None:
    mesh = loaded("eye_tracking").mesh  # type: ignore[attr-defined]
    (points,) = mesh.faces(picture(PORTRAIT)[0])
    truth = published_face()
    for part in ("face_mesh_eye_landmarks", "iris_landmarks"):
        for index, place in truth[part].items():
            assert np.abs(points[int(index), :2] - place).max() <= truth["tolerance_px"], (part, index)


def test_the_portrait_looks_into_the_camera() -> None:
    result = run_on_frames(loaded("eye_tracking"), picture(PORTRAIT), 1.0)
    ((face,),) = [frame.faces for frame in result.frames]
    assert face.direction == "camera"
    box, truth = face.bounding_box, published_face()["mesh_box"]
    assert abs(box.x - truth["xMin"]) <= 20.0
    assert abs(box.x + box.width - truth["xMax"]) <= 20.0


@pytest.mark.parametrize(
    ("name", "faces"), [("tfjs/three_people.jpg", 3), ("intel/head-pose-face-detection-female-and-male.gif", 2)]
)
def test_faces_are_counted(name: str, faces: int) -> None:
    analyzer = loaded("eye_tracking")
    result = run_on_file(analyzer, media(name)) if name.endswith("gif") else run_on_frames(analyzer, picture(name), 1.0)
    assert result.max_faces == faces


@pytest.mark.parametrize("policy", ["any", "permissive"])
def test_the_portrait_is_of_a_grown_up(policy: LicencePolicy) -> None:
    """The published portrait is of a man of 51 years; networks err by five to eight years on photographs."""
    frames = picture(PORTRAIT)
    eyes, ages = loaded("eye_tracking"), loaded("age_estimation", licence_policy=policy)
    (chunk,) = frame_chunks(frames, 1.0, ages.needs().frames, 2.0)
    (seen,) = eyes.observe(frame_chunks(frames, 1.0, eyes.needs().frames, 2.0))
    assert isinstance(seen, FacesSeen)
    (found,) = ages.observe([FrameChunk(0, 0.0, 1.0, chunk.batches, {"eye_tracking": seen})])
    (judged,) = found.faces
    assert 35.0 <= judged.look.years <= 67.0


@pytest.mark.parametrize("model", ["clip-l14", "clip-b32"])
@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("rfi/dogs.jpg", "two dogs", "a bowl of fruit"),
        ("rfi/multi-fruit.jpg", "bananas, apples and an orange", "two dogs"),
        (PORTRAIT, "a portrait of a man in a suit", "a landscape"),
    ],
)
def test_pictures_fit_their_sentence(model: str, name: str, right: str, wrong: str) -> None:
    clip = loaded("clip_encoder", {"model": model}).clip  # type: ignore[attr-defined]
    vectors, texts = clip.embed_pictures(list(picture(name)), 1), clip.embed_texts([right, wrong])
    first, second = (vectors @ texts.T)[0]
    assert first - second > 0.05


def test_easyocr_reads_the_captions() -> None:
    """The burnt-in captions of a derived clip; errors over characters, as in the accuracy table."""
    analyzer = loaded("text_overlay", {"engine": "easyocr", "easyocr_script": "english"})
    entries = json.loads((MEDIA / "MANIFEST.json").read_text()) if MEDIA.exists() else []
    name = "derived/vertical_talk_cuts_subs_A.mp4"
    captions = [c["text"] for e in entries if e["file"] == name for c in _captions(e["truth"])]
    result = run_on_file(analyzer, media(name))
    read = " ".join(overlay.text for overlay in result.overlays).casefold()
    assert captions
    found = sum(word in read for caption in captions for word in caption.casefold().split())
    assert found / sum(len(caption.split()) for caption in captions) >= 0.9


def _captions(truth: Any) -> list[dict[str, Any]]:
    """Every entry with a text and a start, however deep it stands."""
    if isinstance(truth, dict):
        own = [truth] if isinstance(truth.get("text"), str) else []
        return own + [c for value in truth.values() for c in _captions(value)]
    return [c for value in truth for c in _captions(value)] if isinstance(truth, list) else []


def test_products_need_no_network_of_their_own() -> None:
    """What they read was checked above: objects in test_vision, CLIP here."""
    detector, encoder = loaded("object_detection", {"model": "yolov8n"}), loaded("clip_encoder", {"model": "clip-b32"})
    frames = picture("rfi/multi-fruit.jpg")
    (boxes,) = detector.observe(frame_chunks(frames, 3.0, detector.needs().frames, 2.0))
    (chunk,) = frame_chunks(frames, 3.0, encoder.needs().frames, 2.0)
    (seen,) = encoder.observe([FrameChunk(0, 0.0, 1 / 3, chunk.batches, {"object_detection": boxes})])
    facts = VideoFacts(container="arrays", duration_s=1 / 3, width=frames.shape[2], height=frames.shape[1])
    result = encoder.conclude([seen], Context(facts))
    assert result.crops == ()  # fruit is food, no product class
