"""Pins of the models for bodies, faces and age."""

from __future__ import annotations

from weights.pin import Pin, RemoteFile
from weights.pin_makers import hub_pin, yolo_pin

LANDMARKER = "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1"
INSIGHTFACE = "https://github.com/deepinsight/insightface"

PEOPLE: tuple[Pin, ...] = (
    yolo_pin(
        "yolov8x-pose",
        "YOLOv8x-pose, 17 COCO keypoints",
        "vitpose-base",
        "body_pose",
        size_bytes=139_000_000,
        size_known="counted",
    ),
    yolo_pin(
        "yolov8n-pose",
        "YOLOv8n-pose, 17 COCO keypoints",
        "vitpose-base",
        "body_pose",
        size_bytes=6_600_000,
        size_known="counted",
    ),
    hub_pin(
        "vitpose-base",
        "ViTPose-B, 17 COCO keypoints in given person boxes",
        "usyd-community/vitpose-base-simple",
        "a93ac0c67e0b7e2c55287d21d4c460c8f3c54d45",
        used_by=("body_pose",),
        size_bytes=344_000_000,
    ),
    Pin(
        name="face-landmarker",
        title="MediaPipe FaceLandmarker, 478 points with iris",
        revision="float16/1",
        remote=(
            RemoteFile(
                f"{LANDMARKER}/face_landmarker.task",
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
                f"{INSIGHTFACE}/releases/download/v0.7/buffalo_l.zip",
                "buffalo_l.zip",
                digest="sha256:80ffe37d8a5940d59a7384c201a2a38d4741f2f3c51eef46ebb28218a7b0ca2f",
                size_bytes=288_621_354,
                members=("genderage.onnx",),
            ),
        ),
        size_bytes=288_621_354,
        licence="InsightFace model licence (non-commercial research)",
        licence_url=f"{INSIGHTFACE}/tree/master/model_zoo",
        permissive=False,
        alternative="age-vit",
        used_by=("age_estimation",),
        format="onnx",
    ),
    hub_pin(
        "age-vit",
        "ViT age classifier, FairFace age ranges",
        "dima806/fairface_age_image_detection",
        None,
        used_by=("age_estimation",),
        size_bytes=343_000_000,
    ),
)
