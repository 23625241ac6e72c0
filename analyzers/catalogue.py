"""Every analyzer there is, in document order. A new one adds its line here."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal, get_args

from analyzers.age_estimation import AgeEstimation
from analyzers.audio_analysis import AudioAnalysis
from analyzers.audio_environment import AudioEnvironment
from analyzers.background_segmentation import BackgroundSegmentation
from analyzers.base import AnyAnalyzer
from analyzers.blip2_video_analyzer import Blip2VideoAnalyzer
from analyzers.body_pose import BodyPose
from analyzers.camera_analysis import CameraAnalysis
from analyzers.clip_encoder import ClipEncoder
from analyzers.color_analysis import ColorAnalysis
from analyzers.composition_analysis import CompositionAnalysis
from analyzers.content_quality import ContentQuality
from analyzers.cut_analysis import CutAnalysis
from analyzers.eye_tracking import EyeTracking
from analyzers.object_detection import ObjectDetection
from analyzers.product_detection import ProductDetection
from analyzers.qwen2_vl_temporal import Qwen2VlTemporal
from analyzers.scene_segmentation import SceneSegmentation
from analyzers.sound_effects import SoundEffects
from analyzers.speech_emotion import SpeechEmotion
from analyzers.speech_flow import SpeechFlow
from analyzers.speech_rate import SpeechRate
from analyzers.speech_transcription import SpeechTranscription
from analyzers.temporal_flow import TemporalFlow
from analyzers.text_overlay import TextOverlayAnalysis
from analyzers.video_llava import VideoLlava
from analyzers.visual_effects import VisualEffects
from schema.errors import AnalyzerNotDeployed, RetiredAnalyzer, UnknownAnalyzer

CATALOGUE: tuple[type[AnyAnalyzer], ...] = (
    VideoLlava,
    Qwen2VlTemporal,
    Blip2VideoAnalyzer,
    CutAnalysis,
    ObjectDetection,
    BodyPose,
    ClipEncoder,
    EyeTracking,
    AgeEstimation,
    VisualEffects,
    CameraAnalysis,
    ColorAnalysis,
    CompositionAnalysis,
    ContentQuality,
    BackgroundSegmentation,
    TextOverlayAnalysis,
    SpeechTranscription,
    ProductDetection,
    SpeechFlow,
    SpeechRate,
    SpeechEmotion,
    AudioAnalysis,
    SceneSegmentation,
    AudioEnvironment,
    SoundEffects,
    TemporalFlow,
)
"""Document order; an analyzer stands behind all that it comes ``after`` or ``uses``."""

VideoLanguageModel = Literal["video_llava", "qwen2_vl_temporal", "blip2_video_analyzer"]
"""Alternatives to each other: each fills a third of a card, so one of them is deployed."""

RETIRED: dict[str, str] = {
    "auroracap": "video_llava",
    "vid2seq": "video_llava",
    "face_detection": "eye_tracking",
    "emotion_detection": "speech_emotion",
    "facial_details": "eye_tracking",
    "depth_estimation": "background_segmentation",
    "temporal_consistency": "temporal_flow",
}
"""Names that earlier systems had, and what replaced them."""

_BY_NAME: dict[str, type[AnyAnalyzer]] = {cls.name: cls for cls in CATALOGUE}


def names() -> tuple[str, ...]:
    """All names in document order."""
    return tuple(_BY_NAME)


def active_names(chosen: VideoLanguageModel) -> tuple[str, ...]:
    """All names in document order, with the chosen one of the video language models only."""
    return tuple(name for name in names() if name == chosen or name not in get_args(VideoLanguageModel))


def require_deployed(name: str, deployed: Collection[str]) -> None:
    """Refuses a name that is not part of the application.

    Raises:
        RetiredAnalyzer: Earlier systems had it.
        UnknownAnalyzer: There never was one.
        AnalyzerNotDeployed: It exists; the text says how to get it.
    """
    analyzer_class(name)
    if name in deployed:
        return
    alternatives = get_args(VideoLanguageModel)
    instead = next((other for other in alternatives if other in deployed), None)
    if name in alternatives and instead:
        raise AnalyzerNotDeployed(
            f"{name!r} is not deployed; the video language model here is {instead!r}",
            f"Ask for {instead!r}; or set video_language_model: {name} in the Serve yaml's args, give its deployment "
            "block that name, and deploy the file.",
        )
    raise AnalyzerNotDeployed(f"{name!r} is not deployed; deployed are: {', '.join(deployed)}")


def analyzer_class(name: str) -> type[AnyAnalyzer]:
    """The class with this name.

    Raises:
        RetiredAnalyzer: Earlier systems had it; the text says what replaced it.
        UnknownAnalyzer: There never was one; the text names those there are.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name in RETIRED:
        raise RetiredAnalyzer(
            f"{name!r} is retired; {RETIRED[name]!r} replaced it", f"Ask for {RETIRED[name]!r} instead."
        )
    raise UnknownAnalyzer(f"there is no analyzer {name!r}; there are: {', '.join(_BY_NAME)}")


def closure(requested: Iterable[str], available: Iterable[str] | None = None) -> tuple[str, ...]:
    """The requested analyzers and all they come ``after``, in document order.

    Args:
        requested: Names; an unknown one raises as in ``analyzer_class``.
        available: Names that may be brought in as dependencies; all when left out.
    """
    allowed = set(names() if available is None else available)
    wanted: set[str] = set()
    todo = list(requested)
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo.extend(a for a in analyzer_class(name).after if a in allowed)
    return tuple(name for name in names() if name in wanted)
