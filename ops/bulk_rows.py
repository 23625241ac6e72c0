"""One row per video with the figures that people sort by: what ``bulk export`` writes.

Every figure comes from a section's typed result, and is null where there is no such section or it says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from analyzers.audio_analysis import AudioAnalysis
from analyzers.base import AnalyzerResult
from analyzers.camera_analysis import CameraAnalysis, CameraResult
from analyzers.catalogue import analyzer_class
from analyzers.color_analysis import ColorAnalysis
from analyzers.content_quality import ContentQuality
from analyzers.cut_analysis import CutAnalysis, CutAnalysisResult
from analyzers.eye_tracking import EyeTracking
from analyzers.results.audio_analysis import AudioAnalysisResult
from analyzers.results.color_analysis import ColorResult
from analyzers.results.content_quality import QualityResult
from analyzers.results.eye_tracking import EyeTrackingResult
from analyzers.results.scene_segmentation import SceneResult
from analyzers.results.speech_flow import SpeechFlowResult
from analyzers.results.speech_transcription import SpeechTranscriptionResult
from analyzers.results.temporal_flow import TemporalFlowResult
from analyzers.results.text_overlay import TextOverlayResult
from analyzers.scene_segmentation import SceneSegmentation
from analyzers.speech_flow import SpeechFlow
from analyzers.speech_rate import SpeechRate, SpeechRateResult
from analyzers.speech_transcription import SpeechTranscription
from analyzers.temporal_flow import TemporalFlow
from analyzers.text_overlay import TextOverlayAnalysis
from jobs.record import JobCopy, JobRecord
from jobs.results import ResultStore
from schema.base import Model
from schema.document import AnalysisDocument
from schema.errors import NotFound


class VideoRow(Model):
    """One video of a mass run. Null is what is not known: the job has not ended, the section was not asked for, failed
    or does not apply."""

    id: str
    """Of the job, and of its document. A copy has the id of the job that stands for it."""
    video: str
    """The path or URL, as it was given."""
    url: str | None = None
    """Where it was downloaded."""
    state: str
    """Of the job: ``queued`` to ``done``, ``failed``, ``cancelled``."""
    error: str | None = None
    """Code of why there is no document."""
    retry_possible: bool | None = None
    """Whether ``bulk requeue`` takes it: the fault may pass."""
    duplicate_of: str | None = None
    """Id of the first job of this run with the same bytes; figures and document are the same then."""
    status: str | None = None
    """Of the document: ``ok``, ``partial``, ``failed``."""
    sha256: str | None = None
    """Of the file."""
    author: str | None = None
    """The account's handle, as the site says; so are all up to ``sound``."""
    uploaded_at: datetime | None = None
    caption: str | None = None
    hashtags: str | None = None
    """With a space between them, without ``#``."""
    views: int | None = None
    likes: int | None = None
    comments: int | None = None
    shares: int | None = None
    saves: int | None = None
    sound: str | None = None
    duration_s: float | None = None
    width: int | None = None
    """Upright, px."""
    height: int | None = None
    frame_rate: float | None = None
    """Frames per second, mean."""
    cuts: int | None = None
    cuts_per_minute: float | None = None
    mean_shot_length_s: float | None = None
    median_shot_length_s: float | None = None
    scenes: int | None = None
    camera: str | None = None
    """What the camera does most: ``static``, ``handheld``, ``pan_left`` ..."""
    camera_moves: int | None = None
    camera_stability: float | None = None
    """0-1; 1 is a tripod."""
    brightness: float | None = None
    """0-1; so are saturation and contrast."""
    saturation: float | None = None
    contrast: float | None = None
    colourfulness: float | None = None
    """From 0; above 33 colourful, above 82 extremely."""
    warmth: float | None = None
    """Above 0 warm, below 0 cold."""
    quality: float | None = None
    """Technical quality of the pictures, 0-1."""
    quality_weakest: str | None = None
    """The measure that it is lowest in."""
    aesthetics: float | None = None
    """0-1; needs its model."""
    face_share: float | None = None
    """Share of the time with a face, 0-1."""
    eye_contact_share: float | None = None
    """Share of the time that somebody looks into the camera, 0-1."""
    max_faces: int | None = None
    text_share: float | None = None
    """Share of the time with text on screen, 0-1."""
    text_words: int | None = None
    speech_share: float | None = None
    """Share of the time with speech, 0-1."""
    language: str | None = None
    """Of the speech, ISO 639-1."""
    words: int | None = None
    words_per_minute: float | None = None
    """From the first word to the last."""
    syllables_per_s: float | None = None
    """Pauses included."""
    loudness_lufs: float | None = None
    """Integrated, EBU R 128."""
    true_peak_dbtp: float | None = None
    tempo_bpm: float | None = None
    key: str | None = None
    """As ``A minor``."""
    music_share: float | None = None
    silence_share: float | None = None
    hook_strength: float | None = None
    """Share of the known elements that the first seconds have, 0-1."""
    hook_energy: float | None = None
    hook_motion: float | None = None
    hook_cuts: int | None = None
    hook_first_speech_s: float | None = None
    hook_first_text_s: float | None = None
    hook_spoken: str | None = None
    """The words that it opens with."""
    energy: float | None = None
    """Mean over the clip, 0-1."""
    story: str | None = None
    """The form of the energy's curve."""
    calls_to_action: int | None = None
    loop: str | None = None
    """How the end joins the beginning."""
    cuts_on_beat_share: float | None = None
    sections_with_result: int | None = None
    sections_total: int | None = None
    processing_time_s: float | None = None
    realtime_factor: float | None = None
    """Seconds of work for each second of video."""
    document: str | None = None
    """Its file."""


