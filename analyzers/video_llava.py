"""Video LLaVA: what happens in the video, in words, and answers to a fixed set of questions.

LLaVA-NeXT-Video 7B (Zhang et al., "LLaVA-NeXT: A strong zero-shot video understanding model", 2024; weights
``llava-hf/LLaVA-NeXT-Video-7B-hf``) sees eight frames spread over the clip. Under a permissive licence policy Qwen2-VL
sees the same frames in its place.

Method
    * the frames go through the vision tower once, whatever the number of questions; the part of the prompt that all
      questions share goes through the language model once;
    * greedy decoding; a text's confidence is the mean probability of its tokens;
    * the model's own preparation cuts a square out of the middle of each frame, which of an upright 9:16 picture leaves
      56 %. By default the whole frame is put on a square ground of the mean colour first, as LLaVA-1.5 does it (Liu et
      al., "Improved baselines with visual instruction tuning", CVPR 2024);
    * repetition inside a text and between segments is measured and marked; a text that is none fails the analysis;
    * ``windows`` describes part after part instead, while the video is being decoded, and asks the questions about
      these descriptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from analyzers.base import Context
from analyzers.inference.chat_analyzer import ChatAnalyzer, ChatConfig, Said
from analyzers.inference.video_chat import Framing, PictureOptions
from analyzers.results.video_text import VideoTextResult
from media.needs import FrameNeed, Needs, Rate, Spread
from media.types import FrameChunk


class VideoLlavaConfig(ChatConfig):
    """Settings of ``video_llava``."""

    model: Literal["llava-next-video-7b", "qwen2-vl-7b"] = "llava-next-video-7b"
    """Which weights; another name in the manifest serves where the licence policy refuses this one's."""
    frames: Annotated[int, Field(ge=1, le=64)] = 8
    """Frames spread over the clip. 144 tokens each in LLaVA's context of 4,096, so 24 at most with the questions; the
    model was trained with up to 32 and is published with 8. Higher sees shorter actions and costs in proportion."""
    windows: bool = False
    """True describes parts of ``segment_s`` while the video is being decoded, in place of spread frames."""
    segment_s: Annotated[float, Field(ge=0.5, le=60.0)] = 2.0
    """Windows only: length of a part. A divisor of ``chunk_s``; a chunk's border divides a part otherwise."""
    segment_frames: Annotated[int, Field(ge=2, le=64)] = 8
    """Windows only: frames of a part that the model is shown."""
    framing: Framing = "whole"
    """LLaVA only: ``whole`` shows all of a frame on a square ground, at 56 % of the scale for 9:16; ``centre`` shows
    the middle square only, as the model's own preparation does."""


class VideoLlava(ChatAnalyzer[VideoLlavaConfig]):
    """Description of the clip and answers to fixed questions, from frames spread over it."""

    name = "video_llava"
    version = "1"
    title = "What happens, who, where, product, mood, call to action, format: in words"
    Config = VideoLlavaConfig
    models = ("llava-next-video-7b", "qwen2-vl-7b")

    def needs(self) -> Needs:
        """Frames spread over the clip, or, for windows, a running rate."""
        config = self.config
        rate = Rate(config.segment_frames / config.segment_s)
        return Needs(frames=(FrameNeed(rate if config.windows else Spread(config.frames), config.short_side_px),))

    def observe(self, chunks: Sequence[FrameChunk]) -> list[Said]:
        """What the model says: of the clip to each spread chunk, or of the parts of each stretch."""
        if self.config.windows:
            return self._see_parts(chunks)
        return [self._see_clip(chunk.batch) for chunk in chunks]

    def conclude(self, observations: Sequence[Said], context: Context) -> VideoTextResult:
        """Checks the texts and puts them together.

        Raises:
            NotApplicable: ``no_frames``: nothing was seen.
            AnalysisFailed: ``degenerate_text``, ``out_of_time``: the model wrote no text that is one.
        """
        frames = self.config.segment_frames if self.config.windows else self.config.frames
        return self._conclude(observations, context, frames)

    def _model_name(self) -> str:
        return self.config.model

    def _options(self) -> PictureOptions:
        return PictureOptions(self.config.framing, self.config.tokens_per_frame)
