"""What the analyzers with a video language model have in common: loading, describing parts, answering questions.

They differ in model and in what they are shown: frames spread over the clip, or part after part of it.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import numpy as np
from pydantic import Field

from analyzers.base import Context, NotApplicable
from analyzers.inference.device import open_device
from analyzers.inference.generation import Bounds, Generated
from analyzers.inference.hub_models import Quantization
from analyzers.inference.model_analyzer import ModelAnalyzer
from analyzers.inference.questions import OVERALL, PART, QUESTIONS, PartText, about_parts
from analyzers.inference.text_settings import AnswerConfig
from analyzers.inference.video_chat import FAMILIES, PictureOptions, VideoChat
from analyzers.inference.windows import windows_of
from analyzers.results.video_text import (
    Answer,
    Basis,
    Description,
    Method,
    SegmentText,
    VideoTextResult,
    answer_from,
    description_from,
    format_from,
    generated_facts,
    headline_of,
    repetition_of,
    segment_items,
    segments_from,
)
from media.types import FrameBatch, FrameChunk
from schema.document import TimelineItem


class ChatConfig(AnswerConfig):
    """Settings of a video language model."""

    quantization: Quantization = "nf4"
    """``nf4`` holds a 7B model in 5 GB; ``int8`` in 8 GB; ``none`` in float16 in 15 to 17 GB, for which the share of
    the card must be raised. The error of nf4 is small beside what a model gets wrong anyway (Dettmers et al. 2023)."""
    description_tokens: Annotated[int, Field(ge=16, le=1024)] = 192
    """Longest description of the whole clip in tokens: about ten sentences. Higher takes longer."""
    segment_s: Annotated[float, Field(ge=0.5, le=60.0)] = 2.0
    """Length of the parts that are described one by one. A divisor of ``chunk_s``; a chunk's border divides a part
    otherwise. Lower is finer and costs more: each part takes the same time."""
    segment_frames: Annotated[int, Field(ge=2, le=64)] = 16
    """Frames of a part that the model is shown. Higher shows faster actions and costs in proportion."""
    segment_tokens: Annotated[int, Field(ge=8, le=512)] = 96
    """Longest description of a part in tokens: two to three sentences."""
    parts_characters: Annotated[int, Field(ge=500, le=40_000)] = 6000
    """Where questions are about described parts: characters of the descriptions that the model is given, 1,500 tokens
    of a context of 4,096. Beyond, evenly fewer parts are."""
    tokens_per_frame: Annotated[int, Field(ge=16, le=1024)] = 128
    """Qwen2-VL only: most tokens for two neighbouring frames; 128 are 100,000 pixels, the least that it was trained
    with for videos. Higher sees smaller things and costs in proportion."""
    short_side_px: Annotated[int, Field(ge=56, le=1080)] = 336
    """Size of the frames asked for: the side of LLaVA's square. Its own scaling makes them smaller if need be."""


@dataclass(frozen=True)
class ClipText:
    """What was generated for frames of the whole clip.

    Attributes:
        times_s: Of the frames.
        description: Of the clip.
        answers: To the questions, in their order; empty where they were not asked.
    """

    times_s: tuple[float, ...]
    description: Generated
    answers: tuple[Generated, ...]


@dataclass(frozen=True)
class Said:
    """What the model said of one chunk.

    Attributes:
        picture_size: Width and height of its frames in px.
        clip: For a chunk spread over the clip.
        segments: For a stretch of it.
    """

    picture_size: tuple[int, int]
    clip: ClipText | None = None
    segments: tuple[SegmentText, ...] = ()


ChatConfigT = TypeVar("ChatConfigT", bound=ChatConfig)


