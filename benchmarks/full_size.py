"""Video language models in their published size with random weights: for speed and memory, never for words.

Sizes are those of the models' own config.json. Prompts are longer than with the real tokenizers, as these read bytes:
about 4 tokens for each of theirs, of the text around the pictures only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.tiny.video_language import (
    CLIP_MEAN,
    CLIP_STD,
    SPECIAL_LLAVA,
    SPECIAL_OPT,
    SPECIAL_QWEN,
    byte_tokenizer,
    save_checkpoint,
)


def llava_next_video() -> tuple[Any, Any]:
    """Class and configuration of ``llava-next-video-7b``: CLIP ViT-L/14 at 336 px and Vicuna 7B; 14 GB."""
    from transformers import LlavaNextVideoConfig, LlavaNextVideoForConditionalGeneration

    return LlavaNextVideoForConditionalGeneration, LlavaNextVideoConfig(
        # Sizes left out are those of the published model.
        text_config={"model_type": "llama", "vocab_size": 32064, "eos_token_id": 2, "pad_token_id": 3},
        video_token_index=4,
        image_token_index=5,
    )


def make_llava_next_video(folder: Path) -> None:
    """Writes it."""
    from transformers import LlavaNextVideoVideoProcessor

    cls, config = llava_next_video()
    size = config.text_config.vocab_size
    tokenizer = byte_tokenizer(SPECIAL_LLAVA, bos="<s>", eos="</s>", pad="<pad>", size=size)
    _write(cls, config, tokenizer, folder)
    LlavaNextVideoVideoProcessor().save_pretrained(folder)


def qwen2_vl() -> tuple[Any, Any]:
    """Class and configuration of ``qwen2-vl-7b``; 17 GB."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    return Qwen2VLForConditionalGeneration, Qwen2VLConfig(
        text_config={
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "vocab_size": 152064,
            "bos_token_id": None,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
            "tie_word_embeddings": False,
        },
        vision_config={"depth": 32, "embed_dim": 1280, "hidden_size": 3584, "num_heads": 16, "mlp_ratio": 4},
        vision_start_token_id=3,
        vision_end_token_id=4,
        image_token_id=5,
        video_token_id=6,
        tie_word_embeddings=False,
    )


def make_qwen2_vl(folder: Path) -> None:
    """Writes it."""
    from transformers import Qwen2VLVideoProcessor

    cls, config = qwen2_vl()
    size = config.text_config.vocab_size
    tokenizer = byte_tokenizer(SPECIAL_QWEN, bos=None, eos="<|im_end|>", pad="<|endoftext|>", size=size)
    _write(cls, config, tokenizer, folder)
    Qwen2VLVideoProcessor().save_pretrained(folder)


def blip2_opt() -> tuple[Any, Any]:
    """Class and configuration of ``blip2-opt-2.7b``: ViT-g/14 at 224 px, 32 queries, OPT 2.7B; 7.5 GB."""
    from transformers import Blip2Config, Blip2ForConditionalGeneration

    return Blip2ForConditionalGeneration, Blip2Config(
        text_config={
            "model_type": "opt",
            "hidden_size": 2560,
            "ffn_dim": 10240,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "word_embed_proj_dim": 2560,
            "vocab_size": 50304,
            "bos_token_id": 2,
            "eos_token_id": 2,
            "pad_token_id": 1,
        },
        num_query_tokens=32,
        image_token_index=4,
    )


def make_blip2_opt(folder: Path) -> None:
    """Writes it."""
    from transformers import BlipImageProcessor

    cls, config = blip2_opt()
    size = config.text_config.vocab_size
    tokenizer = byte_tokenizer(SPECIAL_OPT, bos="</s>", eos="</s>", pad="<pad>", starts_with="</s>", size=size)
    _write(cls, config, tokenizer, folder)
    BlipImageProcessor(size={"height": 224, "width": 224}, image_mean=CLIP_MEAN, image_std=CLIP_STD).save_pretrained(
        folder
    )


MAKERS: dict[str, Callable[[Path], None]] = {
    "llava-next-video-7b": make_llava_next_video,
    "qwen2-vl-7b": make_qwen2_vl,
    "blip2-opt-2.7b": make_blip2_opt,
}
"""By pin."""


def _write(cls: Any, config: Any, tokenizer: Any, folder: Path) -> None:
    """Random weights in float16, made where there is a GPU on it: a CPU takes minutes."""
    import torch

    torch.manual_seed(0)
    torch.set_default_dtype(torch.float16)
    try:
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            model = cls(config)
        save_checkpoint(model, tokenizer, folder)
    finally:
        torch.set_default_dtype(torch.float32)