Figures = dict[str, Any]


def rows_of(records: Iterable[JobRecord], copies: Iterable[JobCopy], results: ResultStore) -> Iterator[VideoRow]:
    """The rows of a mass run in order of arrival, copies behind the job that stands for them.

    Args:
        records: Of its jobs, in order of arrival.
        copies: Of the run.
        results: Where the documents are; one that is gone leaves its figures null.
    """
    of_job: dict[str, list[JobCopy]] = {}
    for copy in copies:
        of_job.setdefault(copy.job_id, []).append(copy)
    first: dict[str, str] = {}
    for record in records:
        row = _row(record, _document(record, results))
        if row.sha256 is not None and (other := first.setdefault(row.sha256, row.id)) != row.id:
            row = row.model_copy(update={"duplicate_of": other})
        yield row
        for copy in of_job.get(record.id, ()):
            yield row.model_copy(update={"video": copy.name, "duplicate_of": row.duplicate_of or row.id})


def _document(record: JobRecord, results: ResultStore) -> AnalysisDocument | None:
    try:
        return results.read(record.id) if record.state == "done" else None
    except NotFound:
        return None


def _row(record: JobRecord, document: AnalysisDocument | None) -> VideoRow:
    figures: Figures = {
        "id": record.id,
        "video": record.source.name,
        "url": record.source.location if record.source.kind == "url" else None,
        "state": record.state,
        "error": record.error.code if record.error else None,
        "retry_possible": record.error.retry_possible if record.error else None,
    }
    if document is not None:
        figures |= {"document": record.results_file, **_facts(document), **_post(document)}
        for name, take in FIGURES.items():
            if (result := _result(document, name)) is not None:
                figures |= {key: value for key, value in take(result).items() if figures.get(key) is None}
    return VideoRow.model_validate(figures)


def _facts(document: AnalysisDocument) -> Figures:
    video, performance, quality = document.video, document.performance, document.quality
    return {
        "status": document.status,
        "sha256": document.source.sha256,
        "duration_s": video.duration_s,
        "width": video.width,
        "height": video.height,
        "frame_rate": video.frame_rate,
        "sections_with_result": quality.sections_with_result,
        "sections_total": quality.sections_total,
        "processing_time_s": performance.processing_time,
        "realtime_factor": performance.realtime_factor,
    }


