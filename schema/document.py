"""The analysis document: one shape, whatever was asked and whatever failed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from schema.base import Finite, Model, Seconds, TimedSpan, UnitScore
from schema.checklist import Checklist
from schema.status import SectionError as SectionError
from schema.status import SectionStatus as SectionStatus

SCHEMA_VERSION = "1.0"
"""Major changes when a reader of the old shape would break."""

Channel = Literal["seen", "said", "written", "heard"]
"""The four lanes of the fused time line."""


class AudioFacts(Model):
    """The audio stream that was analysed."""

    codec: str
    sample_rate_hz: int
    channels: int
    duration_s: Annotated[float, Field(ge=0.0)] | None = None
    """Declared length; null when the container does not say."""


class VideoFacts(Model):
    """What the container says and what decoding found. Sizes are of the upright (rotated) picture."""

    container: str
    duration_s: Annotated[float, Field(ge=0.0)]
    """Length of the time line: the decoded end where decoding has happened, else the declared one."""
    declared_duration_s: Annotated[float, Field(ge=0.0)] | None = None
    start_offset_s: Finite = 0.0
    """The container's own start time; time zero of every result is this moment."""
    width: int | None = None
    """Upright width in px; null for a sound without pictures."""
    height: int | None = None
    rotation_deg: Literal[0, 90, 180, 270] = 0
    """Clockwise turn that makes the stored picture upright."""
    pixel_aspect_ratio: Annotated[float, Field(gt=0.0)] = 1.0
    """Width of a stored pixel over its height; pictures are analysed in stored pixels."""
    frame_rate: Annotated[float, Field(gt=0.0)] | None = None
    """Average frames per second; frame times come from time stamps, never from this."""
    variable_frame_rate: bool | None = None
    """Null until decoding has seen the time stamps."""
    interlaced: bool | None = None
    video_codec: str | None = None
    pixel_format: str | None = None
    frames_declared: Annotated[int, Field(ge=0)] | None = None
    frames_decoded: Annotated[int, Field(ge=0)] | None = None
    truncated: bool = False
    """Decoding ended well before the declared length."""
    corrupt_frames: Annotated[int, Field(ge=0)] | None = None
    """Pictures that the decoder marked as damaged; null until decoding has seen them."""
    decode_error: str | None = None
    """FFmpeg's text where packets could not be decoded; null when all could."""
    video_streams: Annotated[int, Field(ge=0)] = 0
    audio_streams: Annotated[int, Field(ge=0)] = 0
    audio: AudioFacts | None = None

    @property
    def has_video(self) -> bool:
        """Whether there are pictures to analyse."""
        return self.width is not None


class PostCounts(Model):
    """What the site counted when the video was fetched; null where it says nothing."""

    views: Annotated[int, Field(ge=0)] | None = None
    likes: Annotated[int, Field(ge=0)] | None = None
    comments: Annotated[int, Field(ge=0)] | None = None
    shares: Annotated[int, Field(ge=0)] | None = None
    saves: Annotated[int, Field(ge=0)] | None = None


class PostSound(Model):
    """The music or original sound that the site names under the video."""

    title: str | None = None
    artists: tuple[str, ...] = ()
    album: str | None = None


class PostFacts(Model):
    """What the site says about the post. The author's and the site's words: unchecked, null where absent."""

    extractor: str
    """The part of yt-dlp that read the page: ``TikTok``, or ``Generic`` for a bare file."""
    id: str | None = None
    """The site's own id of the video."""
    page_url: str | None = None
    """The page after redirects."""
    author: str | None = None
    """The account's handle, without ``@``."""
    author_name: str | None = None
    """The name that the account shows."""
    author_id: str | None = None
    caption: str | None = None
    hashtags: tuple[str, ...] = ()
    """In the caption's order, each once, without ``#``."""
    sound: PostSound | None = None
    counts: PostCounts | None = None
    uploaded_at: datetime | None = None
    declared_duration_s: Annotated[float, Field(ge=0.0)] | None = None
    """Length that the site names; the video's own is in ``video``."""


