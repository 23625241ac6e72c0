"""Results of other analyzers, written down by hand, for the analyzers that come after them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeVar

from analyzers.camera_analysis import CameraResult, CameraSpan, MotionPoint
from analyzers.cut_analysis import CutAnalysisResult, Shot
from analyzers.results.audio_analysis import AudioAnalysisResult
from analyzers.results.curve import Curve
from analyzers.results.eye_tracking import EyeTrackingResult, FaceInFrame, FrameFaces
from analyzers.results.speech_flow import Emphasis, Follows, Pause, Speech, SpeechFlowResult, Syllable
from analyzers.results.speech_transcription import NOT_SAID, Segment, SpeechTranscriptionResult, Word
from analyzers.results.text_overlay import TextOverlay
from analyzers.signal.camera_path import Kind
from analyzers.signal.transcript import Doubt
from analyzers.text_overlay import TextOverlayResult
from schema.base import BoundingBox, Model

M = TypeVar("M", bound=Model)


def only(model: type[M], **fields: Any) -> M:
    """A result with nothing but these fields, for what reads no others."""
    made: Any = model.model_construct(**fields)
    return made  # type: ignore[no-any-return]


def speech_flow_result(
    spans: Sequence[tuple[float, float]],
    syllables: Sequence[float],
    duration_s: float,
    emphasised: Sequence[tuple[float, float]] = (),
) -> SpeechFlowResult:
    """Speech in these spans with syllables at these times; each gap is a pause."""
    pauses = [
        Pause(
            start_time=end,
            end_time=start,
            kind="medium",
            significant=start - end >= 0.5,
            follows=Follows(start_time=spans[0][0], speech_s=1.0, syllables=1, end_tone=None, emphasised=False),
        )
        for (_, end), (start, _) in pairwise(spans)
    ]
    speech_s = sum(b - a for a, b in spans)
    return SpeechFlowResult(
        spans=tuple(
            Speech(
                start_time=a,
                end_time=b,
                score=0.9,
                level_db=-20.0,
                pitch_hz=None,
                end_change_semitones=None,
                end_tone=None,
            )
            for a, b in spans
        ),
        speech_s=speech_s,
        speech_share=speech_s / duration_s,
        first_speech_s=spans[0][0],
        sure_s=speech_s,
        pauses=tuple(pauses),
        pause_share=0.0,
        pitch=None,
        rhythm=None,
        syllables=tuple(
            Syllable(
                start_time=max(0.0, t - 0.04),
                end_time=t + 0.04,
                timestamp=t,
                level_db=-20.0,
                pitch_hz=None,
                prominence=None,
            )
            for t in syllables
        ),
        emphasised=tuple(
            Emphasis(
                start_time=a,
                end_time=b,
                timestamp=a,
                prominence=1.5,
                level_over_db=5.0,
                pitch_over_semitones=None,
                length_ratio=1.5,
            )
            for a, b in emphasised
        ),
        peaks=(),
        curve=(),
    )


def cut_result(cuts_s: Sequence[float], duration_s: float, fps: float = 30.0) -> CutAnalysisResult:
    """Shots between hard cuts at these times."""
    edges = [0.0, *cuts_s, duration_s]
    shots = tuple(
        Shot(start_time=a, end_time=b, index=k, first_frame=round(a * fps), end_frame=round(b * fps))
        for k, (a, b) in enumerate(pairwise(edges))
    )
    return only(CutAnalysisResult, shots=shots)


def camera_result(
    speeds: Sequence[float | None], moves: Sequence[tuple[float, float, Kind]] = ((0.0, 1.0, "static"),)
) -> CameraResult:
    """Speed of the camera for each half second, and what it does."""
    curve = tuple(
        MotionPoint(start_time=0.5 * k, end_time=0.5 * k + 0.5, camera=v, subject=None) for k, v in enumerate(speeds)
    )
    spans = tuple(only(CameraSpan, start_time=a, end_time=b, kind=kind) for a, b, kind in moves)
    return only(CameraResult, curve=curve, spans=spans)


def audio_result(levels: Sequence[float | None], beats: Sequence[float] = ()) -> AudioAnalysisResult:
    """Level in LUFS for each half second, and the beats."""
    curve = Curve(start_time=0.0, step_s=0.5, values=tuple(levels))
    return only(AudioAnalysisResult, energy=curve, beats=tuple(beats))


def eye_result(
    frames: Sequence[tuple[float, Sequence[tuple[float, float, bool | None]]]],
) -> EyeTrackingResult:
    """For each frame its time, and of each face width and height in px and whether it looks into the camera."""
    return only(
        EyeTrackingResult,
        frames=tuple(
            FrameFaces.model_construct(
                timestamp=time,
                faces=tuple(
                    only(
                        FaceInFrame,
                        bounding_box=BoundingBox(x=0.0, y=0.0, width=width, height=height),
                        looks_into_camera=looks,
                    )
                    for width, height, looks in faces
                ),
            )
            for time, faces in frames
        ),
    )


def text_result(texts: Sequence[tuple[float, float, str, str]]) -> TextOverlayResult:
    """Texts: start, end, what is written, kind."""
    overlays = tuple(only(TextOverlay, start_time=a, end_time=b, text=text, kind=kind) for a, b, text, kind in texts)
    return only(TextOverlayResult, overlays=overlays)


def transcript_result(
    segments: Sequence[tuple[float, float, str]], doubts: Sequence[tuple[Doubt, ...]] = ()
) -> SpeechTranscriptionResult:
    """Segments: start, end, what is said. Their words share the time equally."""
    made = []
    for number, (start, end, text) in enumerate(segments):
        edges = [start + (end - start) * k / len(text.split()) for k in range(len(text.split()) + 1)]
        words = tuple(
            Word(start_time=a, end_time=b, text=word, probability=0.9)
            for word, (a, b) in zip(text.split(), pairwise(edges), strict=True)
        )
        marks = doubts[number] if number < len(doubts) else ()
        made.append(only(Segment, start_time=start, end_time=end, text=text, words=words, doubts=marks))
    said = sum(len(s.words) for s in made if not set(s.doubts) & set(NOT_SAID))
    return only(SpeechTranscriptionResult, segments=tuple(made), language="en", words=said)
