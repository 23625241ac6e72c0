"""What the ingress answers, made from what the graph knows."""

from __future__ import annotations

from collections.abc import Mapping

from analyzers.catalogue import analyzer_class
from analyzers.host import Description
from deployments.calls import Failure
from jobs.record import JobRecord
from media.needs import EveryFrame, FrameNeed, Needs, Rate
from schema.api import AnalyzeResponse, AnalyzerInfo
from schema.document import AnalysisDocument


def analyzer_rows(described: Mapping[str, Description | Failure]) -> tuple[AnalyzerInfo, ...]:
    """One row per deployed analyzer: its declaration, or that it does not answer."""
    return tuple(_row(name, answer) for name, answer in described.items())


def analyzer_states(
    described: Mapping[str, Description | Failure], starting: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Per analyzer: ``ready``, ``ready: new settings were refused ...``, ``loading``, ``unavailable: why``, or
    ``unreachable``.

    Args:
        described: What each said of itself.
        starting: For those that said nothing: what Serve says of them.
    """
    states = {}
    for name, answer in described.items():
        if isinstance(answer, Failure):
            states[name] = (starting or {}).get(name, "unreachable")
        else:
            states[name] = f"{answer.state}: {answer.reason}" if answer.reason else answer.state
    return states


def analysis_response(document: AnalysisDocument, job: JobRecord) -> AnalyzeResponse:
    """The answer that names a finished document."""
    lost = [
        f"{n}: {s.error.reason}" for n, s in document.sections.items() if s.status in ("failed", "partial") and s.error
    ]
    return AnalyzeResponse(
        id=document.id,
        status=document.status,
        video_path=job.source.name,
        processing_time=document.performance.processing_time,
        realtime_factor=document.performance.realtime_factor,
        successful_analyzers=document.quality.sections_with_result,
        total_analyzers=document.quality.sections_total,
        results_file=job.results_file or "",
        error="; ".join(lost) or None,
    )


def need_in_words(needs: Needs) -> str:
    """An analyzer's needs for people: ``2 fps, 160 px rgb``."""
    parts = [f"{_sampling_in_words(need)}, {need.short_side_px} px {need.colour}" for need in needs.frames]
    parts += [f"sound, {need.rate_hz} Hz, {'stereo' if need.channels == 2 else 'mono'}" for need in needs.audio]
    return "; ".join(parts) or "results of other analyzers"


def _sampling_in_words(need: FrameNeed) -> str:
    if isinstance(need.sampling, EveryFrame):
        return "every frame"
    if isinstance(need.sampling, Rate):
        return f"{need.sampling.fps:g} fps"
    return f"{need.sampling.count} frames over the clip"


def _row(name: str, answer: Description | Failure) -> AnalyzerInfo:
    cls = analyzer_class(name)
    return AnalyzerInfo(
        name=name,
        title=cls.title,
        version=cls.version,
        state="unreachable" if isinstance(answer, Failure) else answer.state,
        reason=answer.reason or None,
        remedy=None if isinstance(answer, Failure) else answer.remedy or None,
        after=cls.after,
        need="unknown" if isinstance(answer, Failure) else need_in_words(answer.needs),
        models=cls.models,
        loaded_models=() if isinstance(answer, Failure) else answer.models,
        config={} if isinstance(answer, Failure) else answer.config,
        config_schema=cls.Config.model_json_schema(),
        result_schema=cls.Result.model_json_schema(),
    )
