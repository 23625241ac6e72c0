"""CLIP with a byte tokenizer and the published preprocessing at 224 px."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny import Sizes

LAYERS = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
TINY = {"text": LAYERS, "vision": {**LAYERS, "patch_size": 32}, "projection_dim": 64, "vocabulary": 0}


def network(sizes: Sizes) -> Any:
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

    words, width = len(_words(sizes["vocabulary"])), sizes["projection_dim"]
    text = CLIPTextConfig(
        vocab_size=words,
        max_position_embeddings=77,
        bos_token_id=words - 2,
        eos_token_id=words - 1,
        pad_token_id=words - 1,
        projection_dim=width,
        **sizes["text"],
    )
    vision = CLIPVisionConfig(image_size=224, projection_dim=width, **sizes["vision"])
    return CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=width))


def make(folder: Path, sizes: Sizes = TINY) -> None:
    """Tiny: two layers of width 64 on each side."""
    import torch
    from transformers import CLIPImageProcessor, CLIPTokenizer

    words = _words(sizes["vocabulary"])
    with torch.random.fork_rng():
        torch.manual_seed(11)
        model = network(sizes)
    model.eval().save_pretrained(folder)
    CLIPImageProcessor(
        size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}, do_convert_rgb=True
    ).save_pretrained(folder)
    CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=77).save_pretrained(
        folder
    )


def _words(size: int) -> list[str]:
    """Bytes inside and at the end of words, fillers up to ``size`` that nothing is read as, the two special ones."""
    from tokenizers.pre_tokenizers import ByteLevel

    characters = sorted(ByteLevel.alphabet())
    words = [*characters, *(f"{c}</w>" for c in characters)]
    words += [f"<|w{i}|>" for i in range(len(words), size - 2)]
    return [*words, "<|startoftext|>", "<|endoftext|>"]
