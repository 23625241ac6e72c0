"""Language models that are shown frames of a video and asked about it: LLaVA-NeXT-Video and Qwen2-VL.

One way for both: the frames go through the vision tower once, and what comes out is put in the place of the prompt's
video tokens. Several questions about one clip also share everything in front of the question: that part of the prompt
goes through the language model once, and each question goes on from a copy of its keys and values. With eleven
questions about eight frames this leaves a tenth of the work.

The prompts are those of the model cards and are constants here, so that they do not change with a file.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from analyzers.inference.device import Device
from analyzers.inference.generation import Bounds, Generated, generate, make_greedy
from analyzers.inference.hub_models import Quantization, load_pretrained, load_processor
from analyzers.inference.oom import in_halves
from media.types import UInt8Array


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

    def __init__(self, path: Path, device: Device, quantization: Quantization) -> None:
        from transformers import AutoTokenizer

        model_class, processor_class = self._classes()
        self._tokenizer = load_processor(AutoTokenizer, path, padding_side="left")
        self._pictures = load_processor(processor_class, path)
        self.model = load_pretrained(model_class, path, device, quantization=quantization)
        self._device = device
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

        def run(part: Sequence[UInt8Array]) -> list[Generated]:
            import torch

            with torch.inference_mode():
                encoded = self._encode(part)
                texts = [self._prompt(question, clip) for clip in encoded]
                return self._generate(texts, encoded, bounds)

        return in_halves(run, clips)

    def ask(self, clip: UInt8Array, questions: Sequence[str], bounds: Bounds, at_once: int) -> list[Generated]:
        """One answer for each question about one clip.

        Args:
            clip: uint8 (frames, H, W, 3) RGB.
            questions: All different.
            bounds: Of each answer.
            at_once: Answers in one batch; halved where memory is short.

        Raises:
            AnalysisFailed: ``gpu_out_of_memory``: one question by itself does not fit.
        """
        import torch

        with torch.inference_mode():
            (encoded,) = in_halves(self._encode, [clip])
            texts = [self._prompt(question, encoded) for question in questions]
            parts = [texts[i : i + at_once] for i in range(0, len(texts), at_once)]
            if len(texts) == 1:
                answers = [in_halves(lambda p: self._generate(p, [encoded] * len(p), bounds), part) for part in parts]
            else:
                (prefix,) = in_halves(lambda clips: [self._prefix(texts, clip) for clip in clips], [encoded])
                answers = [in_halves(lambda p: self._go_on(p, prefix, bounds), part) for part in parts]
        return [answer for part in answers for answer in part]

    def write(self, questions: Sequence[str], bounds: Bounds, at_once: int) -> list[Generated]:
        """One answer for each question without pictures.

        Raises:
            AnalysisFailed: ``gpu_out_of_memory``: one question by itself does not fit.
        """
        texts = [self.text_format.format(question=question) for question in questions]
        parts = [texts[i : i + at_once] for i in range(0, len(texts), at_once)]
        return [answer for part in parts for answer in in_halves(lambda p: self._generate(p, [], bounds), part)]

    @abstractmethod
    def _classes(self) -> tuple[Any, Any]:
        """Of the model and of its video processor."""

    @abstractmethod
    def _encode(self, clips: Sequence[UInt8Array]) -> list[Encoded]:
        """The clips behind the vision tower."""

    def _extra_inputs(self, token_ids: Any, clips: Sequence[Encoded]) -> dict[str, Any]:
        """What the model needs beside tokens and features."""
        return {}

    def _prompt(self, question: str, clip: Encoded) -> str:
        """The prompt with as many video tokens as the clip has features."""
        expanded = self.video_token * len(clip.features)
        return self.video_format.replace(self.video_token, expanded).format(question=question)

    def _generate(self, texts: Sequence[str], clips: Sequence[Encoded], bounds: Bounds) -> list[Generated]:
        tokens = self._tokenizer(list(texts), padding=True, return_tensors="pt").to(self._device.name)
        inputs = {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}
        if clips:
            inputs["mm_encoder_outputs"] = _features(clips)
            inputs |= self._extra_inputs(tokens.input_ids, clips)
        return generate(self.model, self._tokenizer, inputs, bounds)

    def _prefix(self, texts: Sequence[str], clip: Encoded) -> tuple[Any, Any]:
        """Tokens that all texts begin with, (1, length), and their keys and values."""
        import torch
        from transformers import DynamicCache

        rows = [self._tokenizer(text).input_ids for text in texts]
        length = common_length(rows)
        token_ids = torch.tensor([rows[0][:length]], device=self._device.name)
        cache = DynamicCache(config=self.model.config.get_text_config())
        self.model(
            input_ids=token_ids,
            past_key_values=cache,
            mm_encoder_outputs=_features([clip]),
            use_cache=True,
            logits_to_keep=1,
            **self._extra_inputs(token_ids, [clip]),
        )
        return token_ids, cache

    def _go_on(self, texts: Sequence[str], prefix: tuple[Any, Any], bounds: Bounds) -> list[Generated]:
        """Generates from a copy of the prefix; shorter questions are padded behind it."""
        import torch

        token_ids, cache = prefix
        length = token_ids.shape[1]
        rests = [self._tokenizer(text).input_ids[length:] for text in texts]
        width = max(map(len, rests))
        pad = self._tokenizer.pad_token_id or 0
        padded = [[pad] * (width - len(rest)) + rest for rest in rests]
        mask = [[1] * length + [0] * (width - len(rest)) + [1] * len(rest) for rest in rests]
        own = copy.deepcopy(cache)
        own.batch_repeat_interleave(len(texts))
        name = self._device.name
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

    def _classes(self) -> tuple[Any, Any]:
        from transformers import LlavaNextVideoForConditionalGeneration, LlavaNextVideoVideoProcessor

        # By hand: AutoProcessor recurses for ever on the layout without a video configuration.
        return LlavaNextVideoForConditionalGeneration, LlavaNextVideoVideoProcessor

    def _encode(self, clips: Sequence[UInt8Array]) -> list[Encoded]:
        encoded = []
        for clip in clips:
            pixels = self._pictures(videos=[clip], return_tensors="pt").pixel_values_videos
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
    pixels_per_frame: tuple[int, int] | None = None
    """Least and most pixels of a frame in the model; the checkpoint's own where None."""

    def _classes(self) -> tuple[Any, Any]:
        from transformers import Qwen2VLForConditionalGeneration, Qwen2VLVideoProcessor

        return Qwen2VLForConditionalGeneration, Qwen2VLVideoProcessor

    def _encode(self, clips: Sequence[UInt8Array]) -> list[Encoded]:
        options: dict[str, Any] = {"cap_pixels_per_frame": False}
        if self.pixels_per_frame:
            least, most = self.pixels_per_frame
            options["size"] = {"shortest_edge": least, "longest_edge": most}
        inputs = self._pictures(videos=list(clips), return_tensors="pt", **options).to(self._device.name)
        pixels = inputs.pixel_values_videos.to(self._device.dtype)
        output = self.model.get_video_features(pixels, inputs.video_grid_thw, return_dict=True)
        return [Encoded(f, grid) for f, grid in zip(output.pooler_output, inputs.video_grid_thw, strict=True)]

    def _extra_inputs(self, token_ids: Any, clips: Sequence[Encoded]) -> dict[str, Any]:
        import torch

        video = 2  # the kind of a video token, as the processor numbers them
        return {
            "mm_token_type_ids": (token_ids == self.model.config.video_token_id).int() * video,
            "video_grid_thw": torch.stack([clip.grid for clip in clips]),
        }


FAMILIES: dict[str, type[VideoChat]] = {"llava-next-video-7b": LlavaNextVideo, "qwen2-vl-7b": Qwen2Vl}
"""By pin: a licence policy may put one in the place of another."""


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
