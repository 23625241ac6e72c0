"""What ``scene_segmentation`` reads from other analyzers where they were run, as likenesses of shots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from analyzers.base import Context, merge_spans
from analyzers.results.audio_analysis import AudioAnalysisResult
from analyzers.results.clip_encoder import clip_vectors
from analyzers.results.speech_flow import SpeechFlowResult
from analyzers.results.text_overlay import TextOverlayResult
from analyzers.signal import shot_evidence
from analyzers.signal.spans import Span
from media.types import Float64Array

Evidence = Literal["clip", "text", "sound"]

SOURCES: dict[Evidence, tuple[str, ...]] = {
    "clip": ("clip_encoder",),
    "text": ("text_overlay",),
    "sound": ("audio_analysis", "speech_flow"),
}
"""The analyzers that each likeness comes from."""

WATERMARKS = ("watermark", "scene")
"""Kinds of text that say nothing about scenes: those of the account, and those on things."""


def read_evidence(shots: Sequence[Span], context: Context) -> tuple[dict[Evidence, Float64Array], dict[Evidence, str]]:
    """Likenesses (S, S) of the shots, and for those that nothing is known of: why."""
    found: dict[Evidence, Float64Array] = {}
    missing: dict[Evidence, str] = {}
    for kind, sources in SOURCES.items():
        likeness = _READERS[kind](shots, context)
        if likeness is not None:
            found[kind] = likeness
        else:
            missing[kind] = "; ".join(f"{s}: {context.missing.get(s, 'no result')}" for s in sources)
    return found, missing


def _clip(shots: Sequence[Span], context: Context) -> Float64Array | None:
    seen = clip_vectors(context)
    return shot_evidence.vector_likeness(shots, *seen) if seen else None


def _text(shots: Sequence[Span], context: Context) -> Float64Array | None:
    result = context.results.get("text_overlay")
    if not isinstance(result, TextOverlayResult):
        return None
    texts = [(o.start_time, o.end_time) for o in result.overlays if o.kind not in WATERMARKS]
    return shot_evidence.text_likeness(shots, texts)


def _sound(shots: Sequence[Span], context: Context) -> Float64Array | None:
    """By music, speech and silence; by speech alone where ``audio_analysis`` has no result."""
    audio, flow = context.results.get("audio_analysis"), context.results.get("speech_flow")
    speech = [(s.start_time, s.end_time) for s in flow.spans] if isinstance(flow, SpeechFlowResult) else None
    if isinstance(audio, AudioAnalysisResult):
        kinds = [merge_spans(spans) for spans in (audio.music, audio.speech, audio.silence)]
    elif speech is not None:
        kinds = [speech]
    else:
        return None
    return shot_evidence.sound_likeness(shot_evidence.kind_shares(shots, kinds), shots, speech)


_READERS = {"clip": _clip, "text": _text, "sound": _sound}
