"""Results of other analyzers, written down by hand, for the analyzers that come after them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from analyzers.speech_flow import Emphasis, Follows, Pause, Speech, SpeechFlowResult, Syllable


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
