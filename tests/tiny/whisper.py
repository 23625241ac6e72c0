"""Whisper models in CTranslate2's format: the real architecture and files, and a sentence of their own.

Their weights are random but for two tables: each decoder position is drawn to one entry of the vocabulary, so that the
model detects English and says ``SENTENCE`` whatever it hears, once per window. So what the analyzer makes of words is
tested against a known text. Word times come from random attention: some run backwards, some have no length.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.tiny import Sizes

SENTENCE = "Hello everyone. Follow me for more and buy it now."

WIDTH = 64
LAYERS = {
    "d_model": WIDTH,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": WIDTH,
    "decoder_ffn_dim": WIDTH,
}
TINY_LARGE_V3 = {"network": LAYERS, "mel_bands": 128, "languages": 100, "vocabulary": 0}
TINY_SMALL = {"network": LAYERS, "mel_bands": 80, "languages": 99, "vocabulary": 0}
PULL = 8.0
"""How much stronger a position is than the token at it."""

TIME_STAMPS = 1501


def make_large_v3(folder: Path, sizes: Sizes = TINY_LARGE_V3) -> None:
    """128 mel bands and 100 languages, as large-v3 has."""
    _make(folder, sizes)


def make_small(folder: Path, sizes: Sizes = TINY_SMALL) -> None:
    """80 mel bands and 99 languages, as small has."""
    _make(folder, sizes)


def vocabulary(languages: int, size: int = 0) -> tuple[dict[str, int], list[str]]:
    """Whisper's order: text, end, start, languages, tasks, time stamps. Gives the ids, and the special entries.

    Text that nothing is read as fills it up to ``size`` entries.
    """
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    # The empty entry is how CTranslate2 tells a multilingual model.
    text = ["", *sorted(ByteLevel.alphabet()), *dict.fromkeys(f"Ġ{word}" for word in SENTENCE.split())]
    special = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in list(LANGUAGES)[:languages])]
    special += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>"]
    special += ["<|notimestamps|>"]
    stamps = [f"<|{0.02 * k:.2f}|>" for k in range(TIME_STAMPS)]
    text += [f"Ġw{i}" for i in range(len(text), size - len(special) - len(stamps))]
    return {entry: number for number, entry in enumerate([*text, *special, *stamps])}, [*special, *stamps]


def network_large_v3(sizes: Sizes) -> Any:
    """As transformers has it, before CTranslate2's conversion."""
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    ids, _ = vocabulary(sizes["languages"], sizes["vocabulary"])
    config = WhisperConfig(
        **sizes["network"],
        vocab_size=len(ids),
        num_mel_bins=sizes["mel_bands"],
        pad_token_id=ids["<|endoftext|>"],
        bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|endoftext|>"],
        decoder_start_token_id=ids["<|startoftranscript|>"],
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    return WhisperForConditionalGeneration(config)


network_small = network_large_v3


def _make(folder: Path, sizes: Sizes) -> None:
    import ctranslate2.converters
    import torch
    from transformers import WhisperFeatureExtractor, WhisperTokenizer

    ids, special = vocabulary(sizes["languages"], sizes["vocabulary"])
    torch.manual_seed(5)
    model = network_large_v3(sizes).eval()
    _teach(model, [ids[f"Ġ{word}"] for word in SENTENCE.split()], ids["<|en|>"], ids["<|endoftext|>"])
    generation = model.generation_config
    generation.alignment_heads = [[0, 0], [1, 1]]
    generation.no_timestamps_token_id = ids["<|notimestamps|>"]
    generation.lang_to_id = {entry: number for entry, number in ids.items() if _is_language(entry)}
    generation.task_to_id = {"transcribe": ids["<|transcribe|>"], "translate": ids["<|translate|>"]}
    generation.is_multilingual = True
    # Otherwise reading it again drops all of the above.
    generation._from_model_config = False
    tokenizer = WhisperTokenizer(vocab=dict(ids), merges=[], additional_special_tokens=special)
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
        WhisperFeatureExtractor(feature_size=sizes["mel_bands"]).save_pretrained(scratch)
        ctranslate2.converters.TransformersConverter(
            scratch, copy_files=["tokenizer.json", "preprocessor_config.json"]
        ).convert(str(folder), quantization=sizes.get("stored"), force=True)


def _teach(model: object, words: Sequence[int], english: int, end: int) -> None:
    """Draws the positions of the decoder to what it shall say: the language first, then the words, then the end."""
    import torch

    decoder = model.model.decoder  # type: ignore[attr-defined]
    with torch.no_grad():
        table = decoder.embed_tokens.weight
        table.copy_(torch.randn_like(table) * 0.25)
        positions = decoder.embed_positions.weight
        positions.zero_()
        positions[0] = PULL * table[english]
        # Position 3 is the last of the prompt: start, language, task, no time stamps.
        for position, token in enumerate([*words, end], start=3):
            positions[position] = PULL * table[token]
        positions[3 + len(words) + 1 :] = PULL * table[end]


def _is_language(entry: str) -> bool:
    return entry.startswith("<|") and entry[2:-2].isalpha() and len(entry) in (6, 7)
