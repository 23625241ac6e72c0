"""Video language models: LLaVA-NeXT-Video, Qwen2-VL and BLIP-2 (with OPT and with Flan-T5).

All tiny widths are multiples of 64, which nf4 needs on a CPU. Weights are random, with one thing made on purpose in the
makers of the pins: whatever they are shown, their most likely words are those of ``SENTENCE``, so that a whole document
can be made with them. How likely depends on the pictures. ``random=True`` leaves that out: which tokens come then
depends on the pictures, and they are no words. With ``sizes`` all weights are as the library begins them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.tiny import Sizes

SENTENCE = ("one", "person", "shows", "something", "to", "the", "camera")
"""Words that every speaking model says; each once, so that each has one successor."""

WIDTH = 64
"""Of every hidden state."""

SURE = 0.75
"""Length of the output rows of the sentence's words: with states of length 8 a logit of 6, so a probability of about
one half."""

LAYERS = {"hidden_size": WIDTH, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
TINY_LLAVA: Sizes = {
    "text": {**LAYERS, "num_key_value_heads": 2},
    "vision": {**LAYERS, "image_size": 56, "patch_size": 14, "projection_dim": WIDTH},
    "network": {"image_grid_pinpoints": [[56, 112]]},
    "picture_px": 56,
}
TINY_QWEN: Sizes = {
    "text": {**LAYERS, "num_key_value_heads": 2},
    "rope": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
    "vision": {"depth": 2, "embed_dim": WIDTH, "hidden_size": WIDTH, "num_heads": 4, "mlp_ratio": 2},
    "pictures": {"shortest_edge": 28 * 28 * 4, "longest_edge": 28 * 28 * 16},
}
TINY_BLIP: Sizes = {
    "vision": {**LAYERS, "image_size": 28, "patch_size": 14},
    "queries": {**LAYERS, "encoder_hidden_size": WIDTH, "vocab_size": 64},
    "num_query_tokens": 8,
    "picture_px": 28,
}
TINY_OPT: Sizes = {
    **TINY_BLIP,
    "text": {
        "hidden_size": WIDTH,
        "ffn_dim": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "word_embed_proj_dim": WIDTH,
        "max_position_embeddings": 128,
    },
}
TINY_T5: Sizes = {**TINY_BLIP, "text": {"d_model": WIDTH, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4}}

QUIET = 0.2
"""What the layers add to the token's own direction is scaled by this, so that the chain of words holds."""

SPECIAL_LLAVA = ("<unk>", "<s>", "</s>", "<pad>", "<video>", "<image>")
SPECIAL_QWEN = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|image_pad|>", "<|video_pad|>"),
)
SPECIAL_OPT = ("<s>", "<pad>", "</s>", "<unk>", "<image>")
SPECIAL_T5 = ("<pad>", "</s>", "<unk>", "<image>")

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

QWEN_TEMPLATE = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|im_start|>system\nYou are a helpful "
    "assistant.<|im_end|>\n{% endif %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}{% if c['type'] == "
    "'video' %}<|vision_start|><|video_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAVA_TEMPLATE = (
    "{% for m in messages %}{{ m['role'].upper() }}: {% for c in m['content'] %}{% if c['type'] == 'video' %}<video>\n"
    "{% else %}{{ c['text'] }} {% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def network_llava_next_video(sizes: Sizes) -> Any:
    """CLIP vision tower and a Llama."""
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaNextVideoConfig,
        LlavaNextVideoForConditionalGeneration,
    )

    words = len(_pieces(SPECIAL_LLAVA, sizes.get("vocabulary", 0)))
    config = LlavaNextVideoConfig(
        vision_config=CLIPVisionConfig(**sizes["vision"]),
        text_config=LlamaConfig(**sizes["text"], vocab_size=words, bos_token_id=1, eos_token_id=2, pad_token_id=3),
        video_token_index=4,
        image_token_index=5,
        **sizes["network"],
    )
    return LlavaNextVideoForConditionalGeneration(config)


def make_llava_next_video(folder: Path, random: bool = False, sizes: Sizes | None = None) -> None:
    """``llava-next-video-7b``; tiny: pictures of 56 px, two layers on each side."""
    from transformers import LlavaNextVideoVideoProcessor

    chosen = sizes or TINY_LLAVA
    tokenizer = byte_tokenizer(
        SPECIAL_LLAVA, bos="<s>", eos="</s>", pad="<pad>", template=LLAVA_TEMPLATE, size=chosen.get("vocabulary", 0)
    )
    _seed()
    model = network_llava_next_video(chosen)
    if random:
        _loud(model)
    elif sizes is None:
        _speak(model.model.language_model.embed_tokens, model.lm_head, tokenizer, (":",), "</s>")
        _hush(model.model.language_model, ("o_proj", "down_proj"))
    save_checkpoint(model, tokenizer, folder)
    side = chosen["picture_px"]
    LlavaNextVideoVideoProcessor(
        size={"shortest_edge": side},
        crop_size={"height": side, "width": side},
        image_mean=CLIP_MEAN,
        image_std=CLIP_STD,
    ).save_pretrained(folder)


