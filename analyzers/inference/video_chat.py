"""Language models that are shown frames of a video and asked about it: LLaVA-NeXT-Video and Qwen2-VL.

One way for both: the frames go through the vision tower once, and what comes out is put in the place of the prompt's
video tokens. Several questions about one clip also share everything in front of the question: that part of the prompt
goes through the language model once, and each question goes on from a copy of its keys and values. With eleven
questions about eight frames this leaves a tenth of the work.

The prompts are those of the model cards and are constants here, so that they do not change with a file.
"""

from __future__ import annotations

import copy
import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from analyzers.inference.device import BFLOAT16_FROM, Device
from analyzers.inference.generation import UNWRITTEN, Bounds, Generated, generate, make_greedy
from analyzers.inference.hub_models import Quantization, load_pretrained, load_processor
from analyzers.inference.oom import in_halves
from media.types import UInt8Array

Framing = Literal["whole", "centre"]
"""What of a frame a model with square pictures sees: all of it on a ground of the mean colour, or the square in its
middle."""


@dataclass(frozen=True)
class PictureOptions:
    """How frames are brought into the model.

    Attributes:
        framing: For models with square pictures.
        tokens_per_frame: Most tokens of a frame pair, for models that take pictures of any size.
    """

    framing: Framing = "whole"
    tokens_per_frame: int = 128


@dataclass(frozen=True)
class Encoded:
    """One clip behind the vision tower.

    Attributes:
        features: Tensor (n, width of the language model): n video tokens.
        grid: Qwen2-VL: tensor (3,), patches in time, height and width; None for LLaVA.
    """

    features: Any
    grid: Any = None