def _post(document: AnalysisDocument) -> Figures:
    post = document.source.post
    if post is None:
        return {}
    counts = post.counts.model_dump() if post.counts else {}
    return {
        "author": post.author,
        "uploaded_at": post.uploaded_at,
        "caption": post.caption,
        "hashtags": " ".join(post.hashtags) or None,
        "sound": post.sound.title if post.sound else None,
        **counts,
    }


def _result(document: AnalysisDocument, name: str) -> AnalyzerResult | None:
    section = document.sections.get(name)
    if section is None or section.result is None:
        return None
    result: AnalyzerResult = analyzer_class(name).Result.model_validate(section.result)
    return result


def _cuts(result: CutAnalysisResult) -> Figures:
    return {
        "cuts": len(result.cuts),
        "cuts_per_minute": result.cuts_per_minute,
        "mean_shot_length_s": result.mean_shot_length_s,
        "median_shot_length_s": result.median_shot_length_s,
    }


def _camera(result: CameraResult) -> Figures:
    return {"camera": result.dominant, "camera_moves": result.moves, "camera_stability": result.stability}


def _colours(result: ColorResult) -> Figures:
    return {
        name: getattr(result.measures, name)
        for name in ("brightness", "saturation", "contrast", "colourfulness", "warmth")
    }


def _quality(result: QualityResult) -> Figures:
    return {
        "quality": result.technical_score,
        "quality_weakest": result.weakest,
        "aesthetics": result.aesthetic_score,
    }


def _faces(result: EyeTrackingResult) -> Figures:
    return {
        "face_share": result.face_time_share,
        "eye_contact_share": result.eye_contact_share,
        "max_faces": result.max_faces,
    }


def _text(result: TextOverlayResult) -> Figures:
    return {"text_share": result.text_share, "text_words": result.words}


def _transcript(result: SpeechTranscriptionResult) -> Figures:
    return {"language": result.language, "words": result.words, "words_per_minute": result.words_per_minute}


def _rate(result: SpeechRateResult) -> Figures:
    return {"syllables_per_s": result.speech_rate}


def _sound(result: AudioAnalysisResult) -> Figures:
    key = result.key
    return {
        "loudness_lufs": result.loudness.integrated_lufs,
        "true_peak_dbtp": result.loudness.true_peak_dbtp,
        "tempo_bpm": result.tempo.bpm,
        "key": f"{key.tonic} {key.mode}" if key.tonic and key.mode else None,
        "music_share": result.shares.music,
        "silence_share": result.shares.silence,
        "speech_share": result.shares.speech,
    }


def _flow(result: TemporalFlowResult) -> Figures:
    hook, beats = result.hook, result.beat_cuts
    return {
        "hook_strength": hook.strength,
        "hook_energy": hook.energy,
        "hook_motion": hook.motion,
        "hook_cuts": hook.cuts,
        "hook_first_speech_s": hook.first_speech_s,
        "hook_first_text_s": hook.first_text_s,
        "hook_spoken": hook.spoken,
        "energy": result.mean_energy,
        "story": result.story.arc if result.story else None,
        "calls_to_action": None if result.calls_to_action is None else len(result.calls_to_action),
        "loop": result.loop.kind,
        "cuts_on_beat_share": beats.share if beats else None,
    }


def _speech(result: SpeechFlowResult) -> Figures:
    return {"speech_share": result.speech_share}


def _scenes(result: SceneResult) -> Figures:
    return {"scenes": len(result.scenes)}


FIGURES: Mapping[str, Callable[[Any], Figures]] = {
    CutAnalysis.name: _cuts,
    SceneSegmentation.name: _scenes,
    CameraAnalysis.name: _camera,
    ColorAnalysis.name: _colours,
    ContentQuality.name: _quality,
    EyeTracking.name: _faces,
    TextOverlayAnalysis.name: _text,
    SpeechTranscription.name: _transcript,
    SpeechRate.name: _rate,
    SpeechFlow.name: _speech,
    AudioAnalysis.name: _sound,
    TemporalFlow.name: _flow,
}
"""Per analyzer, what its result adds to a row. Where two know a figure, the first one's stands."""
