"""BLIP-2 captions: what single frames show, in words, merged into segments.

BLIP-2 with OPT 2.7B (Li et al., "BLIP-2: Bootstrapping language-image pre-training with frozen image encoders and large
language models", ICML 2023; weights ``Salesforce/blip2-opt-2.7b``) captions one frame every three seconds. It sees
pictures, not motion, and answers no questions: the smallest alternative to ``video_llava``, in the same form. Under a
permissive licence policy its variant with Flan-T5 serves.

Method
    * frames of several videos are captioned as one batch; greedy decoding; a caption's confidence is the mean
      probability of its tokens;
    * neighbouring captions that say the same are one segment, whose text is the surest of them; how many frames it
      stands for is beside it. The captions themselves are all kept, with their similarity to the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import Context, NotApplicable
from analyzers.inference.captioner import Captioner
from analyzers.inference.device import open_device
from analyzers.inference.generation import Generated
from analyzers.inference.hub_models import Quantization
from analyzers.inference.model_analyzer import ModelAnalyzer
from analyzers.inference.text_settings import TextConfig
from analyzers.results.video_text import (
    DescribedSegment,
    GeneratedFacts,
    Method,
    SegmentText,
    VideoTextResult,
    headline_of,
    repetition_of,
    segment_items,
    segments_from,
)
from media.needs import FrameNeed, Needs, Rate
from media.types import FrameChunk
from schema.base import Seconds, UnitScore
from schema.document import TimelineItem


class Blip2Config(TextConfig):
    """Settings of ``blip2_video_analyzer``."""

    model: Literal["blip2-opt-2.7b", "blip2-flan-t5-xl"] = "blip2-opt-2.7b"
    """Which weights; another name in the manifest serves where the licence policy refuses this one's."""
    quantization: Quantization = "int8"
    """``int8`` holds it in 4.5 GB, ``none`` in float16 in 7.5 GB and is faster where there is room."""
    every_s: Annotated[float, Field(ge=0.25, le=60.0)] = 3.0
    """Seconds between the frames that are captioned. Lower sees more and costs in proportion."""
    prompt: Annotated[str, Field(max_length=200)] = ""
    """What each caption goes on from. Empty for a free caption; "a photo of" is what the paper's fine-tuned captioner
    goes on from."""
    caption_tokens: Annotated[int, Field(ge=4, le=256)] = 40
    """Longest caption in tokens. The model's own are about ten words."""
    short_side_px: Annotated[int, Field(ge=56, le=1080)] = 256
    """Size of the frames asked for. The model sees 224 x 224 px, into which the whole frame is squeezed."""
    chunks_per_batch: Annotated[int, Field(ge=1, le=32)] = 8
    """Chunks, of one video or several, whose frames are captioned at once: one frame each, or none. More fills the card
    better; where memory is short, the batch is halved."""


class Caption(GeneratedFacts):
    """What the model says of one frame."""

    timestamp: Seconds
    caption: str | None
    similarity_to_previous: UnitScore | None
    """Overlap of three-word phrases with the caption before; 1 for the same words. Null where one has no text."""
    repeats_previous: bool
    """That similarity reaches ``repeat_similarity``."""


class Blip2Result(VideoTextResult):
    """Captions, and segments of those that say the same."""

    captions: tuple[Caption, ...]


@dataclass(frozen=True)
class CaptionsSeen:
    """One chunk.

    Attributes:
        picture_size: Width and height of its frames in px.
        times_s: Of its captioned frames.
        texts: One for each.
    """

    picture_size: tuple[int, int]
    times_s: tuple[float, ...]
    texts: tuple[Generated, ...]


