"""Pins of the models for bodies, faces and age."""

from __future__ import annotations

from weights.manifest_vision import AGPL, CHECKPOINT, ULTRALYTICS
from weights.pin import Pin, RemoteFile

PEOPLE: tuple[Pin, ...] = (
    Pin(
        name="yolov8x-pose",
        title="YOLOv8x-pose, 17 COCO keypoints",
        revision="v8.3.0",
        remote=(RemoteFile(f"{ULTRALYTICS}/yolov8x-pose.pt", "yolov8x-pose.pt"),),
        licence="AGPL-3.0",
        licence_url=AGPL,
        permissive=False,
        alternative="vitpose-base",
        used_by=("body_pose",),
        format="torch",
    ),
    Pin(
        name="yolov8n-pose",
        title="YOLOv8n-pose, 17 COCO keypoints",
        revision="v8.3.0",
        remote=(RemoteFile(f"{ULTRALYTICS}/yolov8n-pose.pt", "yolov8n-pose.pt"),),
        licence="AGPL-3.0",
        licence_url=AGPL,
        permissive=False,
        alternative="vitpose-base",
        used_by=("body_pose",),
        format="torch",
    ),
    Pin(
        name="vitpose-base",
        title="ViTPose-B, 17 COCO keypoints in given person boxes",
        hub_id="usyd-community/vitpose-base-simple",
        revision="a93ac0c67e0b7e2c55287d21d4c460c8f3c54d45",
        files=CHECKPOINT,
        licence="Apache-2.0",
        licence_url="https://huggingface.co/usyd-community/vitpose-base-simple",
        permissive=True,
        used_by=("body_pose",),
        size_bytes=344_000_000,
    ),
    Pin(
        name="face-landmarker",
        title="MediaPipe FaceLandmarker, 478 points with iris",
        revision="float16/1",
        remote=(
            RemoteFile(
                "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
                "face_landmarker.task",
                digest="sha256:64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
                size_bytes=3_758_596,
            ),
        ),
        size_bytes=3_758_596,
        licence="Apache-2.0",
        licence_url="https://ai.google.dev/edge/mediapipe/solutions/vision/face_landmarker",
        permissive=True,
        used_by=("eye_tracking", "age_estimation"),
        format="task",
    ),
    Pin(
        name="buffalo-l",
        title="InsightFace buffalo_l: its network of age and gender",
        revision="v0.7",
        remote=(
            RemoteFile(
                "https://github.com/deepinsight/insightface/releases/download/v0.7/buffalo_l.zip",
                "buffalo_l.zip",
                digest="sha256:80ffe37d8a5940d59a7384c201a2a38d4741f2f3c51eef46ebb28218a7b0ca2f",
                size_bytes=288_621_354,
                members=("genderage.onnx",),
            ),
        ),
        size_bytes=288_621_354,
        licence="InsightFace model licence (non-commercial research)",
        licence_url="https://github.com/deepinsight/insightface/tree/master/model_zoo",
        permissive=False,
        alternative="age-vit",
        used_by=("age_estimation",),
        format="onnx",
    ),
    Pin(
        name="age-vit",
        title="ViT age classifier, FairFace age ranges",
        hub_id="dima806/fairface_age_image_detection",
        files=CHECKPOINT,
        licence="Apache-2.0",
        licence_url="https://huggingface.co/dima806/fairface_age_image_detection",
        permissive=True,
        used_by=("age_estimation",),
        size_bytes=343_000_000,
    ),
)