class SourceFacts(Model):
    """Where the bytes came from."""

    kind: Literal["path", "upload", "url"]
    name: str
    """File name as the client gave it, without its folder."""
    sha256: str
    size_bytes: Annotated[int, Field(ge=0)]
    url: str | None = None
    """As the client gave it; null for a path or an upload."""
    post: PostFacts | None = None
    """What came with a downloaded video; null for a path or an upload."""


class Coverage(Model):
    """How much of its input an analyzer has seen."""

    chunks_planned: Annotated[int, Field(ge=0)]
    chunks_observed: Annotated[int, Field(ge=0)]
    chunks_failed: Annotated[int, Field(ge=0)] = 0
    share: UnitScore
    """Share of the video's time line that was observed; 1.0 for an analyzer that needs no frames of its own."""


class Provenance(Model):
    """How a section was made, so that it can be made again."""

    analyzer_version: str
    models: tuple[str, ...] = ()
    """Ids in the weights manifest, with revision."""
    config: dict[str, Any] = {}
    device: str = "cpu"
    queued_ms: Annotated[float, Field(ge=0.0)] = 0.0
    """Wall time that calls waited before they ran, summed."""
    run_ms: Annotated[float, Field(ge=0.0)] = 0.0
    """Wall time inside the analyzer, summed over its chunks and its conclusion."""
    cpu_ms: Annotated[float, Field(ge=0.0)] = 0.0
    """Processor time of the threads that ran it."""
    coverage: Coverage | None = None
    from_cache: bool = False
    """The section was computed for an earlier request; times and coverage are those of that one."""
    computed_at: datetime | None = None
    """When a section from the cache was computed; null for one of this request."""


class TimelineItem(TimedSpan):
    """One thing that an analyzer found, placed on the fused time line."""

    channel: Channel
    analyzer: str
    label: str
    """Short and readable: a word, a caption, ``pan_right``, ``hard cut``."""
    score: UnitScore | None = None
    """The analyzer's own score for it; null when it has none."""

    @classmethod
    def of(
        cls, span: TimedSpan, channel: Channel, analyzer: str, label: str, score: float | None = None
    ) -> TimelineItem:
        """An item over a span of the analyzer's result."""
        return cls(
            start_time=span.start_time,
            end_time=span.end_time,
            channel=channel,
            analyzer=analyzer,
            label=label,
            score=score,
        )


class Section(Model):
    """One analyzer's part of the document."""

    analyzer: str
    status: SectionStatus
    requested: bool = True
    """False when it only ran because another analyzer reads it."""
    error: SectionError | None = None
    headline: str | None = None
    """One sentence made of values in the result."""
    result: dict[str, Any] | None = None
    """The analyzer's own typed result; its model is in ``GET /schema`` under the analyzer's name."""
    provenance: Provenance


class TimelineEntry(TimedSpan):
    """What is seen, said, written and heard in one stretch of the video."""

    index: Annotated[int, Field(ge=0)]
    basis: Literal["shot", "second"]
    """Shots where cuts are known, else seconds."""
    seen: tuple[TimelineItem, ...] = ()
    said: tuple[TimelineItem, ...] = ()
    written: tuple[TimelineItem, ...] = ()
    heard: tuple[TimelineItem, ...] = ()


class Finding(Model):
    """What an analyzer says of a stretch of the video: its items of one label, taken together."""

    analyzer: str
    label: str
    share: UnitScore
    """Share of the stretch that they cover."""
    score: UnitScore | None
    """The highest of theirs; null when it has none."""