class Blip2VideoAnalyzer(ModelAnalyzer[Blip2Config, FrameChunk, CaptionsSeen, Blip2Result]):
    """Captions of single frames, merged into segments."""

    name = "blip2_video_analyzer"
    version = "1"
    title = "Captions of single frames, merged into segments (small alternative to video_llava)"
    Config = Blip2Config
    Result = Blip2Result
    models = ("blip2-opt-2.7b", "blip2-flan-t5-xl")
    load_fields = frozenset({"model", "quantization"})
    captioner: Captioner

    def needs(self) -> Needs:
        """One frame every ``every_s`` seconds."""
        return Needs(frames=(FrameNeed(Rate(1.0 / self.config.every_s), self.config.short_side_px),))

    def load(self) -> None:
        """Loads the model under the current settings; imports nothing heavy before its files are known to be there."""
        weights = self.find_weights(self.config.model)
        self.captioner = Captioner(weights.path, open_device(self.runtime), self.config.quantization)

    def warm_up(self) -> None:
        """One word about a black picture."""
        black = np.zeros((self.config.short_side_px, self.config.short_side_px, 3), np.uint8)
        self.captioner.caption([black], self.config.prompt, self.config.bounds(1))

    def observe(self, chunks: Sequence[FrameChunk]) -> list[CaptionsSeen]:
        """Captions of all chunks' own frames, as one batch."""
        pictures = [frame for chunk in chunks for frame in chunk.batch.own]
        bounds = self.config.bounds(self.config.caption_tokens)
        made = (text.rounded() for text in self.captioner.caption(pictures, self.config.prompt, bounds))
        return [
            CaptionsSeen(
                (chunk.batch.width, chunk.batch.height),
                tuple(float(t) for t in chunk.batch.own_pts_s),
                tuple(next(made) for _ in range(len(chunk.batch))),
            )
            for chunk in chunks
        ]

    def conclude(self, observations: Sequence[CaptionsSeen], context: Context) -> Blip2Result:
        """Checks and compares the captions and merges those that say the same.

        Raises:
            NotApplicable: ``no_frames``: nothing was seen.
            AnalysisFailed: ``degenerate_text``, ``out_of_time``: the model wrote no text that is one.
        """
        parts = self._parts(observations)
        limits = self.config.text_limits()
        captioned = segments_from(parts, limits, self.config.repeat_similarity, context)
        if not captioned:
            raise NotApplicable("no_frames", "The model was shown no frame.")
        return Blip2Result(
            description=None,
            format=None,
            answers=(),
            segments=merged(captioned),
            frame_times=tuple(segment.start_time for segment in captioned),
            repetition=repetition_of(captioned, ()),
            method=Method(
                model=self.loaded_models()[0],
                quantization=self.config.quantization,
                prompt_format="{question}",
                description_prompt=self.config.prompt,
                frames_per_text=1,
                picture_size=observations[0].picture_size,
            ),
            captions=tuple(_caption(segment) for segment in captioned),
        )

    def timeline(self, result: Blip2Result) -> list[TimelineItem]:
        """The segments."""
        return segment_items(self.name, result.segments)

    def headline(self, result: Blip2Result) -> str | None:
        """The first segment's caption."""
        return headline_of(result)

    def _parts(self, observations: Sequence[CaptionsSeen]) -> list[SegmentText]:
        """A part for each caption: until the next one, or as long as the usual distance where that is lost."""
        seen = [(t, text) for o in observations for t, text in zip(o.times_s, o.texts, strict=True)]
        following = [t for t, _ in seen[1:]] + [np.inf]
        return [SegmentText(t, min(following[i], t + self.config.every_s), 1, text) for i, (t, text) in enumerate(seen)]


def merged(captioned: Sequence[DescribedSegment]) -> tuple[DescribedSegment, ...]:
    """Neighbours that say the same as one segment, with the text and the facts of the surest; the rest as they are."""
    runs: list[list[DescribedSegment]] = []
    for segment in captioned:
        if segment.repeats_previous and runs and runs[-1][-1].end_time >= segment.start_time - 1e-6:
            runs[-1].append(segment)
        else:
            runs.append([segment])
    return tuple(_one(run, index) for index, run in enumerate(runs))


def _one(run: Sequence[DescribedSegment], index: int) -> DescribedSegment:
    surest = max(run, key=lambda segment: segment.confidence or 0.0)
    return surest.model_copy(
        update={
            "segment_id": index,
            "start_time": run[0].start_time,
            "end_time": run[-1].end_time,
            "frames": sum(segment.frames for segment in run),
            "similarity_to_previous": run[0].similarity_to_previous,
            "repeats_previous": run[0].repeats_previous,
        }
    )


def _caption(segment: DescribedSegment) -> Caption:
    shared = segment.model_dump(include=set(Caption.model_fields))
    return Caption(**shared, timestamp=segment.start_time, caption=segment.description)
