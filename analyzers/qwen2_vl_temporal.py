"""Qwen2-VL: what happens in each part of the video, in words; answers to fixed questions about the whole.

Qwen2-VL 7B Instruct (Wang et al., "Qwen2-VL: Enhancing vision-language model's perception of the world at any
resolution", 2024; weights ``Qwen/Qwen2-VL-7B-Instruct``) sees sixteen frames of every two seconds, while the video is
being decoded. An alternative to ``video_llava``, in the same form.

Method
    * parts of several videos are described as one batch; greedy decoding; a text's confidence is the mean probability
      of its tokens;
    * a part that says what the one before said is marked and counted, with the similarity beside it: on calm videos
      this model was seen to repeat one sentence in 31 of 68 parts;
    * description and answers about the whole clip are asked of the model about its own descriptions of the parts, and
      say so (``basis``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from analyzers.base import Context
from analyzers.inference.chat_analyzer import ChatAnalyzer, ChatConfig, Said
from analyzers.results.video_text import VideoTextResult
from media.needs import FrameNeed, Needs, Rate
from media.types import FrameChunk


class Qwen2VlTemporalConfig(ChatConfig):
    """Settings of ``qwen2_vl_temporal``."""

    model: Literal["qwen2-vl-7b"] = "qwen2-vl-7b"
    """Which weights; the manifest says where they come from."""
    chunks_per_batch: Annotated[int, Field(ge=1, le=32)] = 4
    """Chunks, of one video or several, whose parts are described at once: four of two seconds are 4,000 tokens of
    video. More fills the card better and needs more memory; where it is short, the batch is halved."""
    short_side_px: Annotated[int, Field(ge=56, le=1080)] = 256
    """Size of the frames asked for: 256 x 455 px is a little more than the model keeps at 128 tokens for two frames."""


class Qwen2VlTemporal(ChatAnalyzer[Qwen2VlTemporalConfig]):
    """Description of each part of the clip, and answers from them."""

    name = "qwen2_vl_temporal"
    version = "1"
    title = "What happens in each two seconds, and overall: in words (alternative to video_llava)"
    Config = Qwen2VlTemporalConfig
    models = ("qwen2-vl-7b",)

    def needs(self) -> Needs:
        """As many frames as the parts hold."""
        rate = Rate(self.config.segment_frames / self.config.segment_s)
        return Needs(frames=(FrameNeed(rate, self.config.short_side_px),))

    def observe(self, chunks: Sequence[FrameChunk]) -> list[Said]:
        """What the model says of the parts of each chunk."""
        return self._see_parts(chunks)

    def conclude(self, observations: Sequence[Said], context: Context) -> VideoTextResult:
        """Checks and compares the texts, and asks the model about the whole.

        Raises:
            NotApplicable: ``no_frames``: nothing was seen.
            AnalysisFailed: ``degenerate_text``, ``out_of_time``: the model wrote no text that is one.
        """
        return self._conclude(observations, context, self.config.segment_frames)

    def _model_name(self) -> str:
        return self.config.model