class Stretch(TimedSpan):
    """A stretch of the video by topics. Findings are sorted by their first moment in it."""

    index: Annotated[int, Field(ge=0)]
    key_frame_s: Seconds | None
    """The picture that stands for a scene; null where there is none, and for a part of five seconds."""
    action: tuple[Finding, ...] = ()
    """What happens: descriptions of the video language model, postures, gestures."""
    visuals: tuple[Finding, ...] = ()
    """Objects, products, faces, places, colours."""
    said: tuple[Finding, ...] = ()
    written: tuple[Finding, ...] = ()
    heard: tuple[Finding, ...] = ()
    """Music, sound effects, what the surroundings sound like."""
    camera_and_editing: tuple[Finding, ...] = ()
    emotion: tuple[Finding, ...] = ()
    """How voices sound."""
    story: tuple[Finding, ...] = ()
    """Hook, build, peak, calls to action."""


class Breakdown(Model):
    """The video stretch by stretch. It repeats the time line in another order and adds nothing to it."""

    scenes: tuple[Stretch, ...] | None = None
    """Null where scenes are not known."""
    parts: tuple[Stretch, ...] = ()
    """Of five seconds each; the last may be shorter."""


class Summary(Model):
    """The document in a few lines, made only of what the sections hold."""

    text: str
    points: tuple[str, ...] = ()
    """One line for each section that has a headline, in document order."""
    missing: tuple[str, ...] = ()
    """One line for each section without a result: which, and why."""


class Quality(Model):
    """Computed from the document itself, never asserted."""

    sections_with_result: Annotated[int, Field(ge=0)]
    sections_total: Annotated[int, Field(ge=0)]
    timeline_coverage: UnitScore
    """Share of the video's length in which at least one analyzer placed something on the time line."""
    time_monotone: bool
    """Every list of spans is sorted and inside the video."""
    repeated_text_share: UnitScore | None = None
    """Share of written and said items whose text repeats their predecessor; null without any."""
    frames_decoded_share: UnitScore | None = None
    """Decoded over declared length; null when nothing was declared."""


class Performance(Model):
    """Where the time went."""

    processing_time: Annotated[float, Field(ge=0.0)]
    """Wall seconds from when the job was taken up to the finished document."""
    realtime_factor: Annotated[float, Field(ge=0.0)]
    """Seconds of work for each second of video; below 1 is faster than real time."""
    stages_ms: dict[str, float] = {}
    """Wall milliseconds of acquire, probe, audio, decode, analyse, reduce; they overlap."""
    analyzers_ms: dict[str, float] = {}
    """Wall milliseconds inside each analyzer; 0 for a section from the cache."""
    first_observation_ms: float | None = None
    """From when the job was taken up to the first observation of any analyzer."""
    video_decodes: Annotated[int, Field(ge=0)] = 0
    """How often this request's pictures were decoded: 1, or 0 where there are none or nobody needed them."""
    sections_from_cache: Annotated[int, Field(ge=0)] = 0
    """Sections that an earlier request had computed."""
    object_store_bytes: Annotated[int, Field(ge=0)] = 0
    """Bytes of pictures and sound put into the object store."""
    decoder: str | None = None


class AnalysisDocument(Model):
    """Everything known about one video."""

    schema_version: str = SCHEMA_VERSION
    id: str
    created_at: datetime
    status: Literal["ok", "partial", "failed"]
    """``ok``: every requested section has its result or is not applicable or unavailable. ``partial``: some failed
    or the video was cut short. ``failed``: no section has a result."""
    source: SourceFacts
    video: VideoFacts
    summary: Summary
    timeline: tuple[TimelineEntry, ...]
    breakdown: Breakdown = Breakdown()
    """Empty in documents of earlier versions."""
    checklist: Checklist = Checklist()
    """The same."""
    sections: dict[str, Section]
    quality: Quality
    performance: Performance

    def section(self, name: str) -> Section:
        """The named section; ``KeyError`` with the names there are when it is missing."""
        if name not in self.sections:
            raise KeyError(f"no section {name!r}; there are {sorted(self.sections)}")
        return self.sections[name]
