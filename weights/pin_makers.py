"""Pins of the kinds that come up again: what they have in common is written down once."""

from __future__ import annotations

from typing import Any

from weights.pin import Pin, RemoteFile

CHECKPOINT = ("config.json", "model.safetensors|pytorch_model.bin", "*processor_config.json")
"""A transformers checkpoint in one file with its image or sound processor, in the layouts of transformers 4 and 5."""

LANGUAGE_MODEL = ("config.json", "model*.safetensors", "*processor_config.json", "tokenizer.json")
"""A large checkpoint, mostly in several files, with processors and tokenizer."""

TEXT_EXTRAS = (
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "merges.txt",
    "model.safetensors.index.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
    "vocab.json",
)
"""What may lie beside a model with a tokenizer."""

ULTRALYTICS = "v8.3.0"
"""The release of ultralytics' assets that carries the YOLOv8 weights."""


def hub_pin(name: str, title: str, hub_id: str, revision: str | None, **fields: Any) -> Pin:
    """A pin from the hub: under Apache-2.0, permissive and a checkpoint in one file where ``fields`` say nothing else.

    Args:
        name: Of the pin.
        title: For people.
        hub_id: Repository; its page states the licence.
        revision: Commit; None where none is known here.
        **fields: Of ``Pin``.
    """
    page = f"https://huggingface.co/{hub_id}"
    usual = {"licence": "Apache-2.0", "licence_url": page, "permissive": True, "files": CHECKPOINT}
    return Pin(name=name, title=title, hub_id=hub_id, revision=revision, **{**usual, **fields})


def language_pin(name: str, title: str, hub_id: str, revision: str | None, **fields: Any) -> Pin:
    """The same for a language model with its tokenizer: billions of weights."""
    return hub_pin(name, title, hub_id, revision, files=LANGUAGE_MODEL, optional=TEXT_EXTRAS, for_gpu=True, **fields)


def yolo_pin(name: str, title: str, alternative: str, analyzer: str, digest: str | None = None, **fields: Any) -> Pin:
    """A YOLOv8 from ultralytics' releases.

    Args:
        name: Of the pin and of its file.
        title: For people.
        alternative: Serves under ``permissive``.
        analyzer: Loads it.
        digest: Of the file, with its exact size; None where no source states it.
        **fields: Of ``Pin``.
    """
    url = f"https://github.com/ultralytics/assets/releases/download/{ULTRALYTICS}/{name}.pt"
    return Pin(
        name=name,
        title=title,
        revision=ULTRALYTICS,
        remote=(RemoteFile(url, f"{name}.pt", digest, fields["size_bytes"] if digest else None),),
        licence="AGPL-3.0",
        licence_url="https://github.com/ultralytics/ultralytics/blob/main/LICENSE",
        permissive=False,
        alternative=alternative,
        used_by=(analyzer,),
        format="torch",
        **fields,
    )
