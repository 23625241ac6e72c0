"""Tiny sound classifiers of transformers: a wav2vec2 with four emotions, an AST with the classes of AudioSet."""

from __future__ import annotations

import warnings
from pathlib import Path

EMOTIONS = ("neu", "hap", "ang", "sad")
"""As the pinned checkpoint names them."""

AUDIOSET = Path(__file__).with_name("audioset_classes.txt")
"""The 527 names in AudioSet's order (Gemmeke et al., "Audio Set", 2017; CC BY 4.0)."""


def make_emotion(folder: Path) -> None:
    """wav2vec2 base in small: group normalisation, no attention mask."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

    torch.manual_seed(3)
    config = Wav2Vec2Config(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(32,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=64,
        feat_extract_norm="group",
        mask_time_prob=0.0,
        num_labels=len(EMOTIONS),
        id2label=dict(enumerate(EMOTIONS)),
        label2id={name: number for number, name in enumerate(EMOTIONS)},
    )
    model = Wav2Vec2ForSequenceClassification(config).eval()
    with torch.no_grad():
        # Untrained, all sounds look alike; a larger head parts them.
        model.classifier.weight.mul_(20.0)
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=False, do_normalize=True).save_pretrained(folder)


def make_audioset(folder: Path) -> None:
    """AST in small, with all 527 classes."""
    import torch
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    names = audioset_classes()
    torch.manual_seed(4)
    config = ASTConfig(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        label2id={name: number for number, name in enumerate(names)},
    )
    model = ASTForAudioClassification(config).eval()
    with torch.no_grad():
        model.classifier.dense.weight.mul_(20.0)
        # Most classes are absent from most sounds.
        model.classifier.dense.bias.fill_(-2.0)
    model.save_pretrained(folder)
    with warnings.catch_warnings():
        # The real one has empty bands as well.
        warnings.filterwarnings("ignore", "At least one mel filter", UserWarning)
        ASTFeatureExtractor().save_pretrained(folder)


def audioset_classes() -> list[str]:
    """All names, in order."""
    return AUDIOSET.read_text(encoding="utf-8").splitlines()