class ChatAnalyzer(ModelAnalyzer[ChatConfigT, FrameChunk, Said, VideoTextResult], Generic[ChatConfigT]):
    """Base of the analyzers with a video language model. Subclasses say which, and what they need."""

    Result = VideoTextResult
    load_fields = frozenset({"model", "quantization"})
    chat: VideoChat

    def load(self) -> None:
        """Loads the model under the current settings; imports nothing heavy before its files are known to be there."""
        weights = self.find_weights(self._model_name())
        device = open_device(self.runtime)
        self.chat = FAMILIES[weights.pin.name](weights.path, device, self.config.quantization)

    def warm_up(self) -> None:
        """One word about two black frames."""
        black = np.zeros((2, self.config.short_side_px, self.config.short_side_px, 3), np.uint8)
        self.chat.options = self._options()
        self.chat.describe([black], PART, self.config.bounds(1))

    def timeline(self, result: VideoTextResult) -> list[TimelineItem]:
        """The described segments; those that repeat their predecessor lengthen it."""
        return segment_items(self.name, result.segments)

    def headline(self, result: VideoTextResult) -> str | None:
        """The beginning of the description."""
        return headline_of(result)

    @abstractmethod
    def _model_name(self) -> str:
        """Pin of the model."""

    def _options(self) -> PictureOptions:
        return PictureOptions(tokens_per_frame=self.config.tokens_per_frame)

    def _see_clip(self, batch: FrameBatch) -> Said:
        """Describes frames spread over the clip and answers the questions."""
        config, until_s = self.config, time.monotonic() + self.config.max_time_s
        self.chat.options = self._options()
        questions, bounds = self._questions(until_s)
        made = [text.rounded() for text in self.chat.ask(batch.own, questions, bounds, config.answers_per_batch)]
        times = tuple(float(t) for t in batch.own_pts_s)
        return Said((batch.width, batch.height), clip=ClipText(times, made[0], tuple(made[1:])))

    def _see_parts(self, chunks: Sequence[FrameChunk]) -> list[Said]:
        """Describes the parts of all chunks as one batch."""
        self.chat.options = self._options()
        windows = [windows_of(chunk, self.config.segment_s, self.config.segment_frames) for chunk in chunks]
        clips = [window.frames for per_chunk in windows for window in per_chunk]
        texts = self.chat.describe(clips, PART, self.config.bounds(self.config.segment_tokens))
        made = (text.rounded() for text in texts)
        return [
            Said(
                (chunk.batch.width, chunk.batch.height),
                segments=tuple(SegmentText(w.start_s, w.end_s, len(w.frames), next(made)) for w in per_chunk),
            )
            for chunk, per_chunk in zip(chunks, windows, strict=True)
        ]

    def _conclude(self, said: Sequence[Said], context: Context, frames: int) -> VideoTextResult:
        """The result from what was said of the whole clip, or of its parts.

        Raises:
            NotApplicable: ``no_frames``: nothing was seen.
            AnalysisFailed: ``degenerate_text``, ``out_of_time``: no text that is one.
        """
        clips = [s.clip for s in said if s.clip is not None]
        parts = [segment for s in said for segment in s.segments]
        if not clips and not parts:
            raise NotApplicable("no_frames", "The model was shown no frame.")
        limits = self.config.text_limits()
        segments = segments_from(parts, limits, self.config.repeat_similarity, context)
        if clips:
            description: Description | None = description_from(clips[0].description, "frames", limits)
            answers = self._answers(clips[0].answers, "frames")
            times = clips[0].times_s
        else:
            items = segment_items(self.name, segments)  # a repeat is part of what it repeats
            told = [PartText(item.start_time, item.end_time, item.label) for item in items]
            description, answers = self._retell(told)
            times = ()
        texts = [*answers, *([description] if description else [])]
        return VideoTextResult(
            description=description,
            format=format_from(answers),
            answers=answers,
            segments=segments,
            frame_times=tuple(t for t in times if t <= context.video.duration_s),
            repetition=repetition_of(segments, texts),
            method=self._method(said[0].picture_size, frames, PART if parts else OVERALL),
        )

    def _retell(self, told: Sequence[PartText]) -> tuple[Description | None, tuple[Answer, ...]]:
        """Description and answers from the descriptions of the parts; none where the settings say so."""
        if not self.config.questions:
            return None, ()
        questions, bounds = self._questions(time.monotonic() + self.config.max_time_s)
        asked = [about_parts(told, question, self.config.parts_characters) for question in questions]
        made = [text.rounded() for text in self.chat.ask(None, asked, bounds, self.config.answers_per_batch)]
        facts = generated_facts(made[0], self.config.text_limits())
        fine = not facts["problem"]
        description = Description.model_validate({**facts, "text": made[0].text, "basis": "segments"}) if fine else None
        return description, self._answers(made[1:], "segments")

    def _questions(self, until_s: float) -> tuple[list[str], list[Bounds]]:
        """For the description, then the fixed questions if they are asked."""
        config = self.config
        fixed = list(QUESTIONS.values()) if config.questions else []
        answer = config.bounds(config.answer_tokens, until_s)
        return [OVERALL, *fixed], [config.bounds(config.description_tokens, until_s), *[answer] * len(fixed)]

    def _answers(self, made: Sequence[Generated], basis: Basis) -> tuple[Answer, ...]:
        limits = self.config.text_limits()
        pairs = zip(QUESTIONS.items(), made, strict=bool(made))
        return tuple(answer_from(key, asked, text, basis, limits) for (key, asked), text in pairs)

    def _method(self, picture_size: tuple[int, int], frames: int, prompt: str) -> Method:
        return Method(
            model=self.loaded_models()[0],
            quantization=self.config.quantization,
            prompt_format=self.chat.video_format,
            description_prompt=prompt,
            frames_per_text=frames,
            picture_size=picture_size,
        )
