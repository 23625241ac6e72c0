"""Puts the words of a transcript to what was measured in the sound."""

from __future__ import annotations

from analyzers.results.speech_flow import Emphasis, Follows, Pause, SpeechFlowResult, VocalPeak
from analyzers.results.speech_transcription import SpeechTranscriptionResult, Word, words_within


def with_words(flow: SpeechFlowResult, transcript: SpeechTranscriptionResult | None) -> SpeechFlowResult:
    """The result with the words that emphasis, vocal peaks and pauses fall on; unchanged without a transcript."""
    if transcript is None:
        return flow
    return flow.model_copy(
        update={
            "emphasised": tuple(_emphasis(e, transcript) for e in flow.emphasised),
            "peaks": tuple(_peak(p, transcript) for p in flow.peaks),
            "pauses": tuple(_pause(p, transcript) for p in flow.pauses),
        }
    )


def spoken_text(words: list[Word]) -> str:
    """The words as one line."""
    return " ".join(word.text for word in words)


def _emphasis(emphasis: Emphasis, transcript: SpeechTranscriptionResult) -> Emphasis:
    words = words_within(transcript, emphasis.start_time, emphasis.end_time)
    return emphasis.model_copy(update={"words": tuple(word.text for word in words)})


def _peak(peak: VocalPeak, transcript: SpeechTranscriptionResult) -> VocalPeak:
    words = (w for w in transcript.said_words if w.start_time <= peak.timestamp < w.end_time)
    word = next(words, None)
    return peak.model_copy(update={"word": word.text if word else None})


def _pause(pause: Pause, transcript: SpeechTranscriptionResult) -> Pause:
    """By the middles of the words: their borders are less exact than the pause's."""
    since, until = pause.follows.start_time, pause.start_time
    words = [w for w in transcript.said_words if since <= (w.start_time + w.end_time) / 2.0 < until]
    follows: Follows = pause.follows.model_copy(update={"text": spoken_text(words)})
    return pause.model_copy(update={"follows": follows})
