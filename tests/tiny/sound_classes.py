"""Sound classifiers of transformers: a wav2vec2 with four emotions, an AST with the classes of AudioSet."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from tests.tiny import Sizes

LAYERS = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
TINY_EMOTION = {
    **LAYERS,
    "conv_dim": (32,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 64,
}

EMOTIONS = ("neu", "hap", "ang", "sad")
"""As the pinned checkpoint names them."""

AUDIOSET = Path(__file__).with_name("audioset_classes.txt")
"""The 527 names in AudioSet's order (Gemmeke et al., "Audio Set", 2017; CC BY 4.0)."""


def network_emotion(sizes: Sizes) -> Any:
    """Group normalisation, no attention mask, as in wav2vec2 base."""
    from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification

    config = Wav2Vec2Config(
        **sizes,
        feat_extract_norm="group",
        mask_time_prob=0.0,
        num_labels=len(EMOTIONS),
        id2label=dict(enumerate(EMOTIONS)),
        label2id={name: number for number, name in enumerate(EMOTIONS)},
    )
    return Wav2Vec2ForSequenceClassification(config)


def make_emotion(folder: Path, sizes: Sizes = TINY_EMOTION) -> None:
    """Tiny: two layers of width 64."""
    import torch
    from transformers import Wav2Vec2FeatureExtractor

    torch.manual_seed(3)
    model = network_emotion(sizes).eval()
    with torch.no_grad():
        # Untrained, all sounds look alike; a larger head parts them.
        model.classifier.weight.mul_(20.0)
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=False, do_normalize=True).save_pretrained(folder)


def network_audioset(sizes: Sizes) -> Any:
    """With all 527 classes."""
    from transformers import ASTConfig, ASTForAudioClassification

    names = audioset_classes()
    config = ASTConfig(
        **sizes,
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        label2id={name: number for number, name in enumerate(names)},
    )
    return ASTForAudioClassification(config)


def make_audioset(folder: Path, sizes: Sizes = LAYERS) -> None:
    """Tiny: two layers of width 64."""
    import torch
    from transformers import ASTFeatureExtractor

    torch.manual_seed(4)
    model = network_audioset(sizes).eval()
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
