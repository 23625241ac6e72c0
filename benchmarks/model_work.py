"""The work that one clip of 29 s gives an analyzer: its chunks, and what it would read of others.

Random weights find no people, faces or speech, and sections that build on those would have nothing to do. So what comes
from another analyzer is made: two people and one face in every frame, speech from beginning to end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from media.decode import decode_audio, decode_video
from media.limits import MediaLimits
from media.plan import plan_decode
from media.types import AudioChunk, AudioClip, DecodeReport, FrameChunk
from ops.local import grouped
from schema.document import VideoFacts

CHUNK_S = 2.0

SPAN_S = 6.0
"""Of each made stretch of speech: the longest that ``speech_emotion`` judges at once."""


def clip_chunks(analyzer: Any, clip: Path, facts: VideoFacts) -> list[FrameChunk | AudioChunk]:
    """What the analyzer observes of the clip.

    Args:
        analyzer: Any of the catalogue.
        clip: A video.
        facts: Of it.
    """
    return [replace(chunk, upstream=_upstream(analyzer, chunk)) for chunk in _decoded(analyzer, clip, facts)]


def _decoded(analyzer: Any, clip: Path, facts: VideoFacts) -> Iterator[FrameChunk | AudioChunk]:
    plan = plan_decode({analyzer.name: analyzer.needs()}, facts, CHUNK_S)
    route = plan.routes[analyzer.name]
    if route.audio:
        yield AudioChunk(tuple(map(_spoken, decode_audio(clip, plan, facts, MediaLimits()))))
    elif route.frames:
        for header, batches in grouped(iter(decode_video(clip, plan, facts, MediaLimits()))):
            if isinstance(header, DecodeReport):
                return
            own = tuple(batches[i] for i in route.frames if i in batches)
            if any(len(batch) for batch in own):
                yield FrameChunk(header.index, header.start_s, header.end_s, own)


def _spoken(clip: AudioClip) -> AudioClip:
    """The same with a voice in place of its sound: without one Whisper is never asked."""
    from scipy.signal import resample_poly

    from ops import soundtrack

    voice = soundtrack.voice(np.random.default_rng(33), round(4.0 * clip.duration_s), clip.duration_s)
    common = math.gcd(clip.rate_hz, soundtrack.RATE_HZ)
    sound = resample_poly(voice, clip.rate_hz // common, soundtrack.RATE_HZ // common).astype(np.float32)
    sound = np.resize(sound, len(clip.samples))
    return replace(clip, samples=np.stack([sound] * 2, axis=1) if clip.samples.ndim == 2 else sound)


def _upstream(analyzer: Any, chunk: FrameChunk | AudioChunk) -> dict[str, Any]:
    return {name: MADE[name](chunk) for name in analyzer.upstream}


def _people(chunk: FrameChunk) -> Any:
    """Two standing people in each frame."""
    from analyzers.results.detections import FrameDetections, pack_detections

    width, height = chunk.batches[0].source_width, chunk.batches[0].source_height
    boxes = np.array([[0.1, 0.2, 0.45, 0.95], [0.5, 0.25, 0.9, 0.95]], np.float32)
    boxes *= np.array([width, height] * 2, np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    times = np.unique(np.concatenate([batch.own_pts_s for batch in chunk.batches]))
    return pack_detections([FrameDetections(float(t), boxes, scores, ("person", "person")) for t in times])


def _faces(chunk: FrameChunk) -> Any:
    """One face in the middle of each frame, a third of the picture wide."""
    from analyzers.results.eye_tracking import FaceSeen, FacesSeen

    width, height = chunk.batch.source_width, chunk.batch.source_height
    box = (width / 3.0, height / 3.0, width / 1.5, height / 3.0 + width / 2.5)
    ahead = (0.0, 0.0, -1.0)
    return FacesSeen(
        tuple((float(t), (FaceSeen(box, ahead, ahead, 0.0, 0.3, width / 12.0),)) for t in chunk.batch.own_pts_s)
    )


def _speech(chunk: AudioChunk) -> Any:
    """Speech without a pause."""
    from analyzers.signal.speech import SpeechSpan
    from analyzers.signal.voice import SpanSound, VoiceObservation

    end_s = chunk.clip.start_s + chunk.clip.duration_s
    starts = np.arange(chunk.clip.start_s, end_s - 1.0, SPAN_S)
    spans = (SpanSound(SpeechSpan(float(a), float(min(a + SPAN_S, end_s)), 0.9), -20.0, None, None) for a in starts)
    return VoiceObservation(chunk.clip.duration_s, tuple(spans))


MADE: dict[str, Callable[[Any], Any]] = {"object_detection": _people, "eye_tracking": _faces, "speech_flow": _speech}
"""By analyzer: what it would have observed."""
