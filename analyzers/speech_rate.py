"""Speech rate: how fast somebody speaks, in syllables that ``speech_flow`` found and, with a transcript, in words.

Speech rate is syllables over the time from the first speech to the last, pauses included; articulation rate is
syllables over the time of speech alone (both as in de Jong and Wempe, "Praat script to detect syllable nuclei and
measure speech rate automatically", Behavior Research Methods 41, 2009). Words are those of ``speech_transcription``
that count as said; without a transcript nothing is said about them: syllables per word differ from language to
language. The pace is always judged by syllables, so that it does not depend on a model being there.

The signal misses some syllables and doubles others; on the published clips (141 syllables) the count is off by 2 % in
sum and by about one in ten syllable by syllable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import Analyzer, AnalyzerConfig, AnalyzerResult, Context, NotApplicable, Unavailable
from analyzers.results.speech_flow import SpeechFlowResult
from analyzers.results.speech_transcription import SpeechTranscriptionResult, transcript_of
from media.needs import Needs
from media.types import AudioChunk
from schema.base import Model, Seconds, TimedSpan, UnitScore
from schema.document import TimelineItem

Pace = Literal["slow", "medium", "fast"]
Rate = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class SpeechRateConfig(AnalyzerConfig):
    """Settings of ``speech_rate``."""

    min_speech_s: Annotated[float, Field(ge=0.2, le=60.0)] = 1.0
    """Less speech has no rate: one syllable more or less would change it by a quarter. Higher skips short clips."""
    window_s: Annotated[float, Field(ge=1.0, le=30.0)] = 3.0
    """Window of the curve: about 15 syllables, so that one missed changes it by 7 %. Higher is smoother."""
    step_s: Annotated[float, Field(ge=0.1, le=30.0)] = 1.0
    """Step of the curve."""
    window_speech_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """A window with a smaller share of speech has no rate, for the same reason. Higher leaves gaps in the curve."""
    slow_below: Annotated[float, Field(gt=0.0, le=20.0)] = 3.5
    """Articulation rate in syllables/s below which the pace is slow. Read texts in seven languages run at 5.2 to 7.8
    (Pellegrino, Coupé and Marsico 2011), careful speech to a camera slower. Not yet tuned."""
    fast_from: Annotated[float, Field(gt=0.0, le=20.0)] = 6.5
    """The same for fast: the middle of those languages. Not yet tuned."""
    change: Annotated[float, Field(gt=1.0, le=10.0)] = 1.25
    """The fastest and the slowest stretch go on the time line when their rates differ by this factor. Not yet tuned."""


class RatePoint(TimedSpan):
    """One window of the curve."""

    timestamp: Seconds
    """Its middle."""
    syllables_per_s: Rate
    """Of the speech inside the window."""
    words_per_s: Rate | None = None
    """The same in words; null without a transcript."""
    speech_share: UnitScore
    """Of the window."""


class PauseSummary(Model):
    """Of the pauses that ``speech_flow`` found."""

    count: Annotated[int, Field(ge=0)]
    total_s: Annotated[float, Field(ge=0.0)]
    mean_s: Annotated[float, Field(gt=0.0)] | None
    """Null without any."""
    per_minute: Rate
    """Of the time from the first speech to the last."""


class SpeechRateResult(AnalyzerResult):
    """Rates of the clip."""

    basis: Literal["syllables", "syllables_and_words"]
    """What was counted: syllable nuclei in the signal, and the words of a transcript where there is one."""
    syllables: Annotated[int, Field(ge=1)]
    speech_rate: Rate
    """Syllables per second from the first speech to the last, pauses included."""
    articulation_rate: Rate
    """Syllables per second of speech alone."""
    pace: Pace
    """Verdict on ``articulation_rate``."""
    words: Annotated[int, Field(ge=0)] | None = None
    """Of the transcript; null without one, as the three below."""
    words_per_s: Rate | None = None
    """Words per second of speech alone."""
    words_per_minute: Rate | None
    """From the first speech to the last, pauses included."""
    syllables_per_word: Rate | None = None
    """A check on both, as each language has its own; null without words."""
    speech_s: Annotated[float, Field(gt=0.0)]
    total_s: Annotated[float, Field(gt=0.0)]
    """From the first speech to the last."""
    pauses: PauseSummary
    curve: tuple[RatePoint, ...]
    fastest: RatePoint | None
    """Null where no window has enough speech."""
    slowest: RatePoint | None


class SpeechRate(Analyzer[SpeechRateConfig, AudioChunk, None, SpeechRateResult]):
    """Speech and articulation rate over time."""

    name = "speech_rate"
    version = "2"
    title = "Speech rate over time, articulation rate and pauses"
    Config = SpeechRateConfig
    Result = SpeechRateResult
    after = ("speech_flow",)
    uses = ("speech_transcription",)

    def needs(self) -> Needs:
        """Nothing but what ``speech_flow`` found."""
        return Needs()

    def observe(self, chunks: Sequence[AudioChunk]) -> list[None]:
        """Never asked for: it needs no chunks."""
        return [None for _ in chunks]

    def conclude(self, observations: Sequence[None], context: Context) -> SpeechRateResult:
        """Rates from the syllables.

        Raises:
            NotApplicable: ``no_speech``, ``too_little_speech``.
            Unavailable: ``needs_speech_flow`` when that has failed.
        """
        flow = context.results.get("speech_flow")
        if not isinstance(flow, SpeechFlowResult):
            reason = context.missing.get("speech_flow", "it did not run")
            if reason.startswith("not_applicable"):
                raise NotApplicable("no_speech", "There is no speech to measure.")
            raise Unavailable(
                "needs_speech_flow", f"speech_flow has no result ({reason}).", "See the section speech_flow."
            )
        if flow.speech_s < self.config.min_speech_s or not flow.syllables:
            raise NotApplicable(
                "too_little_speech", f"{flow.speech_s:.1f} s of speech; {self.config.min_speech_s:g} s are asked for."
            )
        total_s = flow.spans[-1].end_time - flow.spans[0].start_time
        articulation = len(flow.syllables) / flow.speech_s
        transcript = transcript_of(context)
        words = None if transcript is None else transcript.words
        curve = self._curve(flow, transcript, context.video.duration_s)
        return SpeechRateResult(
            basis="syllables" if words is None else "syllables_and_words",
            syllables=len(flow.syllables),
            speech_rate=len(flow.syllables) / total_s,
            articulation_rate=articulation,
            pace=self._pace(articulation),
            words=words,
            words_per_s=None if words is None else words / flow.speech_s,
            words_per_minute=None if words is None else 60.0 * words / total_s,
            syllables_per_word=len(flow.syllables) / words if words else None,
            speech_s=flow.speech_s,
            total_s=total_s,
            pauses=_pauses(flow, total_s),
            curve=tuple(curve),
            fastest=max(curve, key=lambda p: p.syllables_per_s, default=None),
            slowest=min(curve, key=lambda p: p.syllables_per_s, default=None),
        )

    def _pace(self, rate: float) -> Pace:
        if rate < self.config.slow_below:
            return "slow"
        return "fast" if rate >= self.config.fast_from else "medium"

    def _curve(
        self, flow: SpeechFlowResult, transcript: SpeechTranscriptionResult | None, duration_s: float
    ) -> list[RatePoint]:
        times = np.array([s.timestamp for s in flow.syllables])
        # A word belongs to the window that holds its middle.
        words = None if transcript is None else [(w.start_time + w.end_time) / 2.0 for w in transcript.said_words]
        points = []
        window_s = min(self.config.window_s, duration_s)
        for number in range(int((duration_s - window_s) / self.config.step_s + 1e-9) + 1):
            start = number * self.config.step_s
            end = min(start + window_s, duration_s)
            speech_s = sum(max(0.0, min(s.end_time, end) - max(s.start_time, start)) for s in flow.spans)
            share = min(1.0, speech_s / (end - start))
            if share >= self.config.window_speech_share:
                count = int(((times >= start) & (times < end)).sum())
                points.append(
                    RatePoint(
                        start_time=start,
                        end_time=end,
                        timestamp=(start + end) / 2.0,
                        syllables_per_s=count / speech_s,
                        words_per_s=None if words is None else sum(start <= t < end for t in words) / speech_s,
                        speech_share=share,
                    )
                )
        return points

    def timeline(self, result: SpeechRateResult) -> list[TimelineItem]:
        """The fastest and the slowest stretch, where they differ enough."""
        fast, slow = result.fastest, result.slowest
        if fast is None or slow is None or fast.syllables_per_s < self.config.change * slow.syllables_per_s:
            return []
        items = [
            TimelineItem.of(point, "said", self.name, f"{label} speech, {point.syllables_per_s:.1f} syllables/s")
            for point, label in ((fast, "fastest"), (slow, "slowest"))
        ]
        return sorted(items, key=lambda item: (item.start_time, item.end_time))

    def headline(self, result: SpeechRateResult) -> str:
        """Both rates and the pace."""
        words = "" if result.words_per_minute is None else f", {result.words_per_minute:.0f} words/min"
        return (
            f"{result.pace.capitalize()} speech: {result.articulation_rate:.1f} syllables/s while speaking, "
            f"{result.speech_rate:.1f} with pauses{words}."
        )


def _pauses(flow: SpeechFlowResult, total_s: float) -> PauseSummary:
    paused_s = sum(p.duration_s for p in flow.pauses)
    return PauseSummary(
        count=len(flow.pauses),
        total_s=paused_s,
        mean_s=paused_s / len(flow.pauses) if flow.pauses else None,
        per_minute=60.0 * len(flow.pauses) / total_s,
    )