def network_qwen2_vl(sizes: Sizes) -> Any:
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    config = Qwen2VLConfig(
        text_config={
            **sizes["text"],
            "vocab_size": len(_pieces(SPECIAL_QWEN, sizes.get("vocabulary", 0))),
            "bos_token_id": None,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "rope_parameters": sizes["rope"],
            "tie_word_embeddings": False,
        },
        vision_config=sizes["vision"],
        vision_start_token_id=3,
        vision_end_token_id=4,
        image_token_id=5,
        video_token_id=6,
        tie_word_embeddings=False,
    )
    return Qwen2VLForConditionalGeneration(config)


def make_qwen2_vl(folder: Path, random: bool = False, sizes: Sizes | None = None) -> None:
    """``qwen2-vl-7b``."""
    from transformers import Qwen2VLVideoProcessor

    chosen = sizes or TINY_QWEN
    tokenizer = byte_tokenizer(
        SPECIAL_QWEN,
        bos=None,
        eos="<|im_end|>",
        pad="<|endoftext|>",
        template=QWEN_TEMPLATE,
        size=chosen.get("vocabulary", 0),
    )
    _seed()
    model = network_qwen2_vl(chosen)
    if random:
        _loud(model)
    elif sizes is None:
        _speak(model.model.language_model.embed_tokens, model.lm_head, tokenizer, ("\n",), "<|im_end|>")
        _hush(model.model.language_model, ("o_proj", "down_proj"))
    save_checkpoint(model, tokenizer, folder)
    Qwen2VLVideoProcessor(**({"size": chosen["pictures"]} if "pictures" in chosen else {})).save_pretrained(folder)


def network_blip2_opt(sizes: Sizes) -> Any:
    from transformers import OPTConfig

    words = _pieces(SPECIAL_OPT, sizes.get("vocabulary", 0))
    # As in the original, a line's end ends a caption: the tokenizer's own end token begins every text.
    ids = {"bos_token_id": 2, "eos_token_id": words.index("Ċ"), "pad_token_id": 1}
    return _blip2(OPTConfig(**sizes["text"], vocab_size=len(words), **ids), sizes, image_token=4)


def make_blip2_opt(folder: Path, random: bool = False, sizes: Sizes | None = None) -> None:
    """``blip2-opt-2.7b``: a vision transformer, queries, and an OPT; tiny: 28 px, 8 queries."""
    chosen = sizes or TINY_OPT
    tokenizer = byte_tokenizer(
        SPECIAL_OPT, bos="</s>", eos="</s>", pad="<pad>", starts_with="</s>", size=chosen.get("vocabulary", 0)
    )
    model = _random_blip2(network_blip2_opt, chosen, sizes is None)
    if random:
        _loud(model)
    elif sizes is None:
        decoder = model.language_model.model.decoder
        model.language_model.lm_head.weight = _untied(model.language_model.lm_head.weight)
        _speak(decoder.embed_tokens, model.language_model.lm_head, tokenizer, ("</s>",), "\n")
        _hush(decoder, ("out_proj", "fc2", "embed_positions"))
        model.config.text_config.tie_word_embeddings = False
    save_checkpoint(model, tokenizer, folder)
    _blip_pictures(folder, chosen["picture_px"])


