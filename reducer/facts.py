"""The video's facts once decoding has seen the pictures."""

from __future__ import annotations

from media.types import DecodeReport
from schema.document import VideoFacts


def facts_after_decode(facts: VideoFacts, report: DecodeReport) -> VideoFacts:
    """The probe's facts with what decoding found. A file cut short ends where its pictures end."""
    duration_s = report.end_s if report.truncated else max(report.end_s, facts.duration_s)
    return facts.model_copy(
        update={
            "duration_s": duration_s,
            "frames_decoded": report.frames_decoded,
            "variable_frame_rate": report.variable_frame_rate,
            "truncated": report.truncated,
            "corrupt_frames": report.corrupt_frames,
            "decode_error": report.error or None,
        }
    )