class VideoChat(ABC):
    """A loaded model.

    Args:
        path: Folder of the weights.
        device: Where to.
        quantization: Of the linear layers.
    """

    video_token: ClassVar[str]
    """Stands once in a prompt; becomes as many tokens as the clip has features."""
    video_format: ClassVar[str]
    """Prompt with ``{question}`` about a clip."""
    text_format: ClassVar[str]
    """Prompt with ``{question}`` without one."""
    _unquantized: ClassVar[tuple[str, ...]]
    """The part that sees: a tenth of the weights, and the first to suffer from fewer bits."""

    def __init__(self, path: Path, device: Device, quantization: Quantization) -> None:
        from transformers import AutoTokenizer

        model_class, processor_class = self._classes()
        self._tokenizer = load_processor(AutoTokenizer, path, padding_side="left")
        self._pictures = load_processor(processor_class, path)
        self._device = self._formatted(device)
        self.model = load_pretrained(
            model_class, path, self._device, quantization=quantization, unquantized=self._unquantized
        )
        self.options = PictureOptions()
        make_greedy(self.model, self._tokenizer)

    def describe(self, clips: Sequence[UInt8Array], question: str, bounds: Bounds) -> list[Generated]:
        """One answer to the same question for each clip, computed as one batch, or in halves where memory is short.

        Args:
            clips: Each uint8 (frames, H, W, 3) RGB.
            question: For all of them.
            bounds: Of each answer.

        Raises:
            AnalysisFailed: ``gpu_out_of_memory``: one clip by itself does not fit.
        """
        import torch

        def run(part: Sequence[UInt8Array]) -> list[Generated]:
            if bounds.over:
                return [UNWRITTEN] * len(part)
            encoded = self._encode(part)
            return self._generate([self._prompt(question, clip) for clip in encoded], encoded, bounds)

        with torch.inference_mode():
            return in_halves(run, clips)

    def ask(
        self, clip: UInt8Array | None, questions: Sequence[str], bounds: Sequence[Bounds], at_once: int
    ) -> list[Generated]:
        """One answer for each question, about one clip or about nothing but the question's own text.

        Args:
            clip: uint8 (frames, H, W, 3) RGB, or None.
            questions: All different.
            bounds: Of each answer; neighbours with the same bounds are answered as one batch.
            at_once: Largest batch; halved where memory is short.

        Raises:
            AnalysisFailed: ``gpu_out_of_memory``: one question by itself does not fit.
        """
        import torch

        with torch.inference_mode():
            encoded = [] if clip is None else in_halves(self._encode, [clip])
            texts = [self._prompt(question, *encoded) for question in questions]
            if len(texts) == 1:
                return in_halves(lambda part: self._generate(part, encoded, bounds[0]), texts)
            (prefix,) = in_halves(lambda rows: [self._prefix(row, encoded) for row in rows], [texts])
            answers: list[Generated] = []
            for limits, group in itertools.groupby(zip(texts, bounds, strict=True), key=lambda pair: pair[1]):
                rows = [text for text, _ in group]
                for start in range(0, len(rows), at_once):
                    answers += in_halves(partial(self._go_on, prefix, limits), rows[start : start + at_once])
            return answers

    @abstractmethod
    def _classes(self) -> tuple[Any, Any]:
        """Of the model and of its video processor."""

    def _formatted(self, device: Device) -> Device:
        """The device with the number format that the model wants there."""
        return device

    @abstractmethod
    def _encode(self, clips: Sequence[UInt8Array]) -> list[Encoded]:
        """The clips behind the vision tower."""

    def _extra_inputs(self, token_ids: Any, clips: Sequence[Encoded]) -> dict[str, Any]:
        """What the model needs beside tokens and features."""
        return {}

    def _prompt(self, question: str, clip: Encoded | None = None) -> str:
        """The prompt, with as many video tokens as the clip has features. A question has no special tokens."""
        for token in self._tokenizer.all_special_tokens:
            question = question.replace(token, "")
        if clip is None:
            return self.text_format.replace("{question}", question)
        expanded = self.video_format.replace(self.video_token, self.video_token * len(clip.features))
        return expanded.replace("{question}", question)

    def _generate(self, texts: Sequence[str], clips: Sequence[Encoded], bounds: Bounds) -> list[Generated]:
        tokens = self._tokenizer(list(texts), padding=True, return_tensors="pt").to(self._device.name)
        inputs = {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}
        if clips:
            inputs["mm_encoder_outputs"] = _features(clips)
            inputs |= self._extra_inputs(tokens.input_ids, clips)
        return generate(self.model, self._tokenizer, inputs, bounds)

    def _prefix(self, texts: Sequence[str], clips: Sequence[Encoded]) -> tuple[Any, Any]:
        """Tokens that all texts begin with, (1, length), and their keys and values."""
        import torch
        from transformers import DynamicCache

        rows = [self._tokenizer(text).input_ids for text in texts]
        token_ids = torch.tensor([rows[0][: common_length(rows)]], device=self._device.name)
        cache = DynamicCache(config=self.model.config.get_text_config())
        inputs: dict[str, Any] = {"input_ids": token_ids, "past_key_values": cache, "use_cache": True}
        if clips:
            inputs["mm_encoder_outputs"] = _features(clips)
            inputs |= self._extra_inputs(token_ids, clips)
        self._forget()
        self.model(**inputs, logits_to_keep=1)
        return token_ids, cache

    def _forget(self) -> None:  # noqa: B027 - nothing to forget in most families
        """Drops what the model remembers of the clip before."""

    def _go_on(self, prefix: tuple[Any, Any], bounds: Bounds, texts: Sequence[str]) -> list[Generated]:
        """Generates from a copy of the prefix; shorter questions are padded behind it."""
        import torch

        if bounds.over:
            return [UNWRITTEN] * len(texts)
        token_ids, cache = prefix
        length, name = token_ids.shape[1], self._device.name
        rests = [self._tokenizer(text).input_ids[length:] for text in texts]
        width = max(map(len, rests))
        pad = self._tokenizer.pad_token_id or 0
        padded = [[pad] * (width - len(rest)) + rest for rest in rests]
        mask = [[1] * length + [0] * (width - len(rest)) + [1] * len(rest) for rest in rests]
        own = copy.deepcopy(cache)
        own.batch_repeat_interleave(len(texts))
        inputs = {
            "input_ids": torch.cat([token_ids.expand(len(texts), -1), torch.tensor(padded, device=name)], dim=1),
            "attention_mask": torch.tensor(mask, device=name),
            "past_key_values": own,
        }
        return generate(self.model, self._tokenizer, inputs, bounds)


class LlavaNextVideo(VideoChat):
    """LLaVA-NeXT-Video (Zhang et al. 2024): a CLIP vision tower, four patches pooled to one, and Vicuna."""

    video_token = "<video>"
    video_format = "USER: <video>\n{question} ASSISTANT:"
    text_format = "USER: {question} ASSISTANT:"
    _unquantized = ("model.vision_tower", "model.multi_modal_projector")

    def _classes(self) -> tuple[Any, Any]:
        from transformers import LlavaNextVideoForConditionalGeneration, LlavaNextVideoVideoProcessor

        # By hand: AutoProcessor recurses for ever on the layout without a video configuration.
        return LlavaNextVideoForConditionalGeneration, LlavaNextVideoVideoProcessor

    def _encode(self, clips: Sequence[UInt8Array]) -> list[Encoded]:
        encoded = []
        for clip in clips:  # copied in any case: torch warns of arrays that cannot be written, as all of a chunk are
            shown = on_square(clip, self._pictures.image_mean) if self.options.framing == "whole" else np.array(clip)
            pixels = self._pictures(videos=[shown], return_tensors="pt").pixel_values_videos
            output = self.model.get_video_features(pixels.to(self._device.name, self._device.dtype), return_dict=True)
            encoded.append(Encoded(output.pooler_output[0]))
        return encoded