def network_blip2_flan_t5(sizes: Sizes) -> Any:
    from transformers import T5Config

    text = T5Config(
        **sizes["text"],
        vocab_size=len(_pieces(SPECIAL_T5, sizes.get("vocabulary", 0))),
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    model = _blip2(text, sizes, image_token=3)
    # The library ties them whatever the configuration says; upstream's are two tables.
    model.language_model.lm_head.weight = _untied(model.language_model.lm_head.weight)
    return model


def make_blip2_flan_t5(folder: Path, random: bool = False, sizes: Sizes | None = None) -> None:
    """``blip2-flan-t5-xl``: the same with a T5, which writes into a sequence of its own."""
    chosen = sizes or TINY_T5
    tokenizer = byte_tokenizer(
        SPECIAL_T5, bos=None, eos="</s>", pad="<pad>", ends_with="</s>", size=chosen.get("vocabulary", 0)
    )
    model = _random_blip2(network_blip2_flan_t5, chosen, sizes is None)
    if random:
        _loud(model)
    elif sizes is None:
        _speak(model.language_model.shared, model.language_model.lm_head, tokenizer, ("<pad>",), "</s>", length=8.0)
        _hush(model.language_model.decoder, (".o", ".wo"))
    save_checkpoint(model, tokenizer, folder)
    # transformers writes true whatever it is, and reads it as "scale the logits"; upstream's file says false.
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["tie_word_embeddings"] = False
    (folder / "config.json").write_text(json.dumps(config))
    _blip_pictures(folder, chosen["picture_px"])


def _blip2(text: Any, sizes: Sizes, image_token: int) -> Any:
    from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2QFormerConfig, Blip2VisionConfig

    config = Blip2Config(
        vision_config=Blip2VisionConfig(**sizes["vision"]),
        qformer_config=Blip2QFormerConfig(**sizes["queries"]),
        text_config=text,
        num_query_tokens=sizes["num_query_tokens"],
        image_token_index=image_token,
    )
    return Blip2ForConditionalGeneration(config)


def _random_blip2(build: Callable[[Sizes], Any], sizes: Sizes, tiny: bool) -> Any:
    _seed()
    model = build(sizes)
    # Zero in a fresh model; then every picture would look the same, and nearly so with the usual small weights.
    model.query_tokens.data.normal_()
    if tiny:
        for part in (model.vision_model, model.qformer, model.language_projection):
            _loud(part, std=0.2)
    return model


def _blip_pictures(folder: Path, side: int) -> None:
    from transformers import BlipImageProcessor

    BlipImageProcessor(size={"height": side, "width": side}, image_mean=CLIP_MEAN, image_std=CLIP_STD).save_pretrained(
        folder
    )


def _pieces(specials: Sequence[str], size: int) -> list[str]:
    """Special tokens, bytes, and words that only come out and are never read: the sentence's, others up to ``size``."""
    from tokenizers import pre_tokenizers

    pieces = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet()), *(f"Ġ{word}" for word in SENTENCE)]
    return pieces + [f"Ġw{i}" for i in range(len(pieces), size)]


def byte_tokenizer(
    specials: Sequence[str],
    bos: str | None,
    eos: str,
    pad: str,
    template: str | None = None,
    starts_with: str | None = None,
    ends_with: str | None = None,
    size: int = 0,
) -> Any:
    """A tokenizer of ``_pieces``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = _pieces(specials, size)
    made = Tokenizer(models.BPE(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    around = next(filter(None, (starts_with, ends_with)), None)
    if around:
        form = f"{starts_with} $A" if starts_with else f"$A {ends_with}"
        made.post_processor = processors.TemplateProcessing(form, special_tokens=[(around, specials.index(around))])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token=bos,
        eos_token=eos,
        pad_token=pad,
        padding_side="left",
        additional_special_tokens=[s for s in specials if s not in (bos, eos, pad)],
        chat_template=template,
    )


def _id(tokenizer: Any, piece: str) -> int:
    """Token of a special token, a word of the sentence, or a byte."""
    if piece in SENTENCE:
        return int(tokenizer.convert_tokens_to_ids(f"Ġ{piece}"))
    ids = tokenizer(piece, add_special_tokens=False).input_ids
    return int(ids[-1])


def _speak(embedding: Any, head: Any, tokenizer: Any, before: Iterable[str], end: str, length: float = 1.0) -> None:
    """Makes each word of the sentence the most likely one behind its predecessor, ``before`` the first, ``end`` last.

    The words and what comes before lie along axes of their own; all other tokens in the remaining dimensions.
    ``length`` of the embeddings outweighs what the layers add.
    """
    import torch

    chain = [_id(tokenizer, piece) for piece in SENTENCE]
    starts = [_id(tokenizer, piece) for piece in before]
    axes = {token: i for i, token in enumerate([*starts, *chain])}
    with torch.no_grad():
        table = torch.randn(embedding.weight.shape)
        table[:, : len(axes)] = 0.0
        rows = torch.randn(head.weight.shape) * 0.01
        for token, axis in axes.items():
            table[token] = 0.0
            table[token, axis] = 1.0
        table /= table.norm(dim=-1, keepdim=True)
        successors = [(start, chain[0]) for start in starts]
        successors += [*pairwise(chain), (chain[-1], _id(tokenizer, end))]
        for token, following in successors:
            rows[following] += SURE * table[token]
        embedding.weight.copy_(length * table)
        head.weight.copy_(rows)


def _hush(part: Any, names: tuple[str, ...]) -> None:
    """Scales what the named layers add down to ``QUIET``."""
    import torch

    with torch.no_grad():
        for name, parameter in part.named_parameters():
            if any(f"{n}." in name for n in names):
                parameter.mul_(QUIET if parameter.dim() > 1 else 0.0)


def _loud(model: Any, std: float = 0.4) -> None:
    """Weights large enough that each layer, and so each picture, decides over the tokens."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=std)


def _untied(weight: Any) -> Any:
    import torch

    return torch.nn.Parameter(weight.detach().clone())


def _seed() -> None:
    import torch

    torch.manual_seed(20)


def save_checkpoint(model: Any, tokenizer: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