class Qwen2Vl(VideoChat):
    """Qwen2-VL (Wang et al. 2024): any picture size, two frames to a patch, positions in time, height and width."""

    video_token = "<|video_pad|>"
    video_format = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        "<|vision_start|><|video_pad|><|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
    )
    text_format = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        "{question}<|im_end|>\n<|im_start|>assistant\n"
    )
    _unquantized = ("model.visual",)

    def _classes(self) -> tuple[Any, Any]:
        from transformers import Qwen2VLForConditionalGeneration, Qwen2VLVideoProcessor

        return Qwen2VLForConditionalGeneration, Qwen2VLVideoProcessor

    def _encode(self, clips: Sequence[UInt8Array]) -> list[Encoded]:
        cell = (self._pictures.patch_size * self._pictures.merge_size) ** 2
        most = self.options.tokens_per_frame * cell
        size = {"shortest_edge": min(most, LEAST_TOKENS * cell), "longest_edge": most}
        options = {"cap_pixels_per_frame": False, "size": size, "return_tensors": "pt"}
        inputs = self._pictures(videos=[np.array(clip) for clip in clips], **options).to(self._device.name)
        pixels = inputs.pixel_values_videos.to(self._device.dtype)
        output = self.model.get_video_features(pixels, inputs.video_grid_thw, return_dict=True)
        return [Encoded(f, grid) for f, grid in zip(output.pooler_output, inputs.video_grid_thw, strict=True)]

    def _extra_inputs(self, token_ids: Any, clips: Sequence[Encoded]) -> dict[str, Any]:
        import torch

        video = 2  # the type of a video token, as the processor numbers them
        return {
            "mm_token_type_ids": (token_ids == self.model.config.video_token_id).int() * video,
            "video_grid_thw": torch.stack([clip.grid for clip in clips]),
        }

    def _formatted(self, device: Device) -> Device:
        """bfloat16 where the card has it: it was trained in it, and in float16 its numbers come near the range's end.

        There, the attention must not sum in float16 either; torch's fused ones (SDPA) do not. Scores that overflow all
        the same are found (``generate``).
        """
        import torch

        if device.is_cuda and torch.cuda.get_device_capability(0) >= BFLOAT16_FROM:
            return replace(device, dtype=torch.bfloat16)
        return device

    def _forget(self) -> None:
        self.model.model.rope_deltas = None


FAMILIES: dict[str, type[VideoChat]] = {"llava-next-video-7b": LlavaNextVideo, "qwen2-vl-7b": Qwen2Vl}
"""By pin: a licence policy may put one in the place of another."""


LEAST_TOKENS = 16
"""Fewest tokens of a frame pair: smaller pictures are enlarged, as the model was trained with nothing smaller."""


def on_square(frames: UInt8Array, mean: Sequence[float]) -> UInt8Array:
    """The frames in the middle of squares of their longer side, on a ground of the colour ``mean`` (R, G, B in [0, 1]).

    Args:
        frames: uint8 (N, H, W, 3).
        mean: Of the model's normalisation, so that the ground is zero behind it.
    """
    count, height, width, _ = frames.shape
    side = max(height, width)
    squares = np.empty((count, side, side, 3), np.uint8)
    squares[:] = np.round(255.0 * np.asarray(mean)).astype(np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    squares[:, top : top + height, left : left + width] = frames
    return squares


def common_length(rows: Sequence[Sequence[int]]) -> int:
    """Tokens that all rows begin with; at least one is left to each row."""
    shortest = min(map(len, rows)) - 1
    table = np.array([row[:shortest] for row in rows])
    differing = np.flatnonzero((table != table[0]).any(axis=0))
    return int(differing[0]) if len(differing) else shortest


def _features(clips: Sequence[Encoded]) -> dict[str, Any]:
    """Video features, as ``generate`` and ``forward`` take them in place of pixels."""
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    return {"video": BaseModelOutputWithPooling(pooler_output=[clip.features for clip in clips])}
